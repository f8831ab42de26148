// ConvPoolForward in the direct form for 2x2 windows of a convolution without padding. The four cells of up to three neighbouring windows
// are one register tile, so that pooling needs no store and no load.
//
// Loop nest:  for each panel of output channels (2 vectors; 1 with 16 registers), for each image, row of windows
//               for each three windows
//                 for each term (tap row, tap column, channel; the last two joined where pixels are dense)
//                   12 x 2 multiply-adds: vectors of the kernel loaded, elements of src broadcast
//                 activation, maximum and argmax in registers (the sums start from the bias)
// Registers:  24 sums + 2 of the kernel + 1 broadcast of 32 (AVX-512); 12 + 1 + 1 of 16 (AVX2, SSE4).
// Measured:   see docs/engine.md.
#include "kernels/conv/fused.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/windows.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "kernels/conv/pooling-inl.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::HWY_NAMESPACE {
namespace {

constexpr int most_windows = 3;
constexpr int most_vectors = accumulators >= 24 ? 2 : 1;

struct Panel {
  std::int64_t rows, columns, channels;      // terms; columns and channels joined: 1 column
  std::int64_t row_step, column_step;        // in src
  std::int64_t cell_row, cell_column;        // in src, from a cell of a window to the next
  std::int64_t window;                       // in src, from a window to the next
  std::int64_t kernel_step;                  // from a term to the next
  const float* kernel;
  const float* bias;  // or null
  bool relu;
  std::int64_t last;  // channels of the last vector
};

template <int kWindows, int kVectors, bool kTail, Pooled kPooled>
HWY_NOINLINE void RunWindows(const Panel& panel, const float* src, float* dst, std::int64_t dst_step, std::uint8_t* argmax, std::int64_t argmax_step) {
  constexpr int kRows = 4 * kWindows;
  const D d;
  V sum[kRows][kVectors];
  const float* a[kRows];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    a[r] = src + (r / 4) * panel.window + (r / 2 % 2) * panel.cell_row + (r % 2) * panel.cell_column;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[r][v] = panel.bias != nullptr ? LoadVector<kTail>(panel.bias, v, kVectors, panel.last) : hn::Zero(d);
  }
  const float* b = panel.kernel;
  const std::int64_t channels = panel.channels, kernel_step = panel.kernel_step;
  for (std::int64_t i = 0; i < panel.rows; ++i)
    for (std::int64_t j = 0; j < panel.columns; ++j) {
      std::int64_t at = i * panel.row_step + j * panel.column_step;
      for (std::int64_t c = 0; c < channels; ++c, ++at, b += kernel_step) {
        V bv[kVectors];
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) bv[v] = LoadVector<kTail>(b, v, kVectors, panel.last);
#pragma GCC unroll 16
        for (int r = 0; r < kRows; ++r) {
          const V av = hn::Set(d, a[r][at]);
#pragma GCC unroll 4
          for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(av, bv[v], sum[r][v]);
        }
      }
    }
#pragma GCC unroll 4
  for (int w = 0; w < kWindows; ++w)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v)
      PoolCells<kPooled>(sum[4 * w][v], sum[4 * w + 1][v], sum[4 * w + 2][v], sum[4 * w + 3][v], panel.relu, dst + w * dst_step + v * lanes,
                         kPooled == Pooled::argmax ? argmax + w * argmax_step + v * lanes : nullptr, kTail && v == kVectors - 1 ? panel.last : lanes);
}

using RunFunction = void (*)(const Panel&, const float*, float*, std::int64_t, std::uint8_t*, std::int64_t);

template <int kVectors, bool kTail, Pooled kPooled>
RunFunction function_for(std::int64_t windows) {
  constexpr RunFunction table[most_windows] = {RunWindows<1, kVectors, kTail, kPooled>, RunWindows<2, kVectors, kTail, kPooled>,
                                               RunWindows<3, kVectors, kTail, kPooled>};
  return table[windows - 1];
}

template <Pooled kPooled>
RunFunction function_for(std::int64_t windows, int vectors, bool tail) {
  if constexpr (most_vectors == 2)
    if (vectors == 2) return tail ? function_for<2, true, kPooled>(windows) : function_for<2, false, kPooled>(windows);
  return tail ? function_for<1, true, kPooled>(windows) : function_for<1, false, kPooled>(windows);
}

template <Pooled kPooled>
void RunPanel(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args, const Panel& panel, int vectors, bool tail, std::int64_t first) {
  const Geometry &g = problem.conv, &pool = problem.pool;
  const std::int64_t width = pool.out_width, groups = (width + most_windows - 1) / most_windows;
  const std::int64_t small = width / groups, larger = width % groups;  // balanced: 13 = 3 + 3 + 3 + 2 + 2
  const RunFunction run_small = function_for<kPooled>(small, vectors, tail);
  const RunFunction run_larger = larger > 0 ? function_for<kPooled>(small + 1, vectors, tail) : run_small;
  for (std::int64_t n = 0; n < args.images; ++n)
    for (std::int64_t y = 0; y < pool.out_height; ++y) {
      const float* src = args.src + n * g.src_image - g.pad_top * g.src_row - g.pad_left * g.src_pixel + 2 * y * panel.cell_row;
      float* dst = args.dst + n * pool.dst_image + y * pool.dst_row + first;
      std::uint8_t* argmax = kPooled == Pooled::argmax ? args.argmax + (n * pool.out_height + y) * width * g.out_channels + first : nullptr;
      for (std::int64_t t = 0; t < groups; ++t) {
        const std::int64_t taken = t < larger ? small + 1 : small;
        (t < larger ? run_larger : run_small)(panel, src, dst, pool.dst_pixel, argmax, g.out_channels);
        src += taken * panel.window;
        dst += taken * pool.dst_pixel;
        if (kPooled == Pooled::argmax) argmax += taken * g.out_channels;
      }
    }
}

void windows(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args) {
  const Geometry& g = problem.conv;
  const bool joined = g.src_pixel == g.channels && g.dilation_width == 1;
  Panel panel = {.rows = g.window_height, .columns = joined ? 1 : g.window_width, .channels = joined ? g.window_width * g.channels : g.channels,
                 .row_step = g.dilation_height * g.src_row, .column_step = g.dilation_width * g.src_pixel,
                 .cell_row = g.stride_height * g.src_row, .cell_column = g.stride_width * g.src_pixel, .window = 2 * g.stride_width * g.src_pixel,
                 .kernel_step = g.out_channels, .kernel = nullptr, .bias = nullptr, .relu = problem.activation == Activation::relu, .last = lanes};
  for (std::int64_t first = 0; first < g.out_channels;) {
    const std::int64_t left = g.out_channels - first;
    const int vectors = left > lanes ? most_vectors : 1;
    const bool tail = left < vectors * lanes;
    panel.kernel = args.kernel + first;
    panel.bias = problem.bias ? args.bias + first : nullptr;
    panel.last = tail ? left - (vectors - 1) * lanes : lanes;
    if (problem.kind == PoolKind::average)
      RunPanel<Pooled::average>(problem, args, panel, vectors, tail, first);
    else if (problem.argmax)
      RunPanel<Pooled::argmax>(problem, args, panel, vectors, tail, first);
    else
      RunPanel<Pooled::max>(problem, args, panel, vectors, tail, first);
    first += vectors * lanes;
  }
}

}  // namespace
}  // namespace linn::detail::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels {
HWY_EXPORT(windows);

namespace conv {

bool Windows::supports(const ConvPoolForward::Problem& problem) {
  const Geometry& g = problem.conv;
  const bool unpadded = g.pad_top <= 0 && g.pad_bottom <= 0 && g.pad_left <= 0 && g.pad_right <= 0;
  return unpadded && g.groups == 1 && is_two_by_two(problem.pool) && is_linear_or_relu(problem.activation);
}

// Twelve accumulators of one vector load an element of src for each product, the tiles of the direct form one for two.
// Measured (Zen 5, 3 to 32 channels on 32x32): 0.95 of the time of the direct form with AVX-512, 1.2 with AVX2.
double Windows::cost(const ConvPoolForward::Problem& problem) {
  return (core::lanes() == 16 ? 1 : 1.2) * static_cast<double>(products(problem.conv, problem.pool));
}

void Windows::run(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args) { HWY_DYNAMIC_DISPATCH(windows)(problem, args); }

}  // namespace conv
}  // namespace linn::detail::kernels
#endif
