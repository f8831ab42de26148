// Exponential, logarithm, hyperbolic tangent and normal distribution of float vectors. Included once for each target.
//
// Each function gives the same bits in every lane; vectors of AVX2 and AVX-512 give the same bits too (SSE4 has no fused multiply-add).
// NaN stays NaN. No function calls the C library.
//
// | function        | method                                                                     | greatest error (ulp), AVX-512 and SSE4 |
// |-----------------|----------------------------------------------------------------------------|----------------------------------------|
// | exp, exp_minus  | x = k ln 2 + r, |r| <= 0.35; 2^k (1 + r + r^2 Q(r)), Q of degree 5         | 0.98, 0.95                             |
// | expm1           | 2^k (r + r^2 Q(r)) + (2^k - 1)                                             | 0.88, 0.84 (x <= 0, as elu)            |
// | tanh            | m / (m + 2) with m = expm1(2 |x|)                                          | 2.42, 2.40                             |
// | log1p_of_ratio  | f - f^2 / 2 + f^3 P(f), P of degree 9, f = x or (x - 1) / 2                | 1.65, 1.70 (as softplus, with exp)     |
// | log             | x = 2^k (1 + f); k ln 2 + f - f^2 / 2 + f^3 P(f)                           | 0.90, 0.91                             |
// | normal          | exp(-z^2 / 2) G(t) / (z + 5/2), t = (z - 5/2) / (z + 5/2), G of degree 9   | 5.64, 5.85 (as gelu, with its product) |
// | power           | exp(y log(x)) in double: log by the series of atanh, exp by its own        | 0.50, 0.50                             |
//
// The polynomials are minimax fits of the relative error, with float coefficients; each is within 2^-25 of its function. Errors were
// measured against the C library in double: on all floats with AVX-512, with SSE4 and below 2^-14 or above 2^8 on one of 7; power on one
// of 397.
#if defined(LINN_ELTWISE_FUNCTIONS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LINN_ELTWISE_FUNCTIONS_INL_H
#undef LINN_ELTWISE_FUNCTIONS_INL_H
#else
#define LINN_ELTWISE_FUNCTIONS_INL_H
#endif

#include <cmath>
#include <cstdint>
#include <limits>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::eltwise {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

inline constexpr float infinite = std::numeric_limits<float>::infinity();

/// c[0] + c[1] x + c[2] x^2 + ...
template <class D, class V, class T, int kCount>
HWY_INLINE V polynomial(D d, V x, const T (&c)[kCount]) {
  V sum = hn::Set(d, c[kCount - 1]);
#pragma GCC unroll 16
  for (int i = kCount - 2; i >= 0; --i) sum = hn::MulAdd(sum, x, hn::Set(d, c[i]));
  return sum;
}

/// x, but at least or at most the limit. NaN stays NaN.
template <class D, class V>
HWY_INLINE V at_least(D d, V x, float limit) {
  const V least = hn::Set(d, limit);
  return hn::IfThenElse(hn::Lt(x, least), least, x);
}
template <class D, class V>
HWY_INLINE V at_most(D d, V x, float limit) {
  const V most = hn::Set(d, limit);
  return hn::IfThenElse(hn::Gt(x, most), most, x);
}

// ---- exponential ----

/// x = k ln 2 + rest with |rest| <= 0.35. `bits` holds k in its low 9 bits.
template <class D>
struct Reduced {
  hn::Vec<D> rest;
  hn::Vec<hn::Rebind<std::int32_t, D>> bits;
};

/// Reduces x + low for |x| < 2^21. The sum is not rounded: `low` is what x lacks of an argument of more than 24 bits.
template <class D, class V>
HWY_INLINE Reduced<D> reduced(D d, V x, V low) {
  const hn::Rebind<std::int32_t, D> di;
  const V rounding = hn::Set(d, 0x1.8p23f);  // sums have no digits behind the point
  const V shifted = hn::MulAdd(hn::Add(x, low), hn::Set(d, 1.44269504f), rounding);
  const V k = hn::Sub(shifted, rounding);
  // ln 2 = 0.693359375 - 2.12194440e-4; the first has 9 bits, so that its product with k is exact.
  const V rest = hn::NegMulAdd(k, hn::Set(d, 0.693359375f), x);
  return {hn::Add(hn::NegMulAdd(k, hn::Set(d, -2.12194440e-4f), rest), low), hn::BitCast(di, shifted)};
}

/// exp(r) - 1 for |r| <= 0.35.
template <class D, class V>
HWY_INLINE V expm1_of_rest(D d, V r) {
  constexpr float q[] = {0.5f, 0.166666657f, 0.0416664928f, 0.00833354704f, 0.00139323203f, 0.000197607806f};
  return hn::MulAdd(hn::Mul(r, r), polynomial(d, r, q), r);
}

/// 2^(k + offset), which must be a normal number.
template <class D, class VI>
HWY_INLINE hn::Vec<D> power_of_two(D d, VI bits, VI offset) {
  return hn::BitCast(d, hn::Add(hn::ShiftLeft<23>(bits), offset));
}
constexpr std::int32_t exponent_bits(int exponent) { return (exponent + 127) * (1 << 23); }

template <class D, class V>
HWY_INLINE V exp(D d, V x) {
  const hn::Rebind<std::int32_t, D> di;
  // Beyond these the result is 0 or infinite.
  const V clamped = at_most(d, at_least(d, x, -104.0f), 89.0f);
  const auto r = reduced(d, clamped, hn::Zero(d));
  // 2^k may be too large or a denormal number, so it is the product of two powers.
  const auto large = hn::Gt(x, hn::Zero(d));
  const auto offset = hn::IfThenElse(hn::RebindMask(di, large), hn::Set(di, exponent_bits(-1)), hn::Set(di, exponent_bits(64)));
  const V rest = hn::Mul(hn::Add(expm1_of_rest(d, r.rest), hn::Set(d, 1.0f)), power_of_two(d, r.bits, offset));
  return hn::Mul(rest, hn::IfThenElse(large, hn::Set(d, 2.0f), hn::Set(d, 0x1p-64f)));
}

/// exp_minus is `unscale` times too large, so that its result keeps all its bits where exp is a denormal number: multiply the last result
/// by `unscale`.
inline constexpr float unscale = 0x1p-64f;

/// 2^64 exp(x + low) for x <= 0; 0 below -120.
template <class D, class V>
HWY_INLINE V exp_minus(D d, V x, V low) {
  const hn::Rebind<std::int32_t, D> di;
  const auto r = reduced(d, at_least(d, x, -120.0f), low);
  const V e = hn::Mul(hn::Add(expm1_of_rest(d, r.rest), hn::Set(d, 1.0f)), power_of_two(d, r.bits, hn::Set(di, exponent_bits(64))));
  return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -120.0f)), e);
}
template <class D, class V>
HWY_INLINE V exp_minus(D d, V x) {
  return exp_minus(d, x, hn::Zero(d));
}

/// exp(x) - 1 for x <= 80.
template <class D, class V>
HWY_INLINE V expm1(D d, V x) {
  const hn::Rebind<std::int32_t, D> di;
  const auto r = reduced(d, at_least(d, x, -25.0f), hn::Zero(d));
  const V scale = power_of_two(d, r.bits, hn::Set(di, exponent_bits(0)));
  return hn::CopySign(hn::MulAdd(scale, expm1_of_rest(d, r.rest), hn::Sub(scale, hn::Set(d, 1.0f))), x);
}

template <class D, class V>
HWY_INLINE V tanh(D d, V x) {
  const V m = expm1(d, at_most(d, hn::Add(hn::Abs(x), hn::Abs(x)), 20.0f));  // tanh(10) rounds to 1
  return hn::CopySign(hn::Div(m, hn::Add(m, hn::Set(d, 2.0f))), x);
}

// ---- logarithm ----

/// log(1 + f) for -0.293 <= f <= 0.5.
template <class D, class V>
HWY_INLINE V log1p_of_rest(D d, V f) {
  constexpr float p[] = {0.333333254f,  -0.249999791f, 0.200007975f,  -0.166689664f, 0.142628208f,
                         -0.124188036f, 0.113194309f,  -0.110878535f, 0.0936280563f, -0.0408699326f};
  return hn::MulAdd(hn::Mul(f, f), hn::MulAdd(f, polynomial(d, f, p), hn::Set(d, -0.5f)), f);
}

/// log(1 + x) for 0 <= x <= 1. Where x > 1/2 it is log 2 + log(1 + (x - 1) / 2), whose argument is exact.
template <class D, class V>
HWY_INLINE V log1p_of_ratio(D d, V x) {
  const V half = hn::Set(d, 0.5f);
  const auto large = hn::Gt(x, half);
  const V f = hn::IfThenElse(large, hn::Mul(hn::Sub(x, hn::Set(d, 1.0f)), half), x);
  return hn::Add(log1p_of_rest(d, f), hn::IfThenElseZero(large, hn::Set(d, 0.693147181f)));
}

/// x = 2^exponent * mantissa for 0 < x < infinity; the mantissa is in [sqrt(1/2), sqrt(2)).
template <class D>
struct Split {
  hn::Vec<D> exponent, mantissa;
};
template <class D, class V>
HWY_INLINE Split<D> split(D d, V x) {
  const hn::Rebind<std::int32_t, D> di;
  const auto denormal = hn::Lt(x, hn::Set(d, std::numeric_limits<float>::min()));
  const auto bits = hn::BitCast(di, hn::IfThenElse(denormal, hn::Mul(x, hn::Set(d, 0x1p32f)), x));
  const auto k = hn::ShiftRight<23>(hn::Sub(bits, hn::Set(di, 0x3f3504f3)));  // the bits of sqrt(1/2)
  const V exponent = hn::Sub(hn::ConvertTo(d, k), hn::IfThenElseZero(denormal, hn::Set(d, 32.0f)));
  return {exponent, hn::BitCast(d, hn::Sub(bits, hn::ShiftLeft<23>(k)))};
}

template <class D, class V>
HWY_INLINE V log(D d, V x) {
  const auto s = split(d, x);
  const V rest = log1p_of_rest(d, hn::Sub(s.mantissa, hn::Set(d, 1.0f)));
  V y = hn::Add(hn::MulAdd(s.exponent, hn::Set(d, -2.12194440e-4f), rest), hn::Mul(s.exponent, hn::Set(d, 0.693359375f)));
  y = hn::IfThenElse(hn::Lt(x, hn::Set(d, infinite)), y, x);  // infinity and NaN stay
  y = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Set(d, std::numeric_limits<float>::quiet_NaN()), y);
  return hn::IfThenElse(hn::Eq(x, hn::Zero(d)), hn::Set(d, -infinite), y);
}

// ---- normal distribution ----

/// With z = |x|: 2^64 times the probability of less than -z, and 2^64 times the density at z.
template <class D>
struct Normal {
  hn::Vec<D> below, density;
};

// exp(-z^2 / 2) with the square in two parts: z = a + b, where a has 12 bits, so that a^2 is exact; z^2 = a^2 + b (z + a).
// The rest of the function is smooth: Schonfelder, "Chebyshev expansions for the error and related functions", 1978, has the variable t.
template <class D, class V>
HWY_INLINE Normal<D> normal(D d, V x) {
  const hn::Rebind<std::int32_t, D> di;
  const V z = at_most(d, hn::Abs(x), 16.0f);
  const V a = hn::BitCast(d, hn::And(hn::BitCast(di, z), hn::Set(di, ~0xfff)));
  const V minus_half = hn::Set(d, -0.5f);
  const V low = hn::Mul(hn::Mul(hn::Sub(z, a), hn::Add(z, a)), minus_half);
  const V e = exp_minus(d, hn::Mul(hn::Mul(a, a), minus_half), low);
  constexpr float g[] = {0.706656635f,   -0.433692127f,   0.131987959f,   0.00923776254f,   -0.0163931474f,
                         -0.00161009294f, 0.00254062307f, 0.000702969555f, -0.000324551074f, -0.000171031395f};
  const V shift = hn::Set(d, 2.5f);
  const V w = hn::Div(hn::Set(d, 1.0f), hn::Add(z, shift));
  const V smooth = hn::Mul(polynomial(d, hn::Mul(hn::Sub(z, shift), w), g), w);
  return {hn::Mul(e, smooth), hn::Mul(e, hn::Set(d, 0.398942280f))};
}

// ---- power, in double ----

/// log(x) for a float x = 2^exponent * mantissa.
template <class D, class V>
HWY_INLINE V log_of_split(D d, V exponent, V mantissa) {
  const V one = hn::Set(d, 1.0);
  const V s = hn::Div(hn::Sub(mantissa, one), hn::Add(mantissa, one));  // |s| <= 0.172
  constexpr double series[] = {2.0, 2.0 / 3, 2.0 / 5, 2.0 / 7, 2.0 / 9, 2.0 / 11, 2.0 / 13, 2.0 / 15};
  return hn::MulAdd(exponent, hn::Set(d, 0.69314718055994530942), hn::Mul(s, polynomial(d, hn::Mul(s, s), series)));
}

/// exp(x) for |x| <= 200; beyond, that of the limit.
template <class D, class V>
HWY_INLINE V exp_in_double(D d, V x) {
  const hn::Rebind<std::int64_t, D> di;
  const V most = hn::Set(d, 200.0);
  x = hn::IfThenElse(hn::Gt(hn::Abs(x), most), hn::CopySign(most, x), x);
  const V rounding = hn::Set(d, 0x1.8p52);
  const V shifted = hn::MulAdd(x, hn::Set(d, 1.44269504088896340736), rounding);
  const V r = hn::NegMulAdd(hn::Sub(shifted, rounding), hn::Set(d, 0.69314718055994530942), x);
  constexpr double series[] = {1.0, 1.0, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040, 1.0 / 40320, 1.0 / 362880};
  const auto scale = hn::Add(hn::ShiftLeft<52>(hn::BitCast(di, shifted)), hn::Set(di, std::int64_t{1023} << 52));
  return hn::Mul(polynomial(d, r, series), hn::BitCast(d, scale));
}

/// x -> factor * x^exponent, with what depends on factor and exponent alone.
struct PowerFunction {
  PowerFunction(float y, float times)
      : exponent(static_cast<double>(y)),
        factor(static_cast<double>(times)),
        whole(std::trunc(y) == y),
        odd(whole && std::fmod(y, 2.0f) != 0),
        at_zero(times * (y > 0   ? 0.0f
                         : y < 0 ? infinite
                                 : 1.0f)),
        at_infinity(times * (y > 0   ? infinite
                             : y < 0 ? 0.0f
                                     : 1.0f)) {}
  double exponent, factor;
  bool whole, odd;
  float at_zero, at_infinity;
};

/// factor * x^exponent with one rounding to float. As C's pow, but NaN^0 is NaN. Full vectors only.
template <class D, class V>
HWY_INLINE V power(D d, V x, const PowerFunction& f) {
  const hn::Half<D> dh;
  const hn::Rebind<double, decltype(dh)> dd;
  const V size = hn::Abs(x);
  const auto s = split(d, size);
  const auto half = [&](auto exponent, auto mantissa) {
    const auto log = log_of_split(dd, hn::PromoteTo(dd, exponent), hn::PromoteTo(dd, mantissa));
    const auto y = exp_in_double(dd, hn::Mul(log, hn::Set(dd, f.exponent)));
    return hn::DemoteTo(dh, hn::Mul(y, hn::Set(dd, f.factor)));
  };
  V result = hn::Combine(d, half(hn::UpperHalf(dh, s.exponent), hn::UpperHalf(dh, s.mantissa)),
                         half(hn::LowerHalf(dh, s.exponent), hn::LowerHalf(dh, s.mantissa)));
  const auto is_infinite = hn::Eq(size, hn::Set(d, infinite));
  result = hn::IfThenElse(hn::Eq(x, hn::Zero(d)), hn::Set(d, f.at_zero), result);
  result = hn::IfThenElse(is_infinite, hn::Set(d, f.at_infinity), result);
  if (f.odd) result = hn::Xor(result, hn::And(x, hn::SignBit(d)));
  if (!f.whole) {
    const auto undefined = hn::AndNot(is_infinite, hn::Lt(x, hn::Zero(d)));
    result = hn::IfThenElse(undefined, hn::Set(d, std::numeric_limits<float>::quiet_NaN()), result);
  }
  return hn::IfThenElse(hn::IsNaN(x), x, result);
}

}  // namespace HWY_NAMESPACE
}  // namespace linn::detail::kernels::eltwise
HWY_AFTER_NAMESPACE();

#endif
