// Merges and their gradients in pieces of 2,048 elements that stay in the L1 cache (pieces-inl.h).
//
// Forward: a piece of the output is src[0] o src[1], then o src[2] and so on.
// Gradient: computes the terms of a piece in a buffer on the stack; then writes them, or adds them to the elements that are repeated over the
// piece. Bound by memory for two inputs of the same shape: two reads and a write for each element.
// Measured (Zen 5, AVX-512, one core), as a share of what memcpy moves in the same run: two maps 56x56x64, batch 32: 1.03, gradients 1.0 to
// 1.1; a map times a vector of channels (squeeze and excite), 56x56, batch 32: 0.85 with 16 channels, 0.92 with 64, 1.0 with 128, the gradient
// of the vector 0.68, 0.94, 1.0; a map times a number for each pixel 0.9. In the L2 cache: two maps 14x14x64 0.7, times a vector 0.45 (131
// GB/s).
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/merge/vector.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <algorithm>

#include "kernels/merge/pieces-inl.h"
#include "kernels/merge/vector.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::merge {
namespace HWY_NAMESPACE {
namespace {

/// merge_step in vectors.
template <MergeKind kind, class D, class V>
HWY_INLINE V step(D, V a, V b) {
  if constexpr (kind == MergeKind::add || kind == MergeKind::average) return hn::Add(a, b);
  if constexpr (kind == MergeKind::subtract) return hn::Sub(a, b);
  if constexpr (kind == MergeKind::multiply) return hn::Mul(a, b);
  if constexpr (kind == MergeKind::maximum) return hn::IfThenElse(hn::Or(hn::Gt(a, b), hn::IsNaN(a)), a, b);
  if constexpr (kind == MergeKind::minimum) return hn::IfThenElse(hn::Or(hn::Lt(a, b), hn::IsNaN(a)), a, b);
}

template <MergeKind kind, bool a_repeated, bool b_repeated>
struct Step {
  const float* a;
  const float* b;
  float* dst;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    hn::StoreU(step<kind>(d, load<a_repeated>(d, a, i), load<b_repeated>(d, b, i)), d, dst + i);
  }
};

struct Divide {
  const float* src;
  float* dst;
  float divisor;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    hn::StoreU(hn::Div(hn::LoadU(d, src + i), hn::Set(d, divisor)), d, dst + i);
  }
};

template <MergeKind kind>
HWY_INLINE void step_run(Operand a, Operand b, float* dst, std::int64_t count) {
  if (a.repeated && b.repeated) return for_each(count, Step<kind, true, true>{a.at, b.at, dst});
  if (a.repeated) return for_each(count, Step<kind, true, false>{a.at, b.at, dst});
  if (b.repeated) return for_each(count, Step<kind, false, true>{a.at, b.at, dst});
  for_each(count, Step<kind, false, false>{a.at, b.at, dst});
}

/// The pieces of all images, with their inputs.
class Inputs : public Pieces {
 public:
  Inputs(const Broadcast& broadcast, const void* const* src) : Pieces(broadcast), src_(src) {}
  /// Valid until it is called for another input but the first, or for another piece.
  HWY_INLINE Operand input(std::int64_t k) {
    return operand(k, static_cast<const float*>(src_[static_cast<std::size_t>(k)]) + offset(k), k == 0 ? 0 : 1);
  }

 private:
  const void* const* src_;
};

// ---- forward ----

template <MergeKind kind>
void forward_of(const Merge::Problem& problem, const Merge::Args<float>& args) {
  const std::int64_t inputs = problem.broadcast.inputs();
  Inputs pieces(problem.broadcast, args.src);
  pieces.for_each_piece(args.images, [&](std::int64_t output, std::int64_t count) {
    float* dst = args.dst + output;
    if (inputs == 1) {
      for_each(count, Copy{pieces.input(0).at, dst});
      return;
    }
    step_run<kind>(pieces.input(0), pieces.input(1), dst, count);
    for (std::int64_t k = 2; k < inputs; ++k) step_run<kind>({dst, false}, pieces.input(k), dst, count);
    if constexpr (kind == MergeKind::average) for_each(count, Divide{dst, dst, static_cast<float>(inputs)});
  });
}

void forward(const Merge::Problem& problem, const Merge::Args<float>& args) {
  switch (problem.kind) {
    case MergeKind::add: return forward_of<MergeKind::add>(problem, args);
    case MergeKind::subtract: return forward_of<MergeKind::subtract>(problem, args);
    case MergeKind::multiply: return forward_of<MergeKind::multiply>(problem, args);
    case MergeKind::average: return forward_of<MergeKind::average>(problem, args);
    case MergeKind::maximum: return forward_of<MergeKind::maximum>(problem, args);
    case MergeKind::minimum: return forward_of<MergeKind::minimum>(problem, args);
  }
}

// ---- gradient: the terms of a piece ----

struct Negate {
  const float* src;
  float* dst;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    hn::StoreU(hn::Neg(hn::LoadU(d, src + i)), d, dst + i);
  }
};

/// Keeps the terms where the best value so far wins against b (or those where it does not); sets the others to 0.
template <MergeKind kind, bool a_repeated, bool b_repeated>
struct Select {
  const float* a;
  const float* b;
  float* term;
  bool keep_winners;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    const auto x = load<a_repeated>(d, a, i), y = load<b_repeated>(d, b, i);
    const auto wins = kind == MergeKind::maximum ? hn::Ge(x, y) : hn::Le(x, y);
    const auto t = hn::LoadU(d, term + i);
    hn::StoreU(keep_winners ? hn::IfThenElseZero(wins, t) : hn::IfThenZeroElse(wins, t), d, term + i);
  }
};

template <MergeKind kind>
HWY_INLINE void select(Operand a, Operand b, float* term, bool keep_winners, std::int64_t count) {
  if (a.repeated && b.repeated) return for_each(count, Select<kind, true, true>{a.at, b.at, term, keep_winners});
  if (a.repeated) return for_each(count, Select<kind, true, false>{a.at, b.at, term, keep_winners});
  if (b.repeated) return for_each(count, Select<kind, false, true>{a.at, b.at, term, keep_winners});
  for_each(count, Select<kind, false, false>{a.at, b.at, term, keep_winners});
}

/// ddst where input `mine` is the maximum. Compares pairs (best so far, next) from the left, as takes_gradient of the reference.
template <MergeKind kind>
HWY_INLINE void keep_won(Inputs& pieces, std::int64_t inputs, std::int64_t mine, float* term, std::int64_t count) {
  alignas(64) float memory[piece];
  Operand best = pieces.input(0);
  for (std::int64_t k = 1; k < inputs; ++k) {
    const Operand next = pieces.input(k);
    if (k >= mine) select<kind>(best, next, term, k != mine, count);
    if (k + 1 == inputs) return;
    step_run<kind>(best, next, memory, count);
    best = {memory, false};
  }
}

HWY_INLINE void terms_of(const MergeGradient::Problem& problem, Inputs& pieces, const float* ddst, float* term, std::int64_t count) {
  const std::int64_t inputs = problem.broadcast.inputs();
  switch (problem.kind) {
    case MergeKind::add: return for_each(count, Copy{ddst, term});
    case MergeKind::subtract: return problem.input == 0 ? for_each(count, Copy{ddst, term}) : for_each(count, Negate{ddst, term});
    case MergeKind::average: return for_each(count, Divide{ddst, term, static_cast<float>(inputs)});
    case MergeKind::multiply: {
      Operand product = {ddst, false};
      for (std::int64_t k = 0; k < inputs; ++k) {
        if (k == problem.input) continue;
        step_run<MergeKind::multiply>(product, pieces.input(k), term, count);
        product.at = term;
      }
      if (inputs == 1) for_each(count, Copy{ddst, term});
      return;
    }
    case MergeKind::maximum:
      for_each(count, Copy{ddst, term});
      return keep_won<MergeKind::maximum>(pieces, inputs, problem.input, term, count);
    case MergeKind::minimum:
      for_each(count, Copy{ddst, term});
      return keep_won<MergeKind::minimum>(pieces, inputs, problem.input, term, count);
  }
}

void gradient(const MergeGradient::Problem& problem, const MergeGradient::Args<float>& args) {
  const Broadcast& b = problem.broadcast;
  const std::int64_t mine = problem.input;
  const bool repeats = b.repeats(mine);
  if (repeats) std::fill_n(args.dsrc, args.images * b.elements[static_cast<std::size_t>(mine)], 0.0f);
  Inputs pieces(b, args.src);
  alignas(64) float memory[piece];
  pieces.for_each_piece(args.images, [&](std::int64_t output, std::int64_t count) {
    float* dsrc = args.dsrc + pieces.offset(mine);
    float* term = repeats ? memory : dsrc;
    terms_of(problem, pieces, args.ddst + output, term, count);
    if (repeats) pieces.add(mine, term, count, dsrc);
  });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace linn::detail::kernels::merge
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels::merge {

HWY_EXPORT(forward);
HWY_EXPORT(gradient);

Numerics RunwiseGradient::numerics(const MergeGradient::Problem& problem) {
  return {.position_invariant = !problem.broadcast.repeats(problem.input)};
}

void Runwise::run(const Merge::Problem& problem, const Merge::Args<float>& args) { HWY_DYNAMIC_DISPATCH(forward)(problem, args); }
void RunwiseGradient::run(const MergeGradient::Problem& problem, const MergeGradient::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(gradient)(problem, args);
}

}  // namespace linn::detail::kernels::merge
#endif
