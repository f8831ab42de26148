// ConvForward and ConvInputGradient by Winograd's F(2x2, 3x3) and F(4x4, 3x3): the form of winograd_pool.cc, with tiles that are stored to
// a map. The input gradient is the same convolution of ddst with turned weights.
//
// F(4x4, 3x3) uses the interpolation points 0, +-5/8, +-3/2 and infinity. Pairs of opposite points halve the work of the transforms; among
// such points these have the least error (docs/decisions/winograd.md). All entries of B^T and A^T are exact.
// The transforms compute each output from the whole patch, so values that are not finite would spread to outputs whose windows do not
// contain them. Two cases are therefore corrected. If an output of a vector of channels of a tile is not finite, the tile is computed again
// by the definition, with the caller's kernel. If all values in an output's window are zero, the output is set to the bias.
//
// Loop nest:  for each chunk of tiles (of all images of the call)
//               for each tile, vector of channels: V[16][tile][channel] = B^T (4x4 patch) B
//               for each of 16 points, panel of 32 output channels: M[point] = V[point] U[point], the tiles of gemm/contract.inc
//               for each tile, vector of output channels: A^T M A + bias, relu, stored where the map has the cell
// (Of 4x4: 36 points and 6x6 patches.)
// Registers:  16 of the patch or the tile, and a few. Of 4x4 the patch's 36 are half on the stack.
// Bound:      |error| <= 8 eps |A^T| [(|G||g||G^T|) . (|B^T||d||B|)] |A|, of 4x4 <= 2 eps of its own, which is about 40 times the direct
//             form's sum of magnitudes (seen: 0.7). Of 2x2 an infinity in a patch, and an infinity or NaN among the taps, makes NaN of
//             whole tiles. Not position invariant; and of 4x4 an output's last bits depend on the whole patch, so they have no period
//             either.
// Measured:   (Zen 5, one core, fraction of the multiply-add loop) products at 90 to 93 %; all, counted as the direct form, 1.5 to 1.8 from
//             64 channels on, of 4x4 2.2 to 3.0: see docs/engine.md.
#include "kernels/conv/winograd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/winograd_map.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "kernels/conv/winograd_outputs-inl.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::HWY_NAMESPACE {
namespace {

void winograd_map(const Geometry& g, const conv::TileCut& cut, const conv::TileCut& whole, const conv::MapArgs& args) {
  const TileSource source = {args.src, args.kernel, args.turned, whole.fours.count() > 0};
  EachTileSize(g, cut, whole, args.channels, args.images, args.src, args.packed, args.scratch,
               [&](auto tile, const conv::Tiles& tiles, const Products& m, std::int64_t first, std::int64_t count) {
                 StoreTiles<tile>(g, tiles, source, args.channels, args.bias, args.relu, args.largest, m, first, count, args.dst);
               });
}

void winograd_map_kernel(const Geometry& g, const conv::TileCut& cut, const float* kernel, bool turned, float* packed) {
  PackTileSizes(g, cut, kernel, turned, packed);
}

}  // namespace
}  // namespace linn::detail::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels {
HWY_EXPORT(winograd_map);
HWY_EXPORT(winograd_map_kernel);

namespace conv {
namespace {

// The convolution that computes the input gradient, and its epilogue.
ConvForward::Problem forward_of(const ConvInputGradient::Problem& problem) {
  return {backwards(problem.geometry), problem.bias, problem.activation};
}

// Sets the epilogue of `args` to the problem's. `problem` may be a part of the map that `state` is for.
template <class State>
void run_tiles(const ConvForward::Problem& problem, const State& state, const float* bias, MapArgs args) {
  const Geometry& g = problem.geometry;
  const std::int64_t first = state.pad_top - g.pad_top;
  args.bias = problem.bias ? bias : nullptr, args.relu = cuts_below_zero(problem.activation), args.largest = largest_result(problem.activation);
  HWY_DYNAMIC_DISPATCH(winograd_map)(g, rows_of(state.cut, first, first + g.out_height), state.cut, args);
}

}  // namespace

template <int kTile>
std::optional<typename WinogradForwardOf<kTile>::State> WinogradForwardOf<kTile>::prepare(const ConvForward::Problem& problem, const Policy&) {
  const Geometry& g = problem.geometry;
  if (!is_winograd(g) || !is_in_registers(problem.activation)) return std::nullopt;
  if (kTile == 4 && !has_winograd4_channels(g)) return std::nullopt;
  const State state = {map_cut(g, kTile == 4), g.pad_top};
  if (kTile == 4 && state.cut.fours.count() == 0) return std::nullopt;
  return state;
}

template <int kTile>
double WinogradForwardOf<kTile>::cost(const ConvForward::Problem& problem, const State& state) {
  return least_gain * static_cast<double>(winograd_cost(problem.geometry, state.cut));
}

template <int kTile>
std::int64_t WinogradForwardOf<kTile>::scratch(const ConvForward::Problem& problem, const State& state, std::int64_t) {
  return winograd_scratch(problem.geometry, state.cut);
}

template <int kTile>
std::int64_t WinogradForwardOf<kTile>::packed(const ConvForward::Problem& problem, const State& state) {
  return winograd_packed(problem.geometry, state.cut);
}

template <int kTile>
void WinogradForwardOf<kTile>::pack(const ConvForward::Problem& problem, const State& state, const float* kernel, float* packed) {
  HWY_DYNAMIC_DISPATCH(winograd_map_kernel)(problem.geometry, state.cut, kernel, false, packed);
}

template <int kTile>
std::int64_t WinogradForwardOf<kTile>::channel_step(const ConvForward::Problem& problem, const State&) {
  return WinogradLayout(problem.geometry, kTile).panel;
}

template <int kTile>
void WinogradForwardOf<kTile>::run(const ConvForward::Problem& problem, const State& state, const ConvForward::Args<float>& args) {
  run_tiles(problem, state, args.bias,
            {.images = args.images, .src = args.src, .kernel = args.kernel, .turned = false, .packed = args.packed, .dst = args.dst, .scratch = args.scratch,
             .channels = args.channels});
}

template <int kTile>
auto WinogradInputGradientOf<kTile>::prepare(const ConvInputGradient::Problem& problem, const Policy& policy) -> std::optional<State> {
  return Forward::prepare(forward_of(problem), policy);
}

template <int kTile>
double WinogradInputGradientOf<kTile>::cost(const ConvInputGradient::Problem& problem, const State& state) {
  return Forward::cost(forward_of(problem), state);
}

template <int kTile>
std::int64_t WinogradInputGradientOf<kTile>::scratch(const ConvInputGradient::Problem& problem, const State& state, std::int64_t images) {
  return Forward::scratch(forward_of(problem), state, images);
}

template <int kTile>
std::int64_t WinogradInputGradientOf<kTile>::packed(const ConvInputGradient::Problem& problem, const State& state) {
  return Forward::packed(forward_of(problem), state);
}

template <int kTile>
void WinogradInputGradientOf<kTile>::pack(const ConvInputGradient::Problem& problem, const State& state, const float* transposed_kernel,
                                          float* packed) {
  HWY_DYNAMIC_DISPATCH(winograd_map_kernel)(backwards(problem.geometry), state.cut, transposed_kernel, true, packed);
}

template <int kTile>
void WinogradInputGradientOf<kTile>::run(const ConvInputGradient::Problem& problem, const State& state,
                                         const ConvInputGradient::Args<float>& args) {
  run_tiles(forward_of(problem), state, args.bias,
            {.images = args.images, .src = args.ddst, .kernel = args.transposed_kernel, .turned = true, .packed = args.packed, .dst = args.dsrc, .scratch = args.scratch});
}

template struct WinogradForwardOf<2>;
template struct WinogradForwardOf<4>;
template struct WinogradInputGradientOf<2>;
template struct WinogradInputGradientOf<4>;

}  // namespace conv
}  // namespace linn::detail::kernels
#endif
