#include "linn/layers/pool.h"

#include <fmt/format.h>

#include "kernels/pool/pool.h"
#include "layers/described.h"
#include "layers/one_row.h"
#include "layers/window.h"
#include "linn/error.h"
#include "plan/ops/pool.h"

namespace linn {
namespace detail::layers {
namespace {

using kernels::PoolKind;

template <PoolKind kind>
struct PoolConfig {
  Size2 pool_size = {2, 2};
  Pooling2DOptions options = {};
};

template <PoolKind kind>
struct GlobalPoolConfig {
  GlobalPooling2DOptions options = {};
};

}  // namespace
}  // namespace detail::layers

template <detail::kernels::PoolKind kind>
struct detail::schema::Schema<detail::layers::PoolConfig<kind>> : detail::layers::PoolSchema<detail::layers::PoolConfig<kind>> {
  using C = detail::layers::PoolConfig<kind>;
  using O = Pooling2DOptions;
  static constexpr bool is_max = kind == detail::kernels::PoolKind::max;
  static constexpr Info info =
      is_max ? Info{.module = "keras.layers", .name = "MaxPooling2D", .aliases = {"MaxPool2D"}, .help = "The largest value of each window."}
             : Info{.module = "keras.layers",
                    .name = "AveragePooling2D",
                    .aliases = {"AvgPool2D"},
                    .help = "The mean of each window's cells inside the map."};
  static constexpr Field<C, Size2> pool_size{"pool_size", &C::pool_size, at_least(1), "Height and width of the window.", !is_max};
  static constexpr auto fields =
      all(pool_size,
          nested(&C::options,  //
                 detail::layers::pool_fields<O>(),
                 detail::layers::data_format_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {
      {R"({"name": "p", "pool_size": [2, 3], "padding": "same"})", "(5, 7, 2)"},
      {R"({"name": "p", "pool_size": [3, 2]})", "(7, 6, 2)"},
      {R"({"name": "p", "pool_size": [3, 3], "strides": [1, 1], "padding": "same"})", "(5, 5, 2)"},
      {R"({"name": "p", "pool_size": [17, 16]})", "(17, 33, 1)"},  // more than 256 cells
      {R"({"name": "p", "pool_size": [3, 3], "strides": [2, 2], "padding": "circular"})", "(6, 4, 2)"},
      {R"({"name": "p", "pool_size": [3, 3], "strides": [1, 1]})", "(5, 5, 2)"},
      {R"({"name": "p", "pool_size": [2, 2], "strides": [1, 1], "padding": "same"})", "(4, 5, 3)"},
      {R"({"name": "p", "pool_size": [2, 3], "strides": [1, 1], "padding": "circular"})", "(4, 5, 3)"},
      {R"({"name": "p", "pool_size": [3, 3], "strides": [2, 2], "padding": [[1, 1], [1, 1]]})", "(6, 7, 3)"},
      {R"({"name": "p", "pool_size": [3, 2], "strides": [1, 2], "padding": [[2, 0], [1, 1]]})", "(5, 4, 2)"},
      {R"({"name": "p", "pool_size": [3, 2], "strides": [1, 2], "dilation_rate": [2, 3]})", "(7, 8, 2)"},
      {R"({"name": "p", "pool_size": [2, 3], "strides": [2, 1], "padding": "same", "dilation_rate": [2, 2]})", "(6, 7, 2)"},
      {R"({"name": "p", "pool_size": [3, 2], "strides": [1, 1], "padding": [[2, 3], [1, 2]], "dilation_rate": [2, 3]})", "(6, 7, 2)"},
      {R"({"name": "p", "pool_size": [3, 2], "strides": [2, 3], "padding": "reflect"})", "(6, 5, 2)"},
      {R"({"name": "p", "pool_size": [3, 3], "strides": [2, 2], "padding": {"pads": [[3, 1], [0, 4]], "border": "replicate"}, "ceil_mode": true})", "(5, 4, 2)"},
      {R"({"name": "p", "pool_size": [3, 2], "strides": [2, 3], "padding": [[1, 1], [0, 1]], "ceil_mode": true})", "(7, 9, 2)"},
      {R"({"name": "p", "pool_size": [2, 3], "strides": [3, 2], "dilation_rate": [2, 1], "ceil_mode": true})", "(6, 8, 2)"}};
};

template <detail::kernels::PoolKind kind>
struct detail::schema::Schema<detail::layers::GlobalPoolConfig<kind>> {
  using C = detail::layers::GlobalPoolConfig<kind>;
  using O = GlobalPooling2DOptions;
  static constexpr bool is_max = kind == detail::kernels::PoolKind::max;
  static constexpr Info info = is_max ? Info{.module = "keras.layers",
                                             .name = "GlobalMaxPooling2D",
                                             .aliases = {"GlobalMaxPool2D"},
                                             .help = "The largest value of each channel."}
                                      : Info{.module = "keras.layers",
                                             .name = "GlobalAveragePooling2D",
                                             .aliases = {"GlobalAvgPool2D"},
                                             .help = "The mean of each channel."};
  static constexpr auto fields =
      all(nested(&C::options, detail::layers::data_format_field<O>(),
                 field("keepdims", &O::keepdims, "Whether the result is (1, 1, channels) instead of (channels)."),
                 detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "g"})", "(4, 4, 3)"}, {R"({"name": "g", "keepdims": true})", "(4, 3, 2)"}};
};

namespace detail::layers {

template <PoolKind kind>
struct OneRowForm<PoolConfig<kind>> {
  static constexpr const char* help = kind == PoolKind::max ? "The largest value of each window of steps." : "The mean of each window of steps.";
  static constexpr schema::Example examples[] = {{R"({"name": "p", "pool_size": [3], "padding": "same"})", "(7, 2)"},
                                                 {R"({"name": "p", "pool_size": [2]})", "(7, 3)"},
                                                 {R"({"name": "p", "pool_size": [3], "strides": [1]})", "(5, 1)"},
                                                 {R"({"name": "p", "pool_size": [3], "strides": [2], "padding": "circular"})", "(6, 2)"},
                                                 {R"({"name": "p", "pool_size": [3], "strides": [2], "padding": [1, 2]})", "(6, 2)"},
                                                 {R"({"name": "p", "pool_size": [2], "strides": [1], "dilation_rate": [3]})", "(8, 2)"}};
};

template <PoolKind kind>
struct OneRowForm<GlobalPoolConfig<kind>> {
  static constexpr const char* help =
      kind == PoolKind::max ? "The largest value of each channel over all steps." : "The mean of each channel over all steps.";
  static constexpr schema::Example examples[] = {{R"({"name": "g"})", "(5, 3)"}, {R"({"name": "g", "keepdims": true})", "(4, 2)"}};
};

namespace {

template <PoolKind kind>
class PoolDescription final : public Described<PoolConfig<kind>> {
 public:
  using Described<PoolConfig<kind>>::Described;

  Shape output_shape(const Shape& input, const std::string& where) const override {
    const kernels::Geometry g = window(input, where).geometry;
    return {g.out_height, g.out_width, g.out_channels};
  }

  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    const ResolvedWindow resolved = window(input.shape, this->where());
    return plan::pool2d(to, resolved.padded(to, input), kind, resolved.geometry);
  }

  OnMap on_map(std::span<const Shape> inputs) const override {
    return window_on_map(window(inputs[0], this->where()), kind == PoolKind::max ? OnMap::maximum : OnMap::mean,
                         border_text(this->config_.options.padding));
  }
  ActivationKind activation() const override { return ActivationKind::unchanged; }

 private:
  ResolvedWindow window(const Shape& input, const std::string& where) const {
    check_map(input, where);
    return resolve_window({"pool_size", this->config_.pool_size, this->config_.options.strides, this->config_.options.dilation_rate,
                           this->config_.options.padding, this->config_.options.ceil_mode},
                          input, input[2], 1, where);
  }
};

template <PoolKind kind>
class GlobalPoolDescription final : public Described<GlobalPoolConfig<kind>> {
 public:
  using Described<GlobalPoolConfig<kind>>::Described;

  Shape output_shape(const Shape& input, const std::string& where) const override {
    check_map(input, where);
    return this->config_.options.keepdims ? Shape{1, 1, input[2]} : Shape{input[2]};
  }

  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    plan::Value pooled = plan::global_pool2d(to, input, kind);
    pooled.shape = output_shape(input.shape, this->where());
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

LINN_LAYER_ROW(MaxPooling2D, MaxPoolDescription)
LINN_LAYER_ROW(AveragePooling2D, AveragePoolDescription)
LINN_LAYER_ROW(GlobalMaxPooling2D, GlobalMaxPoolDescription)
LINN_LAYER_ROW(GlobalAveragePooling2D, GlobalAveragePoolDescription)
LINN_LAYER_ROW(MaxPooling1D, OneRow<MaxPoolDescription>)
LINN_LAYER_ROW(AveragePooling1D, OneRow<AveragePoolDescription>)
LINN_LAYER_ROW(GlobalMaxPooling1D, OneRow<GlobalMaxPoolDescription>)
LINN_LAYER_ROW(GlobalAveragePooling1D, OneRow<GlobalAveragePoolDescription>)

}  // namespace detail::layers

MaxPooling2D::MaxPooling2D(Size2 pool_size, Pooling2DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::MaxPoolDescription>({pool_size, std::move(options)})) {}
AveragePooling2D::AveragePooling2D(Size2 pool_size, Pooling2DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::AveragePoolDescription>({pool_size, std::move(options)})) {}
GlobalMaxPooling2D::GlobalMaxPooling2D(GlobalPooling2DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::GlobalMaxPoolDescription>({std::move(options)})) {}
GlobalAveragePooling2D::GlobalAveragePooling2D(GlobalPooling2DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::GlobalAveragePoolDescription>({std::move(options)})) {}
MaxPooling1D::MaxPooling1D(std::int64_t pool_size, Pooling1DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::OneRow<detail::layers::MaxPoolDescription>>({{pool_size, std::move(options)}})) {}
AveragePooling1D::AveragePooling1D(std::int64_t pool_size, Pooling1DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::OneRow<detail::layers::AveragePoolDescription>>({{pool_size, std::move(options)}})) {}
GlobalMaxPooling1D::GlobalMaxPooling1D(GlobalPooling1DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::OneRow<detail::layers::GlobalMaxPoolDescription>>({{std::move(options)}})) {}
GlobalAveragePooling1D::GlobalAveragePooling1D(GlobalPooling1DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::OneRow<detail::layers::GlobalAveragePoolDescription>>({{std::move(options)}})) {}

}  // namespace linn
