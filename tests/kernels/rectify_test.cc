// Rectifiers with arguments: every form, every tail.
#include "kernels/eltwise/rectify.h"

#include <gtest/gtest.h>

#include "kernels/rectify_check.h"

namespace linn::kernels {
namespace {

TEST(Rectify, EveryFormAndTail) {
  const RectifyForward::Problem problems[] = {{}, {.most = 1}, {.slope = 0.25, .slope_at_kink = true}, {.most = 1, .slope = 0.5, .threshold = 1},
                                              {.slope = 0.5, .threshold = 1}};
  for (const RectifyForward::Problem& problem : problems)
    for (std::int64_t count = 0; count <= 70; ++count)
      for (const check::Values values : {check::Values::normal, check::Values::ties, check::Values::hostile})
        check::check_rectify(problem, count, values, 1);
}

}  // namespace
}  // namespace linn::kernels
