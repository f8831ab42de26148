#include "linn/layers/spectral_normalization.h"

#include <fmt/format.h>

#include <optional>

#include "layers/described.h"
#include "layers/layer_field.h"
#include "layers/layer_object.h"
#include "linn/error.h"
#include "plan/ops/spectral_norm.h"

namespace linn {
namespace detail::layers {
namespace {

struct SpectralNormalizationConfig {
  std::optional<Layer> layer = {};
  SpectralNormalizationOptions options = {};
};

}  // namespace
}  // namespace detail::layers

template <>
struct detail::schema::Schema<detail::layers::SpectralNormalizationConfig> {
  using C = detail::layers::SpectralNormalizationConfig;
  using O = SpectralNormalizationOptions;
  static constexpr Info info{.module = "keras.layers",
                             .name = "SpectralNormalization",
                             .help = "A layer whose kernel is divided by its largest singular value before each training step."};
  static constexpr auto fields =
      all(required("layer", &C::layer, "The layer: one with a kernel, such as Dense or Conv2D."),
          nested(&C::options, field("power_iterations", &O::power_iterations, at_least(1), "Power iterations a step."),
                 detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {
      {R"({"name": "s", "layer": {"class_name": "Dense", "config": {"name": "d", "units": 4, "activation": "tanh"}}})", "(5)"},
      {R"({"name": "s", "layer": {"class_name": "Conv2D", "config": {"name": "c", "filters": 3, "kernel_size": [3, 2], "use_bias": false}},
           "power_iterations": 3})",
       "(5, 4, 2)"},
      {R"({"name": "s", "layer": {"class_name": "Conv1D",
           "config": {"name": "c", "filters": 3, "kernel_size": [3], "data_format": "channels_first"}}})",
       "(2, 6)"}};
  static std::string fault(const C& c) {
    if (c.layer->class_name() == info.name) return "layer is a SpectralNormalization; give the layer that it wraps";
    if (c.layer->object()->has_variables)
      return fmt::format("layer {} has variables already; give a layer that no model was built with", c.layer->object()->place());
    return {};
  }
};

namespace detail::layers {
namespace {

class SpectralNormalizationDescription final : public Described<SpectralNormalizationConfig, LayerDescription> {
 public:
  using Described::Described;

  bool waits_for_input() const override { return true; }
  Wrapped wrapped() const override { return {&*config_.layer, vector_u}; }
  bool channels_first() const override { return inner().channels_first(); }
  OnMap on_map(std::span<const Shape> inputs) const override { return inner().on_map(inputs); }
  ActivationKind activation() const override { return inner().activation(); }

  std::vector<Shape> infer_shapes(std::span<const Shape> inputs, const std::string& where) const override {
    std::vector<Shape> outputs = inner().infer_shapes(inputs, where);
    const std::vector<VariableSpec> specs = inner().declare_variables(inputs);
    if (specs.empty() || specs[0].name != "kernel")
      throw ValueError(fmt::format(
          "{} layer is a {}, which has no variable \"kernel\"; Dense, EinsumDense, Conv1D, Conv2D, Conv1DTranspose, Conv2DTranspose, "
          "DepthwiseConv1D and DepthwiseConv2D have one",
          where, config_.layer->class_name()));
    return outputs;
  }
  std::vector<VariableSpec> declare_variables(std::span<const Shape> inputs) const override {
    std::vector<VariableSpec> specs = inner().declare_variables(inputs);
    for (VariableSpec& spec : specs) spec.trainable = spec.trainable && config_.layer->trainable();
    specs.insert(specs.begin() + vector_u, {"vector_u", {1, specs[0].shape[-1]}, initializers::TruncatedNormal{.stddev = 0.02}, false});
    return specs;
  }
  std::vector<plan::Value> lower_call(plan::Lowering& to, std::span<const plan::Value> inputs,
                                      std::span<const plan::Value> variables) const override {
    if (to.training()) plan::spectral_normalize(to, variables[0], variables[vector_u], config_.options.power_iterations);
    std::vector<plan::Value> own(variables.begin(), variables.end());
    own.erase(own.begin() + vector_u);
    return inner().lower_call(to, inputs, own);
  }

 private:
  static constexpr std::size_t vector_u = 1;  // its place among the variables, as in Keras

  const LayerDescription& inner() const { return *description_of(*config_.layer); }
};

}  // namespace

LINN_LAYER_ROW(SpectralNormalization, SpectralNormalizationDescription)

}  // namespace detail::layers

SpectralNormalization::SpectralNormalization(Layer layer, SpectralNormalizationOptions options)
    : Layer(detail::layers::make_layer<detail::layers::SpectralNormalizationDescription>({std::move(layer), std::move(options)})) {}

}  // namespace linn
