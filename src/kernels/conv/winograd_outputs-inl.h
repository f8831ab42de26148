// Winograd's inverse transforms: from products to the outputs of a map. Included once for each target.
#if defined(LINN_KERNELS_CONV_WINOGRAD_OUTPUTS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LINN_KERNELS_CONV_WINOGRAD_OUTPUTS_INL_H
#undef LINN_KERNELS_CONV_WINOGRAD_OUTPUTS_INL_H
#else
#define LINN_KERNELS_CONV_WINOGRAD_OUTPUTS_INL_H
#endif

#include <hwy/highway.h>

#include <cstdint>

#include "kernels/conv/pooling-inl.h"
#include "kernels/conv/winograd_products-inl.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::HWY_NAMESPACE {

/// y = A^T m for one column or row of products: kTile results, `y_step` vectors apart.
template <int kTile>
HWY_INLINE void InverseLine(const V* m, V* y, int y_step) {
  if constexpr (kTile == 2) {
    y[0] = hn::Add(hn::Add(m[0], m[1]), m[2]);
    y[y_step] = hn::Sub(hn::Sub(m[1], m[2]), m[3]);
  } else {
    const V even_p = hn::Add(m[1], m[2]), odd_p = hn::Sub(m[1], m[2]), even_q = hn::Add(m[3], m[4]), odd_q = hn::Sub(m[3], m[4]);
    y[0] = hn::Add(m[0], hn::Add(even_p, even_q));
    y[y_step] = hn::MulAdd(Constant(point_p), odd_p, hn::Mul(Constant(point_q), odd_q));
    y[2 * y_step] = hn::MulAdd(Constant(p2), even_p, hn::Mul(Constant(q2), even_q));
    y[3 * y_step] = hn::MulAdd(Constant(p2 * point_p), odd_p, hn::MulAdd(Constant(q2 * point_q), odd_q, m[5]));
  }
}

/// cells = A^T M A + bias for one vector of output channels of one tile, row by row.
template <int kTile>
HWY_INLINE void InverseTile(const float* m, std::int64_t m_point, V bias, V* cells) {
  constexpr int size = patch_of<kTile>;
  V half[kTile * size];
#pragma GCC unroll 6
  for (int j = 0; j < size; ++j) {
    V column[size];
#pragma GCC unroll 6
    for (int i = 0; i < size; ++i) column[i] = hn::Load(D(), m + (size * i + j) * m_point);
    // The inverse transform adds M[1][1] to all four outputs, so one addition of the bias is enough.
    if (kTile == 2 && j == 1) column[1] = hn::Add(column[1], bias);
    InverseLine<kTile>(column, half + j, size);
  }
#pragma GCC unroll 4
  for (int a = 0; a < kTile; ++a) InverseLine<kTile>(half + size * a, cells + kTile * a, 1);
  if constexpr (kTile == 4) {
#pragma GCC unroll 16
    for (int a = 0; a < kTile * kTile; ++a) cells[a] = hn::Add(cells[a], bias);
  }
}

/// Input and kernel of a call, for outputs that the transforms cannot give.
struct TileSource {
  const float* src;
  const float* kernel;  // [3, 3, channels, out channels]
  bool turned;          // as in TransformTaps
  bool recomputes;      // whether tiles with an output that is not finite are computed again by the definition
};

/// cells = the outputs of one vector of output channels from k on, for the tile at output (y, x), by the definition of the convolution.
template <int kTile>
HWY_NOINLINE void DirectTile(const Geometry& g, const TileSource& source, std::int64_t image, std::int64_t y, std::int64_t x, std::int64_t k,
                             V bias, V* cells) {
  const std::int64_t part = HWY_MIN(lanes, g.out_channels - k);
  for (int cell = 0; cell < kTile * kTile; ++cell) {
    V sum = bias;
    for (std::int64_t t = 0; t < 9; ++t) {
      const std::int64_t row = y + cell / kTile + t / 3 - g.pad_top, column = x + cell % kTile + t % 3 - g.pad_left;
      if (row < 0 || row >= g.height || column < 0 || column >= g.width) continue;
      const float* pixel = source.src + image * g.src_image + row * g.src_row + column * g.src_pixel;
      const float* taps = source.kernel + (source.turned ? 8 - t : t) * g.channels * g.out_channels + k;
      for (std::int64_t c = 0; c < g.channels; ++c)
        sum = hn::MulAdd(hn::Set(D(), pixel[c]), LoadCount(taps + c * g.out_channels, part), sum);
    }
    cells[cell] = sum;
  }
}

/// Whether all channels of pixel (y, x) are zero. True outside the map.
HWY_INLINE bool IsBlank(const Geometry& g, const float* image, std::int64_t y, std::int64_t x) {
  if (y < 0 || y >= g.height || x < 0 || x >= g.width) return true;
  const float* pixel = image + y * g.src_row + x * g.src_pixel;
  for (std::int64_t c = 0; c < g.channels; c += lanes)
    if (!hn::AllTrue(D(), hn::Eq(LoadCount(pixel + c, HWY_MIN(lanes, g.channels - c)), hn::Zero(D())))) return false;
  return true;
}

/// For the tile of 4x4 whose patch begins at pixel (y, x): a bit for each output, row by row, set if all pixels of its window are zero.
HWY_INLINE std::uint32_t BlankOutputs(const Geometry& g, const float* image, std::int64_t y, std::int64_t x) {
  // Each window contains at least one of the four pixels in the middle of the patch. If none of them is zero, no output is blank.
  bool middle = false;
  for (int pixel = 0; pixel < 4; ++pixel) middle = middle || IsBlank(g, image, y + 2 + pixel / 2, x + 2 + pixel % 2);
  if (HWY_LIKELY(!middle)) return 0;
  std::uint32_t rows[6], outputs = 0;  // rows[i]: for row i of the patch, the columns of outputs whose three pixels there are zero
  for (int i = 0; i < 6; ++i) {
    std::uint32_t blank = 0;
    for (int j = 0; j < 6; ++j) blank |= std::uint32_t{IsBlank(g, image, y + i, x + j)} << j;
    rows[i] = blank & blank >> 1 & blank >> 2;
  }
  for (int a = 0; a < 4; ++a) outputs |= (rows[a] & rows[a + 1] & rows[a + 2]) << 4 * a;
  return outputs;
}

/// The outputs of one tile, which begins at output (y, x) of an image.
template <int kTile>
class OutputTile {
 public:
  OutputTile(const Geometry& g, const TileSource& source, std::int64_t image, std::int64_t y, std::int64_t x)
      : g_(g), source_(source), image_(image), y_(y), x_(x) {
    if constexpr (kTile == 4) blank_ = BlankOutputs(g, source.src + image * g.src_image, y - g.pad_top, x - g.pad_left);
  }

  /// cells = the outputs of one vector of output channels from k on, by the inverse transform of its products. The transforms of 4x4 let an
  /// input pixel affect outputs whose windows do not contain it. Two cases are therefore corrected if a call has tiles of 4x4:
  ///   an output of the tile is not finite: the tile is computed again by the definition;
  ///   all pixels of an output's window are zero: the output is set to the bias.
  HWY_INLINE void Cells(const float* m, std::int64_t m_point, std::int64_t k, V bias, V* cells) const {
    InverseTile<kTile>(m + k, m_point, bias, cells);
    if (kTile == 2 && !source_.recomputes) return;
    V sum = cells[0];
#pragma GCC unroll 16
    for (int a = 1; a < kTile * kTile; ++a) sum = hn::Add(sum, cells[a]);
    if (HWY_UNLIKELY(AnyNan(hn::Sub(sum, sum))))
      DirectTile<kTile>(g_, source_, image_, y_, x_, k, bias, cells);
    else if (kTile == 4 && HWY_UNLIKELY(blank_ != 0))
      for (int a = 0; a < kTile * kTile; ++a)
        if ((blank_ >> a & 1) != 0) cells[a] = bias;
  }

 private:
  const Geometry& g_;
  const TileSource& source_;
  std::int64_t image_, y_, x_;
  std::uint32_t blank_ = 0;
};

/// Stores these output channels of `count` tiles from `first` on: from their products to the map dst.
template <int kTile>
HWY_INLINE void StoreTiles(const Geometry& g, const conv::Tiles& tiles, const TileSource& source, const Channels& channels, const float* bias,
                           bool relu, float largest, const Products& m, std::int64_t first, std::int64_t count, float* dst) {
  const V most = hn::Set(D(), largest);
  const std::int64_t end = HWY_MIN(channels.end, g.out_channels);
  EachTile(tiles, first, count, [&](std::int64_t t, std::int64_t image, std::int64_t tile_y, std::int64_t tile_x) {
    const std::int64_t y = kTile * tile_y, x = kTile * tile_x;
    const std::int64_t height = g.out_height - y, width = g.out_width - x;  // part of the tile inside the map, if less than kTile
    float* at = dst + image * g.dst_image + y * g.dst_row + x * g.dst_pixel;
    const OutputTile<kTile> tile(g, source, image, y, x);
    for (std::int64_t k = channels.begin; k < end; k += lanes) {
      const std::int64_t part = HWY_MIN(lanes, end - k);
      V cells[kTile * kTile];
      tile.Cells(m.at + t * m.tile, m.point, k, bias != nullptr ? LoadCount(bias + k, part) : hn::Zero(D()), cells);
#pragma GCC unroll 4
      for (int a = 0; a < kTile; ++a)
#pragma GCC unroll 4
        for (int b = 0; b < kTile; ++b)
          if (a < height && b < width) {
            const V cell = relu ? hn::Min(most, Relu(cells[kTile * a + b])) : cells[kTile * a + b];  // in this order NaN stays
            StoreCount(cell, at + a * g.dst_row + b * g.dst_pixel + k, part);
          }
    }
  });
}

}  // namespace linn::detail::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
