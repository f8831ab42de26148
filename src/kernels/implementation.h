// How kernels are listed and chosen: `registry.inc` lists the implementations of each, best first.
//
// A *kernel* (ConvForward, PoolForward, ...) is a struct with
//   name                    for LINN_VERBOSE, LINN_DISABLE and the tests;
//   Problem                 what is known before any data: geometry and options;
//   Args<T>                 the data of one call, T = float or double;
//   reference<T>(p, args)   the plain scalar form: the oracle of every test, and the last choice at run time; with it
//   reference_scratch(p, images), if it needs any, and reference_position_invariant(p), if it is not that for every problem.
// An *implementation* of it is a struct with
//   name, needs (the least instruction set), position_invariant (an output's bits do not depend on where in the map it lies, nor, if it
//   stands for a whole map, on where its values lie; a function of the problem where that decides), period, if it is not that, and yet an
//   output keeps its bits when it moves by so many cells of its map, down or right, and what its window sees moves along, local, if it is
//   not that (default true: an output's bits depend on nothing that its window does not see), direct_form, if it does not sum the
//   definition's products (default true: the direct form's error bound is its own; not so Winograd's form), operands, if it rounds what it
//   multiplies (default float32), accepts(problem), scratch(problem, images) in elements, run(problem, Args<float>);
//   packed(problem) in elements and pack(problem, kernel, packed), if it wants the kernel in a layout of its own.
// Of every implementation, what sees nothing but zeros is exactly the bias: relu's gradient hangs on it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "core/cpu.h"

namespace linn::kernels {

/// What an implementation makes of the numbers that it multiplies; sums are float32 in all. Ordered: each is less exact than those
/// before it.
enum class Operands : std::uint8_t { float32, bfloat16 };

/// What a plan admits.
struct Policy {
  bool position_invariant = false;
  bool exact = false;  // only implementations of the direct form, and no rounded operands
  bool local = false;  // only local ones: for those who compare outputs by their bits
  /// The least exact operands that are welcome.
  Operands operands = Operands::float32;
};

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
  /// Elements of the kernel in a layout of the implementation's own, written by `pack`; 0: it reads the caller's.
  std::int64_t (*packed)(const Problem&);
  void (*pack)(const Problem&, const float* kernel, float* packed);
  Operands operands = Operands::float32;
  std::int64_t period = 0;  // of one that is not position invariant; 0: none
  bool local = true;
};

/// After how many cells of the output, along either axis, an implementation's bits repeat themselves; 0: not known.
template <class Kernel>
std::int64_t period_of(const Implementation<Kernel>& implementation, const typename Kernel::Problem& problem) {
  return implementation.position_invariant(problem) ? 1 : implementation.period;
}

/// The reference in the form of an implementation.
template <class Kernel>
struct Reference {
  static constexpr std::string_view name = "reference";
  static constexpr core::Isa needs = core::Isa::scalar;
  /// Unless the kernel says of its reference that it is not.
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

/// All implementations of a kernel, best first, the reference last (defined in registry.cc).
template <class Kernel>
std::span<const Implementation<Kernel>> implementations();

/// Whether LINN_DISABLE, a comma-separated list of "kernel.implementation", names this one. Read once.
bool disabled(std::string_view kernel, std::string_view implementation);

/// Throws StateError: nothing is left that gives the same bits wherever in the map a value lies.
[[noreturn]] void refuse_position_dependent(std::string_view kernel);

/// The first implementation that the policy, LINN_DISABLE, LINN_ISA and the CPU allow and that accepts the problem.
/// Depends on nothing else, never on a timing, so that the same seed gives the same bits. StateError where LINN_DISABLE leaves none that
/// the policy allows: the reference is the last choice, but only where it keeps what is asked for.
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

}  // namespace linn::kernels
