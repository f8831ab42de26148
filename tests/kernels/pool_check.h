// Pooling, its gradients and global pooling, each form against the reference in double.
#pragma once

#include "core/order_free.h"
#include "kernels/elementwise_check.h"
#include "kernels/pool/pool.h"

namespace linn::detail::kernels::check {

using testing::untouched;

struct PoolCase {
  Window window;
  std::int64_t images = 2, height = 9, width = 11, channels = 5;
  PoolKind kind = PoolKind::max;
  bool argmax = false;
  Values values = Values::ties;
  /// Unused elements after each pixel, row and image of every map: a view of a larger one.
  std::int64_t gap = 0;
};

inline std::string describe(const PoolCase& c) {
  const Window& w = c.window;
  return "window " + std::to_string(w.height) + "x" + std::to_string(w.width) + " stride " + std::to_string(w.stride_height) + "x" +
         std::to_string(w.stride_width) + " dilation " + std::to_string(w.dilation_height) + "x" + std::to_string(w.dilation_width) +
         (w.border == Border::same ? " same" : " valid") + ", map " + std::to_string(c.height) + "x" + std::to_string(c.width) + "x" +
         std::to_string(c.channels) + (c.kind == PoolKind::max ? " max" : " average") + (c.argmax ? " argmax" : "") + " gap " +
         std::to_string(c.gap);
}

inline void widen(Geometry& g, std::int64_t gap) {
  g.src_pixel += gap, g.src_row = g.src_pixel * g.width + gap, g.src_image = g.src_row * g.height + gap;
  g.dst_pixel += gap, g.dst_row = g.dst_pixel * g.out_width + gap, g.dst_image = g.dst_row * g.out_height + gap;
}

inline void check_pool(const PoolCase& c, unsigned seed) {
  const auto resolved = resolve(c.window, c.height, c.width, c.channels, c.channels);
  if (!resolved) return;
  SCOPED_TRACE(describe(c));
  Geometry g = *resolved;
  widen(g, c.gap);
  const PoolForward::Problem problem{g, c.kind, c.argmax || c.kind == PoolKind::max};
  const auto outputs = static_cast<std::size_t>(c.images * g.out_height * g.out_width * c.channels);
  const auto src_size = static_cast<std::size_t>(c.images * g.src_image);
  const auto dst_size = static_cast<std::size_t>(c.images * g.dst_image);
  const bool narrow = g.window_height * g.window_width <= 256;
  const auto cells = static_cast<double>(g.window_height * g.window_width);

  // Forward.
  const std::vector<float> src = make(c.images * g.src_image, c.values, seed);
  const std::vector<double> src_d = wide(src);
  std::vector<double> dst_d(dst_size, untouched), bound(dst_size, untouched);
  std::vector<std::uint8_t> argmax_d(outputs, 0);
  std::vector<std::int32_t> wide_argmax(outputs, 0);
  PoolForward::reference<double>(problem, {c.images, src_d.data(), dst_d.data(), argmax_d.data(), wide_argmax.data(), nullptr});
  const std::vector<double> size = magnitudes(src);
  if (c.kind == PoolKind::average) PoolForward::reference<double>(problem, {c.images, size.data(), bound.data(), nullptr, nullptr, nullptr});
  PoolForward::Problem asked = problem;
  asked.argmax = c.argmax;
  each_form<PoolForward>(asked, [&](const Implementation<PoolForward>& form) {
    Buffer dst(c.images * g.dst_image, untouched), scratch(form.scratch(asked, c.images), testing::unwritten);
    testing::Bytes argmax(static_cast<std::int64_t>(outputs), 99);
    std::vector<std::int32_t> wide(outputs, 99);
    const bool bytes = c.argmax && narrow && c.kind == PoolKind::max;
    form.run(asked, {c.images, src.data(), dst.data(), bytes ? argmax.data() : nullptr, c.argmax && !narrow ? wide.data() : nullptr, scratch.data()});
    if (c.kind == PoolKind::max) {
      ASSERT_TRUE(all_same(dst, dst_d));
    } else {
      ASSERT_TRUE(all_within(dst, dst_d, bound, cells + 2));
    }
    if (bytes) {
      ASSERT_TRUE(all_same(argmax, argmax_d));
    }
  });
  if (::testing::Test::HasFatalFailure()) return;

  // Backward.
  const std::vector<float> ddst = make(c.images * g.dst_image, c.values == Values::hostile ? Values::normal : c.values, seed + 1);
  const std::vector<double> ddst_d = wide(ddst), ddst_size = magnitudes(ddst);
  std::vector<float> dsrc_f(src_size, untouched);
  std::vector<double> dsrc_d(src_size, untouched), dsrc_bound(src_size, untouched);
  PoolInputGradient::reference<float>(problem, {c.images, ddst.data(), argmax_d.data(), wide_argmax.data(), dsrc_f.data(), nullptr});
  PoolInputGradient::reference<double>(problem, {c.images, ddst_d.data(), argmax_d.data(), wide_argmax.data(), dsrc_d.data(), nullptr});
  PoolInputGradient::reference<double>(problem, {c.images, ddst_size.data(), argmax_d.data(), wide_argmax.data(), dsrc_bound.data(), nullptr});
  each_form<PoolInputGradient>(problem, [&](const Implementation<PoolInputGradient>& form) {
    Buffer dsrc(c.images * g.src_image, untouched), scratch(form.scratch(problem, c.images), testing::unwritten);
    form.run(problem, {c.images, ddst.data(), c.kind == PoolKind::max ? argmax_d.data() : nullptr, wide_argmax.data(), dsrc.data(), scratch.data()});
    // The separable form adds in another order: the same bits where the sums are exact, as sums of whole numbers are.
    if (form.name != "separable" || (c.kind == PoolKind::max && c.values == Values::ties)) {
      ASSERT_TRUE(all_same(dsrc, dsrc_f));
    }
    ASSERT_TRUE(all_within(dsrc, dsrc_d, dsrc_bound, cells + 2));
  });
}

// ---- global pooling ----

/// By definition: core/order_free.h, and a division.
inline Buffer order_free_means(const std::vector<float>& src, std::int64_t images, std::int64_t pixels, std::int64_t channels) {
  Buffer means(images * channels);
  for (std::int64_t i = 0; i < means.size(); ++i) {
    const float* first = src.data() + i / channels * pixels * channels + i % channels;
    means[i] = static_cast<float>(core::order_free_sum(pixels, [&](std::int64_t p) { return first[p * channels]; }) / static_cast<double>(pixels));
  }
  return means;
}

inline ::testing::AssertionResult all_bits(const Buffer& a, const Buffer& b) {
  if (const std::int64_t differ = testing::bits_that_differ(a, b)) return ::testing::AssertionFailure() << differ << " differ in bits";
  return ::testing::AssertionSuccess();
}

inline void check_global_pool(std::int64_t images, std::int64_t pixels, std::int64_t channels, PoolKind kind, Values values, unsigned seed) {
  SCOPED_TRACE(std::to_string(pixels) + " pixels of " + std::to_string(channels) + (kind == PoolKind::max ? " max" : " average"));
  const GlobalPoolForward::Problem problem{pixels, channels, kind};
  const std::vector<float> src = make(images * pixels * channels, values, seed);
  const std::vector<double> src_d = wide(src), size = magnitudes(src);
  const auto outputs = static_cast<std::size_t>(images * channels);
  std::vector<float> dst_f(outputs);
  std::vector<double> dst_d(outputs), bound(outputs);
  GlobalPoolForward::reference<float>(problem, {images, src.data(), dst_f.data(), nullptr});
  GlobalPoolForward::reference<double>(problem, {images, src_d.data(), dst_d.data(), nullptr});
  if (kind == PoolKind::average) GlobalPoolForward::reference<double>(problem, {images, size.data(), bound.data(), nullptr});
  const Buffer order_free = order_free_means(src, images, pixels, channels);
  each_form<GlobalPoolForward>(problem, [&](const Implementation<GlobalPoolForward>& form) {
    Buffer dst(images * channels, untouched), scratch(form.scratch(problem, images), testing::unwritten);
    form.run(problem, {images, src.data(), dst.data(), scratch.data()});
    if (form.name.starts_with("order_free")) {
      // The exact mean but for units of 2^-51 of the largest value, and one rounding.
      ASSERT_TRUE(all_within(dst, dst_d, bound, 2));
      ASSERT_TRUE(all_bits(dst, order_free));
    } else {
      ASSERT_TRUE(all_same(dst, dst_f));
      ASSERT_TRUE(all_within(dst, dst_d, bound, static_cast<double>(pixels) + 2));
    }
  });

  const std::vector<float> ddst = make(images * channels, Values::normal, seed + 1);
  const std::vector<double> ddst_d = wide(ddst);
  std::vector<double> dsrc_d(src.size());
  GlobalPoolInputGradient::reference<double>(problem, {images, src_d.data(), dst_d.data(), ddst_d.data(), dsrc_d.data(), nullptr});
  each_form<GlobalPoolInputGradient>(problem, [&](const Implementation<GlobalPoolInputGradient>& form) {
    Buffer dsrc(images * pixels * channels, untouched), scratch(form.scratch(problem, images), testing::unwritten);
    form.run(problem, {images, src.data(), dst_f.data(), ddst.data(), dsrc.data(), scratch.data()});
    ASSERT_TRUE(all_within(dsrc, dsrc_d, magnitudes(dsrc_d), 2));
  });
}

}  // namespace linn::detail::kernels::check
