#include "kernels/reduce/softmax.h"

#include <gtest/gtest.h>

#include "kernels/reduce_check.h"

namespace linn::kernels {
namespace {

TEST(Softmax, EveryFormNearTheDoubleReference) {
  for (const bool log : {false, true})
    for (std::int64_t classes = 1; classes <= 70; ++classes) check::check_softmax(3, classes, log, static_cast<unsigned>(classes));
}

TEST(SoftmaxGradient, EveryFormNearTheDoubleReference) {
  for (const bool log : {false, true})
    for (std::int64_t classes = 1; classes <= 70; ++classes) {
      const SoftmaxForward::Problem problem{classes, log};
      constexpr std::int64_t rows = 3;
      const std::vector<double> src = check::wide(check::make(rows * classes, check::Values::normal, static_cast<unsigned>(classes)));
      const std::vector<float> ddst = check::make(rows * classes, check::Values::normal, static_cast<unsigned>(classes) + 1);
      std::vector<double> dst_d(src.size()), dsrc_d(src.size());
      SoftmaxForward::reference<double>(problem, {rows, src.data(), dst_d.data(), nullptr});
      const std::vector<float> dst(dst_d.begin(), dst_d.end());
      const std::vector<double> rounded = check::wide(dst), ddst_d = check::wide(ddst), ten(src.size(), 10.0);
      SoftmaxGradient::reference<double>(problem, {rows, rounded.data(), ddst_d.data(), dsrc_d.data(), nullptr});
      check::each_form<SoftmaxGradient>(problem, [&](const Implementation<SoftmaxGradient>& form) {
        std::vector<float> dsrc(src.size());
        form.run(problem, {rows, dst.data(), ddst.data(), dsrc.data(), nullptr});
        ASSERT_TRUE(check::all_within(dsrc, dsrc_d, ten, static_cast<double>(classes) + 4));
      });
    }
}

TEST(Softmax, StableAndNormalised) {
  const std::vector<float> src{1000, 999, -1000, -100, -101, -99};
  std::vector<float> dst(6);
  check::each_form<SoftmaxForward>({3, false}, [&](const Implementation<SoftmaxForward>& form) {
    form.run({3, false}, {2, src.data(), dst.data(), nullptr});
    EXPECT_NEAR(dst[0], 0.7310586, 1e-6);
    EXPECT_NEAR(dst[1], 0.2689414, 1e-6);
    EXPECT_EQ(dst[2], 0);
    EXPECT_NEAR(dst[3] + dst[4] + dst[5], 1, 1e-6);
  });
  check::each_form<SoftmaxForward>({3, true}, [&](const Implementation<SoftmaxForward>& form) {
    form.run({3, true}, {2, src.data(), dst.data(), nullptr});
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
        check::each_form<SoftmaxForward>({classes, false}, [&](const Implementation<SoftmaxForward>& form) {
          form.run({classes, false}, {2, src.data(), dst.data(), nullptr});
          // Of an infinity its own place is inf - inf, and so the sum.
          for (std::int64_t c = 0; c < classes; ++c) ASSERT_TRUE(std::isnan(dst[static_cast<std::size_t>(c)])) << at << ' ' << c;
          for (std::int64_t c = classes; c < 2 * classes; ++c) ASSERT_NEAR(dst[static_cast<std::size_t>(c)], 1.0 / static_cast<double>(classes), 1e-6);
        });
      }
  const std::vector<float> lowest(20, -infinity);
  std::vector<float> dst(20);
  check::each_form<SoftmaxForward>({20, false}, [&](const Implementation<SoftmaxForward>& form) {
    form.run({20, false}, {1, lowest.data(), dst.data(), nullptr});
    for (const float v : dst) ASSERT_TRUE(std::isnan(v));
  });
}

TEST(SoftmaxReference, FiniteDifferences) {
  for (const bool log : {false, true}) {
    const SoftmaxForward::Problem problem{7, log};
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
}  // namespace linn::kernels
