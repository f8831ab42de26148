#include "linn/layers/dense.h"

#include <fmt/format.h>

#include "layers/apply_activation.h"
#include "layers/config.h"
#include "layers/registry.h"
#include "linn/error.h"
#include "plan/ops/dense.h"

namespace linn {
namespace layers {
namespace {

class DenseDescription final : public Described<DenseConfig> {
 public:
  explicit DenseDescription(DenseConfig config) : Described(std::move(config)) {
    if (config_.units < 1) throw ValueError(fmt::format("{} units is {}; it must be 1 or more", where(), config_.units));
  }

  std::string_view class_name() const override { return "Dense"; }
  bool waits_for_input() const override { return true; }

  Shape output_shape(const Shape& input, const std::string& where) const override {
    if (input.empty() || input[-1] < 1) throw ShapeError(fmt::format("{} needs an input with features on its last axis; {} came", where, input.to_string()));
    std::vector<std::int64_t> sizes(input.begin(), input.end());
    sizes.back() = config_.units;
    return Shape(std::span<const std::int64_t>(sizes));
  }

  std::vector<VariableSpec> variables(const Shape& input) const override {
    const DenseOptions& o = config_.options;
    std::vector<VariableSpec> specs{{"kernel", {input[-1], config_.units}, o.kernel_initializer}};
    if (o.use_bias) specs.push_back({"bias", {config_.units}, o.bias_initializer});
    return specs;
  }

  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& variables) const override {
    const plan::Value bias = config_.options.use_bias ? variables[1] : plan::Value{};
    return apply_activation(to, plan::dense(to, input, variables[0], bias), config_.options.activation);
  }

  // On a map every cell has its own product with the kernel; on a row every unit sees all numbers.
  OnMap on_map(std::span<const Shape> inputs) const override { return {.kind = inputs[0].rank() == 3 ? OnMap::pointwise : OnMap::opaque}; }
  ActivationKind activation() const override { return kind_of(config_.options.activation); }
  io::Json as_window(const Size2& size, const std::string& name) const override {
    io::Json convolution = config(name);
    convolution["filters"] = convolution["units"];
    convolution.erase("units");
    convolution["kernel_size"] = {size.height, size.width};
    return {{"class_name", "Conv2D"}, {"config", std::move(convolution)}};
  }
};

}  // namespace

template <>
DescriptionPtr read_layer<Dense>(const io::Json& config, const std::string& where) {
  return std::make_shared<DenseDescription>(read_config<DenseConfig>(config, where));
}

}  // namespace layers

Dense::Dense(std::int64_t units, DenseOptions options)
    : Layer(std::make_shared<layers::DenseDescription>(DenseConfig{units, std::move(options)})) {}

}  // namespace linn
