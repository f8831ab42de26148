// References of the blur: loops over all taps of each window.
#include <algorithm>

#include "kernels/blur/blur.h"

namespace linn::detail::kernels {
namespace {

/// Calls f(dst offset, src offset, weight) for each output pixel and tap, in row-major order.
template <class F>
void for_each_tap(const Geometry& g, std::int64_t images, F&& f) {
  const auto rows = blur_weights(g.window_height), columns = blur_weights(g.window_width);
  for (std::int64_t image = 0; image < images; ++image)
    for (std::int64_t y = 0; y < g.out_height; ++y)
      for (std::int64_t x = 0; x < g.out_width; ++x)
        for (std::int64_t i = 0; i < g.window_height; ++i)
          for (std::int64_t j = 0; j < g.window_width; ++j)
            f(image * g.dst_image + y * g.dst_row + x * g.dst_pixel,
              image * g.src_image + (y * g.stride_height + i) * g.src_row + (x * g.stride_width + j) * g.src_pixel,
              rows[static_cast<std::size_t>(i)] * columns[static_cast<std::size_t>(j)]);
}

template <class T>
void clear(T* map, std::int64_t images, std::int64_t image, std::int64_t rows, std::int64_t row, std::int64_t elements) {
  for (std::int64_t n = 0; n < images; ++n)
    for (std::int64_t y = 0; y < rows; ++y) std::fill_n(map + n * image + y * row, elements, T{0});
}

}  // namespace

template <class T>
void BlurForward::reference(const Problem& problem, const Args<T>& args) {
  const Geometry& g = problem.geometry;
  clear(args.dst, args.images, g.dst_image, g.out_height, g.dst_row, g.out_width * g.channels);
  for_each_tap(g, args.images, [&](std::int64_t dst, std::int64_t src, float weight) {
    for (std::int64_t c = 0; c < g.channels; ++c) args.dst[dst + c] += static_cast<T>(weight) * args.src[src + c];
  });
}

template <class T>
void BlurInputGradient::reference(const Problem& problem, const Args<T>& args) {
  const Geometry& g = problem.geometry;
  clear(args.dsrc, args.images, g.src_image, g.height, g.src_row, g.width * g.channels);
  for_each_tap(g, args.images, [&](std::int64_t dst, std::int64_t src, float weight) {
    for (std::int64_t c = 0; c < g.channels; ++c) args.dsrc[src + c] += static_cast<T>(weight) * args.ddst[dst + c];
  });
}

template void BlurForward::reference(const Problem&, const Args<float>&);
template void BlurForward::reference(const Problem&, const Args<double>&);
template void BlurInputGradient::reference(const Problem&, const Args<float>&);
template void BlurInputGradient::reference(const Problem&, const Args<double>&);

}  // namespace linn::detail::kernels
