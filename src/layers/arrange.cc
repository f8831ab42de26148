#include "linn/layers/arrange.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/checked.h"
#include "layers/config.h"
#include "layers/registry.h"
#include "layers/window.h"
#include "linn/error.h"
#include "plan/ops/layout.h"

namespace linn {
namespace layers {
namespace {

std::string listed(const Axes& axes) { return fmt::format("({})", fmt::join(axes.list(), ", ")); }

class ReshapeDescription final : public Described<ReshapeConfig> {
 public:
  explicit ReshapeDescription(ReshapeConfig config) : Described(std::move(config)) {
    const std::vector<std::int64_t>& sizes = config_.target_shape.list();
    const auto open = std::count(sizes.begin(), sizes.end(), -1);
    const bool bad = std::any_of(sizes.begin(), sizes.end(), [](std::int64_t size) { return size < 1 && size != -1; });
    if (bad || open > 1 || sizes.size() > Shape::max_rank)
      throw ValueError(fmt::format("{} target_shape is {}; sizes are 1 or more, one of them may be -1 (what is left), at most {} of them", where(),
                                   listed(config_.target_shape), Shape::max_rank));
  }

  std::string_view class_name() const override { return "Reshape"; }

  Shape output_shape(const Shape& input, const std::string& where) const override {
    std::vector<std::int64_t> sizes = config_.target_shape.list();
    std::int64_t known = 1;
    for (const std::int64_t size : sizes)
      if (size != -1) known = core::checked_mul(known, size).value_or(0);
    const std::int64_t elements = input.elements();
    const auto open = std::find(sizes.begin(), sizes.end(), -1);
    if (known == 0 || (open == sizes.end() ? known != elements : elements % known != 0))
      throw ShapeError(fmt::format("{} cannot reshape {}, {} elements, to {}", where, input.to_string(), elements, listed(config_.target_shape)));
    if (open != sizes.end()) *open = elements / known;
    return Shape(std::span<const std::int64_t>(sizes));
  }

  OnMap on_map(std::span<const Shape> inputs) const override {
    if (config_.target_shape.list().size() == 1) return {.kind = OnMap::flatten};
    return output_shape(inputs[0], where()) == inputs[0] ? OnMap{.kind = OnMap::elementwise} : OnMap{};
  }

  plan::Value lower(plan::Lowering& /*to*/, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    return {input.id, output_shape(input.shape, where())};  // the same memory under another shape
  }
};

class PermuteDescription final : public Described<PermuteConfig> {
 public:
  explicit PermuteDescription(PermuteConfig config) : Described(std::move(config)) {
    std::vector<std::int64_t> sorted = config_.dims.list();
    std::sort(sorted.begin(), sorted.end());
    bool all = !sorted.empty() && sorted.size() < Shape::max_rank;
    for (std::size_t i = 0; i < sorted.size(); ++i) all = all && sorted[i] == static_cast<std::int64_t>(i) + 1;
    if (!all)
      throw ValueError(fmt::format("{} dims is {}; it must hold the numbers 1 to n, each once, where n is the number of axes of an image", where(),
                                   listed(config_.dims)));
  }

  std::string_view class_name() const override { return "Permute"; }

  Shape output_shape(const Shape& input, const std::string& where) const override {
    if (input.rank() != config_.dims.list().size())
      throw ShapeError(fmt::format("{} dims is {} for images of {} axes; {} came", where, listed(config_.dims), config_.dims.list().size(),
                                   input.to_string()));
    std::vector<std::int64_t> sizes;
    for (const std::int64_t dim : config_.dims.list()) sizes.push_back(input[dim - 1]);
    return Shape(std::span<const std::int64_t>(sizes));
  }

  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    std::vector<std::int64_t> order;
    for (const std::int64_t dim : config_.dims.list()) order.push_back(dim - 1);
    return plan::permute(to, input, Shape(std::span<const std::int64_t>(order)));
  }
};

class Cropping2DDescription final : public Described<Cropping2DConfig> {
 public:
  explicit Cropping2DDescription(Cropping2DConfig config) : Described(std::move(config)) {
    const auto& [rows, columns] = config_.cropping;
    if (std::min({rows.before, rows.after, columns.before, columns.after}) < 0)
      throw ValueError(fmt::format("{} cropping is {}; all numbers must be 0 or more", where(), to_string(config_.cropping)));
  }

  std::string_view class_name() const override { return "Cropping2D"; }

  Shape output_shape(const Shape& input, const std::string& where) const override {
    check_map(input, where);
    const auto& [rows, columns] = config_.cropping;
    const auto left = [](std::int64_t size, const Pads1& cropping) {
      return size == Shape::none ? Shape::none : size - std::min(size, cropping.before) - std::min(size, cropping.after);
    };
    const Shape shape = {std::max(left(input[0], rows), Shape::none), std::max(left(input[1], columns), Shape::none), input[2]};
    if ((input[0] != Shape::none && shape[0] < 1) || (input[1] != Shape::none && shape[1] < 1))
      throw ShapeError(fmt::format("{} cropping {} leaves nothing of {}; use a smaller cropping", where, to_string(config_.cropping), input.to_string()));
    return shape;
  }

  OnMap on_map(std::span<const Shape> /*inputs*/) const override {
    const auto& [rows, columns] = config_.cropping;
    return {.kind = OnMap::pad, .pads = {{-rows.before, -rows.after}, {-columns.before, -columns.after}}, .border = "cropping"};
  }
  ActivationKind activation() const override { return ActivationKind::unchanged; }

  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    const auto& [rows, columns] = config_.cropping;
    return plan::crop2d(to, input, {rows.before, rows.after, columns.before, columns.after});
  }
};

class IdentityDescription final : public Described<IdentityConfig> {
 public:
  using Described::Described;
  std::string_view class_name() const override { return "Identity"; }
  OnMap on_map(std::span<const Shape> /*inputs*/) const override { return {.kind = OnMap::elementwise}; }
  ActivationKind activation() const override { return ActivationKind::unchanged; }
  Shape output_shape(const Shape& input, const std::string& /*where*/) const override { return input; }
  plan::Value lower(plan::Lowering& /*to*/, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override { return input; }
};

}  // namespace

template <>
DescriptionPtr read_layer<Reshape>(const io::Json& config, const std::string& where) {
  return std::make_shared<ReshapeDescription>(read_config<ReshapeConfig>(config, where));
}
template <>
DescriptionPtr read_layer<Permute>(const io::Json& config, const std::string& where) {
  return std::make_shared<PermuteDescription>(read_config<PermuteConfig>(config, where));
}
template <>
DescriptionPtr read_layer<Cropping2D>(const io::Json& config, const std::string& where) {
  return std::make_shared<Cropping2DDescription>(read_config<Cropping2DConfig>(config, where));
}
template <>
DescriptionPtr read_layer<Identity>(const io::Json& config, const std::string& where) {
  return std::make_shared<IdentityDescription>(read_config<IdentityConfig>(config, where));
}

}  // namespace layers

Reshape::Reshape(Axes target_shape, ReshapeOptions options)
    : Layer(std::make_shared<layers::ReshapeDescription>(ReshapeConfig{std::move(target_shape), std::move(options)})) {}
Permute::Permute(Axes dims, PermuteOptions options)
    : Layer(std::make_shared<layers::PermuteDescription>(PermuteConfig{std::move(dims), std::move(options)})) {}
Cropping2D::Cropping2D(Pads2 cropping, Cropping2DOptions options)
    : Layer(std::make_shared<layers::Cropping2DDescription>(Cropping2DConfig{cropping, std::move(options)})) {}
Identity::Identity(IdentityOptions options) : Layer(std::make_shared<layers::IdentityDescription>(IdentityConfig{std::move(options)})) {}

}  // namespace linn
