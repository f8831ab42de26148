#include "linn/layers/merge.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/merge/merge.h"
#include "layers/axes.h"
#include "layers/described.h"
#include "layers/permuted.h"
#include "linn/error.h"
#include "plan/ops/batch_dot.h"
#include "plan/ops/group_norm.h"
#include "plan/ops/merge.h"
#include "plan/ops/section.h"

namespace linn {
namespace detail::layers {
namespace {

using kernels::MergeKind;

template <MergeKind kind>
struct MergeConfig {
  MergeOptions options = {};
};

struct DotConfig {
  Axes axes = -1;
  DotOptions options = {};
};

struct ConcatenateConfig {
  ConcatenateOptions options = {};
};

constexpr schema::Info info_of(MergeKind kind) {
  switch (kind) {
    case MergeKind::add: return {.module = "keras.layers", .name = "Add", .help = "The sum of all inputs."};
    case MergeKind::subtract: return {.module = "keras.layers", .name = "Subtract", .help = "The first of two inputs minus the second."};
    case MergeKind::multiply: return {.module = "keras.layers", .name = "Multiply", .help = "The product of all inputs."};
    case MergeKind::average: return {.module = "keras.layers", .name = "Average", .help = "The mean of all inputs."};
    case MergeKind::maximum: return {.module = "keras.layers", .name = "Maximum", .help = "The largest of all inputs, element by element."};
    case MergeKind::minimum: break;
  }
  return {.module = "keras.layers", .name = "Minimum", .help = "The smallest of all inputs, element by element."};
}

}  // namespace
}  // namespace detail::layers

template <detail::kernels::MergeKind kind>
struct detail::schema::Schema<detail::layers::MergeConfig<kind>> {
  using C = detail::layers::MergeConfig<kind>;
  static constexpr Info info = detail::layers::info_of(kind);
  static constexpr auto fields = all(nested(&C::options, detail::layers::common_fields<MergeOptions>()));
  static constexpr Example examples[] = {{R"({"name": "m", "trainable": false})", "(3, 4, 2) (3, 4, 2)"}, {R"({"name": "m"})", "(3, 4, 2) (1, 1, 2)"}};
};

template <>
struct detail::schema::Schema<detail::layers::DotConfig> {
  using C = detail::layers::DotConfig;
  using O = DotOptions;
  static constexpr Info info{.module = "keras.layers", .name = "Dot", .help = "The products of the rows of two inputs."};
  static constexpr auto fields =
      all(required("axes", &C::axes, "The axis along which the products are summed: one number for both inputs, or two."),
          nested(&C::options, field("normalize", &O::normalize, "Whether both inputs are brought to length 1 along the axes first."),
                 detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "d", "axes": 1})", "(5) (5)"},
                                         {R"({"name": "d", "axes": [2, 1], "normalize": true})", "(3, 4) (4, 2)"},
                                         {R"({"name": "d", "axes": -1})", "(2, 3, 4) (5, 4)"},
                                         {R"({"name": "d", "axes": [1, 2]})", "(4, 1) (3, 4)"}};
  static std::string fault(const C& c) {
    const std::size_t count = c.axes.list().size();
    return count == 1 || count == 2 ? std::string() : fmt::format("axes names {} axes; it must be one number for both inputs, or two", count);
  }
};

template <>
struct detail::schema::Schema<detail::layers::ConcatenateConfig> {
  using C = detail::layers::ConcatenateConfig;
  using O = ConcatenateOptions;
  static constexpr Info info{.module = "keras.layers", .name = "Concatenate", .help = "All inputs one behind the other along one axis."};
  static constexpr auto fields =
      all(nested(&C::options, axis("axis", &O::axis, "The axis along which they are joined."), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "c"})", "(3, 4, 2) (3, 4, 3)"}, {R"({"name": "c", "axis": -2})", "(3, 4, 2) (3, 1, 2) (3, 2, 2)"}};
};

namespace detail::layers {
namespace {

std::string listed(std::span<const Shape> shapes) {
  std::string text;
  for (const Shape& shape : shapes) text += (text.empty() ? "" : ", ") + shape.to_string();
  return text;
}

bool are_maps(std::span<const Shape> shapes) {
  return std::all_of(shapes.begin(), shapes.end(), [](const Shape& shape) { return shape.rank() == 3; });
}

template <MergeKind kind>
class MergeDescription final : public Described<MergeConfig<kind>, LayerDescription> {
 public:
  using Described<MergeConfig<kind>, LayerDescription>::Described;

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

class DotDescription final : public Described<DotConfig, LayerDescription> {
 public:
  using Described::Described;

  bool waits_for_input() const override { return true; }

  std::vector<Shape> infer_shapes(std::span<const Shape> inputs, const std::string& where) const override {
    if (inputs.size() != 2) throw ShapeError(fmt::format("{} takes two inputs; {} came", where, inputs.size()));
    const std::size_t first = axis(inputs, 0, where), second = axis(inputs, 1, where);
    const auto size = [&](std::size_t i, std::size_t of) { return *(inputs[i].begin() + of); };
    if (size(0, first) != size(1, second))
      throw ShapeError(fmt::format("{} cannot multiply inputs of shapes {}: axis {} has size {} and axis {} has size {}", where, listed(inputs), first + 1,
                                   size(0, first), second + 1, size(1, second)));
    std::vector<std::int64_t> sizes = others(inputs[0], first);
    const std::vector<std::int64_t> more = others(inputs[1], second);
    sizes.insert(sizes.end(), more.begin(), more.end());
    if (sizes.size() > Shape::max_rank) throw ShapeError(fmt::format("{} makes more than {} axes of inputs of shapes {}", where, Shape::max_rank, listed(inputs)));
    if (sizes.empty()) sizes.push_back(1);
    return {Shape(std::span<const std::int64_t>(sizes))};
  }

  std::vector<plan::Value> lower_call(plan::Lowering& to, std::span<const plan::Value> inputs,
                                      std::span<const plan::Value> /*variables*/) const override {
    const Shape shapes[] = {inputs[0].shape, inputs[1].shape};
    const auto rows = [&](std::size_t i) {
      const LastAxes last(to, inputs[i], {axis(shapes, i, where())});
      const std::int64_t terms = last.value().shape[-1];
      const plan::Value value = config_.options.normalize ? plan::unit_norm(to, last.value(), 1e-7) : last.value();
      return plan::Value{value.id, {value.shape.elements() / terms, terms}};
    };
    const plan::Value first = rows(0), second = rows(1);
    return {{plan::batch_dot(to, first, second).id, infer_shapes(shapes, where()).front()}};
  }

 private:
  std::size_t axis(std::span<const Shape> inputs, std::size_t i, const std::string& where) const {
    const std::vector<std::int64_t>& axes = config_.axes.list();
    return image_axis(axes[std::min(i, axes.size() - 1)], inputs[i].rank(), where);
  }
  static std::vector<std::int64_t> others(const Shape& shape, std::size_t axis) {
    std::vector<std::int64_t> sizes(shape.begin(), shape.end());
    sizes.erase(sizes.begin() + static_cast<std::ptrdiff_t>(axis));
    return sizes;
  }
};

class ConcatenateDescription final : public Described<ConcatenateConfig, LayerDescription> {
 public:
  using Described::Described;

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

}  // namespace

LINN_LAYER_ROW(Add, MergeDescription<MergeKind::add>)
LINN_LAYER_ROW(Subtract, MergeDescription<MergeKind::subtract>)
LINN_LAYER_ROW(Multiply, MergeDescription<MergeKind::multiply>)
LINN_LAYER_ROW(Average, MergeDescription<MergeKind::average>)
LINN_LAYER_ROW(Maximum, MergeDescription<MergeKind::maximum>)
LINN_LAYER_ROW(Minimum, MergeDescription<MergeKind::minimum>)
LINN_LAYER_ROW(Dot, DotDescription)
LINN_LAYER_ROW(Concatenate, ConcatenateDescription)

}  // namespace detail::layers

using detail::kernels::MergeKind;
using detail::layers::MergeDescription;

Add::Add(MergeOptions options) : Layer(detail::layers::make_layer<MergeDescription<MergeKind::add>>({std::move(options)})) {}
Subtract::Subtract(MergeOptions options) : Layer(detail::layers::make_layer<MergeDescription<MergeKind::subtract>>({std::move(options)})) {}
Multiply::Multiply(MergeOptions options) : Layer(detail::layers::make_layer<MergeDescription<MergeKind::multiply>>({std::move(options)})) {}
Average::Average(MergeOptions options) : Layer(detail::layers::make_layer<MergeDescription<MergeKind::average>>({std::move(options)})) {}
Maximum::Maximum(MergeOptions options) : Layer(detail::layers::make_layer<MergeDescription<MergeKind::maximum>>({std::move(options)})) {}
Minimum::Minimum(MergeOptions options) : Layer(detail::layers::make_layer<MergeDescription<MergeKind::minimum>>({std::move(options)})) {}
Dot::Dot(Axes axes, DotOptions options) : Layer(detail::layers::make_layer<detail::layers::DotDescription>({std::move(axes), std::move(options)})) {}
Concatenate::Concatenate(ConcatenateOptions options)
    : Layer(detail::layers::make_layer<detail::layers::ConcatenateDescription>({std::move(options)})) {}

}  // namespace linn
