// Mean over a map by order-free sums (core/order_free.h), channel by channel: position invariant.
//
// Loop nest: image | channels, four half vectors at a time | pixels: the largest magnitude; pixels again: sums of whole numbers.
// Registers: four sums. Bound by the second pass's conversions to double; the first brings the map into the cache.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pool/global_order_free.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/pool/lanes-inl.h"
#include "kernels/pool/vector.h"
#include "kernels/reduce/order_free-inl.h"

#ifndef LINN_KERNELS_POOL_GLOBAL_ORDER_FREE_ONCE
#define LINN_KERNELS_POOL_GLOBAL_ORDER_FREE_ONCE
namespace linn::detail::kernels::pool {
namespace {

/// One channel of a map, pixel by pixel.
float order_free_mean(const float* src, std::int64_t pixels, std::int64_t channels) {
  return static_cast<float>(core::order_free_sum(pixels, [&](std::int64_t p) { return src[p * channels]; }) / static_cast<double>(pixels));
}

}  // namespace
}  // namespace linn::detail::kernels::pool
#endif

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::pool {
namespace HWY_NAMESPACE {
namespace {

namespace whole = order_free::HWY_NAMESPACE;

/// A vector of as many floats as a full vector holds doubles.
constexpr std::size_t most_lanes = HWY_MAX_BYTES / sizeof(double);

/// Channels c .. c + vectors * lanes of one image.
template <int vectors, class D>
HWY_INLINE void mean_of_pixels(D d, const float* src, float* dst, std::int64_t pixels, std::int64_t channels) {
  constexpr std::int64_t lanes = hn::MaxLanes(d);
  const hn::RebindToSigned<D> di;
  const hn::Rebind<double, D> dd;
  const hn::Rebind<std::int64_t, D> sums;
  hn::Vec<decltype(di)> largest[vectors];
#pragma GCC unroll 4
  for (int v = 0; v < vectors; ++v) largest[v] = hn::Zero(di);
  for (std::int64_t p = 0; p < pixels; ++p)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) largest[v] = hn::Max(largest[v], whole::magnitude_bits(d, src + p * channels + v * lanes));

  std::int32_t bits[vectors * lanes];
  double scales[vectors * lanes];
  std::int64_t units[vectors * lanes];
#pragma GCC unroll 4
  for (int v = 0; v < vectors; ++v) hn::StoreU(largest[v], di, bits + v * lanes);
  for (std::int64_t i = 0; i < vectors * lanes; ++i) scales[i] = core::FixedPoint(order_free::exponent_of_bits(bits[i]), pixels).scale();

  hn::Vec<decltype(dd)> scale[vectors];
  hn::Vec<decltype(sums)> sum[vectors];
#pragma GCC unroll 4
  for (int v = 0; v < vectors; ++v) scale[v] = hn::LoadU(dd, scales + v * lanes), sum[v] = hn::Zero(sums);
  for (std::int64_t p = 0; p < pixels; ++p)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v)
      sum[v] = hn::Add(sum[v], whole::units(dd, hn::PromoteTo(dd, hn::LoadU(d, src + p * channels + v * lanes)), scale[v]));
#pragma GCC unroll 4
  for (int v = 0; v < vectors; ++v) hn::StoreU(sum[v], sums, units + v * lanes);
  for (std::int64_t i = 0; i < vectors * lanes; ++i) {
    const core::FixedPoint fixed(order_free::exponent_of_bits(bits[i]), pixels);
    const double total = fixed.value(order_free::without_rounding(units[i], pixels));
    dst[i] = bits[i] < order_free::infinity_bits ? static_cast<float>(total / static_cast<double>(pixels))
                                                 : order_free_mean(src + i, pixels, channels);
  }
}

struct Mean {
  const float* src;
  float* dst;
  std::int64_t pixels, channels;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t c) const {
    mean_of_pixels<1>(d, src + c, dst + c, pixels, channels);
  }
};

HWY_NOINLINE void order_free_means(const GlobalPoolForward::Problem& problem, const GlobalPoolForward::Args<float>& args) {
  const hn::CappedTag<float, most_lanes> d;
  constexpr std::int64_t step = 4 * hn::MaxLanes(d);
  for (std::int64_t image = 0; image < args.images; ++image) {
    const float* src = args.src + image * problem.pixels * problem.channels;
    float* dst = args.dst + image * problem.channels;
    std::int64_t c = 0;
    for (; c + step <= problem.channels; c += step) mean_of_pixels<4>(d, src + c, dst + c, problem.pixels, problem.channels);
    for_lanes<most_lanes>(c, problem.channels, Mean{src, dst, problem.pixels, problem.channels});
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace linn::detail::kernels::pool
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels::pool {

HWY_EXPORT(order_free_means);

void OrderFree::run(const GlobalPoolForward::Problem& problem, const GlobalPoolForward::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(order_free_means)(problem, args);
}

void OrderFreeScalar::run(const GlobalPoolForward::Problem& problem, const GlobalPoolForward::Args<float>& args) {
  for (std::int64_t image = 0; image < args.images; ++image)
    for (std::int64_t c = 0; c < problem.channels; ++c)
      args.dst[image * problem.channels + c] =
          order_free_mean(args.src + image * problem.pixels * problem.channels + c, problem.pixels, problem.channels);
}

}  // namespace linn::detail::kernels::pool
#endif
