// Gradients of convolution with max pooling for any geometry. Writes the gradients of the live windows into a map of the convolution's
// outputs, with zeros elsewhere, and runs the dense kernels on it. At least three quarters of their products are with zeros;
// sparse_kernel_gradient.cc and sparse_input_gradient.cc avoid these for some geometries.
// With many channels and only live windows, Winograd's dense kernels are faster all the same: they need 16 products where the direct form
// has 36, at twice the rate of the sparse kernels, whose sums no longer fit the L1 cache.
// Measured (Zen 5, one core, 3x3 "same", all windows live, times as fast as `sparse`): the kernel's gradient 1.1 with 48 channels on 56x56,
// 1.4 with 64, 1.3 with 96 on 28x28, 1.2 with 128, 1.5 with 256 on 14x14; the input's 0.6 with 64, 0.8 with 96, 1.1 with 128, 1.3 with 256.
// Tiles of 4x4: the kernel's 1.4 with 48 channels on 56x56, 1.6 with 64, 2.3 with 96 on 28x28, 1.8 with 256 on 14x14, 0.9 on 8x8; the
// input's 0.8 with 64, 0.95 and 1.3 with 96 on 14x14 and 28x28, 1.8 with 128, 1.5 and 1.7 with 256 on 14x14 and 8x8.
#include <algorithm>
#include <bit>

#include "kernels/conv/direct.h"
#include "kernels/conv/fused.h"
#include "kernels/conv/padding.h"
#include "kernels/conv/winograd.h"
#include "kernels/gemm/gemm.h"
#include "kernels/pool/vector.h"

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

bool accepts_pool(const Problem& problem) {
  const Geometry& g = problem.pool;
  return g.window_height * g.window_width < no_cell && has_cells(g) && pool::VectorGradient::accepts(dense_pool(problem));
}

std::int64_t map_size(const Problem& problem) { return problem.conv.out_height * problem.conv.out_width * problem.conv.out_channels; }
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

std::int64_t scratch_size(const Problem& problem, std::int64_t group) { return 2 * windows_size(problem) + group * map_size(problem); }

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
void expand(const Problem& problem, const float* ddst, const std::uint8_t* argmax, std::int64_t image, const Scratch& at, float* map) {
  const std::int64_t size = windows_size(problem);
  keep_live(ddst + image * size, argmax + image * size, size, at.ddst, at.argmax);
  pool::VectorGradient::run(dense_pool(problem), {1, at.ddst, at.argmax, nullptr, map, at.rest});
}

template <class Dense>
std::int64_t kernel_gradient_scratch(const Problem& problem, std::int64_t group) {
  const Geometry g = dense_conv(problem);
  return scratch_size(problem, group) + 2 * taps(g) * g.channels * g.out_channels + pool::VectorGradient::scratch(dense_pool(problem), 1) +
         Dense::scratch(g, group);
}

// `group` images at a time.
template <class Dense>
void kernel_gradient(const Problem& problem, const ConvPoolKernelGradient::Args<float>& args, std::int64_t group) {
  const Geometry g = dense_conv(problem);
  const std::int64_t size = taps(g) * g.channels * g.out_channels;
  float* sum = args.scratch;
  float* part = sum + size;
  const Scratch at = scratch_in(problem, group, part + size);
  std::fill_n(sum, size, 0.0f);
  if (args.dbias != nullptr) std::fill_n(args.dbias, g.out_channels, 0.0f);
  for (std::int64_t first = 0; first < args.images; first += group) {
    const std::int64_t images = std::min(group, args.images - first);
    for (std::int64_t n = 0; n < images; ++n) {
      expand(problem, args.ddst, args.argmax, first + n, at, at.maps + n * g.dst_image);
      if (args.dbias == nullptr) continue;
      gemm::Columns::run({.columns = g.out_channels}, {windows_size(problem) / g.out_channels, at.ddst, part, nullptr});
      for (std::int64_t o = 0; o < g.out_channels; ++o) args.dbias[o] += part[o];
    }
    Dense::run(g, {images, args.src + first * g.src_image, at.maps, part, at.rest});
    for (std::int64_t i = 0; i < size; ++i) sum[i] += part[i];
  }
  gemm::Transpose::run({.batches = 1, .rows = taps(g) * g.channels, .columns = g.out_channels}, {sum, args.dkernel, nullptr});
}

template <class Dense>
std::int64_t input_gradient_scratch(const Problem& problem, std::int64_t group) {
  return scratch_size(problem, group) + pool::VectorGradient::scratch(dense_pool(problem), 1) + Dense::scratch(dense_conv(problem), group);
}

template <class Dense>
void input_gradient(const Problem& problem, const ConvPoolInputGradient::Args<float>& args, const float* turned, const float* packed,
                    std::int64_t group) {
  const Geometry g = dense_conv(problem);
  const Scratch at = scratch_in(problem, group, args.scratch);
  for (std::int64_t first = 0; first < args.images; first += group) {
    const std::int64_t images = std::min(group, args.images - first);
    for (std::int64_t n = 0; n < images; ++n) expand(problem, args.ddst, args.argmax, first + n, at, at.maps + n * g.dst_image);
    Dense::run(g, {images, at.maps, turned, packed, args.dsrc + first * g.src_image, at.rest});
  }
}

void turn(const Geometry& g, const float* kernel, float* turned) {
  gemm::Transpose::run({.batches = taps(g), .rows = g.channels, .columns = g.out_channels}, {kernel, turned, nullptr});
}

// Whether `sparse` is slower, by the figures above.
bool dense_pays(const Problem& problem, std::int64_t channels) {
  return problem.all_live && std::min(problem.conv.channels, problem.conv.out_channels) >= channels;
}

}  // namespace

bool ExpandedKernelGradient::accepts(const Problem& problem) {
  return accepts_pool(problem) && KernelGradient::accepts(dense_conv(problem));
}

std::int64_t ExpandedKernelGradient::scratch(const Problem& problem, std::int64_t) {
  return kernel_gradient_scratch<KernelGradient>(problem, 1);
}

void ExpandedKernelGradient::run(const Problem& problem, const ConvPoolKernelGradient::Args<float>& args) {
  kernel_gradient<KernelGradient>(problem, args, 1);
}

template <int kTile>
bool ExpandedWinogradKernelGradientOf<kTile>::accepts(const Problem& problem) {
  return dense_pays(problem, 48) && accepts_pool(problem) && WinogradKernelGradientOf<kTile>::accepts(dense_conv(problem));
}

template <int kTile>
std::int64_t ExpandedWinogradKernelGradientOf<kTile>::scratch(const Problem& problem, std::int64_t images) {
  return kernel_gradient_scratch<WinogradKernelGradientOf<kTile>>(problem, images);
}

template <int kTile>
void ExpandedWinogradKernelGradientOf<kTile>::run(const Problem& problem, const ConvPoolKernelGradient::Args<float>& args) {
  kernel_gradient<WinogradKernelGradientOf<kTile>>(problem, args, args.images);
}

template struct ExpandedWinogradKernelGradientOf<2>;
template struct ExpandedWinogradKernelGradientOf<4>;

bool ExpandedInputGradient::accepts(const Problem& problem) { return accepts_pool(problem) && InputGradient::accepts(dense_conv(problem)); }

std::int64_t ExpandedInputGradient::scratch(const Problem& problem, std::int64_t) {
  return input_gradient_scratch<InputGradient>(problem, 1);
}

std::int64_t ExpandedInputGradient::packed(const Problem& problem) {
  return taps(problem.conv) * problem.conv.channels * problem.conv.out_channels;
}

void ExpandedInputGradient::pack(const Problem& problem, const float* kernel, float* packed) { turn(problem.conv, kernel, packed); }

void ExpandedInputGradient::run(const Problem& problem, const ConvPoolInputGradient::Args<float>& args) {
  input_gradient<InputGradient>(problem, args, args.packed, nullptr, 1);
}

template <int kTile>
bool ExpandedWinogradInputGradientOf<kTile>::accepts(const Problem& problem) {
  return dense_pays(problem, kTile == 2 ? 128 : 96) && accepts_pool(problem) &&
         WinogradInputGradientOf<kTile>::accepts(dense_conv(problem));
}

template <int kTile>
std::int64_t ExpandedWinogradInputGradientOf<kTile>::scratch(const Problem& problem, std::int64_t images) {
  return input_gradient_scratch<WinogradInputGradientOf<kTile>>(problem, images);
}

// The transformed kernel, followed by the turned weights from which it is made.
template <int kTile>
std::int64_t ExpandedWinogradInputGradientOf<kTile>::packed(const Problem& problem) {
  return WinogradInputGradientOf<kTile>::packed(dense_conv(problem)) + ExpandedInputGradient::packed(problem);
}

template <int kTile>
void ExpandedWinogradInputGradientOf<kTile>::pack(const Problem& problem, const float* kernel, float* packed) {
  const Geometry g = dense_conv(problem);
  float* turned = packed + WinogradInputGradientOf<kTile>::packed(g);
  turn(g, kernel, turned);
  WinogradInputGradientOf<kTile>::pack(g, turned, packed);
}

template <int kTile>
void ExpandedWinogradInputGradientOf<kTile>::run(const Problem& problem, const ConvPoolInputGradient::Args<float>& args) {
  const float* turned = args.packed + WinogradInputGradientOf<kTile>::packed(dense_conv(problem));
  input_gradient<WinogradInputGradientOf<kTile>>(problem, args, turned, args.packed, args.images);
}

template struct ExpandedWinogradInputGradientOf<2>;
template struct ExpandedWinogradInputGradientOf<4>;

}  // namespace linn::detail::kernels::conv
