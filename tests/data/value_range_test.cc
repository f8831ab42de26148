#include "data/value_range.h"

#include <gmock/gmock.h>

#include <limits>
#include <vector>

#include "io/test_files.h"
#include "linn/error.h"

namespace linn::detail::data {
namespace {

template <class T>
Tensor row(const std::vector<T>& values) {
  return Tensor::from(values, {1, static_cast<std::int64_t>(values.size())});
}

// What the data are decides, not the type that holds them.
TEST(ValueRange, ScaleOfPixels) {
  const auto scale = [](const Tensor& images) { return pixel_scale(value_range(images, "here")); };
  EXPECT_EQ(scale(row<std::uint8_t>({0, 255, 3})), 1.0 / 255);
  EXPECT_EQ(scale(row<std::uint8_t>({0, 200})), 1.0 / 255);
  EXPECT_EQ(scale(row<std::uint8_t>({0, 1, 1})), 1) << "bool, or bytes that are only 0 and 1";
  EXPECT_EQ(scale(row<std::uint8_t>({0, 0})), 1);
  EXPECT_EQ(scale(row<std::int64_t>({0, 255})), 1.0 / 255);
  EXPECT_EQ(scale(row<std::int32_t>({0, 65535})), 1.0 / 65535) << "16 bits";
  EXPECT_EQ(scale(row<std::int32_t>({-1, 255})), 1);
  EXPECT_EQ(scale(row<std::int32_t>({0, 70000})), 1);
  EXPECT_EQ(scale(row<float>({0, 255, 128})), 1.0 / 255) << "bytes that were converted and not divided";
  EXPECT_EQ(scale(row<double>({0, 16})), 1.0 / 255);
  EXPECT_EQ(scale(row<float>({0, 1, 0.5f})), 1);
  EXPECT_EQ(scale(row<float>({0, 1})), 1);
  EXPECT_EQ(scale(row<float>({-1, 1})), 1);
  EXPECT_EQ(scale(row<float>({0, 254.5f})), 1) << "fractions: not bytes";
  EXPECT_EQ(scale(row<float>({0, 255}).astype(DType::bf16)), 1.0 / 255);
}

TEST(ValueRange, OfManyPieces) {
  Tensor images({3, 512, 512}, DType::i32);
  images.values<std::int32_t>()[5] = -7;
  images.values<std::int32_t>()[700'000] = 300;
  EXPECT_EQ(value_range(images, "here"), (ValueRange{-7, 300, true}));
  EXPECT_EQ(value_range(Tensor({0, 4}), "here"), ValueRange());
}

TEST(ValueRange, NotANumber) {
  Tensor images({4, 512, 512});
  images.values<float>()[2 * 512 * 512 + 9] = std::numeric_limits<float>::quiet_NaN();
  test::expect_error<DataError>([&] { value_range(images, "FILE: x_train"); }, {"FILE: x_train: image 2 holds a value that is not a number"});
  EXPECT_EQ(value_range(row<float>({0, std::numeric_limits<float>::infinity()}), "here").largest, std::numeric_limits<double>::infinity());
}

}  // namespace
}  // namespace linn::detail::data
