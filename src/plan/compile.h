// From a lowering to a plan. Owns the order of the passes.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "plan/fusions.h"
#include "plan/plan.h"

namespace linn::detail::plan {

/// The gradients and updates of a training plan. The minimized function is the sum of all loss_sum ops (loss.h), each times its factor: a
/// loss for each output, auxiliary losses, regularizers.
struct Training {
  std::vector<Value> variables;  // variables whose gradients are computed
  /// Adds the optimizer's ops. Gets the gradients of all variables at once, in the order of `variables`; undefined if no loss depends on a
  /// variable. Updates of moving statistics (Lowering::add_update) follow. Null: gradients are kept, and nothing is updated.
  std::function<void(Lowering& to, const std::vector<Value>& gradients)> update;
  /// Adds the checks of Guards, and has all updates wait for those of gradients and statistics.
  bool guarded = false;
};

/// What the checks of a step gave (ops/finite.h), one value for each thing that is checked.
struct Guards {
  std::vector<Value> gradients;   // of Training::variables; undefined if no loss depends on a variable
  struct Statistics {
    std::string layer;
    Value check;
  };
  std::vector<Statistics> statistics;  // what moving statistics are updated with
};

struct Compiled {
  Plan plan;
  std::vector<Value> gradients;  // of Training::variables
  Guards guards;
};

/// Which passes run. All by default; tests compare plans with and without a pass.
struct Passes {
  bool fold = true, fuse = true, trim = true, views = true;
  Chains chains = Chains::where_cheaper;
};

/// Runs the passes in this order: drop_unread, fold (inference only), fuse, trim, gradients, updates, drop_unread, make_views; then makes
/// the plan. Ops with an output that is kept or bound stay. Without Training::variables the plan has forward ops only.
Compiled compile(Lowering to, const Training& training, PlanOptions options, const Passes& passes = {});

}  // namespace linn::detail::plan
