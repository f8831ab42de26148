// Pairs of ops that become one.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "kernels/implementation.h"
#include "plan/op.h"

namespace linn::plan {

/// What a plan asks of ops that become one.
struct Joining {
  bool training = false;
  kernels::Policy policy;
};

/// A pair of a producer and a consumer that reads the producer's only output, of the same shape, as its input `slot`. Nobody else reads that
/// output. The joined op stands at the consumer's place, where all other inputs of the consumer have been made.
struct Pair {
  const Op& producer;
  const Op& consumer;
  std::size_t slot;
};

struct Fusion {
  std::string_view name;
  /// Pattern: the kinds of op.
  bool (*matches)(const Pair& pair);
  /// Guard: whether the joined op gives the same result and, in training, the same gradients.
  bool (*allowed)(const Pair& pair, const Joining& plan);
  /// Cost: whether the joined op is the cheaper one. Null: always, as it saves a pass over memory and costs nothing.
  bool (*pays)(const Pair& pair, const Joining& plan);
  /// The joined op with its inputs.
  std::unique_ptr<Op> (*join)(const Pair& pair);
};

/// All of them, in the order in which they are tried.
std::span<const Fusion> fusions();

}  // namespace linn::plan
