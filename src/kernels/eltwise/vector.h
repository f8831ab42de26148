// Element-wise kernels in vectors (Highway), with the reference's operations in its order, and so with its bits; only the activations that
// need an exponential, a logarithm or a power have an error of their own.
#pragma once

#include "kernels/eltwise/activation.h"
#include "kernels/eltwise/eltwise.h"
#include "kernels/eltwise/update.h"
#include "kernels/implementation.h"

namespace linn::detail::kernels::eltwise {

/// Greatest errors of an activation's value and slope, in units of the last place (ulp) of the result, plus 1 + |argument 0| least
/// denormal numbers. Where a difference cancels, the unit is that of the sum of its terms (`cancelled` in tests/kernels/eltwise_check.h).
/// 0: the reference's operations in its order, and so its bits.
struct ActivationError {
  double value = 0, slope = 0;
};

/// All activations, on vectors (activations-inl.h).
struct VectorActivation : Implements<ActivationForward> {
  static ActivationError error(const ActivationSpec& activation);
  static void run(const ActivationForward::Problem& problem, const ActivationForward::Args<float>& args);
};
struct VectorActivationGradient : Implements<ActivationGradient> {
  static void run(const ActivationGradient::Problem& problem, const ActivationGradient::Args<float>& args);
};

/// Supports sources of u8 and f32.
struct VectorGather : Implements<Gather> {
  static bool supports(const Gather::Problem& problem);
  static void run(const Gather::Problem& problem, const Gather::Args<float>& args);
};
struct VectorRescale : Implements<Rescale> {
  static void run(const Rescale::Problem& problem, const Rescale::Args<float>& args);
};
struct VectorAdd : Implements<Add> {
  static void run(const Add::Problem& problem, const Add::Args<float>& args);
};
struct VectorDropout : Implements<Dropout> {
  static void run(const Dropout::Problem& problem, const Dropout::Args<float>& args);
};

struct VectorAdam : Implements<AdamUpdate> {
  static void run(const AdamUpdate::Problem& problem, const AdamUpdate::Args<float>& args);
};
struct VectorSgd : Implements<SgdUpdate> {
  static void run(const SgdUpdate::Problem& problem, const SgdUpdate::Args<float>& args);
};
struct VectorRmsprop : Implements<RmspropUpdate> {
  static void run(const RmspropUpdate::Problem& problem, const RmspropUpdate::Args<float>& args);
};

}  // namespace linn::detail::kernels::eltwise
