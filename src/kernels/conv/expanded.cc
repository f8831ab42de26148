// Gradients of convolution with max pooling for any geometry: the few gradients that live are laid out over the convolution's
// whole map, zeros between them, one image at a time, and the dense kernels do the rest. Three quarters of their products are
// with zeros, or more: see sparse_kernel_gradient.cc and sparse_input_gradient.cc for geometries that spare them.
#include <algorithm>

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
  return g.window_height * g.window_width <= 256 && pool::VectorGradient::accepts(dense_pool(problem));
}

std::int64_t map_size(const Problem& problem) { return problem.conv.out_height * problem.conv.out_width * problem.conv.out_channels; }
std::int64_t taps(const Geometry& g) { return g.window_height * g.window_width; }

void expand(const Problem& problem, const float* ddst, const std::uint8_t* argmax, std::int64_t image, float* map, float* scratch) {
  const std::int64_t size = problem.pool.out_height * problem.pool.out_width * problem.pool.channels;
  pool::VectorGradient::run(dense_pool(problem), {1, ddst + image * size, argmax + image * size, nullptr, map, scratch});
}

}  // namespace

bool ExpandedKernelGradient::accepts(const Problem& problem) { return accepts_pool(problem) && KernelGradient::accepts(dense_conv(problem)); }

std::int64_t ExpandedKernelGradient::scratch(const Problem& problem, std::int64_t) {
  const Geometry& g = problem.conv;
  return map_size(problem) + 2 * taps(g) * g.channels * g.out_channels + pool::VectorGradient::scratch(dense_pool(problem), 1) +
         KernelGradient::scratch(dense_conv(problem), 1);
}

void ExpandedKernelGradient::run(const Problem& problem, const ConvPoolKernelGradient::Args<float>& args) {
  const Geometry g = dense_conv(problem);
  const std::int64_t size = taps(g) * g.channels * g.out_channels;
  float* map = args.scratch;
  float* sum = map + map_size(problem);
  float* one = sum + size;
  float* scratch = one + size;
  std::fill_n(sum, size, 0.0f);
  for (std::int64_t n = 0; n < args.images; ++n) {
    expand(problem, args.ddst, args.argmax, n, map, scratch);
    KernelGradient::run(g, {1, args.src + n * g.src_image, map, one, scratch});
    for (std::int64_t i = 0; i < size; ++i) sum[i] += one[i];
  }
  gemm::Transpose::run({.batches = 1, .rows = taps(g) * g.channels, .columns = g.out_channels}, {sum, args.dkernel, nullptr});
}

bool ExpandedInputGradient::accepts(const Problem& problem) { return accepts_pool(problem) && InputGradient::accepts(dense_conv(problem)); }

std::int64_t ExpandedInputGradient::scratch(const Problem& problem, std::int64_t) {
  return map_size(problem) + pool::VectorGradient::scratch(dense_pool(problem), 1) + InputGradient::scratch(dense_conv(problem), 1);
}

std::int64_t ExpandedInputGradient::packed(const Problem& problem) { return taps(problem.conv) * problem.conv.channels * problem.conv.out_channels; }

void ExpandedInputGradient::pack(const Problem& problem, const float* kernel, float* packed) {
  const Geometry& g = problem.conv;
  gemm::Transpose::run({.batches = taps(g), .rows = g.channels, .columns = g.out_channels}, {kernel, packed, nullptr});
}

void ExpandedInputGradient::run(const Problem& problem, const ConvPoolInputGradient::Args<float>& args) {
  const Geometry g = dense_conv(problem);
  float* map = args.scratch;
  float* scratch = map + map_size(problem);
  for (std::int64_t n = 0; n < args.images; ++n) {
    expand(problem, args.ddst, args.argmax, n, map, scratch);
    InputGradient::run(g, {1, map, args.packed, args.dsrc + n * g.src_image, scratch});
  }
}

}  // namespace linn::kernels::conv
