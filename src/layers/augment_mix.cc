#include <set>
#include <utility>
#include <vector>

#include "layers/augment_fields.h"
#include "layers/layer_field.h"
#include "layers/layer_object.h"
#include "optim/described.h"

namespace linn {
namespace detail::layers {
namespace {

struct MixUpConfig {
  MixUpOptions options = {};
};
struct CutMixConfig {
  CutMixOptions options = {};
};
struct RandAugmentConfig {
  RandAugmentOptions options = {};
};
struct AugMixConfig {
  AugMixOptions options = {};
};
struct PipelineConfig {
  std::vector<Layer> layers = {};
  PipelineOptions options = {};
};

// The layer's name, or one made of its class and a number, as long as it is taken.
std::string free_name(const Layer& layer, std::set<std::string>& taken) {
  const std::string first = name_of(layer);
  std::string name = first;
  for (int i = 1; !taken.insert(name).second; ++i) name = fmt::format("{}_{}", first, i);
  return name;
}

}  // namespace
}  // namespace detail::layers

/// A list of nodes, {"class_name", "config"}.
template <>
struct detail::schema::Type<std::vector<Layer>> {
  static std::vector<Layer> read(const io::Json& json, const Place& place) {
    if (!json.is_array()) refuse(place, json, "a list of layers is allowed");
    std::vector<Layer> layers;
    for (std::size_t i = 0; i < json.size(); ++i) {
      const std::string key = fmt::format("{}[{}]", place.key, i);
      layers.push_back(Type<Layer>::read(json[i], {place.where, key}));
    }
    return layers;
  }
  static io::Json write(const std::vector<Layer>& value) {
    io::Json list = io::Json::array();
    std::set<std::string> taken;
    for (const Layer& layer : value) list.push_back(layers::layer_node(layer, layers::free_name(layer, taken)));
    return list;
  }
  static std::string fault(const std::vector<Layer>& /*value*/, const Range& /*range*/) { return {}; }
  static std::string text(const std::vector<Layer>& value) { return fmt::format("{} layers", value.size()); }
  static std::string python(const std::vector<Layer>& value) { return text(value); }
};

template <>
struct detail::schema::Schema<detail::layers::MixUpConfig> {
  using C = detail::layers::MixUpConfig;
  using O = MixUpOptions;
  static constexpr Info info{.module = "keras.layers", .name = "MixUp", .help = "Blends images of a batch while training."};
  static constexpr auto fields =
      all(nested(&C::options, field("alpha", &O::alpha, above(0), "Weights are drawn from Beta(alpha, alpha)."),
                 detail::layers::data_format_field<O>(), detail::layers::seed_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "m", "alpha": 0.4})", "(3, 4, 2)"}};
};

template <>
struct detail::schema::Schema<detail::layers::CutMixConfig> {
  using C = detail::layers::CutMixConfig;
  using O = CutMixOptions;
  static constexpr Info info{
      .module = "keras.layers", .name = "CutMix", .help = "Puts a rectangle of one image of a batch into another while training."};
  static constexpr auto fields =
      all(nested(&C::options, field("factor", &O::factor, between(0, 1), "Areas are drawn from Beta(a, a), a from this."),
                 detail::layers::seed_field<O>(), detail::layers::data_format_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "m", "factor": 0.8})", "(5, 4, 2)"}};
  static void complete(C& c) { c.options.factor = c.options.factor.bounds(0); }
};

template <>
struct detail::schema::Schema<detail::layers::RandAugmentConfig> {
  using C = detail::layers::RandAugmentConfig;
  using O = RandAugmentOptions;
  static constexpr Info info{
      .module = "keras.layers", .name = "RandAugment", .help = "Several random changes of each image while training."};
  static constexpr auto fields =
      all(nested(&C::options, detail::layers::value_range_field<O>(), field("num_ops", &O::num_ops, at_least(0), "Changes of an image."),
                 field("factor", &O::factor, between(0, 1), "How strong they are."), detail::layers::interpolation_field<O>(),
                 detail::layers::seed_field<O>(), detail::layers::data_format_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "r", "value_range": [0, 2], "num_ops": 3, "factor": 0.4})", "(5, 4, 3)"}};
  static void complete(C& c) { c.options.factor = c.options.factor.bounds(0); }
};

template <>
struct detail::schema::Schema<detail::layers::AugMixConfig> {
  using C = detail::layers::AugMixConfig;
  using O = AugMixOptions;
  static constexpr Info info{
      .module = "keras.layers", .name = "AugMix", .help = "Blends chains of random changes of each image while training."};
  static constexpr auto fields = all(nested(
      &C::options, detail::layers::value_range_field<O>(), field("num_chains", &O::num_chains, between(1, 1024), "Chains."),
      field("chain_depth", &O::chain_depth, between(1, 1024), "Changes in a chain."),
      field("factor", &O::factor, between(0, 1), "How strong they are."), field("alpha", &O::alpha, above(0), "How weights are drawn."),
      field("all_ops", &O::all_ops, "Whether brightness, colour, contrast and sharpness are changed too."),
      detail::layers::interpolation_field<O>(), detail::layers::seed_field<O>(), detail::layers::data_format_field<O>(),
      detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {
      {R"({"name": "a", "value_range": [0, 2]})", "(5, 4, 3)"},
      {R"({"name": "a", "value_range": [0, 2], "num_chains": 2, "chain_depth": 1, "all_ops": false})", "(5, 4, 1)"}};
  static void complete(C& c) { c.options.factor = c.options.factor.bounds(0); }
};

template <>
struct detail::schema::Schema<detail::layers::PipelineConfig> {
  using C = detail::layers::PipelineConfig;
  using O = PipelineOptions;
  static constexpr Info info{.module = "keras.layers", .name = "Pipeline", .help = "Layers without weights, one after the other."};
  static constexpr auto fields =
      all(required("layers", &C::layers, "The layers."),
          nested(&C::options,
                 Field<O, std::string>{"name", &O::name, {}, "The layer's name; by default its class and a number.", false, Role::name},
                 Field<O, Shape>{"input_shape",
                                 &O::input_shape,
                                 {},
                                 "The shape of one image, for the first layer of a model.",
                                 false,
                                 Role::input_shape,
                                 "batch_input_shape"}));
  static constexpr Example examples[] = {
      {R"({"name": "p", "layers": [{"module": "keras.layers", "class_name": "RandomFlip", "config": {"name": "f"}},
                                   {"module": "keras.layers", "class_name": "Rescaling", "config": {"name": "r", "scale": 0.5}},
                                   {"module": "keras.layers", "class_name": "CenterCrop", "config": {"name": "c", "height": 3, "width": 2}}]})",
       "(5, 4, 2)"}};
};

namespace detail::layers {
namespace {

// A layer that looks at the whole batch. `mix_of(const Config&)` says how.
template <class Config>
class MixDescription final : public Described<Config> {
 public:
  using Described<Config>::Described;
  bool waits_for_input() const override { return true; }
  Shape output_shape(const Shape& input, const std::string& where) const override {
    check_map(input, where);
    return input;
  }
  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    return to.training() ? plan::mix(to, input, mix_of(this->config_), this->config_.options.seed.value_or(0)) : input;
  }
  OnMap on_map(std::span<const Shape> /*inputs*/) const override { return {.kind = OnMap::elementwise}; }
  ActivationKind activation() const override { return ActivationKind::unchanged; }
};

plan::Mix mix_of(const MixUpConfig& c) { return {.kind = plan::Mix::Kind::blend, .alpha = c.options.alpha}; }
plan::Mix mix_of(const CutMixConfig& c) {
  return {.kind = plan::Mix::Kind::patch, .least_alpha = c.options.factor.lower(), .most_alpha = c.options.factor.upper()};
}

// The layers of RandAugment and AugMix. The factor's bounds are not below 0, so translations and rotations go one way, as in Keras.
template <class O>
struct RandomLayers {
  const O& o;
  kernels::Levels levels = levels_of(o.value_range);
  kernels::TransformRules rules = rules_of("reflect", o.interpolation, 0);

  std::vector<AugmentationPtr> moves() const {
    return {make_shear(o.factor, o.factor, rules), make_translation(o.factor, o.factor, rules), make_rotation(o.factor, rules)};
  }
  std::vector<AugmentationPtr> colors() const {
    return {make_brightness(o.factor, levels), make_color_degeneration(o.factor, levels), make_contrast(o.factor, levels),
            make_sharpness(o.factor, levels)};
  }
  std::vector<AugmentationPtr> histograms() const {
    const auto bits = static_cast<double>(std::max<std::int64_t>(1, static_cast<std::int64_t>(8 * o.factor.upper())));
    return {make_posterization({1, bits}, levels), make_solarization(o.factor, o.factor, levels), make_auto_contrast(levels),
            make_equalization(256, levels)};
  }
};

std::vector<AugmentationPtr> joined(std::vector<AugmentationPtr> a, const std::vector<AugmentationPtr>& b,
                                    const std::vector<AugmentationPtr>& c) {
  a.insert(a.end(), b.begin(), b.end());
  a.insert(a.end(), c.begin(), c.end());
  return a;
}

// In Keras's order.
AugmentationPtr augmentation_of(const RandAugmentConfig& c) {
  const RandomLayers<RandAugmentOptions> layers{c.options};
  return make_choice(joined(layers.moves(), layers.colors(), layers.histograms()), c.options.num_ops);
}
AugmentationPtr augmentation_of(const AugMixConfig& c) {
  const AugMixOptions& o = c.options;
  const RandomLayers<AugMixOptions> layers{o};
  return make_chain_mix(joined(layers.moves(), layers.histograms(), o.all_ops ? layers.colors() : std::vector<AugmentationPtr>{}),
                        {.chains = o.num_chains, .depth = o.chain_depth, .alpha = o.alpha, .levels = layers.levels});
}

class PipelineDescription final : public Described<PipelineConfig> {
 public:
  using Described::Described;
  bool waits_for_input() const override { return true; }
  // Keras writes these two and nothing else.
  io::Json config(const std::string& name) const override {
    io::Json json = schema::write(config_);
    json["name"] = name;
    return json;
  }
  Shape output_shape(const Shape& input, const std::string& where) const override {
    Shape shape = input;
    for (const Layer& layer : config_.layers) {
      const DescriptionPtr& part = description_of(layer);
      const std::string place = fmt::format("{}: {}", where, layer.object()->place());
      const std::vector<Shape> shapes = part->infer_shapes({&shape, 1}, place);
      if (shapes.size() != 1)
        throw ShapeError(fmt::format("{} gives {} outputs; a Pipeline is of layers that give one", place, shapes.size()));
      if (!part->declare_variables({&shape, 1}).empty())
        throw ValueError(fmt::format("{} has variables; a Pipeline is of layers without", place));
      shape = shapes.front();
    }
    return shape;
  }
  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    const std::string own = to.layer();
    std::set<std::string> taken;
    for (const Layer& layer : config_.layers) {
      to.set_layer(fmt::format("{}/{}", own, free_name(layer, taken)), to.layer_trainable());
      input = description_of(layer)->lower_call(to, {&input, 1}, {}).front();
    }
    to.set_layer(own, to.layer_trainable());
    return input;
  }
  OnMap on_map(std::span<const Shape> inputs) const override {
    Shape shape = inputs[0];
    for (const Layer& layer : config_.layers) {
      if (description_of(layer)->on_map({&shape, 1}).kind != OnMap::elementwise) return {};
      shape = description_of(layer)->infer_shapes({&shape, 1}, "")[0];
    }
    return {.kind = OnMap::elementwise};
  }
  ActivationKind activation() const override {
    for (const Layer& layer : config_.layers)
      if (description_of(layer)->activation() != ActivationKind::unchanged) return ActivationKind::other;
    return ActivationKind::unchanged;
  }
};

using MixUpDescription = MixDescription<MixUpConfig>;
using CutMixDescription = MixDescription<CutMixConfig>;
using RandAugmentDescription = AugmentDescription<RandAugmentConfig, Channels::gray_or_color>;
using AugMixDescription = AugmentDescription<AugMixConfig, Channels::gray_or_color>;

}  // namespace

LINN_LAYER_ROW(MixUp, MixUpDescription)
LINN_LAYER_ROW(CutMix, CutMixDescription)
LINN_LAYER_ROW(RandAugment, RandAugmentDescription)
LINN_LAYER_ROW(AugMix, AugMixDescription)
LINN_LAYER_ROW(Pipeline, PipelineDescription)

}  // namespace detail::layers

MixUp::MixUp(MixUpOptions options) : Layer(detail::layers::make_layer<detail::layers::MixUpDescription>({std::move(options)})) {}
CutMix::CutMix(CutMixOptions options) : Layer(detail::layers::make_layer<detail::layers::CutMixDescription>({std::move(options)})) {}
RandAugment::RandAugment(RandAugmentOptions options)
    : Layer(detail::layers::make_layer<detail::layers::RandAugmentDescription>({std::move(options)})) {}
AugMix::AugMix(AugMixOptions options) : Layer(detail::layers::make_layer<detail::layers::AugMixDescription>({std::move(options)})) {}
Pipeline::Pipeline(std::vector<Layer> layers, PipelineOptions options)
    : Layer(detail::layers::make_layer<detail::layers::PipelineDescription>({std::move(layers), std::move(options)})) {}

}  // namespace linn
