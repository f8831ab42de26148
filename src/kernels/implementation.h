// Kernels, their implementations, and the choice among these. `registry.inc` lists the implementations of each kernel.
//
// A *kernel* (ConvForward, PoolForward, ...) is a struct with these members:
//
// | member                          | meaning                                                                                           |
// |---------------------------------|---------------------------------------------------------------------------------------------------|
// | name                            | name in LINN_VERBOSE, LINN_DISABLE and tests                                                       |
// | Problem                         | all that is known before the data: geometry and options                                           |
// | Args<T>                         | the data of one call; T is float or double                                                        |
// | reference<T>(problem, args)     | plain scalar implementation: oracle of the tests, last choice at run time                         |
// | reference_scratch(p, images)    | optional: elements of scratch that the reference needs (default 0)                                |
// | reference_position_invariant(p) | optional: whether the reference is position invariant (default true)                              |
// | weights(p)                      | optional: elements of the weights, for costs                                                      |
// | any_rows                        | optional: a call may compute some rows of the output alone (row_step is 1 by default)             |
//
// An *implementation* is a struct derived from Implements<Kernel>, which has the defaults:
//
// | member             | type     | default     | meaning                                                                                  |
// |--------------------|----------|-------------|------------------------------------------------------------------------------------------|
// | name               | string   | "vector"    | name in LINN_VERBOSE, LINN_DISABLE and tests                                             |
// | needs              | Feature  | vectors_128 | what the CPU must have                                                                   |
// | numerics           | Numerics | Numerics{}  | what callers can tell from the results; a constant or a function of the problem          |
// | supports(p)        | bool     | true        | whether it can compute this problem                                                      |
// | cost(p)            | double   | 0           | what the problem costs it: see below                                                     |
// | scratch(p, images) | elements | 0           | scratch for a call with this number of images                                            |
// | packed(p)          | elements | 0           | size of the weights in a layout of its own; 0: it reads the caller's layout              |
// | pack(p, k, packed) |          |             | writes that layout; only with `packed`                                                   |
// | row_step           | rows     | 0           | 0: computes whole maps only. Else a call may compute some rows of the output alone, from |
// |                    |          |             | a multiple of row_step on (conv/rows.h), and they have the bits of the whole             |
// | channel_step(p)    | channels | 0           | not 0: a call may compute some channels of the output alone, from a multiple of         |
// |                    |          |             | channel_step on (Channels), and they have the bits of the whole                          |
// | run(p, args)       |          |             | computes one call, T = float                                                             |
//
// An implementation that decides or prepares something once for each problem, such as the parts that it is composed of, has a struct
// `State` and `static std::optional<State> prepare(problem, policy)` in place of `supports`: empty if it cannot compute the problem under
// this policy. All other functions then get the state behind the problem: cost(p, state), run(p, state, args), and so on. `label(state)`,
// if it is there, is written behind the name in LINN_VERBOSE.
//
// A *cost* is the time for one image, in multiply-adds of single floats at the full rate of the CPU (so that a wider instruction set
// leaves the cost of products as it is, and raises that of memory traffic). It follows from the problem, the instruction set and the
// sizes of caches, never from a clock: the same seed shall give the same bits. Costs are compared within one kernel only, so what all
// implementations of a kernel share may be left out. Where a call has fewer images than a shard and the kernel says how many `weights` a
// problem has, the cost of reading them, in the implementation's own layout if it has one, is added for all but a `composition`, whose parts
// have it in their costs.
//
// Every implementation gives exactly the bias where all values in a window are zero. The gradient of relu relies on it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "core/cpu.h"

namespace linn::detail::kernels {

/// The type to which an implementation rounds the factors of its products. Sums are float32 in any case. In order of decreasing precision.
enum class Operands : std::uint8_t { float32, bfloat16 };

/// What callers can tell from the results of an implementation.
///
/// | member             | true or set of                     | why it matters                                                              |
/// |--------------------|------------------------------------|-----------------------------------------------------------------------------|
/// | position_invariant | direct forms, pooling              | An output's bits do not depend on its place in the map (for an output of a  |
/// |                    |                                    | whole map: on the places of the values). The guarantee for polyphase        |
/// |                    |                                    | networks rests on it.                                                       |
/// | period             | Winograd's 2x2 tiles: 2            | If it is not position invariant, and output and window move by a multiple   |
/// |                    |                                    | of `period` cells, down or right, the output keeps its bits. 0: unknown.    |
/// | local              | all but Winograd's 4x4 tiles       | An output's bits depend only on the values in its window.                   |
/// | direct_form        | all but Winograd's                 | Sums the products of the definition: the direct form's error bound holds.   |
/// | operands           | bfloat16 of the forms for it       | The type to which factors are rounded before they are multiplied.           |
struct Numerics {
  bool position_invariant = true;
  std::int64_t period = 0;
  bool local = true;
  bool direct_form = true;
  Operands operands = Operands::float32;

  /// The period in cells of the output: 1 if position invariant, 0 if unknown.
  constexpr std::int64_t translation_period() const { return position_invariant ? 1 : period; }
  constexpr bool operator==(const Numerics&) const = default;
};

/// Which implementations a plan may choose.
struct Policy {
  bool position_invariant = false;  // only position invariant ones
  bool exact = false;               // only the direct form with float32 operands
  bool local = false;               // only local ones, for callers that compare outputs bit by bit
  /// The least precise operands that are allowed.
  Operands operands = Operands::float32;
  /// Images of a call, at most a shard. Weights that do not stay in the cache are read once for all of them (cost_of_weights).
  std::int64_t images = 8;

  Policy in_float32() const {
    Policy policy = *this;
    policy.operands = Operands::float32;
    return policy;
  }
  bool allows(const Numerics& numerics) const {
    if (position_invariant && !numerics.position_invariant) return false;
    if (exact && (!numerics.direct_form || numerics.operands != Operands::float32)) return false;
    return (!local || numerics.local) && numerics.operands <= operands;
  }
};

/// What one image costs more, in calls with `images` images, than in calls with a whole shard, for which costs are measured: reading so many
/// weights, unless they stay in the L2 cache.
double cost_of_weights(std::int64_t weights, std::int64_t images);

/// Base of implementations: the members that most of them share.
template <class Kernel>
struct Implements {
  using Problem = typename Kernel::Problem;

  static constexpr std::string_view name = "vector";
  static constexpr core::Feature needs = core::Feature::vectors_128;
  static constexpr Numerics numerics = {};
  static constexpr bool composition = false;
  static constexpr std::int64_t row_step = requires { Kernel::any_rows; } ? 1 : 0;
  static bool supports(const Problem&) { return true; }
  static double cost(const Problem&) { return 0; }
  static std::int64_t scratch(const Problem&, std::int64_t /*images*/) { return 0; }
  static std::int64_t packed(const Problem&) { return 0; }
  static void pack(const Problem&, const float* /*kernel*/, float* /*packed*/) {}
  static std::int64_t channel_step(const Problem&) { return 0; }
};

/// The reference as an implementation.
template <class Kernel>
struct Reference : Implements<Kernel> {
  static constexpr std::string_view name = "reference";
  static constexpr core::Feature needs = core::Feature::none;
  /// Position invariant unless the kernel's reference_position_invariant says otherwise.
  static Numerics numerics(const typename Kernel::Problem& problem) {
    if constexpr (requires { Kernel::reference_position_invariant(problem); })
      return {.position_invariant = Kernel::reference_position_invariant(problem)};
    return {};
  }
  static std::int64_t scratch(const typename Kernel::Problem& problem, std::int64_t images) {
    if constexpr (requires { Kernel::reference_scratch(problem, images); }) return Kernel::reference_scratch(problem, images);
    return 0;
  }
  static void run(const typename Kernel::Problem& problem, const typename Kernel::template Args<float>& args) {
    Kernel::template reference<float>(problem, args);
  }
};

/// An implementation that was prepared for a problem. `problem` in its functions is that problem or one that differs from it only as the
/// kernel allows (fewer rows of a map, other pitches).
template <class Kernel>
class Implementation {
 public:
  using Problem = typename Kernel::Problem;
  using Args = typename Kernel::template Args<float>;

  /// Empty if `Struct` does not support the problem under this policy.
  template <class Struct>
  static std::optional<Implementation> prepare(const Problem& problem, const Policy& policy);

  std::int64_t scratch(const Problem& problem, std::int64_t images) const { return functions_->scratch(problem, state_.get(), images); }
  /// Elements of the packed weights, which `pack` writes; 0: `run` reads the caller's layout.
  std::int64_t packed(const Problem& problem) const { return functions_->packed(problem, state_.get()); }
  void pack(const Problem& problem, const float* kernel, float* packed) const { functions_->pack(problem, state_.get(), kernel, packed); }
  void run(const Problem& problem, const Args& args) const { functions_->run(problem, state_.get(), args); }

  /// The name with the label behind it, such as "strip (winograd4)".
  std::string full_name() const { return label.empty() ? std::string(name) : std::string(name) + " (" + label + ")"; }

  std::string_view name;
  std::string label;  // what it decided for this problem, or empty
  core::Feature needs = core::Feature::none;
  Numerics numerics;
  std::int64_t row_step = 0;
  std::int64_t channel_step = 0;
  double cost = 0;

 private:
  struct Functions {
    std::int64_t (*scratch)(const Problem&, const void* state, std::int64_t images);
    std::int64_t (*packed)(const Problem&, const void* state);
    void (*pack)(const Problem&, const void* state, const float* kernel, float* packed);
    void (*run)(const Problem&, const void* state, const Args& args);
  };
  // Implementations with a state, and those without.
  template <class Struct>
  static constexpr Functions with_state = {
      [](const Problem& p, const void* s, std::int64_t images) { return Struct::scratch(p, *static_cast<const typename Struct::State*>(s), images); },
      [](const Problem& p, const void* s) { return Struct::packed(p, *static_cast<const typename Struct::State*>(s)); },
      [](const Problem& p, const void* s, const float* kernel, float* packed) {
        Struct::pack(p, *static_cast<const typename Struct::State*>(s), kernel, packed);
      },
      [](const Problem& p, const void* s, const Args& args) { Struct::run(p, *static_cast<const typename Struct::State*>(s), args); }};
  template <class Struct>
  static constexpr Functions without_state = {[](const Problem& p, const void*, std::int64_t images) { return Struct::scratch(p, images); },
                                              [](const Problem& p, const void*) { return Struct::packed(p); },
                                              [](const Problem& p, const void*, const float* kernel, float* packed) { Struct::pack(p, kernel, packed); },
                                              [](const Problem& p, const void*, const Args& args) { Struct::run(p, args); }};

  const Functions* functions_ = nullptr;
  std::shared_ptr<const void> state_;
};

template <class Kernel>
template <class Struct>
std::optional<Implementation<Kernel>> Implementation<Kernel>::prepare(const Problem& problem, const Policy& policy) {
  Implementation result;
  result.name = Struct::name;
  result.needs = Struct::needs;
  if constexpr (requires { typename Struct::State; }) {
    auto state = Struct::prepare(problem, policy);
    if (!state) return std::nullopt;
    result.numerics = Struct::numerics(problem, *state);
    result.cost = Struct::cost(problem, *state);
    if constexpr (requires { Struct::label(*state); }) result.label = Struct::label(*state);
    if constexpr (requires { Struct::row_step(*state); })
      result.row_step = Struct::row_step(*state);
    else
      result.row_step = Struct::row_step;
    if constexpr (requires { Struct::channel_step(problem, *state); }) result.channel_step = Struct::channel_step(problem, *state);
    result.functions_ = &with_state<Struct>;
    result.state_ = std::make_shared<const typename Struct::State>(*std::move(state));
  } else {
    if (!Struct::supports(problem)) return std::nullopt;
    if constexpr (std::is_same_v<decltype(Struct::numerics), const Numerics>)
      result.numerics = Struct::numerics;
    else
      result.numerics = Struct::numerics(problem);
    result.cost = Struct::cost(problem);
    result.row_step = Struct::row_step;
    result.channel_step = Struct::channel_step(problem);
    result.functions_ = &without_state<Struct>;
  }
  if constexpr (requires { Kernel::weights(problem); } && !Struct::composition)
    result.cost += cost_of_weights(std::max(result.packed(problem), Kernel::weights(problem)), policy.images);
  return result;
}

/// A row of the registry.
template <class Kernel>
struct Registered {
  std::string_view name;
  core::Feature needs;
  std::optional<Implementation<Kernel>> (*prepare)(const typename Kernel::Problem&, const Policy&);
};

/// All implementations of a kernel in the order of registry.inc; the reference is the last (registry.cc).
template <class Kernel>
std::span<const Registered<Kernel>> implementations();

/// Whether the environment variable LINN_DISABLE, a comma-separated list of "kernel.implementation", names this one. Read once.
bool disabled(std::string_view kernel, std::string_view implementation);

/// Throws StateError: LINN_DISABLE leaves no position invariant implementation of this kernel.
[[noreturn]] void refuse_position_dependent(std::string_view kernel);

/// The cheapest of the implementations that the policy, LINN_DISABLE, LINN_ISA and the CPU allow and that support the problem; of equally
/// cheap ones the first in the registry; the reference if there is none. Where the policy allows bfloat16, the implementations with such
/// operands come before all others, whatever they cost: which ops round shall not depend on the CPU. The choice never depends on a
/// timing, so that the same seed gives the same bits.
/// Throws StateError if the policy asks for position invariance and neither an implementation nor the reference has it.
template <class Kernel>
Implementation<Kernel> choose(const typename Kernel::Problem& problem, const Policy& policy = {}) {
  const auto list = implementations<Kernel>();
  std::optional<Implementation<Kernel>> best;
  for (const Registered<Kernel>& row : list.first(list.size() - 1)) {
    if (!core::has(row.needs) || disabled(Kernel::name, row.name)) continue;
    std::optional<Implementation<Kernel>> candidate = row.prepare(problem, policy);
    if (!candidate || !policy.allows(candidate->numerics)) continue;
    const bool rounds = candidate->numerics.operands > (best ? best->numerics.operands : Operands::float32);
    const bool cheaper = best && candidate->numerics.operands == best->numerics.operands && candidate->cost < best->cost;
    if (!best || rounds || cheaper) best = std::move(candidate);
  }
  if (best) return *std::move(best);
  std::optional<Implementation<Kernel>> reference = list.back().prepare(problem, policy);
  if (policy.position_invariant && !reference->numerics.position_invariant) refuse_position_dependent(Kernel::name);
  return *std::move(reference);
}

}  // namespace linn::detail::kernels
