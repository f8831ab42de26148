#include "linn/layers/pad.h"

#include <fmt/format.h>

#include <algorithm>

#include "layers/described.h"
#include "layers/one_row.h"
#include "layers/window.h"
#include "linn/error.h"
#include "plan/ops/pad.h"

namespace linn {
namespace detail::layers {
namespace {

struct ZeroPadding2DConfig {
  Pads2 padding = 1;
  ZeroPadding2DOptions options = {};
};

}  // namespace
}  // namespace detail::layers

template <>
struct detail::schema::Schema<detail::layers::ZeroPadding2DConfig> {
  using C = detail::layers::ZeroPadding2DConfig;
  using O = ZeroPadding2DOptions;
  static constexpr Info info{.module = "keras.layers", .name = "ZeroPadding2D", .help = "Rows and columns of zeros around the map."};
  static constexpr auto fields = all(field("padding", &C::padding, at_least(0), "Rows and columns: above and below, left and right."),
                                     nested(&C::options, detail::layers::data_format_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "z", "trainable": false, "padding": [[1, 2], [0, 3]]})", "(4, 3, 2)"},
                                         {R"({"name": "z", "padding": [[0, 0], [0, 0]]})", "(2, 2, 2)"}};
};

namespace detail::layers {

template <>
struct OneRowForm<ZeroPadding2DConfig> {
  static constexpr const char* help = "Steps of zeros before and after.";
  static constexpr schema::Example examples[] = {{R"({"name": "z", "padding": [1, 3]})", "(4, 2)"}, {R"({"name": "z", "padding": [2, 2]})", "(1, 1)"}};
};

namespace {

class ZeroPadding2DDescription final : public Described<ZeroPadding2DConfig> {
 public:
  using Described::Described;

  Shape output_shape(const Shape& input, const std::string& where) const override {
    check_map(input, where);
    const auto& [height, width] = config_.padding;
    return {height.before + input[0] + height.after, width.before + input[1] + width.after, input[2]};
  }

  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    const auto& [height, width] = config_.padding;
    return plan::pad2d(to, input, {height.before, height.after, width.before, width.after}, kernels::PadMode::zero);
  }

  OnMap on_map(std::span<const Shape> /*inputs*/) const override {
    return {.kind = OnMap::pad, .pads = config_.padding, .border = "padding with zeros"};
  }
};

}  // namespace

LINN_LAYER_ROW(ZeroPadding2D, ZeroPadding2DDescription)
LINN_LAYER_ROW(ZeroPadding1D, OneRow<ZeroPadding2DDescription>)

}  // namespace detail::layers

ZeroPadding2D::ZeroPadding2D(Pads2 padding, ZeroPadding2DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::ZeroPadding2DDescription>({padding, std::move(options)})) {}
ZeroPadding1D::ZeroPadding1D(Pads1 padding, ZeroPadding1DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::OneRow<detail::layers::ZeroPadding2DDescription>>({{Pads2(0, padding), std::move(options)}})) {}

}  // namespace linn
