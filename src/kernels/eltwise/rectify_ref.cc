// The references of rectifiers.
#include <algorithm>
#include <cmath>

#include "kernels/eltwise/rectify.h"

namespace linn::kernels {

template <class T>
void RectifyForward::reference(const Problem& p, const Args<T>& args) {
  const T most = static_cast<T>(p.most), slope = static_cast<T>(p.slope), threshold = static_cast<T>(p.threshold);
  for (std::int64_t i = 0; i < args.count; ++i) {
    const T x = args.src[i];
    const T below = p.slope == 0 ? T{0} : slope * (x - threshold);
    args.dst[i] = x != x ? x : x > threshold ? std::min(x, most) : below;
  }
}

template <class T>
void RectifyGradient::reference(const Problem& p, const Args<T>& args) {
  const T most = static_cast<T>(p.most), slope = static_cast<T>(p.slope), threshold = static_cast<T>(p.threshold);
  for (std::int64_t i = 0; i < args.count; ++i) {
    const T x = args.src[i], d = args.ddst[i];
    const bool leaks = p.slope != 0 && (p.slope_at_kink ? x <= threshold : x < threshold);
    args.dsrc[i] = x > threshold ? (x <= most ? d : T{0}) : leaks ? d * slope : T{0};
  }
}

template <class T>
void EluForward::reference(const Problem& p, const Args<T>& args) {
  const T alpha = static_cast<T>(p.alpha);
  for (std::int64_t i = 0; i < args.count; ++i) args.dst[i] = args.src[i] > 0 ? args.src[i] : alpha * std::expm1(args.src[i]);
}

template <class T>
void EluGradient::reference(const Problem& p, const Args<T>& args) {
  const T alpha = static_cast<T>(p.alpha);
  for (std::int64_t i = 0; i < args.count; ++i) args.dsrc[i] = args.src[i] > 0 ? args.ddst[i] : args.ddst[i] * (alpha * std::exp(args.src[i]));
}

#define LINN_INSTANTIATE(kernel)                                       \
  template void kernel::reference(const Problem&, const Args<float>&); \
  template void kernel::reference(const Problem&, const Args<double>&);
LINN_INSTANTIATE(RectifyForward)
LINN_INSTANTIATE(RectifyGradient)
LINN_INSTANTIATE(EluForward)
LINN_INSTANTIATE(EluGradient)
#undef LINN_INSTANTIATE

}  // namespace linn::kernels
