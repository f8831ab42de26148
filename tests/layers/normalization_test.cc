// Normalization: statistics that data give, and what does not fit.
#include "linn/layers/normalization.h"

#include <gtest/gtest.h>

#include <cmath>

#include "io/json.h"
#include "layers/description.h"
#include "linn/error.h"
#include "support/layer_call.h"

namespace linn {
namespace {

using tests::Values;

// The example of Keras's documentation.
TEST(Normalization, AdaptsToData) {
  Normalization norm;
  norm.adapt(Tensor::from(std::vector<float>{0, 7, 4, 2, 9, 6, 0, 7, 4, 2, 9, 6}, {4, 3}));
  const detail::io::Json config = detail::io::parse_json(norm.config(), "config");
  EXPECT_EQ(config["mean"], (std::vector<double>{1, 8, 5}));
  EXPECT_EQ(config["variance"], (std::vector<double>{1, 1, 1}));
  tests::LayerCall call(detail::description_of(norm), 1, {{{3}, {0, 7, 4}}}, {}, {}, detail::plan::Precision::float64);
  call.run();
  EXPECT_EQ(call.output(), (Values{-1, -1, -1}));
}

TEST(Normalization, AdaptsAxesAndTypes) {
  const std::vector<std::uint8_t> bytes = {0, 10, 20, 30, 100, 110, 120, 130};  // two images of 2 x 2
  Normalization rows({.axis = {1}}), all({.axis = {}});
  rows.adapt(Tensor::from(bytes, {2, 2, 2}));
  all.adapt(Tensor::from(bytes, {2, 2, 2}));
  EXPECT_EQ(detail::io::parse_json(rows.config(), "config")["mean"], (std::vector<double>{55, 75}));
  EXPECT_EQ(detail::io::parse_json(rows.config(), "config")["variance"], (std::vector<double>{2525, 2525}));
  EXPECT_EQ(detail::io::parse_json(all.config(), "config")["mean"], 65);
  EXPECT_EQ(detail::io::parse_json(all.config(), "config")["variance"], 2625);
}

TEST(Normalization, RefusesWhatDoesNotFit) {
  EXPECT_THROW(Normalization({.mean = {1, 2}, .variance = {1}}), ValueError);
  EXPECT_THROW(Normalization({.mean = {1}, .variance = {-1}}), ValueError);
  EXPECT_THROW(Normalization({.mean = {1, 2}, .variance = {1, 1}}).compute_output_shape({4, 4, 3}), ShapeError);
  EXPECT_THROW(Normalization({.axis = {0}}).compute_output_shape({4, 4, 3}), ValueError);
  Normalization norm;
  EXPECT_THROW(norm.adapt(Tensor::from(std::vector<float>{1, 2}, {2})), ShapeError);
  EXPECT_THROW(norm.adapt(Tensor({0, 3})), ShapeError);
}

}  // namespace
}  // namespace linn
