#include "linn/layers/dense.h"

#include <fmt/format.h>

#include "layers/apply_activation.h"
#include "layers/weight_fields.h"
#include "linn/error.h"
#include "plan/ops/dense.h"

namespace linn {
namespace detail::layers {
namespace {

struct DenseConfig {
  std::int64_t units = 1;
  DenseOptions options = {};
};

}  // namespace
}  // namespace detail::layers

template <>
struct detail::schema::Schema<detail::layers::DenseConfig> {
  using C = detail::layers::DenseConfig;
  using O = DenseOptions;
  static constexpr Info info{.module = "keras.layers", .name = "Dense", .help = "A fully connected layer over the last axis."};
  static constexpr auto fields = all(
      required("units", &C::units, at_least(1), "Outputs."),
      nested(&C::options, detail::layers::activation_fields<O>(), detail::layers::kernel_fields<O>(), detail::layers::common_fields<O>()));
  static constexpr Absent absent[] = {{"activity_regularizer"}, {"kernel_constraint"},
                                      {"bias_constraint"},    {"lora_rank"},        {"lora_alpha"},           {"quantization_config"}};
  static constexpr Example examples[] = {
      {R"({"name": "d", "units": 5})", "(7)"},
      {R"({"name": "d", "units": 4, "activation": "relu", "use_bias": false, "kernel_initializer": "lecun_uniform"})", "(9)"},
      {R"({"name": "d", "units": 4, "activation": "softmax"})", "(2, 3, 5)"}};
};

namespace detail::layers {
namespace {

class DenseDescription final : public Described<DenseConfig> {
 public:
  using Described::Described;
  bool waits_for_input() const override { return true; }

  Shape output_shape(const Shape& input, const std::string& where) const override {
    if (input.empty() || input[-1] < 1) throw ShapeError(fmt::format("{} needs an input with features on its last axis; {} came", where, input.to_string()));
    std::vector<std::int64_t> sizes(input.begin(), input.end());
    sizes.back() = config_.units;
    return activated_shape(Shape(std::span<const std::int64_t>(sizes)), config_.options.activation, where);
  }

  std::vector<VariableSpec> variables(const Shape& input) const override {
    const DenseOptions& o = config_.options;
    std::vector<VariableSpec> specs{{"kernel", {input[-1], config_.units}, o.kernel_initializer, true, o.kernel_regularizer}};
    if (o.use_bias) specs.push_back({"bias", {config_.units}, o.bias_initializer, true, o.bias_regularizer});
    return specs;
  }

  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& variables) const override {
    const plan::Value bias = config_.options.use_bias ? variables[1] : plan::Value{};
    return apply_activation(to, plan::dense(to, input, variables[0], bias), config_.options.activation);
  }

  // On a map every cell has its own product with the kernel; on a row every unit sees all numbers.
  OnMap on_map(std::span<const Shape> inputs) const override {
    return inputs[0].rank() == 3 ? followed_by(config_.options.activation, {.kind = OnMap::pointwise}) : OnMap{};
  }
  ActivationKind activation() const override { return kind_of(config_.options.activation); }
  io::Json as_window(const Size2& size, const std::string& name) const override {
    if (on_map_of(config_.options.activation, 3).kind == OnMap::opaque) return nullptr;  // it would mix cells
    io::Json convolution = config(name);
    convolution["filters"] = convolution["units"];
    convolution.erase("units");
    convolution["kernel_size"] = {size.height, size.width};
    return {{"class_name", "Conv2D"}, {"config", std::move(convolution)}};
  }
};

}  // namespace

LINN_LAYER_ROW(Dense, DenseDescription)

}  // namespace detail::layers

Dense::Dense(std::int64_t units, DenseOptions options)
    : Layer(detail::layers::make_layer<detail::layers::DenseDescription>({units, std::move(options)})) {}

}  // namespace linn
