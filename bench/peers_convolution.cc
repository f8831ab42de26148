// linn's side of bench/peers' part `conv`: one convolution, alone or with the pooling behind it, as a plan runs it: by shards on the
// worker pool, with the fusions, implementations, packed and turned kernels of a step. The public interface has no way to call one
// layer's gradient alone, so the plan is built here.
#include <cstring>
#include <map>
#include <set>

#include "core/worker_pool.h"
#include "kernels/geometry.h"
#include "plan/ops/conv.h"
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
  void* of(Value value, std::int64_t bytes) { return arenas_.try_emplace(value.id, bytes).first->second.data(); }
  void fill(Value value, std::size_t count, unsigned seed) {
    const std::vector<float> values = rivals::numbers(count, seed);
    const std::size_t bytes = count * sizeof(float);
    std::memcpy(of(value, static_cast<std::int64_t>(bytes)), values.data(), bytes);
  }

 private:
  std::map<int, detail::plan::Arena> arenas_;
};

// The forward ops of a convolution, or its backward ops, as a plan of their own over the caller's memory.
class Half {
 public:
  Half(const Convolution& c, bool backward, Memory& memory) : c_(c) {
    detail::plan::Lowering to(detail::plan::Purpose::training);
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

 private:
  void lower_forward(detail::plan::Lowering& to) {
    const detail::kernels::Window three = {.height = 3, .width = 3, .border = detail::kernels::Border::same};
    const detail::kernels::Geometry conv = *detail::kernels::resolve(three, c_.height, c_.width, c_.channels, c_.channels);
    input_ = to.value("input", {c_.height, c_.width, c_.channels}, Extent::batch, detail::plan::Element::real, Home::bound);
    kernel_ = to.value("kernel", {3, 3, c_.channels, c_.channels}, Extent::fixed, detail::plan::Element::real, Home::bound);
    to.set_layer("conv2d");
    output_ = detail::plan::conv2d(to, input_, kernel_, {}, conv);
    if (c_.pooled()) {
      const detail::kernels::Window two = {.height = 2, .width = 2, .stride_height = 2, .stride_width = 2};
      to.set_layer("max_pooling2d");
      output_ = detail::plan::pool2d(to, output_, detail::kernels::PoolKind::max,
                             *detail::kernels::resolve(two, conv.out_height, conv.out_width, c_.channels, c_.channels));
    }
    to.info(output_).home = Home::bound;
    to.info(output_).kept = true;
    detail::plan::fuse(to);
    detail::plan::trim(to);
  }

  // A forward pass with pooling is timed as in training, and so needs to be told that gradients follow.
  void lower_backward(detail::plan::Lowering& to) {
    if (c_.mode == Convolution::Mode::forward) return;
    std::vector<Value> wanted;
    if (c_.gives_input_gradient() || c_.pooled()) wanted.push_back(input_);
    if (c_.gives_kernel_gradient() || c_.pooled()) wanted.push_back(kernel_);
    detail::plan::Gradients gradients(to, wanted);
    output_gradient_ = to.value("output gradient", output_.shape, Extent::batch, detail::plan::Element::real, Home::bound);
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
    if (output_gradient_.defined()) memory.fill(output_gradient_, c_.output(), rivals::output_gradient_seed);
    std::vector<Value> bound = {input_, kernel_, output_, output_gradient_};
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
  Value input_, kernel_, output_, output_gradient_, input_gradient_, kernel_gradient_;
  std::unique_ptr<detail::plan::Plan> plan_;
  std::unique_ptr<detail::plan::Workspace> workspace_;
  detail::plan::StepInfo step_;
};

rivals::Rival prepare(const rivals::Task& task) {
  detail::core::set_threads(task.threads);
  const Convolution c = rivals::read_convolution(task);
  auto memory = std::make_shared<Memory>();
  if (c.backward() && c.pooled()) Half(c, false, *memory).run();  // leaves the argmax
  auto timed = std::make_shared<Half>(c, c.backward(), *memory);
  rivals::Rival rival = {.versions = "{}", .settings = {}, .most_batches = 0, .fixed = true};
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
