#include "kernels/reduce/softmax.h"

#include <gtest/gtest.h>

#include "kernels/reduce_check.h"

namespace linn::detail::kernels {
namespace {

TEST(Softmax, EveryFormNearTheDoubleReference) {
  for (const SoftmaxKind kind : {SoftmaxKind::softmax, SoftmaxKind::log_softmax, SoftmaxKind::sparsemax})
    for (std::int64_t classes = 1; classes <= 70; ++classes) check::check_softmax(3, classes, kind, static_cast<unsigned>(classes));
}

TEST(SoftmaxGradient, EveryFormNearTheDoubleReference) {
  for (const SoftmaxKind kind : {SoftmaxKind::softmax, SoftmaxKind::log_softmax, SoftmaxKind::sparsemax})
    for (std::int64_t classes = 1; classes <= 70; ++classes)
      check::check_softmax_gradient(3, classes, kind, static_cast<unsigned>(classes));
}

TEST(Softmax, StableAndNormalised) {
  const std::vector<float> src{1000, 999, -1000, -100, -101, -99};
  std::vector<float> dst(6);
  check::each_form<SoftmaxForward>({3}, [&](const Implementation<SoftmaxForward>& form) {
    form.run({3}, {2, src.data(), dst.data(), nullptr});
    EXPECT_NEAR(dst[0], 0.7310586, 1e-6);
    EXPECT_NEAR(dst[1], 0.2689414, 1e-6);
    EXPECT_EQ(dst[2], 0);
    EXPECT_NEAR(dst[3] + dst[4] + dst[5], 1, 1e-6);
  });
  check::each_form<SoftmaxForward>({3, SoftmaxKind::log_softmax}, [&](const Implementation<SoftmaxForward>& form) {
    form.run({3, SoftmaxKind::log_softmax}, {2, src.data(), dst.data(), nullptr});
    EXPECT_NEAR(dst[2], -2000.3133, 1e-3);
  });
}

TEST(Softmax, NanAndInfinityFillTheirRowOnly) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), infinity})
    for (const std::int64_t classes : {3, 10, 16, 40})
      for (std::int64_t at = 0; at < classes; ++at) {
        std::vector<float> src(static_cast<std::size_t>(2 * classes), 1.0f), dst(src.size());
        src[static_cast<std::size_t>(at)] = bad;
        check::each_form<SoftmaxForward>({classes}, [&](const Implementation<SoftmaxForward>& form) {
          form.run({classes}, {2, src.data(), dst.data(), nullptr});
          // Of an infinity its own place is inf - inf, and so the sum.
          for (std::int64_t c = 0; c < classes; ++c) ASSERT_TRUE(std::isnan(dst[static_cast<std::size_t>(c)])) << at << ' ' << c;
          for (std::int64_t c = classes; c < 2 * classes; ++c) ASSERT_NEAR(dst[static_cast<std::size_t>(c)], 1.0 / static_cast<double>(classes), 1e-6);
        });
      }
  const std::vector<float> lowest(20, -infinity);
  std::vector<float> dst(20);
  check::each_form<SoftmaxForward>({20}, [&](const Implementation<SoftmaxForward>& form) {
    form.run({20}, {1, lowest.data(), dst.data(), nullptr});
    for (const float v : dst) ASSERT_TRUE(std::isnan(v));
  });
}

TEST(Softmax, SparsemaxIsTheNearestDistribution) {
  const float infinity = std::numeric_limits<float>::infinity();
  const SoftmaxForward::Problem problem{4, SoftmaxKind::sparsemax};
  const std::vector<float> src{0.3f, 0.1f, 2, -1, 0.5f, 0.5f, 0.25f, -infinity, 7, 7, 7, 7, 0, 0, infinity, 0};
  std::vector<float> dst(src.size());
  check::each_form<SoftmaxForward>(problem, [&](const Implementation<SoftmaxForward>& form) {
    form.run(problem, {4, src.data(), dst.data(), nullptr});
    const std::vector<float> expected{0, 0, 1, 0, 0.41666667f, 0.41666667f, 0.16666667f, 0, 0.25f, 0.25f, 0.25f, 0.25f};
    for (std::size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(dst[i], expected[i], 1e-6) << i;
    for (std::size_t i = expected.size(); i < dst.size(); ++i) ASSERT_TRUE(std::isnan(dst[i])) << i;
  });
}

TEST(SoftmaxReference, FiniteDifferences) {
  for (const SoftmaxKind kind : {SoftmaxKind::softmax, SoftmaxKind::log_softmax, SoftmaxKind::sparsemax}) {
    const SoftmaxForward::Problem problem{7, kind};
    const auto src = check::random_doubles(3 * 7, 1), ddst = check::random_doubles(3 * 7, 2);
    std::vector<double> dst(src.size()), dsrc(src.size());
    const auto loss = [&](const std::vector<double>& x) {
      SoftmaxForward::reference<double>(problem, {3, x.data(), dst.data(), nullptr});
      return check::dot(dst, ddst);
    };
    loss(src);
    SoftmaxGradient::reference<double>(problem, {3, dst.data(), ddst.data(), dsrc.data(), nullptr});
    check::expect_gradient(src, dsrc, loss);
  }
}

}  // namespace
}  // namespace linn::detail::kernels
