// General pooling, NHWC, channels in lanes, one window at a time.
//
// Each function of general.h is a struct with two members: `value` of one vector of channels, and `give`, which hands each cell its
// gradient and each parameter its own. The loops over images, windows and channels are shared.
// Loop nest: image, y, x | vectors of channels | cells, in one to three passes, the later of which read from L1.
// A power is a product for whole exponents up to 16, else exp(p log x) of numbers of magnitude at most 1, whose error is then small beside
// the sum. Windows that do not overlap store their gradients; others add them.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pool/general_vector.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "core/random.h"
#include "kernels/eltwise/functions-inl.h"
#include "kernels/pool/general_vector.h"
#include "kernels/pool/lanes-inl.h"
#include "kernels/pool/window.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::pool {
namespace HWY_NAMESPACE {
namespace {

namespace fn = linn::detail::kernels::eltwise::HWY_NAMESPACE;
using Problem = GeneralPoolForward::Problem;
constexpr float least_normal = std::numeric_limits<float>::min();

/// The cells of one window inside the map. `origin`: offset of its cell (0, 0), which may lie outside the map.
struct Window {
  std::int64_t origin;
  Range rows, columns;
  std::int64_t row_step, column_step, width;

  std::int64_t count() const { return rows.size() * columns.size(); }
  /// Calls f(offset of the cell, its number in the whole window) in row-major order.
  template <class F>
  HWY_INLINE void each(const F& f) const {
    for (std::int64_t i = rows.begin; i < rows.end; ++i)
      for (std::int64_t j = columns.begin; j < columns.end; ++j) f(origin + i * row_step + j * column_step, i * width + j);
  }
};

/// One vector of channels of one window.
template <class D>
struct Lanes {
  using V = hn::Vec<D>;
  D d;
  const Window& window;
  const float* src;         // at the channel
  const float* parameters;  // at the channel if there is one for each; or null
  std::int64_t parameter_row;  // 0: one for all channels
  const float* uniform;     // sampled: at the channel

  HWY_INLINE V parameter(std::int64_t row) const {
    return parameter_row == 0 ? hn::Set(d, parameters[row]) : hn::LoadU(d, parameters + row * parameter_row);
  }
  /// f(value, number) for each cell.
  template <class F>
  HWY_INLINE void each(const F& f) const {
    window.each([&](std::int64_t offset, std::int64_t number) { f(hn::LoadU(d, src + offset), number); });
  }
  HWY_INLINE V number(float value) const { return hn::Set(d, value); }
  HWY_INLINE V one_of_cells() const { return hn::Set(d, 1.0f / static_cast<float>(window.count())); }
  HWY_INLINE V mean(V sum) const { return hn::Div(sum, hn::Set(d, static_cast<float>(window.count()))); }
};

/// Where the gradients of one vector of channels go.
template <class D>
struct Gifts {
  D d;
  float* dsrc;         // at the channel, or null
  float* dparameters;  // sums [rows, channels] at the channel, or null
  std::int64_t channels;
  bool adds;  // windows overlap

  HWY_INLINE void cell(std::int64_t offset, hn::Vec<D> gradient) const {
    hn::StoreU(adds ? hn::Add(hn::LoadU(d, dsrc + offset), gradient) : gradient, d, dsrc + offset);
  }
  HWY_INLINE void parameter(std::int64_t row, hn::Vec<D> gradient) const {
    float* sum = dparameters + row * channels;
    hn::StoreU(hn::Add(hn::LoadU(d, sum), gradient), d, sum);
  }
};

// ---- lp ----

/// x^p for 0 <= x <= 1.
enum class Power { one, two, whole, any };

template <Power power>
struct Lp {
  float p;

  template <class D, class V>
  HWY_INLINE V raised(D d, V x, float exponent) const {
    if constexpr (power == Power::any) return fn::exp(d, hn::Mul(fn::log(d, x), hn::Set(d, exponent)));
    V product = hn::Set(d, 1.0f);
    for (int i = static_cast<int>(exponent); i > 0; --i) product = hn::Mul(product, x);
    return product;
  }
  template <class D, class V>
  HWY_INLINE V root(D d, V sum) const {
    if constexpr (power == Power::one) return sum;
    if constexpr (power == Power::two) return hn::Sqrt(sum);
    return fn::exp(d, hn::Div(fn::log(d, sum), hn::Set(d, p)));
  }
  /// Relative to the largest magnitude: no power overflows or vanishes with all others.
  template <class D>
  HWY_INLINE hn::Vec<D> scaled(const Lanes<D>& at) const {
    const D d = at.d;
    hn::Vec<D> largest = hn::Zero(d), sum = hn::Zero(d);
    at.each([&](auto x, std::int64_t) { largest = hn::Max(hn::Abs(x), largest); });
    const auto scale = hn::Max(largest, at.number(least_normal)), part = hn::Div(at.number(1.0f), scale);
    at.each([&](auto x, std::int64_t) { sum = hn::Add(sum, raised(d, hn::Mul(hn::Abs(x), part), p)); });
    const auto y = hn::Mul(scale, root(d, sum));
    const auto infinite = hn::Eq(largest, at.number(fn::infinite));
    return hn::IfThenElse(infinite, largest, hn::IfThenZeroElse(hn::Eq(sum, hn::Zero(d)), y));
  }
  template <class D>
  HWY_INLINE hn::Vec<D> value(const Lanes<D>& at) const {
    const D d = at.d;
    if constexpr (power != Power::one && power != Power::two) return scaled(at);
    hn::Vec<D> sum = hn::Zero(d);
    if constexpr (power == Power::one) at.each([&](auto x, std::int64_t) { sum = hn::Add(sum, hn::Abs(x)); });
    if constexpr (power == Power::two) at.each([&](auto x, std::int64_t) { sum = hn::MulAdd(x, x, sum); });
    if constexpr (power == Power::one) return sum;
    // Squares that overflow or lose bits as denormal numbers: those lanes again.
    const auto safe = hn::And(hn::Ge(sum, at.number(0x1p-90f)), hn::Le(sum, at.number(std::numeric_limits<float>::max())));
    if (HWY_LIKELY(hn::AllTrue(d, safe))) return hn::Sqrt(sum);
    return hn::IfThenElse(safe, hn::Sqrt(sum), scaled(at));
  }
  template <class D, class V>
  HWY_INLINE void give(const Lanes<D>& at, V y, V g, const Gifts<D>& to) const {
    if (to.dsrc == nullptr) return;
    const D d = at.d;
    const V part = hn::Div(at.number(1.0f), hn::Max(y, at.number(least_normal)));
    const V scaled_gradient = hn::Mul(g, part);
    at.window.each([&](std::int64_t offset, std::int64_t) {
      const V x = hn::LoadU(d, at.src + offset);
      if constexpr (power == Power::two) return to.cell(offset, hn::Mul(scaled_gradient, x));
      V size = g;
      if constexpr (power != Power::one) size = hn::Mul(g, raised(d, hn::Mul(hn::Abs(x), part), p - 1));
      const V with_sign = hn::Xor(size, hn::And(x, hn::SignBit(d)));
      to.cell(offset, hn::IfThenZeroElse(hn::Eq(x, hn::Zero(d)), with_sign));
    });
  }
};

// ---- generalized mean ----

struct GeneralizedMean {
  float least;

  template <class D>
  HWY_INLINE hn::Vec<D> exponent(const Lanes<D>& at) const {
    const auto p = at.parameter(0), limit = at.number(static_cast<float>(least_exponent));
    return hn::IfThenElse(hn::Lt(hn::Abs(p), limit), hn::CopySign(limit, p), p);
  }
  template <class D>
  HWY_INLINE hn::Vec<D> value(const Lanes<D>& at) const {
    const D d = at.d;
    if (at.window.count() == 0) return at.number(least);
    const auto p = exponent(at);
    auto highest = at.number(least), lowest = at.number(fn::infinite), sum = hn::Zero(d);
    at.each([&](auto x, std::int64_t) {
      const auto clamped = fn::at_least(d, x, least);
      highest = hn::Max(clamped, highest), lowest = hn::Min(clamped, lowest);
    });
    const auto scale = hn::IfThenElse(hn::Gt(p, hn::Zero(d)), highest, lowest), part = hn::Div(at.number(1.0f), scale);
    at.each([&](auto x, std::int64_t) { sum = hn::Add(sum, fn::exp(d, hn::Mul(p, fn::log(d, hn::Mul(fn::at_least(d, x, least), part))))); });
    return hn::Mul(scale, fn::exp(d, hn::Div(fn::log(d, at.mean(sum)), p)));
  }
  template <class D, class V>
  HWY_INLINE void give(const Lanes<D>& at, V y, V g, const Gifts<D>& to) const {
    const D d = at.d;
    if (at.window.count() == 0) return;
    const V p = exponent(at), part = hn::Div(at.number(1.0f), y);
    const V each = at.mean(g), limit = at.number(least);
    V sum = hn::Zero(d);
    at.window.each([&](std::int64_t offset, std::int64_t) {
      const V x = hn::LoadU(d, at.src + offset);
      const V ratio = hn::Mul(fn::at_least(d, x, least), part), log = fn::log(d, ratio), power = fn::exp(d, hn::Mul(p, log));
      sum = hn::MulAdd(power, log, sum);
      if (to.dsrc == nullptr) return;
      to.cell(offset, hn::IfThenZeroElse(hn::Lt(x, limit), hn::Mul(each, hn::Div(power, ratio))));
    });
    if (to.dparameters != nullptr) to.parameter(0, hn::Mul(hn::Mul(each, y), hn::Div(sum, p)));
  }
};

// ---- weighted means ----

template <class D>
HWY_INLINE hn::Vec<D> largest_of(const Lanes<D>& at) {
  auto largest = at.number(-fn::infinite);
  at.each([&](auto x, std::int64_t) { largest = hn::IfThenElse(beats(x, largest), x, largest); });
  return largest;
}

struct Soft {
  template <class D>
  HWY_INLINE hn::Vec<D> value(const Lanes<D>& at) const {
    const D d = at.d;
    if (at.window.count() == 0) return hn::Zero(d);
    const auto largest = largest_of(at);
    auto weights = hn::Zero(d), sum = hn::Zero(d);
    at.each([&](auto x, std::int64_t) {
      const auto weight = fn::exp(d, hn::Sub(x, largest));
      weights = hn::Add(weights, weight), sum = hn::MulAdd(weight, x, sum);
    });
    return hn::Div(sum, weights);
  }
  template <class D, class V>
  HWY_INLINE void give(const Lanes<D>& at, V y, V g, const Gifts<D>& to) const {
    if (to.dsrc == nullptr) return;
    const D d = at.d;
    const V largest = largest_of(at);
    V weights = hn::Zero(d);
    at.each([&](auto x, std::int64_t) { weights = hn::Add(weights, fn::exp(d, hn::Sub(x, largest))); });
    const V each = hn::Div(g, weights), shift = hn::Sub(at.number(1.0f), y);
    at.window.each([&](std::int64_t offset, std::int64_t) {
      const V x = hn::LoadU(d, at.src + offset);
      to.cell(offset, hn::Mul(hn::Mul(each, fn::exp(d, hn::Sub(x, largest))), hn::Add(shift, x)));
    });
  }
};

template <class D, class V>
HWY_INLINE V positive(D d, V x) {
  return hn::IfThenZeroElse(hn::Lt(x, hn::Zero(d)), x);
}

template <class D>
HWY_INLINE hn::Vec<D> positive_sum(const Lanes<D>& at) {
  auto sum = hn::Zero(at.d);
  at.each([&](auto x, std::int64_t) { sum = hn::Add(sum, positive(at.d, x)); });
  return sum;
}

struct Expected {
  template <class D>
  HWY_INLINE hn::Vec<D> value(const Lanes<D>& at) const {
    const D d = at.d;
    const auto part = hn::Div(at.number(1.0f), hn::Max(positive_sum(at), at.number(least_normal)));
    auto sum = hn::Zero(d);
    at.each([&](auto x, std::int64_t) { sum = hn::MulAdd(hn::Mul(positive(d, x), part), x, sum); });
    return sum;
  }
  template <class D, class V>
  HWY_INLINE void give(const Lanes<D>& at, V y, V g, const Gifts<D>& to) const {
    if (to.dsrc == nullptr) return;
    const D d = at.d;
    const V each = hn::Div(g, hn::Max(positive_sum(at), at.number(least_normal)));
    at.window.each([&](std::int64_t offset, std::int64_t) {
      const V x = hn::LoadU(d, at.src + offset);
      to.cell(offset, hn::IfThenElseZero(hn::Gt(x, hn::Zero(d)), hn::Mul(each, hn::Sub(hn::Add(x, x), y))));
    });
  }
};

/// The draws follow the reference operation by operation: the same cells are taken.
struct Sampled {
  /// f(offset, value, mask of the lanes that take this cell) for each cell.
  template <class D, class F>
  HWY_INLINE void draw(const Lanes<D>& at, const F& f) const {
    const D d = at.d;
    const auto threshold = hn::Mul(hn::LoadU(d, at.uniform), positive_sum(at));
    auto below = hn::Zero(d);
    auto taken = hn::Lt(below, below);
    at.window.each([&](std::int64_t offset, std::int64_t) {
      const auto x = hn::LoadU(d, at.src + offset);
      below = hn::Add(below, positive(d, x));
      const auto past = hn::Gt(below, threshold);
      f(offset, x, hn::AndNot(taken, past));
      taken = hn::Or(taken, past);
    });
  }
  template <class D>
  HWY_INLINE hn::Vec<D> value(const Lanes<D>& at) const {
    auto result = hn::Zero(at.d);
    draw(at, [&](std::int64_t, auto x, auto takes) { result = hn::IfThenElse(takes, x, result); });
    return result;
  }
  template <class D, class V>
  HWY_INLINE void give(const Lanes<D>& at, V /*y*/, V g, const Gifts<D>& to) const {
    if (to.dsrc != nullptr) draw(at, [&](std::int64_t offset, auto /*x*/, auto takes) { to.cell(offset, hn::IfThenElseZero(takes, g)); });
  }
};

// ---- mixed and gated ----

/// What a maximum and a mean need of a window. `where`: the number of the first maximum, exact in float.
template <class D>
struct Extremes {
  hn::Vec<D> largest, where, mean;
};
template <class D>
HWY_INLINE Extremes<D> extremes_of(const Lanes<D>& at) {
  Extremes<D> all = {at.number(-fn::infinite), at.number(-1.0f), hn::Zero(at.d)};
  at.each([&](auto x, std::int64_t number) {
    const auto first = hn::Eq(all.where, at.number(-1.0f));
    const auto moves = hn::Or(first, beats(x, all.largest));
    all.largest = hn::IfThenElse(moves, x, all.largest);
    all.where = hn::IfThenElse(moves, at.number(static_cast<float>(number)), all.where);
    all.mean = hn::Add(all.mean, x);
  });
  all.mean = at.mean(all.mean);
  return all;
}

template <bool gated>
struct Mixed {
  float share;

  template <class D>
  HWY_INLINE hn::Vec<D> share_of(const Lanes<D>& at) const {
    if constexpr (!gated) return at.parameters == nullptr ? at.number(share) : at.parameter(0);
    auto gate = hn::Zero(at.d);
    at.each([&](auto x, std::int64_t number) { gate = hn::MulAdd(at.parameter(number), x, gate); });
    const auto one = at.number(1.0f);
    return hn::Div(one, hn::Add(one, fn::exp(at.d, hn::Neg(gate))));
  }
  template <class D>
  HWY_INLINE hn::Vec<D> value(const Lanes<D>& at) const {
    if (at.window.count() == 0) return hn::Zero(at.d);
    const auto all = extremes_of(at);
    const auto a = share_of(at);
    return hn::MulAdd(a, all.largest, hn::Mul(hn::Sub(at.number(1.0f), a), all.mean));
  }
  template <class D, class V>
  HWY_INLINE void give(const Lanes<D>& at, V /*y*/, V g, const Gifts<D>& to) const {
    const D d = at.d;
    if (at.window.count() == 0) return;
    const Extremes<D> all = extremes_of(at);
    const V a = share_of(at), rest = hn::Sub(at.number(1.0f), a);
    const V for_largest = hn::Mul(g, a), for_each = at.mean(hn::Mul(g, rest)), for_share = hn::Mul(g, hn::Sub(all.largest, all.mean));
    const V for_gate = hn::Mul(for_share, hn::Mul(a, rest));
    if constexpr (!gated)
      if (to.dparameters != nullptr) to.parameter(0, for_share);
    at.window.each([&](std::int64_t offset, std::int64_t number) {
      if (gated && to.dparameters != nullptr) to.parameter(number, hn::Mul(for_gate, hn::LoadU(d, at.src + offset)));
      if (to.dsrc == nullptr) return;
      const auto is_largest = hn::Eq(all.where, at.number(static_cast<float>(number)));
      V gradient = hn::Add(for_each, hn::IfThenElseZero(is_largest, for_largest));
      if (gated) gradient = hn::MulAdd(for_gate, at.parameter(number), gradient);
      to.cell(offset, gradient);
    });
  }
};

// ---- windows ----

/// Calls f(image, y, x, window at offset 0 of the image) for each output in row-major order.
template <class F>
HWY_INLINE void for_each_window(const Geometry& g, std::int64_t images, const F& f) {
  const Axis rows = rows_of(g), columns = columns_of(g);
  const Range whole_columns = columns.interior();
  for (std::int64_t image = 0; image < images; ++image)
    for (std::int64_t y = 0; y < g.out_height; ++y) {
      const Range cell_rows = rows.cells(y);
      for (std::int64_t x = 0; x < g.out_width; ++x) {
        const bool whole = x >= whole_columns.begin && x < whole_columns.end;
        f(image, y, x,
          Window{rows.start(y) * g.src_row + columns.start(x) * g.src_pixel, cell_rows, whole ? Range{0, g.window_width} : columns.cells(x),
                 g.dilation_height * g.src_row, g.dilation_width * g.src_pixel, g.window_width});
      }
    }
}

/// Numbers [first, first + count) of a stream.
void draw_uniform(const core::Random& random, std::uint64_t key, std::uint64_t stream, std::uint64_t first, std::int64_t count, float* to) {
  std::int64_t i = 0;
  for (; i < count && (first + static_cast<std::uint64_t>(i)) % 4 != 0; ++i) to[i] = random.uniform(first + static_cast<std::uint64_t>(i));
  for (; i + 4 <= count; i += 4) {
    const auto words = core::philox(key, stream, (first + static_cast<std::uint64_t>(i)) / 4);
    for (int k = 0; k < 4; ++k) to[i + k] = static_cast<float>(words[static_cast<std::size_t>(k)] >> 8) * 0x1p-24f;
  }
  for (; i < count; ++i) to[i] = random.uniform(first + static_cast<std::uint64_t>(i));
}

/// Parameters and random numbers of an output pixel, for both directions.
template <class Args>
struct Surroundings {
  const Problem& problem;
  const Args& args;
  core::Random random;
  float* uniform;

  void at_output(std::int64_t image, std::int64_t y, std::int64_t x) const {
    if (problem.function != PoolFunction::sampled) return;
    const Geometry& g = problem.geometry;
    const std::int64_t dense = ((image * g.out_height + y) * g.out_width + x) * g.channels;
    draw_uniform(random, args.seed, args.stream, args.first + static_cast<std::uint64_t>(dense), g.channels, uniform);
  }
  template <class D>
  HWY_INLINE Lanes<D> lanes(D d, const Window& window, const float* image, std::int64_t c) const {
    const float* parameters = args.parameters == nullptr ? nullptr : args.parameters + (problem.per_channel ? c : 0);
    return {d, window, image + c, parameters, problem.per_channel ? problem.geometry.channels : 0, uniform + c};
  }
};

template <class Function>
void forward_of(const Function& function, const Problem& problem, const GeneralPoolForward::Args<float>& args) {
  const Geometry& g = problem.geometry;
  const Surroundings<GeneralPoolForward::Args<float>> around{problem, args, {args.seed, args.stream}, args.scratch};
  for_each_window(g, args.images, [&](std::int64_t image, std::int64_t y, std::int64_t x, const Window& window) {
    around.at_output(image, y, x);
    const float* src = args.src + image * g.src_image;
    float* dst = args.dst + image * g.dst_image + y * g.dst_row + x * g.dst_pixel;
    for_lanes(0, g.channels, [&](auto d, std::int64_t c) { hn::StoreU(function.value(around.lanes(d, window, src, c)), d, dst + c); });
  });
}

template <class Function>
void gradient_of(const Function& function, const Problem& problem, const GeneralPoolGradient::Args<float>& args) {
  const Geometry& g = problem.geometry;
  const Axis rows = rows_of(g), columns = columns_of(g);
  float* sums = args.dparameters == nullptr ? nullptr : args.scratch + g.channels;
  const Surroundings<GeneralPoolGradient::Args<float>> around{problem, args, {args.seed, args.stream}, args.scratch};
  if (args.dsrc != nullptr) std::fill_n(args.dsrc, args.images * g.src_image, 0.0f);
  if (sums != nullptr) std::fill_n(sums, problem.rows() * g.channels, 0.0f);
  const bool adds = rows.overlapping() || columns.overlapping();
  for_each_window(g, args.images, [&](std::int64_t image, std::int64_t y, std::int64_t x, const Window& window) {
    around.at_output(image, y, x);
    const std::int64_t dense = ((image * g.out_height + y) * g.out_width + x) * g.channels;
    float* dsrc = args.dsrc == nullptr ? nullptr : args.dsrc + image * g.src_image;
    for_lanes(0, g.channels, [&](auto d, std::int64_t c) {
      const Gifts<decltype(d)> to{d, dsrc == nullptr ? nullptr : dsrc + c, sums == nullptr ? nullptr : sums + c, g.channels, adds};
      function.give(around.lanes(d, window, args.src + image * g.src_image, c), hn::LoadU(d, args.dst + dense + c), hn::LoadU(d, args.ddst + dense + c), to);
    });
  });
  if (sums == nullptr) return;
  for (std::int64_t row = 0; row < problem.rows(); ++row) {
    const float* of_row = sums + row * g.channels;
    if (problem.per_channel) {
      std::copy_n(of_row, g.channels, args.dparameters + row * g.channels);
      continue;
    }
    float total = 0;
    for (std::int64_t c = 0; c < g.channels; ++c) total += of_row[c];
    args.dparameters[row] = total;
  }
}

/// Calls f with the struct of the function.
template <class F>
void with_function(const Problem& problem, const F& f) {
  const float p = static_cast<float>(problem.exponent);
  switch (problem.function) {
    case PoolFunction::lp:
      if (p == 1) return f(Lp<Power::one>{p});
      if (p == 2) return f(Lp<Power::two>{p});
      if (p <= 16 && std::trunc(p) == p) return f(Lp<Power::whole>{p});
      return f(Lp<Power::any>{p});
    case PoolFunction::generalized_mean: return f(GeneralizedMean{static_cast<float>(problem.least)});
    case PoolFunction::soft: return f(Soft{});
    case PoolFunction::expected: return f(Expected{});
    case PoolFunction::sampled: return f(Sampled{});
    case PoolFunction::mixed: return f(Mixed<false>{static_cast<float>(problem.share)});
    case PoolFunction::gated: break;
  }
  f(Mixed<true>{});
}

void forward(const Problem& problem, const GeneralPoolForward::Args<float>& args) {
  with_function(problem, [&](const auto& function) { forward_of(function, problem, args); });
}

void gradient(const Problem& problem, const GeneralPoolGradient::Args<float>& args) {
  with_function(problem, [&](const auto& function) { gradient_of(function, problem, args); });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace linn::detail::kernels::pool
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels::pool {

HWY_EXPORT(forward);
HWY_EXPORT(gradient);

std::int64_t GeneralVector::scratch(const GeneralPoolForward::Problem& problem, std::int64_t /*images*/) { return problem.geometry.channels; }
void GeneralVector::run(const GeneralPoolForward::Problem& problem, const GeneralPoolForward::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(forward)(problem, args);
}

// Random numbers of a pixel, and the gradients of the parameters, channel by channel.
std::int64_t GeneralVectorGradient::scratch(const GeneralPoolGradient::Problem& problem, std::int64_t /*images*/) {
  return (1 + problem.rows()) * problem.geometry.channels;
}
void GeneralVectorGradient::run(const GeneralPoolGradient::Problem& problem, const GeneralPoolGradient::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(gradient)(problem, args);
}

}  // namespace linn::detail::kernels::pool
#endif
