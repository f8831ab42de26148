#include "plan/ops/norm.h"

#include <algorithm>
#include <memory>

#include "kernels/norm/coefficients.h"
#include "kernels/norm/norm.h"
#include "plan/ops/append.h"
#include "plan/ops/eltwise.h"

namespace linn::detail::plan {
namespace {

class NormMomentsOp final : public KernelOp<NormMomentsOp, kernels::NormMoments> {
 public:
  using KernelOp::KernelOp;

  std::string_view name() const override { return "norm_moments"; }
  kernels::PitchFields input_pitches(std::size_t) override { return {.pixel = &kernel_.problem().src_row}; }
  void differentiate(Gradients&) override {}  // NormOp's covers it

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .src = call.in<T>(0), .moments = call.out<double>(0), .scratch = static_cast<T*>(call.scratch)});
  }
};

// inputs {moments of the images (src, if an image has one pixel), gamma, beta}, the last two may be undefined; outputs {statistics,
// coefficients}.
class NormStatisticsOp final : public WholeOp<NormStatisticsOp, kernels::NormStatistics> {
 public:
  NormStatisticsOp(const kernels::NormStatistics::Problem& problem, double epsilon)
      : WholeOp(problem), coefficients_({.channels = problem.channels, .epsilon = epsilon}) {}

  std::string_view name() const override { return "norm_statistics"; }
  void set_shard(std::int64_t images) override { kernel_.problem().shard = images; }
  std::int64_t pieces() const override { return core::ceil_div(problem().channels, piece_channels); }
  void prepare(const kernels::Policy& policy) override {
    WholeOp::prepare(policy);
    coefficients_.prepare(policy);
  }

  template <class T>
  void compute(const Call& call) const {
    const bool one_pixel = problem().pixels == 1;
    const std::int64_t first = call.piece * piece_channels, last = std::min(first + piece_channels, problem().channels);
    kernel_.run<T>({.images = call.batch,
                    .moments = one_pixel ? nullptr : call.in<double>(0),
                    .src = one_pixel ? call.in<T>(0) : nullptr,
                    .statistics = call.out<double>(0),
                    .first = first,
                    .last = last,
                    .scratch = static_cast<T*>(call.scratch)});
    coefficients_.run<T>({.statistics = call.out<double>(0), .mean = nullptr, .variance = nullptr, .gamma = call.in<T>(1), .beta = call.in<T>(2),
                          .coefficients = call.out<T>(1), .first = first, .last = last, .scratch = nullptr});
  }

 private:
  static constexpr std::int64_t piece_channels = 64;
  KernelUse<kernels::NormCoefficients> coefficients_;
};

// inputs {moving mean, moving variance, gamma, beta}, the last two may be undefined; outputs {statistics, coefficients}. Moving statistics
// have no gradients; NormOp adds those of gamma and beta.
class MovingCoefficientsOp final : public WholeOp<MovingCoefficientsOp, kernels::NormCoefficients> {
 public:
  using WholeOp::WholeOp;

  std::string_view name() const override { return "norm_coefficients"; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.statistics = call.out<double>(0), .mean = call.in<T>(0), .variance = call.in<T>(1), .gamma = call.in<T>(2), .beta = call.in<T>(3),
                    .coefficients = call.out<T>(1), .first = 0, .last = problem().channels, .scratch = nullptr});
  }
};

// inputs {statistics of the batch}, outputs {moving mean, moving variance}, which are bound values and are changed in place.
class MovingStatisticsOp final : public WholeOp<MovingStatisticsOp, kernels::MovingStatistics> {
 public:
  using WholeOp::WholeOp;

  std::string_view name() const override { return "moving_statistics"; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.statistics = call.in<double>(0), .mean = call.out<T>(0), .variance = call.out<T>(1), .scratch = nullptr});
  }
};

// Pitches of the inputs {src, ddst, coefficients, ...} of the gradient ops.
kernels::PitchFields norm_pitches(kernels::NormForward::Problem& problem, std::size_t slot) {
  return {.pixel = slot == 0 ? &problem.src_row : slot == 1 ? &problem.dst_row : nullptr};
}

class NormGradientSumsOp final : public GradientOp<NormGradientSumsOp, kernels::NormGradientSums> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "norm_gradient_sums"; }
  kernels::PitchFields input_pitches(std::size_t slot) override { return norm_pitches(kernel_.problem(), slot); }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.rows = call.images * rows_an_image(inputs[0]),
                    .src = call.in<T>(0),
                    .ddst = call.in<T>(1),
                    .coefficients = call.in<T>(2),
                    .sums = call.out<T>(0),
                    .scratch = static_cast<T*>(call.scratch)});
  }
};

// inputs {sums, statistics, coefficients}, outputs {gradient coefficients, d gamma, d beta}, each undefined unless it is wanted.
class NormGradientOp final : public WholeOp<NormGradientOp, kernels::NormGradientCoefficients> {
 public:
  NormGradientOp(const kernels::NormGradientCoefficients::Problem& problem, std::int64_t pixels) : WholeOp(problem), pixels_(pixels) {}

  std::string_view name() const override { return "norm_gradient"; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.count = call.batch * pixels_, .sums = call.in<T>(0), .statistics = call.in<double>(1), .coefficients = call.in<T>(2),
                    .gradient_coefficients = call.out<T>(0), .dgamma = call.out<T>(1), .dbeta = call.out<T>(2), .scratch = nullptr});
  }

 private:
  std::int64_t pixels_;
};

// inputs {src, ddst, coefficients, gradient coefficients or undefined}.
class NormInputGradientOp final : public GradientOp<NormInputGradientOp, kernels::NormInputGradient> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "norm_input_gradient"; }
  kernels::PitchFields input_pitches(std::size_t slot) override { return norm_pitches(kernel_.problem(), slot); }
  kernels::PitchFields output_pitches(std::size_t) override { return {.pixel = &kernel_.problem().dsrc_row}; }
  std::vector<std::size_t> in_place() const override { return {1, 0}; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.rows = call.images * rows_an_image(inputs[0]),
                    .src = call.in<T>(0),
                    .ddst = call.in<T>(1),
                    .coefficients = call.in<T>(2),
                    .gradient_coefficients = call.in<T>(3),
                    .dsrc = call.out<T>(0),
                    .scratch = static_cast<T*>(call.scratch)});
  }
};

// inputs {src, coefficients, statistics, gamma, beta}; the last three are only there for the gradients.
class NormOp final : public KernelOp<NormOp, kernels::NormForward> {
 public:
  NormOp(std::int64_t channels, double epsilon, bool frozen) : KernelOp({.channels = channels}), epsilon_(epsilon), frozen_(frozen) {}

  std::string_view name() const override { return "batch_norm"; }
  kernels::PitchFields input_pitches(std::size_t slot) override { return slot == 0 ? kernels::PitchFields{.pixel = &kernel_.problem().src_row} : kernels::PitchFields{}; }
  kernels::PitchFields output_pitches(std::size_t) override { return {.pixel = &kernel_.problem().dst_row}; }
  std::vector<std::size_t> in_place() const override { return {0}; }
  std::int64_t period() const override { return kernel_.period(); }

  bool is_linear() const { return problem().activation == kernels::Activation::linear; }
  std::unique_ptr<Op> with_relu() const {
    auto both = std::make_unique<NormOp>(*this);
    both->kernel_.problem().activation = kernels::Activation::relu;
    return both;
  }

  Value foldable_coefficients() const { return frozen_ && problem().activation == kernels::Activation::linear ? inputs[1] : Value{}; }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    const Value src = inputs[0], coefficients = inputs[1];
    const bool input = gradients.wants(src);
    const Value lines = add_sums(gradients, d, input && !frozen_);
    if (!input) return;
    const Value dsrc = gradients.make(src);
    append(gradients.to(), std::make_unique<NormInputGradientOp>(problem()), {src, d, coefficients, lines}, {dsrc});
    gradients.give(src, dsrc);
  }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.rows = call.images * rows_an_image(inputs[0]),
                    .src = call.in<T>(0),
                    .coefficients = call.in<T>(1),
                    .dst = call.out<T>(0),
                    .scratch = static_cast<T*>(call.scratch)});
  }

 private:
  // Adds the gradients of gamma and beta that are wanted and, with `lines`, the coefficients for the gradient of src. All need sums over
  // the batch.
  Value add_sums(Gradients& gradients, Value d, bool with_lines) {
    Lowering& to = gradients.to();
    const std::int64_t channels = problem().channels;
    const auto gradient_of = [&](Value variable) {
      const bool wanted = variable.defined() && gradients.wants(variable);
      return wanted ? to.value("d " + to.info(variable).name, variable.shape, Extent::fixed) : Value{};
    };
    const Value dgamma = gradient_of(inputs[3]), dbeta = gradient_of(inputs[4]);
    if (!with_lines && !dgamma.defined() && !dbeta.defined()) return {};
    const Value sums = to.value("gradient sums of " + layer, {2, channels}, Extent::fixed, Element::real, Home::partials);
    append(to, std::make_unique<NormGradientSumsOp>(problem()), {inputs[0], d, inputs[1]}, {sums});
    const Value lines = with_lines ? to.value("gradient coefficients of " + layer, {2, channels}, Extent::fixed) : Value{};
    const kernels::NormGradientCoefficients::Problem problem_of_sums{.channels = channels, .epsilon = epsilon_};
    append(to, std::make_unique<NormGradientOp>(problem_of_sums, rows_an_image(inputs[0])), {sums, inputs[2], inputs[1]}, {lines, dgamma, dbeta});
    if (dgamma.defined()) gradients.give(inputs[3], dgamma);
    if (dbeta.defined()) gradients.give(inputs[4], dbeta);
    return lines;
  }

  double epsilon_;
  bool frozen_;
};

// Adds the NormOp, the last op of both kinds of normalization.
Value normalize(Lowering& to, Value src, Value coefficients, Value statistics, const NormVariables& variables, double epsilon,
                bool frozen) {
  const Value output = to.value(to.layer(), src.shape, Extent::batch);
  return append(to, std::make_unique<NormOp>(src.shape[-1], epsilon, frozen),
                {src, coefficients, statistics, variables.gamma, variables.beta}, {output});
}

struct NormValues {
  Value statistics, coefficients;
};

NormValues norm_values(Lowering& to, std::int64_t channels) {
  return {.statistics = to.value("statistics of " + to.layer(), {2, channels}, Extent::fixed, Element::f64),
          .coefficients = to.value("coefficients of " + to.layer(), {3, channels}, Extent::fixed)};
}

}  // namespace

Value batch_norm(Lowering& to, Value src, const NormVariables& variables, double epsilon, double momentum) {
  const std::int64_t channels = src.shape[-1], pixels = rows_an_image(src);
  Value moments = src;  // the moments of one pixel are the pixel
  if (pixels > 1) {
    moments = to.value("moments of " + to.layer(), {2, channels}, Extent::batch, Element::f64);
    append(to, std::make_unique<NormMomentsOp>(kernels::NormMoments::Problem{.pixels = pixels, .channels = channels}), {src}, {moments});
  }
  const auto [statistics, coefficients] = norm_values(to, channels);
  const kernels::NormStatistics::Problem problem{.pixels = pixels, .channels = channels};
  append(to, std::make_unique<NormStatisticsOp>(problem, epsilon), {moments, variables.gamma, variables.beta}, {statistics, coefficients});
  auto moving = std::make_unique<MovingStatisticsOp>(kernels::MovingStatistics::Problem{channels, momentum});
  moving->inputs = {statistics};
  moving->outputs = {variables.moving_mean, variables.moving_variance};
  to.add_update(std::move(moving));
  return normalize(to, src, coefficients, statistics, variables, epsilon, false);
}

Value frozen_norm(Lowering& to, Value src, const NormVariables& variables, double epsilon) {
  const auto [statistics, coefficients] = norm_values(to, src.shape[-1]);
  append(to, std::make_unique<MovingCoefficientsOp>(kernels::NormCoefficients::Problem{src.shape[-1], epsilon}),
         {variables.moving_mean, variables.moving_variance, variables.gamma, variables.beta}, {statistics, coefficients});
  return normalize(to, src, coefficients, statistics, variables, epsilon, true);
}

Value norm_coefficients(const Op& op) {
  const auto* norm = dynamic_cast<const NormOp*>(&op);
  return norm == nullptr ? Value{} : norm->foldable_coefficients();
}

bool is_linear_norm(const Op& op) {
  const auto* norm = dynamic_cast<const NormOp*>(&op);
  return norm != nullptr && norm->is_linear();
}

std::unique_ptr<Op> norm_with_relu(const Op& op) { return dynamic_cast<const NormOp&>(op).with_relu(); }

}  // namespace linn::detail::plan
