// References of filters that differ from pixel to pixel.
#include "kernels/pixel_filter/pixel_filter.h"

#include <algorithm>

namespace linn::detail::kernels {
namespace {

// Calls f(image, y, x, pixel) for each output pixel of all images; `pixel` counts them.
template <class F>
void for_each_output(const PixelFilterForward::Problem& p, std::int64_t images, const F& f) {
  std::int64_t pixel = 0;
  for (std::int64_t n = 0; n < images; ++n)
    for (std::int64_t y = 0; y < p.geometry.out_height; ++y)
      for (std::int64_t x = 0; x < p.geometry.out_width; ++x) f(n, y, x, pixel++);
}

}  // namespace

template <class T>
void PixelFilterForward::reference(const Problem& p, const Args<T>& args) {
  const Geometry& g = p.geometry;
  for_each_output(p, args.images, [&](std::int64_t n, std::int64_t y, std::int64_t x, std::int64_t pixel) {
    for (std::int64_t c = 0; c < g.channels; ++c) {
      const T* weights = args.weights + pixel * p.weights() + c / p.group_channels() * p.taps();
      T sum = 0;
      for (std::int64_t i = 0; i < g.window_height; ++i)
        for (std::int64_t j = 0; j < g.window_width; ++j)
          sum += weights[i * g.window_width + j] * args.src[n * p.src_elements() + p.cell(y, x, i, j) + c];
      args.dst[pixel * g.channels + c] = sum;
    }
  });
}

template <class T>
void PixelFilterGradient::reference(const Problem& p, const Args<T>& args) {
  const Geometry& g = p.geometry;
  std::fill_n(args.dsrc, args.images * p.src_elements(), T{0});
  std::fill_n(args.dweights, args.images * p.out_pixels() * p.weights(), T{0});
  for_each_output(p, args.images, [&](std::int64_t n, std::int64_t y, std::int64_t x, std::int64_t pixel) {
    for (std::int64_t c = 0; c < g.channels; ++c) {
      const std::int64_t first = pixel * p.weights() + c / p.group_channels() * p.taps();
      const T ddst = args.ddst[pixel * g.channels + c];
      for (std::int64_t i = 0; i < g.window_height; ++i)
        for (std::int64_t j = 0; j < g.window_width; ++j) {
          const std::int64_t tap = first + i * g.window_width + j, cell = n * p.src_elements() + p.cell(y, x, i, j) + c;
          args.dsrc[cell] += args.weights[tap] * ddst;
          args.dweights[tap] += args.src[cell] * ddst;
        }
    }
  });
}

template void PixelFilterForward::reference(const Problem&, const Args<float>&);
template void PixelFilterForward::reference(const Problem&, const Args<double>&);
template void PixelFilterGradient::reference(const Problem&, const Args<float>&);
template void PixelFilterGradient::reference(const Problem&, const Args<double>&);

}  // namespace linn::detail::kernels
