#include "plan/ops/update.h"

#include <array>
#include <cmath>
#include <memory>
#include <utility>

#include "plan/ops/append.h"

namespace linn::detail::plan {
namespace {

// inputs {gradient}, outputs {variable, slots...}, all of the variable's size.
template <class Derived, class Kernel>
class UpdateOp : public PiecesOp<Derived, Kernel> {
 public:
  UpdateOp(const typename Kernel::Problem& problem, double decay, double rate_factor)
      : PiecesOp<Derived, Kernel>(problem), decay_(decay), rate_factor_(rate_factor) {}

  std::string_view name() const override { return Kernel::name; }

 protected:
  double decay(const Call& call) const { return decay_ * call.step->learning_rate; }
  double rate(const Call& call) const { return rate_factor_ * call.step->learning_rate; }
  // Output i at the first element of the call's piece; null if there is no such output.
  template <class T>
  T* slot(const Call& call, std::size_t i) const {
    return i < this->outputs.size() ? call.out<T>(i) + this->offset(call) : nullptr;
  }

 private:
  double decay_, rate_factor_;
};

// Keras rounds the betas to float32 before it raises them to the step count: 1 - 0.999 changes by 1.3e-5, the first steps by 6e-6.
double power(double beta, double step) { return std::pow(static_cast<double>(static_cast<float>(beta)), step); }

class AdamOp final : public UpdateOp<AdamOp, kernels::AdamUpdate> {
 public:
  using UpdateOp::UpdateOp;

  template <class T>
  void compute(const Call& call) const {
    const auto& p = problem();
    const auto t = static_cast<double>(updates(call));
    const double alpha = rate(call) * std::sqrt(1 - power(p.beta_2, t)) / (1 - power(p.beta_1, t));
    kernel_.run<T>({.count = count(call), .alpha = alpha, .decay = decay(call), .gradient = call.in<T>(0) + offset(call), .variable = slot<T>(call, 0),
                    .momentum = slot<T>(call, 1), .velocity = slot<T>(call, 2), .velocity_hat = slot<T>(call, 3), .scratch = nullptr});
  }
};

class SgdOp final : public UpdateOp<SgdOp, kernels::SgdUpdate> {
 public:
  using UpdateOp::UpdateOp;

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.count = count(call),
                    .learning_rate = rate(call),
                    .decay = decay(call),
                    .gradient = call.in<T>(0) + offset(call),
                    .variable = slot<T>(call, 0),
                    .momentum = slot<T>(call, 1),
                    .scratch = nullptr});
  }
};

class RmspropOp final : public UpdateOp<RmspropOp, kernels::RmspropUpdate> {
 public:
  using UpdateOp::UpdateOp;

  template <class T>
  void compute(const Call& call) const {
    const auto& p = problem();
    const std::size_t momentum = p.momentum != 0 ? 2 : outputs.size();
    const std::size_t average = p.centered ? outputs.size() - 1 : outputs.size();
    kernel_.run<T>({.count = count(call),
                    .learning_rate = rate(call),
                    .decay = decay(call),
                    .gradient = call.in<T>(0) + offset(call),
                    .variable = slot<T>(call, 0),
                    .velocity = slot<T>(call, 1),
                    .momentum = slot<T>(call, momentum),
                    .average_gradient = slot<T>(call, average),
                    .scratch = nullptr});
  }
};

class ElementUpdateOp final : public UpdateOp<ElementUpdateOp, kernels::ElementUpdate> {
 public:
  using UpdateOp::UpdateOp;

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.count = count(call),
                    .learning_rate = rate(call),
                    .step = updates(call),
                    .decay = decay(call),
                    .gradient = call.in<T>(0) + offset(call),
                    .variable = slot<T>(call, 0),
                    .slots = {slot<T>(call, 1), slot<T>(call, 2), slot<T>(call, 3)},
                    .scratch = nullptr});
  }
};

// w -= rate * g.
struct Along {
  template <class T>
  auto at(T rate, std::int64_t /*step*/) const {
    return [rate](T g, T& w) { w -= rate * g; };
  }
};

// inputs {direction, sums...}, outputs {variable}
class DirectedUpdateOp final : public UpdateOp<DirectedUpdateOp, kernels::ElementUpdate> {
 public:
  explicit DirectedUpdateOp(StepFactor factor) : UpdateOp({kernels::StepFunction::of(Along{})}, 0, 1), factor_(std::move(factor)) {}

  std::string_view name() const override { return "directed_update"; }

  template <class T>
  void compute(const Call& call) const {
    std::array<double, 2> sums{};
    for (std::size_t i = 1; i < inputs.size(); ++i) sums[i - 1] = *call.in<double>(i);
    const double factor = factor_(call.step->learning_rate, updates(call), std::span(sums).first(inputs.size() - 1));
    kernel_.run<T>({.count = count(call),
                    .learning_rate = factor,
                    .step = updates(call),
                    .decay = 0,
                    .gradient = call.in<T>(0) + offset(call),
                    .variable = slot<T>(call, 0),
                    .slots = {},
                    .scratch = nullptr});
  }

 private:
  StepFactor factor_;
};

template <class MadeOp>
void append_update(Lowering& to, const typename MadeOp::Problem& problem, const UpdateValues& values) {
  std::vector<Value> outputs{values.variable};
  outputs.insert(outputs.end(), values.slots.begin(), values.slots.end());
  append(to, std::make_unique<MadeOp>(problem, values.decay, values.rate_factor), {values.gradient}, std::move(outputs));
}

}  // namespace

void adam_update(Lowering& to, const kernels::AdamUpdate::Problem& problem, const UpdateValues& values) {
  append_update<AdamOp>(to, problem, values);
}

void sgd_update(Lowering& to, const kernels::SgdUpdate::Problem& problem, const UpdateValues& values) { append_update<SgdOp>(to, problem, values); }

void rmsprop_update(Lowering& to, const kernels::RmspropUpdate::Problem& problem, const UpdateValues& values) {
  append_update<RmspropOp>(to, problem, values);
}

void element_update(Lowering& to, const kernels::StepFunction& function, const UpdateValues& values) {
  append_update<ElementUpdateOp>(to, {.function = function}, values);
}

void directed_update(Lowering& to, Value direction, Value variable, const std::vector<Value>& sums, StepFactor factor) {
  std::vector<Value> inputs{direction};
  inputs.insert(inputs.end(), sums.begin(), sums.end());
  append(to, std::make_unique<DirectedUpdateOp>(std::move(factor)), std::move(inputs), {variable});
}

}  // namespace linn::detail::plan
