#include "linn/layers/phase_mix.h"

#include "kernels/polyphase/channel_phases.h"
#include "layers/described.h"
#include "layers/phases.h"
#include "layers/window.h"
#include "plan/ops/adaptive_pool.h"
#include "plan/ops/channel_phases.h"
#include "plan/ops/conv.h"
#include "plan/ops/eltwise.h"
#include "plan/ops/general_pool.h"
#include "plan/ops/layout.h"
#include "plan/ops/softmax.h"

namespace linn {
namespace detail::layers {
namespace {

struct TranslationInvariantPolyphaseSampling2DConfig {
  TranslationInvariantPolyphaseSampling2DOptions options = {};
};

}  // namespace
}  // namespace detail::layers

template <>
struct detail::schema::Schema<detail::layers::TranslationInvariantPolyphaseSampling2DConfig> {
  using C = detail::layers::TranslationInvariantPolyphaseSampling2DConfig;
  using O = TranslationInvariantPolyphaseSampling2DOptions;
  static constexpr Info info{.module = "linn.layers",
                             .name = "TranslationInvariantPolyphaseSampling2D",
                             .help = "TIPS: the phases of a map in a mixture that is made from the map, channel by channel."};
  static constexpr auto fields =
      all(nested(&C::options,  //
                 field("strides", &O::strides, at_least(1), "Phases along each axis; they divide the map."),
                 field("regions", &O::regions, "The parts of the map whose means weight the phases: \"phases\" or \"quadrants\"."),
                 field("one_phase_penalty", &O::one_phase_penalty, at_least(0), "Factor of the loss that pulls the weights of a channel to one phase."),
                 detail::layers::data_format_field<O>(), field("kernel_initializer", &O::kernel_initializer, "First values of the kernel."),
                 field("scale_initializer", &O::scale_initializer, "First values of the scale."), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "t"})", "(4, 6, 3)"},
                                         {R"({"name": "t", "strides": [3, 1], "scale_initializer": "zeros"})", "(6, 5, 2)"},
                                         {R"({"name": "t", "strides": [2, 3], "regions": "quadrants", "one_phase_penalty": 0.5})", "(4, 6, 2)"}};
};

namespace detail::layers {
namespace {

class PhaseMixDescription final : public Described<TranslationInvariantPolyphaseSampling2DConfig> {
 public:
  using Described::Described;

  bool waits_for_input() const override { return true; }

  Shape output_shape(const Shape& input, const std::string& where) const override {
    return shape_of(phases_of(config_.options.strides, input, where));
  }

  std::vector<VariableSpec> variables(const Shape& input) const override {
    return {{"kernel", {3, 3, input[2], 1}, config_.options.kernel_initializer}, {"scale", {input[2]}, config_.options.scale_initializer}};
  }

  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& variables) const override {
    const kernels::Phases phases = phases_of(config_.options.strides, input.shape, where());
    const plan::Value means = region_means(to, plan::activation(to, convolved(to, input, variables[0]), kernels::Activation::relu), phases);
    const kernels::Geometry each = kernels::resolve({}, 1, phases.count(), phases.channels, phases.channels, phases.channels).value();
    const plan::Value scale = {variables[1].id, {1, 1, 1, phases.channels}};
    const plan::Value logits = plan::conv2d(to, {means.id, {1, phases.count(), phases.channels}}, scale, {}, each);
    const plan::Value by_channel = plan::permute(to, {logits.id, {phases.count(), phases.channels}}, {1, 0});
    const plan::Value weights = plan::permute(to, plan::softmax(to, by_channel, kernels::SoftmaxKind::softmax), {1, 0});
    if (config_.options.one_phase_penalty > 0) penalize_mixtures(to, weights, phases);
    return plan::mix_channel_phases(to, input, weights, phases);
  }

  // Each output depends on the whole map. The means of quadrants do not even follow a shift by the strides.
  OnMap on_map(std::span<const Shape> inputs) const override {
    if (quadrants()) return {.kind = OnMap::resize};
    return whole_ring(inputs[0], config_.options.strides, OnMap::blur);
  }
  // Each channel has weights of its own: of a softmax the channels would not sum up to 1.
  ActivationKind activation() const override { return ActivationKind::other; }

 private:
  bool quadrants() const { return config_.options.regions.kind() == PhaseRegions::quadrants; }

  plan::Value convolved(plan::Lowering& to, plan::Value input, plan::Value kernel) const {
    const std::int64_t channels = input.shape[2];
    const WindowSpec window{"strides", {3, 3}, {1, 1}, {1, 1}, quadrants() ? Padding("same") : Padding("circular")};
    const ResolvedWindow resolved = resolve_window(window, input.shape, channels, channels, where());
    return plan::conv2d(to, resolved.padded(to, input), {kernel.id, {3, 3, 1, channels}}, {}, resolved.geometry);
  }

  // 1 - |tau[c]| of each channel is never negative: its sum is that of the absolute values.
  void penalize_mixtures(plan::Lowering& to, plan::Value weights, const kernels::Phases& phases) const {
    const kernels::Geometry whole = kernels::resolve_global(phases.count(), 1, phases.channels);
    const plan::Value lengths = plan::general_pool2d(to, {weights.id, {phases.count(), 1, phases.channels}}, {}, {.geometry = whole, .exponent = 2, .whole_map = true});
    to.penalized().push_back(
        {.value = plan::rescale(to, lengths, -1, 1), .l1 = config_.options.one_phase_penalty / static_cast<double>(phases.channels)});
  }

  // [phases, channels].
  plan::Value region_means(plan::Lowering& to, plan::Value map, const kernels::Phases& phases) const {
    if (!quadrants()) return plan::channel_phase_means(to, map, phases);
    const plan::Value means = plan::adaptive_pool2d(to, map, phases.stride_height, phases.stride_width, kernels::PoolKind::average);
    return {means.id, {phases.count(), phases.channels}};
  }
};

}  // namespace

LINN_LAYER_ROW(TranslationInvariantPolyphaseSampling2D, PhaseMixDescription)

}  // namespace detail::layers

TranslationInvariantPolyphaseSampling2D::TranslationInvariantPolyphaseSampling2D(TranslationInvariantPolyphaseSampling2DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::PhaseMixDescription>({std::move(options)})) {}

}  // namespace linn
