// General pooling and its gradients, each form against the reference in double.
#pragma once

#include <algorithm>

#include "kernels/elementwise_check.h"
#include "kernels/pool/general.h"

namespace linn::detail::kernels::check {

using testing::untouched;

inline std::string describe_general(const GeneralPoolForward::Problem& p) {
  const Geometry& g = p.geometry;
  const auto by = [](std::int64_t a, std::int64_t b) { return std::to_string(a) + "x" + std::to_string(b); };
  return "function " + std::to_string(static_cast<int>(p.function)) + " exponent " + std::to_string(p.exponent) + ", " + by(g.height, g.width) + " of " +
         std::to_string(g.channels) + " channels, window " + by(g.window_height, g.window_width) + " stride " + by(g.stride_height, g.stride_width) +
         " dilation " + by(g.dilation_height, g.dilation_width) + " pads " + by(g.pad_top, g.pad_left) + (p.per_channel ? ", a parameter each" : "");
}

/// The numbers of one problem. Images are hashed, parameters near 1.
struct GeneralNumbers {
  std::vector<float> src, parameters, ddst;
  std::vector<double> dst;  // of the reference

  GeneralNumbers(const GeneralPoolForward::Problem& p, std::int64_t images, Values values, unsigned seed)
      : src(make(images * p.geometry.src_image, values, seed)), parameters(make(p.parameters(), Values::normal, seed + 1)),
        ddst(make(images * p.geometry.dst_image, Values::normal, seed + 2)) {
    if (p.function == PoolFunction::generalized_mean)
      for (float& exponent : parameters) exponent = 1.0f + std::abs(exponent);
  }
};

/// Whether the problem reads parameters.
inline bool is_parametric(const GeneralPoolForward::Problem& p) {
  return p.function == PoolFunction::generalized_mean || p.function == PoolFunction::gated || (p.function == PoolFunction::mixed && p.share < 0);
}

/// What sums over this problem may be off by, in roundings of `magnitude` (all_within).
inline double roundings(const GeneralPoolForward::Problem& p) {
  const double exponent = p.function == PoolFunction::lp ? p.exponent : 4;
  return 16 + 4 * static_cast<double>(p.cells()) + 8 * exponent;
}

inline void check_general_forward(const GeneralPoolForward::Problem& p, std::int64_t images, const GeneralNumbers& n, const std::vector<double>& dst_d,
                                  double largest, std::uint64_t first) {
  const float* parameters = is_parametric(p) ? n.parameters.data() : nullptr;
  const std::vector<double> bound(dst_d.size(), largest);
  std::vector<float> drawn(dst_d.size());
  GeneralPoolForward::reference<float>(p, {images, n.src.data(), parameters, 5, 6, first, drawn.data(), nullptr});
  each_form<GeneralPoolForward>(p, [&](const Implementation<GeneralPoolForward>& form) {
    const Buffer src(n.src);
    Buffer dst(static_cast<std::int64_t>(dst_d.size()), untouched), scratch(form.scratch(p, images), testing::unwritten);
    form.run(p, {images, src.data(), parameters, 5, 6, first, dst.data(), scratch.data()});
    if (p.function == PoolFunction::sampled) {
      ASSERT_TRUE(all_same(dst, drawn));
      return;
    }
    ASSERT_TRUE(all_within(dst, dst_d, bound, roundings(p)));
  });
}

inline void check_general_gradient(const GeneralPoolForward::Problem& p, std::int64_t images, const GeneralNumbers& n, const std::vector<double>& dst_d,
                                   double largest, std::uint64_t first) {
  const Geometry& g = p.geometry;
  const bool parametric = is_parametric(p);
  const std::vector<double> src_d = wide(n.src), parameters_d = wide(n.parameters), ddst_d = wide(n.ddst);
  const std::vector<float> dst(dst_d.begin(), dst_d.end());
  const float* parameters = parametric ? n.parameters.data() : nullptr;
  std::vector<double> dsrc_d(n.src.size()), dparameters_d(static_cast<std::size_t>(p.parameters()));
  std::vector<float> drawn(n.src.size());
  GeneralPoolGradient::reference<double>(p, {images, src_d.data(), dst_d.data(), parametric ? parameters_d.data() : nullptr, 5, 6, first, ddst_d.data(),
                                             dsrc_d.data(), parametric ? dparameters_d.data() : nullptr, nullptr});
  GeneralPoolGradient::reference<float>(p, {images, n.src.data(), dst.data(), parameters, 5, 6, first, n.ddst.data(), drawn.data(), nullptr, nullptr});
  // A cell is in at most cells() windows, each of which gives it a gradient of this size at the most.
  double most = 0, outputs = 0;
  for (const double d : ddst_d) most = std::max(most, std::abs(d)), outputs += std::abs(d);
  const double slope = (1 + largest) * (1 + largest);
  const std::vector<double> bound(dsrc_d.size(), most * slope * static_cast<double>(p.cells())), sum_bound(dparameters_d.size(), outputs * slope);
  each_form<GeneralPoolGradient>(p, [&](const Implementation<GeneralPoolGradient>& form) {
    const Buffer src(n.src), of_forward(dst), ddst(n.ddst);
    Buffer dsrc(images * g.src_image, untouched), alone(dsrc.size(), untouched), sums(p.parameters(), untouched), scratch(form.scratch(p, images), testing::unwritten);
    form.run(p, {images, src.data(), of_forward.data(), parameters, 5, 6, first, ddst.data(), dsrc.data(), parametric ? sums.data() : nullptr, scratch.data()});
    form.run(p, {images, src.data(), of_forward.data(), parameters, 5, 6, first, ddst.data(), alone.data(), nullptr, scratch.data()});
    ASSERT_TRUE(all_same(dsrc, alone));
    if (p.function == PoolFunction::sampled) {
      ASSERT_TRUE(all_same(dsrc, drawn));
      return;
    }
    ASSERT_TRUE(all_within(dsrc, dsrc_d, bound, roundings(p)));
    if (parametric) {
      ASSERT_TRUE(all_within(sums, dparameters_d, sum_bound, roundings(p)));
    }
  });
}

inline void check_general(const GeneralPoolForward::Problem& p, std::int64_t images, Values values, unsigned seed) {
  SCOPED_TRACE(describe_general(p));
  const std::uint64_t first = seed;
  const GeneralNumbers n(p, images, values, seed);
  const bool parametric = is_parametric(p);
  const std::vector<double> src_d = wide(n.src), parameters_d = wide(n.parameters);
  std::vector<double> dst_d(n.ddst.size());
  GeneralPoolForward::reference<double>(p, {images, src_d.data(), parametric ? parameters_d.data() : nullptr, 5, 6, first, dst_d.data(), nullptr});
  double largest = 1;
  for (const float x : n.src) largest = std::max(largest, static_cast<double>(std::abs(x)));
  if (p.function == PoolFunction::lp) largest *= static_cast<double>(p.cells());
  double gates = 0;  // a gate multiplies what its sum is off by
  if (p.function == PoolFunction::gated)
    for (const float v : n.parameters) gates = std::max(gates, static_cast<double>(std::abs(v)));
  largest *= 1 + gates;
  check_general_forward(p, images, n, dst_d, largest, first);
  if (::testing::Test::HasFatalFailure()) return;
  check_general_gradient(p, images, n, dst_d, largest, first);
}

}  // namespace linn::detail::kernels::check
