#include "linn/layers/pool.h"

#include <fmt/format.h>

#include "kernels/pool/pool.h"
#include "layers/config.h"
#include "layers/registry.h"
#include "layers/window.h"
#include "linn/error.h"
#include "plan/ops/pool.h"

namespace linn {
namespace layers {
namespace {

using kernels::PoolKind;

template <PoolKind kind>
class PoolDescription final : public Described<Pooling2DConfig> {
 public:
  explicit PoolDescription(Pooling2DConfig config) : Described(std::move(config)) {
    Size2& strides = config_.options.strides;
    check_size(where(), "pool_size", config_.pool_size);
    if (!strides.is_set()) strides = config_.pool_size;
    check_size(where(), "strides", strides);
    check_pool_padding(where(), config_.options.padding);
  }

  std::string_view class_name() const override { return kind == PoolKind::max ? "MaxPooling2D" : "AveragePooling2D"; }

  Shape output_shape(const Shape& input, const std::string& where) const override {
    const kernels::Geometry g = window(input, where).geometry;
    return {g.out_height, g.out_width, g.out_channels};
  }

  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    const ResolvedWindow resolved = window(input.shape, where());
    return plan::pool2d(to, resolved.padded(to, input), kind, resolved.geometry);
  }

  OnMap on_map(std::span<const Shape> inputs) const override {
    return window_on_map(window(inputs[0], where()), kind == PoolKind::max ? OnMap::maximum : OnMap::mean,
                         border_text(config_.options.padding));
  }
  ActivationKind activation() const override { return ActivationKind::unchanged; }

 private:
  ResolvedWindow window(const Shape& input, const std::string& where) const {
    check_map(input, where);
    return resolve_window({"pool_size", config_.pool_size, config_.options.strides, {1, 1}, config_.options.padding}, input, input[2], 1, where);
  }
};

template <PoolKind kind>
class GlobalPoolDescription final : public Described<GlobalPooling2DConfig> {
 public:
  using Described::Described;

  std::string_view class_name() const override { return kind == PoolKind::max ? "GlobalMaxPooling2D" : "GlobalAveragePooling2D"; }

  Shape output_shape(const Shape& input, const std::string& where) const override {
    check_map(input, where);
    return config_.options.keepdims ? Shape{1, 1, input[2]} : Shape{input[2]};
  }

  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    plan::Value pooled = plan::global_pool2d(to, input, kind);
    pooled.shape = output_shape(input.shape, where());
    return pooled;
  }

  OnMap on_map(std::span<const Shape> /*inputs*/) const override {
    return {.kind = OnMap::global, .reduction = kind == PoolKind::max ? OnMap::maximum : OnMap::mean};
  }
  ActivationKind activation() const override { return ActivationKind::unchanged; }
};

using MaxPoolDescription = PoolDescription<PoolKind::max>;
using AveragePoolDescription = PoolDescription<PoolKind::average>;
using GlobalMaxPoolDescription = GlobalPoolDescription<PoolKind::max>;
using GlobalAveragePoolDescription = GlobalPoolDescription<PoolKind::average>;

}  // namespace

template <>
DescriptionPtr read_layer<MaxPooling2D>(const io::Json& config, const std::string& where) {
  return std::make_shared<MaxPoolDescription>(read_config<Pooling2DConfig>(config, where));
}
template <>
DescriptionPtr read_layer<AveragePooling2D>(const io::Json& config, const std::string& where) {
  return std::make_shared<AveragePoolDescription>(read_config<Pooling2DConfig>(config, where));
}
template <>
DescriptionPtr read_layer<GlobalMaxPooling2D>(const io::Json& config, const std::string& where) {
  return std::make_shared<GlobalMaxPoolDescription>(read_config<GlobalPooling2DConfig>(config, where));
}
template <>
DescriptionPtr read_layer<GlobalAveragePooling2D>(const io::Json& config, const std::string& where) {
  return std::make_shared<GlobalAveragePoolDescription>(read_config<GlobalPooling2DConfig>(config, where));
}

}  // namespace layers

MaxPooling2D::MaxPooling2D(Size2 pool_size, Pooling2DOptions options)
    : Layer(std::make_shared<layers::MaxPoolDescription>(Pooling2DConfig{pool_size, std::move(options)})) {}
AveragePooling2D::AveragePooling2D(Size2 pool_size, Pooling2DOptions options)
    : Layer(std::make_shared<layers::AveragePoolDescription>(Pooling2DConfig{pool_size, std::move(options)})) {}
GlobalMaxPooling2D::GlobalMaxPooling2D(GlobalPooling2DOptions options)
    : Layer(std::make_shared<layers::GlobalMaxPoolDescription>(GlobalPooling2DConfig{std::move(options)})) {}
GlobalAveragePooling2D::GlobalAveragePooling2D(GlobalPooling2DOptions options)
    : Layer(std::make_shared<layers::GlobalAveragePoolDescription>(GlobalPooling2DConfig{std::move(options)})) {}

}  // namespace linn
