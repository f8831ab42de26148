#include "plan/fusions.h"

#include <array>

#include "kernels/conv/cost.h"
#include "plan/epilogue.h"
#include "plan/ops/conv.h"
#include "plan/ops/conv_chain.h"
#include "plan/ops/conv_global_pool.h"
#include "plan/ops/conv_pool.h"
#include "plan/ops/eltwise.h"
#include "plan/ops/merge.h"
#include "plan/ops/norm.h"
#include "plan/ops/pad.h"
#include "plan/ops/pool.h"

namespace linn::detail::plan {
namespace {

const EpilogueOp* epilogue_of(const Op& op) { return dynamic_cast<const EpilogueOp*>(&op); }

// ---- zeros around a map, then a convolution --------------------------------------------------------------------------------------------

bool is_padding_before_convolution(const Pair& pair) {
  return pad_problem(pair.producer) != nullptr && conv_geometry(pair.consumer) != nullptr && pair.slot == ConvInputs::src;
}

// A convolution pads with zeros alone. No window may lie outside of the map as a whole.
bool can_take_padding(const Pair& pair, const FusionContext&) {
  const kernels::PadForward::Problem& pad = *pad_problem(pair.producer);
  const kernels::Geometry& g = *conv_geometry(pair.consumer);
  const std::int64_t most_rows = (g.window_height - 1) * g.dilation_height, most_columns = (g.window_width - 1) * g.dilation_width;
  return pad.mode == kernels::PadMode::zero && g.pad_top + pad.pads.top <= most_rows && g.pad_bottom + pad.pads.bottom <= most_rows &&
         g.pad_left + pad.pads.left <= most_columns && g.pad_right + pad.pads.right <= most_columns;
}

std::unique_ptr<Op> with_padding(const Pair& pair, const FusionContext&) {
  return conv_with_padding(pair.consumer, pair.producer.inputs[0], pad_problem(pair.producer)->pads);
}

// ---- convolution or Dense, then an addition --------------------------------------------------------------------------------------------

bool is_before_addition(const Pair& pair) {
  return epilogue_of(pair.producer) != nullptr && (is_sum_of_two(pair.consumer) || is_merged_sum_of_two(pair.consumer));
}

Value other_term(const Pair& pair) { return pair.consumer.inputs[1 - pair.slot]; }

// The epilogue applies its activation after the residual, so it must have none yet.
bool can_take_residual(const Pair& pair, const FusionContext&) {
  const Epilogue& epilogue = epilogue_of(pair.producer)->epilogue();
  return epilogue.is_linear() && !epilogue.residual && other_term(pair).shape == pair.producer.outputs[0].shape;
}

std::unique_ptr<Op> with_residual(const Pair& pair, const FusionContext&) {
  Epilogue epilogue = epilogue_of(pair.producer)->epilogue();
  epilogue.residual = true;
  return epilogue_of(pair.producer)->with_epilogue(epilogue, other_term(pair));
}

// ---- convolution or Dense, then an activation ------------------------------------------------------------------------------------------

bool is_before_activation(const Pair& pair) {
  return epilogue_of(pair.producer) != nullptr && activation_problem(pair.consumer) != nullptr;
}

// In training only relu, because only its gradient follows from its output.
bool can_take_activation(const Pair& pair, const FusionContext& plan) {
  return epilogue_of(pair.producer)->epilogue().is_linear() && (!plan.training || is_relu(pair.consumer));
}

std::unique_ptr<Op> with_activation(const Pair& pair, const FusionContext&) {
  Epilogue epilogue = epilogue_of(pair.producer)->epilogue();
  epilogue.activation = *activation_problem(pair.consumer);
  return epilogue_of(pair.producer)->with_epilogue(epilogue, {});
}

// ---- convolution, then a pooling -------------------------------------------------------------------------------------------------------

bool is_before_pool(const Pair& pair) { return conv_problem(pair.producer) != nullptr && pool_problem(pair.consumer) != nullptr; }

bool can_take_pool(const Pair& pair, const FusionContext& plan) {
  return !plan.training || has_sparse_gradients(*conv_problem(pair.producer), *pool_problem(pair.consumer));
}

double gain_if(bool pays) { return pays ? 0 : -1; }

double pool_gain(const Pair& pair, const FusionContext& plan) {
  return gain_if(kernels::conv::pooling_joins(joined_problem(*conv_problem(pair.producer), *pool_problem(pair.consumer), plan.training),
                                              plan.training, plan.policy));
}

std::unique_ptr<Op> with_pool(const Pair& pair, const FusionContext&) { return conv_pool(pair.producer, *pool_problem(pair.consumer)); }

bool is_before_global_pool(const Pair& pair) {
  return conv_problem(pair.producer) != nullptr && global_pool_problem(pair.consumer) != nullptr;
}

// In training a mean gives every pixel a gradient, and convolutions with groups have no sparse gradient kernel. A position invariant mean
// needs the largest value of the whole map before it sums, so it cannot be computed strip by strip.
bool can_take_global_pool(const Pair& pair, const FusionContext& plan) {
  const bool max = global_pool_problem(pair.consumer)->kind == kernels::PoolKind::max;
  if (plan.training && conv_problem(pair.producer)->geometry.groups != 1) return false;
  return max || (!plan.training && !plan.policy.position_invariant);
}

double global_pool_gain(const Pair& pair, const FusionContext& plan) {
  const kernels::ConvForward::Problem& conv = *conv_problem(pair.producer);
  return gain_if(kernels::conv::global_pooling_joins({.conv = conv.geometry,
                                              .kind = global_pool_problem(pair.consumer)->kind,
                                              .bias = conv.bias,
                                              .activation = conv.activation,
                                              .winners = plan.training},
                                             plan.training, plan.policy));
}

std::unique_ptr<Op> with_global_pool(const Pair& pair, const FusionContext&) { return conv_global_pool(pair.producer, global_pool_problem(pair.consumer)->kind); }

// ---- normalization, then relu ---------------------------------------------------------------------------------------------------------

bool is_norm_before_relu(const Pair& pair) { return is_linear_norm(pair.producer) && is_relu(pair.consumer); }

bool always(const Pair&, const FusionContext&) { return true; }

std::unique_ptr<Op> norm_relu(const Pair& pair, const FusionContext&) { return norm_with_relu(pair.producer); }

// ---- convolutions one after the other, in strips of rows -------------------------------------------------------------------------------

bool is_before_convolution(const Pair& pair) { return pair.slot == ConvInputs::src && is_in_chains(pair.producer) && is_in_chains(pair.consumer); }

bool can_become_chain(const Pair& pair, const FusionContext& plan) {
  if (plan.training || plan.chains == Chains::never || kernels::disabled("plan", conv_chain_name)) return false;
  return can_become_chain(pair.producer, pair.consumer);
}

double gain_of_chain(const Pair& pair, const FusionContext& plan) {
  return plan.chains == Chains::always ? 0 : chain_gain(pair.producer, pair.consumer, plan.policy);
}

std::unique_ptr<Op> as_chain(const Pair& pair, const FusionContext& plan) {
  return conv_chain(pair.producer, pair.consumer, plan.chains == Chains::always ? Strips::lowest : Strips::of_cache);
}

constexpr std::array<Fusion, 7> table{{
    {"padding + convolution", is_padding_before_convolution, can_take_padding, nullptr, with_padding},
    {"sum + addition", is_before_addition, can_take_residual, nullptr, with_residual},
    {"sum + activation", is_before_activation, can_take_activation, nullptr, with_activation},
    {"convolution + pooling", is_before_pool, can_take_pool, pool_gain, with_pool},
    {"convolution + global pooling", is_before_global_pool, can_take_global_pool, global_pool_gain, with_global_pool},
    {"normalization + relu", is_norm_before_relu, always, nullptr, norm_relu},
    {"convolution + convolution", is_before_convolution, can_become_chain, gain_of_chain, as_chain, Stage::chains},
}};

}  // namespace

std::span<const Fusion> fusions() { return table; }

}  // namespace linn::detail::plan
