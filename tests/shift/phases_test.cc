// Phases against shifting one by one: every answer of a sweep, bit for bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <ostream>
#include <string>
#include <vector>

#include "core/cpu.h"
#include "linn/error.h"
#include "linn/layers.h"
#include "linn/shift.h"
#include "shift/text.h"

namespace linn::shift {
namespace {

class KeepSettings {
 public:
  ~KeepSettings() {
    detail::core::set_isa(isa_);
    set_threads(threads_);
  }

 private:
  detail::core::Isa isa_ = detail::core::isa();
  int threads_ = threads();
};

Tensor random_images(std::int64_t n, std::int64_t height, std::int64_t width, std::int64_t channels) {
  Tensor images({n, height, width, channels}, DType::u8);
  std::uint32_t state = 4711;
  for (std::uint8_t& value : images.values<std::uint8_t>()) {
    state = state * 1664525U + 1013904223U;
    value = (state >> 28U) > 6 ? static_cast<std::uint8_t>(state >> 20U) : 0;  // ink up to the edges, so that borders cut it
  }
  return images;
}

Tensor labels_of(std::int64_t n) {
  Tensor labels({n}, DType::u8);
  for (std::int64_t i = 0; i < n; ++i) labels.values<std::uint8_t>()[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(i % 3);
  return labels;
}

// The layers of a trunk, then a head of three classes. Biases and moving statistics are none of those that a new model has.
Sequential network(const Shape& image, std::vector<Layer> trunk, bool flat = true) {
  Sequential model(ModelOptions{.seed = 7});
  model.add(Input(image));
  model.add(Rescaling(1.0 / 255));
  for (const Layer& layer : trunk) model.add(layer);
  if (flat) model.add(Flatten());
  model.add(Dense(16, {.activation = "relu"}));
  model.add(Dense(3, {.activation = "softmax"}));
  std::vector<Tensor> weights = model.get_weights();
  float offset = 0.01f;
  for (Tensor& weight : weights)
    if (weight.shape().rank() == 1)
      for (float& value : weight.values<float>()) value += offset = offset > 0.3f ? 0.01f : offset + 0.013f;
  model.set_weights(weights);
  return model;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && !a.empty() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

struct Case {
  std::string name;
  Shape image;
  std::int64_t radius;
  std::function<std::vector<Layer>()> trunk;
  bool flat = true;
  std::string runs = {};  // what the reason says, where it is not the whole trunk
};
void PrintTo(const Case& c, std::ostream* to) { *to << c.name; }

std::vector<Case> cases() {
  const auto conv = [](std::int64_t filters, Size2 window = {3, 3}, Size2 strides = {1, 1}) {
    return Conv2D(filters, window, {.strides = strides, .activation = "relu"});
  };
  return {
      {"notebook",
       {18, 18, 1},
       4,
       [=] {
         return std::vector<Layer>{conv(8), MaxPooling2D({2, 2}), conv(12), MaxPooling2D({2, 2})};
       }},
      {"odd_sizes",
       {21, 19, 3},
       3,
       [=] {
         return std::vector<Layer>{conv(9), MaxPooling2D({2, 2}), conv(12), MaxPooling2D({2, 2})};
       }},
      {"average_pooling",
       {18, 17, 1},
       4,
       [=] {
         return std::vector<Layer>{conv(8), AveragePooling2D({2, 2}), conv(10), AveragePooling2D({2, 2})};
       }},
      {"stride_3",
       {20, 22, 2},
       4,
       [=] {
         return std::vector<Layer>{conv(24, {5, 5}, {3, 3}), conv(16, {2, 3})};
       }},
      {"two_strides",
       {18, 20, 1},
       4,
       [=] {
         return std::vector<Layer>{conv(24, {3, 3}, {2, 3}), conv(16)};
       }},
      {"no_pooling",
       {14, 13, 1},
       2,
       [=] {
         return std::vector<Layer>{conv(24), conv(24)};
       }},
      {"pairs",
       {20, 20, 1},
       4,
       [=] {
         return std::vector<Layer>{conv(24), conv(24), MaxPooling2D({2, 2}), conv(24), conv(24), MaxPooling2D({2, 2})};
       }},
      // Tiles repeat after 2 pixels, the trunk's map after 3: only shifts by 6 give the same bits.
      {"tiles_before_a_stride_of_3",
       {20, 20, 1},
       4,
       [=] {
         return std::vector<Layer>{conv(24), conv(24), conv(16, {3, 3}, {3, 3})};
       }},
      {"overlapping_pools",
       {19, 19, 1},
       4,
       [=] {
         return std::vector<Layer>{conv(16), MaxPooling2D({3, 3}, {.strides = {2, 2}}), conv(16),
                                   AveragePooling2D({3, 2}, {.strides = {2, 2}})};
       }},
      {"norms",
       {18, 18, 1},
       4,
       [=] {
         return std::vector<Layer>{Conv2D(16, {3, 3}), BatchNormalization(), Activation("relu"), MaxPooling2D({2, 2}), BatchNormalization(),
                                   conv(16),           MaxPooling2D({2, 2}), Dropout(0.3)};
       }},
      {"tanh",
       {18, 18, 1},
       4,
       [=] {
         return std::vector<Layer>{Rescaling(0.5),        Conv2D(16, {3, 3}, {.activation = "tanh"}),
                                   MaxPooling2D({2, 2}),  conv(16),
                                   Activation("sigmoid"), MaxPooling2D({2, 2})};
       }},
      {"dilated_groups",
       {20, 20, 2},
       4,
       [=] {
         return std::vector<Layer>{Conv2D(32, {3, 3}, {.dilation_rate = {2, 2}, .groups = 2}), MaxPooling2D({2, 2}), conv(24)};
       }},
      {"a_border_comes_late",
       {20, 20, 1},
       4,
       [=] {
         return std::vector<Layer>{conv(32), MaxPooling2D({2, 2}), conv(32), MaxPooling2D({2, 2}), Conv2D(8, {3, 3}, {.padding = "same"})};
       },
       true,
       "up to max_pooling2d_1 "},
      {"global_pooling",
       {20, 20, 1},
       4,
       [=] {
         return std::vector<Layer>{conv(32), MaxPooling2D({2, 2}), conv(32), MaxPooling2D({2, 2}), conv(8), GlobalAveragePooling2D()};
       },
       false,
       "up to max_pooling2d_1 "},
  };
}

struct Arithmetic {
  DTypePolicy policy;
  Accuracy accuracy;
};

// Those whose tiles of 2x2 cells are no pooling windows run by Winograd's form where there are vectors: their cells differ in bits.
TEST(Phases, AreTestedWithTiles) {
  const KeepSettings keep;
  detail::core::set_isa(detail::core::available_isas().front());  // the best
  for (const Case& c : cases()) {
    if (c.name != "no_pooling" && c.name != "pairs" && c.name != "tiles_before_a_stride_of_3") continue;
    const std::vector<Operation> operations = network(c.image, c.trunk()).operations(DType::u8, {.local = true});
    EXPECT_TRUE(std::any_of(operations.begin(), operations.end(), [](const Operation& operation) {
      return operation.implementation == "conv_forward.winograd" && operation.period == 2;
    })) << c.name;
  }
}

class PhasesOf : public testing::TestWithParam<Case> {};

// Every instruction set, precision, accuracy and number of threads.
TEST_P(PhasesOf, GiveTheBitsOfShiftingOneByOne) {
  const KeepSettings keep;
  const Case& c = GetParam();
  const Tensor images = random_images(9, c.image[0], c.image[1], c.image[2]);
  for (const detail::core::Isa isa : detail::core::available_isas()) {
    detail::core::set_isa(isa);
    for (const Arithmetic& arithmetic :
         {Arithmetic{"float32", "fast"}, Arithmetic{"float32", "exact"}, Arithmetic{"mixed_bfloat16", "fast"}}) {
      Sequential model = network(c.image, c.trunk(), c.flat);
      model.set_dtype_policy(arithmetic.policy);
      SweepOptions options{.radius = c.radius, .batch_size = 4, .accuracy = arithmetic.accuracy, .phases = false};
      const Predictions want = sweep(model, images, labels_of(9), options).predictions();
      EXPECT_EQ(want.method, "shift by shift");
      options.phases = true;
      for (const int count : {1, 2}) {
        set_threads(count);
        const Predictions found = sweep(model, images, labels_of(9), options).predictions();
        const std::string where = std::string(detail::core::name_of(isa)) + " " + std::string(arithmetic.policy.name()) + " " +
                                  std::string(arithmetic.accuracy.name());
        EXPECT_EQ(found.method, "phases") << where << ": " << found.method_reason;
        EXPECT_NE(found.method_reason.find(c.runs), std::string::npos) << found.method_reason;
        EXPECT_TRUE(same_bits(found.predicted, want.predicted)) << where;
        EXPECT_TRUE(same_bits(found.change, want.change)) << where;
        EXPECT_TRUE(same_bits(found.label_value, want.label_value)) << where;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, PhasesOf, testing::ValuesIn(cases()), [](const auto& info) { return info.param.name; });

struct Way {
  const char* border;
  std::int64_t image, radius;
};

// All borders, and radii that leave phases of one and of several shifts.
TEST(Phases, OfEveryBorderAndRadius) {
  const Sequential model = network({18, 18, 1}, cases().front().trunk());
  for (const Way& way : {Way{"zero", 18, 3}, Way{"zero", 18, 5}, Way{"zero", 18, 17}, Way{"canvas", 11, 4}, Way{"canvas", 18, 6},
                         Way{"circular", 18, 4}, Way{"circular", 13, 9}, Way{"crop", 26, 4}, Way{"crop", 29, 5}}) {
    const Tensor images = random_images(7, way.image, way.image, 1);
    SweepOptions options{.radius = way.radius, .border = Border(std::string(way.border)), .phases = false};
    const Predictions want = sweep(model, images, labels_of(7), options).predictions();
    options.phases = true;
    const Predictions found = sweep(model, images, labels_of(7), options).predictions();
    EXPECT_EQ(found.method, "phases") << way.border << ": " << found.method_reason;
    EXPECT_TRUE(same_bits(found.predicted, want.predicted)) << way.border << way.radius;
    EXPECT_TRUE(same_bits(found.change, want.change)) << way.border << way.radius;
    EXPECT_TRUE(same_bits(found.label_value, want.label_value)) << way.border << way.radius;
  }
}

TEST(Phases, OfMoreImagesThanAChunk) {
  const Sequential model = network({14, 13, 1}, {Conv2D(64, {3, 3}, {.activation = "relu"}), Conv2D(64, {3, 3}, {.activation = "relu"})});
  const Tensor images = random_images(150, 14, 13, 1);
  SweepOptions options{.radius = 2, .batch_size = 16, .phases = false};
  const Predictions want = sweep(model, images, {}, options).predictions();
  options.phases = true;
  const Predictions found = sweep(model, images, {}, options).predictions();
  EXPECT_EQ(found.method, "phases");
  EXPECT_TRUE(same_bits(found.predicted, want.predicted));
  EXPECT_TRUE(same_bits(found.change, want.change));
}

// What cannot be shared is computed shift by shift, and the reason says why.
TEST(Phases, AreLeftAloneWhereBitsCouldChangeOrNothingIsGained) {
  const auto reason = [](const Shape& image, std::vector<Layer> trunk, bool flat, std::int64_t radius = 4) {
    const Predictions found =
        sweep(network(image, std::move(trunk), flat), random_images(3, image[0], image[1], 1), {}, {.radius = radius}).predictions();
    EXPECT_EQ(found.method, "shift by shift");
    return found.method_reason;
  };
  const auto says = [](const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; };
  const Shape image = {18, 18, 1};
  EXPECT_PRED2(says, reason(image, {Conv2D(8, {3, 3}, {.padding = "same"}), MaxPooling2D({2, 2})}, true), "conv2d sees the border (padding \"same\")");
  EXPECT_PRED2(says, reason(image, {Conv2D(8, {3, 3}, {.padding = "circular"}), MaxPooling2D({2, 2})}, true),
               "conv2d sees the border (padding \"circular\")");
  EXPECT_PRED2(says, reason(image, {}, true), "no convolution or pooling comes before flatten (Flatten)");
  EXPECT_PRED2(says, reason(image, {AdaptivePolyphaseSampling2D(), Conv2D(4, {3, 3}), GlobalMaxPooling2D()}, false),
               "no convolution or pooling comes before adaptive_polyphase_sampling2d (AdaptivePolyphaseSampling2D)");
  EXPECT_PRED2(says, reason(image, cases().front().trunk(), true, 0), "with a stride of 4 x 4, phases within 0 pixels would take 1");
  EXPECT_PRED2(says, reason(image, cases().front().trunk(), true, 1), "with a stride of 4 x 4, phases within 1 pixels would take 1");
  EXPECT_PRED2(says, reason(image, {Conv2D(8, {3, 3}), GlobalMaxPooling2D()}, false), "one kernel computes conv2d together with the next layer");
  EXPECT_PRED2(says, reason(image, {Conv2D(4, {3, 3}, {.activation = "softmax"}), MaxPooling2D({2, 2})}, true),
               "depend on the place in the map");
}

// 3 x 3 cells are too few for Winograd's form, 7 x 7 are not: the bits of a region would not be those of the frame.
TEST(Phases, AreLeftAloneWhereALargerPieceRunsAnotherKernel) {
  const KeepSettings keep;
  detail::core::set_isa(detail::core::available_isas().front());
  if (detail::core::isa() == detail::core::Isa::scalar) GTEST_SKIP() << "one kernel for all sizes";
  const Sequential model = network({7, 7, 1}, {Conv2D(32, {3, 3}), Conv2D(32, {3, 3})});
  const Tensor images = random_images(3, 7, 7, 1);
  const Predictions found = sweep(model, images, {}, {.radius = 2}).predictions();
  EXPECT_EQ(found.method, "shift by shift");
  EXPECT_EQ(found.method_reason, "on 11 x 11 pixels the trunk runs conv_forward.winograd, on the frame conv_forward.direct");
}

TEST(Phases, ReportEveryShiftOnceAndEndWhenTold) {
  const Sequential model = network({18, 18, 1}, cases().front().trunk());
  const Tensor images = random_images(3, 18, 18, 1);
  std::vector<std::int64_t> seen;
  const auto options = [&](std::int64_t most) {
    return SweepOptions{.radius = 4, .progress = [&seen, most](std::int64_t done, std::int64_t all) {
                          EXPECT_EQ(all, 81);
                          seen.push_back(done);
                          return done < most;
                        }};
  };
  EXPECT_EQ(sweep(model, images, {}, options(1000)).predictions().method, "phases");
  ASSERT_EQ(seen.size(), 81U);
  for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], static_cast<std::int64_t>(i) + 1);
  seen.clear();
  EXPECT_THROW(sweep(model, images, {}, options(20)), StateError);
  EXPECT_EQ(seen.size(), 20U);
}

// A pixel that is NaN is seen at some shifts alone: the error names one.
TEST(Phases, NameTheImageThatGivesNan) {
  const Sequential model = network({18, 18, 1}, cases().front().trunk());
  Tensor images({3, 24, 24, 1});
  images.values<float>()[24 * 24] =
      std::numeric_limits<float>::quiet_NaN();  // the corner of image 1, which the window in place does not see
  try {
    sweep(model, images, {}, {.radius = 3, .border = "crop"});
    FAIL();
  } catch (const ValueError& error) {
    EXPECT_NE(std::string(error.what()).find("gives nan for image 1 at shift (3, 3)"), std::string::npos) << error.what();
  }
}

TEST(Phases, AreSaidInALine) {
  const Sequential model = network({18, 18, 1}, cases().front().trunk());
  const Tensor images = random_images(3, 18, 18, 1);
  EXPECT_EQ(method_text(sweep(model, images, {})),
            "computed by phases: 16 runs of the trunk up to max_pooling2d_1 serve all 81 shifts of an image, with the same bits");
  EXPECT_EQ(method_text(sweep(model, images, {}, {.phases = false})), "computed shift by shift: phases were switched off");
}

}  // namespace
}  // namespace linn::shift
