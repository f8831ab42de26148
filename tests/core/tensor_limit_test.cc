#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

#include "linn/error.h"
#include "linn/tensor.h"

namespace linn {
namespace {

TEST(TensorLimit, SizesNear2To63AreMemoryErrors) {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  EXPECT_THROW(Tensor(Shape{most}, DType::u8), MemoryError);
  EXPECT_THROW(Tensor(Shape{most - 62}, DType::u8), MemoryError);  // rounding up to 64 bytes passes 2^63
  EXPECT_THROW(Tensor(Shape{most / 4 + 1}, DType::f32), MemoryError);
}

}  // namespace
}  // namespace linn
