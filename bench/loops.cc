#include "bench/loops.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/loops.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace linn::bench::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;
using D = hn::CappedTag<float, 16>;

double multiply_add(std::int64_t steps, float* values) {
  const D d;
  hn::Vec<D> sum[12];
  const auto a = hn::Set(d, values[0]), b = hn::Set(d, values[1]);
#pragma GCC unroll 12
  for (int i = 0; i < 12; ++i) sum[i] = hn::Set(d, static_cast<float>(i));
  for (std::int64_t s = 0; s < steps; ++s)
#pragma GCC unroll 12
    for (int i = 0; i < 12; ++i) sum[i] = hn::MulAdd(sum[i], a, b);
  for (int i = 1; i < 12; ++i) sum[0] = hn::Add(sum[0], sum[i]);
  values[2] = hn::GetLane(sum[0]);
  return 2.0 * 12 * static_cast<double>(steps) * static_cast<double>(hn::Lanes(d));
}

double scale(std::int64_t count, float factor, const float* src, float* dst) {
  const D d;
  constexpr auto lanes = static_cast<std::int64_t>(hn::MaxLanes(D()));
  const auto f = hn::Set(d, factor);
  for (std::int64_t i = 0; i + lanes <= count; i += lanes) hn::StoreU(hn::Mul(hn::LoadU(d, src + i), f), d, dst + i);
  return 2.0 * sizeof(float) * static_cast<double>(count);
}

}  // namespace
}  // namespace linn::bench::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::bench {
HWY_EXPORT(multiply_add);
HWY_EXPORT(scale);

double multiply_add_loop(std::int64_t steps, float* values) { return HWY_DYNAMIC_DISPATCH(multiply_add)(steps, values); }
double scale_loop(std::int64_t count, float scale_by, const float* src, float* dst) {
  return HWY_DYNAMIC_DISPATCH(scale)(count, scale_by, src, dst);
}

}  // namespace linn::bench
#endif
