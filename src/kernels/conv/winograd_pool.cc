// ConvPoolForward by Winograd's forms (Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016):
//   F(2x2, 3x3): 16 products for a tile of 2x2 outputs (direct form: 36); a tile is one pooling window.
//   F(4x4, 3x3): 36 products for a tile of 4x4 outputs (direct form: 144); a tile is four pooling windows. Used with many channels.
// The inverse transform, bias, activation and pooling run in registers, and the map is never stored.
//
// Loop nest:  for each chunk of tiles (of all images of the call, about 512 KiB of V and M)
//               for each tile, vector of channels: V[16][tile][channel] = B^T (4x4 patch) B
//               for each of 16 points, panel of 32 output channels: M[point] = V[point] U[point], the tiles of gemm/contract.inc
//               for each tile, vector of output channels: A^T M A, pooled
// U[16][panel][channel][out channel] = G (3x3 taps) G^T is the packed kernel, computed once for each step. The bias is added to M[1][1], which the
// inverse transform adds to all four outputs. (4x4: 36 points, 6x6 patches, and the bias is added at the end.)
// If 4 does not divide the outputs, tiles of 2x2 compute the rest where that is cheaper (cut_of). Then U of both sizes is packed.
// Registers:  16 of the patch or the tile, and a few. Of 4x4 the patch's 36 are half on the stack.
// Bound:      |error| <= c eps |A^T| [(|G||g||G^T|) . (|B^T||d||B|)] |A|, not the direct form's; of 4x4 see winograd_map.cc. An infinity in a
//             patch makes NaN of its whole tile (of 4x4 not). Not position invariant: a pixel's sum depends on its place in the tile.
// Measured:   see docs/engine.md.
#include "kernels/conv/fused.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/winograd_pool.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "kernels/conv/winograd_pool-inl.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::HWY_NAMESPACE {
namespace {

void winograd(const ConvPoolForward::Problem& problem, const conv::TileCut& cut, const conv::TileCut& whole,
              const ConvPoolForward::Args<float>& args) {
  const TileSource source = {args.src, args.kernel, false, whole.fours.count() > 0};
  EachTileSize(problem.conv, cut, whole, {}, args.images, args.src, args.packed, args.scratch,
               [&](auto tile, const conv::Tiles& tiles, const Products& m, std::int64_t first, std::int64_t count) {
                 PoolTiles<tile>(problem, args, source, tiles, m, first, count);
               });
}

void winograd_kernel(const ConvPoolForward::Problem& problem, const conv::TileCut& cut, const float* kernel, float* packed) {
  PackTileSizes(problem.conv, cut, kernel, false, packed);
}

}  // namespace
}  // namespace linn::detail::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels {
HWY_EXPORT(winograd);
HWY_EXPORT(winograd_kernel);

namespace conv {

template <int kTile>
std::optional<typename WinogradPoolOf<kTile>::State> WinogradPoolOf<kTile>::prepare(const ConvPoolForward::Problem& problem, const Policy&) {
  const Geometry &g = problem.conv, &pool = problem.pool;
  if (!is_winograd(g) || !is_two_by_two(pool) || !is_linear_or_relu(problem.activation)) return std::nullopt;
  // The transforms take channels as lanes.
  if (kTile == 2 ? g.channels < 8 : !has_winograd4_channels(g)) return std::nullopt;
  const State state = {window_cut(g, pool, kTile == 4), g.pad_top};
  if (kTile == 4 && state.cut.fours.count() == 0) return std::nullopt;
  return state;
}

template <int kTile>
double WinogradPoolOf<kTile>::cost(const ConvPoolForward::Problem& problem, const State& state) {
  const double raised = kTile == 2 ? 1 : least_gain;  // beside tiles of 2x2, as the direct form has no chance
  return raised * static_cast<double>(winograd_cost(problem.conv, state.cut));
}

template <int kTile>
std::int64_t WinogradPoolOf<kTile>::scratch(const ConvPoolForward::Problem& problem, const State& state, std::int64_t) {
  return winograd_scratch(problem.conv, state.cut);
}

template <int kTile>
std::int64_t WinogradPoolOf<kTile>::packed(const ConvPoolForward::Problem& problem, const State& state) {
  return winograd_packed(problem.conv, state.cut);
}

template <int kTile>
void WinogradPoolOf<kTile>::pack(const ConvPoolForward::Problem& problem, const State& state, const float* kernel, float* packed) {
  HWY_DYNAMIC_DISPATCH(winograd_kernel)(problem, state.cut, kernel, packed);
}

template <int kTile>
void WinogradPoolOf<kTile>::run(const ConvPoolForward::Problem& problem, const State& state, const ConvPoolForward::Args<float>& args) {
  const std::int64_t first = state.pad_top - problem.conv.pad_top;
  HWY_DYNAMIC_DISPATCH(winograd)(problem, rows_of(state.cut, first, first + 2 * problem.pool.out_height), state.cut, args);
}

template struct WinogradPoolOf<2>;
template struct WinogradPoolOf<4>;

}  // namespace conv
}  // namespace linn::detail::kernels
#endif
