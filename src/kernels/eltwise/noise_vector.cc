// Spatial dropout: for each image draws the channels to keep, then one pass over the pixels; bound by memory. Gaussian noise: Box and Muller's
// transform of 104 random bits for each pair, in float.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/eltwise/noise_vector.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "core/random.h"
#include "kernels/eltwise/for_each-inl.h"
#include "kernels/eltwise/functions-inl.h"
#include "kernels/eltwise/noise_vector.h"
#include "kernels/eltwise/philox-inl.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::eltwise {
namespace HWY_NAMESPACE {
namespace {

struct Keep {
  const float* src;
  const float* kept;  // 1 or 0
  float* dst;
  float keep;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    const auto drop = hn::Eq(hn::LoadU(d, kept + i), hn::Zero(d));
    hn::StoreU(hn::IfThenZeroElse(drop, hn::Div(hn::LoadU(d, src + i), hn::Set(d, keep))), d, dst + i);
  }
};

void spatial_dropout(const SpatialDropout::Problem& p, const SpatialDropout::Args<float>& args) {
  const core::Random random(args.seed, args.stream);
  const float keep = static_cast<float>(1 - p.rate);
  for (std::int64_t n = 0; n < args.images; ++n) {
    const std::uint64_t first = (args.first + static_cast<std::uint64_t>(n)) * static_cast<std::uint64_t>(p.channels);
    for (std::int64_t c = 0; c < p.channels; ++c)
      args.scratch[c] = random.uniform(first + static_cast<std::uint64_t>(c)) < p.rate ? 0.0f : 1.0f;
    for (std::int64_t pixel = 0; pixel < p.pixels; ++pixel) {
      const std::int64_t at = (n * p.pixels + pixel) * p.channels;
      for_each(p.channels, Keep{args.src + at, args.scratch, args.dst + at, keep});
    }
  }
}

// ---- Gaussian noise ----

/// sqrt(-2 log u) for u = (bits + 1/2) 2^-52, where `bits` are the first 52 of the two words. Above 1/2 the smaller number 1 - u, which has the
/// inverted bits, is rounded in place of u.
template <class D, class VU>
HWY_INLINE hn::Vec<D> radius_of(D d, VU high, VU low) {
  const hn::Rebind<std::int32_t, D> di;
  const auto is_large = hn::RebindMask(d, hn::Lt(hn::BitCast(di, high), hn::Zero(di)));
  const auto inverted = hn::VecFromMask(d, is_large);
  const hn::Rebind<std::uint32_t, D> du;
  const auto high_bits = hn::Xor(high, hn::BitCast(du, inverted)), low_bits = hn::ShiftRight<12>(hn::Xor(low, hn::BitCast(du, inverted)));
  const auto rest = hn::Mul(hn::Add(hn::ConvertTo(d, hn::BitCast(di, low_bits)), hn::Set(d, 0.5f)), hn::Set(d, 0x1p-52f));
  const auto smaller = hn::MulAdd(hn::ConvertTo(d, hn::BitCast(di, high_bits)), hn::Set(d, 0x1p-32f), rest);
  const auto u = hn::IfThenElse(is_large, hn::Sub(hn::Set(d, 1.0f), smaller), smaller);
  const auto is_near_one = hn::And(is_large, hn::Lt(smaller, hn::Set(d, 0.25f)));
  const auto logarithm = hn::IfThenElse(is_near_one, log1p_of_rest(d, hn::Neg(smaller)), log(d, u));
  return hn::Sqrt(hn::Mul(logarithm, hn::Set(d, -2.0f)));
}

template <class D>
struct Angle {
  hn::Vec<D> cos, sin;
};

/// Cosine and sine of an angle of `high` / 2^32 turns, and `low` / 2^64. The next quarter of a turn is taken off, so that the rest is between -1/8
/// and 1/8; the polynomials are those of S. L. Moshier, "Methods and programs for mathematical functions", 1989.
template <class D, class VU>
HWY_INLINE Angle<D> angle_of(D d, VU high, VU low) {
  const hn::Rebind<std::int32_t, D> di;
  const hn::Rebind<std::uint32_t, D> du;
  const auto quarter = hn::ShiftRight<30>(hn::Add(high, hn::Set(du, 1u << 29)));
  const auto rest = hn::ConvertTo(d, hn::BitCast(di, hn::Sub(high, hn::ShiftLeft<30>(quarter))));
  const auto part = hn::Mul(hn::ConvertTo(d, hn::BitCast(di, hn::ShiftRight<1>(low))), hn::Set(d, 0x1p-31f));
  const auto x = hn::Mul(hn::Add(rest, part), hn::Set(d, 1.46291808e-9f));  // 2 pi / 2^32
  const auto square = hn::Mul(x, x);
  constexpr float s[] = {-0.166666546f, 0.00833216087f, -0.000195152959f}, c[] = {0.0416666456f, -0.00138873163f, 2.44331571e-5f};
  const auto sin = hn::MulAdd(hn::Mul(x, square), polynomial(d, square, s), x);
  const auto cos = hn::MulAdd(hn::Mul(square, square), polynomial(d, square, c), hn::MulAdd(square, hn::Set(d, -0.5f), hn::Set(d, 1.0f)));
  const auto is_odd = hn::RebindMask(d, hn::Eq(hn::And(hn::BitCast(di, quarter), hn::Set(di, 1)), hn::Set(di, 1)));
  const auto sign_of = [&](auto second_bit) { return hn::BitCast(d, hn::ShiftLeft<30>(hn::And(second_bit, hn::Set(du, 2u)))); };
  return {hn::Xor(hn::IfThenElse(is_odd, sin, cos), sign_of(hn::Add(quarter, hn::Set(du, 1u)))), hn::Xor(hn::IfThenElse(is_odd, cos, sin), sign_of(quarter))};
}

/// Standard normal numbers 2 counter, 2 counter + 1, ...
template <class D>
HWY_INLINE void normal_numbers(D d, std::uint64_t seed, std::uint64_t stream, std::uint64_t counter, float* to) {
  const hn::Rebind<std::uint32_t, D> du;
  hn::Vec<decltype(du)> words[4];
  philox_words(du, seed, stream, counter, words);
  const auto radius = radius_of(d, words[0], words[1]);
  const Angle<D> angle = angle_of(d, words[2], words[3]);
  hn::StoreInterleaved2(hn::Mul(radius, angle.cos), hn::Mul(radius, angle.sin), d, to);
}

struct Noisy {
  const float* src;
  const float* noise;
  float* dst;
  float deviation;
  bool multiplies;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    const auto x = hn::LoadU(d, src + i), scaled = hn::Mul(hn::LoadU(d, noise + i), hn::Set(d, deviation));
    hn::StoreU(multiplies ? hn::Mul(x, hn::Add(hn::Set(d, 1.0f), scaled)) : hn::Add(x, scaled), d, dst + i);
  }
};

void gaussian_noise(const GaussianNoise::Problem& problem, const GaussianNoise::Args<float>& args) {
  const hn::ScalableTag<float> d;
  constexpr std::int64_t block = 2 * hn::MaxLanes(d);
  HWY_ALIGN float noise[block];
  // A block begins at an even number, which may be the one before the first that is wanted.
  std::int64_t skipped = static_cast<std::int64_t>(args.first % 2);
  for (std::int64_t i = 0; i < args.count; skipped = 0) {
    normal_numbers(d, args.seed, args.stream, (args.first + static_cast<std::uint64_t>(i)) / 2, noise);
    const std::int64_t count = HWY_MIN(block - skipped, args.count - i);
    for_each(count, Noisy{args.src + i, noise + skipped, args.dst + i, static_cast<float>(problem.deviation), problem.multiplies});
    i += count;
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace linn::detail::kernels::eltwise
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels::eltwise {

HWY_EXPORT(spatial_dropout);
HWY_EXPORT(gaussian_noise);

void VectorSpatialDropout::run(const SpatialDropout::Problem& problem, const SpatialDropout::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(spatial_dropout)(problem, args);
}

void VectorGaussianNoise::run(const GaussianNoise::Problem& problem, const GaussianNoise::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(gaussian_noise)(problem, args);
}

}  // namespace linn::detail::kernels::eltwise
#endif
