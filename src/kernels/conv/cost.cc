#include "kernels/conv/cost.h"

#include "core/cpu.h"
#include "kernels/conv/conv.h"
#include "kernels/conv/winograd.h"

namespace linn::detail::kernels::conv {
namespace {

constexpr std::int64_t shard = 8;                // images that a worker processes at a time
constexpr std::int64_t cache_bytes = 1 << 20;    // L2 cache
constexpr std::int64_t products_of_a_cycle = 2;  // vectors of multiply-adds in one cycle

// Side of the tile if the implementation is Winograd's form, else 0.
std::int64_t tile_of(std::string_view implementation) {
  if (implementation.find("winograd4") != std::string_view::npos) return 4;
  return implementation.find("winograd") != std::string_view::npos ? 2 : 0;
}

std::int64_t lanes() {
  switch (core::isa()) {
    case core::Isa::scalar: return 1;
    case core::Isa::sse4: return 4;
    case core::Isa::avx2: return 8;
    case core::Isa::avx512:
    case core::Isa::avx512_bf16: return 16;
  }
  return 1;
}

// Cost of reading or writing one float, in multiply-adds. A cache line of 16 floats takes 2 cycles from the L2 cache and 8 from memory.
std::int64_t traffic_of_float(std::int64_t image_floats) {
  const bool in_cache = shard * image_floats * static_cast<std::int64_t>(sizeof(float)) <= cache_bytes;
  return (in_cache ? 2 : 8) * products_of_a_cycle * lanes() / 16;
}

std::int64_t forward_cost(const Geometry& g, std::string_view implementation) {
  const std::int64_t tile = tile_of(implementation);
  return tile == 0 ? products(g) : winograd_cost(g, map_cut(g, tile == 4));
}

std::int64_t kernel_gradient_cost(const Geometry& g, std::string_view implementation) {
  const std::int64_t tile = tile_of(implementation);
  return tile == 0 ? products(g) : winograd_gradient_cost(g, tile);
}

std::int64_t input_gradient_cost(const Geometry& g, std::string_view implementation) {
  return tile_of(implementation) == 0 ? products(g) : forward_cost(backwards(g), implementation);
}

// Cost of the gradients behind a fused pooling: of the dense kernels (`expanded`), or of the products of all windows.
std::int64_t joined_gradients_cost(const ConvPoolForward::Problem& problem, const Policy& policy) {
  const Geometry &g = problem.conv, &pool = problem.pool;
  const ConvPoolKernelGradient::Problem sparse{.conv = g, .pool = pool, .all_live = problem.activation == Activation::linear};
  const std::int64_t windows = pool.out_height * pool.out_width;
  const std::int64_t alone = windows * g.out_channels * g.window_height * g.window_width * (g.channels / g.groups);
  const std::string_view kernel = choose<ConvPoolKernelGradient>(sparse, policy).name,
                         input = choose<ConvPoolInputGradient>(sparse, policy).name;
  return (kernel.starts_with("expanded") ? kernel_gradient_cost(g, kernel) : alone) +
         (input.starts_with("expanded") ? input_gradient_cost(g, input) : alone);
}

// Cost of the convolution without the pooling, and of the traffic of its map. `gradients`: those of the convolution too.
std::int64_t cost_apart(const ConvForward::Problem& problem, bool gradients, const Policy& policy) {
  const Geometry& g = problem.geometry;
  const std::int64_t map = g.out_height * g.out_width * g.out_channels;
  const std::int64_t forward = forward_cost(g, choose<ConvForward>(problem, policy).name) + 2 * map * traffic_of_float(map);
  if (!gradients) return forward;
  // The map's gradient is written once and read three times: by the gradient of relu and by both gradients of the convolution.
  return forward + kernel_gradient_cost(g, choose<ConvKernelGradient>(g, policy).name) +
         input_gradient_cost(g, choose<ConvInputGradient>(g, policy).name) + 4 * map * traffic_of_float(map);
}

}  // namespace

bool pooling_joins(const ConvPoolForward::Problem& problem, bool gradients, const Policy& policy) {
  const std::string_view joined_name = choose<ConvPoolForward>(problem, policy).name;
  if (joined_name.find("strip") == std::string_view::npos) return true;
  const Geometry &g = problem.conv, &pool = problem.pool;
  const std::int64_t pooling = pairs(pool) * pool.channels;
  std::int64_t joined = products(g) * strip_rows(problem) / g.out_height + pooling;
  if (gradients) joined += joined_gradients_cost(problem, policy);
  return joined <= cost_apart({g, problem.bias, problem.activation}, gradients, policy) + pooling;
}

bool global_pooling_joins(const ConvGlobalPoolForward::Problem& problem, bool gradients, const Policy& policy) {
  const Geometry& g = problem.conv;
  std::int64_t joined = forward_cost(g, choose<ConvGlobalPoolForward>(problem, policy).name);
  // One pixel for each channel holds the maximum, so the gradients of kernel and input are a product with one patch each.
  if (gradients) joined += 2 * g.out_channels * g.window_height * g.window_width * g.channels;
  return joined <= cost_apart({g, problem.bias, problem.activation}, gradients, policy);
}

}  // namespace linn::detail::kernels::conv
