// References of conv/pooled.h. Forward: convolution, then pooling. Gradients: window by window.
#include <algorithm>
#include <vector>

#include "kernels/conv/conv.h"
#include "kernels/conv/mark_no_gradient.h"
#include "kernels/conv/pooled.h"
#include "kernels/conv/ref_taps.h"

namespace linn::detail::kernels {
namespace {

// Calls visit(o, element of ddst, output row of the convolution, column) for every window and channel through which a gradient flows.
template <class T, class Visit>
void for_each_live_window(const Geometry& pool, std::int64_t image, const T* ddst, const std::uint8_t* argmax, const Visit& visit) {
  for (std::int64_t y = 0; y < pool.out_height; ++y)
    for (std::int64_t x = 0; x < pool.out_width; ++x)
      for (std::int64_t o = 0; o < pool.channels; ++o) {
        const std::int64_t at = ((image * pool.out_height + y) * pool.out_width + x) * pool.channels + o;
        if (ddst[at] == T(0) || argmax[at] == no_cell) continue;
        const std::int64_t row = y * pool.stride_height - pool.pad_top + argmax[at] / pool.window_width * pool.dilation_height;
        const std::int64_t column = x * pool.stride_width - pool.pad_left + argmax[at] % pool.window_width * pool.dilation_width;
        if (row < 0 || row >= pool.height || column < 0 || column >= pool.width) continue;  // a window without a cell inside the map
        visit(o, ddst[at], row, column);
      }
}

}  // namespace

template <class T>
void ConvPoolForward::reference(const Problem& problem, const Args<T>& args) {
  Geometry conv = problem.conv;
  set_dense_dst(conv);
  const std::int64_t windows = problem.pool.out_height * problem.pool.out_width * problem.pool.channels;
  std::vector<T> map(static_cast<std::size_t>(conv.dst_image));
  for (std::int64_t n = 0; n < args.images; ++n) {
    ConvForward::reference<T>({conv, problem.bias, problem.activation}, {1, args.src + n * conv.src_image, args.kernel, nullptr, args.bias, map.data(), nullptr});
    PoolForward::reference<T>({problem.pool, problem.kind, problem.argmax},
                              {1, map.data(), args.dst + n * problem.pool.dst_image, problem.argmax ? args.argmax + n * windows : nullptr, nullptr, nullptr});
    if (problem.argmax && problem.activation == Activation::relu) conv::mark_no_gradient(problem.pool, args.dst + n * problem.pool.dst_image, args.argmax + n * windows);
  }
}

template <class T>
void ConvPoolKernelGradient::reference(const Problem& problem, const Args<T>& args) {
  const Geometry& g = problem.conv;
  const std::int64_t size = g.window_height * g.window_width * g.channels;
  std::fill_n(args.dkernel, g.out_channels * size, T(0));
  if (args.dbias != nullptr) std::fill_n(args.dbias, g.out_channels, T(0));
  for (std::int64_t n = 0; n < args.images; ++n)
    for_each_live_window(problem.pool, n, args.ddst, args.argmax, [&](std::int64_t o, T ddst, std::int64_t row, std::int64_t column) {
      if (args.dbias != nullptr) args.dbias[o] += ddst;
      for_each_tap(g, row, column, [&](std::int64_t tap, std::int64_t src) {
        for (std::int64_t c = 0; c < g.channels; ++c) args.dkernel[o * size + tap * g.channels + c] += ddst * args.src[n * g.src_image + src + c];
      });
    });
}

template <class T>
void ConvPoolInputGradient::reference(const Problem& problem, const Args<T>& args) {
  const Geometry& g = problem.conv;
  for (std::int64_t n = 0; n < args.images; ++n) {
    T* dsrc = args.dsrc + n * g.src_image;
    for (std::int64_t h = 0; h < g.height; ++h)
      for (std::int64_t w = 0; w < g.width; ++w) std::fill_n(dsrc + h * g.src_row + w * g.src_pixel, g.channels, T(0));
    for_each_live_window(problem.pool, n, args.ddst, args.argmax, [&](std::int64_t o, T ddst, std::int64_t row, std::int64_t column) {
      for_each_tap(g, row, column, [&](std::int64_t tap, std::int64_t src) {
        for (std::int64_t c = 0; c < g.channels; ++c) dsrc[src + c] += ddst * args.kernel[(tap * g.channels + c) * g.out_channels + o];
      });
    });
  }
}

template void ConvPoolForward::reference(const Problem&, const Args<float>&);
template void ConvPoolForward::reference(const Problem&, const Args<double>&);
template void ConvPoolKernelGradient::reference(const Problem&, const Args<float>&);
template void ConvPoolKernelGradient::reference(const Problem&, const Args<double>&);
template void ConvPoolInputGradient::reference(const Problem&, const Args<float>&);
template void ConvPoolInputGradient::reference(const Problem&, const Args<double>&);

}  // namespace linn::detail::kernels
