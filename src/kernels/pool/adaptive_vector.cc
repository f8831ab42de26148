// Adaptive pooling: for each window, for each vector of channels, all pixels of the window. Sums, maxima and their pixels stay in
// registers.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pool/adaptive_vector.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <algorithm>

#include "kernels/eltwise/for_each-inl.h"
#include "kernels/pool/adaptive_vector.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::pool {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;
using eltwise::HWY_NAMESPACE::for_each;

/// The pixels of one window.
struct Cells {
  std::int64_t top, bottom, left, right;  // [top, bottom) x [left, right)

  std::int64_t count() const { return (bottom - top) * (right - left); }
};

struct Map {
  std::int64_t width, channels;
  std::int64_t offset(std::int64_t row, std::int64_t column) const { return (row * width + column) * channels; }
};

template <bool with_argmax>
struct Largest {
  const float* src;
  Map map;
  Cells cells;
  float* dst;
  std::int32_t* argmax;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    const hn::RebindToSigned<D> di;
    auto best = hn::LoadU(d, src + map.offset(cells.top, cells.left) + i);
    auto pixel = hn::Set(di, static_cast<std::int32_t>(cells.top * map.width + cells.left));
    for (std::int64_t column = cells.left; column < cells.right; ++column)
      for (std::int64_t row = cells.top; row < cells.bottom; ++row) {
        const auto value = hn::LoadU(d, src + map.offset(row, column) + i);
        // The present maximum stays where it is at least the value, or NaN.
        const auto stays = hn::Or(hn::Ge(best, value), hn::IsNaN(best));
        best = hn::IfThenElse(stays, best, value);
        if constexpr (with_argmax)
          pixel = hn::IfThenElse(hn::RebindMask(di, stays), pixel, hn::Set(di, static_cast<std::int32_t>(row * map.width + column)));
      }
    hn::StoreU(best, d, dst + i);
    if constexpr (with_argmax) hn::StoreU(pixel, di, argmax + i);
  }
};

struct Mean {
  const float* src;
  Map map;
  Cells cells;
  float* dst;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    auto sum = hn::Zero(d);
    for (std::int64_t row = cells.top; row < cells.bottom; ++row)
      for (std::int64_t column = cells.left; column < cells.right; ++column) sum = hn::Add(sum, hn::LoadU(d, src + map.offset(row, column) + i));
    hn::StoreU(hn::Div(sum, hn::Set(d, static_cast<float>(cells.count()))), d, dst + i);
  }
};

struct AddShares {
  const float* ddst;
  Map map;
  Cells cells;
  float* dsrc;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    const auto share = hn::Div(hn::LoadU(d, ddst + i), hn::Set(d, static_cast<float>(cells.count())));
    for (std::int64_t row = cells.top; row < cells.bottom; ++row)
      for (std::int64_t column = cells.left; column < cells.right; ++column) {
        float* at = dsrc + map.offset(row, column) + i;
        hn::StoreU(hn::Add(hn::LoadU(d, at), share), d, at);
      }
  }
};

/// Calls f(first element of the input image, cells, first element of the output pixel) for each window of all images.
template <class F>
HWY_INLINE void for_each_window(const AdaptivePoolForward::Problem& p, std::int64_t images, const F& f) {
  const AdaptiveAxis rows = p.rows(), columns = p.columns();
  std::int64_t dst = 0;
  for (std::int64_t image = 0; image < images; ++image)
    for (std::int64_t y = 0; y < p.out_height; ++y)
      for (std::int64_t x = 0; x < p.out_width; ++x, dst += p.channels)
        f(image * p.height * p.width * p.channels, Cells{rows.first(y), rows.last(y), columns.first(x), columns.last(x)}, dst);
}

void adaptive_forward(const AdaptivePoolForward::Problem& p, const AdaptivePoolForward::Args<float>& args) {
  const Map map{p.width, p.channels};
  for_each_window(p, args.images, [&](std::int64_t image, const Cells& cells, std::int64_t dst) {
    const float* src = args.src + image;
    if (p.kind == PoolKind::average)
      for_each(p.channels, Mean{src, map, cells, args.dst + dst});
    else if (args.argmax != nullptr)
      for_each(p.channels, Largest<true>{src, map, cells, args.dst + dst, args.argmax + dst});
    else
      for_each(p.channels, Largest<false>{src, map, cells, args.dst + dst, nullptr});
  });
}

void adaptive_gradient(const AdaptivePoolInputGradient::Problem& p, const AdaptivePoolInputGradient::Args<float>& args) {
  const Map map{p.width, p.channels};
  std::fill_n(args.dsrc, args.images * p.height * p.width * p.channels, 0.0f);
  for_each_window(p, args.images, [&](std::int64_t image, const Cells& cells, std::int64_t dst) {
    for_each(p.channels, AddShares{args.ddst + dst, map, cells, args.dsrc + image});
  });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace linn::detail::kernels::pool
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels::pool {

HWY_EXPORT(adaptive_forward);
HWY_EXPORT(adaptive_gradient);

void Adaptive::run(const AdaptivePoolForward::Problem& problem, const AdaptivePoolForward::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(adaptive_forward)(problem, args);
}
void AdaptiveGradient::run(const AdaptivePoolInputGradient::Problem& problem, const AdaptivePoolInputGradient::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(adaptive_gradient)(problem, args);
}

}  // namespace linn::detail::kernels::pool
#endif
