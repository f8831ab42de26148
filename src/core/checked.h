// Arithmetic on sizes that cannot overflow unseen.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace linn::detail::core {

inline std::optional<std::int64_t> checked_mul(std::int64_t a, std::int64_t b) {
  std::int64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

inline std::optional<std::int64_t> checked_add(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

inline constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

inline constexpr std::int64_t round_up(std::int64_t a, std::int64_t multiple) { return ceil_div(a, multiple) * multiple; }

/// The first place for a T at or after `memory` whose address is a multiple of `alignment`.
template <class T>
T* align_up(void* memory, std::uintptr_t alignment) {
  const std::uintptr_t past = reinterpret_cast<std::uintptr_t>(memory) % alignment;
  return reinterpret_cast<T*>(static_cast<char*>(memory) + (past == 0 ? 0 : alignment - past));
}

}  // namespace linn::detail::core
