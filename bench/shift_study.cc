// The figures of docs/shift-study.md and of the network "invariant".
//   shift_study headline [SEEDS] [IMAGES]        trains "invariant" by its recipe on 28x28 and measures it there and on a canvas of 44x44: all 289
//                                                shifts within 8 pixels of the first IMAGES test images (10,000)
//   shift_study orders [SEEDS]                   "invariant" as it is (conv, max, APS, norm, relu) and in the order that most people write (conv,
//                                                norm, relu, max, APS): 55,000 training images, judged on the other 5,000
//   shift_study networks DATA [SEEDS] [EPOCHS]   one trunk with every way of making maps smaller, two heads, with and without moved training
//                                                images: a table (Markdown) on standard output. DATA: an .npz or a folder with MNIST's four files
//   shift_study rivals DATA [SEEDS] [EPOCHS]     what else is done about translation, the best of each kind, in the same table
// Images lie in the middle of a frame of 36x36, in training and after: no shift within 4 pixels cuts ink.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "core/random.h"
#include "data/dataset.h"
#include "linn/linn.h"
#include "model/recipes.h"
#include "model/zoo.h"

namespace {

using namespace linn;

constexpr double scale = 1.0 / 255;
constexpr std::int64_t frame = 36, radius = 4, swept_images = 1000, circular_images = 100;
constexpr std::int64_t circular_radius = 8;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

template <class... T>
void print(fmt::format_string<T...> text, T&&... values) {
  fmt::print(text, std::forward<T>(values)...);
  std::fflush(stdout);
}

struct Spread {
  explicit Spread(const std::vector<double>& values)
      : mean(std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size())),
        least(*std::min_element(values.begin(), values.end())),
        most(*std::max_element(values.begin(), values.end())) {}
  double mean, least, most;
};

std::string percent(const std::vector<double>& values) {
  const Spread s(values);
  if (std::isnan(s.mean)) return "-";
  return values.size() == 1 ? fmt::format("{:.2f}", 100 * s.mean) : fmt::format("{:.2f} ({:.2f} - {:.2f})", 100 * s.mean, 100 * s.least, 100 * s.most);
}

double accuracy_of(Sequential& model, const Tensor& x, const Tensor& y) {
  return model.evaluate(x, y, {.batch_size = 256, .verbose = Verbose::silent, .input_scale = scale}).at("accuracy");
}

// ---- the headline ------------------------------------------------------------------------------------------------

int headline(std::uint64_t seeds, std::int64_t images) {
  const auto data = load_npz("data/mnist.npz");
  std::vector<double> small, large, worst, seconds;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const model::Recipe& recipe = model::recipe("invariant");
    Sequential model = model::make("invariant", {28, 28, 1}, 10, {.seed = seed, .dtype_policy = recipe.dtype_policy});
    model.compile(model::compile_options(recipe));
    FitOptions fit = model::fit_options(recipe, 60000);
    fit.verbose = Verbose::silent, fit.input_scale = scale;
    const double start = now();
    model.fit(data["x_train"], data["y_train"], fit);
    seconds.push_back(now() - start);
    model.set_dtype_policy("float32");
    small.push_back(accuracy_of(model, data["x_test"], data["y_test"]));
    Sequential wide = model.with_input_shape({44, 44, 1});
    large.push_back(accuracy_of(wide, shift::on_canvas(data["x_test"], 44, 44), data["y_test"]));
    const shift::Sweep sweep =
        shift::sweep(wide, data["x_test"].rows(0, images), data["y_test"].rows(0, images), {.radius = 8, .border = "canvas", .input_scale = scale});
    const shift::Measures within = sweep.measures(8);
    worst.push_back(within.worst_case_accuracy.value);
    print("seed {}: {:.2f} % on 28x28, {:.2f} % on 44x44; of {} images {:.2f} % in place, {:.2f} % at every one of 289 shifts, largest change of an output {}; trained in {:.1f} s, {} parameters\n",
          seed, 100 * small.back(), 100 * large.back(), images, 100 * within.accuracy.value, 100 * within.worst_case_accuracy.value, within.max_change.value, seconds.back(),
          model.count_trainable_params());
  }
  print("mean of {}: {} % on 28x28, {} % on 44x44, worst case of 289 shifts {} %, {:.1f} s\n", seeds, percent(small), percent(large), percent(worst), Spread(seconds).mean);
  return 0;
}

// ---- orders ------------------------------------------------------------------------------------------------------

Sequential norm_first(std::uint64_t seed) {
  Sequential model(SequentialOptions{.seed = seed});
  bool first = true;
  for (const std::int64_t filters : {32, 64, 96}) {
    model.add(Conv2D(filters, 3, {.padding = "circular", .use_bias = false, .input_shape = first ? Shape{28, 28, 1} : Shape{}}));
    first = false;
    model.add(BatchNormalization());
    model.add(Activation("relu"));
    if (filters == 96) {
      model.add(GlobalMaxPooling2D());
    } else {
      model.add(MaxPooling2D(2, {.strides = 1, .padding = "circular"}));
      model.add(AdaptivePolyphaseSampling2D());
    }
  }
  model.add(Dense(10, {.activation = "softmax"}));
  return model;
}

int orders(std::uint64_t seeds) {
  const auto data = load_npz("data/mnist.npz");
  const std::int64_t kept = 55000;
  for (const bool pool_first : {true, false}) {
    std::vector<double> found, seconds;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
      Sequential model = pool_first ? model::make("invariant", {28, 28, 1}, 10, {.seed = seed}) : norm_first(seed);
      const model::Recipe& recipe = model::recipe("invariant");
      model.compile(model::compile_options(recipe));
      FitOptions fit = model::fit_options(recipe, kept);
      fit.verbose = Verbose::silent, fit.input_scale = scale;
      const double start = now();
      model.fit(data["x_train"].rows(0, kept), data["y_train"].rows(0, kept), fit);
      seconds.push_back(now() - start);
      found.push_back(accuracy_of(model, data["x_train"].rows(kept, 60000), data["y_train"].rows(kept, 60000)));
    }
    print("{}: {} %, {:.1f} s\n", pool_first ? "conv, max, APS, norm, relu" : "conv, norm, relu, max, APS", percent(found), Spread(seconds).mean);
  }
  return 0;
}

// ---- networks ----------------------------------------------------------------------------------------------------

struct Data {
  Tensor x_train, y_train, x_test, y_test;
};

Data framed(const std::string& path) {
  const data::Dataset set = data::load_dataset(path);
  return {shift::on_canvas(set.x_train, frame, frame), set.y_train, shift::on_canvas(set.x_test, frame, frame), set.y_test};
}

enum class Shrink { none, max, average, max3, blur3, blur5, aps, lps };
enum class Head { flatten, global_max };

struct Study {
  std::string name;
  Shrink shrink;
  Head head;
  bool moved = false;  // training images, by up to `radius`
  bool ring = false;   // circular padding where it is no matter of course
};

void add_shrinking(Sequential& model, Shrink shrink) {
  const auto sampled = [&](const Layer& sampling) {
    model.add(MaxPooling2D(2, {.strides = 1, .padding = "circular"}));
    model.add(sampling);
  };
  switch (shrink) {
    case Shrink::none: return;
    case Shrink::max: return model.add(MaxPooling2D(2));
    case Shrink::average: return model.add(AveragePooling2D(2));
    case Shrink::max3: return model.add(MaxPooling2D(3));
    case Shrink::blur3: return model.add(MaxBlurPooling2D(2, {.filter_size = 3}));
    case Shrink::blur5: return model.add(MaxBlurPooling2D(2, {.filter_size = 5}));
    case Shrink::aps: return sampled(AdaptivePolyphaseSampling2D());
    case Shrink::lps: return sampled(LearnablePolyphaseSampling2D());
  }
}

// The notebook's trunk. Polyphase sampling wants sizes that 4 divides, and a ring.
Sequential network(const Study& study, std::uint64_t seed) {
  Sequential model(SequentialOptions{.seed = seed});
  const bool ring = study.ring || study.shrink == Shrink::aps || study.shrink == Shrink::lps;
  const Padding padding = ring ? Padding("circular") : Padding("valid");
  model.add(Conv2D(32, 3, {.padding = padding, .activation = "relu", .input_shape = {frame, frame, 1}}));
  add_shrinking(model, study.shrink);
  model.add(Conv2D(32, 3, {.padding = padding, .activation = "relu"}));
  add_shrinking(model, study.shrink);
  if (study.head == Head::global_max) {
    model.add(Conv2D(128, 3, {.padding = padding, .activation = "relu"}));
    model.add(GlobalMaxPooling2D());
  } else {
    model.add(Flatten());
    model.add(Dense(128, {.activation = "relu"}));
  }
  model.add(Dense(10, {.activation = "softmax"}));
  return model;
}

// Each image moved by its own draw, another one each epoch.
Tensor moved(const Tensor& images, std::uint64_t epoch) {
  const std::int64_t side = 2 * radius + 1, n = images.shape()[0];
  const core::Random random(epoch, core::stream_of("moved", 0));
  Tensor result(images.shape(), images.dtype());
  const std::size_t bytes = images.bytes() / static_cast<std::size_t>(n);
  for (std::int64_t i = 0; i < n; ++i) {
    const auto draw = static_cast<std::int64_t>(random.uniform(static_cast<std::uint64_t>(i)) * static_cast<double>(side * side));
    const Tensor one = shift::shifted(images.rows(i, i + 1), draw / side - radius, draw % side - radius);
    std::copy_n(static_cast<const std::byte*>(one.raw()), bytes, static_cast<std::byte*>(result.raw()) + static_cast<std::size_t>(i) * bytes);
  }
  return result;
}

Sequential trained(const Study& study, const Data& data, std::uint64_t seed, std::int64_t epochs) {
  Sequential model = network(study, seed);
  model.compile({.optimizer = Adam({.learning_rate = OneCycle({.max_learning_rate = 0.004, .warmup = 0.2})}), .loss = SparseCategoricalCrossentropy(), .metrics = {"accuracy"}});
  FitOptions fit{.batch_size = 128, .epochs = epochs, .verbose = Verbose::silent, .input_scale = scale};
  if (!study.moved) {
    model.fit(data.x_train, data.y_train, fit);
    return model;
  }
  // All epochs' images one behind the other, in one fit, so that the cycle spans them.
  const std::int64_t n = data.x_train.shape()[0];
  Tensor x({n * epochs, frame, frame}, data.x_train.dtype()), y({n * epochs}, data.y_train.dtype());
  for (std::int64_t epoch = 0; epoch < epochs; ++epoch) {
    const Tensor images = moved(data.x_train, seed * 100 + static_cast<std::uint64_t>(epoch));
    std::copy_n(static_cast<const std::byte*>(images.raw()), images.bytes(), static_cast<std::byte*>(x.rows(epoch * n, (epoch + 1) * n).raw()));
    std::copy_n(static_cast<const std::byte*>(data.y_train.raw()), data.y_train.bytes(), static_cast<std::byte*>(y.rows(epoch * n, (epoch + 1) * n).raw()));
  }
  fit.epochs = 1;
  model.fit(x, y, fit);
  return model;
}

struct Row {
  std::vector<double> accuracy, worst, consistency, circular;
  std::int64_t parameters = 0;
  double operations = 0;  // of an image, millions, in the direct form
};

void print_head() {
  print("| network | accuracy, % | right at every shift within {}, % | two shifts agree, % | circular, within {}, % | parameters | million operations |\n|---|---|---|---|---|---|---|\n",
        radius, circular_radius);
}

void print_row(const std::string& name, const Row& row) {
  print("| {} | {} | {} | {} | {} | {} | {:.1f} |\n", name, percent(row.accuracy), percent(row.worst), percent(row.consistency), percent(row.circular), row.parameters, row.operations);
}

void measure(Row& row, Sequential& model, const Data& data) {
  row.accuracy.push_back(accuracy_of(model, data.x_test, data.y_test));
  const shift::Sweep sweep = shift::sweep(model, data.x_test.rows(0, swept_images), data.y_test.rows(0, swept_images), {.radius = radius, .input_scale = scale});
  const shift::Measures within = sweep.measures(radius);
  row.worst.push_back(within.worst_case_accuracy.value);
  row.consistency.push_back(within.consistency.value);
  const shift::Sweep ring = shift::sweep(model, data.x_test.rows(0, circular_images), data.y_test.rows(0, circular_images),
                                         {.radius = circular_radius, .border = "circular", .input_scale = scale});
  row.circular.push_back(ring.measures(circular_radius).consistency.value);
  row.parameters = model.count_params();
  constexpr std::int64_t batch = 16;
  const Profile profile = model.profile({.batch_size = batch, .steps = 1});
  row.operations = 0;
  for (const OpProfile& op : profile.ops) row.operations += op.flops / static_cast<double>(batch) / 1e6;
}

Row study_row(const Study& study, const Data& data, std::uint64_t seeds, std::int64_t epochs) {
  Row row;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Sequential model = trained(study, data, seed, epochs);
    measure(row, model, data);
  }
  return row;
}

int networks(const std::string& path, std::uint64_t seeds, std::int64_t epochs) {
  const Data data = framed(path);
  const std::vector<std::pair<std::string, Shrink>> kinds = {{"no pooling", Shrink::none},     {"max 2x2", Shrink::max},      {"average 2x2", Shrink::average}, {"max 3x3", Shrink::max3},
                                                             {"max, blur 3", Shrink::blur3}, {"max, blur 5", Shrink::blur5}, {"max, APS", Shrink::aps},        {"max, LPS", Shrink::lps}};
  for (const bool shifts : {false, true}) {
    print("\n{}\n\n", shifts ? fmt::format("Training images moved by up to {} pixels:", radius) : std::string("Training images in the middle:"));
    print_head();
    for (const auto& [name, shrink] : kinds)
      for (const Head head : {Head::flatten, Head::global_max}) {
        if (shrink == Shrink::none && head == Head::flatten && seeds > 1) {
          // 4.2 million weights: once is enough to see where it stands.
          print_row(name + ", flatten (one seed)", study_row({name, shrink, head, shifts}, data, 1, epochs));
          continue;
        }
        print_row(fmt::format("{}, {}", name, head == Head::flatten ? "flatten" : "global max"), study_row({name, shrink, head, shifts}, data, seeds, epochs));
      }
  }
  return 0;
}

// ---- rivals ------------------------------------------------------------------------------------------------------

// Every image moved by whole pixels so that its centre of mass lies in the middle of the frame.
Tensor centred(const Tensor& images) {
  const std::int64_t n = images.shape()[0];
  Tensor result(images.shape(), images.dtype());
  const std::size_t bytes = images.bytes() / static_cast<std::size_t>(n);
  for (std::int64_t i = 0; i < n; ++i) {
    const Tensor one = images.rows(i, i + 1);
    const auto pixels = one.values<std::uint8_t>();
    double mass = 0, y_sum = 0, x_sum = 0;
    for (std::int64_t y = 0; y < frame; ++y)
      for (std::int64_t x = 0; x < frame; ++x) {
        const double ink = pixels[static_cast<std::size_t>(y * frame + x)];
        mass += ink, y_sum += ink * static_cast<double>(y), x_sum += ink * static_cast<double>(x);
      }
    const double middle = (frame - 1) / 2.0;
    const auto off = [&](double sum) { return mass > 0 ? std::llround(middle - sum / mass) : 0LL; };
    const Tensor put = shift::shifted(one, off(y_sum), off(x_sum));
    std::copy_n(static_cast<const std::byte*>(put.raw()), bytes, static_cast<std::byte*>(result.raw()) + static_cast<std::size_t>(i) * bytes);
  }
  return result;
}

// Probabilities of the first images at a shift.
using Scores = std::function<Tensor(const Tensor& images)>;

// The measures of anything that gives probabilities, shift by shift.
void measure(Row& row, const Scores& scores, const Data& data) {
  const std::int64_t side = 2 * radius + 1;
  const Tensor labels = data.y_test.astype(DType::i64);
  const auto classes_at = [&](const Tensor& images) {
    const Tensor values = scores(images);
    std::vector<std::uint16_t> classes;
    for (std::int64_t i = 0; i < values.shape()[0]; ++i) {
      const float* row_of = values.values<float>().data() + i * 10;
      classes.push_back(static_cast<std::uint16_t>(std::max_element(row_of, row_of + 10) - row_of));
    }
    return classes;
  };
  const auto all = classes_at(data.x_test);
  double right = 0;
  for (std::size_t i = 0; i < all.size(); ++i) right += all[i] == labels.values<std::int64_t>()[i];
  row.accuracy.push_back(right / static_cast<double>(all.size()));
  shift::Answers answers{.radius = radius, .classes = 10};
  answers.predicted.resize(static_cast<std::size_t>(swept_images * side * side));
  answers.room.assign(static_cast<std::size_t>(swept_images), radius);
  answers.labels.assign(labels.values<std::int64_t>().begin(), labels.values<std::int64_t>().begin() + swept_images);
  for (std::int64_t step = 0; step < side * side; ++step) {
    const auto classes = classes_at(shift::shifted(data.x_test.rows(0, swept_images), step / side - radius, step % side - radius));
    for (std::size_t i = 0; i < classes.size(); ++i) answers.predicted[i * static_cast<std::size_t>(side * side) + static_cast<std::size_t>(step)] = classes[i];
  }
  const shift::Measures within = shift::Sweep(std::move(answers)).measures(radius);
  row.worst.push_back(within.worst_case_accuracy.value);
  row.consistency.push_back(within.consistency.value);
  row.circular.push_back(std::nan(""));
}

Tensor averaged(const Sequential& model, const Tensor& images, std::int64_t within) {
  Tensor sum;
  for (std::int64_t dy = -within; dy <= within; ++dy)
    for (std::int64_t dx = -within; dx <= within; ++dx) {
      Tensor part = model.predict(shift::shifted(images, dy, dx), {.batch_size = 256, .input_scale = scale});
      if (!sum.defined()) {
        sum = part;
        continue;
      }
      for (std::size_t i = 0; i < sum.values<float>().size(); ++i) sum.values<float>()[i] += part.values<float>()[i];
    }
  return sum;
}

int rivals(const std::string& path, std::uint64_t seeds, std::int64_t epochs) {
  const Data data = framed(path);
  const Study plain{"max 2x2, flatten", Shrink::max, Head::flatten};
  print_head();
  Row base, centre, average;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Sequential model = trained(plain, data, seed, epochs);
    measure(base, model, data);
    centre.parameters = average.parameters = base.parameters;
    measure(average, [&](const Tensor& images) { return averaged(model, images, 2); }, data);
    const Data middle{centred(data.x_train), data.y_train, data.x_test, data.y_test};
    Sequential on_centre = trained(plain, middle, seed, epochs);
    measure(centre, [&](const Tensor& images) { return on_centre.predict(centred(images), {.batch_size = 256, .input_scale = scale}); }, data);
  }
  centre.operations = base.operations, average.operations = 25 * base.operations;
  print_row("the notebook's network", base);
  print_row("moved training images", study_row({"", Shrink::max, Head::flatten, true}, data, seeds, epochs));
  print_row("centre of mass put in the middle", centre);
  print_row("mean over 25 shifts at test time", average);
  print_row("larger windows (max 3x3)", study_row({"", Shrink::max3, Head::flatten}, data, seeds, epochs));
  print_row("no pooling", study_row({"", Shrink::none, Head::flatten}, data, 1, epochs));
  print_row("global pooling alone", study_row({"", Shrink::max, Head::global_max}, data, seeds, epochs));
  print_row("blur 3", study_row({"", Shrink::blur3, Head::flatten}, data, seeds, epochs));
  print_row("blur 3, global pooling, ring", study_row({"", Shrink::blur3, Head::global_max, false, true}, data, seeds, epochs));
  print_row("APS, global pooling, ring", study_row({"", Shrink::aps, Head::global_max}, data, seeds, epochs));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  const auto number = [&](int at, int otherwise) { return argc > at ? std::atoi(argv[at]) : otherwise; };
  if (what == "headline") return headline(static_cast<std::uint64_t>(number(2, 10)), number(3, 10000));
  if (what == "orders") return orders(static_cast<std::uint64_t>(number(2, 3)));
  if (what == "networks" && argc > 2) return networks(argv[2], static_cast<std::uint64_t>(number(3, 3)), number(4, 2));
  if (what == "rivals" && argc > 2) return rivals(argv[2], static_cast<std::uint64_t>(number(3, 3)), number(4, 2));
  fmt::print(stderr, "usage: {} headline [SEEDS] [IMAGES] | orders [SEEDS] | networks DATA [SEEDS] [EPOCHS] | rivals DATA [SEEDS] [EPOCHS]\n", argv[0]);
  return 2;
}
