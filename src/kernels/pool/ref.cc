// References of pooling: loops over windows, their cells, and channels.
#include <cmath>
#include <limits>

#include "kernels/pool/pool.h"

namespace linn::detail::kernels {
namespace {

/// Calls f(cell, offset) for each cell inside the map of the window of output (y, x), in row-major order. `cell` is its number in the whole
/// window; `offset` is that of the pixel's first channel in the image.
template <class F>
void for_each_cell(const Geometry& g, std::int64_t y, std::int64_t x, F&& f) {
  for (std::int64_t i = 0; i < g.window_height; ++i)
    for (std::int64_t j = 0; j < g.window_width; ++j) {
      const std::int64_t row = y * g.stride_height - g.pad_top + i * g.dilation_height;
      const std::int64_t column = x * g.stride_width - g.pad_left + j * g.dilation_width;
      if (row < 0 || row >= g.height || column < 0 || column >= g.width) continue;
      f(i * g.window_width + j, row * g.src_row + column * g.src_pixel);
    }
}

/// Calls f(image, y, x) for each output pixel, in row-major order.
template <class F>
void for_each_output(const Geometry& g, std::int64_t images, F&& f) {
  for (std::int64_t image = 0; image < images; ++image)
    for (std::int64_t y = 0; y < g.out_height; ++y)
      for (std::int64_t x = 0; x < g.out_width; ++x) f(image, y, x);
}

/// Whether `value` replaces the maximum `best`: if it is larger, or the first NaN.
template <class T>
bool beats(T value, T best) {
  return value > best || (std::isnan(value) && !std::isnan(best));
}

}  // namespace

template <class T>
void PoolForward::reference(const Problem& problem, const Args<T>& args) {
  const Geometry& g = problem.geometry;
  const bool narrow = g.window_height * g.window_width <= 256;
  for_each_output(g, args.images, [&](std::int64_t image, std::int64_t y, std::int64_t x) {
    const std::int64_t out = image * g.dst_image + y * g.dst_row + x * g.dst_pixel;
    const std::int64_t dense_out = ((image * g.out_height + y) * g.out_width + x) * g.channels;
    for (std::int64_t c = 0; c < g.channels; ++c) {
      const T* src = args.src + image * g.src_image + c;
      if (problem.kind == PoolKind::average) {
        T sum = 0;
        std::int64_t cells = 0;
        for_each_cell(g, y, x, [&](std::int64_t, std::int64_t offset) { sum += src[offset], ++cells; });
        args.dst[out + c] = cells == 0 ? T{0} : sum / static_cast<T>(cells);
        continue;
      }
      T best = -std::numeric_limits<T>::infinity();
      std::int64_t argmax = -1;
      for_each_cell(g, y, x, [&](std::int64_t cell, std::int64_t offset) {
        if (argmax < 0 || beats(src[offset], best)) best = src[offset], argmax = cell;
      });
      if (argmax < 0) argmax = 0;  // no cell inside the map, which dilation makes possible
      args.dst[out + c] = best;
      if (problem.argmax && narrow) args.argmax[dense_out + c] = static_cast<std::uint8_t>(argmax);
      if (problem.argmax && !narrow) args.wide_argmax[dense_out + c] = static_cast<std::int32_t>(argmax);
    }
  });
}

template <class T>
void PoolInputGradient::reference(const Problem& problem, const Args<T>& args) {
  const Geometry& g = problem.geometry;
  const bool narrow = g.window_height * g.window_width <= 256;
  for (std::int64_t image = 0; image < args.images; ++image)
    for (std::int64_t row = 0; row < g.height; ++row)
      for (std::int64_t column = 0; column < g.width; ++column)
        for (std::int64_t c = 0; c < g.channels; ++c)
          args.dsrc[image * g.src_image + row * g.src_row + column * g.src_pixel + c] = 0;

  for_each_output(g, args.images, [&](std::int64_t image, std::int64_t y, std::int64_t x) {
    const std::int64_t out = image * g.dst_image + y * g.dst_row + x * g.dst_pixel;
    const std::int64_t dense_out = ((image * g.out_height + y) * g.out_width + x) * g.channels;
    std::int64_t cells = 0;
    for_each_cell(g, y, x, [&](std::int64_t, std::int64_t) { ++cells; });
    for (std::int64_t c = 0; c < g.channels; ++c) {
      T* dsrc = args.dsrc + image * g.src_image + c;
      const T gradient = args.ddst[out + c];
      if (problem.kind == PoolKind::average) {
        for_each_cell(g, y, x, [&](std::int64_t, std::int64_t offset) { dsrc[offset] += gradient / static_cast<T>(cells); });
      } else {
        const std::int64_t argmax = narrow ? args.argmax[dense_out + c] : args.wide_argmax[dense_out + c];
        for_each_cell(g, y, x, [&](std::int64_t cell, std::int64_t offset) {
          if (cell == argmax) dsrc[offset] += gradient;
        });
      }
    }
  });
}

template <class T>
void GlobalPoolForward::reference(const Problem& problem, const Args<T>& args) {
  for (std::int64_t image = 0; image < args.images; ++image)
    for (std::int64_t c = 0; c < problem.channels; ++c) {
      const T* src = args.src + image * problem.pixels * problem.channels + c;
      T& dst = args.dst[image * problem.channels + c];
      if (problem.kind == PoolKind::average) {
        T sum = 0;
        for (std::int64_t pixel = 0; pixel < problem.pixels; ++pixel) sum += src[pixel * problem.channels];
        dst = sum / static_cast<T>(problem.pixels);
      } else {
        T best = src[0];
        for (std::int64_t pixel = 1; pixel < problem.pixels; ++pixel)
          if (beats(src[pixel * problem.channels], best)) best = src[pixel * problem.channels];
        dst = best + T{0};  // no -0
      }
    }
}

template <class T>
void GlobalPoolInputGradient::reference(const Problem& problem, const Args<T>& args) {
  for (std::int64_t image = 0; image < args.images; ++image)
    for (std::int64_t c = 0; c < problem.channels; ++c) {
      const std::int64_t first = image * problem.pixels * problem.channels + c;
      const T gradient = args.ddst[image * problem.channels + c];
      T* dsrc = args.dsrc + first;
      if (problem.kind == PoolKind::average) {
        for (std::int64_t pixel = 0; pixel < problem.pixels; ++pixel)
          dsrc[pixel * problem.channels] = gradient / static_cast<T>(problem.pixels);
        continue;
      }
      const T* src = args.src + first;
      const T best = args.dst[image * problem.channels + c];
      const auto is_best = [best](T value) { return value == best || (std::isnan(value) && std::isnan(best)); };
      std::int64_t ties = 0;
      for (std::int64_t pixel = 0; pixel < problem.pixels; ++pixel) ties += is_best(src[pixel * problem.channels]) ? 1 : 0;
      for (std::int64_t pixel = 0; pixel < problem.pixels; ++pixel)
        dsrc[pixel * problem.channels] = is_best(src[pixel * problem.channels]) ? gradient / static_cast<T>(ties) : T{0};
    }
}

template void PoolForward::reference(const Problem&, const Args<float>&);
template void PoolForward::reference(const Problem&, const Args<double>&);
template void PoolInputGradient::reference(const Problem&, const Args<float>&);
template void PoolInputGradient::reference(const Problem&, const Args<double>&);
template void GlobalPoolForward::reference(const Problem&, const Args<float>&);
template void GlobalPoolForward::reference(const Problem&, const Args<double>&);
template void GlobalPoolInputGradient::reference(const Problem&, const Args<float>&);
template void GlobalPoolInputGradient::reference(const Problem&, const Args<double>&);

}  // namespace linn::detail::kernels
