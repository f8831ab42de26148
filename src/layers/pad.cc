#include "linn/layers/pad.h"

#include <fmt/format.h>

#include <algorithm>

#include "layers/config.h"
#include "layers/registry.h"
#include "layers/window.h"
#include "linn/error.h"
#include "plan/ops/pad.h"

namespace linn {
namespace layers {
namespace {

class ZeroPadding2DDescription final : public Described<ZeroPadding2DConfig> {
 public:
  explicit ZeroPadding2DDescription(ZeroPadding2DConfig config) : Described(std::move(config)) {
    constexpr std::int64_t most = std::int64_t{1} << 31;
    const auto& [height, width] = config_.padding;
    const auto [least, largest] = std::minmax({height.before, height.after, width.before, width.after});
    if (least < 0 || largest > most)
      throw ValueError(
          fmt::format("{} padding is {}; each of the four numbers must lie in 0 ... {}", where(), to_string(config_.padding), most));
  }

  std::string_view class_name() const override { return "ZeroPadding2D"; }

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

template <>
DescriptionPtr read_layer<ZeroPadding2D>(const io::Json& config, const std::string& where) {
  return std::make_shared<ZeroPadding2DDescription>(read_config<ZeroPadding2DConfig>(config, where));
}

}  // namespace layers

ZeroPadding2D::ZeroPadding2D(Pads2 padding, ZeroPadding2DOptions options)
    : Layer(std::make_shared<layers::ZeroPadding2DDescription>(ZeroPadding2DConfig{padding, std::move(options)})) {}

}  // namespace linn
