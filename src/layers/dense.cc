#include "linn/layers/dense.h"

#include <fmt/format.h>

#include "layers/apply_activation.h"
#include "layers/einsum.h"
#include "layers/weight_fields.h"
#include "linn/error.h"
#include "plan/ops/dense.h"
#include "plan/ops/layout.h"

namespace linn {
namespace detail::layers {
namespace {

struct EinsumDenseConfig {
  std::string equation = {};
  Sizes output_shape = {};
  EinsumDenseOptions options = {};
};

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
  static constexpr Absent absent[] = {{"lora_rank"}, {"lora_alpha"}, {"quantization_config"}};
  static constexpr Example examples[] = {
      {R"({"name": "d", "units": 5})", "(7)"},
      {R"({"name": "d", "units": 4, "activation": "relu", "use_bias": false, "kernel_initializer": "lecun_uniform"})", "(9)"},
      {R"({"name": "d", "units": 4, "activation": "softmax"})", "(2, 3, 5)"},
      {R"({"name": "d", "units": 3, "kernel_constraint": {"class_name": "MaxNorm", "config": {"max_value": 0.5}}, "bias_constraint": "non_neg"})",
       "(6)"},
      {R"({"name": "d", "units": 3, "activation": "relu", "activity_regularizer": {"class_name": "L1L2", "config": {"l1": 0.1, "l2": 0.2}}})",
       "(4)"}};
};

template <>
struct detail::schema::Schema<detail::layers::EinsumDenseConfig> {
  using C = detail::layers::EinsumDenseConfig;
  using O = EinsumDenseOptions;
  static constexpr Info info{.module = "keras.layers", .name = "EinsumDense", .help = "A fully connected layer given by an equation of axes."};
  static constexpr auto fields =
      all(required("equation", &C::equation, "Letters of the axes of input, kernel and output: \"abc,cd->abd\"."),
          required("output_shape", &C::output_shape, "Sizes of the output's letters without the batch; None for one that the input says."),
          nested(&C::options, field("activation", &O::activation, "Applied to the sums."),
                 field("bias_axes", &O::bias_axes, "The letters of the output with a bias of their own: those that the kernel adds. None: no bias."),
                 detail::layers::kernel_beginnings<O>(), detail::layers::kernel_constraints<O>(), detail::layers::activity_field<O>(),
                 detail::layers::common_fields<O>()));
  static constexpr Absent absent[] = {{"lora_rank"}, {"lora_alpha"}, {"gptq_unpacked_column_size"}, {"quantization_config"}};
  static constexpr Example examples[] = {
      {R"({"name": "e", "equation": "ab,bc->ac", "output_shape": [4], "bias_axes": "c"})", "(5)"},
      {R"({"name": "e", "equation": "abc,cde->abde", "output_shape": [null, 2, 3], "bias_axes": "de", "activation": "tanh"})", "(3, 4)"},
      {R"({"name": "e", "equation": "abc,bd->acd", "output_shape": [4, 3]})", "(5, 4)"},
      {R"({"name": "e", "equation": "abcd,cde->abe", "output_shape": [null, 3], "bias_axes": "e"})", "(2, 3, 4)"},
      {R"({"name": "e", "equation": "abc,cd->adb", "output_shape": [2, 3], "bias_axes": "d", "activation": "relu"})", "(3, 4)"},
      {R"({"name": "e", "equation": "...x,xy->...y", "output_shape": [3], "bias_axes": "y"})", "(2, 4, 5)"}};
  static std::string fault(const C& c) { return detail::layers::Einsum::fault(c.equation, c.output_shape, c.options.bias_axes.value_or("")); }
};

namespace detail::layers {
namespace {

class EinsumDenseDescription final : public Described<EinsumDenseConfig> {
 public:
  using Described::Described;
  bool waits_for_input() const override { return true; }

  Shape output_shape(const Shape& input, const std::string& where) const override {
    return activated_shape(einsum(input, where).output, config_.options.activation, where);
  }
  std::vector<VariableSpec> variables(const Shape& input) const override {
    const EinsumDenseOptions& o = config_.options;
    const Einsum of = einsum(input, where());
    std::vector<VariableSpec> specs{{"kernel", of.kernel, o.kernel_initializer, true, o.kernel_regularizer, o.kernel_constraint}};
    if (o.bias_axes) specs.push_back({"bias", of.bias, o.bias_initializer, true, o.bias_regularizer, o.bias_constraint});
    return specs;
  }
  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& variables) const override {
    const Einsum of = einsum(input.shape, where());
    const plan::Value rows = plan::permute(to, input, of.input_order);
    const plan::Value bias = config_.options.bias_axes ? plan::Value{variables[1].id, {of.units}} : plan::Value{};
    const plan::Value products = plan::dense(to, {rows.id, {of.kept.elements(), of.terms}}, {variables[0].id, {of.terms, of.units}}, bias);
    std::vector<std::int64_t> sizes(of.kept.begin(), of.kept.end());
    sizes.insert(sizes.end(), of.added.begin(), of.added.end());
    const plan::Value result = plan::permute(to, {products.id, Shape(std::span<const std::int64_t>(sizes))}, of.output_order);
    return apply_activation(to, result, config_.options.activation);
  }
  ActivationKind activation() const override { return kind_of(config_.options.activation); }

 private:
  Einsum einsum(const Shape& input, const std::string& where) const {
    return {config_.equation, config_.output_shape, config_.options.bias_axes.value_or(""), input, where};
  }
};

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
    std::vector<VariableSpec> specs{{"kernel", {input[-1], config_.units}, o.kernel_initializer, true, o.kernel_regularizer, o.kernel_constraint}};
    if (o.use_bias) specs.push_back({"bias", {config_.units}, o.bias_initializer, true, o.bias_regularizer, o.bias_constraint});
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
    if (config_.options.activity_regularizer.orthogonal()) convolution["activity_regularizer"] = nullptr;  // it is for rows, not for maps
    return {{"class_name", "Conv2D"}, {"config", std::move(convolution)}};
  }
};

}  // namespace

LINN_LAYER_ROW(Dense, DenseDescription)
LINN_LAYER_ROW(EinsumDense, EinsumDenseDescription)

}  // namespace detail::layers

EinsumDense::EinsumDense(std::string equation, Sizes output_shape, EinsumDenseOptions options)
    : Layer(detail::layers::make_layer<detail::layers::EinsumDenseDescription>({std::move(equation), std::move(output_shape), std::move(options)})) {}

Dense::Dense(std::int64_t units, DenseOptions options)
    : Layer(detail::layers::make_layer<detail::layers::DenseDescription>({units, std::move(options)})) {}

}  // namespace linn
