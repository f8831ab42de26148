#include <algorithm>
#include <utility>

#include "layers/augment_fields.h"
#include "layers/smart_resize.h"
#include "plan/ops/section.h"

namespace linn {
namespace detail::layers {
namespace {

struct RandomFlipConfig {
  FlipMode mode = "horizontal_and_vertical";
  RandomFlipOptions options = {};
};

struct RandomTranslationConfig {
  Factor height_factor = 0.0, width_factor = 0.0;
  RandomTranslationOptions options = {};
};

struct RandomRotationConfig {
  Factor factor = 0.0;
  RandomRotationOptions options = {};
};

struct RandomZoomConfig {
  Factor height_factor = 0.0;
  RandomZoomOptions options = {};
};

struct RandomShearConfig {
  RandomShearOptions options = {};
};

struct RandomPerspectiveConfig {
  RandomPerspectiveOptions options = {};
};

struct RandomElasticTransformConfig {
  RandomElasticTransformOptions options = {};
};

struct RandomCropConfig {
  std::int64_t height = 0, width = 0;
  RandomCropOptions options = {};
};

struct CenterCropConfig {
  std::int64_t height = 0, width = 0;
  CenterCropOptions options = {};
};

}  // namespace
}  // namespace detail::layers

template <>
struct detail::schema::Schema<detail::layers::RandomFlipConfig> {
  using C = detail::layers::RandomFlipConfig;
  using O = RandomFlipOptions;
  static constexpr Info info{.module = "keras.layers", .name = "RandomFlip", .help = "Mirrors half of the images while training."};
  static constexpr auto fields =
      all(field("mode", &C::mode, "Which way: left to right, top to bottom, or both at once."),
          nested(&C::options, detail::layers::seed_field<O>(), detail::layers::data_format_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "f", "mode": "horizontal", "seed": 3})", "(3, 4, 2)"},
                                         {R"({"name": "f"})", "(4, 3, 1)"}};
};

template <>
struct detail::schema::Schema<detail::layers::RandomTranslationConfig> {
  using C = detail::layers::RandomTranslationConfig;
  using O = RandomTranslationOptions;
  static constexpr Info info{
      .module = "keras.layers", .name = "RandomTranslation", .help = "Moves images by a random share of their size while training."};
  static constexpr auto fields = all(
      required("height_factor", &C::height_factor, between(-1, 1), "Share of the height; below 0: up."),
      required("width_factor", &C::width_factor, between(-1, 1), "Share of the width; below 0: to the left."),
      nested(&C::options, detail::layers::fill_mode_field<O>(), detail::layers::interpolation_field<O>(), detail::layers::seed_field<O>(),
             detail::layers::fill_value_field<O>(), detail::layers::data_format_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {
      {R"({"name": "t", "height_factor": 0.3, "width_factor": [-0.2, 0.4], "fill_mode": "constant", "fill_value": 0.5})", "(5, 4, 2)"},
      {R"({"name": "t", "height_factor": 0.5, "width_factor": 0.5, "fill_mode": "wrap", "interpolation": "nearest"})", "(5, 4, 1)"}};
};

template <>
struct detail::schema::Schema<detail::layers::RandomRotationConfig> {
  using C = detail::layers::RandomRotationConfig;
  using O = RandomRotationOptions;
  static constexpr Info info{.module = "keras.layers", .name = "RandomRotation", .help = "Turns images by a random angle while training."};
  static constexpr auto fields = all(
      required("factor", &C::factor, between(-1, 1), "Share of a full turn; above 0: counter-clockwise."),
      nested(&C::options, detail::layers::fill_mode_field<O>(), detail::layers::interpolation_field<O>(), detail::layers::seed_field<O>(),
             detail::layers::fill_value_field<O>(), detail::layers::data_format_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "r", "factor": 0.1})", "(5, 6, 1)"},
                                         {R"({"name": "r", "factor": [-0.2, 0.3], "fill_mode": "nearest"})", "(5, 4, 2)"}};
  static void complete(C& c) { c.factor = c.factor.bounds(-1); }
};

template <>
struct detail::schema::Schema<detail::layers::RandomZoomConfig> {
  using C = detail::layers::RandomZoomConfig;
  using O = RandomZoomOptions;
  static constexpr Info info{.module = "keras.layers", .name = "RandomZoom", .help = "Zooms images in or out at random while training."};
  static constexpr auto fields =
      all(required("height_factor", &C::height_factor, {.least = -1, .most = 1, .least_open = true},
                   "The output shows 1 + this times as many rows."),
          nested(&C::options,
                 field("width_factor", &O::width_factor, {.least = -1, .most = 1, .least_open = true}, "Likewise columns; unset: as rows."),
                 detail::layers::fill_mode_field<O>(), detail::layers::interpolation_field<O>(), detail::layers::seed_field<O>(),
                 detail::layers::fill_value_field<O>(), detail::layers::data_format_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {
      {R"({"name": "z", "height_factor": 0.4})", "(5, 6, 1)"},
      {R"({"name": "z", "height_factor": [-0.3, -0.1], "width_factor": 0.2, "fill_mode": "constant"})", "(5, 4, 2)"}};
};

template <>
struct detail::schema::Schema<detail::layers::RandomShearConfig> {
  using C = detail::layers::RandomShearConfig;
  using O = RandomShearOptions;
  static constexpr Info info{.module = "keras.layers", .name = "RandomShear", .help = "Slants images at random while training."};
  static constexpr auto fields =
      all(nested(&C::options, field("x_factor", &O::x_factor, between(-1, 1), "Columns to the right for each row down."),
                 field("y_factor", &O::y_factor, between(-1, 1), "Rows down for each column to the right."),
                 detail::layers::interpolation_field<O>(), detail::layers::fill_mode_field<O>(), detail::layers::fill_value_field<O>(),
                 detail::layers::data_format_field<O>(), detail::layers::seed_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "s", "x_factor": 0.3, "y_factor": [0.1, 0.2]})", "(5, 4, 2)"}};
  // Keras writes the bounds of a number f, (-f, f), and does not read them again: the number stands for them.
  static void complete(C& c) {
    for (Factor* factor : {&c.options.x_factor, &c.options.y_factor})
      if (factor->is_pair() && factor->lower() == -factor->upper()) *factor = factor->upper();
  }
};

template <>
struct detail::schema::Schema<detail::layers::RandomPerspectiveConfig> {
  using C = detail::layers::RandomPerspectiveConfig;
  using O = RandomPerspectiveOptions;
  static constexpr Info info{.module = "keras.layers", .name = "RandomPerspective", .help = "Looks at images from aside while training."};
  static constexpr auto fields =
      all(nested(&C::options, field("factor", &O::factor, between(0, 1), "How likely an image is changed."),
                 field("scale", &O::scale, between(0, 1), "How far corners move."), detail::layers::interpolation_field<O>(),
                 detail::layers::fill_value_field<O>(), detail::layers::seed_field<O>(), detail::layers::data_format_field<O>(),
                 detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "p", "factor": 1.0, "scale": 0.4})", "(5, 6, 2)"}};
  static void complete(C& c) { c.options.factor = c.options.factor.bounds(0); }
};

template <>
struct detail::schema::Schema<detail::layers::RandomElasticTransformConfig> {
  using C = detail::layers::RandomElasticTransformConfig;
  using O = RandomElasticTransformOptions;
  static constexpr Info info{
      .module = "keras.layers", .name = "RandomElasticTransform", .help = "Moves pixels by smooth noise while training."};
  static constexpr auto fields =
      all(nested(&C::options, field("factor", &O::factor, between(0, 1), "How likely an image is changed."),
                 field("scale", &O::scale, between(0, 1), "How strongly."), detail::layers::interpolation_field<O>(),
                 detail::layers::fill_mode_field<O>(), detail::layers::fill_value_field<O>(), detail::layers::value_range_field<O>(),
                 detail::layers::seed_field<O>(), detail::layers::data_format_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "e", "factor": 0.9, "scale": [0.5, 1.0]})", "(6, 5, 2)"}};
  static void complete(C& c) {
    c.options.factor = c.options.factor.bounds(0);
    c.options.scale = c.options.scale.bounds(0);
  }
};

template <>
struct detail::schema::Schema<detail::layers::RandomCropConfig> {
  using C = detail::layers::RandomCropConfig;
  using O = RandomCropOptions;
  static constexpr Info info{
      .module = "keras.layers", .name = "RandomCrop", .help = "A window at a random place; in inference, the middle."};
  static constexpr auto fields =
      all(required("height", &C::height, at_least(1), "Rows of the output."),
          required("width", &C::width, at_least(1), "Columns of the output."),
          nested(&C::options, detail::layers::seed_field<O>(), detail::layers::data_format_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "c", "height": 3, "width": 2})", "(5, 4, 2)"},
                                         {R"({"name": "c", "height": 3, "width": 3, "seed": 7})", "(2, 4, 1)"}};
};

template <>
struct detail::schema::Schema<detail::layers::CenterCropConfig> {
  using C = detail::layers::CenterCropConfig;
  using O = CenterCropOptions;
  static constexpr Info info{.module = "keras.layers", .name = "CenterCrop", .help = "The window in the middle."};
  static constexpr auto fields = all(required("height", &C::height, at_least(1), "Rows of the output."),
                                     required("width", &C::width, at_least(1), "Columns of the output."),
                                     nested(&C::options, detail::layers::data_format_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "c", "height": 3, "width": 2})", "(6, 5, 2)"},
                                         {R"({"name": "c", "height": 4, "width": 3})", "(3, 5, 2)"}};
};

namespace detail::layers {
namespace {

template <class O>
kernels::TransformRules rules_in(const O& options) {
  return rules_of(options.fill_mode, options.interpolation, options.fill_value);
}

AugmentationPtr augmentation_of(const RandomFlipConfig& c) { return make_flip(c.mode); }
AugmentationPtr augmentation_of(const RandomTranslationConfig& c) {
  return make_translation(c.height_factor.bounds(-1), c.width_factor.bounds(-1), rules_in(c.options));
}
AugmentationPtr augmentation_of(const RandomRotationConfig& c) { return make_rotation(c.factor, rules_in(c.options)); }
AugmentationPtr augmentation_of(const RandomShearConfig& c) {
  return make_shear(c.options.x_factor.bounds(-1), c.options.y_factor.bounds(-1), rules_in(c.options));
}
AugmentationPtr augmentation_of(const RandomPerspectiveConfig& c) {
  return make_perspective(c.options.factor, c.options.scale, rules_of("constant", c.options.interpolation, c.options.fill_value));
}
AugmentationPtr augmentation_of(const RandomElasticTransformConfig& c) {
  return make_elastic(c.options.factor, c.options.scale, rules_in(c.options), levels_of(c.options.value_range));
}
AugmentationPtr augmentation_of(const RandomZoomConfig& c) {
  std::optional<Factor> width = c.options.width_factor;
  if (width) width = width->bounds(-1);
  return make_zoom(c.height_factor.bounds(-1), width, rules_in(c.options));
}

// What CenterCrop leaves of a map that is as large as the window, and the middle of a smaller one.
template <class Config>
plan::Value middle(plan::Lowering& to, const Config& config, plan::Value input) {
  const std::int64_t rows = input.shape[0] - config.height, columns = input.shape[1] - config.width;
  if (rows < 0 || columns < 0) return smart_resize(to, input, config.height, config.width);
  return plan::crop2d(to, input, {rows / 2, rows - rows / 2, columns / 2, columns - columns / 2});
}

class CenterCropDescription final : public Described<CenterCropConfig> {
 public:
  using Described::Described;
  bool waits_for_input() const override { return true; }
  Shape output_shape(const Shape& input, const std::string& where) const override {
    check_map(input, where);
    return {config_.height, config_.width, input[2]};
  }
  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    return middle(to, config_, input);
  }
  OnMap on_map(std::span<const Shape> /*inputs*/) const override { return {.kind = OnMap::resize}; }
  ActivationKind activation() const override { return ActivationKind::unchanged; }
};

class RandomCropDescription final : public Described<RandomCropConfig> {
 public:
  using Described::Described;
  bool waits_for_input() const override { return true; }
  Shape output_shape(const Shape& input, const std::string& where) const override {
    check_map(input, where);
    return {config_.height, config_.width, input[2]};
  }
  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    if (to.training() && input.shape[0] > config_.height && input.shape[1] > config_.width)
      return plan::augment(to, input, make_crop(config_.height, config_.width), config_.options.seed.value_or(0));
    return smart_resize(to, input, config_.height, config_.width);
  }
  OnMap on_map(std::span<const Shape> /*inputs*/) const override { return {.kind = OnMap::resize}; }
  ActivationKind activation() const override { return ActivationKind::unchanged; }
};

using RandomFlipDescription = AugmentDescription<RandomFlipConfig>;
using RandomTranslationDescription = AugmentDescription<RandomTranslationConfig>;
using RandomRotationDescription = AugmentDescription<RandomRotationConfig>;
using RandomZoomDescription = AugmentDescription<RandomZoomConfig>;
using RandomShearDescription = AugmentDescription<RandomShearConfig>;
using RandomPerspectiveDescription = AugmentDescription<RandomPerspectiveConfig>;
using RandomElasticTransformDescription = AugmentDescription<RandomElasticTransformConfig>;

}  // namespace

LINN_LAYER_ROW(RandomFlip, RandomFlipDescription)
LINN_LAYER_ROW(RandomTranslation, RandomTranslationDescription)
LINN_LAYER_ROW(RandomRotation, RandomRotationDescription)
LINN_LAYER_ROW(RandomZoom, RandomZoomDescription)
LINN_LAYER_ROW(RandomShear, RandomShearDescription)
LINN_LAYER_ROW(RandomPerspective, RandomPerspectiveDescription)
LINN_LAYER_ROW(RandomElasticTransform, RandomElasticTransformDescription)
LINN_LAYER_ROW(RandomCrop, RandomCropDescription)
LINN_LAYER_ROW(CenterCrop, CenterCropDescription)

}  // namespace detail::layers

RandomFlip::RandomFlip(FlipMode mode, RandomFlipOptions options)
    : Layer(detail::layers::make_layer<detail::layers::RandomFlipDescription>({mode, std::move(options)})) {}
RandomTranslation::RandomTranslation(Factor height_factor, Factor width_factor, RandomTranslationOptions options)
    : Layer(detail::layers::make_layer<detail::layers::RandomTranslationDescription>({height_factor, width_factor, std::move(options)})) {}
RandomRotation::RandomRotation(Factor factor, RandomRotationOptions options)
    : Layer(detail::layers::make_layer<detail::layers::RandomRotationDescription>({factor, std::move(options)})) {}
RandomZoom::RandomZoom(Factor height_factor, RandomZoomOptions options)
    : Layer(detail::layers::make_layer<detail::layers::RandomZoomDescription>({height_factor, std::move(options)})) {}
RandomShear::RandomShear(RandomShearOptions options)
    : Layer(detail::layers::make_layer<detail::layers::RandomShearDescription>({std::move(options)})) {}
RandomPerspective::RandomPerspective(RandomPerspectiveOptions options)
    : Layer(detail::layers::make_layer<detail::layers::RandomPerspectiveDescription>({std::move(options)})) {}
RandomElasticTransform::RandomElasticTransform(RandomElasticTransformOptions options)
    : Layer(detail::layers::make_layer<detail::layers::RandomElasticTransformDescription>({std::move(options)})) {}
RandomCrop::RandomCrop(std::int64_t height, std::int64_t width, RandomCropOptions options)
    : Layer(detail::layers::make_layer<detail::layers::RandomCropDescription>({height, width, std::move(options)})) {}
CenterCrop::CenterCrop(std::int64_t height, std::int64_t width, CenterCropOptions options)
    : Layer(detail::layers::make_layer<detail::layers::CenterCropDescription>({height, width, std::move(options)})) {}

}  // namespace linn
