// Transforms of patches and taps for Winograd's F(2x2, 3x3) and F(4x4, 3x3). Included once for each target.
#if defined(LINN_KERNELS_CONV_WINOGRAD_TRANSFORMS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LINN_KERNELS_CONV_WINOGRAD_TRANSFORMS_INL_H
#undef LINN_KERNELS_CONV_WINOGRAD_TRANSFORMS_INL_H
#else
#define LINN_KERNELS_CONV_WINOGRAD_TRANSFORMS_INL_H
#endif

#include <hwy/highway.h>

#include <cstdint>

#include "kernels/conv/winograd_layout.h"
#include "kernels/gemm/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::HWY_NAMESPACE {

/// Calls visit(t, image, y, x) for t = 0 .. count - 1: tile first + t of a call, at row y and column x of the tiles of its image.
template <class Visit>
HWY_INLINE void EachTile(const conv::Tiles& tiles, std::int64_t first, std::int64_t count, const Visit& visit) {
  std::int64_t image = first / tiles.count(), y = 0, x = first % tiles.count();  // x: number of the tile, counted from the first tile of row y
  const auto left_out = [&] { return y < tiles.without_rows ? tiles.without_columns : 0; };
  const auto go_to_row = [&] {
    for (; x >= tiles.width - left_out(); ++y) {
      x -= tiles.width - left_out();
      if (y + 1 == tiles.height) y = -1, ++image;
    }
  };
  go_to_row();
  for (std::int64_t t = 0; t < count; ++t, ++x, go_to_row()) visit(t, image, y, left_out() + x);
}

/// Side of a tile's patch in pixels.
template <int kTile>
inline constexpr int patch_of = kTile + 2;

/// Interpolation points of F(4x4, 3x3): 0, +-p, +-q and infinity (why: winograd_map.cc). The entries of B^T and A^T are products and sums
/// of p and q, exact in float32; only the entries of G are rounded quotients.
inline constexpr float point_p = 0.625f, point_q = 1.5f;
inline constexpr float p2 = point_p * point_p, q2 = point_q * point_q;
inline constexpr float g_at_0 = 1 / (p2 * q2), g_at_p = 0.5f / (p2 * (p2 - q2)), g_at_q = 0.5f / (q2 * (q2 - p2));

HWY_INLINE V Constant(float value) { return hn::Set(D(), value); }

/// b = B^T d for one column or row of a patch, in place. Its elements are `step` vectors apart.
template <int kTile>
HWY_INLINE void TransformLine(V* d, int step) {
  const V d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step];
  if constexpr (kTile == 2) {
    d[0] = hn::Sub(d0, d2);
    d[step] = hn::Add(d1, d2);
    d[2 * step] = hn::Sub(d2, d1);
    d[3 * step] = hn::Sub(d1, d3);
  } else {
    // The row of B^T for a finite point has the coefficients of x (x^2 - p^2) (x^2 - q^2) without that root; for infinity, with all roots.
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

/// B^T d B of a patch, stored row by row, in place.
template <int kTile>
HWY_INLINE void TransformSquare(V* d) {
  constexpr int size = patch_of<kTile>;
#pragma GCC unroll 6
  for (int j = 0; j < size; ++j) TransformLine<kTile>(d + j, size);
#pragma GCC unroll 6
  for (int i = 0; i < size; ++i) TransformLine<kTile>(d + size * i, 1);
}

/// patch = B^T d B for one vector of channels of one tile, with d[i][j] at src + i * row + j * pixel, and zero outside the map.
/// kInside: the patch lies inside the map and the vector has all its channels.
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

/// Calls visit(t, c, patch, y, x, count, whole) for each tile first + t and each vector of `count` channels from c on. `patch` points to
/// channel c of the patch's first pixel, which is at row y and column x of the map. whole: LoadPatch<kTile, true> may be used.
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

/// V[point] of one vector of channels of one tile.
template <int kTile, bool kInside>
HWY_NOINLINE void TransformPatch(const Geometry& g, const float* src, std::int64_t y, std::int64_t x, std::int64_t count, float* v,
                                 std::int64_t v_point) {
  constexpr int points = conv::points_of(kTile);
  V patch[points];
  LoadPatch<kTile, kInside>(g, src, y, x, count, patch);
#pragma GCC unroll 36
  for (int p = 0; p < points; ++p) hn::Store(patch[p], D(), v + p * v_point);
}

/// Writes V[point][tile][channel] for `count` tiles from `first` on.
template <int kTile>
HWY_INLINE void TransformPatches(const Geometry& g, const conv::Tiles& tiles, const float* src, std::int64_t first, std::int64_t count,
                                 float* v, std::int64_t v_tile, std::int64_t v_point) {
  EachPatch<kTile>(g, tiles, src, first, count,
                   [&](std::int64_t t, std::int64_t c, const float* patch, std::int64_t y, std::int64_t x, std::int64_t part, bool whole) {
                     (whole ? TransformPatch<kTile, true> : TransformPatch<kTile, false>)(g, patch, y, x, part, v + t * v_tile + c,
                                                                                          v_point);
                   });
}

/// u = G g of three taps: one result for each point, `step` vectors apart.
template <int kTile>
HWY_INLINE void TransformTapLine(V g0, V g1, V g2, V* u, int step) {
  if constexpr (kTile == 2) {
    const V half = Constant(0.5f), sum = hn::Mul(half, hn::Add(g0, g2)), middle = hn::Mul(half, g1);
    u[0] = g0;
    u[step] = hn::Add(sum, middle);
    u[2 * step] = hn::Sub(sum, middle);
    u[3 * step] = g2;
  } else {
    // The polynomial g0 + g1 x + g2 x^2 at each point, divided by x (x^2 - p^2) (x^2 - q^2) without that point's root.
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

/// U = G g G^T for channel c and one vector of output channels from k on; zeros for channels beyond the last. turned: the taps are used
/// from the last to the first.
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

/// Writes U of all channels in the layout of WinogradLayout.
template <int kTile>
HWY_INLINE void PackTaps(const Geometry& g, const float* kernel, bool turned, float* packed) {
  const conv::WinogradLayout layout(g, kTile);
  for (std::int64_t first = 0; first < layout.outputs; first += layout.panel) {
    const std::int64_t columns = HWY_MIN(layout.panel, layout.outputs - first);
    for (std::int64_t c = 0; c < g.channels; ++c)
      for (std::int64_t k = 0; k < columns; k += lanes) {
        V u[conv::points_of(kTile)];
        TransformTaps<kTile>(g, kernel, c, first + k, u, turned);
        float* at = packed + first * g.channels + c * layout.panel + k;
        for (std::int64_t p = 0; p < layout.points; ++p) hn::StoreU(u[p], D(), at + p * layout.u_point);
      }
  }
}

}  // namespace linn::detail::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
