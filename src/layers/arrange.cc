#include "linn/layers/arrange.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/checked.h"
#include "kernels/resample/resample.h"
#include "layers/described.h"
#include "layers/one_row.h"
#include "layers/window.h"
#include "linn/error.h"
#include "plan/ops/layout.h"
#include "plan/ops/resample.h"
#include "plan/ops/section.h"

namespace linn {
namespace detail::layers {
namespace {

std::string listed(const Axes& axes) { return fmt::format("({})", fmt::join(axes.list(), ", ")); }

struct ReshapeConfig {
  Axes target_shape = {};
  ReshapeOptions options = {};
};

struct PermuteConfig {
  Axes dims = {};
  PermuteOptions options = {};
};

struct Cropping2DConfig {
  Pads2 cropping = 0;
  Cropping2DOptions options = {};
};

struct RepeatVectorConfig {
  std::int64_t n = 1;
  RepeatVectorOptions options = {};
};

struct IdentityConfig {
  IdentityOptions options = {};
};

}  // namespace
}  // namespace detail::layers

template <>
struct detail::schema::Schema<detail::layers::ReshapeConfig> {
  using C = detail::layers::ReshapeConfig;
  static constexpr Info info{.module = "keras.layers", .name = "Reshape", .help = "The same elements under another shape."};
  static constexpr auto fields = all(required("target_shape", &C::target_shape, "Sizes; one of them may be -1: what is left."),
                                     nested(&C::options, detail::layers::common_fields<ReshapeOptions>()));
  static constexpr Example examples[] = {{R"({"name": "r", "target_shape": [3, -1, 2]})", "(4, 3, 2)"}};

  static std::string fault(const C& c) {
    const std::vector<std::int64_t>& sizes = c.target_shape.list();
    const auto open = std::count(sizes.begin(), sizes.end(), -1);
    const bool bad = std::any_of(sizes.begin(), sizes.end(), [](std::int64_t size) { return size < 1 && size != -1; });
    if (!bad && open <= 1 && sizes.size() <= Shape::max_rank) return {};
    return fmt::format("target_shape is {}; sizes are 1 or more, one of them may be -1 (what is left), at most {} of them",
                       detail::layers::listed(c.target_shape), Shape::max_rank);
  }
};

template <>
struct detail::schema::Schema<detail::layers::PermuteConfig> {
  using C = detail::layers::PermuteConfig;
  static constexpr Info info{.module = "keras.layers", .name = "Permute", .help = "The axes of an image in another order."};
  static constexpr auto fields = all(required("dims", &C::dims, "The axes in their new order, counted from 1."),
                                     nested(&C::options, detail::layers::common_fields<PermuteOptions>()));
  static constexpr Example examples[] = {{R"({"name": "p", "dims": [2, 3, 1]})", "(2, 3, 4)"}};

  static std::string fault(const C& c) {
    std::vector<std::int64_t> sorted = c.dims.list();
    std::sort(sorted.begin(), sorted.end());
    bool complete = !sorted.empty() && sorted.size() < Shape::max_rank;
    for (std::size_t i = 0; i < sorted.size(); ++i) complete = complete && sorted[i] == static_cast<std::int64_t>(i) + 1;
    if (complete) return {};
    return fmt::format("dims is {}; it must hold the numbers 1 to n, each once, where n is the number of axes of an image",
                       detail::layers::listed(c.dims));
  }
};

template <>
struct detail::schema::Schema<detail::layers::Cropping2DConfig> {
  using C = detail::layers::Cropping2DConfig;
  using O = Cropping2DOptions;
  static constexpr Info info{.module = "keras.layers", .name = "Cropping2D", .help = "The map without rows and columns at its borders."};
  static constexpr auto fields = all(field("cropping", &C::cropping, at_least(0), "Rows and columns: above and below, left and right."),
                                     nested(&C::options, detail::layers::data_format_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "c", "cropping": [[1, 2], [0, 3]]})", "(5, 6, 2)"}};
};

template <>
struct detail::schema::Schema<detail::layers::RepeatVectorConfig> {
  using C = detail::layers::RepeatVectorConfig;
  static constexpr Info info{.module = "keras.layers", .name = "RepeatVector", .help = "A row several times, one step after the other."};
  static constexpr auto fields = all(required("n", &C::n, at_least(1), "How often the row is repeated."),
                                     nested(&C::options, detail::layers::common_fields<RepeatVectorOptions>()));
  static constexpr Example examples[] = {{R"({"name": "r", "n": 4})", "(3)"}, {R"({"name": "r", "n": 1})", "(1)"}};
};

template <>
struct detail::schema::Schema<detail::layers::IdentityConfig> {
  using C = detail::layers::IdentityConfig;
  static constexpr Info info{.module = "keras.layers", .name = "Identity", .help = "The input as it is."};
  static constexpr auto fields = all(nested(&C::options, detail::layers::common_fields<IdentityOptions>()));
  static constexpr Example examples[] = {{R"({"name": "i"})", "(2, 3)"}};
};

namespace detail::layers {

template <>
struct OneRowForm<Cropping2DConfig> {
  static constexpr std::string_view without[] = {"data_format"};
  static constexpr const char* help = "The steps without the first and the last.";
  static constexpr schema::Example examples[] = {{R"({"name": "c", "cropping": [1, 2]})", "(5, 3)"}, {R"({"name": "c"})", "(3, 1)"}};
  static constexpr void set_defaults(Cropping2DConfig& config) { config.cropping = 1; }
};

namespace {

class ReshapeDescription final : public Described<ReshapeConfig> {
 public:
  using Described::Described;

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
  using Described::Described;

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
  using Described::Described;

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

class RepeatVectorDescription final : public Described<RepeatVectorConfig> {
 public:
  using Described::Described;
  Shape output_shape(const Shape& input, const std::string& where) const override {
    if (input.rank() != 1) throw ShapeError(fmt::format("{} needs a row (features); {} came", where, input.to_string()));
    return {config_.n, input[0]};
  }
  // A map of one pixel, enlarged to a row of n.
  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    const plan::Value pixel = {input.id, {1, 1, input.shape[0]}};
    return {plan::resample(to, pixel, 1, config_.n, kernels::Interpolation::nearest).id, {config_.n, input.shape[0]}};
  }
  ActivationKind activation() const override { return ActivationKind::unchanged; }
};

class IdentityDescription final : public Described<IdentityConfig> {
 public:
  using Described::Described;
  OnMap on_map(std::span<const Shape> /*inputs*/) const override { return {.kind = OnMap::elementwise}; }
  ActivationKind activation() const override { return ActivationKind::unchanged; }
  Shape output_shape(const Shape& input, const std::string& /*where*/) const override { return input; }
  plan::Value lower(plan::Lowering& /*to*/, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override { return input; }
};

}  // namespace

LINN_LAYER_ROW(Reshape, ReshapeDescription)
LINN_LAYER_ROW(Permute, PermuteDescription)
LINN_LAYER_ROW(Cropping2D, Cropping2DDescription)
LINN_LAYER_ROW(Cropping1D, OneRow<Cropping2DDescription>)
LINN_LAYER_ROW(RepeatVector, RepeatVectorDescription)
LINN_LAYER_ROW(Identity, IdentityDescription)

}  // namespace detail::layers

Reshape::Reshape(Axes target_shape, ReshapeOptions options)
    : Layer(detail::layers::make_layer<detail::layers::ReshapeDescription>({std::move(target_shape), std::move(options)})) {}
Permute::Permute(Axes dims, PermuteOptions options)
    : Layer(detail::layers::make_layer<detail::layers::PermuteDescription>({std::move(dims), std::move(options)})) {}
Cropping2D::Cropping2D(Pads2 cropping, Cropping2DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::Cropping2DDescription>({cropping, std::move(options)})) {}
Cropping1D::Cropping1D(Pads1 cropping, Cropping1DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::OneRow<detail::layers::Cropping2DDescription>>({{Pads2(0, cropping), std::move(options)}})) {}
RepeatVector::RepeatVector(std::int64_t n, RepeatVectorOptions options)
    : Layer(detail::layers::make_layer<detail::layers::RepeatVectorDescription>({n, std::move(options)})) {}
Identity::Identity(IdentityOptions options)
    : Layer(detail::layers::make_layer<detail::layers::IdentityDescription>({std::move(options)})) {}

}  // namespace linn
