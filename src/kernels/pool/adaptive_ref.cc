// References of adaptive pooling, window by window.
#include <algorithm>

#include "kernels/pool/adaptive.h"

namespace linn::detail::kernels {
namespace {

/// Calls f(first element of the input image, output row, output column, first element of the output pixel) in row-major order.
template <class F>
void for_each_window(const AdaptivePoolForward::Problem& p, std::int64_t images, const F& f) {
  std::int64_t dst = 0;
  for (std::int64_t image = 0; image < images; ++image)
    for (std::int64_t y = 0; y < p.out_height; ++y)
      for (std::int64_t x = 0; x < p.out_width; ++x, dst += p.channels) f(image * p.height * p.width * p.channels, y, x, dst);
}

/// Calls f(pixel) for each pixel of a window: column by column for a maximum, row by row for a mean.
template <class F>
void for_each_pixel(const AdaptivePoolForward::Problem& p, std::int64_t y, std::int64_t x, const F& f) {
  const AdaptiveAxis rows = p.rows(), columns = p.columns();
  if (p.kind == PoolKind::max) {
    for (std::int64_t column = columns.first(x); column < columns.last(x); ++column)
      for (std::int64_t row = rows.first(y); row < rows.last(y); ++row) f(row * p.width + column);
  } else {
    for (std::int64_t row = rows.first(y); row < rows.last(y); ++row)
      for (std::int64_t column = columns.first(x); column < columns.last(x); ++column) f(row * p.width + column);
  }
}

template <class T>
T cells_of(const AdaptivePoolForward::Problem& p, std::int64_t y, std::int64_t x) {
  return static_cast<T>((p.rows().last(y) - p.rows().first(y)) * (p.columns().last(x) - p.columns().first(x)));
}

}  // namespace

template <class T>
void AdaptivePoolForward::reference(const Problem& p, const Args<T>& args) {
  for_each_window(p, args.images, [&](std::int64_t image, std::int64_t y, std::int64_t x, std::int64_t dst) {
    for (std::int64_t c = 0; c < p.channels; ++c) {
      const auto at = [&](std::int64_t pixel) { return args.src[image + pixel * p.channels + c]; };
      std::int64_t best = -1;
      T sum = 0;
      for_each_pixel(p, y, x, [&](std::int64_t pixel) {
        const T value = at(pixel);
        sum += value;
        const bool first = best < 0, nan_so_far = !first && at(best) != at(best);
        if (first || (!nan_so_far && !(at(best) >= value))) best = pixel;
      });
      args.dst[dst + c] = p.kind == PoolKind::max ? at(best) : sum / cells_of<T>(p, y, x);
      if (args.argmax != nullptr) args.argmax[dst + c] = static_cast<std::int32_t>(best);
    }
  });
}

template <class T>
void AdaptivePoolInputGradient::reference(const Problem& p, const Args<T>& args) {
  std::fill_n(args.dsrc, args.images * p.height * p.width * p.channels, T{0});
  for_each_window(p, args.images, [&](std::int64_t image, std::int64_t y, std::int64_t x, std::int64_t dst) {
    for (std::int64_t c = 0; c < p.channels; ++c) {
      if (p.kind == PoolKind::max) {
        args.dsrc[image + args.argmax[dst + c] * p.channels + c] += args.ddst[dst + c];
        continue;
      }
      const T share = args.ddst[dst + c] / cells_of<T>(p, y, x);
      for_each_pixel(p, y, x, [&](std::int64_t pixel) { args.dsrc[image + pixel * p.channels + c] += share; });
    }
  });
}

template void AdaptivePoolForward::reference(const Problem&, const Args<float>&);
template void AdaptivePoolForward::reference(const Problem&, const Args<double>&);
template void AdaptivePoolInputGradient::reference(const Problem&, const Args<float>&);
template void AdaptivePoolInputGradient::reference(const Problem&, const Args<double>&);

}  // namespace linn::detail::kernels
