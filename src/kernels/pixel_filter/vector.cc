// Filters that differ from pixel to pixel.
//
// Loop nest: image | output pixel | group | vector of the group's channels | tap. The sum of a vector stays in a register.
// Gradient: the same; each tap adds to its cell's gradient, and its dweights sum the vectors of the group first, then the lanes.
// Bound by the L1 cache: a read and a product for each tap forward, two reads, a write and two products backward.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pixel_filter/vector.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <algorithm>

#include "kernels/pixel_filter/vector.h"
#include "kernels/pool/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::pixel_filter {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;
using pool::HWY_NAMESPACE::for_lanes;

/// Calls f(cell of the first tap, first weight, first output channel) for each group of each output pixel; the first two within all images.
template <class F>
HWY_INLINE void for_each_group(const PixelFilterForward::Problem& p, std::int64_t images, const F& f) {
  const Geometry& g = p.geometry;
  std::int64_t weights = 0, dst = 0;
  for (std::int64_t n = 0; n < images; ++n)
    for (std::int64_t y = 0; y < g.out_height; ++y)
      for (std::int64_t x = 0; x < g.out_width; ++x) {
        const std::int64_t src = n * p.src_elements() + p.cell(y, x, 0, 0);
        for (std::int64_t group = 0; group < g.groups; ++group, weights += p.taps(), dst += p.group_channels())
          f(src + group * p.group_channels(), weights, dst);
      }
}

struct Filter {
  const Geometry& g;
  const float* src;
  const float* weights;
  float* dst;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t c) const {
    auto sum = hn::Zero(d);
    const float* weight = weights;
    for (std::int64_t i = 0; i < g.window_height; ++i)
      for (std::int64_t j = 0; j < g.window_width; ++j)
        sum = hn::MulAdd(hn::Set(d, *weight++), hn::LoadU(d, src + (i * g.width + j) * g.channels + c), sum);
    hn::StoreU(sum, d, dst + c);
  }
};

/// One tap's part of the gradients.
struct TapGradient {
  const float* src;
  const float* ddst;
  float weight;
  float* dsrc;
  float* dweight;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t c) const {
    const auto given = hn::LoadU(d, ddst + c);
    hn::StoreU(hn::MulAdd(hn::Set(d, weight), given, hn::LoadU(d, dsrc + c)), d, dsrc + c);
    *dweight += hn::GetLane(hn::SumOfLanes(d, hn::Mul(given, hn::LoadU(d, src + c))));
  }
};

void forward(const PixelFilterForward::Problem& p, const PixelFilterForward::Args<float>& args) {
  for_each_group(p, args.images, [&](std::int64_t src, std::int64_t weights, std::int64_t dst) {
    for_lanes(0, p.group_channels(), Filter{p.geometry, args.src + src, args.weights + weights, args.dst + dst});
  });
}

void gradient(const PixelFilterGradient::Problem& p, const PixelFilterGradient::Args<float>& args) {
  const Geometry& g = p.geometry;
  std::fill_n(args.dsrc, args.images * p.src_elements(), 0.0f);
  for_each_group(p, args.images, [&](std::int64_t src, std::int64_t weights, std::int64_t dst) {
    for (std::int64_t i = 0; i < g.window_height; ++i)
      for (std::int64_t j = 0; j < g.window_width; ++j, ++weights) {
        const std::int64_t cell = src + (i * g.width + j) * g.channels;
        args.dweights[weights] = 0;
        for_lanes(0, p.group_channels(),
                  TapGradient{args.src + cell, args.ddst + dst, args.weights[weights], args.dsrc + cell, args.dweights + weights});
      }
  });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace linn::detail::kernels::pixel_filter
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels::pixel_filter {

HWY_EXPORT(forward);
HWY_EXPORT(gradient);

void Lanes::run(const PixelFilterForward::Problem& problem, const PixelFilterForward::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(forward)(problem, args);
}
void LanesGradient::run(const PixelFilterGradient::Problem& problem, const PixelFilterGradient::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(gradient)(problem, args);
}

}  // namespace linn::detail::kernels::pixel_filter
#endif
