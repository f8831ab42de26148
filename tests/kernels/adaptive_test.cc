// Adaptive pooling: every form, windows of one size and of several.
#include <gtest/gtest.h>

#include "kernels/adaptive_check.h"

namespace linn::detail::kernels {
namespace {

TEST(AdaptivePool, EveryFormAndTail) {
  for (const PoolKind kind : {PoolKind::max, PoolKind::average})
    for (const std::int64_t channels : {1, 3, 5, 17, 33})
      for (const auto& [out_height, out_width] : {std::pair<std::int64_t, std::int64_t>{1, 1}, {2, 3}, {5, 7}, {4, 5}, {3, 10}, {9, 2}})
        for (const check::Values values : {check::Values::normal, check::Values::ties, check::Values::hostile}) {
          if (kind == PoolKind::average && values == check::Values::hostile) continue;
          check::check_adaptive_pool({5, 7, channels, out_height, out_width, kind}, 2, values, 1);
          if (HasFatalFailure()) return;
        }
}

TEST(AdaptivePool, WindowsOfFiveCellsToThree) {
  const float src[] = {1, 2, 3, 4, 5};
  float dst[3];
  AdaptivePoolForward::reference<float>({1, 5, 1, 1, 3, PoolKind::average}, {1, src, dst, nullptr, nullptr});
  EXPECT_EQ(std::vector<float>(dst, dst + 3), (std::vector<float>{1.5f, 3, 4.5f}));
  AdaptivePoolForward::reference<float>({1, 5, 1, 1, 3, PoolKind::max}, {1, src, dst, nullptr, nullptr});
  EXPECT_EQ(std::vector<float>(dst, dst + 3), (std::vector<float>{2, 4, 5}));
}

}  // namespace
}  // namespace linn::detail::kernels
