// linn's side of bench/peers' parts `conv` and `sweep`: one convolution, alone or with the pooling behind it, as a plan runs it: by
// shards on the worker pool, with the fusions, implementations, packed and turned kernels of a step. The public interface has no way to
// call one layer's gradient alone, so the plan is built here.
#include <chrono>
#include <cstring>
#include <map>
#include <set>

#include <fmt/format.h>

#include "core/worker_pool.h"
#include "kernels/geometry.h"
#include "kernels/roofline.h"
#include "plan/ops/conv.h"
#include "plan/ops/conv_transpose.h"
#include "plan/ops/eltwise.h"
#include "plan/ops/pool.h"
#include "plan/passes.h"
#include "plan/workspace.h"
#include "rivals/convolution.h"

namespace linn::bench {
namespace {

using detail::plan::Extent;
using detail::plan::Home;
using detail::plan::Value;
using rivals::Convolution;

// Memory of bound values by their number. Forward and backward plans are cut from the same lowering, so their numbers agree.
class Memory {
 public:
  void* of(Value value, std::int64_t bytes) {
    const auto found = arenas_.find(value.id);
    return (found != arenas_.end() ? found : arenas_.emplace(value.id, detail::plan::cpu().allocate(bytes)).first)->second.get();
  }
  void fill(Value value, std::size_t count, unsigned seed) {
    const std::vector<float> values = rivals::numbers(count, seed);
    const std::size_t bytes = count * sizeof(float);
    std::memcpy(of(value, static_cast<std::int64_t>(bytes)), values.data(), bytes);
  }

 private:
  std::map<int, detail::plan::Device::Memory> arenas_;
};

// The forward ops of a convolution, or its backward ops, as a plan of their own over the caller's memory.
class Half {
 public:
  Half(const Convolution& c, bool backward, Memory& memory) : c_(c) {
    detail::plan::Lowering to(c.infers() ? detail::plan::Purpose::inference : detail::plan::Purpose::training);
    lower_forward(to);
    const std::size_t forward_ops = to.ops().size();
    lower_backward(to);
    const std::vector<Value> crossing = crossings(to, forward_ops);
    const auto cut = to.ops().begin() + static_cast<std::ptrdiff_t>(forward_ops);
    backward ? to.ops().erase(to.ops().begin(), cut) : to.ops().erase(cut, to.ops().end());
    plan_ = std::make_unique<detail::plan::Plan>(std::move(to), detail::plan::PlanOptions{.batch = c.batch, .policy = {}});
    workspace_ = std::make_unique<detail::plan::Workspace>(*plan_);
    bind(crossing, memory);
  }

  void run() { workspace_->run(c_.batch, step_, {}); }

  /// Of each result that this half gives.
  std::vector<float> sketches() {
    std::vector<float> result;
    const auto add = [&](Value value, std::size_t count) {
      const std::vector<float> sums = rivals::sketch(static_cast<const float*>(workspace_->at(value)), count);
      result.insert(result.end(), sums.begin(), sums.end());
    };
    if (!c_.backward()) add(output_, c_.output());
    if (c_.gives_input_gradient()) add(input_gradient_, c_.map());
    if (c_.gives_kernel_gradient()) add(kernel_gradient_, c_.kernel());
    return result;
  }

  /// Of each op, in order; packing bears the name of the op that it packs for.
  std::string implementations() const {
    std::string names;
    for (int i = 0; i < plan_->ops(); ++i)
      if (plan_->op(i).name() != "pack_kernel") names += (names.empty() ? "" : ", ") + plan_->op(i).implementation();
    return names;
  }

  /// Floating-point operations of a batch, by the direct form.
  double flops() const {
    double sum = 0;
    for (int i = 0; i < plan_->ops(); ++i) sum += plan_->op(i).flops(c_.batch);
    return sum;
  }

 private:
  Value bound(detail::plan::Lowering& to, const char* name, const Shape& shape, Extent extent) {
    return to.value(name, shape, extent, detail::plan::Element::real, Home::bound);
  }

  void lower_forward(detail::plan::Lowering& to) {
    input_ = bound(to, "input", {c_.height, c_.width, c_.channels}, Extent::batch);
    if (c_.infers()) bias_ = bound(to, "bias", {c_.filters}, Extent::fixed);
    to.set_layer("conv2d");
    output_ = c_.transposed ? lower_transposed(to) : lower_convolution(to);
    if (c_.infers()) output_ = detail::plan::activation(to, output_, detail::kernels::Activation::relu);
    if (c_.pooled()) output_ = lower_pooling(to);
    to.info(output_).home = Home::bound;
    to.info(output_).kept = true;
    detail::plan::fuse(to);
    detail::plan::trim(to);
  }

  detail::kernels::Window window() const {
    return {.height = c_.window_height,
            .width = c_.window_width,
            .stride_height = c_.stride,
            .stride_width = c_.stride,
            .dilation_height = c_.dilation,
            .dilation_width = c_.dilation,
            .border = c_.same ? detail::kernels::Border::same : detail::kernels::Border::valid};
  }

  Value lower_convolution(detail::plan::Lowering& to) {
    kernel_ = bound(to, "kernel", {c_.window_height, c_.window_width, c_.channels / c_.groups, c_.filters}, Extent::fixed);
    const auto geometry = detail::kernels::resolve(window(), c_.height, c_.width, c_.channels, c_.filters, c_.groups);
    return detail::plan::conv2d(to, input_, kernel_, bias_, geometry.value());
  }

  // The gradient of the convolution that leads from the larger map, of `filters` channels, to the smaller one.
  Value lower_transposed(detail::plan::Lowering& to) {
    kernel_ = bound(to, "kernel", {c_.window_height, c_.window_width, c_.filters, c_.channels}, Extent::fixed);
    const auto geometry = detail::kernels::resolve(window(), c_.rows().out, c_.columns().out, c_.filters, c_.channels);
    return detail::plan::conv2d_transpose(to, input_, kernel_, bias_, geometry.value());
  }

  Value lower_pooling(detail::plan::Lowering& to) {
    const auto kind = c_.pools_max() ? detail::kernels::PoolKind::max : detail::kernels::PoolKind::average;
    to.set_layer("pooling2d");
    if (c_.pools_globally()) return detail::plan::global_pool2d(to, output_, kind);
    const detail::kernels::Window pool = {
        .height = c_.pool_height, .width = c_.pool_width, .stride_height = c_.pool_stride, .stride_width = c_.pool_stride};
    return detail::plan::pool2d(to, output_, kind,
                                detail::kernels::resolve(pool, c_.rows().out, c_.columns().out, c_.filters, c_.filters).value());
  }

  // A forward pass with pooling is timed as in training, and so needs to be told that gradients follow.
  void lower_backward(detail::plan::Lowering& to) {
    if (c_.infers() || (!c_.pooled() && !c_.backward())) return;
    std::vector<Value> wanted;
    if (c_.gives_input_gradient() || c_.pooled()) wanted.push_back(input_);
    if (c_.gives_kernel_gradient() || c_.pooled()) wanted.push_back(kernel_);
    detail::plan::Gradients gradients(to, wanted);
    output_gradient_ = bound(to, "output gradient", output_.shape, Extent::batch);
    gradients.give(output_, output_gradient_);
    gradients.run();
    input_gradient_ = gradients.of(input_);
    kernel_gradient_ = gradients.of(kernel_);
    for (const Value& gradient : {input_gradient_, kernel_gradient_})
      if (gradient.defined()) to.info(gradient).kept = true;
  }

  // What forward ops leave to backward ops, such as an argmax: the caller's memory from here on.
  static std::vector<Value> crossings(detail::plan::Lowering& to, std::size_t forward_ops) {
    std::set<int> made;
    std::vector<Value> result;
    for (std::size_t i = 0; i < to.ops().size(); ++i)
      for (const Value& value : i < forward_ops ? to.ops()[i]->outputs : to.ops()[i]->inputs) {
        if (!value.defined()) continue;
        if (i < forward_ops)
          made.insert(value.id);
        else if (made.erase(value.id) == 1) {
          to.info(value).home = Home::bound;
          result.push_back(value);
        }
      }
    return result;
  }

  void bind(const std::vector<Value>& crossing, Memory& memory) {
    memory.fill(input_, c_.map(), rivals::input_seed);
    memory.fill(kernel_, c_.kernel(), rivals::kernel_seed);
    if (bias_.defined()) memory.fill(bias_, static_cast<std::size_t>(c_.filters), rivals::bias_seed);
    if (output_gradient_.defined()) memory.fill(output_gradient_, c_.output(), rivals::output_gradient_seed);
    std::vector<Value> bound = {input_, kernel_, bias_, output_, output_gradient_};
    bound.insert(bound.end(), crossing.begin(), crossing.end());
    for (const Value& value : bound) {
      if (!value.defined()) continue;
      const detail::plan::ValueInfo& info = plan_->values()[static_cast<std::size_t>(value.id)];
      const std::int64_t images = info.extent == Extent::batch ? c_.batch : 1;
      const auto element = static_cast<std::int64_t>(plan_->element_bytes(info));
      workspace_->bind(value, memory.of(value, images * info.shape.elements() * element));
    }
  }

  Convolution c_;
  Value input_, kernel_, bias_, output_, output_gradient_, input_gradient_, kernel_gradient_;
  std::unique_ptr<detail::plan::Plan> plan_;
  std::unique_ptr<detail::plan::Workspace> workspace_;
  detail::plan::StepInfo step_;
};

// Units of work per second on all threads: the best of many short rounds, because other processes use the machine too.
double best_rate(double units_an_item, std::int64_t items, const detail::core::Task& task) {
  constexpr double wanted_seconds = 0.05;
  const detail::core::SharedPool pool = detail::core::worker_pool();
  double best = 0;
  double used = 0;
  while (used < wanted_seconds) {
    const auto start = std::chrono::steady_clock::now();
    pool.run(items, task);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    best = std::max(best, units_an_item * static_cast<double>(items) / taken.count());
    used += taken.count();
  }
  return best;
}

double peak_flops(int threads) {
  constexpr std::int64_t rounds = 20'000;
  return best_rate(detail::kernels::multiply_adds(1) * rounds, 8 * threads,
                   [](std::int64_t, int) { detail::kernels::multiply_adds(rounds); });
}

// Bytes read and written per second by a copy that moves `bytes` in all, in pieces of the size of an L1 cache.
double copy_bandwidth(std::int64_t bytes) {
  constexpr std::int64_t piece = 8192;
  const std::int64_t pieces = std::max<std::int64_t>(bytes / 2 / (piece * std::int64_t{sizeof(float)}), 1);
  const detail::plan::Device::Memory src = detail::plan::cpu().allocate(pieces * piece * std::int64_t{sizeof(float)});
  const detail::plan::Device::Memory dst = detail::plan::cpu().allocate(pieces * piece * std::int64_t{sizeof(float)});
  auto* from = reinterpret_cast<float*>(src.get());
  auto* to = reinterpret_cast<float*>(dst.get());
  std::fill_n(from, pieces * piece, 1.0F);  // the first write allocates the pages
  return best_rate(2.0 * piece * sizeof(float), pieces,
                   [=](std::int64_t item, int) { detail::kernels::copy(from + item * piece, to + item * piece, piece); });
}

// What the machine could do at its present load: for the shares in the table. Bytes are those of input and output.
std::string limits(const Convolution& c, double flops, int threads) {
  const auto bytes = static_cast<std::int64_t>((c.map() + c.output()) * sizeof(float));
  return fmt::format(R"({{"flops_an_image": {}, "peak_flops": {}, "bytes_an_image": {}, "copy_bandwidth": {}}})", flops / c.batch,
                     peak_flops(threads), bytes / c.batch, c.depthwise() ? copy_bandwidth(bytes) : 0.0);
}

rivals::Rival prepare(const rivals::Task& task) {
  detail::core::set_threads(task.threads);
  const Convolution c = rivals::read_convolution(task);
  auto memory = std::make_shared<Memory>();
  if (c.backward() && c.pooled()) Half(c, false, *memory).run();  // leaves the argmax
  auto timed = std::make_shared<Half>(c, c.backward(), *memory);
  rivals::Rival rival = {
      .versions = "{}", .settings = {}, .most_batches = 0, .fixed = true, .limits = limits(c, timed->flops(), task.threads)};
  rival.settings.emplace_back(timed->implementations(), [=]() -> rivals::Setting {
    return {.run =
                [=](int batches) {
                  for (int i = 0; i < batches; ++i) timed->run();
                  return 0.0;
                },
            .outputs = [memory, timed] { return timed->sketches(); }};
  });
  return rival;
}

}  // namespace
}  // namespace linn::bench

int main(int argc, char** argv) { return rivals::run_child(argc, argv, linn::bench::prepare); }
