// Filters round a ring in two passes, NHWC: along the columns, where a cell is a whole row of the map, then along each row, where a cell is
// the channels of a pixel.
//
// Loop nest of a pass: output cell | block of four vectors of the cell | distance. The sums of a block stay in registers; two reads, an
// addition and a product for a distance. Terms are added in the order of the reference.
// Gradient: cell of the map | block | outputs whose weight is not 0, first to last.
// Bound by reads from the L1 and L2 caches: size / 4 distances for an output at stride 2, as every second weight is 0.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/ring_filter/vector.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/pool/lanes-inl.h"
#include "kernels/ring_filter/vector.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::ring_filter {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;
using pool::HWY_NAMESPACE::for_blocks;

/// One output cell of the forward pass, a run of `step` elements as each cell is.
struct FilterCell {
  const RingAxis& axis;
  const float* src;
  std::int64_t step, centre;
  float* dst;

  const float* at(std::int64_t cell) const { return src + axis.wrapped(cell) * step; }

  template <int vectors, class D>
  HWY_INLINE void block(D d, std::int64_t i) const {
    constexpr std::int64_t lanes = hn::MaxLanes(d);
    hn::Vec<D> sums[vectors];
    for (auto& sum : sums) sum = hn::Zero(d);
    for (const std::int64_t distance : axis.distances) {
      const auto weight = hn::Set(d, static_cast<float>(axis.weights[static_cast<std::size_t>(distance)]));
      const float* before = at(centre - distance) + i;
      if (axis.is_opposite(distance)) {
#pragma GCC unroll 4
        for (int k = 0; k < vectors; ++k) sums[k] = hn::MulAdd(weight, hn::LoadU(d, before + k * lanes), sums[k]);
      } else {
        const float* behind = at(centre + distance) + i;
#pragma GCC unroll 4
        for (int k = 0; k < vectors; ++k)
          sums[k] = hn::MulAdd(weight, hn::Add(hn::LoadU(d, before + k * lanes), hn::LoadU(d, behind + k * lanes)), sums[k]);
      }
    }
    for (int k = 0; k < vectors; ++k) hn::StoreU(sums[k], d, dst + i + k * lanes);
  }
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    block<1>(d, i);
  }
};

/// The gradient of one cell.
struct GradientCell {
  const RingAxis& axis;
  const float* ddst;
  std::int64_t step, cell;
  float* dsrc;

  template <int vectors, class D>
  HWY_INLINE void block(D d, std::int64_t i) const {
    constexpr std::int64_t lanes = hn::MaxLanes(d);
    hn::Vec<D> sums[vectors];
    for (auto& sum : sums) sum = hn::Zero(d);
    for (std::int64_t o = 0; o < axis.out(); ++o) {
      const double weight = axis.weight(o, cell);
      if (weight == 0) continue;
      const auto factor = hn::Set(d, static_cast<float>(weight));
#pragma GCC unroll 4
      for (int k = 0; k < vectors; ++k) sums[k] = hn::MulAdd(factor, hn::LoadU(d, ddst + o * step + i + k * lanes), sums[k]);
    }
    for (int k = 0; k < vectors; ++k) hn::StoreU(sums[k], d, dsrc + i + k * lanes);
  }
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    block<1>(d, i);
  }
};

void filter(const RingAxis& axis, const float* src, std::int64_t step, float* dst) {
  for (std::int64_t o = 0; o < axis.out(); ++o) for_blocks(step, FilterCell{axis, src, step, o * axis.stride, dst + o * step});
}

void filter_gradient(const RingAxis& axis, const float* ddst, std::int64_t step, float* dsrc) {
  for (std::int64_t cell = 0; cell < axis.size; ++cell) for_blocks(step, GradientCell{axis, ddst, step, cell, dsrc + cell * step});
}

void forward(const RingFilterForward::Problem& p, const RingFilterForward::Args<float>& args) {
  const std::int64_t row = p.columns.size * p.channels, out_row = p.columns.out() * p.channels;
  for (std::int64_t n = 0; n < args.images; ++n) {
    filter(p.rows, args.src + n * p.src_elements(), row, args.scratch);
    for (std::int64_t y = 0; y < p.rows.out(); ++y)
      filter(p.columns, args.scratch + y * row, p.channels, args.dst + n * p.dst_elements() + y * out_row);
  }
}

void gradient(const RingFilterForward::Problem& p, const RingFilterInputGradient::Args<float>& args) {
  const std::int64_t row = p.columns.size * p.channels, out_row = p.columns.out() * p.channels;
  for (std::int64_t n = 0; n < args.images; ++n) {
    for (std::int64_t y = 0; y < p.rows.out(); ++y)
      filter_gradient(p.columns, args.ddst + n * p.dst_elements() + y * out_row, p.channels, args.scratch + y * row);
    filter_gradient(p.rows, args.scratch, row, args.dsrc + n * p.src_elements());
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace linn::detail::kernels::ring_filter
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels::ring_filter {

HWY_EXPORT(forward);
HWY_EXPORT(gradient);

void Separable::run(const RingFilterForward::Problem& problem, const RingFilterForward::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(forward)(problem, args);
}
void SeparableGradient::run(const RingFilterInputGradient::Problem& problem, const RingFilterInputGradient::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(gradient)(problem, args);
}

}  // namespace linn::detail::kernels::ring_filter
#endif
