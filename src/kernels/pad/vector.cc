// Padding by rows.
//
// Forward: each row of dst is a row of the map with its border pixels, or a row of zeros.
// Gradient: dsrc starts at 0; then the rows of ddst are added to the rows of the map whose values they have, from top to bottom and each
// from left to right, in the order of the reference. A row of the map stays in the L1 cache meanwhile.
// Bound by memory: each element of the padded map is read or written once.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pad/vector.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <algorithm>

#include "kernels/eltwise/for_each-inl.h"
#include "kernels/pad/vector.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::pad {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;
using eltwise::HWY_NAMESPACE::Copy;
using eltwise::HWY_NAMESPACE::for_each;

struct ZeroRun {
  float* dst;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    hn::StoreU(hn::Zero(d), d, dst + i);
  }
};

struct AddRun {
  const float* ddst;
  float* dsrc;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    hn::StoreU(hn::Add(hn::LoadU(d, dsrc + i), hn::LoadU(d, ddst + i)), d, dsrc + i);
  }
};

/// Calls f(at, source, count) for the positions [at, end), in runs with consecutive sources; source is -1 for zeros.
template <class F>
HWY_INLINE void for_each_border_run(const PadAxis& axis, std::int64_t at, std::int64_t end, const F& f) {
  while (at < end) {
    const std::int64_t source = axis.source(at);
    std::int64_t count = 1;
    if (axis.mode == PadMode::circular) count = std::min(end - at, axis.size - source);
    if (axis.mode == PadMode::zero) count = end - at;
    f(at, source, count);
    at += count;
  }
}

/// All positions of an axis, from the first to the last.
template <class F>
HWY_INLINE void for_each_run(const PadAxis& axis, const F& f) {
  for_each_border_run(axis, 0, axis.before, f);
  f(axis.before, 0, axis.size);
  for_each_border_run(axis, axis.before + axis.size, axis.out(), f);
}

void forward(const PadForward::Problem& problem, const PadForward::Args<float>& args) {
  const PadAxis rows = problem.rows(), columns = problem.columns();
  const std::int64_t channels = problem.channels, dst_row = columns.out() * channels;
  for (std::int64_t image = 0; image < args.images; ++image)
    for (std::int64_t y = 0; y < rows.out(); ++y) {
      float* dst = args.dst + (image * rows.out() + y) * dst_row;
      const std::int64_t row = rows.source(y);
      if (row < 0) {
        for_each(dst_row, ZeroRun{dst});
        continue;
      }
      const float* src = args.src + (image * problem.height + row) * problem.width * channels;
      for_each_run(columns, [&](std::int64_t at, std::int64_t source, std::int64_t count) {
        if (source < 0)
          for_each(count * channels, ZeroRun{dst + at * channels});
        else
          for_each(count * channels, Copy{src + source * channels, dst + at * channels});
      });
    }
}

/// Adds a row of the padded map's gradient to the row of the map whose values it has.
HWY_INLINE void add_row(const PadAxis& columns, std::int64_t channels, const float* ddst, float* dsrc) {
  for_each_run(columns, [&](std::int64_t at, std::int64_t source, std::int64_t count) {
    if (source >= 0) for_each(count * channels, AddRun{ddst + at * channels, dsrc + source * channels});
  });
}

void gradient(const PadInputGradient::Problem& problem, const PadInputGradient::Args<float>& args) {
  const PadAxis rows = problem.rows(), columns = problem.columns();
  const std::int64_t channels = problem.channels, src_row = problem.width * channels, dst_row = columns.out() * channels;
  for (std::int64_t image = 0; image < args.images; ++image) {
    const float* ddst = args.ddst + image * rows.out() * dst_row;
    for (std::int64_t row = 0; row < problem.height; ++row) {
      float* dsrc = args.dsrc + (image * problem.height + row) * src_row;
      for_each(src_row, ZeroRun{dsrc});
      const auto add = [&](std::int64_t y) {
        if (rows.source(y) == row) add_row(columns, channels, ddst + y * dst_row, dsrc);
      };
      for (std::int64_t y = 0; y < rows.before; ++y) add(y);
      add(rows.before + row);
      for (std::int64_t y = rows.before + rows.size; y < rows.out(); ++y) add(y);
    }
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace linn::detail::kernels::pad
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels::pad {

HWY_EXPORT(forward);
HWY_EXPORT(gradient);

void Rows::run(const PadForward::Problem& problem, const PadForward::Args<float>& args) { HWY_DYNAMIC_DISPATCH(forward)(problem, args); }
void RowsGradient::run(const PadInputGradient::Problem& problem, const PadInputGradient::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(gradient)(problem, args);
}

}  // namespace linn::detail::kernels::pad
#endif
