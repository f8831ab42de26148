// References of Penalty, PenaltyGradient, Total, ClipNorm and ClipValue.
#include <algorithm>
#include <cmath>

#include "kernels/eltwise/clip.h"

namespace linn::detail::kernels {

template <class T>
void Penalty::reference(const Problem& problem, const Args<T>& args) {
  double absolute = 0, squares = 0;
  for (std::int64_t i = 0; i < args.count; ++i) {
    const auto v = static_cast<double>(args.src[i]);
    absolute += std::abs(v);
    squares += v * v;
  }
  *args.penalty = (problem.l1 == 0 ? 0 : problem.l1 * absolute) + (problem.l2 == 0 ? 0 : problem.l2 * squares);
}

template <class T>
void PenaltyGradient::reference(const Problem& problem, const Args<T>& args) {
  const T l1 = static_cast<T>(problem.l1), l2 = static_cast<T>(2 * problem.l2);
  for (std::int64_t i = 0; i < args.count; ++i) {
    const T w = args.src[i];
    args.dsrc[i] = l1 * (w > 0 ? T{1} : w < 0 ? T{-1} : T{0}) + l2 * w;
  }
}

template <class T>
void Total::reference(const Problem&, const Args<T>& args) {
  double total = args.adds ? *args.total : 0;
  for (std::int64_t i = 0; i < args.count; ++i) total += args.src[i];
  *args.total = total;
}

template <class T>
void ClipNorm::reference(const Problem& problem, const Args<T>& args) {
  const double length = std::sqrt(*args.squared_length);
  const T factor = length <= problem.norm ? T{1} : static_cast<T>(problem.norm / length);
  for (std::int64_t i = 0; i < args.count; ++i) args.dst[i] = args.src[i] * factor;
}

template <class T>
void ClipValue::reference(const Problem& problem, const Args<T>& args) {
  const T limit = static_cast<T>(problem.limit);
  for (std::int64_t i = 0; i < args.count; ++i) args.dst[i] = std::clamp(args.src[i], -limit, limit);
}

#define LINN_INSTANTIATE(kernel)                                       \
  template void kernel::reference(const Problem&, const Args<float>&); \
  template void kernel::reference(const Problem&, const Args<double>&);
LINN_INSTANTIATE(Penalty)
LINN_INSTANTIATE(PenaltyGradient)
LINN_INSTANTIATE(Total)
LINN_INSTANTIATE(ClipNorm)
LINN_INSTANTIATE(ClipValue)
#undef LINN_INSTANTIATE

}  // namespace linn::detail::kernels
