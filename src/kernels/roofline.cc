// Upper limits for kernels: multiply-adds per second on registers, bytes per second through loads and stores.
//
// Each round: 12 independent accumulators = accumulator * a + b. 8 cover a latency of 4 cycles at two multiply-adds a cycle; 12 leave some
// to spare. Registers: 12 + 2 of 16.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/roofline.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/eltwise/for_each-inl.h"
#include "kernels/roofline.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// Reads the factors from memory and writes the sum to memory, so that the compiler cannot remove the loop.
template <class D>
double add_products(D d, std::int64_t rounds, volatile float* values) {
  constexpr int accumulators = 12;
  const auto a = hn::Set(d, values[0]), b = hn::Set(d, values[1]);
  hn::Vec<D> sum[accumulators];
#pragma GCC unroll 12
  for (int i = 0; i < accumulators; ++i) sum[i] = hn::Set(d, static_cast<float>(i));
  for (std::int64_t round = 0; round < rounds; ++round)
#pragma GCC unroll 12
    for (int i = 0; i < accumulators; ++i) sum[i] = hn::MulAdd(sum[i], a, b);
  for (int i = 1; i < accumulators; ++i) sum[0] = hn::Add(sum[0], sum[i]);
  values[2] = hn::GetLane(sum[0]);
  return 2.0 * accumulators * static_cast<double>(rounds) * static_cast<double>(hn::Lanes(d));
}

double add_vector_products(std::int64_t rounds, volatile float* values) { return add_products(hn::ScalableTag<float>(), rounds, values); }
double add_scalar_products(std::int64_t rounds, volatile float* values) { return add_products(hn::CappedTag<float, 1>(), rounds, values); }

void copy_vectors(const float* src, float* dst, std::int64_t count) { eltwise::HWY_NAMESPACE::for_each(count, eltwise::HWY_NAMESPACE::Copy{src, dst}); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace linn::detail::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "core/cpu.h"

namespace linn::detail::kernels {

HWY_EXPORT(add_vector_products);
HWY_EXPORT(add_scalar_products);
HWY_EXPORT(copy_vectors);

double multiply_adds(std::int64_t rounds) {
  volatile float values[3] = {0.5f, 0.25f, 0};
  if (core::isa() == core::Isa::scalar) return HWY_DYNAMIC_DISPATCH(add_scalar_products)(rounds, values);
  return HWY_DYNAMIC_DISPATCH(add_vector_products)(rounds, values);
}

void copy(const float* src, float* dst, std::int64_t count) { HWY_DYNAMIC_DISPATCH(copy_vectors)(src, dst, count); }

}  // namespace linn::detail::kernels
#endif
