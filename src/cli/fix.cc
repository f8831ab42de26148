// linn fix: replaces layers of a saved model, trains it, and compares it with the old one.
#include "linn/fix.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "cli/command.h"
#include "cli/compile.h"
#include "cli/interrupt.h"
#include "cli/pixels.h"
#include "cli/progress.h"
#include "core/checked.h"
#include "data/dataset.h"
#include "io/file.h"
#include "io/png.h"
#include "io/text.h"
#include "linn/certificate.h"
#include "linn/error.h"
#include "model/recipes.h"
#include "shift/charts.h"
#include "shift/class_values.h"
#include "shift/text.h"

namespace linn::cli {
namespace {

struct FixArguments {
  Common common;
  std::string model;
  DataOptions data;
  std::string scale;
  std::string with = "aps";
  std::string out;
  Size2 canvas = {};
  std::optional<double> fill;
  std::string picture;
  std::string precision = "float32";
  std::int64_t filter_size = 3;
  std::int64_t epochs = 3;
  std::int64_t radius = 4;
  std::int64_t limit = 1000;
  std::int64_t train_limit = 0;
  std::uint64_t seed = 0;
};

std::string listed(const std::vector<std::string>& names) { return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")); }

void print_replacements(const Common& common, const shift::FixResult& fixed) {
  std::size_t layer = 5, before = 6;
  for (const shift::Replacement& replacement : fixed.replacements) {
    layer = std::max(layer, replacement.layer.size());
    before = std::max(before, replacement.before.size());
  }
  say(common, "\n   {:<{}}  {:<{}}  after\n", "layer", layer, "before", before);
  for (const shift::Replacement& replacement : fixed.replacements)
    say(common, "   {:<{}}  {:<{}}  {}\n", replacement.layer, layer, replacement.before, before, replacement.after);
  say(common, "   weights kept: {}\n   new weights: {}\n", listed(fixed.kept_weights), listed(fixed.new_weights));
}

detail::io::Json replacements_event(const shift::FixResult& fixed) {
  detail::io::Json replacements = detail::io::Json::array();
  for (const shift::Replacement& replacement : fixed.replacements)
    replacements.push_back({{"layer", replacement.layer}, {"before", replacement.before}, {"after", replacement.after}});
  return {{"event", "replacements"}, {"replacements", replacements}, {"kept_weights", fixed.kept_weights}, {"new_weights", fixed.new_weights}};
}

detail::io::Json traits_json(const shift::NetworkTraits& traits) {
  const shift::Measures measures = traits.sweep.measures(traits.sweep.radius());
  return {{"accuracy", number(measures.accuracy.value)},
          {"worst_case_accuracy", number(measures.worst_case_accuracy.value)},
          {"mean_accuracy", number(measures.mean_accuracy.value)},
          {"consistency", number(measures.consistency.value)},
          {"parameters", traits.parameters},
          {"flops", traits.flops},
          {"seconds_an_image", traits.seconds_an_image}};
}

// The recipe of the built-in network "invariant", with smaller batches where there are fewer images.
detail::model::Recipe recipe_for(std::int64_t epochs, std::int64_t images) {
  detail::model::Recipe recipe = detail::model::recipe("invariant");
  recipe.passes = static_cast<double>(epochs);
  recipe.batch_size = std::min(recipe.batch_size, images);
  return recipe;
}

// Training steps; the last batch of an epoch may be smaller.
std::int64_t steps_of(const detail::model::Recipe& recipe, std::int64_t images) {
  return static_cast<std::int64_t>(recipe.passes) * detail::core::ceil_div(images, recipe.batch_size);
}

// Estimates the seconds of training from a few steps on its own images.
double expected_seconds(const Model& model, const FitOptions& fit, std::int64_t steps, const Tensor& x, const Tensor& y) {
  const std::int64_t images = std::min(x.shape()[0], 8 * fit.batch_size);
  const Profile profile = model.profile({.training = true,
                                         .batch_size = fit.batch_size,
                                         .steps = 8,
                                         .x = x.rows(0, images),
                                         .y = y.rows(0, images)});
  return profile.seconds / static_cast<double>(profile.steps) * static_cast<double>(steps);
}

// "canvas" where the model's input is larger than the images, else "zero".
shift::Border border_for(const Model& model, const Tensor& images) {
  const Shape image = image_shape(images), input = model.input_shape();
  return image[0] < input[0] || image[1] < input[1] ? shift::Border("canvas") : shift::Border("zero");
}

class Fix {
 public:
  explicit Fix(const FixArguments& options) : options_(options), common_(options.common) {}

  int run() {
    apply(common_);
    const shift::Downsampling with = named("--with: ", [&] { return shift::Downsampling(options_.with); });
    const DTypePolicy policy = policy_of(common_, options_.precision, "fast");
    Model old = load_model(options_.model);
    old.set_dtype_policy(policy);
    load(old);
    if (!options_.picture.empty()) const detail::io::AtomicFile writable{options_.picture};
    const std::int64_t images = training_.x_train.shape()[0];
    shift::FixResult fixed = shift::fix(old, {.with = with,
                                          .canvas = options_.canvas,
                                          .filter_size = options_.filter_size,
                                          .anneal_steps = steps_of(recipe_for(options_.epochs, images), images),
                                          .seed = options_.seed});
    fixed.model.set_dtype_policy(policy);
    if (!options_.out.empty()) prepare_output(options_.out);
    say(common_, "{} in {}: layers that break translation equivariance are replaced\n", with.name(), options_.model);
    print_replacements(common_, fixed);
    emit(common_, replacements_event(fixed));
    const shift::NetworkTraits before = measure(old, "before");
    const bool whole = train(fixed.model);
    save(fixed.model, whole);
    if (!whole) return end("interrupted", interrupted_code());
    const shift::NetworkTraits after = measure(fixed.model, "after");
    show(old, before, fixed.model, after);
    say_guarantee(fixed.model);
    return end("done", exit_ok);
  }

 private:
  void load(Model& old) {
    const std::string path = data_path(options_.data.path);
    training_ = load_data(common_, options_.data, &old);
    if (!training_.x_train.defined())
      throw DataError(fmt::format("{}: holds test images only; x_train and y_train are needed to train the new network", path));
    use_class_numbers(training_, old);
    tested_ = test_images(training_, options_.limit);
    old = at_size_of(std::move(old), tested_.x, tested_.where);
    training_.x_train = first_rows(training_.x_train, options_.train_limit);
    training_.y_train = first_rows(training_.y_train, options_.train_limit);
    // Wrong labels are found here, before anything is computed.
    targets_of(old, training_.y_train, training_.train_where);
    targets_of(old, tested_.y, tested_.where);
    Pixels tested = as_trained(old, tested_.x, tested_.where, options_.scale);
    training_.x_train = as_trained(old, training_.x_train, training_.train_where, options_.scale).images;
    tested_.x = tested.images;
    scale_ = tested.scale;
    const Shape image = image_shape(tested_.x), input = old.input_shape();
    if (input.rank() == 3 && (image[0] > input[0] || image[1] > input[1]))
      throw ShapeError(fmt::format(
          "{}: images of {} x {} came, the model takes {}; images of that size are needed, or smaller ones, which are laid onto its middle",
          tested_.where, image[0], image[1], input.to_string()));
    fill_ = fill_around(old, training_.x_train, tested, options_.fill);
    say(common_, "{} training images and {} {} images of {}; pixels: {}\n", thousands(training_.x_train.shape()[0]),
        thousands(tested_.x.shape()[0]), tested_.part, path, tested.note);
  }

  shift::NetworkTraits measure(const Model& model, const char* when) const {
    Progress progress(common_, (2 * options_.radius + 1) * (2 * options_.radius + 1), when);
    const shift::NetworkTraits result = about(tested_.where, [&] {
      return shift::measure_traits(model, tested_.x, tested_.y,
                             {.radius = options_.radius,
                              .border = border_for(model, tested_.x),
                              .progress = [&](std::int64_t done, std::int64_t) { return progress.update(done); },
                              .fill = fill_.values,
                              .fill_origin = fill_.origin});
    });
    progress.finish();
    detail::io::Json event = traits_json(result);
    event["event"] = when;
    emit(common_, event);
    return result;
  }

  // False after an interrupt.
  bool train(Model& model) {
    const Tensor x = about(training_.train_where, [&] { return on_input(model, training_.x_train); });
    const std::int64_t images = x.shape()[0];
    const detail::model::Recipe recipe = recipe_for(options_.epochs, images);
    model.compile(for_classes(model, detail::model::compile_options(recipe), recipe.label_smoothing));
    const Tensor y = targets_of(model, training_.y_train, training_.train_where);
    FitOptions fit = detail::model::fit_options(recipe, images);
    fit.verbose = common_.json() ? Verbose::silent : Verbose::automatic;
    fit.callbacks = {stop_on_interrupt()};
    if (common_.json()) fit.callbacks.push_back(detail::train::json_progress(stdout, images));
    const double seconds =
        about(training_.train_where, [&] { return expected_seconds(model, fit, steps_of(recipe, images), x, y); });
    say(common_, "\nThe new network computes another function, so it is trained again: {} epoch{} of {} images, about {:.0f} s (Ctrl-C ends it{})\n",
        options_.epochs, options_.epochs == 1 ? "" : "s", thousands(images), std::ceil(seconds),
        options_.out.empty() ? "" : " and saves it");
    const Shape input = model.input_shape();
    const detail::io::Json compiled = shift::compile_config(model);
    emit(common_, {{"event", "train"},
                   {"model", options_.model},
                   {"data", data_path(options_.data.path)},
                   {"images", images},
                   {"image_shape", {input[0], input[1], input[2]}},
                   {"parameters", model.count_params()},
                   {"input_scale", scale_},
                   {"recipe", recipe.name},
                   {"epochs", fit.epochs},
                   {"batch_size", fit.batch_size},
                   {"optimizer", compiled["optimizer"]},
                   {"loss", compiled["loss"]},
                   {"precision", options_.precision},
                   {"seed", options_.seed},
                   {"accuracy_policy", "fast"},
                   {"threads", threads()},
                   {"expected_seconds", number(seconds)}});
    std::fflush(stdout);
    remember_interrupt();
    about(training_.train_where, [&] { return model.fit(x, y, fit); });
    if (interrupted()) return false;
    leave_on_interrupt();
    return true;
  }

  Tensor on_input(const Model& model, const Tensor& images) const {
    const Shape input = model.input_shape();
    return border_for(model, images) == shift::Border("canvas") ? shift::on_canvas(images, input[0], input[1], fill_.values) : images;
  }

  void say_guarantee(const Model& model) const {
    const std::optional<std::string> reason = shift::why_not_invariant(model);
    say(common_, "{}", shift::wrapped(shift::guarantee_text(reason), 110));
    emit(common_, {{"event", "guarantee"}, {"holds", !reason}, {"reason", reason ? detail::io::Json(*reason) : detail::io::Json(nullptr)}});
  }

  // Called before the new model is measured, so that an error there does not lose it.
  void save(Model& model, bool whole) const {
    const Shape input = model.input_shape();
    if (border_for(model, tested_.x) == shift::Border("canvas")) model.metadata()[canvas_key] = fmt::format("{}x{}", input[0], input[1]);
    if (!trained_on(model)) remember_range(model, training_.x_train, training_.train_where);
    if (!options_.out.empty()) model.save(options_.out);
    say(common_, "{}{}\n", whole ? "" : "interrupted; ",
        options_.out.empty() ? "not saved, because no --out DIR was given" : "saved to " + options_.out);
    std::fflush(stdout);
  }

  void show(const Model& old, const shift::NetworkTraits& before, const Model& now, const shift::NetworkTraits& after) const {
    const std::int64_t side = 2 * options_.radius + 1;
    const std::string_view from = border_for(old, tested_.x).name(), to = border_for(now, tested_.x).name();
    say(common_, "\n{}   on {} {} images; shifts: all {} within {} pixels, border {}\n", shift::table_of(before, after),
        thousands(tested_.x.shape()[0]), tested_.part, thousands(side * side), options_.radius,
        from == to ? std::string(to) : fmt::format("{} before, {} after", from, to));
    if (!options_.picture.empty()) {
      detail::io::write_png(options_.picture, shift::shift_maps({{"before", &before.sweep}, {"after", &after.sweep}}).image());
      say(common_, "   written: {}\n", options_.picture);
    }
    const double lost = before.sweep.accuracy(0, 0) - after.sweep.accuracy(0, 0);
    if (lost > 0.02)
      say(common_, "{}",
          shift::wrapped(fmt::format("   At shift 0, accuracy is {} points lower than before. More epochs (--epochs, here {}) may regain it, unless the "
                                     "place of an object decides its class.",
                                     shift::percent(lost), options_.epochs),
                         110, "   "));
    say(common_, "\n");
  }

  int end(const char* event, int code) const {
    emit(common_, {{"event", event}, {"saved", options_.out.empty() ? detail::io::Json(nullptr) : detail::io::Json(options_.out)}});
    return code;
  }

  const FixArguments& options_;
  const Common& common_;
  detail::data::Dataset training_;
  Images tested_;
  double scale_ = 1;
  shift::Fill fill_;  // what lies around the images
};

}  // namespace

Action add_fix(CLI::App& app) {
  auto options = std::make_shared<FixArguments>();
  app.description("Replace the layers that break translation equivariance, train the network again, and compare it with the old one.");
  add_text(app, "model", options->model, "a model: a file or directory of any kind that linn reads (docs/files.md)")->type_name("MODEL")->required();
  add_text(app, "--with", options->with,
           "aps: each stride keeps the phase of the largest norm, guaranteed; lps: each stride keeps a phase by a learned choice, guaranteed; "
           "blur, flc, ddac: a low-pass filter before each stride, fixed, ideal, or learned for each pixel, no guarantee; tips: each stride mixes its phases by "
           "learned weights, no guarantee (docs/fix.md)")
      ->type_name("NAME")
      ->default_str(options->with);
  add_text(app, "--out", options->out, "where the new model goes: a directory, or a file (.keras, .h5, .onnx, .safetensors); Ctrl-C during training saves it there too")->type_name("PATH");
  add_data(app, options->data);
  add_whole(app, "--epochs", options->epochs, 1, largest, "times through all training images")
      ->type_name("N")
      ->default_str(fmt::format("{}", options->epochs));
  add_canvas(app, options->canvas, "make the input HxW (or NxN), the images in its middle [as it was]");
  add_whole(app, "--filter-size", options->filter_size, 2, 7, "taps of the blur")
      ->type_name("N")
      ->default_str(fmt::format("{}", options->filter_size));
  app.add_option("--fill", options->fill, "value around images on a canvas, and that comes in when they move [the background that the model was trained on]")
      ->type_name("X");
  add_text(app, "--picture", options->picture, "write maps of accuracy by shift before and after as a PNG")->type_name("FILE");
  add_whole(app, "--radius", options->radius, 0, 4096, "measure all shifts of up to N pixels")
      ->type_name("N")
      ->default_str(fmt::format("{}", options->radius));
  add_whole(app, "--limit", options->limit, 0, largest, "measure on the first N test images only; 0: all")
      ->type_name("N")
      ->default_str(fmt::format("{}", options->limit));
  add_whole(app, "--train-limit", options->train_limit, 0, largest, "train on the first N images only")->type_name("N");
  add_text(app, "--scale", options->scale, "what every pixel is multiplied by first [what brings it to the range that the model was trained on]")
      ->type_name("X");
  add_whole(app, "--seed", options->seed, 0, largest_seed, "of new weights and shuffling")->type_name("N")->default_str("0");
  add_precision(app, options->precision);
  add_common(app, options->common);
  app.footer(
      "Examples:\n  linn fix digits --out steady\n  linn fix digits --with blur --filter-size 5 --epochs 2\n  linn shift steady --border "
      "circular");
  return [options] { return Fix(*options).run(); };
}

}  // namespace linn::cli
