// The table of fusions: pairs of ops that become one op.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "kernels/implementation.h"
#include "plan/op.h"

namespace linn::detail::plan {

/// Which convolutions become chains (ops/conv_chain.h). `always`: wherever it is possible, in strips as low as possible, for tests.
enum class Chains : std::uint8_t { never, where_cheaper, always };

/// Chains are made when no other fusion is left, because an addition or an activation cannot join an op that is in a chain already. Of all
/// pairs the one with the largest gain joins first: the strips of a chain become lower with each map, so not all can join.
enum class Stage : std::uint8_t { pairs, chains };

/// Properties of the plan that decide about a fusion.
struct FusionContext {
  bool training = false;
  kernels::Policy policy;
  Chains chains = Chains::where_cheaper;
  Stage stage = Stage::pairs;
};

/// A producer and a consumer that reads the producer's only output, with the same shape, as its input `slot`. No other op reads that
/// output. The fused op takes the consumer's place in the order, since all other inputs of the consumer are computed there.
struct Pair {
  const Op& producer;
  const Op& consumer;
  std::size_t slot;
};

/// One row of the table.
struct Fusion {
  std::string_view name;
  /// Pattern: whether the kinds of the two ops fit.
  bool (*matches)(const Pair& pair);
  /// Guard: whether the fused op gives the same result and, in training, the same gradients.
  bool (*allowed)(const Pair& pair, const FusionContext& plan);
  /// Cost: how much cheaper the fused op is, as costs are counted (kernels/implementation.h); below 0 the two stay apart. Null: always
  /// cheaper, because it saves a pass over memory.
  double (*gain)(const Pair& pair, const FusionContext& plan);
  /// Makes the fused op with its inputs.
  std::unique_ptr<Op> (*join)(const Pair& pair, const FusionContext& plan);
  Stage stage = Stage::pairs;
};

/// All fusions, in the order in which they are tried.
std::span<const Fusion> fusions();

}  // namespace linn::detail::plan
