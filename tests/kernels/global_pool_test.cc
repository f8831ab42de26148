// Global pooling: every form against the double reference; the reference against finite differences.
#include <gtest/gtest.h>

#include "kernels/elementwise_check.h"
#include "kernels/pool/pool.h"

namespace linn::kernels {
namespace {

using check::Values;

void check_case(std::int64_t images, std::int64_t pixels, std::int64_t channels, PoolKind kind, Values values, unsigned seed) {
  SCOPED_TRACE(std::to_string(pixels) + " pixels of " + std::to_string(channels) + (kind == PoolKind::max ? " max" : " average"));
  const GlobalPoolForward::Problem problem{pixels, channels, kind};
  const std::vector<float> src = check::make(images * pixels * channels, values, seed);
  const std::vector<double> src_d = check::wide(src), size = check::magnitudes(src);
  const auto outputs = static_cast<std::size_t>(images * channels);
  std::vector<float> dst_f(outputs);
  std::vector<double> dst_d(outputs), bound(outputs);
  GlobalPoolForward::reference<float>(problem, {images, src.data(), dst_f.data(), nullptr});
  GlobalPoolForward::reference<double>(problem, {images, src_d.data(), dst_d.data(), nullptr});
  if (kind == PoolKind::average) GlobalPoolForward::reference<double>(problem, {images, size.data(), bound.data(), nullptr});
  check::each_form<GlobalPoolForward>(problem, [&](const Implementation<GlobalPoolForward>& form) {
    std::vector<float> dst(outputs);
    form.run(problem, {images, src.data(), dst.data(), nullptr});
    ASSERT_TRUE(check::all_same(dst, dst_f));
    ASSERT_TRUE(check::all_within(dst, dst_d, bound, static_cast<double>(pixels) + 2));
  });

  const std::vector<float> ddst = check::make(images * channels, Values::normal, seed + 1);
  const std::vector<double> ddst_d = check::wide(ddst);
  std::vector<double> dsrc_d(src.size());
  GlobalPoolInputGradient::reference<double>(problem, {images, src_d.data(), dst_d.data(), ddst_d.data(), dsrc_d.data(), nullptr});
  check::each_form<GlobalPoolInputGradient>(problem, [&](const Implementation<GlobalPoolInputGradient>& form) {
    std::vector<float> dsrc(src.size(), 99);
    form.run(problem, {images, src.data(), dst_f.data(), ddst.data(), dsrc.data(), nullptr});
    ASSERT_TRUE(check::all_within(dsrc, dsrc_d, check::magnitudes(dsrc_d), 2));
  });
}

TEST(GlobalPool, AllTails) {
  unsigned seed = 1;
  for (std::int64_t channels = 1; channels <= 70; ++channels)
    for (const PoolKind kind : {PoolKind::max, PoolKind::average})
      for (const Values values : {Values::normal, Values::ties, Values::hostile})
        for (const std::int64_t pixels : {1, 2, 35}) {
          check_case(2, pixels, channels, kind, values, ++seed);
          if (HasFatalFailure()) return;
        }
  check_case(1, 7, 200, PoolKind::average, Values::normal, ++seed);
  check_case(1, 7, 200, PoolKind::max, Values::hostile, ++seed);
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
}  // namespace linn::kernels
