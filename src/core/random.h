// Counter-based random numbers: the number at (seed, stream, index) is a pure function of the three,
// so any thread can make any of them, in any order, and get the same bits.
// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11 (Philox4x32-10).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace linn::detail::core {

/// Four independent 32-bit numbers for a 128-bit counter under a 64-bit key.
std::array<std::uint32_t, 4> philox(std::uint64_t key, std::uint64_t counter_high, std::uint64_t counter_low);

/// One sequence of random numbers, told apart from others of the same seed by its stream number.
class Random {
 public:
  Random(std::uint64_t seed, std::uint64_t stream) : seed_(seed), stream_(stream) {}

  std::uint32_t bits(std::uint64_t index) const {
    return philox(seed_, stream_, index / 4)[static_cast<std::size_t>(index % 4)];
  }
  /// In [0, 1), a multiple of 2^-24.
  float uniform(std::uint64_t index) const { return static_cast<float>(bits(index) >> 8) * 0x1p-24f; }
  /// In (0, 1): two of the 32-bit numbers, never 0, for what takes a logarithm or needs 53 bits.
  double uniform53(std::uint64_t index) const;
  /// Standard normal (Box-Muller).
  double normal(std::uint64_t index) const;
  /// In [0, bound) without bias. `index` counts draws; each uses one 64-bit number per try.
  std::uint64_t below(std::uint64_t bound, std::uint64_t index) const;

 private:
  std::uint64_t seed_;
  std::uint64_t stream_;
};

/// The numbers 0..count-1 in an order that depends on (seed, stream) alone (Fisher and Yates).
std::vector<std::int64_t> permutation(std::int64_t count, std::uint64_t seed, std::uint64_t stream);

/// A stream number for a purpose that has a name and a counter, so that streams of a seed do not collide.
std::uint64_t stream_of(const char* purpose, std::uint64_t number);

}  // namespace linn::detail::core
