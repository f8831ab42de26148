#include "data/resize.h"

#include <gmock/gmock.h>

#include <cmath>
#include <string>

#include "data/channels.h"
#include "io/test_files.h"
#include "linn/error.h"
#include "support/golden.h"

namespace linn::detail::data {
namespace {

// keras.ops.image.resize(antialias=True); a value that lies halfway between two integers may be rounded either way.
TEST(Resize, AgreesWithKeras) {
  const tests::GoldenTensors golden("resize.safetensors");
  for (const char* name : {"7x5x1-3x4", "12x9x3-5x5", "3x4x1-7x9", "16x16x3-8x8", "5x8x3-8x3", "1x6x1-2x2", "9x9x1-1x1", "31x17x3-30x16"}) {
    const Tensor& expected = golden[std::string(name) + "/resized"];
    const Tensor got = resized(golden[std::string(name) + "/image"], {expected.shape()[0], expected.shape()[1]});
    ASSERT_EQ(got.shape(), expected.shape()) << name;
    for (std::size_t i = 0; i < got.values<std::uint8_t>().size(); ++i)
      EXPECT_LE(std::abs(static_cast<double>(got.values<std::uint8_t>()[i]) - expected.values<float>()[i]), 0.5 + 1e-3) << name << " at " << i;
  }
}

TEST(Resize, OneColourStaysWhatItIs) {
  Tensor image({5, 7, 3}, DType::u8);
  for (std::size_t i = 0; i < 105; ++i) image.values<std::uint8_t>()[i] = static_cast<std::uint8_t>(i % 3 == 0 ? 255 : i % 3);
  for (const Size2& size : {Size2{3, 3}, Size2{11, 2}, Size2{1, 1}, Size2{64, 64}}) {
    const Tensor got = resized(image, size);
    for (std::size_t i = 0; i < got.values<std::uint8_t>().size(); ++i) ASSERT_EQ(got.values<std::uint8_t>()[i], i % 3 == 0 ? 255 : i % 3);
  }
}

TEST(Channels, GreyAndColour) {
  const Tensor colour = Tensor::from(std::vector<std::uint8_t>{255, 255, 255, 255, 0, 0, 0, 255, 0, 0, 0, 255}, {1, 4, 3});
  EXPECT_EQ(test::numbers(with_channels(colour, 1)), (std::vector<double>{255, 76, 150, 29}));  // Rec. 601
  const Tensor grey = Tensor::from(std::vector<std::uint8_t>{7, 200}, {1, 2, 1});
  EXPECT_EQ(test::numbers(with_channels(grey, 3)), (std::vector<double>{7, 7, 7, 200, 200, 200}));
  EXPECT_EQ(with_channels(grey, 1).raw(), grey.raw());
}

}  // namespace
}  // namespace linn::detail::data
