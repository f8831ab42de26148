// Convolution and both gradients of one geometry against the references in double.
#pragma once

#include <array>

#include "kernels/conv/conv.h"
#include "kernels/conv/depthwise.h"
#include "kernels/conv/direct.h"
#include "kernels/conv/walk.h"
#include "kernels/conv/winograd.h"
#include "kernels/gemm/dense.h"
#include "kernels/kernel_test.h"

namespace linn::detail::kernels::testing {

inline std::string text(const Geometry& g) {
  const auto pair = [](std::int64_t a, std::int64_t b) { return std::to_string(a) + "x" + std::to_string(b); };
  return "map " + pair(g.height, g.width) + "x" + std::to_string(g.channels) + " -> " + pair(g.out_height, g.out_width) + "x" +
         std::to_string(g.out_channels) + ", window " + pair(g.window_height, g.window_width) + ", stride " +
         pair(g.stride_height, g.stride_width) + ", dilation " + pair(g.dilation_height, g.dilation_width) + ", pad " +
         pair(g.pad_top, g.pad_bottom) + " " + pair(g.pad_left, g.pad_right) + ", groups " + std::to_string(g.groups) + ", pitches " +
         pair(g.src_pixel, g.src_row) + " " + pair(g.dst_pixel, g.dst_row);
}

/// Views into larger maps: each pitch a little more than it needs to be.
inline Geometry with_gaps(Geometry g, std::int64_t gap) {
  g.src_pixel += gap, g.src_row = g.src_pixel * g.width + 2 * gap, g.src_image = g.src_row * g.height + gap;
  g.dst_pixel += gap + 1, g.dst_row = g.dst_pixel * g.out_width + gap, g.dst_image = g.dst_row * g.out_height + 3 * gap;
  return g;
}

/// Elements from the first to the last of a map.
inline std::int64_t src_extent(const Geometry& g, std::int64_t images) {
  return (images - 1) * g.src_image + (g.height - 1) * g.src_row + (g.width - 1) * g.src_pixel + g.channels;
}
inline std::int64_t dst_extent(const Geometry& g, std::int64_t images) {
  return (images - 1) * g.dst_image + (g.out_height - 1) * g.dst_row + (g.out_width - 1) * g.dst_pixel + g.out_channels;
}

inline std::vector<double> transposed(const Geometry& g, const std::vector<double>& kernel) {
  std::vector<double> result(kernel.size());
  TransposeKernel::reference<double>({g.window_height * g.window_width, g.channels / g.groups, g.out_channels}, {kernel.data(), result.data(), nullptr});
  return result;
}

/// Magnitudes of what Winograd's F(tile x tile, 3x3) multiplies with.
struct WinogradMatrices {
  using Matrix = std::vector<std::vector<double>>;

  /// Of G, B^T and A^T.
  WinogradMatrices(std::int64_t side, const Matrix& g, const Matrix& b, const Matrix& a)
      : tile(side), points((side + 2) * (side + 2)), taps(squared(g)), pixels(squared(b)), cells(squared(a)) {}

  double of_tap(std::int64_t point, std::int64_t tap) const { return taps[static_cast<std::size_t>(point * 9 + tap)]; }
  double of_pixel(std::int64_t point, std::int64_t pixel) const { return pixels[static_cast<std::size_t>(point * points + pixel)]; }
  double of_cell(std::int64_t y, std::int64_t x, std::int64_t point) const {
    return cells[static_cast<std::size_t>((y * tile + x) * points + point)];
  }

  std::int64_t tile, points;

 private:
  // What it is along rows times what it is along columns.
  static std::vector<double> squared(const Matrix& matrix) {
    std::vector<double> result;
    for (const auto& down : matrix)
      for (const auto& right : matrix)
        for (const double one : down)
          for (const double other : right) result.push_back(one * other);
    return result;
  }

  std::vector<double> taps, pixels, cells;
};

inline const WinogradMatrices& winograd_matrices(std::int64_t tile) {
  static const WinogradMatrices two(2, {{1, 0, 0}, {.5, .5, .5}, {.5, .5, .5}, {0, 0, 1}},
                                    {{1, 0, 1, 0}, {0, 1, 1, 0}, {0, 1, 1, 0}, {0, 1, 0, 1}}, {{1, 1, 1, 0}, {0, 1, 1, 1}});
  // The points are 0, +-p, +-q and infinity.
  constexpr double p = 0.625, q = 1.5, p2 = p * p, q2 = q * q, at_p = 0.5 / (p2 * (q2 - p2)), at_q = 0.5 / (q2 * (q2 - p2));
  const std::vector<double> g_p = {at_p, at_p * p, at_p * p2}, g_q = {at_q, at_q * q, at_q * q2};
  const std::vector<double> b_p = {0, p * q2, q2, p, 1, 0}, b_q = {0, q * p2, p2, q, 1, 0};
  static const WinogradMatrices four(
      4, {{1 / (p2 * q2), 0, 0}, g_p, g_p, g_q, g_q, {0, 0, 1}},
      {{p2 * q2, 0, p2 + q2, 0, 1, 0}, b_p, b_p, b_q, b_q, {0, p2 * q2, 0, p2 + q2, 0, 1}},
      {{1, 1, 1, 1, 1, 0}, {0, p, p, q, q, 0}, {0, p2, p2, q2, q2, 0}, {0, p2 * p, p2 * p, q2 * q, q2 * q, 1}});
  return tile == 2 ? two : four;
}

/// Calls visit(image, y, x) for the first output of each tile.
template <class Visit>
void for_each_tile(const Geometry& g, std::int64_t images, std::int64_t tile, const Visit& visit) {
  for (std::int64_t n = 0; n < images; ++n)
    for (std::int64_t y = 0; y < g.out_height; y += tile)
      for (std::int64_t x = 0; x < g.out_width; x += tile) visit(n, y, x);
}

/// Calls visit(a, b) for the cells of a tile that the map has.
template <class Visit>
void for_each_cell(const Geometry& g, std::int64_t tile, std::int64_t y, std::int64_t x, const Visit& visit) {
  for (std::int64_t a = 0; a < std::min(tile, g.out_height - y); ++a)
    for (std::int64_t b = 0; b < std::min(tile, g.out_width - x); ++b) visit(a, b);
}

/// |B^T||d||B| of one channel of the tile at output (y, x).
inline std::vector<double> patch_magnitudes(const WinogradMatrices& form, const Geometry& g, const std::vector<double>& src, std::int64_t n,
                                            std::int64_t y, std::int64_t x, std::int64_t c) {
  std::vector<double> v(static_cast<std::size_t>(form.points), 0);
  for (std::int64_t i = 0; i < form.tile + 2; ++i)
    for (std::int64_t j = 0; j < form.tile + 2; ++j) {
      const std::int64_t row = y - g.pad_top + i, column = x - g.pad_left + j;
      if (row < 0 || row >= g.height || column < 0 || column >= g.width) continue;
      const double value = std::abs(src[static_cast<std::size_t>(n * g.src_image + row * g.src_row + column * g.src_pixel + c)]);
      for (std::int64_t p = 0; p < form.points; ++p) v[static_cast<std::size_t>(p)] += form.of_pixel(p, i * (form.tile + 2) + j) * value;
    }
  return v;
}

/// |A^T| [(|G||g||G^T|) . (|B^T||d||B|)] |A| of each element of the convolution's output: what Winograd's error is a multiple of.
inline std::vector<double> winograd_magnitudes(const Geometry& g, std::int64_t images, const std::vector<double>& src,
                                               const std::vector<double>& kernel, std::int64_t tile = 2) {
  const auto at = [](std::int64_t i) { return static_cast<std::size_t>(i); };
  const WinogradMatrices& form = winograd_matrices(tile);
  std::vector<double> result(at(dst_extent(g, images)), 0), u(at(form.points * g.channels * g.out_channels), 0);
  const std::int64_t pairs = g.channels * g.out_channels;
  for (std::int64_t p = 0; p < form.points; ++p)
    for (std::int64_t t = 0; t < 9; ++t)
      for (std::int64_t i = 0; i < pairs; ++i) u[at(p * pairs + i)] += form.of_tap(p, t) * std::abs(kernel[at(t * pairs + i)]);
  for_each_tile(g, images, tile, [&](std::int64_t n, std::int64_t y, std::int64_t x) {
    std::vector<double> m(at(form.points * g.out_channels), 0);
    for (std::int64_t c = 0; c < g.channels; ++c) {
      const std::vector<double> v = patch_magnitudes(form, g, src, n, y, x, c);
      for (std::int64_t p = 0; p < form.points; ++p)
        for (std::int64_t o = 0; o < g.out_channels; ++o)
          m[at(p * g.out_channels + o)] += v[at(p)] * u[at((p * g.channels + c) * g.out_channels + o)];
    }
    for_each_cell(g, tile, y, x, [&](std::int64_t a, std::int64_t b) {
      for (std::int64_t p = 0; p < form.points; ++p)
        for (std::int64_t o = 0; o < g.out_channels; ++o)
          result[at(n * g.dst_image + (y + a) * g.dst_row + (x + b) * g.dst_pixel + o)] +=
              form.of_cell(a, b, p) * m[at(p * g.out_channels + o)];
    });
  });
  return result;
}

/// |G^T| [sum over tiles of (|B^T||d||B|) . (|A||dY||A^T|)] |G| of each element of the kernel's gradient, likewise.
inline std::vector<double> winograd_gradient_magnitudes(const Geometry& g, std::int64_t images, const std::vector<double>& src,
                                                        const std::vector<double>& ddst, std::int64_t tile = 2) {
  const auto at = [](std::int64_t i) { return static_cast<std::size_t>(i); };
  const WinogradMatrices& form = winograd_matrices(tile);
  std::vector<double> sums(at(form.points * g.channels * g.out_channels), 0), result(at(kernel_size(g)), 0);
  for_each_tile(g, images, tile, [&](std::int64_t n, std::int64_t y, std::int64_t x) {
    std::vector<double> w(at(form.points * g.out_channels), 0);
    for_each_cell(g, tile, y, x, [&](std::int64_t a, std::int64_t b) {
      for (std::int64_t p = 0; p < form.points; ++p)
        for (std::int64_t o = 0; o < g.out_channels; ++o)
          w[at(p * g.out_channels + o)] +=
              form.of_cell(a, b, p) * std::abs(ddst[at(n * g.dst_image + (y + a) * g.dst_row + (x + b) * g.dst_pixel + o)]);
    });
    for (std::int64_t c = 0; c < g.channels; ++c) {
      const std::vector<double> v = patch_magnitudes(form, g, src, n, y, x, c);
      for (std::int64_t p = 0; p < form.points; ++p)
        for (std::int64_t o = 0; o < g.out_channels; ++o)
          sums[at((p * g.channels + c) * g.out_channels + o)] += v[at(p)] * w[at(p * g.out_channels + o)];
    }
  });
  const std::int64_t pairs = g.channels * g.out_channels;
  for (std::int64_t t = 0; t < 9; ++t)
    for (std::int64_t p = 0; p < form.points; ++p)
      for (std::int64_t i = 0; i < pairs; ++i) result[at(t * pairs + i)] += form.of_tap(p, t) * sums[at(p * pairs + i)];
  return result;
}

/// The taps of a 3x3 kernel from the last to the first.
inline std::vector<double> turned_taps(const std::vector<double>& kernel) {
  std::vector<double> result;
  const auto tap = static_cast<std::ptrdiff_t>(kernel.size() / 9);
  for (std::ptrdiff_t t = 8; t >= 0; --t) result.insert(result.end(), kernel.begin() + t * tap, kernel.begin() + (t + 1) * tap);
  return result;
}

/// The larger of each: of a form's own magnitudes and the direct form's, which have the bias.
inline std::vector<double> larger(std::vector<double> one, const std::vector<double>& other) {
  for (std::size_t i = 0; i < one.size(); ++i) one[i] = std::max(one[i], other[i]);
  return one;
}

/// A form's own magnitudes where they are finite: the others' outputs winograd4 makes by the definition.
inline std::vector<double> where_finite(std::vector<double> own, const std::vector<double>& direct) {
  for (std::size_t i = 0; i < own.size(); ++i)
    if (!std::isfinite(own[i])) own[i] = direct[i];
  return own;
}

/// An output lies in a tile of 4x4 or in one of 2x2.
inline std::vector<double> either_tile(const Geometry& g, std::int64_t images, const std::vector<double>& src, const std::vector<double>& kernel) {
  return larger(winograd_magnitudes(g, images, src, kernel, 4), winograd_magnitudes(g, images, src, kernel, 2));
}

/// What winograd4 promises in eps of its own sum of magnitudes, as winograd_map.cc says.
inline constexpr double winograd4_bound = 2;

inline bool has_infinity(const std::vector<double>& values) {
  return std::any_of(values.begin(), values.end(), [](double value) { return std::isinf(value); });
}
inline bool all_finite(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); });
}

/// The implementation of this full name.
inline Implementation<ConvForward> convolution(const ConvForward::Problem& problem, std::string_view name) {
  for (const Implementation<ConvForward>& one : supported<ConvForward>(problem))
    if (one.full_name() == name) return one;
  ADD_FAILURE() << "no implementation " << name;
  return choose<ConvForward>(problem);
}

/// bound_of for tiles of 4x4.
template <class Kernel>
double winograd4_bound_of(const Implementation<Kernel>& f) {
  return bound_of(f) - sum_bound + winograd4_bound;
}

/// What an implementation promises of each element. If it rounds what it multiplies, then to float32's bound also what comes of rounded
/// operands, so that a missing term shows as in float32; Winograd's forms round what their transforms make, which is no rounding at all for
/// whole numbers.
template <class Kernel>
void expect_promised(const Implementation<Kernel>& f, const Buffer& actual, const std::vector<double>& expected,
                     const std::vector<double>& of_rounded, const std::vector<double>& magnitude, bool whole_numbers,
                     const std::string& what) {
  EXPECT_TRUE(all_near(actual, expected, magnitude, bound_of(f))) << what;
  if (f.numerics.operands == Operands::bfloat16 && (f.numerics.direct_form || whole_numbers)) {
    EXPECT_TRUE(all_near(actual, of_rounded, magnitude)) << what << ", of rounded operands";
  }
}

inline void check_forward(const Geometry& g, std::int64_t images, bool bias, Activation activation, std::uint32_t seed = 1, Values values = Values::normal) {
  const auto src = random_values(values, src_extent(g, images), seed), kernel = random_values(values, kernel_size(g), seed + 1);
  const auto biases = random_values(values, g.out_channels, seed + 2);
  const auto src_size = magnitudes(src), kernel_size = magnitudes(kernel), bias_size = magnitudes(biases);
  const auto count = static_cast<std::size_t>(dst_extent(g, images));
  std::vector<double> expected(count, static_cast<double>(untouched)), magnitude(count, 0);
  const ConvForward::Problem problem = {g, bias, activation};
  ConvForward::reference<double>(problem, {images, src.data(), kernel.data(), nullptr, biases.data(), expected.data(), nullptr});
  std::vector<double> of_rounded = expected;
  ConvForward::reference<double>(
      problem, {images, rounded_to_bf16(src).data(), rounded_to_bf16(kernel).data(), nullptr, biases.data(), of_rounded.data(), nullptr});
  ConvForward::reference<double>({g, bias, Activation::linear},
                                 {images, src_size.data(), kernel_size.data(), nullptr, bias_size.data(), magnitude.data(), nullptr});
  std::vector<double> winograd, winograd4;
  if (conv::is_winograd(g)) winograd = larger(winograd_magnitudes(g, images, src, kernel), magnitude);
  if (conv::Winograd4Forward::prepare(problem, {}))
    winograd4 = where_finite(larger(either_tile(g, images, src, kernel), magnitude), magnitude);
  const bool spreads = has_infinity(src) || !all_finite(kernel);  // over whole tiles, as winograd_map.cc says
  const Buffer src32(src), kernel32(kernel), bias32(biases);
  for_each_implementation<ConvForward>(problem, [&](const Implementation<ConvForward>& f) {
    const bool four = has_part(f, conv::Winograd4Forward::name);
    if (!f.numerics.direct_form && !four && spreads) return;
    Buffer dst(static_cast<std::int64_t>(count), untouched), scratch(f.scratch(problem, images), unwritten);
    const Buffer packed = packed_for(f, problem, kernel32);
    f.run(problem, {images, src32.data(), kernel32.data(), packed.data(), bias ? bias32.data() : nullptr, dst.data(), scratch.data()});
    if (four)
      EXPECT_TRUE(all_near(dst, expected, winograd4, winograd4_bound_of(f))) << text(g) << ", images " << images;
    else
      expect_promised(f, dst, expected, of_rounded, f.numerics.direct_form ? magnitude : winograd, values == Values::ties,
                      text(g) + ", images " + std::to_string(images));
  });
}

inline void check_input_gradient(const Geometry& g, std::int64_t images, bool bias = false, Activation activation = Activation::linear,
                                 std::uint32_t seed = 1, Values values = Values::normal) {
  const auto ddst = random_values(values, dst_extent(g, images), seed), kernel = transposed(g, random_values(values, kernel_size(g), seed + 1));
  const auto biases = random_values(values, g.channels, seed + 2);
  const auto ddst_size = magnitudes(ddst), kernel_size = magnitudes(kernel), bias_size = magnitudes(biases);
  const auto count = static_cast<std::size_t>(src_extent(g, images));
  std::vector<double> expected(count, static_cast<double>(untouched)), magnitude(count, 0);
  const ConvInputGradient::Problem problem = {g, bias, activation};
  ConvInputGradient::reference<double>(problem, {images, ddst.data(), kernel.data(), nullptr, biases.data(), expected.data(), nullptr});
  std::vector<double> of_rounded = expected;
  ConvInputGradient::reference<double>(
      problem, {images, rounded_to_bf16(ddst).data(), rounded_to_bf16(kernel).data(), nullptr, biases.data(), of_rounded.data(), nullptr});
  ConvInputGradient::reference<double>({g, bias},
                                       {images, ddst_size.data(), kernel_size.data(), nullptr, bias_size.data(), magnitude.data(), nullptr});
  std::vector<double> winograd, winograd4;
  if (conv::is_winograd(g)) winograd = larger(winograd_magnitudes(conv::backwards(g), images, ddst, turned_taps(kernel)), magnitude);
  if (conv::Winograd4InputGradient::prepare(problem, {}))
    winograd4 = larger(either_tile(conv::backwards(g), images, ddst, turned_taps(kernel)), magnitude);
  const Buffer ddst32(ddst), kernel32(kernel), bias32(biases);
  for_each_implementation<ConvInputGradient>(problem, [&](const Implementation<ConvInputGradient>& f) {
    Buffer dsrc(static_cast<std::int64_t>(count), untouched), scratch(f.scratch(problem, images), unwritten);
    const Buffer packed = packed_for(f, problem, kernel32);
    f.run(problem,
          {images, ddst32.data(), kernel32.data(), packed.data(), bias ? bias32.data() : nullptr, dsrc.data(), scratch.data()});
    if (has_part(f, conv::Winograd4InputGradient::name))
      EXPECT_TRUE(all_near(dsrc, expected, winograd4, winograd4_bound_of(f))) << text(g) << ", images " << images;
    else
      expect_promised(f, dsrc, expected, of_rounded, f.numerics.direct_form ? magnitude : winograd, values == Values::ties,
                      text(g) + ", images " + std::to_string(images));
  });
}

inline void check_kernel_gradient(const Geometry& g, std::int64_t images, std::uint32_t seed = 1, Values values = Values::normal) {
  const auto src = random_values(values, src_extent(g, images), seed), ddst = random_values(values, dst_extent(g, images), seed + 1);
  const auto src_size = magnitudes(src), ddst_size = magnitudes(ddst);
  const auto count = static_cast<std::size_t>(kernel_size(g));
  std::vector<double> expected(count), of_rounded(count), magnitude(count);
  ConvKernelGradient::reference<double>(g, {images, src.data(), ddst.data(), expected.data(), nullptr});
  ConvKernelGradient::reference<double>(g, {images, rounded_to_bf16(src).data(), rounded_to_bf16(ddst).data(), of_rounded.data(), nullptr});
  ConvKernelGradient::reference<double>(g, {images, src_size.data(), ddst_size.data(), magnitude.data(), nullptr});
  std::vector<double> winograd, winograd4;
  if (conv::is_winograd(g)) winograd = larger(winograd_gradient_magnitudes(g, images, src, ddst), magnitude);
  if (conv::Winograd4KernelGradient::supports(g)) winograd4 = larger(winograd_gradient_magnitudes(g, images, src, ddst, 4), magnitude);
  const Buffer src32(src), ddst32(ddst);
  for_each_implementation<ConvKernelGradient>(g, [&](const Implementation<ConvKernelGradient>& f) {
    Buffer dkernel(static_cast<std::int64_t>(count), untouched), scratch(f.scratch(g, images), unwritten);
    f.run(g, {images, src32.data(), ddst32.data(), dkernel.data(), scratch.data()});
    if (has_part(f, conv::Winograd4KernelGradient::name))
      EXPECT_TRUE(all_near(dkernel, expected, winograd4, winograd4_bound_of(f))) << text(g) << ", images " << images;
    else
      expect_promised(f, dkernel, expected, of_rounded, f.numerics.direct_form ? magnitude : winograd, values == Values::ties,
                      text(g) + ", images " + std::to_string(images));
  });
}

/// Central differences of `loss`, which reads `at`, against the gradient, whose element place(i) belongs to at[i]. The step is so small that
/// no maximum changes hands.
template <class Loss, class Place>
void expect_central_differences(std::vector<double>& at, const std::vector<double>& gradient, const Loss& loss, const Place& place) {
  constexpr double step = 1e-7;
  for (std::size_t i = 0; i < at.size(); ++i) {
    const double value = at[i];
    at[i] = value + step;
    const double above = loss();
    at[i] = value - step;
    const double below = loss();
    at[i] = value;
    EXPECT_NEAR((above - below) / (2 * step), gradient[place(i)], 1e-6) << i;
  }
}

/// All three.
inline void check_conv(const Geometry& g, std::int64_t images, std::uint32_t seed = 1, Values values = Values::normal) {
  check_forward(g, images, seed % 2 == 0, seed % 3 == 0 ? Activation::relu : Activation::linear, seed, values);
  check_input_gradient(g, images, false, Activation::linear, seed, values);
  check_input_gradient(g, images, true, seed % 2 == 0 ? Activation::relu : Activation::relu6, seed, values);
  check_kernel_gradient(g, images, seed, values);
}

}  // namespace linn::detail::kernels::testing
