// linn fix: surgery on a saved model, training, and what it was worth.
#include "linn/fix.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "data/dataset.h"
#include "linn/certificate.h"
#include "linn/error.h"
#include "model/recipes.h"
#include "shift/network.h"
#include "shift/text.h"

namespace linn::cli {
namespace {

struct Options {
  Common common;
  std::string model;
  std::string data;
  std::string scale;
  std::string cure = "aps";
  std::string out;
  std::string canvas;
  std::string precision = "float32";
  std::int64_t filter_size = 3;
  std::int64_t epochs = 3;
  std::int64_t radius = 4;
  std::int64_t limit = 1000;
  std::int64_t train_limit = 0;
  std::uint64_t seed = 0;
};

std::string listed(const std::vector<std::string>& names) { return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")); }

void print_surgery(const Common& common, const shift::Fixed& fixed) {
  std::size_t layer = 5, before = 6;
  for (const shift::Change& change : fixed.changes) layer = std::max(layer, change.layer.size()), before = std::max(before, change.before.size());
  say(common, "\n   {:<{}}  {:<{}}  after\n", "layer", layer, "before", before);
  for (const shift::Change& change : fixed.changes) say(common, "   {:<{}}  {:<{}}  {}\n", change.layer, layer, change.before, before, change.after);
  say(common, "   weights kept: {}\n   new weights: {}\n", listed(fixed.kept), listed(fixed.fresh));
}

io::Json surgery_event(const shift::Fixed& fixed) {
  io::Json changes = io::Json::array();
  for (const shift::Change& change : fixed.changes) changes.push_back({{"layer", change.layer}, {"before", change.before}, {"after", change.after}});
  return {{"event", "surgery"}, {"changes", changes}, {"kept", fixed.kept}, {"fresh", fixed.fresh}};
}

io::Json portrait_json(const shift::Portrait& portrait) {
  return {{"accuracy", number(portrait.measures.accuracy.value)},
          {"worst_case_accuracy", number(portrait.measures.worst_case_accuracy.value)},
          {"mean_accuracy", number(portrait.measures.mean_accuracy.value)},
          {"consistency", number(portrait.measures.consistency.value)},
          {"parameters", portrait.parameters},
          {"flops", portrait.flops},
          {"seconds_an_image", portrait.seconds_an_image}};
}

// Seconds that the training will take, from a few of its steps.
double expected_seconds(const Sequential& model, const FitOptions& fit, std::int64_t images) {
  const Profile profile = model.profile({.training = true, .batch_size = fit.batch_size, .steps = 6});
  return static_cast<double>(images * fit.epochs) / profile.images_per_second();
}

// The sweep's frame: a canvas where the model's input is larger than the images, else the model's own, with zeros coming in.
shift::Border border_for(const Sequential& model, const Tensor& images) {
  const Shape image = image_shape(images), input = model.input_shape();
  return image[0] < input[0] || image[1] < input[1] ? shift::Border("canvas") : shift::Border("zero");
}

class Fix {
 public:
  explicit Fix(const Options& options) : options_(options), common_(options.common) {}

  int run() {
    apply(common_);
    const shift::Cure cure = named("--with: ", [&] { return shift::Cure(options_.cure); });
    const Sequential old = load_model(options_.model);
    load(old);
    shift::Fixed fixed = shift::fix(old, {.with = cure, .canvas = canvas(), .filter_size = options_.filter_size, .seed = options_.seed});
    say(common_, "{} in {}: every stride, border and flattened head gets its cure\n", cure.name(), options_.model);
    print_surgery(common_, fixed);
    emit(common_, surgery_event(fixed));
    if (!options_.out.empty()) prepare_directory(options_.out);
    const shift::Portrait before = measure(old, "before");
    if (!train(fixed.model)) return finish(fixed.model, exit_interrupted);
    const shift::Portrait after = measure(fixed.model, "after");
    say(common_, "\n{}", shift::table_of(before, after));
    say(common_, "   on {} test images; shifts: all {} within {} pixels, border {}\n\n", thousands(tested_.x.shape()[0]),
        (2 * options_.radius + 1) * (2 * options_.radius + 1), options_.radius, border_for(fixed.model, tested_.x).name());
    say_what_is_certain(fixed.model);
    return finish(fixed.model, exit_ok);
  }

 private:
  void load(const Sequential& old) {
    const std::string path = data_path(options_.data);
    training_ = data::load_dataset(path);
    if (!training_.x_train.defined()) throw DataError(fmt::format("{}: holds test images only; x_train and y_train are needed to train the mended network", path));
    training_.x_train = first_rows(training_.x_train, options_.train_limit);
    training_.y_train = first_rows(training_.y_train, options_.train_limit);
    tested_ = load_test_images(options_.data, options_.limit);
    scale_ = input_scale(old, tested_.x, options_.scale);
  }

  Size2 canvas() const {
    if (options_.canvas.empty()) return {};
    const auto shape = parse_image_shape(options_.canvas);
    return {(*shape)[0], (*shape)[1]};
  }

  shift::Portrait measure(const Sequential& model, const char* when) const {
    Progress progress(common_, (2 * options_.radius + 1) * (2 * options_.radius + 1), when);
    const shift::Portrait result = about(tested_.where, [&] {
      return shift::portrait(model, tested_.x, tested_.y,
                             {.radius = options_.radius,
                              .border = border_for(model, tested_.x),
                              .progress = [&](std::int64_t done, std::int64_t) { return progress.update(done); },
                              .input_scale = scale_});
    });
    progress.finish();
    io::Json event = portrait_json(result);
    event["event"] = when;
    emit(common_, event);
    return result;
  }

  // False when somebody interrupted it.
  bool train(Sequential& model) {
    model.set_dtype_policy(policy_of(common_, options_.precision, "fast"));
    model::Recipe recipe = model::recipe("invariant");
    recipe.passes = static_cast<double>(options_.epochs);
    const Tensor x = about(training_.train_where, [&] { return on_input(model, training_.x_train); });
    const std::int64_t images = x.shape()[0];
    CompileOptions compile = model::compile_options(recipe);
    compile.loss = SparseCategoricalCrossentropy({.from_logits = !shift::gives_probabilities(model), .label_smoothing = recipe.label_smoothing});
    model.compile(compile);
    FitOptions fit = model::fit_options(recipe, images);
    say(common_, "\nWhat it computes is new, so it is trained again: {} epochs of {} images, about {:.0f} s\n", options_.epochs, thousands(images),
        std::ceil(expected_seconds(model, fit, images)));
    std::fflush(stdout);
    fit.verbose = common_.json() ? Verbose::silent : Verbose::automatic;
    fit.callbacks = {stop_on_interrupt()};
    fit.input_scale = scale_;
    if (common_.json()) fit.callbacks.push_back(train::json_progress(stdout, images));
    remember_interrupt();
    about(training_.train_where, [&] { return model.fit(x, training_.y_train, fit); });
    return !interrupted();
  }

  static Tensor on_input(const Sequential& model, const Tensor& images) {
    const Shape input = model.input_shape();
    return border_for(model, images) == shift::Border("canvas") ? shift::on_canvas(images, input[0], input[1]) : images;
  }

  void say_what_is_certain(const Sequential& model) const {
    const std::optional<std::string> reason = shift::why_not_invariant(model);
    if (!common_.json())
      say(common_, "{}", shift::wrapped(reason ? "No guarantee: " + *reason + "."
                                               : "Guaranteed, whatever the weights: a circular shift of the input changes no bit of the output, and as long as no ink leaves the "
                                                 "frame a shift with zeros coming in is a circular one.",
                                        110));
    emit(common_, {{"event", "guarantee"}, {"holds", !reason}, {"reason", reason ? io::Json(*reason) : io::Json(nullptr)}});
  }

  int finish(Sequential& model, int code) const {
    model.metadata()[scale_key] = fmt::format("{}", scale_);
    const Shape input = model.input_shape();
    if (border_for(model, tested_.x) == shift::Border("canvas")) model.metadata()[canvas_key] = fmt::format("{}x{}", input[0], input[1]);
    if (!options_.out.empty()) model.save(options_.out);
    say(common_, "{}{}\n", code == exit_interrupted ? "interrupted; " : "", options_.out.empty() ? "not saved, because no --out DIR was given" : "saved to " + options_.out);
    emit(common_, {{"event", code == exit_interrupted ? "interrupted" : "done"}, {"saved", options_.out.empty() ? io::Json(nullptr) : io::Json(options_.out)}});
    return code;
  }

  const Options& options_;
  const Common& common_;
  data::Dataset training_;
  Images tested_;
  double scale_ = 1;
};

}  // namespace

Action add_fix(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.description("Put what moves with the image in place of what does not, train the network again, and show what it was worth.");
  add_text(app, "model", options->model, "directory that `linn train --out` wrote")->type_name("DIR")->required();
  add_text(app, "--with", options->cure,
           "aps: of each stride's phases the one of the largest norm is kept, guaranteed; lps: a learned choice, guaranteed; blur: a low-pass filter before each stride, no guarantee")
      ->type_name("NAME")
      ->default_str(options->cure);
  add_text(app, "--out", options->out, "directory for the mended model; Ctrl-C while it is trained saves it there too")->type_name("DIR");
  add_text(app, "--data", options->data, "as for `linn train` [LINN_DATA, or data/mnist.npz]")->type_name("FILE");
  add_whole(app, "--epochs", options->epochs, 1, largest, "times through all training images")->type_name("N")->default_str(fmt::format("{}", options->epochs));
  add_text(app, "--canvas", options->canvas, "make the input HxW, the images in its middle [as it was]")->type_name("HxW");
  add_whole(app, "--filter-size", options->filter_size, 2, 7, "taps of the blur")->type_name("N")->default_str(fmt::format("{}", options->filter_size));
  add_whole(app, "--radius", options->radius, 0, 4096, "measure all shifts of up to N pixels")->type_name("N")->default_str(fmt::format("{}", options->radius));
  add_whole(app, "--limit", options->limit, 0, largest, "measure on the first N test images only; 0: all")->type_name("N")->default_str(fmt::format("{}", options->limit));
  add_whole(app, "--train-limit", options->train_limit, 0, largest, "train on the first N images only")->type_name("N");
  add_text(app, "--scale", options->scale, "what every pixel is multiplied by [as the model was saved, else 1/255 for uint8 images]")->type_name("X");
  add_whole(app, "--seed", options->seed, 0, largest_seed, "of new weights and shuffling")->type_name("N")->default_str("0");
  add_precision(app, options->precision);
  add_common(app, options->common);
  app.footer("Examples:\n  linn fix digits --out steady\n  linn fix digits --with blur --filter-size 5 --epochs 2\n  linn shift steady --border circular");
  return [options] { return Fix(*options).run(); };
}

}  // namespace linn::cli
