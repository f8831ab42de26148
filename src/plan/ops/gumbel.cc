#include "plan/ops/gumbel.h"

#include <cmath>
#include <memory>

#include "core/random.h"
#include "kernels/polyphase/gumbel.h"
#include "plan/ops/append.h"

namespace linn::detail::plan {
namespace {

// inputs {weights, d}.
class GumbelSoftmaxGradientOp final : public GradientOp<GumbelSoftmaxGradientOp, kernels::GumbelSoftmaxGradient> {
 public:
  GumbelSoftmaxGradientOp(std::int64_t classes, const Annealing& temperature)
      : GradientOp({.classes = classes}), temperature_(temperature) {}

  std::string_view name() const override { return "gumbel_softmax_gradient"; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.rows = call.images,
                    .temperature = temperature_.at(call.step->step),
                    .weights = call.in<T>(0),
                    .dweights = call.in<T>(1),
                    .dlogits = call.out<T>(0),
                    .scratch = nullptr});
  }

 private:
  Annealing temperature_;
};

class GumbelSoftmaxOp final : public KernelOp<GumbelSoftmaxOp, kernels::GumbelSoftmaxForward> {
 public:
  GumbelSoftmaxOp(std::int64_t classes, const Annealing& temperature, std::uint64_t seed, std::uint64_t stream)
      : KernelOp({.classes = classes}), temperature_(temperature), seed_(seed), stream_(stream) {}

  std::string_view name() const override { return "gumbel_softmax"; }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    const Value dlogits = gradients.make(inputs[0]);
    append(gradients.to(), std::make_unique<GumbelSoftmaxGradientOp>(problem().classes, temperature_), {outputs[0], d}, {dlogits});
    gradients.give(inputs[0], dlogits);
  }

  template <class T>
  void compute(const Call& call) const {
    const std::uint64_t stream = core::stream_of("gumbel", (stream_ << 40) + static_cast<std::uint64_t>(call.step->step));
    kernel_.run<T>({.rows = call.images,
                    .seed = call.step->seed ^ seed_,
                    .stream = stream,
                    .first = static_cast<std::uint64_t>(problem().classes * call.first),
                    .temperature = temperature_.at(call.step->step),
                    .logits = call.in<T>(0),
                    .weights = call.out<T>(0),
                    .scratch = nullptr});
  }

 private:
  Annealing temperature_;
  std::uint64_t seed_, stream_;
};

}  // namespace

double Annealing::at(std::int64_t step) const {
  if (step >= steps) return last;
  return first * std::pow(last / first, static_cast<double>(step) / static_cast<double>(steps));
}

Value gumbel_softmax(Lowering& to, Value logits, const Annealing& temperature, std::uint64_t seed) {
  const Value weights = to.value("weights " + to.layer(), logits.shape, Extent::batch);
  return append(to, std::make_unique<GumbelSoftmaxOp>(logits.shape[-1], temperature, seed, to.next_stream()), {logits}, {weights});
}

}  // namespace linn::detail::plan
