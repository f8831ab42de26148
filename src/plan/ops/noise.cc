#include "plan/ops/noise.h"

#include <memory>

#include "core/random.h"
#include "kernels/eltwise/noise.h"
#include "plan/ops/append.h"

namespace linn::detail::plan {
namespace {

// The stream of an op's random numbers in one step.
struct Stream {
  const char* purpose;
  std::uint64_t seed, number;

  std::uint64_t key(const Call& call) const { return call.step->seed ^ seed; }
  std::uint64_t at(const Call& call) const { return core::stream_of(purpose, (number << 40) + static_cast<std::uint64_t>(call.step->step)); }
};

class SpatialDropoutOp final : public KernelOp<SpatialDropoutOp, kernels::SpatialDropout> {
 public:
  SpatialDropoutOp(const Problem& problem, const Stream& stream) : KernelOp(problem), stream_(stream) {}

  std::string_view name() const override { return "spatial_dropout"; }
  std::vector<std::size_t> in_place() const override { return {0}; }
  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    gradients.give(inputs[0], append(gradients.to(), std::make_unique<SpatialDropoutOp>(problem(), stream_), {d}, {gradients.make(inputs[0])}));
  }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .seed = stream_.key(call), .stream = stream_.at(call),
                    .first = static_cast<std::uint64_t>(call.first), .src = call.in<T>(0), .dst = call.out<T>(0),
                    .scratch = static_cast<T*>(call.scratch)});
  }

 private:
  Stream stream_;
};

class GaussianNoiseOp final : public KernelOp<GaussianNoiseOp, kernels::GaussianNoise> {
 public:
  GaussianNoiseOp(const Problem& problem, const Stream& stream) : KernelOp(problem), stream_(stream) {}

  std::string_view name() const override { return problem().multiplies ? "gaussian_dropout" : "gaussian_noise"; }
  std::vector<std::size_t> in_place() const override { return {0}; }
  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    if (!problem().multiplies) return gradients.give(inputs[0], {d.id, inputs[0].shape});
    gradients.give(inputs[0], append(gradients.to(), std::make_unique<GaussianNoiseOp>(problem(), stream_), {d}, {gradients.make(inputs[0])}));
  }

  template <class T>
  void compute(const Call& call) const {
    const std::int64_t row = outputs[0].shape.elements();
    kernel_.run<T>({.count = row * call.images, .seed = stream_.key(call), .stream = stream_.at(call),
                    .first = static_cast<std::uint64_t>(row * call.first), .src = call.in<T>(0), .dst = call.out<T>(0), .scratch = nullptr});
  }

 private:
  Stream stream_;
};

}  // namespace

Value spatial_dropout(Lowering& to, Value src, double rate, std::uint64_t seed) {
  const kernels::SpatialDropout::Problem problem{.rate = rate, .pixels = src.shape[0] * src.shape[1], .channels = src.shape[2]};
  const Stream stream{"spatial_dropout", seed, to.next_stream()};
  return append(to, std::make_unique<SpatialDropoutOp>(problem, stream), {src}, {to.value(to.layer(), src.shape, Extent::batch)});
}

Value gaussian_noise(Lowering& to, Value src, double deviation, std::uint64_t seed) {
  const Stream stream{"gaussian_noise", seed, to.next_stream()};
  const kernels::GaussianNoise::Problem problem{.deviation = deviation};
  return append(to, std::make_unique<GaussianNoiseOp>(problem, stream), {src}, {to.value(to.layer(), src.shape, Extent::batch)});
}

Value gaussian_dropout(Lowering& to, Value src, double deviation, std::uint64_t seed) {
  const Stream stream{"gaussian_dropout", seed, to.next_stream()};
  const kernels::GaussianNoise::Problem problem{.deviation = deviation, .multiplies = true};
  return append(to, std::make_unique<GaussianNoiseOp>(problem, stream), {src}, {to.value(to.layer(), src.shape, Extent::batch)});
}

}  // namespace linn::detail::plan
