// The transforms of Winograd's F(2x2, 3x3) and F(4x4, 3x3), for the files that put products between them. Included once a target.
#if defined(LINN_KERNELS_CONV_WINOGRAD_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LINN_KERNELS_CONV_WINOGRAD_INL_H
#undef LINN_KERNELS_CONV_WINOGRAD_INL_H
#else
#define LINN_KERNELS_CONV_WINOGRAD_INL_H
#endif

#include <hwy/highway.h>

#include <cstdint>
#include <type_traits>

#include "kernels/conv/pooling-inl.h"
#include "kernels/conv/winograd.h"
#include "kernels/gemm/contract.h"

HWY_BEFORE_NAMESPACE();
namespace linn::kernels::HWY_NAMESPACE {

/// Calls visit(t, image, y, x) for tiles first, first + 1, ... of all tiles of a call, t = 0, 1, ...
template <class Visit>
HWY_INLINE void EachTile(const conv::Tiles& tiles, std::int64_t first, std::int64_t count, const Visit& visit) {
  std::int64_t image = first / tiles.count(), y = 0, x = first % tiles.count();  // x: of all that lie in this row and below
  const auto left_out = [&] { return y < tiles.without_rows ? tiles.without_columns : 0; };
  const auto to_the_row = [&] {
    for (; x >= tiles.width - left_out(); ++y) {
      x -= tiles.width - left_out();
      if (y + 1 == tiles.height) y = -1, ++image;
    }
  };
  to_the_row();
  for (std::int64_t t = 0; t < count; ++t, ++x, to_the_row()) visit(t, image, y, left_out() + x);
}

/// Pixels along a side of the patch that a tile sees.
template <int kTile>
inline constexpr int patch_of = kTile + 2;

/// The points at which F(4x4, 3x3) multiplies polynomials are 0, +-p, +-q and infinity: see winograd_map.cc. What B^T and A^T multiply
/// with are products and sums of these two, exact in float32; only G has quotients.
inline constexpr float point_p = 0.625f, point_q = 1.5f;
inline constexpr float p2 = point_p * point_p, q2 = point_q * point_q;
inline constexpr float g_at_0 = 1 / (p2 * q2), g_at_p = 0.5f / (p2 * (p2 - q2)), g_at_q = 0.5f / (q2 * (q2 - p2));

HWY_INLINE V Constant(float value) { return hn::Set(D(), value); }

/// b = B^T d of one column (or row) of a patch, at a distance of `step` vectors.
template <int kTile>
HWY_INLINE void TransformLine(V* d, int step) {
  const V d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step];
  if constexpr (kTile == 2) {
    d[0] = hn::Sub(d0, d2);
    d[step] = hn::Add(d1, d2);
    d[2 * step] = hn::Sub(d2, d1);
    d[3 * step] = hn::Sub(d1, d3);
  } else {
    // x (x^2 - p^2) (x^2 - q^2) without one of its roots, or with all, for each point.
    const V d4 = d[4 * step], d5 = d[5 * step], p = Constant(point_p), q = Constant(point_q);
    const V even_p = hn::NegMulAdd(Constant(q2), d2, d4), odd_p = hn::NegMulAdd(Constant(q2), d1, d3);
    const V even_q = hn::NegMulAdd(Constant(p2), d2, d4), odd_q = hn::NegMulAdd(Constant(p2), d1, d3);
    d[0] = hn::NegMulAdd(Constant(p2), hn::NegMulAdd(Constant(q2), d0, d2), even_p);
    d[step] = hn::MulAdd(p, odd_p, even_p);
    d[2 * step] = hn::NegMulAdd(p, odd_p, even_p);
    d[3 * step] = hn::MulAdd(q, odd_q, even_q);
    d[4 * step] = hn::NegMulAdd(q, odd_q, even_q);
    d[5 * step] = hn::NegMulAdd(Constant(p2), odd_p, hn::NegMulAdd(Constant(q2), d3, d5));
  }
}

/// B^T d B of a patch, row by row.
template <int kTile>
HWY_INLINE void TransformSquare(V* d) {
  constexpr int size = patch_of<kTile>;
#pragma GCC unroll 6
  for (int j = 0; j < size; ++j) TransformLine<kTile>(d + j, size);
#pragma GCC unroll 6
  for (int i = 0; i < size; ++i) TransformLine<kTile>(d + size * i, 1);
}

/// One vector of channels of one tile, transformed: d[i][j] lies at src + i * row + j * pixel where the map has it, else it is zero.
/// kInside: all of it lies in the map, and there is a whole vector.
template <int kTile, bool kInside>
HWY_INLINE void LoadPatch(const Geometry& g, const float* src, std::int64_t y, std::int64_t x, std::int64_t count, V* patch) {
  constexpr int size = patch_of<kTile>;
  const D d;
#pragma GCC unroll 6
  for (int i = 0; i < size; ++i)
#pragma GCC unroll 6
    for (int j = 0; j < size; ++j) {
      const float* at = src + i * g.src_row + j * g.src_pixel;
      if (kInside)
        patch[size * i + j] = hn::LoadU(d, at);
      else if (y + i < 0 || y + i >= g.height || x + j < 0 || x + j >= g.width)
        patch[size * i + j] = hn::Zero(d);
      else
        patch[size * i + j] = LoadCount(at, count);
    }
  TransformSquare<kTile>(patch);
}

/// Calls visit(t, c, patch, y, x, count, whole) for the vectors of channels c, c + 1, ... of tiles first, first + 1, ..., whose patch
/// begins at `patch`, row y and column x of the map. whole: LoadPatch<kTile, true> may be used.
template <int kTile, class Visit>
HWY_INLINE void EachPatch(const Geometry& g, const conv::Tiles& tiles, const float* src, std::int64_t first, std::int64_t count,
                          const Visit& visit) {
  constexpr int size = patch_of<kTile>;
  EachTile(tiles, first, count, [&](std::int64_t t, std::int64_t image, std::int64_t tile_y, std::int64_t tile_x) {
    const std::int64_t y = kTile * tile_y - g.pad_top, x = kTile * tile_x - g.pad_left;
    const float* patch = src + image * g.src_image + y * g.src_row + x * g.src_pixel;
    const bool inside = y >= 0 && y + size <= g.height && x >= 0 && x + size <= g.width;
    for (std::int64_t c = 0; c < g.channels; c += lanes) {
      const std::int64_t part = HWY_MIN(lanes, g.channels - c);
      visit(t, c, patch + c, y, x, part, inside && part == lanes);
    }
  });
}

template <int kTile, bool kInside>
HWY_NOINLINE void TransformPatch(const Geometry& g, const float* src, std::int64_t y, std::int64_t x, std::int64_t count, float* v,
                                 std::int64_t v_point) {
  constexpr int points = conv::points_of(kTile);
  V patch[points];
  LoadPatch<kTile, kInside>(g, src, y, x, count, patch);
#pragma GCC unroll 36
  for (int p = 0; p < points; ++p) hn::Store(patch[p], D(), v + p * v_point);
}

/// V[point][tile][channel] of tiles first, first + 1, ...
template <int kTile>
HWY_INLINE void TransformPatches(const Geometry& g, const conv::Tiles& tiles, const float* src, std::int64_t first, std::int64_t count,
                                 float* v, std::int64_t v_tile, std::int64_t v_point) {
  EachPatch<kTile>(g, tiles, src, first, count,
                   [&](std::int64_t t, std::int64_t c, const float* patch, std::int64_t y, std::int64_t x, std::int64_t part, bool whole) {
                     (whole ? TransformPatch<kTile, true> : TransformPatch<kTile, false>)(g, patch, y, x, part, v + t * v_tile + c,
                                                                                          v_point);
                   });
}

/// u = G g of three taps at a distance of `step`; a result for each point.
template <int kTile>
HWY_INLINE void TransformTapLine(V g0, V g1, V g2, V* u, int step) {
  if constexpr (kTile == 2) {
    const V half = Constant(0.5f), sum = hn::Mul(half, hn::Add(g0, g2)), middle = hn::Mul(half, g1);
    u[0] = g0;
    u[step] = hn::Add(sum, middle);
    u[2 * step] = hn::Sub(sum, middle);
    u[3 * step] = g2;
  } else {
    // The polynomial of the taps at each point, over what B^T left there of x (x^2 - p^2) (x^2 - q^2).
    const V p = Constant(point_p), even_p = hn::MulAdd(Constant(p2), g2, g0), q = Constant(point_q),
            even_q = hn::MulAdd(Constant(q2), g2, g0);
    const V by_p = Constant(g_at_p), by_q = Constant(g_at_q);
    u[0] = hn::Mul(Constant(g_at_0), g0);
    u[step] = hn::Mul(by_p, hn::MulAdd(p, g1, even_p));
    u[2 * step] = hn::Mul(by_p, hn::NegMulAdd(p, g1, even_p));
    u[3 * step] = hn::Mul(by_q, hn::MulAdd(q, g1, even_q));
    u[4 * step] = hn::Mul(by_q, hn::NegMulAdd(q, g1, even_q));
    u[5 * step] = g2;
  }
}

/// U = G g G^T of channel c and the output channels from k on, zeros beyond the last of either. turned: the taps are taken from the last
/// to the first.
template <int kTile>
HWY_INLINE void TransformTaps(const Geometry& g, const float* kernel, std::int64_t c, std::int64_t k, V* u, bool turned = false) {
  constexpr int size = patch_of<kTile>;
  V taps[9], half[3 * size];
  for (int t = 0; t < 9; ++t) {
    const float* at = kernel + ((turned ? 8 - t : t) * g.channels + c) * g.out_channels + k;
    taps[t] = c < g.channels && k < g.out_channels ? LoadCount(at, g.out_channels - k) : hn::Zero(D());
  }
  for (int j = 0; j < 3; ++j) TransformTapLine<kTile>(taps[j], taps[3 + j], taps[6 + j], half + j, 3);
  for (int i = 0; i < size; ++i) TransformTapLine<kTile>(half[3 * i], half[3 * i + 1], half[3 * i + 2], u + size * i, 1);
}

/// U of all channels, as WinogradLayout says.
template <int kTile>
HWY_INLINE void PackTaps(const Geometry& g, const float* kernel, bool turned, float* packed) {
  const conv::WinogradLayout layout(g, kTile);
  for (std::int64_t first = 0; first < layout.outputs; first += conv::winograd_panel) {
    const std::int64_t columns = HWY_MIN(conv::winograd_panel, layout.outputs - first);
    for (std::int64_t c = 0; c < g.channels; ++c)
      for (std::int64_t k = 0; k < columns; k += lanes) {
        V u[conv::points_of(kTile)];
        TransformTaps<kTile>(g, kernel, c, first + k, u, turned);
        float* at = packed + first * g.channels + c * columns + k;
        for (std::int64_t p = 0; p < layout.points; ++p) hn::StoreU(u[p], D(), at + p * layout.u_point);
      }
  }
}

/// M[point][tile][output channel]: the products of a chunk of tiles.
struct Products {
  const float* at;
  std::int64_t point, tile;  // from one to the next
};

/// Calls finish(products, first, count) for the chunks of a call's tiles one after the other. `packed`: from PackTaps.
template <int kTile, class Finish>
HWY_INLINE void EachChunk(const Geometry& g, const conv::Tiles& tiles, std::int64_t images, const float* src, const float* packed,
                          float* scratch, const Finish& finish) {
  const Contract contract = contract_for_cpu();
  const conv::WinogradLayout layout(g, kTile);
  const std::int64_t all = images * tiles.count();
  // Scratch comes aligned to a vector from the planner; a caller's may not be.
  auto* v = core::align_up<float>(scratch, 64);
  float* m = v + layout.points * layout.v_point;
  for (std::int64_t first = 0; first < all; first += layout.tiles) {
    const std::int64_t count = HWY_MIN(layout.tiles, all - first);
    TransformPatches<kTile>(g, tiles, src, first, count, v, layout.channels, layout.v_point);
    for (std::int64_t p = 0; p < layout.points; ++p)
      for (std::int64_t k = 0; k < layout.outputs; k += conv::winograd_panel) {
        const std::int64_t columns = HWY_MIN(conv::winograd_panel, layout.outputs - k);
        contract({.rows = {1, 1, count},
                  .a_row = {0, 0, layout.channels},
                  .c_row = {0, 0, layout.outputs},
                  .terms = {1, 1, g.channels},
                  .a_term = {0, 0, 1},
                  .b_term = {0, 0, columns},
                  .columns = columns,
                  .a = v + p * layout.v_point,
                  .b = packed + p * layout.u_point + k * g.channels,
                  .c = m + p * layout.m_point + k});
      }
    finish(Products{m, layout.m_point, layout.outputs}, first, count);
  }
}

/// The same for both sizes of tiles: finish(size, tiles, products, first, count). `packed`: from PackTileSizes.
template <class Finish>
HWY_INLINE void EachTileSize(const Geometry& g, const conv::TileCut& cut, std::int64_t images, const float* src, const float* packed,
                             float* scratch, const Finish& finish) {
  const auto run = [&](auto tile, const conv::Tiles& tiles, const float* u) {
    EachChunk<tile>(g, tiles, images, src, u, scratch,
                    [&](const Products& m, std::int64_t first, std::int64_t count) { finish(tile, tiles, m, first, count); });
  };
  if (cut.fours.count() > 0) run(std::integral_constant<int, 4>(), cut.fours, packed);
  if (cut.twos.count() > 0) run(std::integral_constant<int, 2>(), cut.twos, packed + conv::packed_fours(g, cut));
}

HWY_INLINE void PackTileSizes(const Geometry& g, const conv::TileCut& cut, const float* kernel, bool turned, float* packed) {
  if (cut.fours.count() > 0) PackTaps<4>(g, kernel, turned, packed);
  if (cut.twos.count() > 0) PackTaps<2>(g, kernel, turned, packed + conv::packed_fours(g, cut));
}

/// y = A^T m of one column (or row) of products: kTile results, y_step apart.
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

/// The outputs A^T M A, row by row, of one vector of output channels of one tile.
template <int kTile>
HWY_INLINE void InverseTile(const float* m, std::int64_t m_point, V bias, V* cells) {
  constexpr int size = patch_of<kTile>;
  V half[kTile * size];
#pragma GCC unroll 6
  for (int j = 0; j < size; ++j) {
    V column[size];
#pragma GCC unroll 6
    for (int i = 0; i < size; ++i) column[i] = hn::Load(D(), m + (size * i + j) * m_point);
    // At the point 1 the inverse spreads what is added to all outputs.
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

/// What a tile is made of.
struct Origin {
  const float* src;
  const float* kernel;  // [3, 3, channels, out channels]
  bool turned;          // as in TransformTaps
  bool mends;           // tiles in which anything is not finite are made again by the definition
};

/// One vector of output channels, from k on, of the tile that begins at output (y, x), by the definition.
template <int kTile>
HWY_NOINLINE void DirectTile(const Geometry& g, const Origin& origin, std::int64_t image, std::int64_t y, std::int64_t x, std::int64_t k,
                             V bias, V* cells) {
  const std::int64_t part = HWY_MIN(lanes, g.out_channels - k);
  for (int cell = 0; cell < kTile * kTile; ++cell) {
    V sum = bias;
    for (std::int64_t t = 0; t < 9; ++t) {
      const std::int64_t row = y + cell / kTile + t / 3 - g.pad_top, column = x + cell % kTile + t % 3 - g.pad_left;
      if (row < 0 || row >= g.height || column < 0 || column >= g.width) continue;
      const float* pixel = origin.src + image * g.src_image + row * g.src_row + column * g.src_pixel;
      const float* taps = origin.kernel + (origin.turned ? 8 - t : t) * g.channels * g.out_channels + k;
      for (std::int64_t c = 0; c < g.channels; ++c)
        sum = hn::MulAdd(hn::Set(D(), pixel[c]), LoadCount(taps + c * g.out_channels, part), sum);
    }
    cells[cell] = sum;
  }
}

/// Whether all channels of the pixel are zero, or it lies beyond the map.
HWY_INLINE bool IsBlank(const Geometry& g, const float* image, std::int64_t y, std::int64_t x) {
  if (y < 0 || y >= g.height || x < 0 || x >= g.width) return true;
  const float* pixel = image + y * g.src_row + x * g.src_pixel;
  for (std::int64_t c = 0; c < g.channels; c += lanes)
    if (!hn::AllTrue(D(), hn::Eq(LoadCount(pixel + c, HWY_MIN(lanes, g.channels - c)), hn::Zero(D())))) return false;
  return true;
}

/// A bit for each output of a tile of 4x4, row by row, that sees nothing but zeros. Its patch begins at pixel (y, x).
HWY_INLINE std::uint32_t BlankOutputs(const Geometry& g, const float* image, std::int64_t y, std::int64_t x) {
  // Each output sees one of the four pixels in the middle at least: most patches are decided there.
  bool middle = false;
  for (int pixel = 0; pixel < 4; ++pixel) middle = middle || IsBlank(g, image, y + 2 + pixel / 2, x + 2 + pixel % 2);
  if (HWY_LIKELY(!middle)) return 0;
  std::uint32_t rows[6], outputs = 0;  // of each row of the patch, which columns of outputs see nothing there
  for (int i = 0; i < 6; ++i) {
    std::uint32_t blank = 0;
    for (int j = 0; j < 6; ++j) blank |= std::uint32_t{IsBlank(g, image, y + i, x + j)} << j;
    rows[i] = blank & blank >> 1 & blank >> 2;
  }
  for (int a = 0; a < 4; ++a) outputs |= (rows[a] & rows[a + 1] & rows[a + 2]) << 4 * a;
  return outputs;
}

/// One tile on its way back: the outputs from (y, x) on of an image.
template <int kTile>
class FinishedTile {
 public:
  FinishedTile(const Geometry& g, const Origin& origin, std::int64_t image, std::int64_t y, std::int64_t x)
      : g_(g), origin_(origin), image_(image), y_(y), x_(x) {
    if constexpr (kTile == 4) blank_ = BlankOutputs(g, origin.src + image * g.src_image, y - g.pad_top, x - g.pad_left);
  }

  /// The outputs of one vector of output channels, from k on: the inverse transform of its products. Where tiles of 4x4 are among a call's,
  /// two things are mended that their transforms would spread over outputs which do not see them: a tile in which anything is not finite
  /// is made again, and what sees nothing but zeros is set to the bias.
  HWY_INLINE void Cells(const float* m, std::int64_t m_point, std::int64_t k, V bias, V* cells) const {
    InverseTile<kTile>(m + k, m_point, bias, cells);
    if (kTile == 2 && !origin_.mends) return;
    V sum = cells[0];
#pragma GCC unroll 16
    for (int a = 1; a < kTile * kTile; ++a) sum = hn::Add(sum, cells[a]);
    if (HWY_UNLIKELY(AnyNan(hn::Sub(sum, sum))))
      DirectTile<kTile>(g_, origin_, image_, y_, x_, k, bias, cells);
    else if (kTile == 4 && HWY_UNLIKELY(blank_ != 0))
      for (int a = 0; a < kTile * kTile; ++a)
        if ((blank_ >> a & 1) != 0) cells[a] = bias;
  }

 private:
  const Geometry& g_;
  const Origin& origin_;
  std::int64_t image_, y_, x_;
  std::uint32_t blank_ = 0;
};

/// Tiles first, first + 1, ... of a call from their products to the map that `g` writes.
template <int kTile>
HWY_INLINE void StoreTiles(const Geometry& g, const conv::Tiles& tiles, const Origin& origin, const float* bias, bool relu, const Products& m, std::int64_t first,
                           std::int64_t count, float* dst) {
  EachTile(tiles, first, count, [&](std::int64_t t, std::int64_t image, std::int64_t tile_y, std::int64_t tile_x) {
    const std::int64_t y = kTile * tile_y, x = kTile * tile_x;
    const std::int64_t height = g.out_height - y, width = g.out_width - x;  // of the tile's part in the map, if less than kTile
    float* at = dst + image * g.dst_image + y * g.dst_row + x * g.dst_pixel;
    const FinishedTile<kTile> tile(g, origin, image, y, x);
    for (std::int64_t k = 0; k < g.out_channels; k += lanes) {
      const std::int64_t part = HWY_MIN(lanes, g.out_channels - k);
      V cells[kTile * kTile];
      tile.Cells(m.at + t * m.tile, m.point, k, bias != nullptr ? LoadCount(bias + k, part) : hn::Zero(D()), cells);
#pragma GCC unroll 4
      for (int a = 0; a < kTile; ++a)
#pragma GCC unroll 4
        for (int b = 0; b < kTile; ++b)
          if (a < height && b < width)
            StoreCount(relu ? Relu(cells[kTile * a + b]) : cells[kTile * a + b], at + a * g.dst_row + b * g.dst_pixel + k, part);
    }
  });
}

/// A y of kTile gradients; a result for each point, `step` apart. Of two the last has its sign turned.
template <int kTile>
HWY_INLINE void TransformGradientLine(const V* y, V* w, int step) {
  if constexpr (kTile == 2) {
    w[0] = y[0];
    w[step] = hn::Add(y[0], y[1]);
    w[2 * step] = hn::Sub(y[0], y[1]);
    w[3 * step] = y[1];
  } else {
    const V p = Constant(point_p), even_p = hn::MulAdd(Constant(p2), y[2], y[0]), odd_p = hn::MulAdd(Constant(p2), y[3], y[1]);
    const V q = Constant(point_q), even_q = hn::MulAdd(Constant(q2), y[2], y[0]), odd_q = hn::MulAdd(Constant(q2), y[3], y[1]);
    w[0] = y[0];
    w[step] = hn::MulAdd(p, odd_p, even_p);
    w[2 * step] = hn::NegMulAdd(p, odd_p, even_p);
    w[3 * step] = hn::MulAdd(q, odd_q, even_q);
    w[4 * step] = hn::NegMulAdd(q, odd_q, even_q);
    w[5 * step] = y[3];
  }
}

/// A dY A^T of one vector of output channels of one tile. No output beyond the map, which has `height` x `width` of the tile, or beyond the
/// last channel, has a gradient.
template <int kTile>
HWY_INLINE void LoadGradient(const Geometry& g, const float* ddst, std::int64_t height, std::int64_t width, std::int64_t count, V* tile) {
  constexpr int size = patch_of<kTile>;
  V half[size * kTile];
#pragma GCC unroll 4
  for (int b = 0; b < kTile; ++b) {
    V column[kTile];
#pragma GCC unroll 4
    for (int a = 0; a < kTile; ++a)
      column[a] = a < height && b < width && count > 0 ? LoadCount(ddst + a * g.dst_row + b * g.dst_pixel, count) : hn::Zero(D());
    TransformGradientLine<kTile>(column, half + b, kTile);
  }
#pragma GCC unroll 6
  for (int i = 0; i < size; ++i) TransformGradientLine<kTile>(half + kTile * i, tile + size * i, 1);
}

/// g = G^T u of the sums of all points, u_step apart: three taps, g_step apart.
template <int kTile>
HWY_INLINE void InverseTapLine(const V* u, int u_step, V* g, int g_step) {
  const V u1 = u[u_step], u2 = u[2 * u_step], u3 = u[3 * u_step];
  if constexpr (kTile == 2) {
    const V half = Constant(0.5f), sum = hn::Mul(half, hn::Add(u1, u2));
    g[0] = hn::Add(u[0], sum);
    g[g_step] = hn::Mul(half, hn::Sub(u1, u2));
    g[2 * g_step] = hn::Sub(sum, u3);
  } else {
    const V u4 = u[4 * u_step], even_p = hn::Mul(Constant(g_at_p), hn::Add(u1, u2)), odd_p = hn::Mul(Constant(g_at_p), hn::Sub(u1, u2));
    const V even_q = hn::Mul(Constant(g_at_q), hn::Add(u3, u4)), odd_q = hn::Mul(Constant(g_at_q), hn::Sub(u3, u4));
    g[0] = hn::MulAdd(Constant(g_at_0), u[0], hn::Add(even_p, even_q));
    g[g_step] = hn::MulAdd(Constant(point_p), odd_p, hn::Mul(Constant(point_q), odd_q));
    g[2 * g_step] = hn::MulAdd(Constant(p2), even_p, hn::MulAdd(Constant(q2), even_q, u[5 * u_step]));
  }
}

/// G^T sums G of all channels: sums[point][channel][output] to the kernel's gradient.
template <int kTile>
HWY_INLINE void InverseTaps(const Geometry& g, const float* sums, std::int64_t sum_point, std::int64_t outputs, float* dkernel) {
  constexpr int size = patch_of<kTile>;
  const D d;
  for (std::int64_t c = 0; c < g.channels; ++c)
    for (std::int64_t k = 0; k < g.out_channels; k += lanes) {
      V u[size * size], half[3 * size], taps[9];
      for (int p = 0; p < size * size; ++p) u[p] = hn::Load(d, sums + p * sum_point + c * outputs + k);
      for (int j = 0; j < size; ++j) InverseTapLine<kTile>(u + j, size, half + j, size);
      for (int i = 0; i < 3; ++i) InverseTapLine<kTile>(half + size * i, 1, taps + 3 * i, 1);
      for (int t = 0; t < 9; ++t) StoreCount(taps[t], dkernel + (t * g.channels + c) * g.out_channels + k, g.out_channels - k);
    }
}

template <int kTile, Pooled kPooled>
HWY_NOINLINE void PoolTilesAs(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args, const Origin& origin, const conv::Tiles& tiles,
                              const Products& m, std::int64_t first, std::int64_t count) {
  constexpr int windows = kTile / 2;  // along a side
  const Geometry& pool = problem.pool;
  const std::int64_t outputs = problem.conv.out_channels;
  const bool relu = problem.activation == Activation::relu;
  EachTile(tiles, first, count, [&](std::int64_t t, std::int64_t image, std::int64_t tile_y, std::int64_t tile_x) {
    const std::int64_t y = windows * tile_y, x = windows * tile_x;
    float* dst = args.dst + image * pool.dst_image + y * pool.dst_row + x * pool.dst_pixel;
    std::uint8_t* argmax = nullptr;
    if (kPooled == Pooled::argmax) argmax = args.argmax + ((image * pool.out_height + y) * pool.out_width + x) * outputs;
    const FinishedTile<kTile> tile(problem.conv, origin, image, 2 * y, 2 * x);
    for (std::int64_t k = 0; k < outputs; k += lanes) {
      const std::int64_t part = HWY_MIN(lanes, outputs - k);
      const V bias = problem.bias ? LoadCount(args.bias + k, part) : hn::Zero(D());
      V cells[kTile * kTile];
      tile.Cells(m.at + t * m.tile, m.point, k, bias, cells);
#pragma GCC unroll 2
      for (int a = 0; a < windows; ++a)
#pragma GCC unroll 2
        for (int b = 0; b < windows; ++b) {
          if (windows > 1 && (y + a >= pool.out_height || x + b >= pool.out_width)) continue;
          const V* cell = cells + 2 * (kTile * a + b);
          PoolCells<kPooled>(cell[0], cell[1], cell[kTile], cell[kTile + 1], relu, dst + a * pool.dst_row + b * pool.dst_pixel + k,
                             kPooled == Pooled::argmax ? argmax + (a * pool.out_width + b) * outputs + k : nullptr, part);
        }
    }
  });
}

/// Tiles first, first + 1, ... of a call from their products to dst and argmax.
template <int kTile>
HWY_INLINE void PoolTiles(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args, const Origin& origin, const conv::Tiles& tiles,
                          const Products& m, std::int64_t first, std::int64_t count) {
  if (problem.kind == PoolKind::average)
    PoolTilesAs<kTile, Pooled::average>(problem, args, origin, tiles, m, first, count);
  else if (problem.argmax)
    PoolTilesAs<kTile, Pooled::argmax>(problem, args, origin, tiles, m, first, count);
  else
    PoolTilesAs<kTile, Pooled::max>(problem, args, origin, tiles, m, first, count);
}

}  // namespace linn::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
