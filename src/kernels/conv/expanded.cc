// Gradients of convolution with max pooling for any geometry. Writes the gradients of the live windows into a map of the convolution's
// outputs, with zeros elsewhere, and runs the cheapest dense kernels on it. At least three quarters of the direct form's products are then
// with zeros; sparse_kernel_gradient.cc and sparse_input_gradient.cc avoid these for some geometries.
// With many channels and only live windows, Winograd's dense kernels are faster all the same: they need 16 products where the direct form
// has 36, at twice the rate of the sparse kernels, whose sums no longer fit the L1 cache.
// Measured (Zen 5, one core, 3x3 "same", all windows live, times as fast as `sparse`): the kernel's gradient 1.1 with 48 channels on 56x56,
// 1.4 with 64, 1.3 with 96 on 28x28, 1.2 with 128, 1.5 with 256 on 14x14; the input's 0.6 with 64, 0.8 with 96, 1.1 with 128, 1.3 with 256.
// Tiles of 4x4: the kernel's 1.4 with 48 channels on 56x56, 1.6 with 64, 2.3 with 96 on 28x28, 1.8 with 256 on 14x14, 0.9 on 8x8; the
// input's 0.8 with 64, 0.95 and 1.3 with 96 on 14x14 and 28x28, 1.8 with 128, 1.5 and 1.7 with 256 on 14x14 and 8x8.
#include <algorithm>
#include <bit>

#include "kernels/conv/cost.h"
#include "kernels/conv/fused.h"
#include "kernels/conv/padding.h"
#include "kernels/gemm/gemm.h"
#include "kernels/pool/pool.h"

namespace linn::detail::kernels::conv {
namespace {

using Problem = ConvPoolKernelGradient::Problem;

Geometry dense_conv(const Problem& problem) {
  Geometry g = problem.conv;
  set_dense_dst(g);
  return g;
}

PoolInputGradient::Problem dense_pool(const Problem& problem) {
  Geometry g = problem.pool;
  set_dense_src(g);
  set_dense_dst(g);
  return {g, PoolKind::max, true};
}

// Whether every window has a cell inside the map. A window without one (possible with dilation) has no gradient, not even for the bias.
bool has_cells(const Geometry& pool) { return !padded(pool) || (pool.dilation_height == 1 && pool.dilation_width == 1); }

bool supports_pool(const Problem& problem) {
  const Geometry& g = problem.pool;
  return g.window_height * g.window_width < no_cell && has_cells(g);
}

std::int64_t taps(const Geometry& g) { return g.window_height * g.window_width; }

std::int64_t windows_size(const Problem& problem) { return problem.pool.out_height * problem.pool.out_width * problem.pool.channels; }

// Scratch: the gradients and argmax cells of one image (a zero and the first cell where no gradient flows), then the maps of `group`
// images.
struct Scratch {
  float* ddst;
  std::uint8_t* argmax;
  float* maps;
  float* rest;  // scratch of the dense kernel
};

std::int64_t scratch_size(const Problem& problem, std::int64_t group) { return 2 * windows_size(problem) + group * map_size(problem.conv); }

Scratch scratch_in(const Problem& problem, std::int64_t group, float* scratch) {
  const std::int64_t size = windows_size(problem);
  return {scratch, reinterpret_cast<std::uint8_t*>(scratch + size), scratch + 2 * size, scratch + scratch_size(problem, group)};
}

// Has no branch, which would often be mispredicted, and uses pointers of its own, so that the compiler vectorizes it.
void keep_live(const float* __restrict from, const std::uint8_t* __restrict cells, std::int64_t count, float* __restrict gradients,
               std::uint8_t* __restrict live) {
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint32_t lives = cells[i] == no_cell ? 0 : ~std::uint32_t{0};
    gradients[i] = std::bit_cast<float>(std::bit_cast<std::uint32_t>(from[i]) & lives);
    live[i] = static_cast<std::uint8_t>(cells[i] & lives);
  }
}

// Writes one image's gradients into `map`.
void expand(const Problem& problem, const Implementation<PoolInputGradient>& pool, const float* ddst, const std::uint8_t* argmax,
            std::int64_t image, const Scratch& at, float* map) {
  const std::int64_t size = windows_size(problem);
  keep_live(ddst + image * size, argmax + image * size, size, at.ddst, at.argmax);
  pool.run(dense_pool(problem), {1, at.ddst, at.argmax, nullptr, map, at.rest});
}

// Images whose maps are expanded together: the direct form gains nothing from more than one.
template <class State>
std::int64_t group_of(const State& state, std::int64_t images) {
  return state.dense.numerics.direct_form ? std::min<std::int64_t>(images, 1) : images;
}

void turn(const Geometry& g, const float* kernel, float* turned) {
  gemm::Transpose::run({.batches = taps(g), .rows = g.channels, .columns = g.out_channels}, {kernel, turned, nullptr});
}

// The sparse kernels do not round their operands. So that it does not depend on costs whether an op rounds, these do not either.
// The map with the gradients is written and read once.
double expansion_cost(const Problem& problem) {
  return 2 * static_cast<double>(map_size(problem.conv)) * traffic_of_float(map_size(problem.conv));
}

}  // namespace

std::optional<ExpandedKernelGradient::State> ExpandedKernelGradient::prepare(const Problem& problem, const Policy& policy) {
  if (!supports_pool(problem)) return std::nullopt;
  return State{choose<ConvKernelGradient>(dense_conv(problem), policy.in_float32()), choose<PoolInputGradient>(dense_pool(problem))};
}

double ExpandedKernelGradient::cost(const Problem& problem, const State& state) { return state.dense.cost + expansion_cost(problem); }

std::int64_t ExpandedKernelGradient::scratch(const Problem& problem, const State& state, std::int64_t images) {
  const Geometry g = dense_conv(problem);
  const std::int64_t group = group_of(state, images);
  return scratch_size(problem, group) + 2 * kernel_size(g) +
         std::max(state.pool.scratch(dense_pool(problem), 1), state.dense.scratch(g, group));
}

void ExpandedKernelGradient::run(const Problem& problem, const State& state, const ConvPoolKernelGradient::Args<float>& args) {
  const Geometry g = dense_conv(problem);
  const std::int64_t size = kernel_size(g), group = group_of(state, args.images);
  float* sum = args.scratch;
  float* part = sum + size;
  const Scratch at = scratch_in(problem, group, part + size);
  std::fill_n(sum, size, 0.0f);
  if (args.dbias != nullptr) std::fill_n(args.dbias, g.out_channels, 0.0f);
  for (std::int64_t first = 0; first < args.images; first += group) {
    const std::int64_t images = std::min(group, args.images - first);
    for (std::int64_t n = 0; n < images; ++n) {
      expand(problem, state.pool, args.ddst, args.argmax, first + n, at, at.maps + n * g.dst_image);
      if (args.dbias == nullptr) continue;
      gemm::Columns::run({.columns = g.out_channels}, {windows_size(problem) / g.out_channels, at.ddst, part, nullptr});
      for (std::int64_t o = 0; o < g.out_channels; ++o) args.dbias[o] += part[o];
    }
    state.dense.run(g, {images, args.src + first * g.src_image, at.maps, part, at.rest});
    for (std::int64_t i = 0; i < size; ++i) sum[i] += part[i];
  }
  gemm::Transpose::run({.batches = 1, .rows = taps(g) * g.channels, .columns = g.out_channels}, {sum, args.dkernel, nullptr});
}

std::optional<ExpandedInputGradient::State> ExpandedInputGradient::prepare(const Problem& problem, const Policy& policy) {
  if (!supports_pool(problem)) return std::nullopt;
  return State{choose<ConvInputGradient>(dense_conv(problem), policy.in_float32()), choose<PoolInputGradient>(dense_pool(problem))};
}

double ExpandedInputGradient::cost(const Problem& problem, const State& state) { return state.dense.cost + expansion_cost(problem); }

std::int64_t ExpandedInputGradient::scratch(const Problem& problem, const State& state, std::int64_t images) {
  const std::int64_t group = group_of(state, images);
  return scratch_size(problem, group) +
         std::max(state.pool.scratch(dense_pool(problem), 1), state.dense.scratch(dense_conv(problem), group));
}

// What the dense kernel packs, followed by the turned weights from which it is made.
std::int64_t ExpandedInputGradient::packed(const Problem& problem, const State& state) {
  const Geometry g = dense_conv(problem);
  return state.dense.packed(g) + kernel_size(g);
}

void ExpandedInputGradient::pack(const Problem& problem, const State& state, const float* kernel, float* packed) {
  const Geometry g = dense_conv(problem);
  float* turned = packed + state.dense.packed(g);
  turn(g, kernel, turned);
  if (state.dense.packed(g) > 0) state.dense.pack(g, turned, packed);
}

void ExpandedInputGradient::run(const Problem& problem, const State& state, const ConvPoolInputGradient::Args<float>& args) {
  const Geometry g = dense_conv(problem);
  const std::int64_t group = group_of(state, args.images);
  const Scratch at = scratch_in(problem, group, args.scratch);
  for (std::int64_t first = 0; first < args.images; first += group) {
    const std::int64_t images = std::min(group, args.images - first);
    for (std::int64_t n = 0; n < images; ++n) expand(problem, state.pool, args.ddst, args.argmax, first + n, at, at.maps + n * g.dst_image);
    state.dense.run(g, {images, at.maps, args.packed + state.dense.packed(g), args.packed, nullptr, args.dsrc + first * g.src_image, at.rest});
  }
}

}  // namespace linn::detail::kernels::conv
