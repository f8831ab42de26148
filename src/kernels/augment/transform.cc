#include "kernels/augment/transform.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <utility>

namespace linn::detail::kernels {
namespace {

// The point of the line of pixel centers 0 ... size - 1 that stands for `at`.
template <class T>
T within(Fill fill, T at, std::int64_t size) {
  const T length = static_cast<T>(size), last = length - 1;
  switch (fill) {
    case Fill::constant: return at;
    case Fill::nearest: break;
    case Fill::reflect:
      if (size <= 1) return 0;
      if (at >= -length && at < 2 * length) {  // without divisions
        at = at < 0 ? -at - 1 : at >= length ? 2 * length - at - 1 : at;
        break;
      }
      if (at < 0) {
        const T period = 2 * length;
        if (at < period) at = period * std::trunc(-at / period) + at;
        at = at < -length ? at + period : -at - 1;
      } else if (at > last) {
        const T period = 2 * length;
        at -= period * std::trunc(at / period);
        if (at >= length) at = period - at - 1;
      }
      break;
    case Fill::wrap:
      if (size <= 1) return 0;
      if (at < 0)
        at += length * (std::trunc(-at / last) + 1);
      else if (at > last)
        at -= length * std::trunc(at / last);
      break;
  }
  return std::clamp(at, T{0}, last);
}

template <class T>
struct Point {
  T x, y;
};

// The point in the input, moved within its border; false where there is none.
template <class T>
bool source_of(const ImageSize& size, const TransformRules& rules, const Projection& p, std::int64_t x, std::int64_t y, Point<T>& point) {
  const auto fx = static_cast<T>(x), fy = static_cast<T>(y);
  const T k = static_cast<T>(p.c0) * fx + static_cast<T>(p.c1) * fy + 1;
  if (k == 0) return false;
  point.x = within(rules.fill, (static_cast<T>(p.a0) * fx + static_cast<T>(p.a1) * fy + static_cast<T>(p.a2)) / k, size.width);
  point.y = within(rules.fill, (static_cast<T>(p.b0) * fx + static_cast<T>(p.b1) * fy + static_cast<T>(p.b2)) / k, size.height);
  // Beyond these a whole number does not hold it; no pixel is there.
  constexpr T far = 1 << 30;
  return std::abs(point.x) < far && std::abs(point.y) < far;
}

// Calls visit(offset of the pixel, weight) for the pixels around a point; an offset of -1 stands for the fill value.
template <class T, class Visit>
void visit_taps(const ImageSize& size, const TransformRules& rules, const Point<T>& point, const Visit& visit) {
  const auto offset = [&](std::int64_t x, std::int64_t y) {
    return x >= 0 && x < size.width && y >= 0 && y < size.height ? (y * size.width + x) * size.channels : std::int64_t{-1};
  };
  if (!rules.bilinear)
    return visit(offset(static_cast<std::int64_t>(std::round(point.x)), static_cast<std::int64_t>(std::round(point.y))), T{1});
  const T x_floor = std::floor(point.x), y_floor = std::floor(point.y);
  const T right = point.x - x_floor, left = x_floor + 1 - point.x, below = point.y - y_floor, above = y_floor + 1 - point.y;
  const auto x = static_cast<std::int64_t>(x_floor), y = static_cast<std::int64_t>(y_floor);
  visit(offset(x, y), above * left);
  visit(offset(x + 1, y), above * right);
  visit(offset(x, y + 1), below * left);
  visit(offset(x + 1, y + 1), below * right);
}

template <class T>
void transform_pixel(const ImageSize& size, const TransformRules& rules, const Projection& p, std::int64_t x, std::int64_t y, const T* src,
                     T* dst) {
  Point<T> point;
  const auto fill = static_cast<T>(rules.fill_value);
  if (!source_of(size, rules, p, x, y, point)) {
    std::fill_n(dst, size.channels, fill);
    return;
  }
  std::fill_n(dst, size.channels, T{0});
  visit_taps(size, rules, point, [&](std::int64_t offset, T weight) {
    if (weight == 0) return;
    for (std::int64_t c = 0; c < size.channels; ++c) dst[c] += weight * (offset < 0 ? fill : src[offset + c]);
  });
}

// The columns [first, last) of which start + slope * x lies in [0, limit) by more than what float rounds off.
std::pair<std::int64_t, std::int64_t> columns_inside(double start, double slope, double limit, std::int64_t first, std::int64_t last) {
  const double margin = 1e-3 + 0x1p-21 * (std::abs(start) + std::abs(slope) * static_cast<double>(last));
  const double least = margin, most = limit - margin;
  if (!(least < most) || !std::isfinite(start) || !std::isfinite(slope)) return {first, first};
  if (slope == 0) return start >= 0 && start < most ? std::pair{first, last} : std::pair{first, first};
  double from = (least - start) / slope, to = (most - start) / slope;
  if (slope < 0) std::swap(from, to);
  const double a = std::clamp(std::ceil(from), static_cast<double>(first), static_cast<double>(last));
  const double b = std::clamp(std::floor(to) + 1, a, static_cast<double>(last));
  return {static_cast<std::int64_t>(a), static_cast<std::int64_t>(b)};
}

// A run of pixels whose four neighbours all lie inside. `channels` 0: as many as the image has.
template <int channels>
void transform_run(const ImageSize& size, float x_start, float x_slope, float y_start, float y_slope, std::int64_t first, std::int64_t last,
                   const float* src, float* dst) {
  const std::int64_t count = channels == 0 ? size.channels : channels;
  const std::int64_t row = size.width * count;
  for (std::int64_t i = first; i < last; ++i) {
    const auto at = static_cast<float>(i);
    const float x = x_start + x_slope * at, y = y_start + y_slope * at;
    const auto left = static_cast<std::int32_t>(x), top = static_cast<std::int32_t>(y);
    const float right_share = x - static_cast<float>(left), below_share = y - static_cast<float>(top);
    const float left_share = 1 - right_share, above_share = 1 - below_share;
    const float* p = src + top * row + left * count;
    for (std::int64_t c = 0; c < count; ++c)
      dst[i * count + c] = above_share * (left_share * p[c] + right_share * p[count + c]) +
                           below_share * (left_share * p[row + c] + right_share * p[row + count + c]);
  }
}

// A run of a translation: the shares are the same for all pixels.
template <int channels>
void translate_run(const ImageSize& size, double x_start, double y_start, std::int64_t first, std::int64_t last, const float* src,
                   float* dst) {
  if (first >= last) return;  // then x_start and y_start need not be places of the image
  const std::int64_t count = channels == 0 ? size.channels : channels, row = size.width * count;
  const double left = std::floor(x_start), top = std::floor(y_start);
  const auto right_share = static_cast<float>(x_start - left), below_share = static_cast<float>(y_start - top);
  const float left_share = 1 - right_share, above_share = 1 - below_share;
  const float* p = src + static_cast<std::int64_t>(top) * row + static_cast<std::int64_t>(left) * count;
  for (std::int64_t i = first * count; i < last * count; ++i)
    dst[i] = above_share * (left_share * p[i] + right_share * p[i + count]) +
             below_share * (left_share * p[i + row] + right_share * p[i + row + count]);
}

// A run of pixels whose points are first moved within the border. Not for `constant`.
template <int channels>
void transform_moved(const ImageSize& size, const TransformRules& rules, double x_start, double x_slope, double y_start, double y_slope,
                     std::int64_t first, std::int64_t last, const float* src, float* dst) {
  const std::int64_t count = channels == 0 ? size.channels : channels, row = size.width * count;
  for (std::int64_t i = first; i < last; ++i) {
    const float x = within(rules.fill, static_cast<float>(x_start + x_slope * static_cast<double>(i)), size.width);
    const float y = within(rules.fill, static_cast<float>(y_start + y_slope * static_cast<double>(i)), size.height);
    if (!(x >= 0 && y >= 0)) {  // NaN
      std::fill_n(dst + i * count, count, static_cast<float>(rules.fill_value));
      continue;
    }
    const auto left = static_cast<std::int64_t>(x), top = static_cast<std::int64_t>(y);
    const float right_share = x - static_cast<float>(left), below_share = y - static_cast<float>(top);
    const float left_share = 1 - right_share, above_share = 1 - below_share;
    const std::int64_t beside = left + 1 < size.width ? count : 0, below = top + 1 < size.height ? row : 0;
    const float* p = src + top * row + left * count;
    for (std::int64_t c = 0; c < count; ++c)
      dst[i * count + c] = above_share * (left_share * p[c] + right_share * p[beside + c]) +
                           below_share * (left_share * p[below + c] + right_share * p[below + beside + c]);
  }
}

template <int channels>
void transform_rows(const ImageSize& size, const TransformRules& rules, const Projection& p, const float* src, float* dst) {
  for (std::int64_t y = 0; y < size.height; ++y) {
    float* row = dst + y * size.width * size.channels;
    const double x_start = p.a1 * static_cast<double>(y) + p.a2, y_start = p.b1 * static_cast<double>(y) + p.b2;
    auto [first, last] = columns_inside(x_start, p.a0, static_cast<double>(size.width - 1), 0, size.width);
    std::tie(first, last) = columns_inside(y_start, p.b0, static_cast<double>(size.height - 1), first, last);
    if (first >= last) first = last = size.width;
    const auto outside = [&](std::int64_t from, std::int64_t to) {
      if (rules.fill != Fill::constant) return transform_moved<channels>(size, rules, x_start, p.a0, y_start, p.b0, from, to, src, row);
      for (std::int64_t x = from; x < to; ++x) transform_pixel(size, rules, p, x, y, src, row + x * size.channels);
    };
    outside(0, first);
    if (p.a0 == 1 && p.b0 == 0)
      translate_run<channels>(size, x_start, y_start, first, last, src, row);
    else
      transform_run<channels>(size, static_cast<float>(x_start), static_cast<float>(p.a0), static_cast<float>(y_start),
                              static_cast<float>(p.b0), first, last, src, row);
    outside(last, size.width);
  }
}

}  // namespace

Projection projection_between(const std::array<std::array<double, 2>, 4>& start, const std::array<std::array<double, 2>, 4>& end) {
  std::array<std::array<double, 9>, 8> m{};
  for (std::size_t i = 0; i < 4; ++i) {
    const auto [sx, sy] = start[i];
    const auto [ex, ey] = end[i];
    m[2 * i] = {ex, ey, 1, 0, 0, 0, -sx * ex, -sx * ey, sx};
    m[2 * i + 1] = {0, 0, 0, ex, ey, 1, -sy * ex, -sy * ey, sy};
  }
  std::array<double, 8> solution{};
  for (std::size_t k = 0; k < 8; ++k) {
    std::size_t pivot = k;
    for (std::size_t i = k + 1; i < 8; ++i)
      if (std::abs(m[i][k]) > std::abs(m[pivot][k])) pivot = i;
    std::swap(m[k], m[pivot]);
    if (m[k][k] == 0) {
      constexpr double none = std::numeric_limits<double>::quiet_NaN();
      return {none, none, none, none, none, none, none, none};
    }
    for (std::size_t i = k + 1; i < 8; ++i) {
      const double factor = m[i][k] / m[k][k];
      for (std::size_t j = k; j < 9; ++j) m[i][j] -= factor * m[k][j];
    }
  }
  for (std::size_t k = 8; k-- > 0;) {
    double sum = m[k][8];
    for (std::size_t j = k + 1; j < 8; ++j) sum -= m[k][j] * solution[j];
    solution[k] = sum / m[k][k];
  }
  return {solution[0], solution[1], solution[2], solution[3], solution[4], solution[5], solution[6], solution[7]};
}

template <class T>
void transform_reference(const ImageSize& size, const TransformRules& rules, const Projection& projection, const T* src, T* dst) {
  for (std::int64_t y = 0; y < size.height; ++y)
    for (std::int64_t x = 0; x < size.width; ++x)
      transform_pixel(size, rules, projection, x, y, src, dst + (y * size.width + x) * size.channels);
}

void transform(const ImageSize& size, const TransformRules& rules, const Projection& projection, const float* src, float* dst) {
  if (!rules.bilinear || !projection.is_affine()) return transform_reference(size, rules, projection, src, dst);
  switch (size.channels) {
    case 1: return transform_rows<1>(size, rules, projection, src, dst);
    case 3: return transform_rows<3>(size, rules, projection, src, dst);
    default: return transform_rows<0>(size, rules, projection, src, dst);
  }
}

template <class T>
void transform_transpose(const ImageSize& size, const TransformRules& rules, const Projection& projection, const T* ddst, T* dsrc) {
  std::fill_n(dsrc, size.elements(), T{0});
  for (std::int64_t y = 0; y < size.height; ++y)
    for (std::int64_t x = 0; x < size.width; ++x) {
      Point<T> point;
      if (!source_of(size, rules, projection, x, y, point)) continue;
      const T* d = ddst + (y * size.width + x) * size.channels;
      visit_taps(size, rules, point, [&](std::int64_t offset, T weight) {
        if (offset < 0) return;
        for (std::int64_t c = 0; c < size.channels; ++c) dsrc[offset + c] += weight * d[c];
      });
    }
}

template void transform_reference(const ImageSize&, const TransformRules&, const Projection&, const float*, float*);
template void transform_reference(const ImageSize&, const TransformRules&, const Projection&, const double*, double*);
template void transform_transpose(const ImageSize&, const TransformRules&, const Projection&, const float*, float*);
template void transform_transpose(const ImageSize&, const TransformRules&, const Projection&, const double*, double*);

}  // namespace linn::detail::kernels
