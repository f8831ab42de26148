// What the tests of kernels lean on: a buffer tells when something wrote outside it.
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include "kernels/kernel_test.h"

namespace linn::detail::kernels::testing {
namespace {

// A store that the address sanitizer does not see, as a masked one.
template <class T>
__attribute__((no_sanitize("address"))) void write(Guarded<T>& buffer, std::int64_t at) {
  volatile T* const data = buffer.data();
  data[at] = T(1);
}

template <class T>
void write_into_one(std::int64_t at) {
  Guarded<T> buffer(10);
  write(buffer, at);
}

TEST(Guarded, TellsOfWritesOutside) {
  for (const std::int64_t at : {0, 9}) {
    write_into_one<float>(at);
    write_into_one<std::uint8_t>(at);
  }
  for (const std::int64_t at : {-1, -16}) {
    EXPECT_NONFATAL_FAILURE(write_into_one<float>(at), "before the start");
    EXPECT_NONFATAL_FAILURE(write_into_one<std::uint8_t>(at), "before the start");
  }
  for (const std::int64_t at : {10, 25}) {
    EXPECT_NONFATAL_FAILURE(write_into_one<float>(at), "beyond the end");
    EXPECT_NONFATAL_FAILURE(write_into_one<std::uint8_t>(at), "beyond the end");
  }
}

TEST(Guarded, CopiesAndMoves) {
  Guarded<float> buffer(std::vector<double>{1, 2, 3});
  const Guarded<float> copy = buffer;
  const Guarded<float> moved = std::move(buffer);
  EXPECT_EQ(bits_that_differ(copy, moved), 0);
  EXPECT_EQ(moved.size(), 3);
  EXPECT_EQ(moved[2], 3.0f);
}

}  // namespace
}  // namespace linn::detail::kernels::testing
