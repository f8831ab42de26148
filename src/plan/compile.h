// From a lowering to a plan: all passes, in the one order that is right.
#pragma once

#include <functional>
#include <vector>

#include "plan/plan.h"

namespace linn::plan {

/// What a training plan computes besides its forward ops. What it makes small is the sum of all that start a gradient: each loss_sum (loss.h)
/// times its factor. One model may have several: a loss for each output, auxiliary losses, regularizers.
struct Training {
  std::vector<Value> variables;  // those whose gradients are wanted
  /// Adds the optimizer's ops. It gets the gradients of all variables at once, in their order; undefined where no loss depends on a variable.
  /// Updates of moving statistics (Lowering::add_update) follow. Null: the gradients are kept, and nothing is updated.
  std::function<void(Lowering& to, const std::vector<Value>& gradients)> update;
};

struct Compiled {
  Plan plan;
  std::vector<Value> gradients;  // of Training::variables
};

/// Which passes run; all of them, but for tests that compare with and without.
struct Passes {
  bool fold = true, fuse = true, trim = true, views = true;
};

/// Drops what nobody reads, folds, fuses, trims, differentiates, updates, drops again, makes views, and places. An op with an output that is kept or bound
/// stays. Without variables the plan is forward only.
Compiled compile(Lowering to, const Training& training, const PlanOptions& options, const Passes& passes = {});

}  // namespace linn::plan
