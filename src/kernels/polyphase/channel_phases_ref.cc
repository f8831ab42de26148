// References of ChannelPhaseMeans, ChannelPhaseMix and their gradients. The loops over channels are the compiler's to make vectors of.
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "core/checked.h"
#include "core/order_free.h"
#include "kernels/polyphase/channel_phases.h"
#include "kernels/polyphase/for_each.h"

namespace linn::detail::kernels {
namespace {

/// The largest magnitude of a map; false where a number is not finite.
template <class T>
bool largest_of(const T* src, std::int64_t count, double& largest) {
  largest = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const double magnitude = std::abs(static_cast<double>(src[i]));
    if (!std::isfinite(magnitude)) return false;
    largest = std::max(largest, magnitude);
  }
  return true;
}

template <class T>
void plain_means(const Phases& p, const T* src, double* sums, T* means) {
  for (std::int64_t k = 0; k < p.count(); ++k) {
    std::fill_n(sums, p.channels, 0.0);
    polyphase::for_each_pixel(p, k, [&](std::int64_t map, std::int64_t) {
      for (std::int64_t c = 0; c < p.channels; ++c) sums[c] += static_cast<double>(src[map + c]);
    });
    for (std::int64_t c = 0; c < p.channels; ++c)
      means[k * p.channels + c] = static_cast<T>(sums[c] / static_cast<double>(p.rows() * p.columns()));
  }
}

template <class T>
void order_free_means(const Phases& p, const T* src, double largest, std::int64_t* sums, T* means) {
  const core::FixedPoint fixed(core::FixedPoint::exponent_of(largest), p.rows() * p.columns());
  for (std::int64_t k = 0; k < p.count(); ++k) {
    std::fill_n(sums, p.channels, std::int64_t{0});
    polyphase::for_each_pixel(p, k, [&](std::int64_t map, std::int64_t) {
      for (std::int64_t c = 0; c < p.channels; ++c) sums[c] += fixed.units(static_cast<double>(src[map + c]));
    });
    for (std::int64_t c = 0; c < p.channels; ++c)
      means[k * p.channels + c] = static_cast<T>(fixed.value(sums[c]) / static_cast<double>(p.rows() * p.columns()));
  }
}

}  // namespace

template <class T>
void ChannelPhaseMeans::reference(const Problem& p, const Args<T>& args) {
  for (std::int64_t n = 0; n < args.images; ++n) {
    const T* src = args.src + n * p.map();
    T* means = args.means + n * p.count() * p.channels;
    double largest = 0;
    if (largest_of(src, p.map(), largest))
      order_free_means(p, src, largest, core::align_up<std::int64_t>(args.scratch, sizeof(std::int64_t)), means);
    else
      plain_means(p, src, core::align_up<double>(args.scratch, sizeof(double)), means);
  }
}

template <class T>
void ChannelPhaseMeansGradient::reference(const Problem& p, const Args<T>& args) {
  const auto pixels = static_cast<T>(p.rows() * p.columns());
  for (std::int64_t n = 0; n < args.images; ++n)
    for (std::int64_t k = 0; k < p.count(); ++k) {
      const T* dmeans = args.dmeans + (n * p.count() + k) * p.channels;
      polyphase::for_each_pixel(p, k, [&](std::int64_t map, std::int64_t) {
        T* dsrc = args.dsrc + n * p.map() + map;
        for (std::int64_t c = 0; c < p.channels; ++c) dsrc[c] = dmeans[c] / pixels;
      });
    }
}

template <class T>
void ChannelPhaseMixForward::reference(const Problem& p, const Args<T>& args) {
  std::fill_n(args.dst, args.images * p.elements(), T{0});
  for (std::int64_t n = 0; n < args.images; ++n)
    for (std::int64_t k = 0; k < p.count(); ++k) {
      const T* weights = args.weights + (n * p.count() + k) * p.channels;
      polyphase::for_each_pixel(p, k, [&](std::int64_t map, std::int64_t dense) {
        const T* src = args.src + n * p.map() + map;
        T* dst = args.dst + n * p.elements() + dense;
        for (std::int64_t c = 0; c < p.channels; ++c) dst[c] += weights[c] * src[c];
      });
    }
}

template <class T>
void ChannelPhaseMixGradient::reference(const Problem& p, const Args<T>& args) {
  auto* sums = core::align_up<double>(args.scratch, sizeof(double));
  for (std::int64_t n = 0; n < args.images; ++n)
    for (std::int64_t k = 0; k < p.count(); ++k) {
      const std::int64_t first = (n * p.count() + k) * p.channels;
      std::fill_n(sums, p.channels, 0.0);
      polyphase::for_each_pixel(p, k, [&](std::int64_t map, std::int64_t dense) {
        const T* src = args.src + n * p.map() + map;
        const T* ddst = args.ddst + n * p.elements() + dense;
        T* dsrc = args.dsrc + n * p.map() + map;
        for (std::int64_t c = 0; c < p.channels; ++c) {
          dsrc[c] = args.weights[first + c] * ddst[c];
          sums[c] += static_cast<double>(ddst[c]) * static_cast<double>(src[c]);
        }
      });
      for (std::int64_t c = 0; c < p.channels; ++c) args.dweights[first + c] = static_cast<T>(sums[c]);
    }
}

#define LINN_INSTANTIATE(kernel)                                       \
  template void kernel::reference(const Problem&, const Args<float>&); \
  template void kernel::reference(const Problem&, const Args<double>&);
LINN_INSTANTIATE(ChannelPhaseMeans)
LINN_INSTANTIATE(ChannelPhaseMeansGradient)
LINN_INSTANTIATE(ChannelPhaseMixForward)
LINN_INSTANTIATE(ChannelPhaseMixGradient)
#undef LINN_INSTANTIATE

}  // namespace linn::detail::kernels
