// The activations (activation.h) on vectors: one struct each, with value(d, x), slope(d, x) and its greatest error. Included once for each
// target. A new activation is a struct here and a row of the table in activation_vector.cc.
//
// Structs without `error` do the reference's operations in its order, and so give its bits. Comparisons are written such that NaN stays
// NaN. With e = exp(-|x|), no exponential overflows; where e is tiny, products with x are formed before the last scaling (exp_minus).
#if defined(LINN_ELTWISE_ACTIVATIONS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LINN_ELTWISE_ACTIVATIONS_INL_H
#undef LINN_ELTWISE_ACTIVATIONS_INL_H
#else
#define LINN_ELTWISE_ACTIVATIONS_INL_H
#endif

#include "kernels/eltwise/functions-inl.h"
#include "kernels/eltwise/vector.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::eltwise {
namespace HWY_NAMESPACE {

/// Arguments of a function, and its error unless it hides this one.
struct Function {
  static constexpr ActivationError error = {};
  float a, b, c;
};

template <class D, class V>
HWY_INLINE V where(D d, hn::Mask<D> mask, float yes, float no) {
  return hn::IfThenElse(mask, hn::Set(d, yes), hn::Set(d, no));
}

// ---- piecewise polynomials ----

struct Linear : Function {
  template <class D, class V>
  HWY_INLINE V value(D, V x) const {
    return x;
  }
  template <class D, class V>
  HWY_INLINE V slope(D d, V) const {
    return hn::Set(d, 1.0f);
  }
};

struct Relu : Function {
  template <class D, class V>
  HWY_INLINE V value(D d, V x) const {
    return hn::IfThenZeroElse(hn::Lt(x, hn::Zero(d)), x);
  }
  template <class D, class V>
  HWY_INLINE V slope(D d, V x) const {
    return hn::IfThenElseZero(hn::Gt(x, hn::Zero(d)), hn::Set(d, 1.0f));
  }
};

struct Relu6 : Function {
  template <class D, class V>
  HWY_INLINE V value(D d, V x) const {
    return at_most(d, at_least(d, x, 0.0f), 6.0f);
  }
  template <class D, class V>
  HWY_INLINE V slope(D d, V x) const {
    return hn::IfThenElseZero(hn::And(hn::Gt(x, hn::Zero(d)), hn::Lt(x, hn::Set(d, 6.0f))), hn::Set(d, 1.0f));
  }
};

struct LeakyRelu : Function {
  template <class D, class V>
  HWY_INLINE V value(D d, V x) const {
    return hn::IfThenElse(hn::Ge(x, hn::Zero(d)), x, hn::Mul(hn::Set(d, a), x));
  }
  template <class D, class V>
  HWY_INLINE V slope(D d, V x) const {
    return where<D, V>(d, hn::Gt(x, hn::Zero(d)), 1.0f, a);
  }
};

struct ClippedRelu : Function {
  template <class D, class V>
  HWY_INLINE V value(D d, V x) const {
    const V threshold = hn::Set(d, c);
    const V below = a == 0 ? hn::Zero(d) : hn::Mul(hn::Set(d, a), hn::Sub(x, threshold));
    return hn::IfThenElse(hn::IsNaN(x), x, hn::IfThenElse(hn::Gt(x, threshold), at_most(d, x, b), below));
  }
  template <class D, class V>
  HWY_INLINE V slope(D d, V x) const {
    const V threshold = hn::Set(d, c);
    const V above = hn::IfThenElseZero(hn::Le(x, hn::Set(d, b)), hn::Set(d, 1.0f));
    return hn::IfThenElse(hn::Gt(x, threshold), above, hn::IfThenElseZero(hn::Lt(x, threshold), hn::Set(d, a)));
  }
};

/// clamp(x / 6 + 1/2, 0, 1).
template <class D, class V>
HWY_INLINE V hard_sigmoid(D d, V x) {
  return at_most(d, at_least(d, hn::Add(hn::Div(x, hn::Set(d, 6.0f)), hn::Set(d, 0.5f)), 0.0f), 1.0f);
}
/// Whether |x| < limit.
template <class D, class V>
HWY_INLINE auto within(D d, V x, float limit) {
  return hn::Lt(hn::Abs(x), hn::Set(d, limit));
}

struct HardSigmoid : Function {
  template <class D, class V>
  HWY_INLINE V value(D d, V x) const {
    return hard_sigmoid(d, x);
  }
  template <class D, class V>
  HWY_INLINE V slope(D d, V x) const {
    return hn::IfThenElseZero(within(d, x, 3.0f), hn::Set(d, 1.0f / 6));
  }
};

struct HardSilu : Function {
  template <class D, class V>
  HWY_INLINE V value(D d, V x) const {
    return hn::Mul(x, hard_sigmoid(d, x));
  }
  template <class D, class V>
  HWY_INLINE V slope(D d, V x) const {
    return hn::Add(hard_sigmoid(d, x), hn::IfThenElseZero(within(d, x, 3.0f), hn::Div(x, hn::Set(d, 6.0f))));
  }
};

/// Whether x > limit or x < -limit.
template <class D, class V>
HWY_INLINE auto outside(D d, V x, float limit) {
  return hn::Or(hn::Gt(x, hn::Set(d, limit)), hn::Lt(x, hn::Set(d, -limit)));
}

struct SoftShrink : Function {
  template <class D, class V>
  HWY_INLINE V value(D d, V x) const {
    const V limit = hn::Set(d, a), zero = hn::Mul(x, hn::Zero(d));  // NaN for NaN
    return hn::IfThenElse(hn::Gt(x, limit), hn::Sub(x, limit), hn::IfThenElse(hn::Lt(x, hn::Neg(limit)), hn::Add(x, limit), zero));
  }
  template <class D, class V>
  HWY_INLINE V slope(D d, V x) const {
    return hn::IfThenElseZero(outside(d, x, a), hn::Set(d, 1.0f));
  }
};

struct HardShrink : Function {
  template <class D, class V>
  HWY_INLINE V value(D d, V x) const {
    return hn::IfThenZeroElse(hn::And(hn::Ge(x, hn::Set(d, -a)), hn::Le(x, hn::Set(d, a))), x);
  }
  template <class D, class V>
  HWY_INLINE V slope(D d, V x) const {
    return hn::IfThenElseZero(outside(d, x, a), hn::Set(d, 1.0f));
  }
};

struct HardTanh : Function {
  template <class D, class V>
  HWY_INLINE V value(D d, V x) const {
    return at_most(d, at_least(d, x, -1.0f), 1.0f);
  }
  template <class D, class V>
  HWY_INLINE V slope(D d, V x) const {
    return hn::IfThenElseZero(hn::Le(hn::Abs(x), hn::Set(d, 1.0f)), hn::Set(d, 1.0f));
  }
};

struct Threshold : Function {
  template <class D, class V>
  HWY_INLINE V value(D d, V x) const {
    return hn::IfThenElse(hn::Le(x, hn::Set(d, a)), hn::Set(d, b), x);
  }
  template <class D, class V>
  HWY_INLINE V slope(D d, V x) const {
    return hn::IfThenElseZero(hn::Gt(x, hn::Set(d, a)), hn::Set(d, 1.0f));
  }
};

struct SparsePlus : Function {
  template <class D, class V>
  HWY_INLINE V value(D d, V x) const {
    const V one = hn::Set(d, 1.0f), next = hn::Add(x, one);
    const V curve = hn::Mul(hn::Mul(next, next), hn::Set(d, 0.25f));
    return hn::IfThenZeroElse(hn::Le(x, hn::Neg(one)), hn::IfThenElse(hn::Lt(x, one), curve, x));
  }
  template <class D, class V>
  HWY_INLINE V slope(D d, V x) const {
    const V one = hn::Set(d, 1.0f), line = hn::Mul(hn::Add(x, one), hn::Set(d, 0.5f));
    return hn::IfThenZeroElse(hn::Le(x, hn::Neg(one)), hn::IfThenElse(hn::Lt(x, one), line, one));
  }
};

struct SparseSigmoid : Function {
  template <class D, class V>
  HWY_INLINE V value(D d, V x) const {
    return at_most(d, at_least(d, hn::Mul(hn::Add(x, hn::Set(d, 1.0f)), hn::Set(d, 0.5f)), 0.0f), 1.0f);
  }
  template <class D, class V>
  HWY_INLINE V slope(D d, V x) const {
    return hn::IfThenElseZero(within(d, x, 1.0f), hn::Set(d, 0.5f));
  }
};

// ---- ratios and roots ----

struct Softsign : Function {
  template <class D, class V>
  HWY_INLINE V value(D d, V x) const {
    return hn::Div(x, hn::Add(hn::Set(d, 1.0f), hn::Abs(x)));
  }
  template <class D, class V>
  HWY_INLINE V slope(D d, V x) const {
    const V one = hn::Set(d, 1.0f), sum = hn::Add(one, hn::Abs(x));
    return hn::Div(one, hn::Mul(sum, sum));
  }
};

struct Squareplus : Function {
  template <class D, class V>
  HWY_INLINE V root(D d, V x) const {
    return hn::Sqrt(hn::Add(hn::Mul(x, x), hn::Set(d, a)));
  }
  template <class D, class V>
  HWY_INLINE V value(D d, V x) const {
    return hn::Mul(hn::Add(x, root(d, x)), hn::Set(d, 0.5f));
  }
  template <class D, class V>
  HWY_INLINE V slope(D d, V x) const {
    return hn::Mul(hn::Add(hn::Set(d, 1.0f), hn::Div(x, root(d, x))), hn::Set(d, 0.5f));
  }
};

struct Power {
  static constexpr ActivationError error = {1, 1.5};
  explicit Power(const Function& arguments) : own(arguments.a, 1), derivative(arguments.a - 1, arguments.a) {}

  /// factor * x^exponent, by the operation that rounds once where there is one.
  template <class D, class V>
  HWY_INLINE static V raised(D d, V x, const PowerFunction& f) {
    const V factor = hn::Set(d, static_cast<float>(f.factor));
    if (f.exponent == 2) return hn::Mul(factor, hn::Mul(x, x));
    if (f.exponent == 0.5) return hn::Mul(factor, hn::Sqrt(x));
    if (f.exponent == -1) return hn::Div(factor, x);
    return power(d, x, f);
  }
  template <class D, class V>
  HWY_INLINE V value(D d, V x) const {
    return raised(d, x, own);
  }
  template <class D, class V>
  HWY_INLINE V slope(D d, V x) const {
    return derivative.factor == 0 ? hn::Zero(d) : raised(d, x, derivative);
  }

  PowerFunction own, derivative;
};

// ---- exponentials ----

struct Elu : Function {
  static constexpr ActivationError error = {2, 2};
  template <class D, class V>
  HWY_INLINE V value(D d, V x) const {
    return hn::IfThenElse(hn::Gt(x, hn::Zero(d)), x, hn::Mul(hn::Set(d, a), expm1(d, x)));
  }
  template <class D, class V>
  HWY_INLINE V slope(D d, V x) const {
    return hn::IfThenElse(hn::Gt(x, hn::Zero(d)), hn::Set(d, 1.0f), hn::Mul(hn::Set(d, a), exp(d, x)));
  }
};

// Klambauer et al., "Self-normalizing neural networks", NeurIPS 2017.
struct Selu : Function {
  static constexpr ActivationError error = {2.5, 2.5};
  static constexpr float alpha = 1.6732632423543772f, scale = 1.0507009873554805f;
  template <class D, class V>
  HWY_INLINE V value(D d, V x) const {
    return hn::Mul(hn::Set(d, scale), hn::IfThenElse(hn::Gt(x, hn::Zero(d)), x, hn::Mul(hn::Set(d, alpha), expm1(d, x))));
  }
  template <class D, class V>
  HWY_INLINE V slope(D d, V x) const {
    const V below = hn::Mul(hn::Set(d, alpha), exp(d, x));
    return hn::Mul(hn::Set(d, scale), hn::IfThenElse(hn::Ge(x, hn::Zero(d)), hn::Set(d, 1.0f), below));
  }
};

struct Celu : Function {
  static constexpr ActivationError error = {2.25, 65};
  template <class D, class V>
  HWY_INLINE V value(D d, V x) const {
    const V va = hn::Set(d, a);
    return hn::IfThenElse(hn::Gt(x, hn::Zero(d)), x, hn::Mul(va, expm1(d, hn::Div(x, va))));
  }
  template <class D, class V>
  HWY_INLINE V slope(D d, V x) const {
    return hn::IfThenElse(hn::Gt(x, hn::Zero(d)), hn::Set(d, 1.0f), exp(d, hn::Div(x, hn::Set(d, a))));
  }
};

struct Exponential : Function {
  static constexpr ActivationError error = {1, 1};
  template <class D, class V>
  HWY_INLINE V value(D d, V x) const {
    return exp(d, x);
  }
  template <class D, class V>
  HWY_INLINE V slope(D d, V x) const {
    return exp(d, x);
  }
};

struct Log : Function {
  static constexpr ActivationError error = {1, 0};
  template <class D, class V>
  HWY_INLINE V value(D d, V x) const {
    return log(d, x);
  }
  template <class D, class V>
  HWY_INLINE V slope(D d, V x) const {
    return hn::Div(hn::Set(d, 1.0f), x);
  }
};

struct Tanh : Function {
  static constexpr ActivationError error = {2.5, 1.5};
  template <class D, class V>
  HWY_INLINE V value(D d, V x) const {
    return tanh(d, x);
  }
  // 1 - tanh(x)^2 = 4 e / (1 + e)^2 with e = exp(-2 |x|), which keeps its digits far out.
  template <class D, class V>
  HWY_INLINE V slope(D d, V x) const {
    const V e = exp_minus(d, hn::Mul(hn::Abs(x), hn::Set(d, -2.0f)));
    const V sum = hn::MulAdd(e, hn::Set(d, unscale), hn::Set(d, 1.0f));
    return hn::Mul(hn::Div(e, hn::Mul(sum, sum)), hn::Set(d, 4 * unscale));
  }
};

struct TanhShrink : Function {
  static constexpr ActivationError error = {2.5, 6};
  template <class D, class V>
  HWY_INLINE V value(D d, V x) const {
    return hn::Sub(x, tanh(d, x));
  }
  template <class D, class V>
  HWY_INLINE V slope(D d, V x) const {
    const V t = tanh(d, x);
    return hn::Mul(t, t);
  }
};

/// sigmoid(x) as upper / (1 + e) times `scale`, and sigmoid(-x) as lower / (1 + e).
template <class D>
struct Logistic {
  using V = hn::Vec<D>;
  V upper, lower, sum, scale;

  HWY_INLINE Logistic(D d, V x) {
    const V one = hn::Set(d, 1.0f), scaled = exp_minus(d, hn::Neg(hn::Abs(x)));
    const V e = hn::Mul(scaled, hn::Set(d, unscale));
    const auto negative = hn::Lt(x, hn::Zero(d));
    upper = hn::IfThenElse(negative, scaled, one);
    lower = hn::IfThenElse(negative, one, e);
    scale = hn::IfThenElse(negative, hn::Set(d, unscale), one);
    sum = hn::Add(one, e);
  }
  /// factor * sigmoid(x).
  HWY_INLINE V times(V factor) const { return hn::Mul(hn::Div(hn::Mul(factor, upper), sum), scale); }
  HWY_INLINE V value() const { return hn::Mul(hn::Div(upper, sum), scale); }
  /// sigmoid(v) (1 + x v' sigmoid(-v)), the slope of x sigmoid(v), for the v of the constructor.
  HWY_INLINE V slope_of_product(D d, V x, V slope_of_v) const {
    const V rest = hn::MulAdd(x, hn::Div(hn::Mul(slope_of_v, lower), sum), hn::Set(d, 1.0f));
    return hn::Mul(hn::Mul(hn::Div(upper, sum), rest), scale);
  }
  /// sigmoid(x) sigmoid(-x).
  HWY_INLINE V slope() const { return hn::Mul(hn::Div(hn::Mul(upper, lower), hn::Mul(sum, sum)), scale); }
};

struct Sigmoid : Function {
  static constexpr ActivationError error = {2.5, 4.5};
  template <class D, class V>
  HWY_INLINE V value(D d, V x) const {
    return Logistic<D>(d, x).value();
  }
  template <class D, class V>
  HWY_INLINE V slope(D d, V x) const {
    return Logistic<D>(d, x).slope();
  }
};

struct Silu : Function {
  static constexpr ActivationError error = {3.5, 4.5};
  template <class D, class V>
  HWY_INLINE V value(D d, V x) const {
    return Logistic<D>(d, x).times(x);
  }
  template <class D, class V>
  HWY_INLINE V slope(D d, V x) const {
    return Logistic<D>(d, x).slope_of_product(d, x, hn::Set(d, 1.0f));
  }
};

/// log(1 + exp(x)).
template <class D, class V>
HWY_INLINE V softplus(D d, V x) {
  const V e = hn::Mul(exp_minus(d, hn::Neg(hn::Abs(x))), hn::Set(d, unscale));
  return hn::Add(at_least(d, x, 0.0f), log1p_of_ratio(d, e));
}

struct Softplus : Function {
  static constexpr ActivationError error = {2, 2.5};
  template <class D, class V>
  HWY_INLINE V value(D d, V x) const {
    return softplus(d, x);
  }
  template <class D, class V>
  HWY_INLINE V slope(D d, V x) const {
    return Logistic<D>(d, x).value();
  }
};

struct LogSigmoid : Function {
  static constexpr ActivationError error = {2, 2.5};
  template <class D, class V>
  HWY_INLINE V value(D d, V x) const {
    return hn::Neg(softplus(d, hn::Neg(x)));
  }
  template <class D, class V>
  HWY_INLINE V slope(D d, V x) const {
    return Logistic<D>(d, hn::Neg(x)).value();
  }
};

// Misra, "Mish: a self regularized non-monotonic activation function", BMVC 2020. tanh(softplus(x)) = u / v without tanh and logarithm:
// u = e^2 + 2 e, v = u + 2 for x < 0; u = 1 + 2 e, v = u + 2 e^2 for x >= 0.
struct Mish : Function {
  static constexpr ActivationError error = {4.5, 5};

  /// u is to be multiplied by `scale`, and so is w = e (1 + e) for x < 0, e^2 (1 + e) for x >= 0.
  template <class D>
  struct Parts {
    using V = hn::Vec<D>;
    V u, v, w, scale;
    HWY_INLINE Parts(D d, V x) {
      const V one = hn::Set(d, 1.0f), two = hn::Set(d, 2.0f), scaled = exp_minus(d, hn::Neg(hn::Abs(x)));
      const V e = hn::Mul(scaled, hn::Set(d, unscale)), square = hn::Mul(e, e);
      const auto negative = hn::Lt(x, hn::Zero(d));
      u = hn::IfThenElse(negative, hn::Mul(scaled, hn::Add(e, two)), hn::MulAdd(two, e, one));
      v = hn::IfThenElse(negative, hn::MulAdd(e, hn::Add(e, two), two), hn::MulAdd(two, hn::Add(e, square), one));
      w = hn::Mul(hn::IfThenElse(negative, scaled, square), hn::Add(one, e));
      scale = where<D, V>(d, negative, unscale, 1.0f);
    }
  };
  template <class D, class V>
  HWY_INLINE V value(D d, V x) const {
    const Parts<D> p(d, x);
    return hn::Mul(hn::Div(hn::Mul(x, p.u), p.v), p.scale);
  }
  // u / v + x (1 - (u / v)^2) sigmoid(x) = (u v + 4 x w) / v^2.
  template <class D, class V>
  HWY_INLINE V slope(D d, V x) const {
    const Parts<D> p(d, x);
    const V sum = hn::MulAdd(p.u, p.v, hn::Mul(x, hn::Mul(hn::Set(d, 4.0f), p.w)));
    return hn::Mul(hn::Div(sum, hn::Mul(p.v, p.v)), p.scale);
  }
};

struct Gelu : Function {
  static constexpr ActivationError error = {6.25, 6.25};
  template <class D, class V>
  HWY_INLINE V value(D d, V x) const {
    const V below = normal(d, x).below, back = hn::Set(d, unscale);
    const V above = hn::Mul(x, hn::NegMulAdd(below, back, hn::Set(d, 1.0f)));
    return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Mul(hn::Mul(x, below), back), above);
  }
  template <class D, class V>
  HWY_INLINE V slope(D d, V x) const {
    const auto n = normal(d, x);
    const auto negative = hn::Lt(x, hn::Zero(d));
    const V tail = hn::Mul(hn::MulAdd(x, n.density, hn::IfThenElse(negative, n.below, hn::Neg(n.below))), hn::Set(d, unscale));
    return hn::IfThenElse(negative, tail, hn::Add(hn::Set(d, 1.0f), tail));
  }
};

// Hendrycks and Gimpel, "Gaussian error linear units", 2016: x (1 + tanh(u)) / 2 = x sigmoid(2 u), with 2 u = x (p + q x^2).
struct GeluTanh : Function {
  static constexpr ActivationError error = {2.25, 2.25};
  static constexpr float p = 1.59576912160573071f, q = 0.0713548162726009f;  // 2 sqrt(2 / pi), and 0.044715 of it
  template <class D, class V>
  HWY_INLINE V value(D d, V x) const {
    const V z = clamped(d, x);
    return Logistic<D>(d, hn::Mul(z, hn::MulAdd(hn::Mul(z, z), hn::Set(d, q), hn::Set(d, p)))).times(x);
  }
  template <class D, class V>
  HWY_INLINE V slope(D d, V x) const {
    const V z = clamped(d, x), square = hn::Mul(z, z);
    const V v = hn::Mul(z, hn::MulAdd(square, hn::Set(d, q), hn::Set(d, p)));
    const V slope = Logistic<D>(d, v).slope_of_product(d, z, hn::MulAdd(square, hn::Set(d, 3 * q), hn::Set(d, p)));
    return hn::Add(slope, hn::Sub(x, x));  // NaN for infinite x, as the product of 0 and infinity in the definition
  }

 private:
  /// Beyond 20 the sigmoid is 0 or 1.
  template <class D, class V>
  HWY_INLINE static V clamped(D d, V x) {
    return at_most(d, at_least(d, x, -20.0f), 20.0f);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace linn::detail::kernels::eltwise
HWY_AFTER_NAMESPACE();

#endif
