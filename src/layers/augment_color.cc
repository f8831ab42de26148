#include <utility>

#include "layers/augment_fields.h"

namespace linn {
namespace detail::layers {
namespace {

struct RandomContrastConfig {
  Factor factor = 0.0;
  RandomContrastOptions options = {};
};

struct RandomBrightnessConfig {
  Factor factor = 0.0;
  RandomBrightnessOptions options = {};
};

struct RandomGrayscaleConfig {
  RandomGrayscaleOptions options = {};
};

struct RandomInvertConfig {
  RandomInvertOptions options = {};
};

struct RandomErasingConfig {
  RandomErasingOptions options = {};
};

struct RandomSharpnessConfig {
  Factor factor = 0.0;
  RandomSharpnessOptions options = {};
};

struct RandomGaussianBlurConfig {
  RandomGaussianBlurOptions options = {};
};

struct RandomHueConfig {
  Factor factor = 0.0;
  RandomHueOptions options = {};
};

struct RandomSaturationConfig {
  Factor factor = 0.0;
  RandomSaturationOptions options = {};
};

struct RandomColorJitterConfig {
  RandomColorJitterOptions options = {};
};

struct RandomColorDegenerationConfig {
  Factor factor = 0.0;
  RandomColorDegenerationOptions options = {};
};

struct RandomPosterizationConfig {
  Factor factor = 0.0;
  RandomPosterizationOptions options = {};
};

struct SolarizationConfig {
  SolarizationOptions options = {};
};

struct AutoContrastConfig {
  AutoContrastOptions options = {};
};

struct EqualizationConfig {
  EqualizationOptions options = {};
};

struct ContrastLimitedAdaptiveHistogramEqualizationConfig {
  ContrastLimitedAdaptiveHistogramEqualizationOptions options = {};
};

}  // namespace
}  // namespace detail::layers

template <>
struct detail::schema::Schema<detail::layers::RandomContrastConfig> {
  using C = detail::layers::RandomContrastConfig;
  using O = RandomContrastOptions;
  static constexpr Info info{
      .module = "keras.layers", .name = "RandomContrast", .help = "Changes the contrast of each channel while training."};
  static constexpr auto fields =
      all(required("factor", &C::factor, between(0, 1), "From 1 - lower to 1 + upper bound times the contrast."),
          nested(&C::options, detail::layers::value_range_field<O>(), detail::layers::seed_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Absent absent[] = {{"data_format", "\"channels_last\""}};
  static constexpr Example examples[] = {{R"({"name": "c", "factor": 0.4, "value_range": [0, 2]})", "(3, 4, 2)"}};
  static void complete(C& c) { c.factor = c.factor.bounds(0); }
};

template <>
struct detail::schema::Schema<detail::layers::RandomBrightnessConfig> {
  using C = detail::layers::RandomBrightnessConfig;
  using O = RandomBrightnessOptions;
  static constexpr Info info{
      .module = "keras.layers", .name = "RandomBrightness", .help = "Adds to all pixels of an image while training."};
  static constexpr auto fields =
      all(required("factor", &C::factor, between(-1, 1), "Share of the value range."),
          nested(&C::options, detail::layers::value_range_field<O>(), detail::layers::seed_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Absent absent[] = {{"data_format", "\"channels_last\""}};
  static constexpr Example examples[] = {{R"({"name": "b", "factor": [-0.1, 0.4], "value_range": [0, 2]})", "(3, 4, 2)"}};
  static void complete(C& c) { c.factor = c.factor.bounds(-1); }
};

template <>
struct detail::schema::Schema<detail::layers::RandomGrayscaleConfig> {
  using C = detail::layers::RandomGrayscaleConfig;
  using O = RandomGrayscaleOptions;
  static constexpr Info info{.module = "keras.layers", .name = "RandomGrayscale", .help = "Makes some images gray while training."};
  static constexpr auto fields =
      all(nested(&C::options, field("factor", &O::factor, between(0, 1), "How likely an image becomes gray."),
                 detail::layers::data_format_field<O>(), detail::layers::seed_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "g", "factor": 0.6})", "(3, 4, 3)"}};
};

template <>
struct detail::schema::Schema<detail::layers::RandomInvertConfig> {
  using C = detail::layers::RandomInvertConfig;
  using O = RandomInvertOptions;
  static constexpr Info info{.module = "keras.layers", .name = "RandomInvert", .help = "Inverts some images while training."};
  static constexpr auto fields = all(nested(&C::options, field("factor", &O::factor, between(0, 1), "How likely an image is inverted."),
                                            detail::layers::value_range_field<O>(), detail::layers::seed_field<O>(),
                                            detail::layers::data_format_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "i", "value_range": [0, 2]})", "(3, 4, 2)"}};
  static void complete(C& c) { c.options.factor = c.options.factor.bounds(0); }
};

template <>
struct detail::schema::Schema<detail::layers::RandomErasingConfig> {
  using C = detail::layers::RandomErasingConfig;
  using O = RandomErasingOptions;
  static constexpr Info info{.module = "keras.layers", .name = "RandomErasing", .help = "Fills a random rectangle while training."};
  static constexpr auto fields =
      all(nested(&C::options, field("factor", &O::factor, between(0, 1), "How likely an image is changed."),
                 field("scale", &O::scale, between(0, 1), "Square of the rectangle's share of a side."),
                 field("fill_value", &O::fill_value, "What the rectangle holds; unset: noise."), detail::layers::value_range_field<O>(),
                 detail::layers::seed_field<O>(), detail::layers::data_format_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "e", "fill_value": 1.5, "value_range": [0, 2]})", "(5, 4, 2)"},
                                         {R"({"name": "e", "factor": 0.7, "fill_value": [0.1, 0.2, 0.3]})", "(4, 4, 3)"}};
  static void complete(C& c) {
    c.options.factor = c.options.factor.bounds(0);
    c.options.scale = c.options.scale.bounds(0);
  }
};

template <>
struct detail::schema::Schema<detail::layers::RandomSharpnessConfig> {
  using C = detail::layers::RandomSharpnessConfig;
  using O = RandomSharpnessOptions;
  static constexpr Info info{.module = "keras.layers", .name = "RandomSharpness", .help = "Smooths or sharpens images while training."};
  static constexpr auto fields = all(required("factor", &C::factor, between(0, 1), "0 smooths, 0.5 changes nothing, 1 sharpens."),
                                     nested(&C::options, detail::layers::value_range_field<O>(), detail::layers::data_format_field<O>(),
                                            detail::layers::seed_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "s", "factor": 1.0, "value_range": [0, 2]})", "(5, 4, 2)"}};
  static void complete(C& c) { c.factor = c.factor.bounds(0); }
};

template <>
struct detail::schema::Schema<detail::layers::RandomGaussianBlurConfig> {
  using C = detail::layers::RandomGaussianBlurConfig;
  using O = RandomGaussianBlurOptions;
  static constexpr Info info{.module = "keras.layers", .name = "RandomGaussianBlur", .help = "Blurs images while training."};
  static constexpr auto fields =
      all(nested(&C::options, field("factor", &O::factor, between(0, 1), "How likely an image is blurred."),
                 field("kernel_size", &O::kernel_size, at_least(1), "Columns and rows of the weights, odd."),
                 field("sigma", &O::sigma, between(0, 1), "Standard deviation of the weights."), detail::layers::value_range_field<O>(),
                 detail::layers::data_format_field<O>(), detail::layers::seed_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "b", "kernel_size": [5, 5], "sigma": 0.8, "value_range": [0, 2]})", "(5, 4, 2)"}};
  static void complete(C& c) {
    c.options.factor = c.options.factor.bounds(0);
    c.options.sigma = c.options.sigma.bounds(0);
  }
  static std::string fault(const C& c) {
    return c.options.kernel_size.height % 2 == 0 || c.options.kernel_size.width % 2 == 0 ? "kernel_size must be odd" : "";
  }
};

template <>
struct detail::schema::Schema<detail::layers::RandomHueConfig> {
  using C = detail::layers::RandomHueConfig;
  using O = RandomHueOptions;
  static constexpr Info info{.module = "keras.layers", .name = "RandomHue", .help = "Turns the hue while training."};
  static constexpr auto fields = all(required("factor", &C::factor, between(0, 1), "Share of half a turn, either way."),
                                     nested(&C::options, detail::layers::value_range_field<O>(), detail::layers::data_format_field<O>(),
                                            detail::layers::seed_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "h", "factor": 0.5, "value_range": [0, 2]})", "(3, 4, 3)"}};
  static void complete(C& c) { c.factor = c.factor.bounds(0); }
};

template <>
struct detail::schema::Schema<detail::layers::RandomSaturationConfig> {
  using C = detail::layers::RandomSaturationConfig;
  using O = RandomSaturationOptions;
  static constexpr Info info{.module = "keras.layers", .name = "RandomSaturation", .help = "Changes the saturation while training."};
  static constexpr auto fields = all(required("factor", &C::factor, between(-1, 1), "f: the saturation times f / (1 - f)."),
                                     nested(&C::options, detail::layers::value_range_field<O>(), detail::layers::data_format_field<O>(),
                                            detail::layers::seed_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "s", "factor": [0.3, 0.6], "value_range": [0, 1]})", "(3, 4, 3)"}};
  static void complete(C& c) { c.factor = c.factor.bounds(-1); }
};

template <>
struct detail::schema::Schema<detail::layers::RandomColorJitterConfig> {
  using C = detail::layers::RandomColorJitterConfig;
  using O = RandomColorJitterOptions;
  static constexpr Info info{
      .module = "keras.layers", .name = "RandomColorJitter", .help = "Changes brightness, contrast, saturation and hue while training."};
  static constexpr auto fields =
      all(nested(&C::options, detail::layers::value_range_field<O>(),
                 field("brightness_factor", &O::brightness_factor, between(-1, 1), "As of RandomBrightness."),
                 field("contrast_factor", &O::contrast_factor, between(0, 1), "As of RandomContrast."),
                 field("saturation_factor", &O::saturation_factor, between(-1, 1), "As of RandomSaturation."),
                 field("hue_factor", &O::hue_factor, between(0, 1), "As of RandomHue."), detail::layers::seed_field<O>(),
                 detail::layers::data_format_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {
      {R"({"name": "j", "value_range": [0, 2], "brightness_factor": 0.2, "contrast_factor": 0.3, "saturation_factor": [0.4, 0.6], "hue_factor": 0.1})",
       "(3, 4, 3)"}};
};

template <>
struct detail::schema::Schema<detail::layers::RandomColorDegenerationConfig> {
  using C = detail::layers::RandomColorDegenerationConfig;
  using O = RandomColorDegenerationOptions;
  static constexpr Info info{.module = "keras.layers", .name = "RandomColorDegeneration", .help = "Takes colour away while training."};
  static constexpr auto fields = all(required("factor", &C::factor, between(-1, 1), "0: nothing, 1: all."),
                                     nested(&C::options, detail::layers::value_range_field<O>(), detail::layers::data_format_field<O>(),
                                            detail::layers::seed_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "d", "factor": 0.7, "value_range": [0, 2]})", "(3, 4, 3)"}};
  static void complete(C& c) { c.factor = c.factor.bounds(-1); }
};

template <>
struct detail::schema::Schema<detail::layers::RandomPosterizationConfig> {
  using C = detail::layers::RandomPosterizationConfig;
  using O = RandomPosterizationOptions;
  static constexpr Info info{
      .module = "keras.layers", .name = "RandomPosterization", .help = "Keeps the highest bits of pixels while training."};
  static constexpr auto fields = all(required("factor", &C::factor, between(1, 8), "Bits that stay."),
                                     nested(&C::options, detail::layers::value_range_field<O>(), detail::layers::data_format_field<O>(),
                                            detail::layers::seed_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "p", "factor": [2, 5], "value_range": [0, 2]})", "(3, 4, 2)"}};
  static void complete(C& c) { c.factor = c.factor.bounds(1); }
};

template <>
struct detail::schema::Schema<detail::layers::SolarizationConfig> {
  using C = detail::layers::SolarizationConfig;
  using O = SolarizationOptions;
  static constexpr Info info{.module = "keras.layers", .name = "Solarization", .help = "Inverts bright pixels while training."};
  static constexpr auto fields =
      all(nested(&C::options, field("addition_factor", &O::addition_factor, between(0, 1), "Added before, as a share of 255."),
                 field("threshold_factor", &O::threshold_factor, between(0, 1), "From where on pixels are inverted, as a share of 255."),
                 detail::layers::value_range_field<O>(), detail::layers::seed_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Absent absent[] = {{"data_format", "\"channels_last\""}};
  static constexpr Example examples[] = {
      {R"({"name": "s", "addition_factor": 0.2, "threshold_factor": [0.3, 0.6], "value_range": [0, 2]})", "(3, 4, 2)"}};
  static void complete(C& c) {
    c.options.addition_factor = c.options.addition_factor.bounds(0);
    c.options.threshold_factor = c.options.threshold_factor.bounds(0);
  }
};

template <>
struct detail::schema::Schema<detail::layers::AutoContrastConfig> {
  using C = detail::layers::AutoContrastConfig;
  using O = AutoContrastOptions;
  static constexpr Info info{.module = "keras.layers", .name = "AutoContrast", .help = "Stretches each channel to the value range."};
  static constexpr auto fields = all(nested(&C::options, detail::layers::value_range_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Absent absent[] = {{"data_format", "\"channels_last\""}};
  static constexpr Example examples[] = {{R"({"name": "a", "value_range": [0, 2]})", "(3, 4, 2)"}};
};

template <>
struct detail::schema::Schema<detail::layers::EqualizationConfig> {
  using C = detail::layers::EqualizationConfig;
  using O = EqualizationOptions;
  static constexpr Info info{
      .module = "keras.layers", .name = "Equalization", .help = "Equalizes the histogram of each channel while training."};
  static constexpr auto fields =
      all(nested(&C::options, detail::layers::value_range_field<O>(), field("bins", &O::bins, between(2, 65536), "Bins of the histogram."),
                 detail::layers::data_format_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "e", "value_range": [0, 2], "bins": 16})", "(3, 4, 2)"}};
};

template <>
struct detail::schema::Schema<detail::layers::ContrastLimitedAdaptiveHistogramEqualizationConfig> {
  using C = detail::layers::ContrastLimitedAdaptiveHistogramEqualizationConfig;
  using O = ContrastLimitedAdaptiveHistogramEqualizationOptions;
  static constexpr Info info{
      .module = "keras.layers", .name = "ContrastLimitedAdaptiveHistogramEqualization", .help = "Equalizes the histograms of tiles."};
  static constexpr auto fields =
      all(nested(&C::options, detail::layers::value_range_field<O>(),
                 field("clip_limit", &O::clip_limit, at_least(0), "No bin counts more than this times the mean; 0: no limit."),
                 field("tile_grid_size", &O::tile_grid_size, between(1, 1024), "Tiles along height and width."),
                 detail::layers::data_format_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "q", "value_range": [0, 2], "tile_grid_size": [2, 3]})", "(6, 7, 2)"}};
};

namespace detail::layers {
namespace {

AugmentationPtr augmentation_of(const RandomContrastConfig& c) { return make_contrast(c.factor, levels_of(c.options.value_range)); }
AugmentationPtr augmentation_of(const RandomBrightnessConfig& c) { return make_brightness(c.factor, levels_of(c.options.value_range)); }
AugmentationPtr augmentation_of(const RandomGrayscaleConfig& c) { return make_grayscale(c.options.factor); }
AugmentationPtr augmentation_of(const RandomInvertConfig& c) { return make_invert(c.options.factor, levels_of(c.options.value_range)); }
AugmentationPtr augmentation_of(const RandomErasingConfig& c) {
  return make_erasing(c.options.factor, c.options.scale, c.options.fill_value, levels_of(c.options.value_range));
}
void check_image(const RandomErasingConfig& c, const Shape& input, const std::string& where) {
  if (c.options.fill_value && c.options.fill_value->values().size() == 3)
    check_channels(Channels::color, input, where + ": fill_value has three numbers: it");
}
AugmentationPtr augmentation_of(const RandomSharpnessConfig& c) { return make_sharpness(c.factor, levels_of(c.options.value_range)); }
AugmentationPtr augmentation_of(const RandomGaussianBlurConfig& c) {
  return make_gaussian_blur(c.options.factor, c.options.kernel_size, c.options.sigma, levels_of(c.options.value_range));
}
AugmentationPtr augmentation_of(const RandomHueConfig& c) { return make_hue(c.factor, levels_of(c.options.value_range)); }
AugmentationPtr augmentation_of(const RandomSaturationConfig& c) { return make_saturation(c.factor, levels_of(c.options.value_range)); }
AugmentationPtr augmentation_of(const RandomColorDegenerationConfig& c) {
  return make_color_degeneration(c.factor, levels_of(c.options.value_range));
}
AugmentationPtr augmentation_of(const RandomPosterizationConfig& c) {
  return make_posterization(c.factor, levels_of(c.options.value_range));
}
AugmentationPtr augmentation_of(const SolarizationConfig& c) {
  return make_solarization(c.options.addition_factor, c.options.threshold_factor, levels_of(c.options.value_range));
}
AugmentationPtr augmentation_of(const AutoContrastConfig& c) { return make_auto_contrast(levels_of(c.options.value_range)); }
AugmentationPtr augmentation_of(const EqualizationConfig& c) { return make_equalization(c.options.bins, levels_of(c.options.value_range)); }
AugmentationPtr augmentation_of(const ContrastLimitedAdaptiveHistogramEqualizationConfig& c) {
  return make_adaptive_equalization({c.options.clip_limit, c.options.tile_grid_size.height, c.options.tile_grid_size.width},
                                    levels_of(c.options.value_range));
}
AugmentationPtr augmentation_of(const RandomColorJitterConfig& c) {
  const RandomColorJitterOptions& o = c.options;
  const kernels::Levels levels = levels_of(o.value_range);
  std::vector<AugmentationPtr> parts;
  if (o.brightness_factor) parts.push_back(make_brightness(o.brightness_factor->bounds(-1), levels));
  if (o.contrast_factor) parts.push_back(make_contrast(o.contrast_factor->bounds(0), levels));
  if (o.saturation_factor) parts.push_back(make_saturation(o.saturation_factor->bounds(-1), levels));
  if (o.hue_factor) parts.push_back(make_hue(o.hue_factor->bounds(0), levels));
  return make_sequence(std::move(parts));
}

using RandomContrastDescription = AugmentDescription<RandomContrastConfig>;
using RandomBrightnessDescription = AugmentDescription<RandomBrightnessConfig>;
using RandomGrayscaleDescription = AugmentDescription<RandomGrayscaleConfig, Channels::gray_or_color>;
using RandomInvertDescription = AugmentDescription<RandomInvertConfig>;
using RandomErasingDescription = AugmentDescription<RandomErasingConfig>;
using RandomSharpnessDescription = AugmentDescription<RandomSharpnessConfig>;
using RandomGaussianBlurDescription = AugmentDescription<RandomGaussianBlurConfig>;
using RandomHueDescription = AugmentDescription<RandomHueConfig, Channels::color>;
using RandomSaturationDescription = AugmentDescription<RandomSaturationConfig, Channels::color>;
using RandomColorJitterDescription = AugmentDescription<RandomColorJitterConfig, Channels::color>;
using RandomColorDegenerationDescription = AugmentDescription<RandomColorDegenerationConfig, Channels::gray_or_color>;
using RandomPosterizationDescription = AugmentDescription<RandomPosterizationConfig>;
using SolarizationDescription = AugmentDescription<SolarizationConfig>;
using AutoContrastDescription = AugmentDescription<AutoContrastConfig, Channels::any, Active::always>;
using EqualizationDescription = AugmentDescription<EqualizationConfig>;
using ContrastLimitedAdaptiveHistogramEqualizationDescription =
    AugmentDescription<ContrastLimitedAdaptiveHistogramEqualizationConfig, Channels::any, Active::always>;

}  // namespace

LINN_LAYER_ROW(RandomContrast, RandomContrastDescription)
LINN_LAYER_ROW(RandomBrightness, RandomBrightnessDescription)
LINN_LAYER_ROW(RandomGrayscale, RandomGrayscaleDescription)
LINN_LAYER_ROW(RandomInvert, RandomInvertDescription)
LINN_LAYER_ROW(RandomErasing, RandomErasingDescription)
LINN_LAYER_ROW(RandomSharpness, RandomSharpnessDescription)
LINN_LAYER_ROW(RandomGaussianBlur, RandomGaussianBlurDescription)
LINN_LAYER_ROW(RandomHue, RandomHueDescription)
LINN_LAYER_ROW(RandomSaturation, RandomSaturationDescription)
LINN_LAYER_ROW(RandomColorJitter, RandomColorJitterDescription)
LINN_LAYER_ROW(RandomColorDegeneration, RandomColorDegenerationDescription)
LINN_LAYER_ROW(RandomPosterization, RandomPosterizationDescription)
LINN_LAYER_ROW(Solarization, SolarizationDescription)
LINN_LAYER_ROW(AutoContrast, AutoContrastDescription)
LINN_LAYER_ROW(Equalization, EqualizationDescription)
LINN_LAYER_ROW(ContrastLimitedAdaptiveHistogramEqualization, ContrastLimitedAdaptiveHistogramEqualizationDescription)

}  // namespace detail::layers

RandomContrast::RandomContrast(Factor factor, RandomContrastOptions options)
    : Layer(detail::layers::make_layer<detail::layers::RandomContrastDescription>({factor, std::move(options)})) {}
RandomBrightness::RandomBrightness(Factor factor, RandomBrightnessOptions options)
    : Layer(detail::layers::make_layer<detail::layers::RandomBrightnessDescription>({factor, std::move(options)})) {}
RandomGrayscale::RandomGrayscale(RandomGrayscaleOptions options)
    : Layer(detail::layers::make_layer<detail::layers::RandomGrayscaleDescription>({std::move(options)})) {}
RandomInvert::RandomInvert(RandomInvertOptions options)
    : Layer(detail::layers::make_layer<detail::layers::RandomInvertDescription>({std::move(options)})) {}
RandomErasing::RandomErasing(RandomErasingOptions options)
    : Layer(detail::layers::make_layer<detail::layers::RandomErasingDescription>({std::move(options)})) {}
RandomSharpness::RandomSharpness(Factor factor, RandomSharpnessOptions options)
    : Layer(detail::layers::make_layer<detail::layers::RandomSharpnessDescription>({factor, std::move(options)})) {}
RandomGaussianBlur::RandomGaussianBlur(RandomGaussianBlurOptions options)
    : Layer(detail::layers::make_layer<detail::layers::RandomGaussianBlurDescription>({std::move(options)})) {}
RandomHue::RandomHue(Factor factor, RandomHueOptions options)
    : Layer(detail::layers::make_layer<detail::layers::RandomHueDescription>({factor, std::move(options)})) {}
RandomSaturation::RandomSaturation(Factor factor, RandomSaturationOptions options)
    : Layer(detail::layers::make_layer<detail::layers::RandomSaturationDescription>({factor, std::move(options)})) {}
RandomColorJitter::RandomColorJitter(RandomColorJitterOptions options)
    : Layer(detail::layers::make_layer<detail::layers::RandomColorJitterDescription>({std::move(options)})) {}
RandomColorDegeneration::RandomColorDegeneration(Factor factor, RandomColorDegenerationOptions options)
    : Layer(detail::layers::make_layer<detail::layers::RandomColorDegenerationDescription>({factor, std::move(options)})) {}
RandomPosterization::RandomPosterization(Factor factor, RandomPosterizationOptions options)
    : Layer(detail::layers::make_layer<detail::layers::RandomPosterizationDescription>({factor, std::move(options)})) {}
Solarization::Solarization(SolarizationOptions options)
    : Layer(detail::layers::make_layer<detail::layers::SolarizationDescription>({std::move(options)})) {}
AutoContrast::AutoContrast(AutoContrastOptions options)
    : Layer(detail::layers::make_layer<detail::layers::AutoContrastDescription>({std::move(options)})) {}
Equalization::Equalization(EqualizationOptions options)
    : Layer(detail::layers::make_layer<detail::layers::EqualizationDescription>({std::move(options)})) {}
ContrastLimitedAdaptiveHistogramEqualization::ContrastLimitedAdaptiveHistogramEqualization(
    ContrastLimitedAdaptiveHistogramEqualizationOptions options)
    : Layer(detail::layers::make_layer<detail::layers::ContrastLimitedAdaptiveHistogramEqualizationDescription>({std::move(options)})) {}

}  // namespace linn
