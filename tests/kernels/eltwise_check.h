// Kernels that treat each element alone: every form gives the float reference's values, or is within the error that it states.
#pragma once

#include "core/random.h"
#include "kernels/elementwise_check.h"
#include "kernels/eltwise/activation.h"
#include "kernels/eltwise/eltwise.h"
#include "kernels/eltwise/update.h"
#include "kernels/eltwise/vector.h"

namespace linn::detail::kernels::check {

using testing::untouched;

/// The sum of the sizes of the terms of f or of its slope, where a difference may cancel; else 0.
inline double cancelled(const ActivationSpec& a, double x, bool slope) {
  const auto sigmoid = [](double v) { return activate<double>(Activation::sigmoid, v); };
  const auto product = [&](double v) { return sigmoid(v) + std::abs(x) * activate_gradient<double>(Activation::sigmoid, v); };
  if (!std::isfinite(x)) return 0;
  if (!slope) return a.kind == Activation::tanh_shrink ? std::abs(x) : a.kind == Activation::gelu_tanh ? std::abs(x) / 2 : 0;
  switch (a.kind) {
    case Activation::tanh:
    case Activation::gelu_tanh: return 1;
    case Activation::silu: return product(x);
    case Activation::gelu: return activate<double>(a, x) / x + std::abs(x) * 0.3989422804014327 * std::exp(-x * x / 2);
    case Activation::mish: {
      const double t = activate<double>(a, x) / x;
      return t + std::abs(x) * (1 - t * t) * sigmoid(x);
    }
    default: return 0;
  }
}

/// The unit of the last place of a float of this size.
inline double last_place(double size) {
  int exponent = 0;
  std::frexp(size, &exponent);
  return std::max(std::ldexp(1.0, exponent - std::numeric_limits<float>::digits), static_cast<double>(std::numeric_limits<float>::denorm_min()));
}

/// Whether an implementation that states this error may give `got` for f(x), or for the slope there.
inline ::testing::AssertionResult activation_within(const ActivationSpec& activation, float x, bool slope, double units, float got) {
  ActivationSpec rounded = activation;  // as floats
  for (double& argument : rounded.arguments) argument = static_cast<double>(static_cast<float>(argument));
  const auto at = static_cast<double>(x), is = static_cast<double>(got);
  const double exact = slope ? activate_gradient<double>(rounded, at) : activate<double>(rounded, at);
  if (same(is, static_cast<double>(static_cast<float>(exact)))) return ::testing::AssertionSuccess();
  const double least = static_cast<double>(std::numeric_limits<float>::denorm_min()) * (1 + std::abs(rounded.arguments[0]));
  const double allowed = units * last_place(std::max(std::abs(exact), cancelled(rounded, at, slope))) + least;
  if (std::abs(is - exact) <= allowed) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << name_of(activation.kind) << (slope ? "'(" : "(") << x << ") is " << got << ", expected " << exact << ", off by "
                                       << std::abs(is - exact) << ", allowed " << allowed;
}

/// Forward and backward, in place and not. Implementations give the reference's bits, or are within the error that they state.
inline void check_activation(const ActivationSpec& activation, std::int64_t count, Values values, unsigned seed) {
  SCOPED_TRACE(std::string(name_of(activation.kind)) + " of " + std::to_string(count));
  std::vector<float> numbers = make(count, values, seed);
  for (std::size_t i = 0; i < numbers.size(); i += 3) numbers[i] *= 7;  // beyond 6
  const Buffer src(numbers), ddst(make(count, values == Values::hostile ? Values::normal : values, seed + 1)), ones(std::vector<float>(numbers.size(), 1.0f));
  Buffer dst(count), dsrc(count);
  ActivationForward::reference<float>({activation}, {count, src.data(), dst.data(), nullptr});
  ActivationGradient::reference<float>({activation}, {count, src.data(), ddst.data(), dsrc.data(), nullptr});
  const eltwise::ActivationError error = eltwise::VectorActivation::error(activation);
  each_form<ActivationForward>({activation}, [&](const Implementation<ActivationForward>& form) {
    Buffer out(count, untouched), in_place(src);
    form.run({activation}, {count, src.data(), out.data(), nullptr});
    form.run({activation}, {count, in_place.data(), in_place.data(), nullptr});
    ASSERT_TRUE(all_same(in_place, out));
    if (error.value == 0 || form.name == "reference") ASSERT_TRUE(all_same(out, dst));
    else
      for (std::int64_t i = 0; i < count; ++i) ASSERT_TRUE(activation_within(activation, src[i], false, error.value, out[i]));
  });
  each_form<ActivationGradient>({activation}, [&](const Implementation<ActivationGradient>& form) {
    Buffer out(count, untouched), in_place(ddst), slopes(count);
    form.run({activation}, {count, src.data(), ddst.data(), out.data(), nullptr});
    form.run({activation}, {count, src.data(), in_place.data(), in_place.data(), nullptr});
    ASSERT_TRUE(all_same(in_place, out));
    if (error.slope == 0 || form.name == "reference") {
      ASSERT_TRUE(all_same(out, dsrc));
      return;
    }
    form.run({activation}, {count, src.data(), ones.data(), slopes.data(), nullptr});
    for (std::int64_t i = 0; i < count; ++i) {
      ASSERT_TRUE(activation_within(activation, src[i], true, error.slope, slopes[i]));
      ASSERT_TRUE(same(static_cast<double>(out[i]), slopes[i] == 0 ? 0.0 : static_cast<double>(ddst[i] * slopes[i])));
    }
  });
}

/// Rows of a table of `index.size()` rows, picked by `index` and in a row from the first half on.
inline void check_gather(DType type, std::int64_t row, const std::vector<std::int64_t>& index) {
  SCOPED_TRACE(std::string(name_of(type)) + " rows of " + std::to_string(row));
  const auto rows = static_cast<std::int64_t>(index.size()), first = rows / 2, count = rows - first;
  std::vector<float> values(static_cast<std::size_t>(rows * row));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>((i * 37) % 256);
  const Tensor src = Tensor::from(values, {rows, row}).astype(type);
  each_form<Gather>({row, type}, [&](const Implementation<Gather>& form) {
    Buffer dst(count * row, untouched), in_a_row(count * row, untouched);
    form.run({row, type}, {count, src.raw(), index.data(), first, dst.data(), nullptr});
    form.run({row, type}, {count, src.raw(), nullptr, first, in_a_row.data(), nullptr});
    for (std::int64_t r = 0; r < count; ++r)
      for (std::int64_t i = 0; i < row; ++i) {
        ASSERT_EQ(dst[r * row + i], values[static_cast<std::size_t>(index[static_cast<std::size_t>(first + r)] * row + i)]);
        ASSERT_EQ(in_a_row[r * row + i], values[static_cast<std::size_t>((first + r) * row + i)]);
      }
  });
}

inline void check_rescale(const Rescale::Problem& problem, std::int64_t count, Values values, unsigned seed) {
  const Buffer src(make(count, values, seed));
  Buffer expected(count);
  Rescale::reference<float>(problem, {count, src.data(), expected.data(), nullptr});
  each_form<Rescale>(problem, [&](const Implementation<Rescale>& form) {
    Buffer dst(count, untouched), in_place(src);
    form.run(problem, {count, src.data(), dst.data(), nullptr});
    form.run(problem, {count, in_place.data(), in_place.data(), nullptr});
    ASSERT_TRUE(all_same(dst, expected));
    ASSERT_TRUE(all_same(in_place, expected));
  });
}

inline void check_add(std::int64_t count, Values values, unsigned seed) {
  const Buffer a(make(count, values, seed)), b(make(count, Values::normal, seed + 1));
  Buffer expected(count);
  for (std::int64_t i = 0; i < count; ++i) expected[i] = a[i] + b[i];
  each_form<Add>({}, [&](const Implementation<Add>& form) {
    Buffer dst(count, untouched), in_place(a);
    form.run({}, {count, a.data(), b.data(), dst.data(), nullptr});
    form.run({}, {count, in_place.data(), b.data(), in_place.data(), nullptr});
    ASSERT_TRUE(all_same(dst, expected));
    ASSERT_TRUE(all_same(in_place, expected));
  });
}

inline void check_dropout(double rate, std::uint64_t first, std::int64_t count, std::uint64_t seed = 7ull << 40 | 9,
                          std::uint64_t stream = 3ull << 50 | 11) {
  SCOPED_TRACE("rate " + std::to_string(rate) + " first " + std::to_string(first) + " count " + std::to_string(count));
  const Buffer src(make(count, Values::normal, 1));
  Buffer expected(count);
  for (std::int64_t i = 0; i < count; ++i)
    expected[i] =
        core::Random(seed, stream).uniform(first + static_cast<std::uint64_t>(i)) < rate ? 0.0f : src[i] / static_cast<float>(1 - rate);
  each_form<Dropout>({rate}, [&](const Implementation<Dropout>& form) {
    Buffer dst(count, untouched);
    form.run({rate}, {count, seed, stream, first, src.data(), dst.data(), nullptr});
    ASSERT_TRUE(all_same(dst, expected));
  });
}

/// The arrays of one parameter.
struct UpdateState {
  std::int64_t count;
  Buffer gradient, variable, a, b, c;

  UpdateState(std::int64_t n, Values values, unsigned seed)
      : count(n),
        gradient(make(n, values, seed)),
        variable(make(n, Values::normal, seed + 1)),
        a(make(n, Values::normal, seed + 2)),
        b(n),
        c(n) {
    const auto positive_b = make(n, Values::normal, seed + 3), positive_c = make(n, Values::normal, seed + 4);
    std::transform(positive_b.begin(), positive_b.end(), b.data(), [](float v) { return std::abs(v); });
    std::transform(positive_c.begin(), positive_c.end(), c.data(), [](float v) { return std::abs(v); });
  }
};

/// `args(state, decay)` gives a call's arguments.
template <class Kernel, class Args>
void check_update_with(const typename Kernel::Problem& problem, const UpdateState& start, double decay, const Args& args) {
  SCOPED_TRACE(decay);
  UpdateState expected = start;
  Kernel::template reference<float>(problem, args(expected, decay));
  each_form<Kernel>(problem, [&](const Implementation<Kernel>& form) {
    UpdateState got = start;
    form.run(problem, args(got, decay));
    ASSERT_TRUE(all_same(got.gradient, start.gradient));
    ASSERT_TRUE(all_same(got.variable, expected.variable));
    ASSERT_TRUE(all_same(got.a, expected.a));
    ASSERT_TRUE(all_same(got.b, expected.b));
    ASSERT_TRUE(all_same(got.c, expected.c));
  });
}

template <class Kernel, class Args>
void check_update(const typename Kernel::Problem& problem, const UpdateState& start, const Args& args) {
  for (const double decay : {0.0, 0.01}) check_update_with<Kernel>(problem, start, decay, args);
}

inline void check_adam(const AdamUpdate::Problem& problem, double alpha, const UpdateState& start) {
  check_update<AdamUpdate>(problem, start, [&](UpdateState& s, double decay) -> AdamUpdate::Args<float> {
    return {s.count, alpha, decay, s.gradient.data(), s.variable.data(), s.a.data(), s.b.data(), problem.amsgrad ? s.c.data() : nullptr, nullptr};
  });
}

inline void check_sgd(const SgdUpdate::Problem& problem, double rate, const UpdateState& start) {
  check_update<SgdUpdate>(problem, start, [&](UpdateState& s, double decay) -> SgdUpdate::Args<float> {
    return {s.count, rate, decay, s.gradient.data(), s.variable.data(), problem.momentum != 0 ? s.a.data() : nullptr, nullptr};
  });
}

inline void check_rmsprop(const RmspropUpdate::Problem& problem, double rate, const UpdateState& start) {
  check_update<RmspropUpdate>(problem, start, [&](UpdateState& s, double decay) -> RmspropUpdate::Args<float> {
    return {s.count,
            rate,
            decay,
            s.gradient.data(),
            s.variable.data(),
            s.c.data(),
            problem.momentum != 0 ? s.a.data() : nullptr,
            problem.centered ? s.b.data() : nullptr,
            nullptr};
  });
}

}  // namespace linn::detail::kernels::check
