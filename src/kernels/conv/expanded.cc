// Gradients of convolution with max pooling for any geometry: the few gradients that live are laid out over the convolution's
// whole map, zeros between them, one image at a time, and the dense kernels do the rest. Three quarters of their products are
// with zeros, or more: see sparse_kernel_gradient.cc and sparse_input_gradient.cc for geometries that spare them.
#include <algorithm>
#include <bit>

#include "kernels/conv/direct.h"
#include "kernels/conv/fused.h"
#include "kernels/gemm/gemm.h"
#include "kernels/pool/vector.h"

namespace linn::kernels::conv {
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

bool accepts_pool(const Problem& problem) {
  const Geometry& g = problem.pool;
  return g.window_height * g.window_width < no_cell && pool::VectorGradient::accepts(dense_pool(problem));
}

std::int64_t map_size(const Problem& problem) { return problem.conv.out_height * problem.conv.out_width * problem.conv.out_channels; }
std::int64_t taps(const Geometry& g) { return g.window_height * g.window_width; }

std::int64_t windows_size(const Problem& problem) { return problem.pool.out_height * problem.pool.out_width * problem.pool.channels; }

// The gradients and cells of an image, where no gradient flows a zero and the first cell; then the whole map.
struct Living {
  float* ddst;
  std::uint8_t* argmax;
  float* map;
  float* rest;  // of the scratch
};

std::int64_t living_size(const Problem& problem) { return 2 * windows_size(problem) + map_size(problem); }

Living living_in(const Problem& problem, float* scratch) {
  const std::int64_t size = windows_size(problem);
  return {scratch, reinterpret_cast<std::uint8_t*>(scratch + size), scratch + 2 * size, scratch + living_size(problem)};
}

// Without a branch, which would be mispredicted often, and on pointers of its own, so that it becomes vector code.
void keep_living(const float* __restrict from, const std::uint8_t* __restrict cells, std::int64_t count, float* __restrict gradients,
                 std::uint8_t* __restrict living) {
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint32_t lives = cells[i] == no_cell ? 0 : ~std::uint32_t{0};
    gradients[i] = std::bit_cast<float>(std::bit_cast<std::uint32_t>(from[i]) & lives);
    living[i] = static_cast<std::uint8_t>(cells[i] & lives);
  }
}

void expand(const Problem& problem, const float* ddst, const std::uint8_t* argmax, std::int64_t image, const Living& to) {
  const std::int64_t size = windows_size(problem);
  keep_living(ddst + image * size, argmax + image * size, size, to.ddst, to.argmax);
  pool::VectorGradient::run(dense_pool(problem), {1, to.ddst, to.argmax, nullptr, to.map, to.rest});
}

}  // namespace

bool ExpandedKernelGradient::accepts(const Problem& problem) { return accepts_pool(problem) && KernelGradient::accepts(dense_conv(problem)); }

std::int64_t ExpandedKernelGradient::scratch(const Problem& problem, std::int64_t) {
  const Geometry& g = problem.conv;
  return living_size(problem) + 2 * taps(g) * g.channels * g.out_channels + pool::VectorGradient::scratch(dense_pool(problem), 1) +
         KernelGradient::scratch(dense_conv(problem), 1);
}

void ExpandedKernelGradient::run(const Problem& problem, const ConvPoolKernelGradient::Args<float>& args) {
  const Geometry g = dense_conv(problem);
  const std::int64_t size = taps(g) * g.channels * g.out_channels;
  float* sum = args.scratch;
  float* one = sum + size;
  const Living living = living_in(problem, one + size);
  std::fill_n(sum, size, 0.0f);
  if (args.dbias != nullptr) std::fill_n(args.dbias, g.out_channels, 0.0f);
  for (std::int64_t n = 0; n < args.images; ++n) {
    expand(problem, args.ddst, args.argmax, n, living);
    KernelGradient::run(g, {1, args.src + n * g.src_image, living.map, one, living.rest});
    for (std::int64_t i = 0; i < size; ++i) sum[i] += one[i];
    if (args.dbias == nullptr) continue;
    gemm::Columns::run({.columns = g.out_channels}, {windows_size(problem) / g.out_channels, living.ddst, one, nullptr});
    for (std::int64_t o = 0; o < g.out_channels; ++o) args.dbias[o] += one[o];
  }
  gemm::Transpose::run({.batches = 1, .rows = taps(g) * g.channels, .columns = g.out_channels}, {sum, args.dkernel, nullptr});
}

bool ExpandedInputGradient::accepts(const Problem& problem) { return accepts_pool(problem) && InputGradient::accepts(dense_conv(problem)); }

std::int64_t ExpandedInputGradient::scratch(const Problem& problem, std::int64_t) {
  return living_size(problem) + pool::VectorGradient::scratch(dense_pool(problem), 1) + InputGradient::scratch(dense_conv(problem), 1);
}

std::int64_t ExpandedInputGradient::packed(const Problem& problem) { return taps(problem.conv) * problem.conv.channels * problem.conv.out_channels; }

void ExpandedInputGradient::pack(const Problem& problem, const float* kernel, float* packed) {
  const Geometry& g = problem.conv;
  gemm::Transpose::run({.batches = taps(g), .rows = g.channels, .columns = g.out_channels}, {kernel, packed, nullptr});
}

void ExpandedInputGradient::run(const Problem& problem, const ConvPoolInputGradient::Args<float>& args) {
  const Geometry g = dense_conv(problem);
  const Living living = living_in(problem, args.scratch);
  for (std::int64_t n = 0; n < args.images; ++n) {
    expand(problem, args.ddst, args.argmax, n, living);
    InputGradient::run(g, {1, living.map, args.packed, nullptr, args.dsrc + n * g.src_image, living.rest});
  }
}

}  // namespace linn::kernels::conv
