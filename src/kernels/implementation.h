// Kernels, their implementations, and the choice among these. `registry.inc` lists the implementations of each kernel, best first.
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
//
// An *implementation* is a struct with these members. `choose` reads all of them but scratch, run, packed and pack; the plan also reads
// position_invariant and period:
//
// | member             | type     | default | meaning                                                                                     |
// |--------------------|----------|---------|---------------------------------------------------------------------------------------------|
// | name               | string   |         | name in LINN_VERBOSE, LINN_DISABLE and tests                                                |
// | needs              | Isa      |         | least instruction set                                                                       |
// | accepts(p)         | bool     |         | whether it computes this problem                                                            |
// | scratch(p, images) | elements |         | scratch for a call with this number of images                                               |
// | run(p, args)       |          |         | computes one call, T = float                                                                |
// | position_invariant | bool or  |         | An output's bits do not depend on its place in the map; for an output of a whole map, not   |
// |                    | bool(p)  |         | on the places of the values.                                                                |
// | period             | cells    | 0       | For an implementation that is not position invariant: if output and window move by a        |
// |                    |          |         | multiple of `period` cells, down or right, the output keeps its bits. 0: unknown.           |
// | local              | bool     | true    | An output's bits depend only on the values in its window.                                   |
// | direct_form        | bool     | true    | Sums the products of the definition, so that the direct form's error bound holds. False     |
// |                    |          |         | for Winograd's form.                                                                        |
// | operands           | Operands | float32 | the type to which factors are rounded before they are multiplied                            |
// | packed(p)          | elements | 0       | size of the weights in a layout of its own; 0: it reads the caller's layout                 |
// | pack(p, k, packed) |          |         | writes that layout; only with `packed`                                                      |
//
// Every implementation gives exactly the bias where all values in a window are zero. The gradient of relu relies on it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "core/cpu.h"

namespace linn::detail::kernels {

/// The type to which an implementation rounds the factors of its products. Sums are float32 in any case. In order of decreasing precision.
enum class Operands : std::uint8_t { float32, bfloat16 };

/// Which implementations a plan may choose.
struct Policy {
  bool position_invariant = false;  // only position invariant ones
  bool exact = false;               // only the direct form with float32 operands
  bool local = false;               // only local ones, for callers that compare outputs bit by bit
  /// The least precise operands that are allowed.
  Operands operands = Operands::float32;
};

/// An implementation as a value: pointers to the members of its struct, with the defaults filled in.
template <class Kernel>
struct Implementation {
  using Problem = typename Kernel::Problem;
  using Args = typename Kernel::template Args<float>;

  std::string_view name;
  core::Isa needs;
  bool (*position_invariant)(const Problem&);
  bool direct_form;
  bool (*accepts)(const Problem&);
  std::int64_t (*scratch)(const Problem&, std::int64_t images);
  void (*run)(const Problem&, const Args&);
  /// Elements of the packed weights, which `pack` writes; 0: `run` reads the caller's layout.
  std::int64_t (*packed)(const Problem&);
  void (*pack)(const Problem&, const float* kernel, float* packed);
  Operands operands = Operands::float32;
  std::int64_t period = 0;
  bool local = true;
};

/// The period of an implementation in cells of its output: 1 if it is position invariant for this problem, 0 if unknown.
template <class Kernel>
std::int64_t period_of(const Implementation<Kernel>& implementation, const typename Kernel::Problem& problem) {
  return implementation.position_invariant(problem) ? 1 : implementation.period;
}

/// The reference as an implementation.
template <class Kernel>
struct Reference {
  static constexpr std::string_view name = "reference";
  static constexpr core::Isa needs = core::Isa::scalar;
  /// True unless the kernel has reference_position_invariant.
  static bool position_invariant(const typename Kernel::Problem& problem) {
    if constexpr (requires { Kernel::reference_position_invariant(problem); }) return Kernel::reference_position_invariant(problem);
    return true;
  }
  static bool accepts(const typename Kernel::Problem&) { return true; }
  static std::int64_t scratch(const typename Kernel::Problem& problem, std::int64_t images) {
    if constexpr (requires { Kernel::reference_scratch(problem, images); }) return Kernel::reference_scratch(problem, images);
    return 0;
  }
  static void run(const typename Kernel::Problem& problem, const typename Kernel::template Args<float>& args) {
    Kernel::template reference<float>(problem, args);
  }
};

template <class Kernel, class Struct>
constexpr Implementation<Kernel> implementation_of() {
  Implementation<Kernel> result = {Struct::name, Struct::needs, nullptr, true, Struct::accepts, Struct::scratch, Struct::run, nullptr, nullptr};
  if constexpr (std::is_same_v<decltype(Struct::position_invariant), const bool>)
    result.position_invariant = [](const typename Kernel::Problem&) { return Struct::position_invariant; };
  else
    result.position_invariant = Struct::position_invariant;
  if constexpr (requires { Struct::direct_form; }) result.direct_form = Struct::direct_form;
  if constexpr (requires { Struct::packed; }) {
    result.packed = Struct::packed;
    result.pack = Struct::pack;
  } else {
    result.packed = [](const typename Kernel::Problem&) -> std::int64_t { return 0; };
  }
  if constexpr (requires { Struct::operands; }) result.operands = Struct::operands;
  if constexpr (requires { Struct::period; }) result.period = Struct::period;
  if constexpr (requires { Struct::local; }) result.local = Struct::local;
  return result;
}

/// All implementations of a kernel, best first; the reference is the last (registry.cc).
template <class Kernel>
std::span<const Implementation<Kernel>> implementations();

/// Whether the environment variable LINN_DISABLE, a comma-separated list of "kernel.implementation", names this one. Read once.
bool disabled(std::string_view kernel, std::string_view implementation);

/// Throws StateError: LINN_DISABLE leaves no position invariant implementation of this kernel.
[[noreturn]] void refuse_position_dependent(std::string_view kernel);

/// The first implementation that the policy, LINN_DISABLE, LINN_ISA and the CPU allow and that accepts the problem; the reference if there
/// is none. Depends on nothing else and never on a timing, so that the same seed gives the same bits.
/// Throws StateError if the policy asks for position invariance and neither an implementation nor the reference has it.
template <class Kernel>
const Implementation<Kernel>& choose(const typename Kernel::Problem& problem, const Policy& policy = {}) {
  const auto list = implementations<Kernel>();
  for (const Implementation<Kernel>& candidate : list.first(list.size() - 1)) {
    if (candidate.needs > core::isa() || disabled(Kernel::name, candidate.name)) continue;
    if (policy.position_invariant && !candidate.position_invariant(problem)) continue;
    if (policy.exact && (!candidate.direct_form || candidate.operands != Operands::float32)) continue;
    if (policy.local && !candidate.local) continue;
    if (candidate.operands > policy.operands) continue;
    if (candidate.accepts(problem)) return candidate;
  }
  if (policy.position_invariant && !list.back().position_invariant(problem)) refuse_position_dependent(Kernel::name);
  return list.back();
}

}  // namespace linn::detail::kernels
