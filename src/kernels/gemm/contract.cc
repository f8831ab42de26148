// The product of contract.h in float32. Loop nest, registers and measurements: contract.inc.
#include "kernels/gemm/contract.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm/contract.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <algorithm>
#include <utility>

#include "kernels/gemm/float-inl.h"
#include "kernels/gemm/row_walk.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::HWY_NAMESPACE {
namespace {

#include "kernels/gemm/contract.inc"

void contract(const Contraction& x) { run_tiles<FloatStep>(x, {x.terms, x.a_term, x.b_term, 0, lanes, x.b_panel}, x.pack); }

}  // namespace
}  // namespace linn::detail::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels {
HWY_EXPORT(contract);
Contract contract_for_cpu() { return HWY_DYNAMIC_DISPATCH(contract); }
}  // namespace linn::detail::kernels
#endif
