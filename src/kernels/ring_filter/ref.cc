// The weights of low-pass filters round a ring, and the references.
#include <cmath>
#include <numbers>

#include "kernels/ring_filter/ring_filter.h"

namespace linn::detail::kernels {

RingAxis low_frequencies(std::int64_t size, std::int64_t stride, bool hamming) {
  RingAxis axis{.size = size, .stride = stride, .weights = {}, .distances = {}};
  const auto n = static_cast<double>(size);
  // The frequency k at distance d; k * d is reduced first, so that the argument of the cosine keeps its precision.
  const auto wave = [&](std::int64_t k, std::int64_t d) { return std::cos(2 * std::numbers::pi * static_cast<double>(k * d % size) / n); };
  for (std::int64_t d = 0; d <= size / 2; ++d) {
    double sum = 1;
    for (std::int64_t k = 1; 2 * k * stride <= size; ++k) {
      const double window = hamming ? std::sqrt(0.54 + 0.46 * wave(k, 1)) : 1;
      sum += (2 * k * stride == size ? 1 : 2) * window * wave(k, d);
    }
    const double weight = sum / n;
    const bool vanishes = std::abs(weight) < 1e-15;
    axis.weights.push_back(vanishes ? 0 : weight);
    if (!vanishes) axis.distances.push_back(d);
  }
  return axis;
}

namespace {

// One line of an axis, whose cells lie `step` apart.
template <class T>
void filter_line(const RingAxis& axis, const T* src, T* dst, std::int64_t step) {
  const auto at = [&](std::int64_t cell) { return src[axis.wrapped(cell) * step]; };
  for (std::int64_t o = 0; o < axis.out(); ++o) {
    const std::int64_t centre = o * axis.stride;
    T sum = 0;
    for (const std::int64_t distance : axis.distances) {
      const T before = at(centre - distance), weight = static_cast<T>(axis.weights[static_cast<std::size_t>(distance)]);
      sum += weight * (axis.is_opposite(distance) ? before : before + at(centre + distance));
    }
    dst[o * step] = sum;
  }
}

template <class T>
void gradient_line(const RingAxis& axis, const T* ddst, T* dsrc, std::int64_t step) {
  for (std::int64_t cell = 0; cell < axis.size; ++cell) {
    T sum = 0;
    for (std::int64_t o = 0; o < axis.out(); ++o)
      if (const double weight = axis.weight(o, cell); weight != 0) sum += static_cast<T>(weight) * ddst[o * step];
    dsrc[cell * step] = sum;
  }
}

}  // namespace

template <class T>
void RingFilterForward::reference(const Problem& p, const Args<T>& args) {
  const std::int64_t row = p.columns.size * p.channels, out_row = p.columns.out() * p.channels;
  for (std::int64_t n = 0; n < args.images; ++n) {
    const T* src = args.src + n * p.src_elements();
    for (std::int64_t i = 0; i < row; ++i) filter_line(p.rows, src + i, args.scratch + i, row);
    for (std::int64_t y = 0; y < p.rows.out(); ++y)
      for (std::int64_t c = 0; c < p.channels; ++c)
        filter_line(p.columns, args.scratch + y * row + c, args.dst + n * p.dst_elements() + y * out_row + c, p.channels);
  }
}

template <class T>
void RingFilterInputGradient::reference(const Problem& p, const Args<T>& args) {
  const std::int64_t row = p.columns.size * p.channels, out_row = p.columns.out() * p.channels;
  for (std::int64_t n = 0; n < args.images; ++n) {
    for (std::int64_t y = 0; y < p.rows.out(); ++y)
      for (std::int64_t c = 0; c < p.channels; ++c)
        gradient_line(p.columns, args.ddst + n * p.dst_elements() + y * out_row + c, args.scratch + y * row + c, p.channels);
    for (std::int64_t i = 0; i < row; ++i) gradient_line(p.rows, args.scratch + i, args.dsrc + n * p.src_elements() + i, row);
  }
}

template void RingFilterForward::reference(const Problem&, const Args<float>&);
template void RingFilterForward::reference(const Problem&, const Args<double>&);
template void RingFilterInputGradient::reference(const Problem&, const Args<float>&);
template void RingFilterInputGradient::reference(const Problem&, const Args<double>&);

}  // namespace linn::detail::kernels
