#include "plan/ops/eltwise.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "core/checked.h"
#include "core/random.h"
#include "kernels/eltwise/eltwise.h"
#include "plan/ops/append.h"

namespace linn::detail::plan {
namespace {

// Elements of the call's images.
std::int64_t count_of(const Call& call, const Value& value) { return value.shape.elements() * call.images; }

// Gather or GatherLabels, of rows of a source.
template <class Kernel>
class GatherOp final : public GradientOp<GatherOp<Kernel>, Kernel> {
 public:
  GatherOp(int source, const typename Kernel::Problem& problem) : GradientOp<GatherOp, Kernel>(problem), source_(source) {}

  std::string_view name() const override { return Kernel::name; }
  std::int64_t period() const override { return this->kernel_.period(); }
  std::int64_t source_bytes() const override { return this->problem().row * static_cast<std::int64_t>(size_of(this->problem().from)); }

  template <class T>
  void compute(const Call& call) const {
    using To = std::remove_pointer_t<decltype(Kernel::template Args<T>::dst)>;
    const plan::Rows& rows = call.sources[source_];
    this->kernel_.template run<T>({.rows = call.images, .src = rows.data, .index = rows.index, .first = rows.first + call.first, .dst = call.out<To>(0),
                                   .scratch = static_cast<T*>(call.scratch)});
  }

 private:
  int source_;
};

class RescaleOp final : public KernelOp<RescaleOp, kernels::Rescale> {
 public:
  using KernelOp::KernelOp;

  std::string_view name() const override { return "rescale"; }
  std::vector<std::size_t> in_place() const override { return {0}; }
  std::int64_t period() const override { return kernel_.period(); }
  void differentiate(Gradients& gradients) override {
    if (const Value d = gradients.of(outputs[0]); d.defined()) gradients.give(inputs[0], rescale(gradients.to(), d, problem().scale, 0));
  }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.count = count_of(call, outputs[0]), .src = call.in<T>(0), .dst = call.out<T>(0), .scratch = nullptr});
  }
};

// Two inputs or more, added in their order.
class AddOp final : public KernelOp<AddOp, kernels::Add> {
 public:
  explicit AddOp(bool fixed) : fixed_(fixed) {}

  std::string_view name() const override { return "add"; }
  std::vector<std::size_t> in_place() const override { return {0, 1}; }
  Cut cut() const override { return fixed_ ? Cut::outputs : Cut::images; }
  std::int64_t pieces() const override { return core::ceil_div(outputs[0].shape.elements(), piece_elements); }
  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    for (const Value& input : inputs)
      if (gradients.wants(input)) gradients.give(input, d);
  }

  template <class T>
  void compute(const Call& call) const {
    const std::int64_t elements = outputs[0].shape.elements();
    const std::int64_t first = fixed_ ? call.piece * piece_elements : 0;
    const std::int64_t count = fixed_ ? std::min(piece_elements, elements - first) : elements * call.images;
    T* dst = call.out<T>(0) + first;
    const T* sum = call.in<T>(0) + first;
    for (std::size_t i = 1; i < inputs.size(); ++i, sum = dst)
      kernel_.run<T>({.count = count, .a = sum, .b = call.in<T>(i) + first, .dst = dst, .scratch = nullptr});
  }

 private:
  static constexpr std::int64_t piece_elements = 1 << 14;

  bool fixed_;
};

class ActivationGradientOp final : public GradientOp<ActivationGradientOp, kernels::ActivationGradient> {
 public:
  explicit ActivationGradientOp(const kernels::ActivationSpec& function) : GradientOp({.activation = function}) {}

  std::string_view name() const override { return "activation_gradient"; }
  std::vector<std::size_t> in_place() const override { return {1, 0}; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.count = count_of(call, outputs[0]), .src = call.in<T>(0), .ddst = call.in<T>(1), .dsrc = call.out<T>(0),
                    .scratch = nullptr});
  }
};

class ActivationOp final : public KernelOp<ActivationOp, kernels::ActivationForward> {
 public:
  explicit ActivationOp(const kernels::ActivationSpec& function) : KernelOp({.activation = function}) {}

  kernels::Activation kind() const { return problem().activation.kind; }
  std::string_view name() const override { return "activation"; }
  std::vector<std::size_t> in_place() const override { return {0}; }
  std::int64_t period() const override { return kernel_.period(); }
  void differentiate(Gradients& gradients) override {
    if (const Value d = gradients.of(outputs[0]); d.defined()) gradients.give(inputs[0], activation_gradient(gradients, problem().activation, inputs[0], d));
  }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.count = count_of(call, outputs[0]), .src = call.in<T>(0), .dst = call.out<T>(0), .scratch = nullptr});
  }
};

class DropoutOp final : public KernelOp<DropoutOp, kernels::Dropout> {
 public:
  DropoutOp(double rate, std::uint64_t seed, std::uint64_t stream) : KernelOp({.rate = rate}), seed_(seed), stream_(stream) {}

  std::string_view name() const override { return "dropout"; }
  std::vector<std::size_t> in_place() const override { return {0}; }
  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    const Value result = gradients.make(inputs[0]);
    append(gradients.to(), std::make_unique<DropoutOp>(problem().rate, seed_, stream_), {d}, {result});
    gradients.give(inputs[0], result);
  }

  template <class T>
  void compute(const Call& call) const {
    const std::int64_t row = outputs[0].shape.elements();
    const std::uint64_t stream = core::stream_of("dropout", (stream_ << 40) + static_cast<std::uint64_t>(call.step->step));
    kernel_.run<T>({.count = row * call.images, .seed = call.step->seed ^ seed_, .stream = stream,
                    .first = static_cast<std::uint64_t>(row * call.first), .src = call.in<T>(0), .dst = call.out<T>(0),
                    .scratch = nullptr});
  }

 private:
  std::uint64_t seed_, stream_;
};

}  // namespace

Value gather(Lowering& to, int source, const Shape& shape, DType from) {
  const Value output = to.value("input", shape, Extent::batch);
  return append(to, std::make_unique<GatherOp<kernels::Gather>>(source, kernels::Gather::Problem{shape.elements(), from}), {}, {output});
}

Value gather_labels(Lowering& to, int source, std::int64_t labels, DType from) {
  const Value output = to.value("labels", {labels}, Extent::batch, Element::i64);
  return append(to, std::make_unique<GatherOp<kernels::GatherLabels>>(source, kernels::GatherLabels::Problem{labels, from}), {}, {output});
}

Value rescale(Lowering& to, Value src, double scale, double offset) {
  const Value output = to.value(to.layer(), src.shape, Extent::batch);
  return append(to, std::make_unique<RescaleOp>(kernels::Rescale::Problem{.scale = scale, .offset = offset}), {src}, {output});
}

Value copy(Lowering& to, Value src) {
  return {rescale(to, src, 1, -0.0).id, src.shape};  // x + -0 is x, also for both zeros
}

Value sum(Lowering& to, const std::vector<Value>& terms) {
  const ValueInfo info = to.info(terms.front());
  const Value output = to.value(info.name, terms.front().shape, info.extent);
  return append(to, std::make_unique<AddOp>(info.extent == Extent::fixed), terms, {output});
}

Value activation(Lowering& to, Value src, const kernels::ActivationSpec& function) {
  if (function.kind == kernels::Activation::linear) return src;
  const Value output = to.value(to.layer(), src.shape, Extent::batch);
  return append(to, std::make_unique<ActivationOp>(function), {src}, {output});
}

Value activation_gradient(Gradients& gradients, const kernels::ActivationSpec& function, Value src, Value ddst) {
  return append(gradients.to(), std::make_unique<ActivationGradientOp>(function), {src, ddst}, {gradients.make(src)});
}

Value dropout(Lowering& to, Value src, double rate, std::uint64_t seed) {
  const Value output = to.value(to.layer(), src.shape, Extent::batch);
  return append(to, std::make_unique<DropoutOp>(rate, seed, to.next_stream()), {src}, {output});
}

const kernels::ActivationForward::Problem* activation_problem(const Op& op) {
  const auto* activation = dynamic_cast<const ActivationOp*>(&op);
  return activation == nullptr ? nullptr : &activation->problem();
}

bool is_relu(const Op& op) {
  const auto* problem = activation_problem(op);
  return problem != nullptr && problem->activation == kernels::Activation::relu;
}

bool is_sum_of_two(const Op& op) { return dynamic_cast<const AddOp*>(&op) != nullptr && op.cut() == Cut::images && op.inputs.size() == 2; }

Value sigmoid_source(const Op& op) {
  const auto* activation = dynamic_cast<const ActivationOp*>(&op);
  return activation != nullptr && activation->kind() == kernels::Activation::sigmoid ? activation->inputs[0] : Value{};
}

}  // namespace linn::detail::plan
