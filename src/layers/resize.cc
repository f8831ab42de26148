#include "linn/layers/resize.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/pool/adaptive.h"
#include "kernels/resample/resample.h"
#include "layers/described.h"
#include "layers/one_row.h"
#include "layers/smart_resize.h"
#include "layers/window.h"
#include "linn/error.h"
#include "plan/ops/adaptive_pool.h"
#include "plan/ops/eltwise.h"
#include "plan/ops/pad.h"
#include "plan/ops/resample.h"
#include "plan/ops/section.h"

namespace linn {
namespace detail::layers {
namespace {

using kernels::PoolKind;

struct UpSampling2DConfig {
  Size2 size = {2, 2};
  UpSampling2DOptions options = {};
};
struct ResizingConfig {
  std::int64_t height = 0, width = 0;
  ResizingOptions options = {};
};
template <PoolKind kind>
struct AdaptivePooling2DConfig {
  Size2 output_size = {};
  AdaptivePooling2DOptions options = {};
};

}  // namespace
}  // namespace detail::layers

template <>
struct detail::schema::Schema<detail::layers::UpSampling2DConfig> {
  using C = detail::layers::UpSampling2DConfig;
  using O = UpSampling2DOptions;
  static constexpr Info info{.module = "keras.layers", .name = "UpSampling2D", .help = "The map enlarged by whole factors."};
  static constexpr auto fields = all(field("size", &C::size, at_least(1), "Factors of height and width."),
                                     nested(&C::options, detail::layers::data_format_field<O>(),
                                            field("interpolation", &O::interpolation, "How pixels between pixels get their values."),
                                            detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "u", "size": [2, 3]})", "(3, 4, 2)"},
                                         {R"({"name": "u", "size": [3, 2], "interpolation": "bilinear"})", "(3, 4, 2)"}};
};

template <>
struct detail::schema::Schema<detail::layers::ResizingConfig> {
  using C = detail::layers::ResizingConfig;
  using O = ResizingOptions;
  static constexpr Info info{.module = "keras.layers", .name = "Resizing", .help = "The map at a given height and width."};
  static constexpr auto fields =
      all(required("height", &C::height, at_least(1), "Rows of the output."),
          required("width", &C::width, at_least(1), "Columns of the output."),
          nested(&C::options, field("interpolation", &O::interpolation, "How pixels between pixels get their values."),
                 field("crop_to_aspect_ratio", &O::crop_to_aspect_ratio, "Cuts the map to the output's proportions first."),
                 field("pad_to_aspect_ratio", &O::pad_to_aspect_ratio, "Pads the map to the output's proportions first."),
                 field("fill_value", &O::fill_value, "What the pads hold."), detail::layers::data_format_field<O>(),
                 detail::layers::common_fields<O>()));
  static constexpr Absent absent[] = {{"fill_mode", "\"constant\""}, {"antialias", "false"}};
  static constexpr Example examples[] = {{R"({"name": "r", "height": 5, "width": 3})", "(3, 4, 2)"},
                                         {R"({"name": "r", "height": 4, "width": 4, "interpolation": "nearest", "crop_to_aspect_ratio": true})",
                                          "(3, 5, 2)"},
                                         {R"({"name": "r", "height": 4, "width": 4, "pad_to_aspect_ratio": true, "fill_value": 0.5})", "(3, 7, 2)"}};
  static std::string fault(const C& c) {
    const bool both = c.options.crop_to_aspect_ratio && c.options.pad_to_aspect_ratio;
    return both ? "crop_to_aspect_ratio and pad_to_aspect_ratio are both true; choose one" : "";
  }
};

template <detail::kernels::PoolKind kind>
struct detail::schema::Schema<detail::layers::AdaptivePooling2DConfig<kind>> {
  using C = detail::layers::AdaptivePooling2DConfig<kind>;
  using O = AdaptivePooling2DOptions;
  static constexpr Info info{.module = "keras.layers",
                             .name = kind == detail::kernels::PoolKind::max ? "AdaptiveMaxPooling2D" : "AdaptiveAveragePooling2D",
                             .help = "Pools to a map of a given size."};
  static constexpr auto fields = all(required("output_size", &C::output_size, at_least(1), "Height and width of the output."),
                                     nested(&C::options, detail::layers::data_format_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "a", "output_size": [2, 3]})", "(5, 7, 2)"},
                                         {R"({"name": "a", "output_size": [3, 2]})", "(6, 4, 2)"}};
};

namespace detail::layers {

template <>
struct OneRowForm<UpSampling2DConfig> {
  static constexpr std::string_view without[] = {"data_format", "interpolation"};
  static constexpr bool plain_sizes = true;
  static constexpr const char* help = "Each step repeated.";
  static constexpr schema::Example examples[] = {{R"({"name": "u", "size": 3})", "(4, 2)"}, {R"({"name": "u"})", "(1, 1)"}};
};

template <PoolKind kind>
struct OneRowForm<AdaptivePooling2DConfig<kind>> {
  static constexpr const char* help = "Pools to a given number of steps.";
  static constexpr schema::Example examples[] = {{R"({"name": "a", "output_size": [3]})", "(7, 2)"},
                                                 {R"({"name": "a", "output_size": [2]})", "(6, 1)"}};
};

namespace {

kernels::Interpolation kernel_interpolation(const Interpolation& interpolation) {
  return interpolation.kind() == Interpolation::nearest ? kernels::Interpolation::nearest : kernels::Interpolation::bilinear;
}

class UpSampling2DDescription final : public Described<UpSampling2DConfig> {
 public:
  using Described::Described;
  Shape output_shape(const Shape& input, const std::string& where) const override {
    check_map(input, where);
    const auto times = [](std::int64_t size, std::int64_t factor) { return size == Shape::none ? Shape::none : size * factor; };
    return {times(input[0], config_.size.height), times(input[1], config_.size.width), input[2]};
  }
  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    const Shape output = output_shape(input.shape, where());
    return plan::resample(to, input, output[0], output[1], kernel_interpolation(config_.options.interpolation));
  }
  OnMap on_map(std::span<const Shape> /*inputs*/) const override { return {.kind = OnMap::resize}; }
  ActivationKind activation() const override { return ActivationKind::unchanged; }
};

// Rows and columns that Keras cuts off, or puts on, at both sides before it resizes. Proportions are computed in float, as there.
struct AspectRatio {
  std::int64_t height, width, target_height, target_width;

  std::int64_t fitting_height() const {
    return static_cast<std::int64_t>(static_cast<float>(width * target_height) / static_cast<float>(target_width));
  }
  std::int64_t fitting_width() const {
    return static_cast<std::int64_t>(static_cast<float>(height * target_width) / static_cast<float>(target_height));
  }
  /// What a crop leaves out.
  kernels::Pads crop() const {
    const std::int64_t h = std::clamp<std::int64_t>(fitting_height(), 1, height), w = std::clamp<std::int64_t>(fitting_width(), 1, width);
    const std::int64_t top = (height - h) / 2, left = (width - w) / 2;
    return {top, height - h - top, left, width - w - left};
  }
  kernels::Pads pads() const {
    const std::int64_t rows = (std::max(height, fitting_height()) - height) / 2, columns = (std::max(width, fitting_width()) - width) / 2;
    return {rows, rows, columns, columns};
  }
};

class ResizingDescription final : public Described<ResizingConfig> {
 public:
  using Described::Described;
  bool waits_for_input() const override { return true; }
  Shape output_shape(const Shape& input, const std::string& where) const override {
    check_map(input, where);
    return {config_.height, config_.width, input[2]};
  }
  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    const ResizingOptions& o = config_.options;
    const AspectRatio ratio{input.shape[0], input.shape[1], config_.height, config_.width};
    if (o.crop_to_aspect_ratio) input = plan::crop2d(to, input, ratio.crop());
    if (o.pad_to_aspect_ratio) input = padded(to, input, ratio.pads());
    return plan::resample(to, input, config_.height, config_.width, kernel_interpolation(o.interpolation));
  }
  OnMap on_map(std::span<const Shape> /*inputs*/) const override { return {.kind = OnMap::resize}; }
  ActivationKind activation() const override {
    return config_.options.pad_to_aspect_ratio ? ActivationKind::other : ActivationKind::unchanged;
  }

 private:
  /// With pads of fill_value: zeros around values from which it was taken, and all of it added again.
  plan::Value padded(plan::Lowering& to, plan::Value input, const kernels::Pads& pads) const {
    const double fill = config_.options.fill_value;
    if (fill == 0 || pads.none()) return plan::pad2d(to, input, pads, kernels::PadMode::zero);
    const plan::Value shifted = plan::rescale(to, input, 1, -fill);
    return plan::rescale(to, plan::pad2d(to, shifted, pads, kernels::PadMode::zero), 1, fill);
  }
};

template <PoolKind kind>
class AdaptivePooling2DDescription final : public Described<AdaptivePooling2DConfig<kind>> {
 public:
  using Described<AdaptivePooling2DConfig<kind>>::Described;
  Shape output_shape(const Shape& input, const std::string& where) const override {
    check_map(input, where);
    return {this->config_.output_size.height, this->config_.output_size.width, input[2]};
  }
  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    return plan::adaptive_pool2d(to, input, this->config_.output_size.height, this->config_.output_size.width, kind);
  }
  /// Where the output's size divides the map's, windows side by side.
  OnMap on_map(std::span<const Shape> inputs) const override {
    const Size2& size = this->config_.output_size;
    const std::int64_t height = inputs[0][0], width = inputs[0][1];
    if (height % size.height != 0 || width % size.width != 0) return {.kind = OnMap::resize};
    const Size2 window = {height / size.height, width / size.width};
    return {.kind = OnMap::window, .reduction = kind == PoolKind::max ? OnMap::maximum : OnMap::mean, .size = window, .strides = window};
  }
  ActivationKind activation() const override { return ActivationKind::unchanged; }
};

using AdaptiveMaxDescription = AdaptivePooling2DDescription<PoolKind::max>;
using AdaptiveAverageDescription = AdaptivePooling2DDescription<PoolKind::average>;

}  // namespace

plan::Value smart_resize(plan::Lowering& to, plan::Value input, std::int64_t height, std::int64_t width) {
  const AspectRatio ratio{input.shape[0], input.shape[1], height, width};
  return plan::resample(to, plan::crop2d(to, input, ratio.crop()), height, width, kernels::Interpolation::bilinear);
}

LINN_LAYER_ROW(UpSampling2D, UpSampling2DDescription)
LINN_LAYER_ROW(Resizing, ResizingDescription)
LINN_LAYER_ROW(AdaptiveMaxPooling2D, AdaptiveMaxDescription)
LINN_LAYER_ROW(AdaptiveAveragePooling2D, AdaptiveAverageDescription)
LINN_LAYER_ROW(UpSampling1D, OneRow<UpSampling2DDescription>)
LINN_LAYER_ROW(AdaptiveMaxPooling1D, OneRow<AdaptiveMaxDescription>)
LINN_LAYER_ROW(AdaptiveAveragePooling1D, OneRow<AdaptiveAverageDescription>)

}  // namespace detail::layers

UpSampling2D::UpSampling2D(Size2 size, UpSampling2DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::UpSampling2DDescription>({size, std::move(options)})) {}
Resizing::Resizing(std::int64_t height, std::int64_t width, ResizingOptions options)
    : Layer(detail::layers::make_layer<detail::layers::ResizingDescription>({height, width, std::move(options)})) {}
AdaptiveMaxPooling2D::AdaptiveMaxPooling2D(Size2 output_size, AdaptivePooling2DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::AdaptiveMaxDescription>({output_size, std::move(options)})) {}
AdaptiveAveragePooling2D::AdaptiveAveragePooling2D(Size2 output_size, AdaptivePooling2DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::AdaptiveAverageDescription>({output_size, std::move(options)})) {}
UpSampling1D::UpSampling1D(std::int64_t size, UpSampling1DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::OneRow<detail::layers::UpSampling2DDescription>>({{size, std::move(options)}})) {}
AdaptiveMaxPooling1D::AdaptiveMaxPooling1D(std::int64_t output_size, AdaptivePooling1DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::OneRow<detail::layers::AdaptiveMaxDescription>>({{output_size, std::move(options)}})) {}
AdaptiveAveragePooling1D::AdaptiveAveragePooling1D(std::int64_t output_size, AdaptivePooling1DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::OneRow<detail::layers::AdaptiveAverageDescription>>({{output_size, std::move(options)}})) {}

}  // namespace linn
