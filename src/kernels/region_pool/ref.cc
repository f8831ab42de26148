// References of maxima of regions, and of unpooling.
#include "kernels/region_pool/region_pool.h"

#include <algorithm>

namespace linn::detail::kernels {
namespace {

/// The pixel of the maximum of channel c in a region.
template <class T>
std::int32_t place_of_maximum(const RegionMaxForward::Problem& p, const RegionMaxForward::Args<T>& args, const T* src, std::int64_t y,
                              std::int64_t x) {
  const auto at = [&](std::int64_t pixel) { return src[pixel * p.channels]; };
  std::int64_t best = -1;
  for (std::int64_t row = args.rows.first[y]; row < args.rows.last[y]; ++row)
    for (std::int64_t column = args.columns.first[x]; column < args.columns.last[x]; ++column) {
      const std::int64_t pixel = row * p.width + column;
      const bool stays = best >= 0 && (at(best) != at(best) || at(best) >= at(pixel));
      if (!stays) best = pixel;
    }
  return static_cast<std::int32_t>(best);
}

/// Calls f(element of the pooled map, element of the map) where the place is one of the map.
template <class T, class F>
void for_each_place(const UnpoolForward::Problem& p, std::int64_t images, const T* places, const F& f) {
  for (std::int64_t n = 0; n < images; ++n)
    for (std::int64_t i = 0; i < p.cells * p.channels; ++i) {
      const std::int64_t element = n * p.cells * p.channels + i;
      const T place = places[element];
      if (!(place >= 0 && place < static_cast<T>(p.pixels))) continue;
      f(element, (n * p.pixels + static_cast<std::int64_t>(place)) * p.channels + i % p.channels);
    }
}

}  // namespace

template <class T>
void RegionMaxForward::reference(const Problem& p, const Args<T>& args) {
  std::int64_t dst = 0;
  for (std::int64_t n = 0; n < args.images; ++n)
    for (std::int64_t y = 0; y < p.out_height; ++y)
      for (std::int64_t x = 0; x < p.out_width; ++x)
        for (std::int64_t c = 0; c < p.channels; ++c, ++dst) {
          const T* src = args.src + n * p.src_elements() + c;
          const std::int32_t place = place_of_maximum(p, args, src, y, x);
          args.dst[dst] = src[place * p.channels];
          if (args.argmax != nullptr) args.argmax[dst] = place;
        }
}

template <class T>
void UnpoolForward::reference(const Problem& p, const Args<T>& args) {
  std::fill_n(args.dst, args.images * p.pixels * p.channels, T{0});
  for_each_place(p, args.images, args.places, [&](std::int64_t from, std::int64_t to) { args.dst[to] += args.src[from]; });
}

template <class T>
void UnpoolInputGradient::reference(const Problem& p, const Args<T>& args) {
  std::fill_n(args.dsrc, args.images * p.cells * p.channels, T{0});
  for_each_place(p, args.images, args.places, [&](std::int64_t from, std::int64_t to) { args.dsrc[from] = args.ddst[to]; });
}

#define LINN_INSTANTIATE(kernel)                                       \
  template void kernel::reference(const Problem&, const Args<float>&); \
  template void kernel::reference(const Problem&, const Args<double>&);
LINN_INSTANTIATE(RegionMaxForward)
LINN_INSTANTIATE(UnpoolForward)
LINN_INSTANTIATE(UnpoolInputGradient)
#undef LINN_INSTANTIATE

}  // namespace linn::detail::kernels
