// References of PhaseForward, PhaseInputGradient, PhaseMixForward and PhaseMixGradient. Scores: scores_ref.cc; choice: choice.cc.
#include <algorithm>
#include <cstdint>

#include "kernels/polyphase/for_each.h"
#include "kernels/polyphase/polyphase.h"

namespace linn::detail::kernels {

template <class T>
void PhaseForward::reference(const Problem& p, const Args<T>& args) {
  for (std::int64_t n = 0; n < args.images; ++n)
    polyphase::for_each_pixel(p, args.phase[n], [&](std::int64_t map, std::int64_t dense) {
      std::copy_n(args.src + n * p.map() + map, p.channels, args.dst + n * p.elements() + dense);
    });
}

template <class T>
void PhaseInputGradient::reference(const Problem& p, const Args<T>& args) {
  std::fill_n(args.dsrc, args.images * p.map(), T{0});
  for (std::int64_t n = 0; n < args.images; ++n)
    polyphase::for_each_pixel(p, args.phase[n], [&](std::int64_t map, std::int64_t dense) {
      std::copy_n(args.ddst + n * p.elements() + dense, p.channels, args.dsrc + n * p.map() + map);
    });
}

template <class T>
void PhaseMixForward::reference(const Problem& p, const Args<T>& args) {
  std::fill_n(args.dst, args.images * p.elements(), T{0});
  for (std::int64_t n = 0; n < args.images; ++n)
    for (std::int64_t k = 0; k < p.count(); ++k) {
      const T weight = args.weights[n * p.count() + k];
      polyphase::for_each_pixel(p, k, [&](std::int64_t map, std::int64_t dense) {
        const T* src = args.src + n * p.map() + map;
        T* dst = args.dst + n * p.elements() + dense;
        for (std::int64_t c = 0; c < p.channels; ++c) dst[c] += weight * src[c];
      });
    }
}

template <class T>
void PhaseMixGradient::reference(const Problem& p, const Args<T>& args) {
  for (std::int64_t n = 0; n < args.images; ++n)
    for (std::int64_t k = 0; k < p.count(); ++k) {
      const T weight = args.weights[n * p.count() + k];
      double sum = 0;
      polyphase::for_each_element(p, k, [&](std::int64_t map, std::int64_t dense) {
        const T ddst = args.ddst[n * p.elements() + dense];
        args.dsrc[n * p.map() + map] = weight * ddst;
        sum += static_cast<double>(ddst) * static_cast<double>(args.src[n * p.map() + map]);
      });
      args.dweights[n * p.count() + k] = static_cast<T>(sum);
    }
}

#define LINN_INSTANTIATE(kernel)                                       \
  template void kernel::reference(const Problem&, const Args<float>&); \
  template void kernel::reference(const Problem&, const Args<double>&);
LINN_INSTANTIATE(PhaseForward)
LINN_INSTANTIATE(PhaseInputGradient)
LINN_INSTANTIATE(PhaseMixForward)
LINN_INSTANTIATE(PhaseMixGradient)
#undef LINN_INSTANTIATE

}  // namespace linn::detail::kernels
