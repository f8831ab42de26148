// linn demo: five networks trained alike, what pooling saves and keeps, and what happens when the digits move.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <vector>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/pixels.h"
#include "cli/progress.h"
#include "core/terminal.h"
#include "data/dataset.h"
#include "io/bytes.h"
#include "io/file.h"
#include "io/png.h"
#include "linn/error.h"
#include "linn/layers/activation.h"
#include "linn/shift.h"
#include "model/zoo.h"
#include "shift/charts.h"
#include "shift/text.h"
#include "train/progress.h"

namespace linn::cli {
namespace {

constexpr std::int64_t batch_size = 128;
constexpr std::int64_t classes = 10;
constexpr std::int64_t radius = 4;
constexpr std::int64_t canvas_size = 44;
constexpr std::int64_t canvas_radius = 8;
constexpr std::int64_t invariant_images = 200;  // moved over the canvas, a subset that says so; --full takes five times as many

struct DemoArguments {
  Common common;
  DataOptions data;
  std::string out = "demo-out";
  std::uint64_t seed = 0;
  bool full = false;
  std::string precision = "float32";
};

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// One pooling layer: where it stands in the model, and what goes in and out.
struct Pooling {
  std::string name, before_name;
  Shape before, after;

  double left() const { return static_cast<double>(after.elements()) / static_cast<double>(before.elements()); }
};

// A row of the table.
struct Row {
  std::string name, title;
  std::int64_t epochs = 0;
  std::int64_t parameters = 0;
  std::vector<Pooling> poolings;
  double seconds_per_epoch = 0;
  double accuracy = 0;
  std::optional<shift::Sweep> sweep;
};

// Seconds of every epoch, training alone, without the first step, which also makes the plan.
class StepTimer : public Callback {
 public:
  void on_epoch_begin(Trainer& /*trainer*/) override { last_ = 0; }
  void on_batch_end(Trainer& trainer, const Logs& /*logs*/) override {
    last_ = trainer.seconds();
    if (trainer.step() == 1) first_ = last_;
    steps_ = trainer.step();
  }
  void on_epoch_end(Trainer& /*trainer*/, const Logs& /*logs*/) override {
    sum_ += last_;
    ++epochs_;
  }

  double seconds_per_epoch() const { return epochs_ > 0 ? sum_ / static_cast<double>(epochs_) : last_; }
  double seconds_per_step() const { return steps_ > 1 ? (last_ - first_) / static_cast<double>(steps_ - 1) : last_; }

 private:
  double first_ = 0;
  double last_ = 0;
  double sum_ = 0;
  std::int64_t epochs_ = 0;
  std::int64_t steps_ = 0;
};

void compile(Sequential& model) {
  model.compile({.optimizer = optimizers::Adam(), .loss = "sparse_categorical_crossentropy", .metrics = {"accuracy"}});
}

std::vector<Pooling> poolings(const Sequential& model) {
  std::vector<Pooling> found;
  const auto layers = model.layers();
  const auto names = model.layer_names();
  const auto shapes = model.output_shapes();
  for (std::size_t i = 1; i < layers.size(); ++i) {
    const std::string_view kind = layers[i].class_name();
    const bool shrinks = kind.find("Pooling") != std::string_view::npos || kind.find("Sampling") != std::string_view::npos;
    if (shrinks && shapes[i].elements() < shapes[i - 1].elements()) found.push_back({names[i], names[i - 1], shapes[i - 1], shapes[i]});
  }
  return found;
}

using shift::percent;

std::string size_text(const Shape& shape) { return shape.rank() == 3 ? fmt::format("{}x{}", shape[0], shape[1]) : std::string("1x1"); }

std::string duration_text(double seconds) {
  if (seconds < 90) return fmt::format("{:.0f} seconds", std::max(1.0, seconds));
  return fmt::format("{:.0f} minutes", seconds / 60);
}

std::string plural(std::int64_t count, const char* what) { return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s"); }

class Demo {
 public:
  explicit Demo(const DemoArguments& options) : options_(options) {}

  int run() {
    apply(options_.common);
    policy_ = policy_of(options_.common, options_.precision, "fast");
    prepare();
    announce();
    remember_interrupt();
    for (const detail::model::ZooEntry& entry : networks()) {
      Row row = train(entry.name, std::string(entry.title), options_.full || entry.name == "notebook" ? 3 : 1, data_.x_train, data_.x_test);
      if (interrupted()) return stopped(std::string(entry.name));
      move(row, models_.back(), data_.x_test, data_.y_test, radius, "zero", moved_images());
      if (interrupted()) return stopped("");
      rows_.push_back(std::move(row));
    }
    if (has_invariant()) move_invariant();
    if (interrupted()) return stopped("");
    if (options_.full) {
      const Tensor x_train = shift::on_canvas(data_.x_train, canvas_size, canvas_size);
      const Tensor x_test = shift::on_canvas(data_.x_test, canvas_size, canvas_size);
      Row row = train("notebook", fmt::format("notebook on {0}x{0}", canvas_size), 3, x_train, x_test, "notebook-canvas");
      if (interrupted()) return stopped("notebook-canvas");
      move(row, models_.back(), x_test, data_.y_test, canvas_radius, "zero", moved_images());
      if (interrupted()) return stopped("");
      canvas_ = std::move(row);
    }
    leave_on_interrupt();
    print_table();
    print_words();
    write_files();
    return exit_ok;
  }

 private:
  std::string path(const std::string& file) const { return options_.out + "/" + file; }
  const Row& row(std::string_view name) const {
    return *std::find_if(rows_.begin(), rows_.end(), [&](const Row& row) { return row.name == name; });
  }
  std::int64_t moved_images() const {
    return options_.full ? data_.x_test.shape()[0] : std::min<std::int64_t>(1000, data_.x_test.shape()[0]);
  }
  std::int64_t invariant_moved() const { return std::min((options_.full ? 5 : 1) * invariant_images, data_.x_test.shape()[0]); }

  // A network for bytes.
  Sequential make(std::string_view name, const Shape& image) const {
    return Sequential(
        detail::model::make(name, image, classes, {.seed = options_.seed, .dtype_policy = policy_}).with_first_layer(Rescaling(1.0 / 255)));
  }

  // Those that take images of this size.
  bool has_invariant() const { return image_[0] % 4 == 0 && image_[1] % 4 == 0; }
  std::vector<detail::model::ZooEntry> networks() const {
    std::vector<detail::model::ZooEntry> entries;
    for (const detail::model::ZooEntry& entry : detail::model::demo_networks())
      if (entry.name != "invariant" || has_invariant()) entries.push_back(entry);
    return entries;
  }

  bool show_bar() const { return !options_.common.json() && detail::core::is_terminal(stdout); }

  void prepare() {
    const std::string file = data_path(options_.data.path);
    data_ = load_data(options_.common, options_.data, nullptr);
    if (!data_.x_train.defined() || !data_.x_test.defined())
      throw DataError(fmt::format("{}: the demo needs x_train, y_train, x_test and y_test", file));
    if (data_.x_train.dtype() != DType::u8)
      throw DataError(fmt::format("{}: images of {} came; the demo needs uint8 images", file, name_of(data_.x_train.dtype())));
    image_ = image_shape(data_.x_train);
    if (image_[0] > canvas_size || image_[1] > canvas_size)
      throw ShapeError(
          fmt::format("{}: images of {} x {} came; the demo takes up to {} x {}", file, image_[0], image_[1], canvas_size, canvas_size));
    detail::io::make_directories(options_.out);
    say(options_.common, "{} training images, {} test images from {}; a Rescaling by 1/255 in front of each network\n",
        thousands(data_.x_train.shape()[0]), thousands(data_.x_test.shape()[0]), file);
  }

  // How long all will take, from a few steps of each network.
  void announce() {
    double seconds = 0;
    const auto add = [&](std::string_view name, const Shape& image, std::int64_t epochs, const Tensor& x, const Tensor& y,
                         std::int64_t shifts) {
      constexpr std::int64_t steps = 12;
      Sequential model = make(name, image);
      compile(model);
      const auto timer = std::make_shared<StepTimer>();
      model.fit(
          x, y,
          {.batch_size = batch_size, .verbose = Verbose::silent, .callbacks = {timer}, .steps_per_epoch = steps});
      const std::int64_t all_steps = (data_.x_train.shape()[0] + batch_size - 1) / batch_size;
      seconds += timer->seconds_per_step() * static_cast<double>(all_steps) * static_cast<double>(epochs);
      const std::int64_t some = std::min<std::int64_t>(1024, x.shape()[0]);
      model.predict(x.rows(0, std::min<std::int64_t>(256, some)), {.batch_size = 256});
      const auto begin = Clock::now();
      model.predict(x.rows(0, some), {.batch_size = 256});
      const double each = seconds_since(begin) / static_cast<double>(some);
      seconds += each * static_cast<double>(moved_images() * shifts + data_.x_test.shape()[0]);
    };
    constexpr std::int64_t shifts = (2 * radius + 1) * (2 * radius + 1);
    for (const detail::model::ZooEntry& entry : networks())
      add(entry.name, image_, options_.full || entry.name == "notebook" ? 3 : 1, data_.x_train, data_.y_train, shifts);
    if (has_invariant()) seconds += canvas_seconds();
    if (options_.full) {
      const std::int64_t some = std::min<std::int64_t>(2048, data_.x_train.shape()[0]);
      add("notebook", {canvas_size, canvas_size, image_[2]}, 3, shift::on_canvas(data_.x_train.rows(0, some), canvas_size, canvas_size),
          data_.y_train.rows(0, some), (2 * canvas_radius + 1) * (2 * canvas_radius + 1));
    }
    say(options_.common, "This takes about {} with {} (measured from a few steps of each network).\n", duration_text(seconds),
        plural(threads(), "thread"));
    if (!options_.full)
      say(options_.common,
          "`--full` makes the whole table: every network for 3 epochs, all test digits moved, one more line on a larger canvas.\n");
    emit(options_.common,
         {{"event", "demo"}, {"expected_seconds", seconds}, {"full", options_.full}, {"threads", threads()}, {"seed", options_.seed}, {"precision", options_.precision}});
    std::fflush(stdout);
  }

  // How long the invariant network's canvas will take, from one batch.
  double canvas_seconds() const {
    const Sequential model = make("invariant", {canvas_size, canvas_size, image_[2]});
    const std::int64_t some = std::min<std::int64_t>(256, data_.x_test.shape()[0]);
    const Tensor x = shift::on_canvas(data_.x_test.rows(0, some), canvas_size, canvas_size);
    model.predict(x, {.batch_size = 256});
    const auto begin = Clock::now();
    model.predict(x, {.batch_size = 256});
    const std::int64_t shifts = (2 * canvas_radius + 1) * (2 * canvas_radius + 1);
    return seconds_since(begin) / static_cast<double>(some) * static_cast<double>(invariant_moved() * shifts + data_.x_test.shape()[0]);
  }

  // The invariant network with the weights that it has, on a canvas where nothing is cut.
  void move_invariant() {
    const auto at = std::find_if(rows_.begin(), rows_.end(), [](const Row& row) { return row.name == "invariant"; }) - rows_.begin();
    Sequential wide = models_[static_cast<std::size_t>(at)].with_input_shape({canvas_size, canvas_size, image_[2]});
    Row row = rows_[static_cast<std::size_t>(at)];
    row.name = "invariant-canvas";
    row.title = fmt::format("invariant on {0}x{0}", canvas_size);
    row.poolings = poolings(wide);
    row.accuracy = wide.evaluate(shift::on_canvas(data_.x_test, canvas_size, canvas_size), data_.y_test,
                                 {.batch_size = 256, .verbose = Verbose::silent})
                       .at("accuracy");
    say(options_.common, "the same weights on a canvas of {0} x {0}: test accuracy {1} %\n", canvas_size, percent(row.accuracy, 2));
    move(row, wide, data_.x_test, data_.y_test, canvas_radius, "canvas", invariant_moved());
    invariant_canvas_ = std::move(row);
  }

  Row train(std::string_view name, std::string title, std::int64_t epochs, const Tensor& x_train, const Tensor& x_test,
            const std::string& directory = "") {
    Row row;
    row.name = directory.empty() ? std::string(name) : directory;
    row.title = std::move(title);
    row.epochs = epochs;
    Sequential model = make(name, image_shape(x_train));
    row.parameters = model.count_params();
    row.poolings = poolings(model);
    compile(model);
    remember_range(model, x_train, "the training images");
    if (image_shape(x_train) != image_) model.metadata()[canvas_key] = fmt::format("{0}x{0}", canvas_size);
    say(options_.common, "\n{}: {} parameters, {}\n", row.title, thousands(row.parameters), plural(epochs, "epoch"));
    std::fflush(stdout);
    const auto timer = std::make_shared<StepTimer>();
    FitOptions fit = {.batch_size = batch_size,
                      .epochs = epochs,
                      .verbose = options_.common.json() ? Verbose::silent : Verbose::automatic,
                      .callbacks = {stop_on_interrupt(), timer}};
    if (options_.common.json()) {
      emit(options_.common, {{"event", "train"}, {"model", row.name}, {"parameters", row.parameters}, {"epochs", epochs}});
      fit.callbacks.push_back(detail::train::json_progress(stdout, x_train.shape()[0]));
    }
    model.fit(x_train, data_.y_train, fit);
    row.seconds_per_epoch = timer->seconds_per_epoch();
    model.save(path("models/" + row.name));
    if (!interrupted()) {
      const Logs logs = model.evaluate(x_test, data_.y_test, {.batch_size = 256, .verbose = Verbose::silent});
      row.accuracy = logs.at("accuracy");
      say(options_.common, "test accuracy {} %\n", percent(row.accuracy, 2));
    }
    models_.push_back(std::move(model));
    return row;
  }

  void move(Row& row, const Sequential& model, const Tensor& images, const Tensor& labels, std::int64_t r, const std::string& border, std::int64_t count) {
    const std::int64_t side = 2 * r + 1;
    if (!show_bar()) say(options_.common, "moving {} test digits to {} places each\n", thousands(count), side * side);
    std::fflush(stdout);
    Progress progress(options_.common, side * side, "shift");
    try {
      row.sweep = shift::sweep(model, images.rows(0, count), labels.rows(0, count),
                               {.radius = r,
                                .border = border,
                                .progress =
                                    [&](std::int64_t done, std::int64_t) {
                                      progress.update(done);
                                      return !interrupted();
                                    }});
    } catch (const StateError&) {
      if (!interrupted()) throw;
      return;
    }
    progress.finish();
  }

  int stopped(const std::string& in_training) const {
    if (in_training.empty())
      say(options_.common, "interrupted; the trained networks are in {}\n", path("models"));
    else
      say(options_.common, "interrupted; what was learned is saved to {}\n", path("models/" + in_training));
    emit(options_.common, {{"event", "interrupted"}, {"saved", in_training.empty() ? path("models") : path("models/" + in_training)}});
    return interrupted_code();
  }

  // ---- the table -------------------------------------------------------------------------------------------------

  std::vector<std::string> cells(const Row& row) const {
    std::string left;
    for (const Pooling& pooling : row.poolings) left += fmt::format("{}{}", left.empty() ? "" : ", ", percent(pooling.left()));
    std::vector<std::string> cells = {row.title,
                                      thousands(row.parameters),
                                      left.empty() ? "-" : left,
                                      fmt::format("{}", row.epochs),
                                      fmt::format("{:.1f}", row.seconds_per_epoch),
                                      percent(row.accuracy, 2)};
    for (std::int64_t r = 1; r <= radius; ++r)
      cells.push_back(fmt::format("{} / {}", percent(row.sweep->mean_accuracy(r)), percent(row.sweep->worst_case_accuracy(r))));
    return cells;
  }

  void print_table() const {
    if (options_.common.json()) return;
    std::vector<std::vector<std::string>> table;
    table.push_back({"network", "parameters", "values left, %", "epochs", "s/epoch", "test, %", "r = 1", "r = 2", "r = 3", "r = 4"});
    for (const Row& row : rows_) table.push_back(cells(row));
    std::vector<std::string> ink_row(6);
    ink_row[0] = "digits that lose no ink";
    for (std::int64_t r = 1; r <= radius; ++r) ink_row.push_back(percent(rows_.front().sweep->uncut_share(r)));
    table.push_back(ink_row);
    if (invariant_canvas_) table.push_back(cells(*invariant_canvas_));
    if (canvas_) table.push_back(cells(*canvas_));
    std::vector<std::size_t> widths(table.front().size(), 0);
    for (const auto& line : table)
      for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
    std::size_t before = 0;
    for (std::size_t i = 0; i < 6; ++i) before += widths[i] + 2;
    std::size_t all = before - 2;
    for (std::size_t i = 6; i < widths.size(); ++i) all += widths[i] + 2;
    std::string rule;
    for (std::size_t i = 0; i < all; ++i) rule += "─";

    write_to(stdout, "\n{:{}}digits moved by up to r pixels: mean / worst case, %\n", "", before);
    for (std::size_t k = 0; k < table.size(); ++k) {
      std::string text;
      for (std::size_t i = 0; i < widths.size(); ++i)
        text += i == 0 ? fmt::format("{:<{}}", table[k][i], widths[i]) : fmt::format("  {:>{}}", table[k][i], widths[i]);
      if (k == 1 || k == rows_.size() + 1) write_to(stdout, "{}\n", rule);
      write_to(stdout, "{}\n", text);
    }
    const std::int64_t count = moved_images();
    write_to(stdout, "\nvalues left: after each pooling, of those that went in:");
    for (const Pooling& pooling : row("global-max").poolings)
      write_to(stdout, " {} -> {} is {} %{}", size_text(pooling.before), size_text(pooling.after), percent(pooling.left()),
               &pooling == &row("global-max").poolings.back() ? "" : ",");
    write_to(
        stdout,
        "\nworst case: right at every one of the (2r + 1)^2 shifts. {} of the {} test digits were moved, inside their {} x {} frame:\n",
        thousands(count), thousands(data_.x_test.shape()[0]), image_[0], image_[1]);
    write_to(stdout,
             "what leaves it is cut off; the line below the networks says how many of these digits lose no ink at any such shift.\n");
    if (invariant_canvas_)
      write_to(stdout, "On the canvas of {0} x {0} nothing is cut; {1} of the digits were moved there by the invariant network's weights.\n", canvas_size,
               thousands(invariant_moved()));
    write_to(stdout, "seed {}, batch size {}, Adam, {}.", options_.seed, batch_size, plural(threads(), "thread"));
    if (!options_.full) write_to(stdout, " The rows differ in epochs, see there; --full trains all alike.");
    write_to(stdout, "\n");
  }

  // ---- in plain words: every sentence is made from the numbers ---------------------------------------------------

  static std::string points(double more, const char* than) {
    const double rounded = std::round(1000 * more) / 10;
    if (rounded == 0) return fmt::format("the same as {}", than);
    return fmt::format("{:.1f} points {} than {}", std::abs(rounded), rounded > 0 ? "more" : "fewer", than);
  }

  static std::string times(double ratio) {
    if (ratio >= 0.95 && ratio <= 1.05) return "about as long as";
    return ratio > 1 ? fmt::format("{:.1f} times as long as", ratio) : fmt::format("{:.0f} % of the time of", 100 * ratio);
  }

  std::vector<std::string> words() const {
    const Row& none = row("no-pooling");
    const Row& notebook = row("notebook");
    std::vector<std::string> all;
    const double fewer = static_cast<double>(none.parameters) / static_cast<double>(notebook.parameters);
    std::string saves =
        fmt::format("What pooling saves: the notebook's network has {} parameters, without pooling it has {}, {:.1f} times as many;",
                    thousands(notebook.parameters), thousands(none.parameters), fewer);
    saves += fmt::format(" an epoch without pooling takes {} one with it ({:.1f} s and {:.1f} s).",
                         times(none.seconds_per_epoch / notebook.seconds_per_epoch), none.seconds_per_epoch, notebook.seconds_per_epoch);
    if (!notebook.poolings.empty())
      saves += fmt::format(" Its first pooling leaves {} of {} values ({} %).", thousands(notebook.poolings[0].after.elements()),
                           thousands(notebook.poolings[0].before.elements()), percent(notebook.poolings[0].left()));
    all.push_back(saves);

    std::string keeps = fmt::format("What it keeps: on digits that stay in place the notebook's network is right for {} %, ",
                                    percent(notebook.accuracy, 2));
    const double difference = std::round(1e4 * (notebook.accuracy - none.accuracy)) / 1e2;
    // Two shares of n images differ by chance alone by about this much.
    const double noise = 200 * std::sqrt(2 * notebook.accuracy * (1 - notebook.accuracy) / static_cast<double>(data_.x_test.shape()[0]));
    if (std::abs(difference) <= noise)
      keeps += fmt::format("without pooling {} %: no difference that so few digits could show.", percent(none.accuracy, 2));
    else
      keeps +=
          fmt::format("without pooling {} %: pooling {} {:.2f} points{}.", percent(none.accuracy, 2), difference > 0 ? "gains" : "costs",
                      std::abs(difference), notebook.epochs == none.epochs ? "" : " (after different numbers of epochs)");
    all.push_back(keeps);

    std::string helps = "How far it helps: ";
    for (const std::int64_t r : {std::int64_t{1}, std::int64_t{2}, radius})
      helps += fmt::format("{}within {} {} % of the digits are right at every shift, {}", r == 1 ? "" : "; ", plural(r, "pixel"),
                           percent(notebook.sweep->worst_case_accuracy(r)),
                           points(notebook.sweep->worst_case_accuracy(r) - none.sweep->worst_case_accuracy(r), "without pooling"));
    helps += ".";
    if (notebook.epochs != none.epochs)
      helps += fmt::format(
          " A part of that may be training: the notebook's network had {}, the one without pooling {}; --full trains both alike.",
          plural(notebook.epochs, "epoch"), none.epochs);
    all.push_back(helps);

    const Row& best = *std::max_element(rows_.begin(), rows_.end(), [](const Row& a, const Row& b) {
      return a.sweep->worst_case_accuracy(radius) < b.sweep->worst_case_accuracy(radius);
    });
    std::string stops = fmt::format(
        "Where it stops: from r = 0 to r = {} the notebook's network falls from {} to {} % in the worst case and to {} % in the mean;",
        radius, percent(notebook.sweep->worst_case_accuracy(0)), percent(notebook.sweep->worst_case_accuracy(radius)),
        percent(notebook.sweep->mean_accuracy(radius)));
    stops += fmt::format(" the best worst case at r = {} has \"{}\" with {} %.", radius, best.title,
                         percent(best.sweep->worst_case_accuracy(radius)));
    const double of_uncut = notebook.sweep->worst_case_accuracy_of_uncut(radius);
    if (!std::isnan(of_uncut))
      stops += fmt::format(" Cut ink is {} of it: of the digits that lose none, {} % are right at every shift.",
                           of_uncut - notebook.sweep->worst_case_accuracy(radius) > 0.1 ? "a part" : "little", percent(of_uncut));
    all.push_back(stops);

    if (invariant_canvas_) {
      const shift::Sweep& sweep = *invariant_canvas_->sweep;
      const double in_place = sweep.accuracy(0, 0), worst = sweep.worst_case_accuracy(canvas_radius);
      all.push_back(fmt::format(
          "What ends it: the network \"invariant\" sees its maps as rings, lets the image choose which pixels a pooling keeps, and asks for the best place of all. On a canvas "
          "of {0} x {0} it is right for {1} % of {2} digits where they are, and for {3} % at every one of {4} shifts{5}. It was trained on digits in the middle alone, {6}; its "
          "recipe goes six times over them (linn train --model invariant --recipe invariant).",
          canvas_size, percent(in_place, 2), thousands(sweep.images()), percent(worst, 2), (2 * canvas_radius + 1) * (2 * canvas_radius + 1),
          worst == in_place ? ": the same ones, by construction, to the last bit" : "", plural(invariant_canvas_->epochs, "epoch")));
    }

    if (canvas_) {
      std::string canvas = fmt::format(
          "On a canvas of {0} x {0}, where nothing is ever cut, the notebook's network is right for {1} % in place, and at every shift "
          "within r = 1 to {2} for",
          canvas_size, percent(canvas_->accuracy, 2), radius);
      for (std::int64_t r = 1; r <= radius; ++r)
        canvas += fmt::format(" {}{}", percent(canvas_->sweep->worst_case_accuracy(r)), r < radius ? "," : " %");
      canvas += fmt::format("; over all shifts within {} the mean is {} %.", canvas_radius,
                            percent(canvas_->sweep->mean_accuracy(canvas_radius)));
      all.push_back(canvas);
    }
    return all;
  }

  void print_words() const {
    if (options_.common.json()) return;
    for (const std::string& paragraph : words()) write_to(stdout, "\n{}", shift::wrapped(paragraph, 110));
  }

  // ---- files -----------------------------------------------------------------------------------------------------

  detail::io::Json json_of(const Row& row) const {
    detail::io::Json pools = detail::io::Json::array();
    for (const Pooling& pooling : row.poolings)
      pools.push_back({{"layer", pooling.name}, {"values_before", pooling.before.elements()}, {"values_after", pooling.after.elements()}});
    detail::io::Json within = detail::io::Json::array();
    for (std::int64_t r = 0; r <= row.sweep->radius(); ++r)
      within.push_back({{"r", r},
                        {"mean", row.sweep->mean_accuracy(r)},
                        {"worst_case", row.sweep->worst_case_accuracy(r)},
                        {"uncut", row.sweep->uncut_share(r)},
                        {"worst_case_of_uncut", number(row.sweep->worst_case_accuracy_of_uncut(r))}});
    return {{"name", row.name},
            {"title", row.title},
            {"epochs", row.epochs},
            {"parameters", row.parameters},
            {"poolings", pools},
            {"seconds_per_epoch", row.seconds_per_epoch},
            {"test_accuracy", row.accuracy},
            {"shift", within}};
  }

  void write_files() {
    detail::io::Json table = {{"full", options_.full},
                      {"seed", options_.seed},
                      {"batch_size", batch_size},
                      {"threads", threads()},
                      {"test_images", data_.x_test.shape()[0]},
                      {"moved_images", moved_images()},
                      {"radius", radius}};
    detail::io::Json networks = detail::io::Json::array();
    for (const Row& row : rows_) networks.push_back(json_of(row));
    table["networks"] = networks;
    if (invariant_canvas_) {
      table["invariant_canvas"] = json_of(*invariant_canvas_);
      table["invariant_canvas"]["moved_images"] = invariant_moved();
    }
    if (canvas_) table["canvas"] = json_of(*canvas_);
    table["words"] = words();
    const std::string text = detail::io::dump_json(table, 2) + "\n";
    detail::io::write_file_atomically(path("table.json"), std::as_bytes(std::span(text.data(), text.size())));

    std::vector<shift::NamedSweep> sweeps;
    for (const Row& row : rows_) sweeps.push_back({row.title, &*row.sweep});
    detail::io::write_png(path("shift-map.png"), shift::shift_maps(sweeps).image());
    detail::io::write_png(path("worst-case.png"), shift::accuracy_by_radius(sweeps).image());
    if (canvas_) detail::io::write_png(path("shift-map-canvas.png"), shift::shift_maps({{canvas_->title, &*canvas_->sweep}}).image());
    detail::io::write_png(path("maps.png"), maps_of_notebook().image());

    std::vector<std::string> files = {"table.json", "shift-map.png", "worst-case.png", "maps.png"};
    if (canvas_) files.emplace_back("shift-map-canvas.png");
    say(options_.common, "\nwritten to {}:", options_.out);
    detail::io::Json names = detail::io::Json::array();
    for (const std::string& file : files) {
      say(options_.common, " {}", file);
      names.push_back(path(file));
    }
    say(options_.common, " and the trained networks, models/NAME\n");
    emit(options_.common, {{"event", "done"}, {"files", names}, {"table", table}});
  }

  shift::Picture maps_of_notebook() const {
    const auto at = std::find_if(rows_.begin(), rows_.end(), [](const Row& row) { return row.name == "notebook"; }) - rows_.begin();
    const Tensor digit = data_.x_test.rows(0, 1);
    const auto outputs = models_[static_cast<std::size_t>(at)].layer_outputs(digit);
    const auto maps = [&](const std::string& name) {
      const auto found = std::find_if(outputs.begin(), outputs.end(), [&](const auto& output) { return output.first == name; });
      if (found == outputs.end()) throw std::logic_error("no layer is called " + name);
      return found->second.reshape(found->second.shape().without_first());
    };
    std::vector<shift::PooledMaps> pools;
    for (const Pooling& pooling : rows_[static_cast<std::size_t>(at)].poolings)
      pools.push_back({pooling.before_name, pooling.name, maps(pooling.before_name), maps(pooling.name)});
    // Colour images are shown by their first channel alone.
    Tensor image({image_[0], image_[1]}, DType::u8);
    const auto from = digit.values<std::uint8_t>();
    const auto to = image.values<std::uint8_t>();
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = from[i * static_cast<std::size_t>(image_[2])];
    return shift::maps_around_pooling(image, pools);
  }

  DemoArguments options_;
  DTypePolicy policy_ = "float32";
  detail::data::Dataset data_;
  Shape image_;
  std::vector<Row> rows_;
  std::vector<Sequential> models_;
  std::optional<Row> canvas_;
  std::optional<Row> invariant_canvas_;
};

}  // namespace

Action add_demo(CLI::App& app) {
  auto options = std::make_shared<DemoArguments>();
  app.description("Train five networks with and without pooling, move the digits, show what pooling does and what ends its trouble: a table and pictures.");
  app.add_flag("--full", options->full,
               "every network for 3 epochs, all test digits moved, one more line on a 44 x 44 canvas; says how long it takes");
  add_data(app, options->data);
  add_text(app, "--out", options->out, "directory for table, pictures and trained networks")->type_name("DIR")->default_str(options->out);
  add_whole(app, "--seed", options->seed, 0, largest_seed, "of first weights and shuffling")
      ->type_name("N")
      ->default_str(fmt::format("{}", options->seed));
  add_precision(app, options->precision);
  add_common(app, options->common);
  return [options] { return Demo(*options).run(); };
}

}  // namespace linn::cli
