#include "plan/compile.h"

#include <algorithm>

#include <utility>

#include "plan/ops/finite.h"
#include "plan/passes.h"
#include "plan/views.h"

namespace linn::detail::plan {
namespace {

std::vector<Value> add_gradients(Lowering& to, const Training& training) {
  Gradients gradients(to, training.variables);
  gradients.run();
  std::vector<Value> result;
  for (const Value& variable : training.variables) result.push_back(gradients.of(variable));
  return result;
}

Guards guard_updates(Lowering& to, const std::vector<Value>& gradients) {
  Guards guards;
  to.set_layer("guard");
  for (const Value& gradient : gradients) guards.gradients.push_back(gradient.defined() ? finite(to, gradient) : Value{});
  for (const auto& update : to.updates())
    for (const Value& input : update->inputs)
      if (input.defined() && to.info(input).extent == Extent::fixed && to.info(input).home == Home::arena)
        guards.statistics.push_back({update->layer, finite(to, input)});
  return guards;
}

// Images of a shard. Follows from the ops alone, which follow from the network and the kind of CPU, never from the number of threads: so the same
// batch and seed give the same bits of the sums over shards.
//
// Half of the largest shard where the maps of a whole one leave every core's caches, and each shard's partial sums are small beside the maps of
// an image: mobilenet_v2 on 96x96 trains 9 % faster with 4 images than with 8 (Zen 3, two cores), vgg_small, whose weights outweigh its maps,
// 9 % slower. More in docs/decisions/shards-and-tree.md.
std::int64_t shard_of(const Lowering& to) {
  constexpr std::int64_t cached = std::int64_t{1} << 20;  // elements: 4 MiB
  std::int64_t largest = 0, maps = 0, sums = 0;
  for (const auto& op : to.ops())
    for (const Value& output : op->outputs) {
      if (!output.defined()) continue;
      const ValueInfo& value = to.info(output);
      const std::int64_t elements = value.shape.elements();
      if (value.home == Home::partials) sums += elements;
      if (value.extent == Extent::batch) maps += elements, largest = std::max(largest, elements);
    }
  return sums > 0 && sums <= maps && most_of_shard * largest > cached ? most_of_shard / 2 : most_of_shard;
}

}  // namespace

Compiled compile(Lowering to, const Training& training, PlanOptions options, const Passes& passes) {
  // Of one image another implementation may be the cheapest than of a shard. Whoever compares bits gets the same ones for any batch.
  kernels::Policy& policy = options.policy;
  if (!to.training() && !policy.position_invariant && !policy.exact && !policy.local)
    policy.images = std::min(options.batch, most_of_shard);
  drop_unread(to);
  if (passes.fold && !to.training()) fold(to);
  if (passes.fuse) fuse(to, options.policy, passes.chains);
  if (passes.trim) trim(to);
  std::vector<Value> gradients;
  if (!training.variables.empty()) gradients = add_gradients(to, training);
  Guards guards;
  if (training.update) {
    if (training.guarded) guards = guard_updates(to, gradients);
    training.update(to, gradients);
    to.append_updates();
    to.prepend_preparations();
  } else {
    for (const Value& gradient : gradients)
      if (gradient.defined()) to.info(gradient).kept = true;
  }
  drop_unread(to);
  if (passes.views) make_views(to);
  options.shard = shard_of(to);
  return {Plan(std::move(to), options), std::move(gradients), std::move(guards)};
}

}  // namespace linn::detail::plan
