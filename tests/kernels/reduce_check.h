// Softmax and cross-entropy: every form near the reference in double.
#pragma once

#include "kernels/elementwise_check.h"
#include "kernels/reduce/loss.h"
#include "kernels/reduce/softmax.h"

namespace linn::detail::kernels::check {

/// A function of each row, of numbers up to about 10.
inline void check_softmax(std::int64_t rows, std::int64_t classes, SoftmaxKind kind, unsigned seed) {
  SCOPED_TRACE(std::to_string(rows) + " rows of " + std::to_string(classes) + ", kind " + std::to_string(static_cast<int>(kind)));
  const SoftmaxForward::Problem problem{classes, kind};
  const std::vector<float> numbers = make(rows * classes, Values::normal, seed);
  const std::vector<double> src_d = wide(numbers), ten(numbers.size(), 10.0);
  std::vector<double> dst_d(numbers.size());
  SoftmaxForward::reference<double>(problem, {rows, src_d.data(), dst_d.data(), nullptr});
  const testing::Buffer src(numbers);
  each_form<SoftmaxForward>(problem, [&](const Implementation<SoftmaxForward>& form) {
    testing::Buffer dst(rows * classes, testing::untouched);
    form.run(problem, {rows, src.data(), dst.data(), nullptr});
    ASSERT_TRUE(all_within(std::vector<float>(dst.data(), dst.data() + dst.size()), dst_d, ten, static_cast<double>(classes) + 4));
  });
}

/// The gradient, given a forward result in float.
inline void check_softmax_gradient(std::int64_t rows, std::int64_t classes, SoftmaxKind kind, unsigned seed) {
  SCOPED_TRACE("gradient of " + std::to_string(rows) + " rows of " + std::to_string(classes) + ", kind " + std::to_string(static_cast<int>(kind)));
  const SoftmaxForward::Problem problem{classes, kind};
  const std::vector<double> src = wide(make(rows * classes, Values::normal, seed));
  const testing::Buffer ddst(make(rows * classes, Values::normal, seed + 1));
  std::vector<double> dst_d(src.size()), dsrc_d(src.size());
  SoftmaxForward::reference<double>(problem, {rows, src.data(), dst_d.data(), nullptr});
  const testing::Buffer dst(dst_d);
  const std::vector<double> rounded(dst.data(), dst.data() + dst.size()), ddst_d(ddst.data(), ddst.data() + ddst.size()), ten(src.size(), 10.0);
  SoftmaxGradient::reference<double>(problem, {rows, rounded.data(), ddst_d.data(), dsrc_d.data(), nullptr});
  each_form<SoftmaxGradient>(problem, [&](const Implementation<SoftmaxGradient>& form) {
    testing::Buffer dsrc(rows * classes, testing::untouched);
    form.run(problem, {rows, dst.data(), ddst.data(), dsrc.data(), nullptr});
    ASSERT_TRUE(all_within(std::vector<float>(dsrc.data(), dsrc.data() + dsrc.size()), dsrc_d, ten, static_cast<double>(classes) + 4));
  });
}

/// Losses and gradients of labels, or of rows of targets, with an upstream gradient; either alone has the same bits.
inline void check_crossentropy(const Crossentropy::Problem& problem, std::int64_t rows, bool dense, unsigned seed) {
  SCOPED_TRACE(std::to_string(rows) + " rows of " + std::to_string(problem.classes) + (dense ? ", targets" : ", labels"));
  const std::int64_t classes = problem.classes;
  std::vector<float> x = make(rows * classes, Values::normal, seed), wanted = make(rows * classes, Values::normal, seed + 1), upstream = make(rows, Values::normal, seed + 2);
  if (problem.prediction == Prediction::probabilities)
    for (float& v : x) v = std::abs(v) + 0.1f;
  std::vector<std::int64_t> classes_of_rows;
  for (std::int64_t r = 0; r < rows; ++r) classes_of_rows.push_back((r * 7 + seed) % classes);
  const std::int64_t* labels = dense ? nullptr : classes_of_rows.data();
  const std::vector<double> x_d = wide(x), wanted_d = wide(wanted), upstream_d = wide(upstream);
  std::vector<double> loss_d(static_cast<std::size_t>(rows)), dx_d(x.size());
  Crossentropy::reference<double>(problem, {rows, x_d.data(), labels, wanted_d.data(), upstream_d.data(), loss_d.data(), dx_d.data(), nullptr});
  // Rows of targets that add up to nothing in particular: as large as their sum.
  const double size = 10.0 * (dense ? static_cast<double>(classes) : 1.0), bound = static_cast<double>(classes) + 4;
  each_form<Crossentropy>(problem, [&](const Implementation<Crossentropy>& form) {
    std::vector<float> loss(loss_d.size()), dx(x.size()), loss_alone(loss_d.size()), dx_alone(x.size());
    form.run(problem, {rows, x.data(), labels, wanted.data(), upstream.data(), loss.data(), dx.data(), nullptr});
    form.run(problem, {rows, x.data(), labels, wanted.data(), upstream.data(), loss_alone.data(), nullptr, nullptr});
    form.run(problem, {rows, x.data(), labels, wanted.data(), upstream.data(), nullptr, dx_alone.data(), nullptr});
    ASSERT_EQ(loss, loss_alone);
    ASSERT_EQ(dx, dx_alone);
    ASSERT_TRUE(all_within(loss, loss_d, std::vector<double>(loss_d.size(), size), bound));
    ASSERT_TRUE(all_within(dx, dx_d, std::vector<double>(x.size(), size), bound));
  });
}

}  // namespace linn::detail::kernels::check
