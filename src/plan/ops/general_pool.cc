#include "plan/ops/general_pool.h"

#include <memory>

#include "core/random.h"
#include "plan/ops/append.h"

namespace linn::detail::plan {
namespace {

// The random numbers of a sampled pooling; its gradient draws them again.
struct Stream {
  std::uint64_t seed = 0, number = 0;

  std::uint64_t key(const Call& call) const { return call.step->seed ^ seed; }
  std::uint64_t at(const Call& call) const { return core::stream_of("stochastic_pool", (number << 40) + static_cast<std::uint64_t>(call.step->step)); }
};

bool is_random(const kernels::GeneralPoolForward::Problem& problem) { return problem.function == kernels::PoolFunction::sampled; }

// Number of the first element of the output in the batch.
std::uint64_t first_of(const Call& call, const kernels::Geometry& g) {
  return static_cast<std::uint64_t>(call.first * g.out_height * g.out_width * g.channels);
}

// One operation for each cell of each window.
double operations(const kernels::GeneralPoolForward::Problem& problem, std::int64_t images) {
  return static_cast<double>(images * kernels::pairs(problem.geometry) * problem.geometry.channels);
}

// inputs {src, dst, parameters, ddst}, outputs {dsrc, dparameters}, each only where it is wanted.
class GeneralPoolGradientOp final : public GradientOp<GeneralPoolGradientOp, kernels::GeneralPoolGradient> {
 public:
  GeneralPoolGradientOp(const Problem& problem, const Stream& stream) : GradientOp(problem), stream_(stream) {}

  std::string_view name() const override { return "general_pool2d_gradient"; }
  double flops(std::int64_t images) const override { return operations(problem(), images); }

  template <class T>
  void compute(const Call& call) const {
    const bool random = is_random(problem());
    kernel_.run<T>({.images = call.images, .src = call.in<T>(0), .dst = call.in<T>(1), .parameters = call.in<T>(2),
                    .seed = random ? stream_.key(call) : 0, .stream = random ? stream_.at(call) : 0, .first = first_of(call, problem().geometry),
                    .ddst = call.in<T>(3), .dsrc = call.out<T>(0), .dparameters = call.out<T>(1), .scratch = static_cast<T*>(call.scratch)});
  }

 private:
  Stream stream_;
};

// inputs {src, parameters}.
class GeneralPoolOp final : public WindowOp<GeneralPoolOp, kernels::GeneralPoolForward> {
 public:
  GeneralPoolOp(const Problem& problem, const Stream& stream) : WindowOp(problem), stream_(stream) {}

  std::string_view name() const override { return "general_pool2d"; }
  std::int64_t period() const override { return kernel_.period(); }
  double flops(std::int64_t images) const override { return operations(problem(), images); }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    Value wanted[2];
    for (std::size_t i = 0; i < 2; ++i)
      if (inputs[i].defined() && gradients.wants(inputs[i])) wanted[i] = gradients.make(inputs[i]);
    auto op = std::make_unique<GeneralPoolGradientOp>(problem(), stream_);
    op->inputs = {inputs[0], outputs[0], inputs[1], d};
    op->outputs = {wanted[0], wanted[1]};
    gradients.to().add(std::move(op));
    for (std::size_t i = 0; i < 2; ++i)
      if (wanted[i].defined()) gradients.give(inputs[i], wanted[i]);
  }

  template <class T>
  void compute(const Call& call) const {
    const bool random = is_random(problem());
    kernel_.run<T>({.images = call.images, .src = call.in<T>(0), .parameters = call.in<T>(1), .seed = random ? stream_.key(call) : 0,
                    .stream = random ? stream_.at(call) : 0, .first = first_of(call, problem().geometry), .dst = call.out<T>(0),
                    .scratch = static_cast<T*>(call.scratch)});
  }

 private:
  Stream stream_;
};

}  // namespace

Value general_pool2d(Lowering& to, Value src, Value parameters, const kernels::GeneralPoolForward::Problem& problem, std::uint64_t seed) {
  const kernels::Geometry& g = problem.geometry;
  const Stream stream = is_random(problem) ? Stream{seed, to.next_stream()} : Stream{};
  const Value output = to.value(to.layer(), {g.out_height, g.out_width, g.out_channels}, Extent::batch);
  return append(to, std::make_unique<GeneralPoolOp>(problem, stream), {src, parameters}, {output});
}

}  // namespace linn::detail::plan
