#include "linn/layers/blur.h"

#include <fmt/format.h>

#include "kernels/blur/blur.h"
#include "layers/described.h"
#include "layers/window.h"
#include "linn/error.h"
#include "plan/ops/blur.h"
#include "plan/ops/pad.h"
#include "plan/ops/pool.h"

namespace linn {
namespace detail::layers {
namespace {

struct BlurPooling2DConfig {
  std::int64_t filter_size = 4;
  BlurPooling2DOptions options = {};
};

struct MaxBlurPooling2DConfig {
  Size2 pool_size = {2, 2};
  MaxBlurPooling2DOptions options = {};
};

constexpr schema::Range filter_sizes = schema::between(2, kernels::most_blur_taps);
constexpr const char* filter_help = "Taps of the binomial filter along each axis.";
constexpr const char* border_help = "What lies beyond the border: \"reflect\", \"replicate\", \"zero\" or \"circular\".";
constexpr const char* pads_help = "How much of it is put around the map: \"zhang\", \"timm\" or \"kornia\".";

}  // namespace
}  // namespace detail::layers

template <>
struct detail::schema::Schema<detail::layers::BlurPooling2DConfig> {
  using C = detail::layers::BlurPooling2DConfig;
  using O = BlurPooling2DOptions;
  static constexpr Info info{.module = "linn.layers", .name = "BlurPooling2D", .help = "A binomial blur, of which every stride-th pixel is kept."};
  static constexpr auto fields =
      all(field("filter_size", &C::filter_size, detail::layers::filter_sizes, detail::layers::filter_help),
          nested(&C::options, field("strides", &O::strides, at_least(1), "Pixels from one output to the next."),
                 field("border", &O::border, detail::layers::border_help), field("pads", &O::pads, detail::layers::pads_help),
                 detail::layers::data_format_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {
      {R"({"name": "b"})", "(6, 5, 2)"},
      {R"({"name": "b", "filter_size": 3, "border": "replicate"})", "(5, 4, 3)"},
      {R"({"name": "b", "filter_size": 5, "strides": [1, 3], "border": "circular"})", "(4, 6, 2)"},
      {R"({"name": "b", "filter_size": 7, "border": "zero"})", "(2, 3, 2)"},
      {R"({"name": "b", "filter_size": 6, "strides": [3, 3], "pads": "timm"})", "(6, 7, 1)"},
      {R"({"name": "b", "filter_size": 2, "border": "zero", "pads": "kornia"})", "(4, 5, 2)"}};
};

template <>
struct detail::schema::Schema<detail::layers::MaxBlurPooling2DConfig> : detail::layers::PoolSchema<detail::layers::MaxBlurPooling2DConfig> {
  using C = detail::layers::MaxBlurPooling2DConfig;
  using O = MaxBlurPooling2DOptions;
  static constexpr Info info{
      .module = "linn.layers", .name = "MaxBlurPooling2D", .help = "The largest value of each window at stride 1, then BlurPooling2D."};
  static constexpr auto fields =
      all(field("pool_size", &C::pool_size, at_least(1), "Height and width of the maximum's window."),
          nested(&C::options,  //
                 field("filter_size", &O::filter_size, detail::layers::filter_sizes, detail::layers::filter_help),
                 field("strides", &O::strides, at_least(1), "Of the blur; by default the window's size."),
                 field("padding", &O::padding, "Of the maximum, as in MaxPooling2D."),
                 own("dilation_rate", &O::dilation_rate, at_least(1), "Pixels from one cell of the maximum's window to the next."),
                 field("border", &O::border, detail::layers::border_help), field("pads", &O::pads, detail::layers::pads_help),
                 detail::layers::data_format_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {
      {R"({"name": "m"})", "(7, 6, 2)"},
      {R"({"name": "m", "pool_size": [3, 2], "filter_size": 3, "strides": [2, 2], "padding": "circular", "border": "circular"})", "(6, 4, 2)"},
      {R"({"name": "m", "pool_size": [3, 3], "filter_size": 5, "padding": "same", "border": "zero"})", "(5, 7, 2)"},
      {R"({"name": "m", "pool_size": [2, 3], "strides": [2, 2], "padding": "reflect", "dilation_rate": [2, 1]})", "(6, 5, 2)"}};
};

namespace detail::layers {
namespace {

Pads1 pads_of(const BlurPads& pads, std::int64_t taps, std::int64_t stride) {
  switch (pads.kind()) {
    case BlurPads::timm: return {(stride + taps - 2) / 2};
    case BlurPads::kornia: return {(taps - 1) / 2};
    case BlurPads::zhang: break;
  }
  return {(taps - 1) / 2, taps / 2};
}

/// A blur with what is put around its map.
struct Blur {
  std::int64_t filter_size;
  Size2 strides;
  BlurBorder border;
  BlurPads pads;

  ResolvedWindow resolve(const Shape& input, const std::string& where) const {
    check_map(input, where);
    const Pads1 rows = pads_of(pads, filter_size, strides.height), columns = pads_of(pads, filter_size, strides.width);
    const kernels::Pads around = {rows.before, rows.after, columns.before, columns.after};
    if (border.kind() == BlurBorder::reflect) check_reflection(input, around, "border", "border=\"replicate\" or a smaller filter_size", where);
    const auto geometry =
        kernels::resolve({.height = filter_size, .width = filter_size, .stride_height = strides.height, .stride_width = strides.width},
                         rows.before + input[0] + rows.after, columns.before + input[1] + columns.after, input[2], input[2]);
    if (!geometry)
      throw ShapeError(
          fmt::format("{} filter_size {} with pads {} does not fit input ({}, {}); use pads=\"zhang\" or a smaller filter_size", where,
                      filter_size, to_string(Pads2(rows, columns)), input[0], input[1]));
    return {around, pad_mode(border), *geometry};
  }

  Shape output_shape(const Shape& input, const std::string& where) const {
    const kernels::Geometry g = resolve(input, where).geometry;
    return {g.out_height, g.out_width, g.out_channels};
  }

  OnMap on_map(const Shape& input, const std::string& where) const {
    return window_on_map(resolve(input, where), OnMap::blur, fmt::format("border \"{}\"", border.name()));
  }

  plan::Value lower(plan::Lowering& to, plan::Value input, const std::string& where) const {
    const ResolvedWindow resolved = resolve(input.shape, where);
    return plan::blur2d(to, resolved.padded(to, input), resolved.geometry);
  }
};

class BlurDescription final : public Described<BlurPooling2DConfig> {
 public:
  using Described::Described;

  Shape output_shape(const Shape& input, const std::string& where) const override { return blur().output_shape(input, where); }

  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    return blur().lower(to, input, where());
  }

  OnMap on_map(std::span<const Shape> inputs) const override { return blur().on_map(inputs[0], where()); }
  ActivationKind activation() const override { return ActivationKind::linear; }

 private:
  Blur blur() const { return {config_.filter_size, config_.options.strides, config_.options.border, config_.options.pads}; }
};

class MaxBlurDescription final : public Described<MaxBlurPooling2DConfig> {
 public:
  using Described::Described;

  Shape output_shape(const Shape& input, const std::string& where) const override {
    const kernels::Geometry g = window(input, where).geometry;
    return blur().output_shape({g.out_height, g.out_width, g.out_channels}, where);
  }

  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    const ResolvedWindow resolved = window(input.shape, where());
    return blur().lower(to, plan::pool2d(to, resolved.padded(to, input), kernels::PoolKind::max, resolved.geometry), where());
  }

  // The maxima are of stride 1: together with the blur they are one window, larger by the pool's extent, and pads add up.
  OnMap on_map(std::span<const Shape> inputs) const override {
    const ResolvedWindow pool = window(inputs[0], where());
    const OnMap maxima = window_on_map(pool, OnMap::maximum, border_text(config_.options.padding));
    OnMap both = blur().on_map({pool.geometry.out_height, pool.geometry.out_width, pool.geometry.out_channels}, where());
    both.reduction = OnMap::max_blur;
    both.size = Size2(both.size.height + (maxima.size.height - 1) * maxima.dilation.height, both.size.width + (maxima.size.width - 1) * maxima.dilation.width);
    both.pads = {{both.pads.height.before + maxima.pads.height.before, both.pads.height.after + maxima.pads.height.after},
                 {both.pads.width.before + maxima.pads.width.before, both.pads.width.after + maxima.pads.width.after}};
    if (maxima.fill != OnMap::circular && maxima.size != Size2(1, 1)) {
      both.fill = maxima.fill;
      both.border = maxima.border;
    }
    return both;
  }
  ActivationKind activation() const override { return ActivationKind::linear; }

 private:
  ResolvedWindow window(const Shape& input, const std::string& where) const {
    check_map(input, where);
    return resolve_window({"pool_size", config_.pool_size, {1, 1}, config_.options.dilation_rate, config_.options.padding}, input, input[2], 1, where);
  }
  Blur blur() const { return {config_.options.filter_size, config_.options.strides, config_.options.border, config_.options.pads}; }
};

}  // namespace

LINN_LAYER_ROW(BlurPooling2D, BlurDescription)
LINN_LAYER_ROW(MaxBlurPooling2D, MaxBlurDescription)

}  // namespace detail::layers

BlurPooling2D::BlurPooling2D(std::int64_t filter_size, BlurPooling2DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::BlurDescription>({filter_size, std::move(options)})) {}
MaxBlurPooling2D::MaxBlurPooling2D(Size2 pool_size, MaxBlurPooling2DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::MaxBlurDescription>({pool_size, std::move(options)})) {}

}  // namespace linn
