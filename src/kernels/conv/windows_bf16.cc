// ConvPoolForward in the direct form for 2x2 windows in bfloat16. Unlike windows.cc, it takes the terms of a row of taps two at a time.
//
// Loop nest:  for each image: round it into scratch, with its padding as zeros
//               for each panel of output channels (2 vectors), row of windows, three windows
//                 for each pair of neighbouring terms in a row of taps (in a tap, if columns are dilated); an odd last term is single
//                   12 x 2 vdpbf16ps: vectors of the kernel loaded, pairs of the image broadcast
//                 activation, maximum and argmax in registers (the sums start from the bias)
// Registers:  24 sums + 2 of the kernel + 1 broadcast of 32.
// Bound:      |error| <= (2^-7 + c eps) sum |a b|.
// Measured:   see docs/decisions/bfloat16.md.
#include "kernels/conv/fused.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/windows_bf16.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>

#include "core/checked.h"
#include "kernels/conv/padding.h"
#include "kernels/conv/pooling-inl.h"
#include "kernels/gemm/bf16-inl.h"
#include "kernels/gemm/bf16.h"

#ifndef LINN_KERNELS_CONV_WINDOWS_BF16_ONCE
#define LINN_KERNELS_CONV_WINDOWS_BF16_ONCE
namespace linn::detail::kernels::conv {
namespace {

// The terms of an output: runs of elements that are neighbours both in the image and in the kernel.
struct Runs {
  explicit Runs(const Geometry& g)
      : rows(g.window_height), columns(g.dilation_width == 1 ? 1 : g.window_width), length(g.window_width * g.channels / columns) {}
  std::int64_t rows, columns, length;

  std::int64_t pairs() const { return rows * columns * ((length + 1) / 2); }
};

}  // namespace
}  // namespace linn::detail::kernels::conv
#endif

#if HWY_TARGET == HWY_AVX3
LINN_BEFORE_BF16();
namespace linn::detail::kernels::HWY_NAMESPACE {
namespace {

constexpr int bf16_windows = 3;

struct Bf16Panel {
  std::int64_t cell_row, cell_column;  // pitches in the image of the cells of a window
  std::int64_t window;                 // in the image, from a window to the next
  const std::int64_t* offsets;         // in the image, of each pair from the window's first pixel; ~offset of a term alone
  std::int64_t pairs;
  const Bf16* kernel;
  const float* bias;  // or null
  bool relu;
  std::int64_t last;  // channels in the last vector
};

template <int kWindows, int kVectors, bool kTail, Pooled kPooled>
HWY_NOINLINE void RunBf16Windows(const Bf16Panel& panel, const Bf16* src, float* dst, std::int64_t dst_step, std::uint8_t* argmax,
                                 std::int64_t argmax_step) {
  constexpr int kRows = 4 * kWindows;
  V sum[kRows][kVectors];
  const Bf16* a[kRows];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    a[r] = src + (r / 4) * panel.window + (r / 2 % 2) * panel.cell_row + (r % 2) * panel.cell_column;
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v)
      sum[r][v] = panel.bias != nullptr ? LoadVector<kTail>(panel.bias, v, kVectors, panel.last) : hn::Zero(D());
  }
  const Bf16* b = panel.kernel;
  const std::int64_t* const end = panel.offsets + panel.pairs;
  const std::int64_t kernel_vector = panel.pairs * 2 * bf16_columns;
  for (const std::int64_t* offset = panel.offsets; offset != end; ++offset, b += 2 * bf16_columns) {
    const std::int64_t at = *offset;
    if (at >= 0)
      DotTerm<kRows, kVectors>(sum, a, at, false, b, kernel_vector);
    else
      DotTerm<kRows, kVectors>(sum, a, ~at, true, b, kernel_vector);
  }
#pragma GCC unroll 4
  for (int w = 0; w < kWindows; ++w)
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v)
      PoolCells<kPooled>(sum[4 * w][v], sum[4 * w + 1][v], sum[4 * w + 2][v], sum[4 * w + 3][v], panel.relu, dst + w * dst_step + v * lanes,
                         kPooled == Pooled::argmax ? argmax + w * argmax_step + v * lanes : nullptr,
                         kTail && v == kVectors - 1 ? panel.last : lanes);
}

using RunBf16WindowsFunction = void (*)(const Bf16Panel&, const Bf16*, float*, std::int64_t, std::uint8_t*, std::int64_t);

template <int kVectors, bool kTail, Pooled kPooled>
RunBf16WindowsFunction bf16_windows_for(std::int64_t windows) {
  constexpr RunBf16WindowsFunction table[bf16_windows] = {RunBf16Windows<1, kVectors, kTail, kPooled>,
                                                          RunBf16Windows<2, kVectors, kTail, kPooled>,
                                                          RunBf16Windows<3, kVectors, kTail, kPooled>};
  return table[windows - 1];
}

template <Pooled kPooled>
RunBf16WindowsFunction bf16_windows_for(std::int64_t windows, int vectors, bool tail) {
  if (vectors == 2) return tail ? bf16_windows_for<2, true, kPooled>(windows) : bf16_windows_for<2, false, kPooled>(windows);
  return tail ? bf16_windows_for<1, true, kPooled>(windows) : bf16_windows_for<1, false, kPooled>(windows);
}

// One image, one panel of output channels from `first` on.
template <Pooled kPooled>
void run_panel(const ConvPoolForward::Problem& problem, const Bf16Panel& panel, int vectors, bool tail, const Bf16* image, float* dst,
               std::uint8_t* argmax) {
  const Geometry& pool = problem.pool;
  const std::int64_t width = pool.out_width, groups = (width + bf16_windows - 1) / bf16_windows, channels = problem.conv.out_channels;
  const std::int64_t small = width / groups, larger = width % groups;  // balanced: 13 = 3 + 3 + 3 + 2 + 2
  const RunBf16WindowsFunction run_small = bf16_windows_for<kPooled>(small, vectors, tail);
  const RunBf16WindowsFunction run_larger = larger > 0 ? bf16_windows_for<kPooled>(small + 1, vectors, tail) : run_small;
  for (std::int64_t y = 0; y < pool.out_height; ++y) {
    const Bf16* src = image + 2 * y * panel.cell_row;
    float* to = dst + y * pool.dst_row;
    std::uint8_t* cells = kPooled == Pooled::argmax ? argmax + y * width * channels : nullptr;
    for (std::int64_t t = 0; t < groups; ++t) {
      const std::int64_t taken = t < larger ? small + 1 : small;
      (t < larger ? run_larger : run_small)(panel, src, to, pool.dst_pixel, cells, channels);
      src += taken * panel.window;
      to += taken * pool.dst_pixel;
      if (kPooled == Pooled::argmax) cells += taken * channels;
    }
  }
}

template <Pooled kPooled>
void run_image(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args, std::int64_t n, const Bf16* image,
               const std::int64_t* offsets) {
  const Geometry &g = problem.conv, &pool = problem.pool;
  const std::int64_t row = conv::padded_row(g), pixel = g.channels, image_cells = pool.out_height * pool.out_width * g.out_channels;
  Bf16Panel panel = {.cell_row = g.stride_height * row,
                     .cell_column = g.stride_width * pixel,
                     .window = 2 * g.stride_width * pixel,
                     .offsets = offsets,
                     .pairs = conv::Runs(g).pairs(),
                     .kernel = nullptr,
                     .bias = nullptr,
                     .relu = problem.activation == Activation::relu,
                     .last = lanes};
  for (std::int64_t first = 0; first < g.out_channels; first += 2 * lanes) {
    const std::int64_t left = g.out_channels - first;
    const int vectors = left > lanes ? 2 : 1;
    const bool tail = left < vectors * lanes;
    panel.kernel = reinterpret_cast<const Bf16*>(args.packed) + first * 2 * panel.pairs;
    panel.bias = problem.bias ? args.bias + first : nullptr;
    panel.last = tail ? left - (vectors - 1) * lanes : lanes;
    run_panel<kPooled>(problem, panel, vectors, tail, image, args.dst + n * pool.dst_image + first,
                       kPooled == Pooled::argmax ? args.argmax + n * image_cells + first : nullptr);
  }
}

void list_offsets(const Geometry& g, std::int64_t* offsets) {
  const conv::Runs runs(g);
  for (std::int64_t i = 0; i < runs.rows; ++i)
    for (std::int64_t j = 0; j < runs.columns; ++j)
      for (std::int64_t e = 0; e < runs.length; e += 2) {
        const std::int64_t at = i * g.dilation_height * conv::padded_row(g) + j * g.dilation_width * g.channels + e;
        *offsets++ = e + 1 < runs.length ? at : ~at;
      }
}

// A rounded copy of an image, dense and with its padding as zeros.
void round_image(const Geometry& g, const float* src, Bf16* dst) {
  const std::int64_t row = conv::padded_row(g);
  std::fill_n(dst, conv::padded_image(g), Bf16{0});
  for (std::int64_t y = 0; y < g.height; ++y) {
    Bf16* line = dst + (g.pad_top + y) * row + g.pad_left * g.channels;
    const float* from = src + y * g.src_row;
    if (g.src_pixel == g.channels)
      round_bf16(from, g.width * g.channels, line);
    else
      for (std::int64_t x = 0; x < g.width; ++x) round_bf16(from + x * g.src_pixel, g.channels, line + x * g.channels);
  }
}

}  // namespace

void windows_bf16(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args) {
  auto* offsets = core::align_up<std::int64_t>(args.scratch, 64);
  auto* image = reinterpret_cast<Bf16*>(offsets + conv::Runs(problem.conv).pairs());
  list_offsets(problem.conv, offsets);
  for (std::int64_t n = 0; n < args.images; ++n) {
    round_image(problem.conv, args.src + n * problem.conv.src_image, image);
    if (problem.kind == PoolKind::average)
      run_image<Pooled::average>(problem, args, n, image, offsets);
    else if (problem.argmax)
      run_image<Pooled::argmax>(problem, args, n, image, offsets);
    else
      run_image<Pooled::max>(problem, args, n, image, offsets);
  }
}

}  // namespace linn::detail::kernels::HWY_NAMESPACE
LINN_AFTER_BF16();
#endif  // HWY_AVX3

#if HWY_ONCE
namespace linn::detail::kernels::conv {

bool Bf16Windows::supports(const ConvPoolForward::Problem& problem) {
  const Geometry& g = problem.conv;
  const bool inside = g.pad_top >= 0 && g.pad_bottom >= 0 && g.pad_left >= 0 && g.pad_right >= 0;
  return inside && g.groups == 1 && is_two_by_two(problem.pool) && is_linear_or_relu(problem.activation);
}

double Bf16Windows::cost(const ConvPoolForward::Problem& problem) { return static_cast<double>(products(problem.conv, problem.pool)) / 2; }

std::int64_t Bf16Windows::scratch(const ConvPoolForward::Problem& problem, std::int64_t) {
  return 2 * Runs(problem.conv).pairs() + floats_of_bf16(padded_image(problem.conv)) + 16;
}

std::int64_t Bf16Windows::packed(const ConvPoolForward::Problem& problem) {
  const Runs runs(problem.conv);
  return floats_of_bf16(packed_bf16(runs.rows * runs.columns, runs.length, problem.conv.out_channels));
}

void Bf16Windows::pack(const ConvPoolForward::Problem& problem, const float* kernel, float* packed) {
  const Runs runs(problem.conv);
  pack_bf16(kernel, runs.rows * runs.columns, runs.length, problem.conv.out_channels, reinterpret_cast<Bf16*>(packed));
}

void Bf16Windows::run(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args) {
  N_AVX3::windows_bf16(problem, args);
}

}  // namespace linn::detail::kernels::conv
#endif
