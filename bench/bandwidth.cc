// Norms, element-wise layers and merges of large maps beside the bandwidth that a copy between arrays in memory reaches in the same run: for each op
// that comes from the layer the bytes that it reads and writes a second, of one thread while all run (docs/profile.md). Above 100 % what an op reads
// was still in a cache. "Fused" is a layer that is part of the op before it.
//   bandwidth_bench [SIDE=56] [CHANNELS=64] [BATCH=32] [THREADS] [RUNS=5]      the best of so many profiles, inference and training
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "linn/linn.h"

namespace {

using namespace linn;

struct Subject {
  std::string name;
  std::function<SymbolicTensor(const SymbolicTensor&, const SymbolicTensor&)> apply;
};

template <class Make>
Subject of_one(std::string name, Make make) {
  return {name, [make](const SymbolicTensor& x, const SymbolicTensor&) { return make()(x); }};
}
template <class Make>
Subject of_two(std::string name, Make make) {
  return {name, [make](const SymbolicTensor& a, const SymbolicTensor& b) { return make()({a, b}); }};
}

// All bear the name "it".
std::vector<Subject> subjects() {
  std::vector<Subject> all{of_one("BatchNormalization", [] { return BatchNormalization({.name = "it"}); }),
                           of_one("LayerNormalization", [] { return LayerNormalization({.name = "it"}); }),
                           of_one("GroupNormalization", [] { return GroupNormalization({.groups = 8, .name = "it"}); }),
                           of_one("RMSNormalization", [] { return RMSNormalization({.name = "it"}); }),
                           of_one("UnitNormalization", [] { return UnitNormalization({.name = "it"}); }),
                           of_one("Dropout", [] { return Dropout(0.5, {.name = "it"}); }),
                           of_one("SpatialDropout2D", [] { return SpatialDropout2D(0.5, {.name = "it"}); }),
                           of_one("GaussianDropout", [] { return GaussianDropout(0.5, {.name = "it"}); }),
                           of_one("LeakyReLU", [] { return LeakyReLU({.name = "it"}); }),
                           of_one("PReLU", [] { return PReLU({.shared_axes = {1, 2}, .name = "it"}); }),
                           of_one("Rescaling", [] { return Rescaling(2.0, {.offset = 1.0, .name = "it"}); }),
                           of_one("ZeroPadding2D", [] { return ZeroPadding2D(1, {.name = "it"}); }),
                           of_one("Cropping2D", [] { return Cropping2D(1, {.name = "it"}); }),
                           of_two("Add", [] { return Add({.name = "it"}); }),
                           of_two("Subtract", [] { return Subtract({.name = "it"}); }),
                           of_two("Multiply", [] { return Multiply({.name = "it"}); }),
                           of_two("Average", [] { return Average({.name = "it"}); }),
                           of_two("Maximum", [] { return Maximum({.name = "it"}); }),
                           of_two("Minimum", [] { return Minimum({.name = "it"}); }),
                           of_two("Concatenate", [] { return Concatenate({.name = "it"}); })};
  for (const char* name : {"relu", "relu6", "gelu", "silu", "tanh", "sigmoid", "elu", "selu", "softplus", "hard_sigmoid", "mish", "softmax"})
    all.push_back(of_one(fmt::format("Activation {}", name), [name] { return Activation(std::string(name), {.name = "it"}); }));
  return all;
}

struct Maps {
  std::int64_t side = 56, channels = 64, batch = 32;
  int runs = 5;
};

// Max pooling around the layer: no convolution takes it in, and its gradient is wanted.
Model network(const Subject& subject, const Maps& maps) {
  const SymbolicTensor image = Input({maps.side, maps.side, 2});
  const auto branch = [&] { return MaxPooling2D(2, {.strides = 1, .padding = "same"})(Conv2D(maps.channels, 1)(image)); };
  const SymbolicTensor a = branch();
  const SymbolicTensor b = branch();
  const SymbolicTensor result = MaxPooling2D(2, {.strides = 1, .padding = "same"})(subject.apply(a, b));
  const SymbolicTensor both = Concatenate()({GlobalAveragePooling2D()(result), GlobalAveragePooling2D()(b)});
  Model model(image, Dense(10, {.activation = "softmax"})(both));
  model.compile({.optimizer = optimizers::SGD(), .loss = "sparse_categorical_crossentropy"});
  return model;
}

void measure(const Subject& subject, const Maps& maps, bool training) {
  struct Best {
    double share = 0, bandwidth = 0;
    std::string implementation;
  };
  std::map<std::string, Best> best;
  Model model = network(subject, maps);
  for (int run = 0; run < maps.runs; ++run) {
    const Profile profile = model.profile({.training = training, .batch_size = maps.batch, .steps = 4});
    for (const OpProfile& op : profile.ops) {
      if (op.layer.find("it") != 0 || (op.layer.size() > 2 && op.layer[2] != ' ')) continue;
      Best& one = best[op.op];
      const double bandwidth = op.seconds > 0 ? op.bytes / op.seconds : 0, share = bandwidth / profile.memory_bandwidth;
      if (share > one.share) one = {share, bandwidth * 1e-9, op.implementation};
    }
  }
  const char* mode = training ? "training" : "inference";
  if (best.empty()) fmt::print("| {} | {} | fused or nothing to do | | | |\n", subject.name, mode);
  for (const auto& [op, one] : best) fmt::print("| {} | {} | {} | {} | {:.1f} | {:.0f} % |\n", subject.name, mode, op, one.implementation, one.bandwidth, 100 * one.share);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const auto number = [&](int at, int otherwise) { return argc > at ? std::atoi(argv[at]) : otherwise; };
  const Maps maps{number(1, 56), number(2, 64), number(3, 32), number(5, 5)};
  try {
    if (argc > 4) set_threads(number(4, 1));
    fmt::print("maps of {0}x{0}x{1}, {2} images, {3} threads\n| layer | | op | kernel | GB/s | of memory |\n|---|---|---|---|---|---|\n", maps.side, maps.channels, maps.batch, threads());
    for (const Subject& subject : subjects())
      for (const bool training : {false, true}) measure(subject, maps, training);
  } catch (const std::exception& problem) {
    fmt::print(stderr, "bandwidth_bench: {}\n", problem.what());
    return 1;
  }
  return 0;
}
