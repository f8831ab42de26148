// Gradient of pooling with overlapping windows, NHWC, channels in lanes, in two passes.
//
// max: dsrc[argmax cell of each window] += ddst. The argmax, row * window_width + column, is first split into row and column.
// First pass:  ring[y,q,c] = sum of ddst[y,x,c] over the windows x that contain column q and have their maximum in it; the ring also holds
//              the row of the maximum. Neighbouring windows with their maxima in one column agree on the row, because it is the first
//              maximum of that column in the rows that they share. So one row number for each sum is enough, and k + k steps replace k * k.
// Second pass: dsrc[r,q,c] = sum of ring[y,q,c] over the windows y that contain row r and have their maximum in it
// Loop nest:   as in separable.cc, with a pixel and the windows that contain it instead of a window and its cells.
// average:     the passes of separable.cc.
// Order of a sum: along each row of windows from left to right, then rows from top to bottom, the same for every pixel.
// Registers: 4 sums, 4 rows carried, k places to compare with, one input: 18 of 32.
// Measured (Zen 5, AVX-512): docs/engine.md, "Pooling alone". The maximum is bound by instructions: with k = 7 a vector of pixels takes 14
// comparisons, as many masked additions and half as many masked moves, beside the loads of the bytes and their widening.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pool/separable_gradient.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "hwy/cache_control.h"
#include "kernels/pool/separable-inl.h"
#include "kernels/pool/separable.h"
#include "kernels/pool/vector.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::pool {
namespace HWY_NAMESPACE {
namespace {

/// Splits the bytes of an argmax into row and column: cell = row * window_width + column.
struct Split {
  const std::uint8_t* argmax;
  std::uint8_t *column, *row;
  std::int32_t width;

  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t c) const {
    const hn::Rebind<std::int32_t, D> di;
    const auto cell = load_bytes(d, argmax + c);
    // Exact: cell < 256, and the factor is at most width / 65536 too large.
    const auto quotient = hn::ShiftRight<16>(hn::Mul(cell, hn::Set(di, 65536 / width + 1)));
    store_bytes(d, quotient, row + c);
    store_bytes(d, hn::Sub(cell, hn::Mul(quotient, hn::Set(di, width))), column + c);
  }
};

/// The gradients that one pass reads along its axis; input i + 1 is one step after input i. `place`: the position of the maximum in its
/// window on this axis. `carried`: its position on the other axis, for the second pass.
struct Inputs {
  const float* values;
  const std::uint8_t *place, *carried;
  std::int64_t value_step, place_step;
  std::int64_t slots, first;  // slots > 0: a ring of this number of steps, read from `first` on

  std::int64_t slot(std::int64_t i) const { return slots == 0 || first + i < slots ? first + i : first + i - slots; }
};

struct RingOutputs {
  float* values;
  std::uint8_t* places;
  std::int64_t step;
  template <class D>
  HWY_INLINE void put(D d, std::int64_t o, hn::Vec<D> value, hn::Vec<hn::Rebind<std::int32_t, D>> carried, std::int64_t c) const {
    hn::StoreU(value, d, values + o * step + c);
    store_bytes(d, carried, places + o * step + c);
  }
};

struct MapOutputs {
  float* dsrc;
  std::int64_t step;
  bool stream;
  template <class D>
  HWY_INLINE void put(D d, std::int64_t o, hn::Vec<D> value, hn::Vec<hn::Rebind<std::int32_t, D>>, std::int64_t c) const {
    store(d, value, dsrc + o * step + c, stream);
  }
};

/// Adds the gradient of input i to the output at position `place` of its window, and stores `carried` with it.
template <bool carry, class D>
HWY_INLINE void take(D d, hn::Vec<D> value, hn::Vec<hn::Rebind<std::int32_t, D>> place, hn::Vec<hn::Rebind<std::int32_t, D>> other,
                     std::int32_t wanted, hn::Vec<D>& sum, hn::Vec<hn::Rebind<std::int32_t, D>>& carried) {
  const auto here = hn::Eq(place, hn::Set(hn::Rebind<std::int32_t, D>(), wanted));
  sum = hn::IfThenElse(hn::RebindMask(d, here), hn::Add(sum, value), sum);
  if constexpr (carry) carried = hn::IfThenElse(here, other, carried);
}

/// One output with any number of inputs. It has position `last` in the window of input 0, and `stride` less in the window of each further
/// input.
template <bool carry, class Outputs>
struct RouteOne {
  Inputs in;
  std::int64_t count;
  std::int32_t last, stride;
  Outputs out;

  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t c) const {
    const hn::Rebind<std::int32_t, D> di;
    auto sum = hn::Zero(d);
    auto carried = hn::Zero(di), other = hn::Zero(di);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t at = in.slot(i) * in.place_step + c;
      if constexpr (carry) other = load_bytes(d, in.carried + at);
      take<carry>(d, hn::LoadU(d, in.values + in.slot(i) * in.value_step + c), load_bytes(d, in.place + at), other,
                  last - static_cast<std::int32_t>(i) * stride, sum, carried);
    }
    out.put(d, 0, sum, carried, c);
  }
};

/// Four outputs of stride 1 with k inputs each. Reads each of the k + 3 inputs once.
template <int k, bool carry, class Outputs>
struct RouteFour {
  static constexpr int inputs = k + 3;
  Inputs in;
  Outputs out;
  std::int64_t values[inputs], bytes[inputs];

  RouteFour(const Inputs& from, const Outputs& to) : in(from), out(to) {
    for (int i = 0; i < inputs; ++i) values[i] = in.slot(i) * in.value_step, bytes[i] = in.slot(i) * in.place_step;
  }

  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t c) const {
    const hn::Rebind<std::int32_t, D> di;
    hn::Vec<D> sum[4] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
    hn::Vec<decltype(di)> carried[4] = {hn::Zero(di), hn::Zero(di), hn::Zero(di), hn::Zero(di)};
#pragma GCC unroll 16
    for (int i = 0; i < inputs; ++i) {
      const auto value = hn::LoadU(d, in.values + values[i] + c);
      const auto place = load_bytes(d, in.place + bytes[i] + c);
      auto other = hn::Zero(di);
      if constexpr (carry) other = load_bytes(d, in.carried + bytes[i] + c);
#pragma GCC unroll 4
      for (int o = 0; o < 4; ++o)
        if (i >= o && i < o + k) take<carry>(d, value, place, other, o - i + k - 1, sum[o], carried[o]);
    }
#pragma GCC unroll 4
    for (int o = 0; o < 4; ++o) out.put(d, o, sum[o], carried[o], c);
  }
};

/// First pass: gradients of a row of windows go to the columns of their maxima.
template <int k>
HWY_NOINLINE void route_columns(const Sweep& s, std::int64_t row, Range x) {
  std::uint8_t* column_tags = s.tags + 2 * s.slot(row) * s.share_row;
  std::uint8_t* row_tags = column_tags + s.share_row;
  const Range fresh = new_inputs(s.columns, x);
  for (std::int64_t q = fresh.begin; q < fresh.end; ++q) {
    const std::int64_t at = q * s.channels;
    for_lanes(0, s.channels,
              Split{s.chosen + row * s.argmax_row + q * s.argmax_pixel, column_tags + at, row_tags + at,
                    static_cast<std::int32_t>(s.columns.axis.window)});
  }

  const float* ddst = s.src + row * s.src_row;
  const std::int64_t ring = s.slot(row) * s.ring_row;
  for (std::int64_t q = x.begin; q < x.end;) {
    const Range inputs = s.columns.of(q);
    const std::int64_t at = inputs.begin * s.channels;
    const Inputs in{ddst + inputs.begin * s.src_pixel, column_tags + at, row_tags + at, s.src_pixel, s.channels, 0, 0};
    const RingOutputs out{s.values + ring + q * s.channels, s.indices + ring + q * s.channels, s.channels};
    const auto last = static_cast<std::int32_t>(q - s.columns.axis.start(inputs.begin));
    const auto stride = static_cast<std::int32_t>(s.columns.axis.stride);
    if constexpr (k > 1) {
      if (q >= s.steady_columns.begin && q + 4 <= std::min(x.end, s.steady_columns.end)) {
        for_lanes(0, s.channels, RouteFour<k, true, RingOutputs>(in, out));
        q += 4;
        continue;
      }
    }
    for_lanes(0, s.channels, RouteOne<true, RingOutputs>{in, inputs.size(), last, stride, out});
    ++q;
  }
}

/// Second pass: from the ring to the rows of the maxima.
template <int k>
HWY_NOINLINE void route_rows(const Sweep& s, Range y, Range x) {
  const bool dense = s.dst_pixel == s.channels;
  const std::int64_t run = dense ? x.size() : 1;
  for (std::int64_t q = x.begin; q < x.end; q += run)
    for (std::int64_t row = y.begin; row < y.end;) {
      const Range inputs = s.rows.of(row);
      const std::int64_t at = q * s.channels;
      const Inputs in{s.values + at, s.indices + at, nullptr, s.ring_row, s.ring_row, s.slots, s.slot(inputs.begin)};
      const MapOutputs out{s.dst + row * s.dst_row + q * s.dst_pixel, s.dst_row, s.stream};
      const auto last = static_cast<std::int32_t>(row - s.rows.axis.start(inputs.begin));
      const auto stride = static_cast<std::int32_t>(s.rows.axis.stride);
      if constexpr (k > 1) {
        if (row >= s.steady_rows.begin && row + 4 <= std::min(y.end, s.steady_rows.end)) {
          for_lanes(0, run * s.channels, RouteFour<k, false, MapOutputs>(in, out));
          row += 4;
          continue;
        }
      }
      for_lanes(0, run * s.channels, RouteOne<false, MapOutputs>{in, inputs.size(), last, stride, out});
      ++row;
    }
}

void max_gradient(const Sweep& sweep) {
  constexpr decltype(Passes::along_row) along[] = {route_columns<0>, route_columns<0>, route_columns<2>, route_columns<3>,
                                                   route_columns<4>, route_columns<5>, route_columns<6>, route_columns<7>};
  constexpr decltype(Passes::down_columns) down[] = {route_rows<0>, route_rows<0>, route_rows<2>, route_rows<3>,
                                                     route_rows<4>, route_rows<5>, route_rows<6>, route_rows<7>};
  const auto known = [](const Axis& axis) { return axis.stride == 1 && axis.window < 8 ? axis.window : 0; };
  sweep_image(sweep, {along[known(sweep.columns.axis)], down[known(sweep.rows.axis)]});
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace linn::detail::kernels::pool
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels::pool {

HWY_EXPORT(max_gradient);

bool SeparableGradient::supports(const PoolInputGradient::Problem& problem) {
  const Geometry& g = problem.geometry;
  if (!rows_overlap(g)) return false;
  return problem.kind == PoolKind::average || g.window_height * g.window_width <= 256;
}

std::int64_t SeparableGradient::scratch(const PoolInputGradient::Problem& problem, std::int64_t) {
  return parts_of(problem.geometry, true, problem.kind, true).total();
}

void SeparableGradient::run(const PoolInputGradient::Problem& problem, const PoolInputGradient::Args<float>& args) {
  const Geometry& g = problem.geometry;
  const bool max = problem.kind == PoolKind::max;
  Sweep sweep = sweep_of(g, true, parts_of(g, true, problem.kind, true), args.scratch);
  sweep.stream = streams(args.dsrc, args.images * g.height * g.width * g.channels, g.src_pixel, g.src_row, g.src_image, g.channels);
  const std::int64_t step = sweep.channels;
  for (std::int64_t image = 0; image < args.images; ++image)
    for (std::int64_t c = 0; c < g.channels; c += step) {
      sweep.channels = std::min(step, g.channels - c);
      sweep.src = args.ddst + image * g.dst_image + c;
      sweep.dst = args.dsrc + image * g.src_image + c;
      sweep.chosen = max ? args.argmax + image * g.out_height * sweep.argmax_row + c : nullptr;
      if (max)
        HWY_DYNAMIC_DISPATCH(max_gradient)(sweep);
      else
        average_gradient(sweep);
    }
  if (sweep.stream) hwy::FlushStream();
}

}  // namespace linn::detail::kernels::pool
#endif
