#include "linn/layers/polyphase.h"

#include <fmt/format.h>

#include <cmath>

#include "kernels/polyphase/polyphase.h"
#include "layers/described.h"
#include "layers/phases.h"
#include "layers/window.h"
#include "linn/error.h"
#include "plan/ops/conv.h"
#include "plan/ops/eltwise.h"
#include "plan/ops/gumbel.h"
#include "plan/ops/polyphase.h"
#include "plan/ops/section.h"

namespace linn {
namespace detail::layers {
namespace {

struct AdaptivePolyphaseSampling2DConfig {
  AdaptivePolyphaseSampling2DOptions options = {};
};

struct LearnablePolyphaseSampling2DConfig {
  LearnablePolyphaseSampling2DOptions options = {};
};

}  // namespace
}  // namespace detail::layers

template <>
struct detail::schema::Schema<detail::layers::AdaptivePolyphaseSampling2DConfig> {
  using C = detail::layers::AdaptivePolyphaseSampling2DConfig;
  using O = AdaptivePolyphaseSampling2DOptions;
  static constexpr Info info{
      .module = "linn.layers", .name = "AdaptivePolyphaseSampling2D", .help = "APS: of the phases of a map the one of the largest norm."};
  static constexpr auto fields = all(nested(&C::options,  //
                                            field("strides", &O::strides, at_least(1), "Phases along each axis; they divide the map."),
                                            field("order", &O::order, "The norm: \"l1\", \"l2\" or \"linf\"."),
                                            detail::layers::data_format_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "s"})", "(4, 6, 3)"},
                                         {R"({"name": "s", "strides": [3, 1], "order": "linf"})", "(6, 5, 2)"}};
};

template <>
struct detail::schema::Schema<detail::layers::LearnablePolyphaseSampling2DConfig> {
  using C = detail::layers::LearnablePolyphaseSampling2DConfig;
  using O = LearnablePolyphaseSampling2DOptions;
  static constexpr Info info{
      .module = "linn.layers", .name = "LearnablePolyphaseSampling2D", .help = "LPS: of the phases of a map the one that a small network prefers."};
  static constexpr auto fields = all(nested(
      &C::options,  //
      field("strides", &O::strides, at_least(1), "Phases along each axis; they divide the map."),
      field("hidden_filters", &O::hidden_filters, at_least(1), "Channels of the two convolutions that rate a phase."),
      // Below 1e-6, logits divided by a temperature leave float's range.
      field("temperature", &O::temperature, at_least(1e-6), "Temperature of the Gumbel-softmax at the first step of training."),
      field("final_temperature", &O::final_temperature, at_least(1e-6), "Temperature after `anneal_steps` steps."),
      field("anneal_steps", &O::anneal_steps, at_least(1), "Steps from the first temperature to the final one."),
      detail::layers::data_format_field<O>(), field("kernel_initializer", &O::kernel_initializer, "First values of both kernels."),
      field("bias_initializer", &O::bias_initializer, "First values of the bias."),
      field("seed", &O::seed, "Seed of the Gumbel noise, besides the model's."), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {
      {R"({"name": "s", "hidden_filters": 3})", "(4, 6, 2)"},
      {R"({"name": "s", "strides": [1, 3], "hidden_filters": 2, "temperature": 0.5, "final_temperature": 0.25, "anneal_steps": 77, "seed": 3,
           "kernel_initializer": "he_normal"})",
       "(2, 6, 3)"}};
};

namespace detail::layers {
namespace {

// Of the first map and of those that get its phase. Throws ShapeError where heights or widths differ.
std::vector<Shape> shapes_of(const Size2& strides, std::span<const Shape> inputs, const std::string& where) {
  if (inputs.empty()) throw ShapeError(fmt::format("{} needs a map; none came", where));
  std::vector<Shape> outputs;
  for (const Shape& input : inputs) {
    outputs.push_back(shape_of(phases_of(strides, input, where)));
    if (input[0] != inputs[0][0] || input[1] != inputs[0][1])
      throw ShapeError(fmt::format("{} keeps one phase of all its maps, so their heights and widths must be equal; {} and {} came", where,
                                   inputs[0].to_string(), input.to_string()));
  }
  return outputs;
}

kernels::Phases with_channels(kernels::Phases phases, std::int64_t channels) {
  phases.channels = channels;
  return phases;
}

// The chosen phase of every map. Phases with equal scores are told apart by their contents in all maps together: where the first map's phases
// are equal the others' may differ, and then the choice would depend on places.
std::vector<plan::Value> sample_all(plan::Lowering& to, std::span<const plan::Value> maps, plan::Value scores, const kernels::Phases& phases) {
  const plan::Value contents = maps.size() == 1 ? maps[0] : plan::concatenate(to, maps, 2);
  const plan::Value phase = plan::phase_choice(to, contents, scores, with_channels(phases, contents.shape[2]));
  std::vector<plan::Value> sampled;
  for (const plan::Value& map : maps) sampled.push_back(plan::take_phase(to, map, phase, with_channels(phases, map.shape[2])));
  return sampled;
}

kernels::PhaseScore score_of(const NormOrder& order) {
  switch (order.kind()) {
    case NormOrder::l1: return kernels::PhaseScore::l1;
    case NormOrder::l2: return kernels::PhaseScore::l2;
    case NormOrder::linf: break;
  }
  return kernels::PhaseScore::linf;
}

class AdaptiveDescription final : public Described<AdaptivePolyphaseSampling2DConfig, LayerDescription> {
 public:
  using Described::Described;

  std::vector<Shape> infer_shapes(std::span<const Shape> inputs, const std::string& where) const override {
    return shapes_of(config_.options.strides, inputs, where);
  }

  OnMap on_map(std::span<const Shape> /*inputs*/) const override {
    return {.kind = OnMap::polyphase, .strides = config_.options.strides};
  }
  ActivationKind activation() const override { return ActivationKind::unchanged; }

  std::vector<plan::Value> lower_call(plan::Lowering& to, std::span<const plan::Value> inputs,
                                      std::span<const plan::Value> /*variables*/) const override {
    const kernels::Phases phases = phases_of(config_.options.strides, inputs[0].shape, where());
    return sample_all(to, inputs, plan::phase_scores(to, inputs[0], phases, score_of(config_.options.order)), phases);
  }
};

class LearnableDescription final : public Described<LearnablePolyphaseSampling2DConfig, LayerDescription> {
 public:
  using Described::Described;

  bool waits_for_input() const override { return true; }

  std::vector<Shape> infer_shapes(std::span<const Shape> inputs, const std::string& where) const override {
    return shapes_of(config_.options.strides, inputs, where);
  }

  OnMap on_map(std::span<const Shape> /*inputs*/) const override {
    return {.kind = OnMap::polyphase, .strides = config_.options.strides};
  }
  ActivationKind activation() const override { return ActivationKind::unchanged; }

  std::vector<VariableSpec> declare_variables(std::span<const Shape> inputs) const override {
    const LearnablePolyphaseSampling2DOptions& o = config_.options;
    return {{"kernel_1", {3, 3, inputs[0][2], o.hidden_filters}, o.kernel_initializer},
            {"bias_1", {o.hidden_filters}, o.bias_initializer},
            {"kernel_2", {3, 3, o.hidden_filters, o.hidden_filters}, o.kernel_initializer}};
  }

  std::vector<plan::Value> lower_call(plan::Lowering& to, std::span<const plan::Value> inputs,
                                      std::span<const plan::Value> variables) const override {
    const LearnablePolyphaseSampling2DOptions& o = config_.options;
    const kernels::Phases phases = phases_of(o.strides, inputs[0].shape, where());
    const plan::Value hidden = plan::activation(to, convolve_phases(to, inputs[0], variables[0], variables[1]), kernels::Activation::relu);
    const plan::Value features = convolve_phases(to, hidden, variables[2], {});
    const plan::Value logits = plan::phase_scores(to, features, with_channels(phases, o.hidden_filters), kernels::PhaseScore::mean);
    if (!to.training()) return sample_all(to, inputs, logits, phases);
    const plan::Annealing temperature{.first = o.temperature, .last = o.final_temperature, .steps = o.anneal_steps};
    const plan::Value weights = plan::gumbel_softmax(to, logits, temperature, o.seed.value_or(0));
    std::vector<plan::Value> mixed;
    for (const plan::Value& input : inputs) mixed.push_back(plan::mix_phases(to, input, weights, with_channels(phases, input.shape[2])));
    return mixed;
  }

 private:
  // A circular 3x3 convolution of each phase by itself: of the whole map with taps a stride apart, which stay within a pixel's phase, also
  // round the border, as the strides divide the sizes.
  plan::Value convolve_phases(plan::Lowering& to, plan::Value src, plan::Value kernel, plan::Value bias) const {
    const WindowSpec window{"strides", {3, 3}, {1, 1}, config_.options.strides, "circular"};
    const ResolvedWindow resolved = resolve_window(window, src.shape, kernel.shape[3], 1, where());
    return plan::conv2d(to, resolved.padded(to, src), kernel, bias, resolved.geometry);
  }
};

}  // namespace

LINN_LAYER_ROW(AdaptivePolyphaseSampling2D, AdaptiveDescription)
LINN_LAYER_ROW(LearnablePolyphaseSampling2D, LearnableDescription)

}  // namespace detail::layers

AdaptivePolyphaseSampling2D::AdaptivePolyphaseSampling2D(AdaptivePolyphaseSampling2DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::AdaptiveDescription>({std::move(options)})) {}
LearnablePolyphaseSampling2D::LearnablePolyphaseSampling2D(LearnablePolyphaseSampling2DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::LearnableDescription>({std::move(options)})) {}

}  // namespace linn
