#include "plan/compile.h"

#include <algorithm>

#include <utility>

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

}  // namespace

Compiled compile(Lowering to, const Training& training, PlanOptions options, const Passes& passes) {
  // Of one image another implementation may be the cheapest than of a shard. Whoever compares bits gets the same ones for any batch.
  kernels::Policy& policy = options.policy;
  if (!to.training() && !policy.position_invariant && !policy.exact && !policy.local)
    policy.images = std::clamp<std::int64_t>(options.batch, 1, shard_images);
  drop_unread(to);
  if (passes.fold && !to.training()) fold(to);
  if (passes.fuse) fuse(to, options.policy, passes.chains);
  if (passes.trim) trim(to);
  std::vector<Value> gradients;
  if (!training.variables.empty()) gradients = add_gradients(to, training);
  if (training.update) {
    training.update(to, gradients);
    to.append_updates();
  } else {
    for (const Value& gradient : gradients)
      if (gradient.defined()) to.info(gradient).kept = true;
  }
  drop_unread(to);
  if (passes.views) make_views(to);
  return {Plan(std::move(to), options), std::move(gradients)};
}

}  // namespace linn::detail::plan
