// Global pooling: every form against the double reference; the reference against finite differences.
#include <gtest/gtest.h>

#include "kernels/pool_check.h"

namespace linn::detail::kernels {
namespace {

using check::Values;

TEST(GlobalPool, AllTails) {
  unsigned seed = 1;
  for (std::int64_t channels = 1; channels <= 70; ++channels)
    for (const PoolKind kind : {PoolKind::max, PoolKind::average})
      for (const Values values : {Values::normal, Values::ties, Values::hostile})
        for (const std::int64_t pixels : {1, 2, 35}) {
          check::check_global_pool(2, pixels, channels, kind, values, ++seed);
          if (HasFatalFailure()) return;
        }
  check::check_global_pool(1, 7, 200, PoolKind::average, Values::normal, ++seed);
  check::check_global_pool(1, 7, 200, PoolKind::max, Values::hostile, ++seed);
}

TEST(GlobalPoolReference, TiesShare) {
  const std::vector<double> src{1, 3, 3, 2}, dst{3}, ddst{8};
  std::vector<double> dsrc(4);
  GlobalPoolInputGradient::reference<double>({4, 1, PoolKind::max}, {1, src.data(), dst.data(), ddst.data(), dsrc.data(), nullptr});
  EXPECT_EQ(dsrc, (std::vector<double>{0, 4, 4, 0}));
}

TEST(GlobalPoolReference, FiniteDifferences) {
  for (const PoolKind kind : {PoolKind::max, PoolKind::average}) {
    const GlobalPoolForward::Problem problem{12, 5, kind};
    const auto src = check::random_doubles(2 * 12 * 5, 3);
    const auto ddst = check::random_doubles(2 * 5, 4);
    std::vector<double> dst(2 * 5), dsrc(src.size());
    const auto loss = [&](const std::vector<double>& x) {
      GlobalPoolForward::reference<double>(problem, {2, x.data(), dst.data(), nullptr});
      return check::dot(dst, ddst);
    };
    loss(src);
    GlobalPoolInputGradient::reference<double>(problem, {2, src.data(), dst.data(), ddst.data(), dsrc.data(), nullptr});
    check::expect_gradient(src, dsrc, loss);
  }
}

}  // namespace
}  // namespace linn::detail::kernels
