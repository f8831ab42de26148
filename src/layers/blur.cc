#include "linn/layers/blur.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/blur/blur.h"
#include "layers/config.h"
#include "layers/registry.h"
#include "layers/window.h"
#include "linn/error.h"
#include "plan/ops/blur.h"
#include "plan/ops/pad.h"
#include "plan/ops/pool.h"

namespace linn {
namespace layers {
namespace {

kernels::PadMode mode_of(const BlurBorder& border) {
  switch (border.kind()) {
    case BlurBorder::reflect: return kernels::PadMode::reflect;
    case BlurBorder::replicate: return kernels::PadMode::replicate;
    case BlurBorder::zero: return kernels::PadMode::zero;
    case BlurBorder::circular: break;
  }
  return kernels::PadMode::circular;
}

Pads1 pads_of(const BlurPads& pads, std::int64_t taps, std::int64_t stride) {
  switch (pads.kind()) {
    case BlurPads::timm: return {(stride + taps - 2) / 2};
    case BlurPads::kornia: return {(taps - 1) / 2};
    case BlurPads::zhang: break;
  }
  return {(taps - 1) / 2, taps / 2};
}

void check_filter_size(const std::string& where, std::int64_t filter_size) {
  if (filter_size < 2 || filter_size > kernels::most_blur_taps)
    throw ValueError(fmt::format("{} filter_size is {}; it must be 2 to {}", where, filter_size, kernels::most_blur_taps));
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
    if (border.kind() == BlurBorder::reflect &&
        (input[0] <= std::max(rows.before, rows.after) || input[1] <= std::max(columns.before, columns.after)))
      throw ShapeError(fmt::format(
          "{} border \"reflect\" puts {} around input ({}, {}), each of which must be less than the map's size; use border=\"replicate\" "
          "or a smaller filter_size",
          where, to_string(Pads2(rows, columns)), input[0], input[1]));
    const auto geometry =
        kernels::resolve({.height = filter_size, .width = filter_size, .stride_height = strides.height, .stride_width = strides.width},
                         rows.before + input[0] + rows.after, columns.before + input[1] + columns.after, input[2], input[2]);
    if (!geometry)
      throw ShapeError(
          fmt::format("{} filter_size {} with pads {} does not fit input ({}, {}); use pads=\"zhang\" or a smaller filter_size", where,
                      filter_size, to_string(Pads2(rows, columns)), input[0], input[1]));
    return {{rows.before, rows.after, columns.before, columns.after}, mode_of(border), *geometry};
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
  explicit BlurDescription(BlurPooling2DConfig config) : Described(std::move(config)) {
    check_filter_size(where(), config_.filter_size);
    check_size(where(), "strides", config_.options.strides);
  }

  std::string_view class_name() const override { return "BlurPooling2D"; }

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
  explicit MaxBlurDescription(MaxBlurPooling2DConfig config) : Described(std::move(config)) {
    Size2& strides = config_.options.strides;
    check_size(where(), "pool_size", config_.pool_size);
    check_filter_size(where(), config_.options.filter_size);
    if (!strides.is_set()) strides = config_.pool_size;
    check_size(where(), "strides", strides);
    check_pool_padding(where(), config_.options.padding);
  }

  std::string_view class_name() const override { return "MaxBlurPooling2D"; }

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
    both.size = Size2(both.size.height + maxima.size.height - 1, both.size.width + maxima.size.width - 1);
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
    return resolve_window({"pool_size", config_.pool_size, {1, 1}, {1, 1}, config_.options.padding}, input, input[2], 1, where);
  }
  Blur blur() const { return {config_.options.filter_size, config_.options.strides, config_.options.border, config_.options.pads}; }
};

}  // namespace

template <>
DescriptionPtr read_layer<BlurPooling2D>(const io::Json& config, const std::string& where) {
  return std::make_shared<BlurDescription>(read_config<BlurPooling2DConfig>(config, where));
}
template <>
DescriptionPtr read_layer<MaxBlurPooling2D>(const io::Json& config, const std::string& where) {
  return std::make_shared<MaxBlurDescription>(read_config<MaxBlurPooling2DConfig>(config, where));
}

}  // namespace layers

BlurPooling2D::BlurPooling2D(std::int64_t filter_size, BlurPooling2DOptions options)
    : Layer(std::make_shared<layers::BlurDescription>(BlurPooling2DConfig{filter_size, std::move(options)})) {}
MaxBlurPooling2D::MaxBlurPooling2D(Size2 pool_size, MaxBlurPooling2DOptions options)
    : Layer(std::make_shared<layers::MaxBlurDescription>(MaxBlurPooling2DConfig{pool_size, std::move(options)})) {}

}  // namespace linn
