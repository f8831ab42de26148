#include <bit>
#include <cmath>
#include <limits>
#include <type_traits>

#include "kernels/eltwise/finite.h"

namespace linn::detail::kernels {
namespace {

// Infinities and NaN have an exponent of ones. In whole numbers, because the compiler does not put comparisons of floats that may be NaN into
// vectors; sixteen at a time, so that they do not wait for each other.
bool all_finite(const float* src, std::int64_t count) {
  constexpr std::uint32_t exponent = 0x7f800000U;
  constexpr std::int64_t lanes = 16;
  const auto check = [&](std::int64_t i) { return (std::bit_cast<std::uint32_t>(src[i]) & exponent) == exponent ? 0xffffffffU : 0U; };
  std::uint32_t bad[lanes] = {};
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    for (std::int64_t k = 0; k < lanes; ++k) bad[k] |= check(i + k);
  for (; i < count; ++i) bad[0] |= check(i);
  std::uint32_t any = 0;
  for (const std::uint32_t lane : bad) any |= lane;
  return any == 0;
}

}  // namespace

template <class T>
void Finite::reference(const Problem&, const Args<T>& args) {
  bool finite = true;
  if constexpr (std::is_same_v<T, float>)
    finite = all_finite(args.src, args.count);
  else
    for (std::int64_t i = 0; i < args.count; ++i) finite = finite && std::abs(args.src[i]) <= static_cast<T>(std::numeric_limits<float>::max());
  *args.finite = finite ? 1 : 0;
}

template void Finite::reference(const Problem&, const Args<float>&);
template void Finite::reference(const Problem&, const Args<double>&);

}  // namespace linn::detail::kernels
