#include "linn/tensor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>

#include "core/tensor_visit.h"
#include "linn/error.h"
#include "support/sanitized.h"

namespace linn {
namespace {

constexpr DType types[] = {DType::u8, DType::i32, DType::i64, DType::f32, DType::f64, DType::bf16};

TEST(Tensor, ZerosAligned) {
  for (const DType type : types) {
    const Tensor t({3, 5}, type);
    EXPECT_TRUE(t.defined());
    EXPECT_EQ(t.elements(), 15);
    EXPECT_EQ(t.bytes(), 15 * size_of(type));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(t.raw()) % 64, 0u);
    for (std::size_t i = 0; i < t.bytes(); ++i) EXPECT_EQ(static_cast<const unsigned char*>(t.raw())[i], 0);
  }
  EXPECT_FALSE(Tensor().defined());
  EXPECT_FALSE(Tensor().clone().defined());
  EXPECT_TRUE(Tensor({0, 4}).defined());
  EXPECT_EQ(Tensor(Shape()).elements(), 1);
}

TEST(Tensor, FromValuesAndTyped) {
  const Tensor t = Tensor::from(std::vector<std::int32_t>{1, 2, 3, 4, 5, 6}, {2, 3});
  EXPECT_EQ(t.dtype(), DType::i32);
  EXPECT_EQ(t.values<std::int32_t>()[4], 5);
  EXPECT_THROW(t.values<float>(), ValueError);
  EXPECT_THROW(Tensor().values<float>(), ValueError);
  EXPECT_THROW(Tensor::from(std::vector<float>{1, 2}, {3}), ShapeError);
  EXPECT_THROW(Tensor({Shape::none, 2}), ShapeError);
}

TEST(Tensor, RowsAndReshapeAreViews) {
  Tensor t = Tensor::from(std::vector<float>{0, 1, 2, 3, 4, 5, 6, 7}, {4, 2});
  Tensor middle = t.rows(1, 3);
  EXPECT_EQ(middle.shape(), (Shape{2, 2}));
  EXPECT_EQ(middle.values<float>()[0], 2);
  middle.values<float>()[0] = 42;
  EXPECT_EQ(t.values<float>()[2], 42);
  EXPECT_EQ(middle.rows(1, 2).values<float>()[1], 5);
  EXPECT_EQ(t.rows(4, 4).elements(), 0);
  EXPECT_THROW(t.rows(-1, 2), ShapeError);
  EXPECT_THROW(t.rows(3, 2), ShapeError);
  EXPECT_THROW(t.rows(0, 5), ShapeError);
  EXPECT_THROW(Tensor(Shape()).rows(0, 0), ShapeError);

  Tensor flat = t.reshape({8});
  flat.values<float>()[0] = -1;
  EXPECT_EQ(t.values<float>()[0], -1);
  EXPECT_EQ(middle.reshape({4}).values<float>()[3], 5);
  EXPECT_THROW(t.reshape({7}), ShapeError);
  EXPECT_THROW(t.reshape({Shape::none, 8}), ShapeError);

  Tensor copy = middle.clone();
  copy.values<float>()[0] = 7;
  EXPECT_EQ(t.values<float>()[2], 42);
}

TEST(Tensor, ViewsOutliveTheOriginal) {
  Tensor view;
  {
    const Tensor t = Tensor::from(std::vector<float>{1, 2, 3, 4}, {2, 2});
    view = t.rows(1, 2);
  }
  EXPECT_EQ(view.values<float>()[1], 4);
}

TEST(Tensor, AstypeEveryPair) {
  const std::vector<float> values{0, 1, 2, 100, 255};
  const Tensor source = Tensor::from(values, {5});
  for (const DType from : types)
    for (const DType to : types) {
      const Tensor back = source.astype(from).astype(to).astype(DType::f32);
      for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(back.values<float>()[i], values[i]) << name_of(from) << " " << name_of(to);
    }
}

TEST(Tensor, AstypeTruncatesAndRefuses) {
  EXPECT_EQ(Tensor::from(std::vector<float>{-1.9f, 2.9f}, {2}).astype(DType::i32).values<std::int32_t>()[0], -1);
  EXPECT_EQ(Tensor::from(std::vector<float>{-0.9f}, {1}).astype(DType::u8).values<std::uint8_t>()[0], 0);
  const auto refuses = [](double value, DType to) {
    EXPECT_THROW(Tensor::from(std::vector<double>{value}, {1}).astype(to), ValueError) << value << " to " << name_of(to);
  };
  refuses(256, DType::u8);
  refuses(-1, DType::u8);
  refuses(2147483648.0, DType::i32);
  refuses(-2147483649.0, DType::i32);
  refuses(0x1p63, DType::i64);
  refuses(-0x1p63 - 2048, DType::i64);
  for (const DType to : {DType::u8, DType::i32, DType::i64}) {
    refuses(std::numeric_limits<double>::quiet_NaN(), to);
    refuses(std::numeric_limits<double>::infinity(), to);
  }
  const std::vector<double> edges{-0x1p63, 0x1p63 - 1024};
  EXPECT_EQ(Tensor::from(edges, {2}).astype(DType::i64).values<std::int64_t>()[0], std::numeric_limits<std::int64_t>::min());
  EXPECT_THROW(Tensor::from(std::vector<std::int64_t>{1ll << 40}, {1}).astype(DType::i32), ValueError);
  EXPECT_THROW(Tensor::from(std::vector<std::int64_t>{-1}, {1}).astype(DType::u8), ValueError);
}

TEST(Tensor, AstypeToTheSameTypeCopies) {
  const Tensor t = Tensor::from(std::vector<float>{1}, {1});
  Tensor same = t.astype(DType::f32);
  same.values<float>()[0] = 2;
  EXPECT_EQ(t.values<float>()[0], 1);
}

TEST(Tensor, TooLarge) {
  EXPECT_THROW(Tensor({std::int64_t{1} << 62, 2, 2}), ShapeError);
  EXPECT_THROW(Tensor({std::int64_t{1} << 61}, DType::f64), MemoryError);
  if (tests::sanitized) return;  // a sanitizer's allocator aborts instead
  EXPECT_THROW(Tensor({std::numeric_limits<std::int64_t>::max()}, DType::u8), MemoryError);
  EXPECT_THROW(Tensor({std::int64_t{1} << 60}, DType::f32), MemoryError);
}

TEST(Bfloat16, RoundsToNearestEven) {
  EXPECT_EQ(to_float(to_bfloat16(1.0f)), 1.0f);
  EXPECT_EQ(to_bfloat16(0x1.01p0f).bits, 0x3f80);  // halfway, to even
  EXPECT_EQ(to_bfloat16(0x1.03p0f).bits, 0x3f82);
  EXPECT_EQ(to_bfloat16(0x1.010002p0f).bits, 0x3f81);
  EXPECT_EQ(to_bfloat16(std::numeric_limits<float>::max()).bits, 0x7f80);
  EXPECT_EQ(to_bfloat16(-std::numeric_limits<float>::infinity()).bits, 0xff80);
  EXPECT_EQ(to_bfloat16(-0.0f).bits, 0x8000);
  EXPECT_TRUE(std::isnan(to_float(to_bfloat16(std::numeric_limits<float>::quiet_NaN()))));
  EXPECT_TRUE(std::isnan(to_float(to_bfloat16(std::numeric_limits<float>::signaling_NaN()))));
  for (unsigned bits = 0; bits < 0x7f80; ++bits) {
    const bfloat16 value{static_cast<std::uint16_t>(bits)};
    ASSERT_EQ(to_bfloat16(to_float(value)).bits, bits);
  }
}

}  // namespace
}  // namespace linn
