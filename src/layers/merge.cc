#include "linn/layers/merge.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/merge/merge.h"
#include "layers/axes.h"
#include "layers/config.h"
#include "layers/registry.h"
#include "linn/error.h"
#include "plan/ops/merge.h"

namespace linn {
namespace layers {
namespace {

using kernels::MergeKind;

std::string listed(std::span<const Shape> shapes) {
  std::string text;
  for (const Shape& shape : shapes) text += (text.empty() ? "" : ", ") + shape.to_string();
  return text;
}

bool are_maps(std::span<const Shape> shapes) {
  return std::all_of(shapes.begin(), shapes.end(), [](const Shape& shape) { return shape.rank() == 3; });
}

template <MergeKind kind>
class MergeDescription final : public Described<MergeConfig, LayerDescription> {
 public:
  using Described::Described;

  std::string_view class_name() const override {
    switch (kind) {
      case MergeKind::add: return "Add";
      case MergeKind::subtract: return "Subtract";
      case MergeKind::multiply: return "Multiply";
      case MergeKind::average: return "Average";
      case MergeKind::maximum: return "Maximum";
      case MergeKind::minimum: return "Minimum";
    }
  }
  bool waits_for_input() const override { return true; }

  std::vector<Shape> infer_shapes(std::span<const Shape> inputs, const std::string& where) const override {
    if (inputs.empty()) throw ShapeError(fmt::format("{} needs at least one input; none came", where));
    if (kind == MergeKind::subtract && inputs.size() != 2) throw ShapeError(fmt::format("{} takes two inputs; {} came", where, inputs.size()));
    const std::optional<Shape> shape = kernels::broadcast_shape(inputs);
    if (!shape)
      throw ShapeError(fmt::format("{} cannot merge inputs of shapes {}; aligned at their last axes, sizes must be equal or 1", where, listed(inputs)));
    return {*shape};
  }

  OnMap on_map(std::span<const Shape> inputs) const override {
    const auto same = [&](const Shape& shape) { return shape == inputs[0]; };
    if (std::all_of(inputs.begin(), inputs.end(), same)) return {.kind = OnMap::elementwise};
    return are_maps(inputs) ? OnMap{.kind = OnMap::pointwise} : OnMap{};
  }
  ActivationKind activation() const override {
    const bool linear = kind == MergeKind::add || kind == MergeKind::subtract || kind == MergeKind::average;
    return linear ? ActivationKind::linear : ActivationKind::other;
  }

  std::vector<plan::Value> lower_call(plan::Lowering& to, std::span<const plan::Value> inputs,
                                      std::span<const plan::Value> /*variables*/) const override {
    if (inputs.size() == 1) return {inputs[0]};
    return {plan::merge(to, kind, inputs)};
  }
};

class ConcatenateDescription final : public Described<ConcatenateConfig, LayerDescription> {
 public:
  using Described::Described;

  std::string_view class_name() const override { return "Concatenate"; }
  bool waits_for_input() const override { return true; }

  std::vector<Shape> infer_shapes(std::span<const Shape> inputs, const std::string& where) const override {
    if (inputs.empty()) throw ShapeError(fmt::format("{} needs at least one input; none came", where));
    const std::size_t axis = image_axis(config_.options.axis, inputs[0].rank(), where);
    std::vector<std::int64_t> sizes(inputs[0].begin(), inputs[0].end());
    for (const Shape& input : inputs.subspan(1)) {
      if (input.rank() != sizes.size()) refuse(inputs, axis, where);
      for (std::size_t k = 0; k < sizes.size(); ++k) {
        const std::int64_t size = *(input.begin() + k);
        const bool open = size == Shape::none || sizes[k] == Shape::none;
        if (k == axis)
          sizes[k] = open ? Shape::none : sizes[k] + size;
        else if (sizes[k] == Shape::none)
          sizes[k] = size;
        else if (!open && size != sizes[k])
          refuse(inputs, axis, where);
      }
    }
    return {Shape(std::span<const std::int64_t>(sizes))};
  }

  OnMap on_map(std::span<const Shape> inputs) const override {
    const bool channels = are_maps(inputs) && image_axis(config_.options.axis, 3, where()) == 2;
    return channels ? OnMap{.kind = OnMap::pointwise} : OnMap{};
  }

  std::vector<plan::Value> lower_call(plan::Lowering& to, std::span<const plan::Value> inputs,
                                      std::span<const plan::Value> /*variables*/) const override {
    if (inputs.size() == 1) return {inputs[0]};
    return {plan::concatenate(to, inputs, image_axis(config_.options.axis, inputs[0].shape.rank(), where()))};
  }

 private:
  [[noreturn]] static void refuse(std::span<const Shape> inputs, std::size_t axis, const std::string& where) {
    throw ShapeError(fmt::format("{} cannot join inputs of shapes {}; all sizes but those of axis {} must be the same", where, listed(inputs), axis + 1));
  }
};

template <MergeKind kind>
DescriptionPtr read_merge(const io::Json& config, const std::string& where) {
  return std::make_shared<MergeDescription<kind>>(read_config<MergeConfig>(config, where));
}
template <MergeKind kind>
DescriptionPtr make_merge(MergeOptions options) {
  return std::make_shared<MergeDescription<kind>>(MergeConfig{std::move(options)});
}

}  // namespace

template <>
DescriptionPtr read_layer<Add>(const io::Json& config, const std::string& where) {
  return read_merge<MergeKind::add>(config, where);
}
template <>
DescriptionPtr read_layer<Subtract>(const io::Json& config, const std::string& where) {
  return read_merge<MergeKind::subtract>(config, where);
}
template <>
DescriptionPtr read_layer<Multiply>(const io::Json& config, const std::string& where) {
  return read_merge<MergeKind::multiply>(config, where);
}
template <>
DescriptionPtr read_layer<Average>(const io::Json& config, const std::string& where) {
  return read_merge<MergeKind::average>(config, where);
}
template <>
DescriptionPtr read_layer<Maximum>(const io::Json& config, const std::string& where) {
  return read_merge<MergeKind::maximum>(config, where);
}
template <>
DescriptionPtr read_layer<Minimum>(const io::Json& config, const std::string& where) {
  return read_merge<MergeKind::minimum>(config, where);
}
template <>
DescriptionPtr read_layer<Concatenate>(const io::Json& config, const std::string& where) {
  return std::make_shared<ConcatenateDescription>(read_config<ConcatenateConfig>(config, where));
}

}  // namespace layers

using kernels::MergeKind;

Add::Add(MergeOptions options) : Layer(layers::make_merge<MergeKind::add>(std::move(options))) {}
Subtract::Subtract(MergeOptions options) : Layer(layers::make_merge<MergeKind::subtract>(std::move(options))) {}
Multiply::Multiply(MergeOptions options) : Layer(layers::make_merge<MergeKind::multiply>(std::move(options))) {}
Average::Average(MergeOptions options) : Layer(layers::make_merge<MergeKind::average>(std::move(options))) {}
Maximum::Maximum(MergeOptions options) : Layer(layers::make_merge<MergeKind::maximum>(std::move(options))) {}
Minimum::Minimum(MergeOptions options) : Layer(layers::make_merge<MergeKind::minimum>(std::move(options))) {}
Concatenate::Concatenate(ConcatenateOptions options)
    : Layer(std::make_shared<layers::ConcatenateDescription>(ConcatenateConfig{std::move(options)})) {}

}  // namespace linn
