#include "core/memory.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace linn::detail::core {
namespace {

using Memory = std::unique_ptr<void, decltype(&std::free)>;

bool is_aligned(const Memory& memory, std::uintptr_t unit) { return reinterpret_cast<std::uintptr_t>(memory.get()) % unit == 0; }

TEST(Memory, IsAlignedToCacheLinesAndFromEightMebibytesOnToHugePages) {
  constexpr std::size_t large = std::size_t{8} << 20;
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{65}, large - 1}) {
    const Memory memory(allocate(bytes), &std::free);
    ASSERT_NE(memory, nullptr) << bytes;
    EXPECT_TRUE(is_aligned(memory, 64)) << bytes;
  }
  for (const std::size_t bytes : {large, large + 1}) EXPECT_TRUE(is_aligned(Memory(allocate(bytes), &std::free), 2 << 20)) << bytes;
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, large}) {
    const Memory memory(allocate_huge(bytes), &std::free);
    ASSERT_NE(memory, nullptr) << bytes;
    EXPECT_TRUE(is_aligned(memory, 2 << 20)) << bytes;
  }
}

TEST(Memory, IsNullWhereThereIsNotEnough) {
  constexpr auto most = static_cast<std::size_t>(std::numeric_limits<std::ptrdiff_t>::max());
  for (const std::size_t bytes : {most, most + 1, std::numeric_limits<std::size_t>::max()}) {
    EXPECT_EQ(allocate(bytes), nullptr) << bytes;
    EXPECT_EQ(allocate_huge(bytes), nullptr) << bytes;
  }
  EXPECT_THROW(Bytes{}.resize(most), std::exception);
}

// Every byte can be written: the sanitizer knows how long the piece is.
TEST(Memory, BytesGrowAndKeepWhatTheyHold) {
  Bytes bytes(100, std::byte{7});
  bytes.resize(std::size_t{9} << 20);
  EXPECT_EQ(bytes[99], std::byte{7});
  bytes.front() = bytes.back() = std::byte{1};
  const Bytes copy = bytes;
  EXPECT_EQ(copy, bytes);
}

}  // namespace
}  // namespace linn::detail::core
