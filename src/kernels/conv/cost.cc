#include "kernels/conv/cost.h"

#include "core/cpu.h"
#include "kernels/conv/conv.h"

namespace linn::detail::kernels::conv {
namespace {

constexpr std::int64_t shard = 8;         // images that a worker processes at a time, at most
constexpr double products_of_a_cycle = 2;  // vectors of multiply-adds

double of_cycles_a_line(double cycles) { return cycles * products_of_a_cycle * core::lanes() / 16; }

// Of so many weights, unless they stay in the L2 cache.
double cost_of_reading(std::int64_t weights, double cycles_a_line) {
  if (2 * weights * static_cast<std::int64_t>(sizeof(float)) <= core::cpu().l2_bytes) return 0;
  return static_cast<double>(weights) * of_cycles_a_line(cycles_a_line);
}

// Cost of the convolution without the pooling, and of the traffic of its map. `gradients`: those of the convolution too.
double cost_apart(const ConvForward::Problem& problem, bool gradients, const Policy& policy) {
  const Geometry& g = problem.geometry;
  const double of_map = static_cast<double>(map_size(g)) * traffic_of_float(map_size(g));
  const Implementation<ConvForward> conv = choose<ConvForward>(problem, policy);
  const double forward = conv.cost + weights_cost(g, conv, 1.0 / shard) + 2 * of_map;
  if (!gradients) return forward;
  // The map's gradient is written once and read three times: by the gradient of relu and by both gradients of the convolution.
  return forward + choose<ConvKernelGradient>(g, policy).cost + choose<ConvInputGradient>(g, policy).cost + 4 * of_map;
}

double cost_joined(const ConvPoolForward::Problem& problem, bool gradients, const Policy& policy) {
  const double forward = choose<ConvPoolForward>(problem, policy).cost;
  if (!gradients) return forward;
  const ConvPoolKernelGradient::Problem sparse{
      .conv = problem.conv, .pool = problem.pool, .all_live = problem.activation == Activation::linear};
  return forward + choose<ConvPoolKernelGradient>(sparse, policy).cost + choose<ConvPoolInputGradient>(sparse, policy).cost;
}

}  // namespace

double traffic_of_float(std::int64_t map_floats) {
  return of_cycles_a_line(shard * map_floats * static_cast<std::int64_t>(sizeof(float)) <= core::cpu().l2_bytes ? 2 : 8);
}

double products_cost(double products, const Geometry& g, std::int64_t columns) {
  const std::int64_t lanes = g.groups == 1 ? columns : core::round_up(columns, core::lanes());
  return products * static_cast<double>(lanes) / static_cast<double>(columns);
}

double direct_cost(const Geometry& g, std::int64_t columns) { return products_cost(static_cast<double>(products(g)), g, columns); }

double weights_cost(const Geometry& g, const Implementation<ConvForward>& implementation, double calls) {
  return calls * cost_of_reading(std::max(implementation.packed({g, true, Activation::linear}), kernel_size(g)), 2);
}

double pooling_cost(const Geometry& pool) { return static_cast<double>(pairs(pool) * pool.channels); }

double cached_map_cost(const Geometry& g) { return 2 * static_cast<double>(map_size(g)) * traffic_of_float(0); }

std::int64_t strip_elements() { return core::cpu().l2_bytes / (4 * static_cast<std::int64_t>(sizeof(float))); }

bool pooling_joins(const ConvPoolForward::Problem& problem, bool gradients, const Policy& policy) {
  return cost_joined(problem, gradients, policy) <=
         cost_apart({problem.conv, problem.bias, problem.activation}, gradients, policy) + pooling_cost(problem.pool);
}

bool global_pooling_joins(const ConvGlobalPoolForward::Problem& problem, bool gradients, const Policy& policy) {
  const Geometry& g = problem.conv;
  double joined = choose<ConvGlobalPoolForward>(problem, policy).cost;
  // One pixel for each channel holds the maximum, so the gradients of kernel and input are a product with one patch each.
  if (gradients) joined += 2 * static_cast<double>(kernel_size(g));
  return joined <= cost_apart({g, problem.bias, problem.activation}, gradients, policy) + static_cast<double>(map_size(g));
}

}  // namespace linn::detail::kernels::conv

namespace linn::detail::kernels {

// From memory, as the weights of a large network leave the caches between two calls.
double cost_of_weights(std::int64_t weights, std::int64_t images) {
  return conv::cost_of_reading(weights, 8) * (1.0 / static_cast<double>(images) - 1.0 / conv::shard);
}

}  // namespace linn::detail::kernels
