// The measurements of docs/shift-study.md, and the figures of the network "invariant".
//   shift_study headline [SEEDS] [IMAGES]             trains "invariant" by its recipe on 28x28 and measures it there and on a canvas of 44x44:
//                                                     all 289 shifts within 8 pixels of the first IMAGES test images (10,000)
//   shift_study orders [SEEDS]                        "invariant" as it is (conv, max, APS, norm, relu) and in the order that most people write
//                                                     (conv, norm, relu, max, APS): 55,000 training images, judged on the other 5,000
//   shift_study networks DATA FILE [SEEDS] [EPOCHS]   one trunk with every way of making maps smaller, two heads, training images in the middle
//                                                     and moved, and what else is done about translation: a line of FILE (CSV) for each network
//                                                     and seed that it lacks yet. DATA: an .npz or a folder with MNIST's four files
// Images lie in the middle of a frame of 36x36, in training and after: no shift within 4 pixels cuts ink. bench/study runs it for the page.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "core/random.h"
#include "data/dataset.h"
#include "linn/linn.h"
#include "model/recipes.h"
#include "model/zoo.h"
#include "shift_study_rows.h"

namespace {

using namespace linn;
using study::now, study::radius, study::Row, study::take, study::million_operations;

constexpr std::int64_t frame = 36, swept_images = 1000, circular_images = 100;
constexpr std::int64_t circular_radius = 8;

template <class... T>
void print(fmt::format_string<T...> text, T&&... values) {
  fmt::print(text, std::forward<T>(values)...);
  std::fflush(stdout);
}

struct RunningVariance {
  explicit RunningVariance(const std::vector<double>& values)
      : mean(std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size())),
        least(*std::min_element(values.begin(), values.end())),
        most(*std::max_element(values.begin(), values.end())) {}
  double mean, least, most;
};

std::string percent(const std::vector<double>& values) {
  const RunningVariance s(values);
  if (std::isnan(s.mean)) return "-";
  return values.size() == 1 ? fmt::format("{:.2f}", 100 * s.mean) : fmt::format("{:.2f} ({:.2f} - {:.2f})", 100 * s.mean, 100 * s.least, 100 * s.most);
}

double accuracy_of(Sequential& model, const Tensor& x, const Tensor& y) {
  return model.evaluate(x, y, {.batch_size = 256, .verbose = Verbose::silent}).at("accuracy");
}

// ---- the headline ------------------------------------------------------------------------------------------------

int headline(std::uint64_t seeds, std::int64_t images) {
  const Archive data = load_npz("data/mnist.npz");
  const Tensor x_train = study::from_0_to_1(data["x_train"]), x_test = study::from_0_to_1(data["x_test"]);
  std::vector<double> small, large, worst, seconds;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const detail::model::Recipe& recipe = detail::model::recipe("invariant");
    Sequential model = detail::model::make("invariant", {28, 28, 1}, 10, {.seed = seed, .dtype_policy = recipe.dtype_policy});
    model.compile(detail::model::compile_options(recipe));
    FitOptions fit = detail::model::fit_options(recipe, 60000);
    fit.verbose = Verbose::silent;
    const double start = now();
    model.fit(x_train, data["y_train"], fit);
    seconds.push_back(now() - start);
    model.set_dtype_policy("float32");
    small.push_back(accuracy_of(model, x_test, data["y_test"]));
    Sequential wide = model.with_input_shape({44, 44, 1});
    large.push_back(accuracy_of(wide, shift::on_canvas(x_test, 44, 44), data["y_test"]));
    const shift::Sweep sweep =
        shift::sweep(wide, x_test.rows(0, images), data["y_test"].rows(0, images), {.radius = 8, .border = "canvas"});
    const shift::Measures within = sweep.measures(8);
    worst.push_back(within.worst_case_accuracy.value);
    print("seed {}: {:.2f} % on 28x28, {:.2f} % on 44x44; of {} images {:.2f} % in place, {:.2f} % at every one of 289 shifts, largest change of an output {}; trained in {:.1f} s, {} parameters\n",
          seed, 100 * small.back(), 100 * large.back(), images, 100 * within.accuracy.value, 100 * within.worst_case_accuracy.value, within.max_change.value, seconds.back(),
          model.count_trainable_params());
  }
  print("mean of {}: {} % on 28x28, {} % on 44x44, worst case of 289 shifts {} %, {:.1f} s\n", seeds, percent(small), percent(large), percent(worst), RunningVariance(seconds).mean);
  return 0;
}

// ---- orders ------------------------------------------------------------------------------------------------------

Sequential norm_first(std::uint64_t seed) {
  Sequential model(ModelOptions{.seed = seed});
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
  const Archive data = load_npz("data/mnist.npz");
  const Tensor x_train = study::from_0_to_1(data["x_train"]), x_test = study::from_0_to_1(data["x_test"]);
  const std::int64_t kept = 55000;
  for (const bool pool_first : {true, false}) {
    std::vector<double> found, seconds;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
      Sequential model = pool_first ? detail::model::make("invariant", {28, 28, 1}, 10, {.seed = seed}) : norm_first(seed);
      const detail::model::Recipe& recipe = detail::model::recipe("invariant");
      model.compile(detail::model::compile_options(recipe));
      FitOptions fit = detail::model::fit_options(recipe, kept);
      fit.verbose = Verbose::silent;
      const double start = now();
      model.fit(x_train.rows(0, kept), data["y_train"].rows(0, kept), fit);
      seconds.push_back(now() - start);
      found.push_back(accuracy_of(model, x_train.rows(kept, 60000), data["y_train"].rows(kept, 60000)));
    }
    print("{}: {} %, {:.1f} s\n", pool_first ? "conv, max, APS, norm, relu" : "conv, norm, relu, max, APS", percent(found), RunningVariance(seconds).mean);
  }
  return 0;
}

// ---- networks ----------------------------------------------------------------------------------------------------

struct Data {
  Tensor x_train, y_train, x_test, y_test;
};

Data framed(const std::string& path) {
  const detail::data::Dataset set = detail::data::load_dataset(path);
  return {study::from_0_to_1(shift::on_canvas(set.x_train, frame, frame)), set.y_train, study::from_0_to_1(shift::on_canvas(set.x_test, frame, frame)), set.y_test};
}

/// What makes a map smaller behind each convolution: the layers of one place, and whether they want circular padding.
struct Shrink {
  std::string_view name;
  std::vector<Layer> (*layers)();
  bool ring = false;
};
template <class Sampling>
std::vector<Layer> sampled(const Sampling& sampling) {
  return {MaxPooling2D(2, {.strides = 1, .padding = "circular"}), sampling};
}
const Shrink shrinks[] = {
    {"max 2x2", [] { return std::vector<Layer>{MaxPooling2D(2)}; }},
    {"average 2x2", [] { return std::vector<Layer>{AveragePooling2D(2)}; }},
    {"max 3x3", [] { return std::vector<Layer>{MaxPooling2D(3)}; }},
    {"max, blur 3", [] { return std::vector<Layer>{MaxBlurPooling2D(2, {.filter_size = 3})}; }},
    {"max, blur 5", [] { return std::vector<Layer>{MaxBlurPooling2D(2, {.filter_size = 5})}; }},
    {"max, APS", [] { return sampled(AdaptivePolyphaseSampling2D()); }, true},
    {"max, LPS", [] { return sampled(LearnablePolyphaseSampling2D()); }, true},
    {"no pooling", [] { return std::vector<Layer>{}; }},
    {"max, DDAC", [] { return sampled(AdaptiveBlurPooling2D(3, {.border = "circular"})); }, true},
    {"max, FLC", [] { return sampled(FrequencyLowCutPooling2D()); }, true},
    {"max, TIPS", [] { return sampled(TranslationInvariantPolyphaseSampling2D()); }, true},
    {"fractional max", [] { return std::vector<Layer>{FractionalMaxPooling2D({.overlapping = true})}; }},
    {"Lp, p = 2", [] { return std::vector<Layer>{LpPooling2D(2)}; }},
    {"GeM", [] { return std::vector<Layer>{GeneralizedMeanPooling2D(2)}; }},
    {"SoftPool", [] { return std::vector<Layer>{SoftPooling2D(2)}; }},
    {"stochastic", [] { return std::vector<Layer>{StochasticPooling2D(2)}; }},
    {"mixed, learned", [] { return std::vector<Layer>{MixedPooling2D(2, {.learned = true})}; }},
    {"gated", [] { return std::vector<Layer>{GatedPooling2D(2)}; }},
};
const Shrink& shrink_named(std::string_view name) { return *std::ranges::find(shrinks, name, &Shrink::name); }

enum class Head { flatten, global_max, attention, pyramid };
// What is done with the images: nothing; each training image moved by up to `radius`; each image, in training and after, moved so that its
// centre of mass lies in the middle; nothing, but the mean of the probabilities at all shifts within `averaged_radius` taken.
enum class Images { middle, moved, centred, averaged };

struct Study {
  std::string name;
  Shrink shrink;
  Head head;
  Images images = Images::middle;
  bool ring = false;  // circular padding; what keeps phases or filters round the ring always has it
};

constexpr std::int64_t averaged_radius = 2;

std::string_view name_of(Head head) {
  switch (head) {
    case Head::flatten: return "flatten";
    case Head::global_max: return "global max";
    case Head::attention: return "attention";
    case Head::pyramid: return "pyramid";
  }
  return "";
}

std::string_view name_of(Images images) {
  switch (images) {
    case Images::middle: return "in the middle";
    case Images::moved: return "moved";
    case Images::centred: return "centre of mass";
    case Images::averaged: return "mean of 25";
  }
  return "";
}

std::vector<Study> all_studies() {
  std::vector<Study> studies;
  const auto add_all = [&](Images images) {
    for (const Shrink& shrink : shrinks)
      for (const Head head : {Head::flatten, Head::global_max}) studies.push_back({std::string(shrink.name), shrink, head, images});
  };
  add_all(Images::middle);
  for (const char* name : {"max 2x2", "max, APS"})
    for (const Head head : {Head::attention, Head::pyramid}) studies.push_back({name, shrink_named(name), head});
  add_all(Images::moved);
  studies.push_back({"max, blur 3, ring", shrink_named("max, blur 3"), Head::global_max, Images::middle, true});
  for (const Images images : {Images::centred, Images::averaged}) studies.push_back({"max 2x2", shrink_named("max 2x2"), Head::flatten, images});
  return studies;
}

void add_head(Sequential& model, Head head, const Padding& padding) {
  if (head == Head::flatten) {
    model.add(Flatten());
    model.add(Dense(128, {.activation = "relu"}));
    return;
  }
  model.add(Conv2D(128, 3, {.padding = padding, .activation = "relu"}));
  if (head == Head::global_max) model.add(GlobalMaxPooling2D());
  if (head == Head::attention) model.add(AttentionPooling2D());
  if (head == Head::pyramid) model.add(SpatialPyramidPooling2D({1, 2}));
}

// The notebook's trunk. Polyphase sampling wants sizes that 4 divides, and a ring.
Sequential network(const Study& study, std::uint64_t seed) {
  Sequential model(ModelOptions{.seed = seed});
  const bool ring = study.ring || study.shrink.ring;
  const Padding padding = ring ? Padding("circular") : Padding("valid");
  model.add(Conv2D(32, 3, {.padding = padding, .activation = "relu", .input_shape = {frame, frame, 1}}));
  for (const Layer& layer : study.shrink.layers()) model.add(layer);
  model.add(Conv2D(32, 3, {.padding = padding, .activation = "relu"}));
  for (const Layer& layer : study.shrink.layers()) model.add(layer);
  add_head(model, study.head, padding);
  model.add(Dense(10, {.activation = "softmax"}));
  return model;
}

// The images, each moved by what `step_of` says for its number.
template <class StepOf>
Tensor each_moved(const Tensor& images, StepOf&& step_of) {
  const std::int64_t n = images.shape()[0];
  Tensor result(images.shape(), images.dtype());
  for (std::int64_t i = 0; i < n; ++i) {
    const shift::Shift step = step_of(i);
    const Tensor one = shift::shifted(images.rows(i, i + 1), step.dy, step.dx);
    std::copy_n(static_cast<const std::byte*>(one.raw()), one.bytes(), static_cast<std::byte*>(result.rows(i, i + 1).raw()));
  }
  return result;
}

// Each image by its own draw, another one each epoch.
Tensor moved(const Tensor& images, std::uint64_t epoch) {
  constexpr std::int64_t side = 2 * radius + 1;
  const detail::core::Random random(epoch, detail::core::stream_of("moved", 0));
  return each_moved(images, [&](std::int64_t i) {
    const auto draw = static_cast<std::int64_t>(random.uniform(static_cast<std::uint64_t>(i)) * static_cast<double>(side * side));
    return shift::Shift{draw / side - radius, draw % side - radius};
  });
}

// By whole pixels, so that its centre of mass lies in the middle of the frame; an empty image stays.
shift::Shift to_the_middle(const Tensor& image) {
  const auto pixels = image.values<float>();
  double mass = 0, y_sum = 0, x_sum = 0;
  for (std::int64_t y = 0; y < frame; ++y)
    for (std::int64_t x = 0; x < frame; ++x) {
      const double ink = pixels[static_cast<std::size_t>(y * frame + x)];
      mass += ink, y_sum += ink * static_cast<double>(y), x_sum += ink * static_cast<double>(x);
    }
  if (mass == 0) return {};
  const double middle = (frame - 1) / 2.0;
  return {std::llround(middle - y_sum / mass), std::llround(middle - x_sum / mass)};
}

Tensor centred(const Tensor& images) {
  return each_moved(images, [&](std::int64_t i) { return to_the_middle(images.rows(i, i + 1)); });
}

// All epochs' images one behind the other, for one fit, so that the cycle of the learning rate spans them.
Data moved_epochs(const Data& data, std::uint64_t seed, std::int64_t epochs) {
  const std::int64_t n = data.x_train.shape()[0];
  Tensor x({n * epochs, frame, frame}, data.x_train.dtype()), y({n * epochs}, data.y_train.dtype());
  for (std::int64_t epoch = 0; epoch < epochs; ++epoch) {
    const Tensor images = moved(data.x_train, seed * 100 + static_cast<std::uint64_t>(epoch));
    std::copy_n(static_cast<const std::byte*>(images.raw()), images.bytes(), static_cast<std::byte*>(x.rows(epoch * n, (epoch + 1) * n).raw()));
    std::copy_n(static_cast<const std::byte*>(data.y_train.raw()), data.y_train.bytes(), static_cast<std::byte*>(y.rows(epoch * n, (epoch + 1) * n).raw()));
  }
  return {x, y, data.x_test, data.y_test};
}

Sequential trained(const Study& study, const Data& data, std::uint64_t seed, std::int64_t epochs) {
  Sequential model = network(study, seed);
  model.compile({.optimizer = optimizers::Adam({.learning_rate = optimizers::schedules::OneCycle({.max_learning_rate = 0.004, .warmup = 0.2})}), .loss = losses::SparseCategoricalCrossentropy(), .metrics = {"accuracy"}});
  const bool moves = study.images == Images::moved;
  const FitOptions fit{.batch_size = 128, .epochs = moves ? 1 : epochs, .verbose = Verbose::silent};
  if (moves) {
    const Data all = moved_epochs(data, seed, epochs);
    model.fit(all.x_train, all.y_train, fit);
  } else {
    model.fit(study.images == Images::centred ? centred(data.x_train) : data.x_train, data.y_train, fit);
  }
  return model;
}

// ---- measures ----------------------------------------------------------------------------------------------------

Row measured(Sequential& model, const Data& data) {
  Row row{.accuracy = accuracy_of(model, data.x_test, data.y_test)};
  take(row, shift::sweep(model, data.x_test.rows(0, swept_images), data.y_test.rows(0, swept_images), {.radius = radius}));
  const shift::Sweep ring = shift::sweep(model, data.x_test.rows(0, circular_images), data.y_test.rows(0, circular_images),
                                         {.radius = circular_radius, .border = "circular"});
  row.circular = ring.measures(circular_radius).consistency.value;
  return row;
}

Tensor averaged(const Sequential& model, const Tensor& images) {
  Tensor sum;
  for (std::int64_t dy = -averaged_radius; dy <= averaged_radius; ++dy)
    for (std::int64_t dx = -averaged_radius; dx <= averaged_radius; ++dx) {
      Tensor part = model.predict(shift::shifted(images, dy, dx), {.batch_size = 256});
      if (!sum.defined()) {
        sum = part;
        continue;
      }
      for (std::size_t i = 0; i < sum.values<float>().size(); ++i) sum.values<float>()[i] += part.values<float>()[i];
    }
  return sum;
}

// The same of anything that gives probabilities, shift by shift.
template <class Scores>
Row measured_by(Scores&& scores, const Data& data) {
  constexpr std::int64_t side = 2 * radius + 1;
  const Tensor labels = data.y_test.astype(DType::i64);
  const auto classes_of = [&](const Tensor& images) {
    const Tensor values = scores(images);
    const std::int64_t n = values.shape()[0], classes = values.shape()[1];
    std::vector<std::uint16_t> found;
    for (std::int64_t i = 0; i < n; ++i) {
      const float* one = values.values<float>().data() + i * classes;
      found.push_back(static_cast<std::uint16_t>(std::max_element(one, one + classes) - one));
    }
    return found;
  };
  Row row;
  const auto in_place = classes_of(data.x_test);
  for (std::size_t i = 0; i < in_place.size(); ++i) row.accuracy += in_place[i] == labels.values<std::int64_t>()[i];
  row.accuracy /= static_cast<double>(in_place.size());
  shift::Predictions predictions{.radius = radius, .classes = 10};
  predictions.predicted.resize(static_cast<std::size_t>(swept_images * side * side));
  predictions.room.assign(static_cast<std::size_t>(swept_images), radius);
  predictions.labels.assign(labels.values<std::int64_t>().begin(), labels.values<std::int64_t>().begin() + swept_images);
  for (std::int64_t step = 0; step < side * side; ++step) {
    const auto classes = classes_of(shift::shifted(data.x_test.rows(0, swept_images), step / side - radius, step % side - radius));
    for (std::size_t i = 0; i < classes.size(); ++i) predictions.predicted[i * static_cast<std::size_t>(side * side) + static_cast<std::size_t>(step)] = classes[i];
  }
  take(row, shift::Sweep(std::move(predictions)));
  return row;
}

Row study_row(const Study& study, const Data& data, std::uint64_t seed, std::int64_t epochs) {
  Sequential model = trained(study, data, seed, epochs);
  const PredictOptions options{.batch_size = 256};
  Row row;
  if (study.images == Images::averaged) {
    row = measured_by([&](const Tensor& images) { return averaged(model, images); }, data);
  } else if (study.images == Images::centred) {
    row = measured_by([&](const Tensor& images) { return model.predict(centred(images), options); }, data);
  } else {
    row = measured(model, data);
  }
  constexpr std::int64_t copies = (2 * averaged_radius + 1) * (2 * averaged_radius + 1);
  row.parameters = model.count_params();
  row.operations = million_operations(model) * (study.images == Images::averaged ? copies : 1);
  return row;
}

// ---- the file ----------------------------------------------------------------------------------------------------

int networks(const std::string& path, const std::string& file, std::uint64_t seeds, std::int64_t epochs) {
  const Data data = framed(path);
  study::RowFile rows(file);
  for (const Study& study : all_studies())
    for (std::uint64_t seed = 1; seed <= seeds; ++seed)
      rows.add({study.name, std::string(name_of(study.head)), std::string(name_of(study.images)), seed}, [&] { return study_row(study, data, seed, epochs); });
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  const auto number = [&](int at, int otherwise) { return argc > at ? std::atoi(argv[at]) : otherwise; };
  if (what == "headline") return headline(static_cast<std::uint64_t>(number(2, 10)), number(3, 10000));
  if (what == "orders") return orders(static_cast<std::uint64_t>(number(2, 3)));
  if (what == "networks" && argc > 3) return networks(argv[2], argv[3], static_cast<std::uint64_t>(number(4, 3)), number(5, 2));
  fmt::print(stderr, "usage: {} headline [SEEDS] [IMAGES] | orders [SEEDS] | networks DATA FILE [SEEDS] [EPOCHS]\n", argv[0]);
  return 2;
}
