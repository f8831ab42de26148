// References of resampling, output cell by output cell.
#include <algorithm>
#include <cmath>

#include "kernels/resample/resample.h"

namespace linn::detail::kernels {
namespace {

/// Calls f(first element of the input image, output row, output column, first element of the output pixel) in row-major order.
template <class F>
void for_each_output(const ResampleForward::Problem& p, std::int64_t images, const F& f) {
  std::int64_t dst = 0;
  for (std::int64_t image = 0; image < images; ++image)
    for (std::int64_t y = 0; y < p.out_height; ++y)
      for (std::int64_t x = 0; x < p.out_width; ++x, dst += p.channels) f(image * p.height * p.width * p.channels, y, x, dst);
}

}  // namespace

ResampleAxis::Cells ResampleAxis::bilinear(std::int64_t at) const {
  const float scale = static_cast<float>(size) / static_cast<float>(out);
  const float position = (static_cast<float>(at) + 0.5f) * scale - 0.5f;
  const float below = std::floor(position);
  const std::int64_t upper = std::min(static_cast<std::int64_t>(std::ceil(position)), size - 1);
  return {std::min(std::max<std::int64_t>(static_cast<std::int64_t>(below), 0), upper), upper, position - below};
}

std::int64_t ResampleAxis::nearest(std::int64_t at) const {
  const float scale = static_cast<float>(size) / static_cast<float>(out);
  return std::min(static_cast<std::int64_t>(std::floor((static_cast<float>(at) + 0.5f) * scale)), size - 1);
}

template <class T>
void ResampleForward::reference(const Problem& p, const Args<T>& args) {
  for_each_output(p, args.images, [&](std::int64_t image, std::int64_t y, std::int64_t x, std::int64_t dst) {
    const T* src = args.src + image;
    const auto pixel = [&](std::int64_t row, std::int64_t column) { return src + (row * p.width + column) * p.channels; };
    if (p.interpolation == Interpolation::nearest) {
      std::copy_n(pixel(p.rows().nearest(y), p.columns().nearest(x)), p.channels, args.dst + dst);
      return;
    }
    const ResampleAxis::Cells row = p.rows().bilinear(y), column = p.columns().bilinear(x);
    const T down = static_cast<T>(row.weight), right = static_cast<T>(column.weight);
    for (std::int64_t c = 0; c < p.channels; ++c) {
      const T a = pixel(row.lower, column.lower)[c], b = pixel(row.lower, column.upper)[c];
      const T e = pixel(row.upper, column.lower)[c], f = pixel(row.upper, column.upper)[c];
      const T top = a + (b - a) * right, bottom = e + (f - e) * right;
      args.dst[dst + c] = top + (bottom - top) * down;
    }
  });
}

template <class T>
void ResampleInputGradient::reference(const Problem& p, const Args<T>& args) {
  std::fill_n(args.dsrc, args.images * p.height * p.width * p.channels, T{0});
  for_each_output(p, args.images, [&](std::int64_t image, std::int64_t y, std::int64_t x, std::int64_t dst) {
    const auto add = [&](std::int64_t row, std::int64_t column, T weight) {
      T* dsrc = args.dsrc + image + (row * p.width + column) * p.channels;
      for (std::int64_t c = 0; c < p.channels; ++c) dsrc[c] += args.ddst[dst + c] * weight;
    };
    if (p.interpolation == Interpolation::nearest) return add(p.rows().nearest(y), p.columns().nearest(x), T{1});
    const ResampleAxis::Cells row = p.rows().bilinear(y), column = p.columns().bilinear(x);
    const T down = static_cast<T>(row.weight), right = static_cast<T>(column.weight);
    add(row.lower, column.lower, (1 - down) * (1 - right));
    add(row.lower, column.upper, (1 - down) * right);
    add(row.upper, column.lower, down * (1 - right));
    add(row.upper, column.upper, down * right);
  });
}

template void ResampleForward::reference(const Problem&, const Args<float>&);
template void ResampleForward::reference(const Problem&, const Args<double>&);
template void ResampleInputGradient::reference(const Problem&, const Args<float>&);
template void ResampleInputGradient::reference(const Problem&, const Args<double>&);

}  // namespace linn::detail::kernels
