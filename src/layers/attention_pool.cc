#include "linn/layers/attention_pool.h"

#include "layers/described.h"
#include "layers/window.h"
#include "plan/ops/conv.h"
#include "plan/ops/eltwise.h"
#include "plan/ops/merge.h"
#include "plan/ops/pool.h"

namespace linn {
namespace detail::layers {
namespace {

struct AttentionPooling2DConfig {
  std::int64_t units = 64;
  AttentionPooling2DOptions options = {};
};

}  // namespace
}  // namespace detail::layers

template <>
struct detail::schema::Schema<detail::layers::AttentionPooling2DConfig> {
  using C = detail::layers::AttentionPooling2DConfig;
  using O = AttentionPooling2DOptions;
  static constexpr Info info{.module = "linn.layers",
                             .name = "AttentionPooling2D",
                             .help = "A global mean whose weights, a softmax over the pixels, are made from the map."};
  static constexpr auto fields =
      all(field("units", &C::units, at_least(1), "Numbers from which the weight of a pixel is made."),
          nested(&C::options,  //
                 field("gated", &O::gated, "Whether these numbers are multiplied by a sigmoid of others."),
                 field("keepdims", &O::keepdims, "Whether the result is (1, 1, channels) instead of (channels)."),
                 detail::layers::data_format_field<O>(),
                 field("kernel_initializer", &O::kernel_initializer, "First values of the kernels."), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "a", "units": 4})", "(3, 4, 3)"},
                                         {R"({"name": "a", "units": 3, "gated": true, "keepdims": true})", "(4, 2, 5)"}};
};

namespace detail::layers {
namespace {

class AttentionDescription final : public Described<AttentionPooling2DConfig> {
 public:
  using Described::Described;

  bool waits_for_input() const override { return true; }

  Shape output_shape(const Shape& input, const std::string& where) const override {
    check_map(input, where);
    return config_.options.keepdims ? Shape{1, 1, input[2]} : Shape{input[2]};
  }

  std::vector<VariableSpec> variables(const Shape& input) const override {
    const Initializer& kernel = config_.options.kernel_initializer;
    std::vector<VariableSpec> specs{{"kernel", {input[2], config_.units}, kernel}};
    if (config_.options.gated) specs.push_back({"gate_kernel", {input[2], config_.units}, kernel});
    specs.push_back({"attention_kernel", {config_.units, 1}, kernel});
    return specs;
  }

  // The softmax is written as sums over the map of exp(logit - largest logit), which the global means take in an order that no shift
  // changes where the plan is position invariant.
  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& variables) const override {
    const plan::Value logits = logits_of(to, input, variables);
    plan::Value largest = plan::global_pool2d(to, logits, kernels::PoolKind::max);
    largest.shape = {1, 1, 1};
    const plan::Value from_largest[] = {logits, largest};
    const plan::Value weights =
        plan::activation(to, plan::merge(to, kernels::MergeKind::subtract, from_largest), kernels::Activation::exponential);
    const plan::Value weighted[] = {input, weights};
    const plan::Value sum = plan::global_pool2d(to, plan::merge(to, kernels::MergeKind::multiply, weighted), kernels::PoolKind::average);
    const plan::Value total = plan::global_pool2d(to, weights, kernels::PoolKind::average);
    const plan::Value mean[] = {sum, plan::activation(to, total, {kernels::Activation::power, -1})};
    plan::Value result = plan::merge(to, kernels::MergeKind::multiply, mean);
    result.shape = output_shape(input.shape, where());
    return result;
  }

  OnMap on_map(std::span<const Shape> /*inputs*/) const override { return {.kind = OnMap::global}; }
  ActivationKind activation() const override { return ActivationKind::unchanged; }

 private:
  // [height, width, 1].
  plan::Value logits_of(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& variables) const {
    plan::Value hidden = plan::activation(to, pointwise(to, input, variables[0]), kernels::Activation::tanh);
    if (config_.options.gated) {
      const plan::Value gated[] = {hidden, plan::activation(to, pointwise(to, input, variables[1]), kernels::Activation::sigmoid)};
      hidden = plan::merge(to, kernels::MergeKind::multiply, gated);
    }
    return pointwise(to, hidden, variables.back());
  }

  static plan::Value pointwise(plan::Lowering& to, plan::Value map, plan::Value kernel) {
    const std::int64_t channels = kernel.shape[0], outputs = kernel.shape[1];
    const kernels::Geometry g = kernels::resolve({}, map.shape[0], map.shape[1], channels, outputs).value();
    return plan::conv2d(to, map, {kernel.id, {1, 1, channels, outputs}}, {}, g);
  }
};

}  // namespace

LINN_LAYER_ROW(AttentionPooling2D, AttentionDescription)

}  // namespace detail::layers

AttentionPooling2D::AttentionPooling2D(std::int64_t units, AttentionPooling2DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::AttentionDescription>({units, std::move(options)})) {}

}  // namespace linn
