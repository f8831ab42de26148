// ConvForward and ConvInputGradient by Winograd's F(2x2, 3x3), for convolutions that no pooling follows: winograd.cc's form, whose
// tiles go to a map. The input gradient is the same correlation of ddst with the taps turned and the channels' roles exchanged.
//
// Loop nest:  for each chunk of tiles (of all images of the call)
//               for each tile, vector of channels: V[16][tile][channel] = B^T (4x4 patch) B
//               for each of 16 points, panel of 32 output channels: M[point] = V[point] U[point], the tiles of gemm/contract.cc
//               for each tile, vector of output channels: A^T M A + bias, relu, stored where the map has the cell
// Registers:  16 of the patch or the tile, and a few.
// Bound:      winograd.cc's. An infinity in a patch, and an infinity or NaN among the taps, makes NaN of whole tiles. Not position
//             invariant.
// Measured:   (Zen 5, one core, fraction of the multiply-add loop) products at 90 to 93 %; all, counted as the direct form, 1.3 to 1.75 from
//             64 channels on: see docs/engine.md.
#include "kernels/conv/winograd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/winograd_map.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "kernels/conv/winograd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace linn::kernels::HWY_NAMESPACE {
namespace {

void winograd_map(const Geometry& g, const conv::MapArgs& args) {
  const conv::Tiles tiles = conv::tiles_of(g);
  EachChunk(g, tiles, args.images, args.src, args.packed, args.scratch, [&](const Products& m, std::int64_t first, std::int64_t count) {
    StoreTiles(g, tiles, args.bias, args.relu, m, first, count, args.dst);
  });
}

void winograd_map_kernel(const Geometry& g, const float* kernel, bool turned, float* packed) { PackTaps(g, kernel, turned, packed); }

}  // namespace
}  // namespace linn::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::kernels {
HWY_EXPORT(winograd_map);
HWY_EXPORT(winograd_map_kernel);

namespace conv {

bool WinogradForward::accepts(const ConvForward::Problem& problem) {
  return winograd_pays(problem.geometry) && is_linear_or_relu(problem.activation);
}

std::int64_t WinogradForward::scratch(const ConvForward::Problem& problem, std::int64_t) {
  return WinogradLayout(problem.geometry).scratch();
}

std::int64_t WinogradForward::packed(const ConvForward::Problem& problem) { return WinogradLayout(problem.geometry).packed(); }

void WinogradForward::pack(const ConvForward::Problem& problem, const float* kernel, float* packed) {
  HWY_DYNAMIC_DISPATCH(winograd_map_kernel)(problem.geometry, kernel, false, packed);
}

void WinogradForward::run(const ConvForward::Problem& problem, const ConvForward::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(winograd_map)
  (problem.geometry, {args.images, args.src, args.packed, problem.bias ? args.bias : nullptr, problem.activation == Activation::relu,
                      args.dst, args.scratch});
}

bool WinogradInputGradient::accepts(const Geometry& g) { return is_three_by_three(g) && winograd_pays(backwards(g)); }

std::int64_t WinogradInputGradient::scratch(const Geometry& g, std::int64_t) { return WinogradLayout(backwards(g)).scratch(); }

std::int64_t WinogradInputGradient::packed(const Geometry& g) { return WinogradLayout(backwards(g)).packed(); }

void WinogradInputGradient::pack(const Geometry& g, const float* transposed_kernel, float* packed) {
  HWY_DYNAMIC_DISPATCH(winograd_map_kernel)(backwards(g), transposed_kernel, true, packed);
}

void WinogradInputGradient::run(const Geometry& g, const ConvInputGradient::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(winograd_map)(backwards(g), {args.images, args.ddst, args.packed, nullptr, false, args.dsrc, args.scratch});
}

}  // namespace conv
}  // namespace linn::kernels
#endif
