#include "core/random.h"

#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

namespace linn::detail::core {
namespace {

// The constants of the paper: two multipliers and the golden ratio and sqrt(3)-1 as key steps.
constexpr std::uint32_t multiplier0 = 0xD2511F53;
constexpr std::uint32_t multiplier1 = 0xCD9E8D57;
constexpr std::uint32_t key_step0 = 0x9E3779B9;
constexpr std::uint32_t key_step1 = 0xBB67AE85;

constexpr std::uint32_t high(std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); }
constexpr std::uint32_t low(std::uint64_t x) { return static_cast<std::uint32_t>(x); }

}  // namespace

std::array<std::uint32_t, 4> philox(std::uint64_t key, std::uint64_t counter_high, std::uint64_t counter_low) {
  std::uint32_t k0 = low(key);
  std::uint32_t k1 = high(key);
  std::array<std::uint32_t, 4> c{low(counter_low), high(counter_low), low(counter_high), high(counter_high)};
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{multiplier0} * c[0];
    const std::uint64_t p1 = std::uint64_t{multiplier1} * c[2];
    c = {high(p1) ^ c[1] ^ k0, low(p1), high(p0) ^ c[3] ^ k1, low(p0)};
    k0 += key_step0;
    k1 += key_step1;
  }
  return c;
}

double Random::uniform53(std::uint64_t index) const {
  const auto words = philox(seed_, stream_, index);
  const std::uint64_t wide = (std::uint64_t{words[0]} << 32 | words[1]) >> 12;  // 52 bits
  return (static_cast<double>(wide) + 0.5) * 0x1p-52;
}

double Random::normal(std::uint64_t index) const {
  const double radius = std::sqrt(-2.0 * std::log(uniform53(2 * index)));
  return radius * std::cos(2.0 * std::numbers::pi * uniform53(2 * index + 1));
}

std::uint64_t Random::below(std::uint64_t bound, std::uint64_t index) const {
  // Numbers in the last, incomplete multiple of the bound are thrown away; the retry takes the next word pair
  // of a counter whose upper half nothing else uses.
  const std::uint64_t limit = bound * (~std::uint64_t{0} / bound);
  for (std::uint64_t attempt = 0;; ++attempt) {
    const auto words = philox(seed_ ^ (attempt << 56), stream_, index);
    const std::uint64_t wide = std::uint64_t{words[2]} << 32 | words[3];
    if (wide < limit) return wide % bound;
  }
}

std::vector<std::int64_t> permutation(std::int64_t count, std::uint64_t seed, std::uint64_t stream) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  const Random random(seed, stream);
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i, i)]);
  return order;
}

std::uint64_t stream_of(const char* purpose, std::uint64_t number) {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const char* p = purpose; *p != '\0'; ++p) hash = (hash ^ static_cast<unsigned char>(*p)) * 0x100000001b3;
  return hash + number;
}

}  // namespace linn::detail::core
