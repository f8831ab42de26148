// Conversion of rows, scaling, sums, dropout.
//
// dst[i] = f(src[i], ...), one loop over the elements. Registers: what one element needs. Bound by memory, but for dropout,
// which makes four random numbers with 20 products of 32 x 32 bits.
// Measured (Zen 4, AVX-512, one core, 113,386 elements; memcpy of the same run 70 GB/s): u8 rows to float 60 GB/s,
// dropout 1.3 ns an element (the reference 20).
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/eltwise/vector.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <hwy/cache_control.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/random.h"
#include "kernels/eltwise/for_each-inl.h"
#include "kernels/eltwise/philox-inl.h"
#include "kernels/eltwise/vector.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::eltwise {
namespace HWY_NAMESPACE {
namespace {

// ---- rows ----

struct FromBytes {
  const std::uint8_t* src;
  float* dst;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    const hn::Rebind<std::int32_t, D> di;
    const hn::Rebind<std::uint8_t, D> du;
    hn::StoreU(hn::ConvertTo(d, hn::PromoteTo(di, hn::LoadU(du, src + i))), d, dst + i);
  }
};

void gather_run(const Gather::Problem& problem, const void* src, std::int64_t first_row, float* dst, std::int64_t rows) {
  const std::int64_t first = first_row * problem.row;
  const std::int64_t count = rows * problem.row;
  if (problem.from == DType::u8)
    for_each(count, FromBytes{static_cast<const std::uint8_t*>(src) + first, dst});
  else
    std::memcpy(dst, static_cast<const float*>(src) + first, static_cast<std::size_t>(count) * sizeof(float));
}

constexpr std::int64_t most_prefetched = 4096;  // longer rows are recognized by the hardware prefetcher

void prefetch(const std::uint8_t* from, std::int64_t bytes) {
  for (std::int64_t i = 0; i < bytes; i += 64) hwy::Prefetch(from + i);
}

void gather(const Gather::Problem& problem, const Gather::Args<float>& args) {
  if (args.rows == 0 || problem.row == 0) return;
  if (args.index == nullptr) return gather_run(problem, args.src, args.first, args.dst, args.rows);
  const std::int64_t row_bytes = problem.row * (problem.from == DType::u8 ? 1 : 4);
  for (std::int64_t r = 0; r < args.rows; ++r) {
    // The rows of a batch are anywhere in a large array: prefetches the next row while this one is converted.
    if (r + 1 < args.rows) prefetch(static_cast<const std::uint8_t*>(args.src) + args.index[args.first + r + 1] * row_bytes, HWY_MIN(row_bytes, most_prefetched));
    gather_run(problem, args.src, args.index[args.first + r], args.dst + r * problem.row, 1);
  }
}

// ---- sums and products ----

struct Scale {
  const float* src;
  float* dst;
  float scale, offset;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    hn::StoreU(hn::Add(hn::Mul(hn::LoadU(d, src + i), hn::Set(d, scale)), hn::Set(d, offset)), d, dst + i);
  }
};

void rescale(const Rescale::Problem& problem, const Rescale::Args<float>& args) {
  for_each(args.count, Scale{args.src, args.dst, static_cast<float>(problem.scale), static_cast<float>(problem.offset)});
}

struct Sum {
  const float* a;
  const float* b;
  float* dst;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    hn::StoreU(hn::Add(hn::LoadU(d, a + i), hn::LoadU(d, b + i)), d, dst + i);
  }
};

void add(const Add::Problem&, const Add::Args<float>& args) { for_each(args.count, Sum{args.a, args.b, args.dst}); }

// ---- dropout ----

void dropout(const Dropout::Problem& problem, const Dropout::Args<float>& args) {
  const core::Random random(args.seed, args.stream);
  const float keep = static_cast<float>(1 - problem.rate);
  const hn::ScalableTag<float> d;
  const hn::Rebind<std::uint32_t, decltype(d)> du;
  constexpr std::int64_t lanes = hn::MaxLanes(d);
  // k * 2^-24 < rate is equivalent to k < ceil(rate * 2^24).
  const auto limit = hn::Set(hn::Rebind<std::int32_t, decltype(d)>(), static_cast<std::int32_t>(std::ceil(problem.rate * 0x1p24)));
  const auto one_by_one = [&](std::int64_t i, std::int64_t end) {
    for (; i < end; ++i) {
      const bool drop = random.uniform(args.first + static_cast<std::uint64_t>(i)) < problem.rate;
      args.dst[i] = drop ? 0.0f : args.src[i] / keep;
    }
  };
  // The four words of a counter belong to neighbouring elements, so a block of 4 * lanes elements starts where `first + i` is a multiple of
  // four.
  std::int64_t i = std::min(args.count, static_cast<std::int64_t>((4 - args.first % 4) % 4));
  one_by_one(0, i);
  for (; i + 4 * lanes <= args.count; i += 4 * lanes) {
    const std::uint64_t counter = (args.first + static_cast<std::uint64_t>(i)) / 4;
    hn::Vec<decltype(du)> c[4];
    philox_words(du, args.seed, args.stream, counter, c);
    HWY_ALIGN std::uint32_t words[4 * lanes];
    hn::StoreInterleaved4(c[0], c[1], c[2], c[3], du, words);
    for (std::int64_t v = 0; v < 4; ++v) {
      const auto k = hn::ShiftRight<8>(hn::Load(du, words + v * lanes));
      const auto drop = hn::RebindMask(d, hn::Lt(hn::BitCast(hn::Rebind<std::int32_t, decltype(d)>(), k), limit));
      const auto kept = hn::Div(hn::LoadU(d, args.src + i + v * lanes), hn::Set(d, keep));
      hn::StoreU(hn::IfThenZeroElse(drop, kept), d, args.dst + i + v * lanes);
    }
  }
  one_by_one(i, args.count);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace linn::detail::kernels::eltwise
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels::eltwise {

HWY_EXPORT(gather);
HWY_EXPORT(rescale);
HWY_EXPORT(add);
HWY_EXPORT(dropout);

bool VectorGather::supports(const Gather::Problem& problem) { return problem.from == DType::u8 || problem.from == DType::f32; }

void VectorGather::run(const Gather::Problem& problem, const Gather::Args<float>& args) { HWY_DYNAMIC_DISPATCH(gather)(problem, args); }
void VectorRescale::run(const Rescale::Problem& problem, const Rescale::Args<float>& args) { HWY_DYNAMIC_DISPATCH(rescale)(problem, args); }
void VectorAdd::run(const Add::Problem& problem, const Add::Args<float>& args) { HWY_DYNAMIC_DISPATCH(add)(problem, args); }
void VectorDropout::run(const Dropout::Problem& problem, const Dropout::Args<float>& args) { HWY_DYNAMIC_DISPATCH(dropout)(problem, args); }

}  // namespace linn::detail::kernels::eltwise
#endif
