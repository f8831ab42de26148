// ConvForward in the direct form for 1 to 4 input channels, the first layer of most networks. Such sums are short, so that addresses of
// pixels, borders and stores weigh: here the pixels of a tile are neighbours, at distances that the code knows, and rows with padding are
// copied once, so that every window lies inside a row.
//
// Loop nest:  copy the kernel, a panel after the other
//             for each image, for each row of the output
//               [copy the rows of its windows that were not copied yet, with zeros at both ends]
//               for each panel of 2 vectors of output channels (1, if no more are left), for each tile of neighbouring pixels
//                 for each row of taps, for each pair of a tap and a channel
//                   pixels x vectors multiply-adds: vectors of the kernel loaded, elements of the row broadcast
// Registers:  up to 14 pixels x 2 vectors + 2 of the kernel + 1 broadcast of 32 (AVX-512); 6 x 2 + 2 + 1 or 12 x 1 + 1 + 1 of 16.
// Measured:   (Zen 5, one core, share of the multiply-add loop; in brackets time of `direct` over time of this form) AVX-512: 3x3 1->32 on
//             28x28 72 % (1.36), 3x3/2 3->32 on 224x224 78 to 81 % (1.10 to 1.40), 3x3 3->64 on 32x32 80 to 84 % (1.13), 3x3 2->16 on
//             64x64 62 to 70 % (1.27 to 1.34), 5x5/2 4->32 on 112x112 91 % (1.03), 7x7/2 3->64 on 224x224 95 % (1.03). AVX2: the first four
//             87 % (1.35), 76 to 93 % (1.02 to 1.18), 88 to 90 % (1.0), 90 % (1.07). One vector of output channels is bound by loads: each
//             multiply-add takes one. Maps of a few pixels are slower than `direct`, as the weights are copied in each call: 4x4x1->8 takes
//             1.4 (AVX-512) and 1.8 times as long (AVX2).
#include "kernels/conv/cost.h"
#include "kernels/conv/direct.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/few_channels.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <utility>

#include "kernels/conv/pooling-inl.h"
#include "kernels/gemm/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::HWY_NAMESPACE {
namespace {

// Largest number of pixels of a tile. A longer row is cut into tiles of at least half as many.
constexpr int most_pixels(int vectors) { return HWY_TARGET <= HWY_AVX3 ? 14 : accumulators / vectors; }
constexpr int least_pixels(int vectors) { return most_pixels(vectors) / 2; }

struct Tile {
  std::int64_t window_rows, row_terms;  // terms of a row of taps: tap column and channel
  std::int64_t step;                    // from an output's window to the next
  const float* kernel;                  // [window_rows][row_terms][vectors * lanes]
  const float* bias;                    // or null
  std::int64_t last;                    // channels of the last vector
  std::int64_t dst_pixel;
  bool relu;
  float largest;  // result; infinity: any
};

template <int kVectors, int kPixels, bool kTail>
HWY_INLINE void StorePixels(const V (&sum)[kPixels][kVectors], float* dst, std::int64_t dst_pixel, std::int64_t last) {
#pragma GCC unroll 16
  for (int p = 0; p < kPixels; ++p, dst += dst_pixel)
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) StoreVector<kTail>(sum[p][v], dst, v, kVectors, last);
}

// kStep: tile.step, or 0 if that is none of the steps in tile_for. rows: the row of the source for each row of taps. at: place of the first
// window in them.
template <int kStep, int kVectors, int kPixels>
HWY_NOINLINE void RunTile(const Tile& tile, const float* const* rows, std::int64_t at, float* dst) {
  const D d;
  V sum[kPixels][kVectors];
#pragma GCC unroll 2
  for (int v = 0; v < kVectors; ++v) {
    const std::int64_t count = v == kVectors - 1 ? tile.last : lanes;
    const V bias = tile.bias == nullptr ? hn::Zero(d) : LoadCount(tile.bias + v * lanes, count);
#pragma GCC unroll 16
    for (int p = 0; p < kPixels; ++p) sum[p][v] = bias;
  }
  const std::int64_t step = kStep > 0 ? kStep : tile.step, row_terms = tile.row_terms;
  const float* b = tile.kernel;
  for (std::int64_t i = 0; i < tile.window_rows; ++i) {
    const float* a = rows[i] + at;
    for (const float* const end = a + row_terms; a != end; ++a, b += kVectors * lanes) {
      V bv[kVectors];
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) bv[v] = hn::LoadU(d, b + v * lanes);
      const float* const from = Direct(a);  // Else the optimizer carries pixels from one term to the next, through memory.
#pragma GCC unroll 16
      for (int p = 0; p < kPixels; ++p) {
        const V pixel = hn::Set(d, from[p * step]);
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) sum[p][v] = hn::MulAdd(pixel, bv[v], sum[p][v]);
      }
    }
  }
  if (tile.relu) {
#pragma GCC unroll 16
    for (int p = 0; p < kPixels; ++p)
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) sum[p][v] = hn::Min(hn::Set(d, tile.largest), hn::Max(hn::Zero(d), sum[p][v]));  // NaN stays
  }
  const std::int64_t dst_pixel = tile.dst_pixel, last = tile.last;
  if (HWY_LIKELY(last == lanes))
    StorePixels<kVectors, kPixels, false>(sum, dst, dst_pixel, last);
  else
    StorePixels<kVectors, kPixels, true>(sum, dst, dst_pixel, last);
}

using RunTileFunction = void (*)(const Tile&, const float* const*, std::int64_t, float*);

template <int kStep, int kVectors, int kFirst, int... kMore>
RunTileFunction tile_of(std::integer_sequence<int, kMore...>, std::int64_t pixels) {
  static constexpr RunTileFunction functions[] = {RunTile<kStep, kVectors, kFirst + kMore>...};
  return functions[pixels - kFirst];
}

template <int kVectors>
RunTileFunction tile_for(std::int64_t step, std::int64_t pixels) {
  constexpr int kLeast = least_pixels(kVectors);
  if (pixels < kLeast) return tile_of<0, kVectors, 1>(std::make_integer_sequence<int, kLeast - 1>(), pixels);
  constexpr auto sizes = std::make_integer_sequence<int, most_pixels(kVectors) - kLeast + 1>();
  switch (step) {
    case 1: return tile_of<1, kVectors, kLeast>(sizes, pixels);
    case 2: return tile_of<2, kVectors, kLeast>(sizes, pixels);
    case 3: return tile_of<3, kVectors, kLeast>(sizes, pixels);
    case 4: return tile_of<4, kVectors, kLeast>(sizes, pixels);
    case 6: return tile_of<6, kVectors, kLeast>(sizes, pixels);
    case 8: return tile_of<8, kVectors, kLeast>(sizes, pixels);
    default: return tile_of<0, kVectors, kLeast>(sizes, pixels);
  }
}

// The tiles of a row: `larger` of them have a pixel more than `small`.
struct Cut {
  std::int64_t tiles, small, larger;
  RunTileFunction run_small, run_larger;
};

Cut cut_row(std::int64_t pixels, std::int64_t step, int vectors) {
  Cut cut;
  cut.tiles = (pixels + most_pixels(vectors) - 1) / most_pixels(vectors);
  cut.small = pixels / cut.tiles, cut.larger = pixels % cut.tiles;
  const auto function = vectors == 2 ? tile_for<2> : tile_for<1>;
  cut.run_small = function(step, cut.small);
  cut.run_larger = cut.larger > 0 ? function(step, cut.small + 1) : cut.run_small;
  return cut;
}

// The rows of one image, in which window x begins at x * stride * channels.
class SourceRows {
 public:
  SourceRows(const Geometry& g, float* scratch) : g_(g), copies_(conv::copies_rows(g)), size_(conv::copied_row(g)), zeros_(scratch) {
    std::fill_n(zeros_, size_, 0.0f);
  }

  void begin(const float* src) {
    src_ = src;
    held_.fill(-1);
  }

  // Pointers to the rows of the windows of output row y. They stay until the next call.
  void take(std::int64_t y, const float** rows) {
    for (std::int64_t i = 0; i < g_.window_height; ++i) {
      const std::int64_t row = y * g_.stride_height - g_.pad_top + i;
      rows[i] = row < 0 || row >= g_.height ? zeros_ : copies_ ? copy_of(row) : src_ + row * g_.src_row;
    }
  }

 private:
  // A window's rows lie in different slots.
  const float* copy_of(std::int64_t row) {
    const std::int64_t slot = row % g_.window_height;
    float* copy = zeros_ + (slot + 1) * size_;
    if (std::exchange(held_[static_cast<std::size_t>(slot)], row) != row) write_copy(src_ + row * g_.src_row, copy);
    return copy;
  }

  // Writes whole vectors and from left to right, so that what is too much at the end of one part is overwritten by the next.
  void write_copy(const float* row, float* copy) const {
    const std::int64_t pixels = conv::pixels_in_windows(g_), begin = std::clamp<std::int64_t>(g_.pad_left, 0, pixels);
    const std::int64_t end = std::clamp<std::int64_t>(g_.width + g_.pad_left, begin, pixels), channels = g_.channels;
    const float* from = row + (begin - g_.pad_left) * g_.src_pixel;
    zero(copy, begin * channels);
    if (g_.src_pixel == channels)
      copy_floats(from, (end - begin) * channels, copy + begin * channels);
    else
      for (std::int64_t x = begin; x < end; ++x, from += g_.src_pixel) std::copy_n(from, channels, copy + x * channels);
    zero(copy + end * channels, (pixels - end) * channels);
  }

  static void zero(float* p, std::int64_t count) {
    for (std::int64_t i = 0; i < count; i += lanes) hn::StoreU(hn::Zero(D()), D(), p + i);
  }
  static void copy_floats(const float* from, std::int64_t count, float* to) {
    std::int64_t i = 0;
    for (; i + lanes <= count; i += lanes) hn::StoreU(hn::LoadU(D(), from + i), D(), to + i);
    if (i < count) hn::StoreU(LoadPart(from + i, count - i), D(), to + i);
  }

  const Geometry& g_;
  bool copies_;
  std::int64_t size_;
  float* zeros_;  // behind it the copies
  const float* src_ = nullptr;
  std::array<std::int64_t, conv::FewChannelsForward::most_window_rows> held_ = {};  // the row in each slot
};

// Copies the kernel to [panels][terms][columns of a panel], with zeros behind the last column. Returns whether all weights are finite.
bool copy_weights(const Geometry& g, const float* kernel, float* to) {
  const D d;
  const std::int64_t terms = g.window_height * g.window_width * g.channels;
  V zero = hn::Zero(d);
  for (std::int64_t first = 0; first < g.out_channels; first += 2 * lanes) {
    const std::int64_t end = std::min<std::int64_t>(g.out_channels, first + 2 * lanes);
    for (std::int64_t t = 0; t < terms; ++t)
      for (std::int64_t o = first; o < end; o += lanes, to += lanes) {
        const V weights = LoadCount(kernel + t * g.out_channels + o, end - o);
        zero = hn::MulAdd(weights, hn::Zero(d), zero);  // NaN from now on, if a weight is not finite
        hn::StoreU(weights, d, to);
      }
  }
  return !AnyNan(zero);
}

// Returns false, and computes nothing, if a weight is not finite: padding times such a weight would be NaN.
bool few_channels(const ConvForward::Problem& problem, const ConvForward::Args<float>& args) {
  const Geometry& g = problem.geometry;
  const std::int64_t step = g.stride_width * g.channels, terms = g.window_height * g.window_width * g.channels;
  Tile tile = {.window_rows = g.window_height,
               .row_terms = g.window_width * g.channels,
               .step = step,
               .kernel = nullptr,
               .bias = nullptr,
               .last = lanes,
               .dst_pixel = g.dst_pixel,
               .relu = cuts_below_zero(problem.activation),
               .largest = largest_result(problem.activation)};
  const Cut pairs = g.out_channels > lanes ? cut_row(g.out_width, step, 2) : Cut{};
  const Cut single = (g.out_channels + lanes - 1) / lanes % 2 != 0 ? cut_row(g.out_width, step, 1) : Cut{};
  if (!copy_weights(g, args.kernel, args.scratch)) return false;
  SourceRows source(g, args.scratch + conv::copied_weights(g));
  const float* rows[conv::FewChannelsForward::most_window_rows];
  for (std::int64_t n = 0; n < args.images; ++n) {
    source.begin(args.src + n * g.src_image);
    for (std::int64_t y = 0; y < g.out_height; ++y) {
      source.take(y, rows);
      for (std::int64_t first = 0; first < g.out_channels;) {
        const std::int64_t left = g.out_channels - first, vectors = left > lanes ? 2 : 1;
        tile.kernel = args.scratch + first * terms;
        tile.bias = problem.bias ? args.bias + first : nullptr;
        tile.last = std::min<std::int64_t>(left - (vectors - 1) * lanes, lanes);
        const Cut& cut = vectors == 2 ? pairs : single;
        float* dst = args.dst + n * g.dst_image + y * g.dst_row + first;
        for (std::int64_t t = 0, x = 0; t < cut.tiles; ++t) {
          (t < cut.larger ? cut.run_larger : cut.run_small)(tile, rows, x * step, dst + x * g.dst_pixel);
          x += t < cut.larger ? cut.small + 1 : cut.small;
        }
        first += vectors * lanes;
      }
    }
  }
  return true;
}

}  // namespace
}  // namespace linn::detail::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels {
HWY_EXPORT(few_channels);

namespace conv {

// Whatever the size of the map, so that maps of all sizes are computed by one form. With more terms Forward is faster, as measured.
bool FewChannelsForward::supports(const ConvForward::Problem& problem) {
  const Geometry& g = problem.geometry;
  const std::int64_t terms = g.window_height * g.window_width * g.channels, most_terms = core::lanes() == 16 ? 200 : 50;
  return is_in_registers(problem.activation) && g.groups == 1 && g.channels <= 4 && terms <= most_terms && g.dilation_height == 1 &&
         g.dilation_width == 1 && g.window_height <= most_window_rows &&
         4 * copied_weights(g) * static_cast<std::int64_t>(sizeof(float)) <= core::cpu().l2_bytes;
}

// As measured.
double FewChannelsForward::cost(const ConvForward::Problem& problem) {
  const Geometry& g = problem.geometry;
  return 1.03 * direct_cost(g, g.out_channels) + 3 * static_cast<double>(map_size(g));
}

std::int64_t FewChannelsForward::scratch(const ConvForward::Problem& problem, std::int64_t) {
  const Geometry& g = problem.geometry;
  return copied_weights(g) + copied_row(g) * (copies_rows(g) ? g.window_height + 1 : 1);
}

void FewChannelsForward::run(const ConvForward::Problem& problem, const ConvForward::Args<float>& args) {
  if (!HWY_DYNAMIC_DISPATCH(few_channels)(problem, args)) Forward::run_unpacked(problem, args);
}

}  // namespace conv
}  // namespace linn::detail::kernels
#endif
