#include "layers/activations.h"

#include <fmt/format.h>

#include <array>
#include <limits>
#include <utility>

#include "kernels/eltwise/activation.h"
#include "layers/permuted.h"
#include "linn/error.h"
#include "optim/described.h"
#include "plan/ops/eltwise.h"
#include "plan/ops/merge.h"
#include "plan/ops/section.h"
#include "plan/ops/softmax.h"

namespace linn {
namespace detail::layers {
namespace {

using kernels::Activation;
using kernels::ActivationSpec;

template <Activation function>
struct NoArguments {};

enum class AxisFunction : std::uint8_t { softmax, log_softmax, sparsemax, glu };

/// The arguments of a function that sees all values along an axis. Softmax and its logarithm also take several axes as one.
template <AxisFunction function>
struct AlongAxis {
  Axes axis = -1;
  static constexpr bool takes_several = function == AxisFunction::softmax || function == AxisFunction::log_softmax;
};

constexpr schema::Info info(std::string_view name, std::string_view help, std::string_view alias = {}) {
  return {.module = "keras.activations", .name = name, .aliases = {alias}, .help = help};
}

// Of a function that Keras lacks.
constexpr schema::Info own_info(std::string_view name, std::string_view help) {
  return {.module = "linn.activations", .name = name, .help = help};
}

constexpr schema::Info info_of(Activation function) {
  switch (function) {
    case Activation::relu6: return info("relu6", "x, cut to 0 ... 6.");
    case Activation::selu: return info("selu", "Scaled elu that keeps mean 0 and variance 1 (Klambauer et al. 2017).");
    case Activation::softplus: return info("softplus", "log(1 + exp(x)).");
    case Activation::softsign: return info("softsign", "x / (1 + |x|).");
    case Activation::sigmoid: return info("sigmoid", "1 / (1 + exp(-x)).");
    case Activation::hard_sigmoid: return info("hard_sigmoid", "x / 6 + 1/2, cut to 0 ... 1.");
    case Activation::log_sigmoid: return info("log_sigmoid", "log(sigmoid(x)).");
    case Activation::sparse_sigmoid: return info("sparse_sigmoid", "(x + 1) / 2, cut to 0 ... 1.");
    case Activation::silu: return info("silu", "x * sigmoid(x).", "swish");
    case Activation::hard_silu: return info("hard_silu", "x * hard_sigmoid(x).", "hard_swish");
    case Activation::tanh: return info("tanh", "Hyperbolic tangent.");
    case Activation::hard_tanh: return info("hard_tanh", "x, cut to -1 ... 1.");
    case Activation::tanh_shrink: return info("tanh_shrink", "x - tanh(x).");
    case Activation::exponential: return info("exponential", "exp(x).");
    case Activation::mish: return info("mish", "x * tanh(softplus(x)).");
    case Activation::sparse_plus: return info("sparse_plus", "0 up to -1, x from 1 on, (x + 1)^2 / 4 between.");
    case Activation::log: return own_info("log", "The natural logarithm; NaN for x < 0.");
    default: return info("linear", "x.");
  }
}

constexpr schema::Info info_of(AxisFunction function) {
  switch (function) {
    case AxisFunction::softmax: return info("softmax", "exp(x), divided by its sum along the axis.");
    case AxisFunction::log_softmax: return info("log_softmax", "log(softmax(x)).");
    case AxisFunction::sparsemax: return info("sparsemax", "The nearest distribution, with many zeros (Martins and Astudillo 2016).");
    case AxisFunction::glu: break;
  }
  return info("glu", "The first half along the axis times the sigmoid of the second (Dauphin et al. 2017).");
}

// The kernel's function for the arguments.
template <Activation function>
ActivationSpec spec_of(const NoArguments<function>&) {
  return function;
}
ActivationSpec spec_of(const activations::ReluOptions& o) {
  if (!o.max_value && o.threshold == 0) return o.negative_slope == 0 ? ActivationSpec(Activation::relu) : ActivationSpec(Activation::leaky_relu, o.negative_slope);
  if (o.max_value == 6.0 && o.threshold == 0 && o.negative_slope == 0) return Activation::relu6;
  return {Activation::clipped_relu, o.negative_slope, o.max_value.value_or(std::numeric_limits<double>::infinity()), o.threshold};
}
ActivationSpec spec_of(const activations::LeakyReluOptions& o) { return {Activation::leaky_relu, o.negative_slope}; }
ActivationSpec spec_of(const activations::EluOptions& o) { return {Activation::elu, o.alpha}; }
ActivationSpec spec_of(const activations::CeluOptions& o) { return {Activation::celu, o.alpha}; }
ActivationSpec spec_of(const activations::GeluOptions& o) { return o.approximate ? Activation::gelu_tanh : Activation::gelu; }
ActivationSpec spec_of(const activations::SoftShrinkOptions& o) { return {Activation::soft_shrink, o.threshold}; }
ActivationSpec spec_of(const activations::HardShrinkOptions& o) { return {Activation::hard_shrink, o.threshold}; }
ActivationSpec spec_of(const activations::ThresholdOptions& o) { return {Activation::threshold, o.threshold, o.default_value}; }
ActivationSpec spec_of(const activations::SquareplusOptions& o) { return {Activation::squareplus, o.b}; }
ActivationSpec spec_of(const activations::PowerOptions& o) { return {Activation::power, o.exponent}; }

}  // namespace
}  // namespace detail::layers

template <detail::kernels::Activation function>
struct detail::schema::Schema<detail::layers::NoArguments<function>> {
  static constexpr Info info = detail::layers::info_of(function);
  static constexpr auto fields = all();
  static constexpr Example examples[] = {{"{}"}};
};

template <detail::layers::AxisFunction function>
struct detail::schema::Schema<detail::layers::AlongAxis<function>> {
  using C = detail::layers::AlongAxis<function>;
  static constexpr Info info = detail::layers::info_of(function);
  static constexpr auto fields =
      all(field("axis", &C::axis, C::takes_several ? "The axis along which it sees all values; several are taken as one." : "The axis along which it sees all values."));
  static constexpr Example examples[] = {{"{}"}, {R"({"axis": 1})"}};
  static std::string fault(const C& c) {
    if (c.axis.empty()) return "axis names no axis";
    return C::takes_several || c.axis.list().size() == 1 ? "" : "axis names several axes; it may name one";
  }
};

template <>
struct detail::schema::Schema<activations::ReluOptions> {
  using C = activations::ReluOptions;
  static constexpr Info info =
      detail::layers::info("relu", "x above the threshold, cut at max_value; below it negative_slope * (x - threshold).");
  static constexpr auto fields = all(field("negative_slope", &C::negative_slope, at_least(0), "Slope below the threshold."),
                                     field("max_value", &C::max_value, at_least(0), "The largest value; none by default."),
                                     field("threshold", &C::threshold, at_least(0), "Where the slope changes."));
  static constexpr Example examples[] = {{"{}"}, {R"({"negative_slope": 0.25, "max_value": 1.0, "threshold": 0.5})"}};
};

template <>
struct detail::schema::Schema<activations::LeakyReluOptions> {
  using C = activations::LeakyReluOptions;
  static constexpr Info info = detail::layers::info("leaky_relu", "x where x >= 0, else negative_slope * x.");
  static constexpr auto fields =
      all(field("negative_slope", &C::negative_slope, at_least(0), "Slope below 0.").called_before("alpha"));
  static constexpr Example examples[] = {{"{}"}, {R"({"negative_slope": 0.125})"}};
};

template <>
struct detail::schema::Schema<activations::EluOptions> {
  using C = activations::EluOptions;
  static constexpr Info info = detail::layers::info("elu", "x where x > 0, else alpha * (exp(x) - 1).");
  static constexpr auto fields = all(field("alpha", &C::alpha, at_least(0), "Minus the value far below 0."));
  static constexpr Example examples[] = {{"{}"}, {R"({"alpha": 0.5})"}};
};

template <>
struct detail::schema::Schema<activations::CeluOptions> {
  using C = activations::CeluOptions;
  static constexpr Info info = detail::layers::info("celu", "x where x > 0, else alpha * (exp(x / alpha) - 1).");
  static constexpr auto fields = all(field("alpha", &C::alpha, above(0), "Minus the value far below 0."));
  static constexpr Example examples[] = {{"{}"}, {R"({"alpha": 2.0})"}};
};

template <>
struct detail::schema::Schema<activations::GeluOptions> {
  using C = activations::GeluOptions;
  static constexpr Info info = detail::layers::info("gelu", "x times the normal distribution's cumulative function.");
  static constexpr auto fields = all(field("approximate", &C::approximate, "Whether it is computed by tanh."));
  static constexpr Example examples[] = {{"{}"}, {R"({"approximate": true})"}};
};

template <>
struct detail::schema::Schema<activations::SoftShrinkOptions> {
  using C = activations::SoftShrinkOptions;
  static constexpr Info info = detail::layers::info("soft_shrink", "x moved towards 0 by the threshold, which stops at 0.");
  static constexpr auto fields = all(field("threshold", &C::threshold, at_least(0), "How far."));
  static constexpr Example examples[] = {{"{}"}, {R"({"threshold": 0.25})"}};
};

template <>
struct detail::schema::Schema<activations::HardShrinkOptions> {
  using C = activations::HardShrinkOptions;
  static constexpr Info info = detail::layers::info("hard_shrink", "x where |x| is above the threshold, else 0.");
  static constexpr auto fields = all(field("threshold", &C::threshold, at_least(0), "Where x begins to count."));
  static constexpr Example examples[] = {{"{}"}, {R"({"threshold": 0.25})"}};
};

template <>
struct detail::schema::Schema<activations::ThresholdOptions> {
  using C = activations::ThresholdOptions;
  static constexpr Info info = detail::layers::info("threshold", "x above the threshold, else default_value.");
  static constexpr auto fields = all(required("threshold", &C::threshold, "Where x begins to count."),
                                     required("default_value", &C::default_value, "The value up to there."));
  static constexpr Example examples[] = {{R"({"threshold": 0.25, "default_value": -1.5})"}};
};

template <>
struct detail::schema::Schema<activations::SquareplusOptions> {
  using C = activations::SquareplusOptions;
  static constexpr Info info = detail::layers::info("squareplus", "(x + sqrt(x^2 + b)) / 2.");
  static constexpr auto fields = all(field("b", &C::b, at_least(0), "How smooth it is about 0."));
  static constexpr Example examples[] = {{"{}"}, {R"({"b": 0.5})"}};
};

template <>
struct detail::schema::Schema<activations::PowerOptions> {
  using C = activations::PowerOptions;
  static constexpr Info info = detail::layers::own_info("power", "x^exponent; NaN for x < 0 unless the exponent is whole.");
  static constexpr auto fields = all(field("exponent", &C::exponent, "0.5 is the square root, -1 the reciprocal."));
  static constexpr Example examples[] = {{"{}"}, {R"({"exponent": 3.0})"}};
};

namespace detail::layers {
namespace {

template <class Arguments>
class DescribedActivation : public ActivationDescription {
 public:
  explicit DescribedActivation(const Arguments& arguments) : arguments_(arguments) {}
  std::string_view name() const override { return schema::Schema<Arguments>::info.name; }
  io::Json arguments() const override { return schema::write(arguments_); }
  bool has_default_arguments() const override { return schema::equal(arguments_, Arguments{}); }

 protected:
  Arguments arguments_;
};

Shape with_size(const Shape& shape, std::size_t axis, std::int64_t size) {
  std::vector<std::int64_t> sizes(shape.begin(), shape.end());
  sizes[axis] = size;
  return Shape(std::span<const std::int64_t>(sizes));
}

/// A function of each number by itself.
template <class Arguments>
class Elementwise final : public DescribedActivation<Arguments> {
 public:
  using DescribedActivation<Arguments>::DescribedActivation;
  plan::Value lower(plan::Lowering& to, plan::Value src) const override { return plan::activation(to, src, spec_of(this->arguments_)); }
  OnMap on_map(std::size_t /*rank*/) const override { return {.kind = OnMap::elementwise}; }
  ActivationKind kind() const override {
    const ActivationSpec spec = spec_of(this->arguments_);
    switch (spec.kind) {
      case Activation::linear: return ActivationKind::linear;
      case Activation::relu:
      case Activation::relu6: return ActivationKind::relu;
      case Activation::clipped_relu: return spec.arguments[0] == 0 ? ActivationKind::relu : ActivationKind::other;
      case Activation::sigmoid: return ActivationKind::sigmoid;
      case Activation::log_sigmoid: return ActivationKind::log_sigmoid;
      default: return ActivationKind::other;
    }
  }
};

// Halves the last axis: seen as rows of columns, a half of it is a crop.
plan::Value lower_glu(plan::Lowering& to, plan::Value src) {
  const std::int64_t columns = src.shape[-1], rows = src.shape.elements() / columns;
  const plan::Value rectangle{src.id, {rows, columns, 1}};
  const plan::Value first = plan::crop2d(to, rectangle, {0, 0, 0, columns / 2}), second = plan::crop2d(to, rectangle, {0, 0, columns / 2, 0});
  const std::array<plan::Value, 2> factors{first, plan::activation(to, second, Activation::sigmoid)};
  return {plan::merge(to, kernels::MergeKind::multiply, factors).id, with_size(src.shape, src.shape.rank() - 1, columns / 2)};
}

template <AxisFunction function>
class OverAxis final : public DescribedActivation<AlongAxis<function>> {
 public:
  using DescribedActivation<AlongAxis<function>>::DescribedActivation;
  Shape output_shape(const Shape& input, const std::string& where) const override {
    const std::vector<std::size_t> axes = image_axes(this->arguments_.axis, input.rank(), where);
    if constexpr (function != AxisFunction::glu) return input;
    const std::int64_t size = input[static_cast<std::ptrdiff_t>(axes[0])];
    if (size % 2 != 0)
      throw ShapeError(fmt::format("{} activation \"glu\" halves axis {}, whose size must be even; {} came", where, axes[0] + 1, input.to_string()));
    return with_size(input, axes[0], size / 2);
  }
  plan::Value lower(plan::Lowering& to, plan::Value src) const override {
    const LastAxes last(to, src, image_axes(this->arguments_.axis, src.shape.rank(), std::string(this->name())));
    switch (function) {
      case AxisFunction::softmax: return last.undo(plan::softmax(to, last.value(), kernels::SoftmaxKind::softmax));
      case AxisFunction::log_softmax: return last.undo(plan::softmax(to, last.value(), kernels::SoftmaxKind::log_softmax));
      case AxisFunction::sparsemax: return last.undo(plan::softmax(to, last.value(), kernels::SoftmaxKind::sparsemax));
      case AxisFunction::glu: return last.undo(lower_glu(to, last.value()));
    }
    return src;
  }
  OnMap on_map(std::size_t rank) const override {
    const std::vector<std::size_t> axes = image_axes(this->arguments_.axis, rank, std::string(this->name()));
    return axes.size() == 1 && axes[0] + 1 == rank ? OnMap{.kind = OnMap::pointwise} : OnMap{};
  }
  ActivationKind kind() const override {
    if (this->arguments_.axis.list() != std::vector<std::int64_t>{-1}) return ActivationKind::other;
    if (function == AxisFunction::softmax) return ActivationKind::softmax;
    return function == AxisFunction::log_softmax ? ActivationKind::log_softmax : ActivationKind::other;
  }
};

template <class Arguments>
ActivationFunction make(const Arguments& arguments) {
  return ActivationFunction(std::make_shared<Elementwise<Arguments>>(arguments));
}
template <AxisFunction function>
ActivationFunction make(const AlongAxis<function>& arguments) {
  return ActivationFunction(std::make_shared<OverAxis<function>>(arguments));
}

/// What a layer's configuration holds besides its arguments.
bool is_common(std::string_view key, const io::Json& /*value*/) {
  return key == "name" || key == "trainable" || key == "dtype" || key == "batch_input_shape";
}

template <class Arguments>
ActivationFunction read_arguments(const io::Json& json, const std::string& where) {
  return make(schema::read<Arguments>(json, where, &is_common));
}
template <class Arguments>
ActivationFunction checked(const Arguments& arguments) {
  return make(schema::checked(arguments, fmt::format("[{}]", schema::Schema<Arguments>::info.name)));
}
template <AxisFunction function>
ActivationFunction along(const activations::AxisOptions& options) {
  return checked(AlongAxis<function>{options.axis});
}
template <class Arguments>
ActivationRow row() {
  return schema::make_row<Arguments, ActivationFunction>(schema::Kind::activation, &read_arguments<Arguments>);
}

/// The layer classes by which Keras writes a function with arguments.
struct LayerClass {
  std::string_view function, name;
};
constexpr LayerClass layer_classes[] = {{"relu", "ReLU"}, {"leaky_relu", "LeakyReLU"}, {"elu", "ELU"}, {"softmax", "Softmax"}};

const ActivationRow& find(std::string_view name) {
  if (const ActivationRow* row = schema::find_row(activation_rows(), name)) return *row;
  throw ValueError(schema::unknown_name(schema::Kind::activation, name, schema::names_of(activation_rows())));
}

}  // namespace

std::span<const ActivationRow> activation_rows() {
  static const ActivationRow rows[] = {
#define LINN_ACTIVATION(...) row<__VA_ARGS__>(),
#include "layers/activations.inc"
#undef LINN_ACTIVATION
  };
  return rows;
}

}  // namespace detail::layers

namespace detail {
const std::shared_ptr<const ActivationDescription>& description_of(const ActivationFunction& function) { return function.description_; }
}  // namespace detail

ActivationFunction::ActivationFunction(const std::string& name) {
  const detail::layers::ActivationRow& row = detail::layers::find(name);
  try {
    description_ = detail::description_of(row.read(detail::io::Json::object(), name));
  } catch (const FormatError&) {
    throw ValueError(fmt::format("activation \"{}\" has arguments without defaults; use linn::activations::{}", name, name));
  }
}

std::string_view ActivationFunction::name() const { return description_->name(); }

namespace activations {
ActivationFunction relu(const ReluOptions& options) { return detail::layers::checked(options); }
ActivationFunction leaky_relu(const LeakyReluOptions& options) { return detail::layers::checked(options); }
ActivationFunction elu(const EluOptions& options) { return detail::layers::checked(options); }
ActivationFunction celu(const CeluOptions& options) { return detail::layers::checked(options); }
ActivationFunction gelu(const GeluOptions& options) { return detail::layers::checked(options); }
ActivationFunction soft_shrink(const SoftShrinkOptions& options) { return detail::layers::checked(options); }
ActivationFunction hard_shrink(const HardShrinkOptions& options) { return detail::layers::checked(options); }
ActivationFunction threshold(const ThresholdOptions& options) { return detail::layers::checked(options); }
ActivationFunction squareplus(const SquareplusOptions& options) { return detail::layers::checked(options); }
ActivationFunction power(const PowerOptions& options) { return detail::layers::checked(options); }
ActivationFunction softmax(const AxisOptions& options) { return detail::layers::along<detail::layers::AxisFunction::softmax>(options); }
ActivationFunction log_softmax(const AxisOptions& options) {
  return detail::layers::along<detail::layers::AxisFunction::log_softmax>(options);
}
ActivationFunction sparsemax(const AxisOptions& options) { return detail::layers::along<detail::layers::AxisFunction::sparsemax>(options); }
ActivationFunction glu(const AxisOptions& options) { return detail::layers::along<detail::layers::AxisFunction::glu>(options); }
}  // namespace activations

ActivationFunction detail::schema::Type<ActivationFunction>::read(const detail::io::Json& json, const Place& place) {
  const std::string where = fmt::format("{}: field \"{}\"", place.where, place.key);
  const auto by_name = [&](const std::string& name) { return read_name(place, [&] { return ActivationFunction(name); }); };
  if (json.is_string()) return by_name(json.get<std::string>());
  if (!json.is_object()) refuse(place, json, "a name or an object with class_name and config is allowed");
  const std::string& class_name = detail::io::string_field(json, "class_name", where);
  if (class_name == "function") return by_name(detail::io::string_field(json, "config", where));
  std::string_view function = class_name;
  for (const detail::layers::LayerClass& known : detail::layers::layer_classes)
    if (known.name == class_name) function = known.function;
  const detail::layers::ActivationRow* row = read_name(place, [&] { return &detail::layers::find(function); });
  detail::io::Json config = detail::io::object_field(json, "config", where);
  // The layer's default is another than the function's.
  if (class_name == "LeakyReLU" && !config.contains("negative_slope") && !config.contains("alpha")) config["negative_slope"] = 0.3;
  return row->read(config, where);
}

detail::io::Json detail::schema::Type<ActivationFunction>::write(const ActivationFunction& value) {
  const ActivationDescription& description = *linn::detail::description_of(value);
  const std::string name(description.name());
  const bool is_in_keras = detail::layers::find(name).info.module == "keras.activations";
  if (is_in_keras && description.has_default_arguments() && name != "threshold") return name;
  for (const detail::layers::LayerClass& known : detail::layers::layer_classes)
    if (known.function == name)
      return detail::optim::node("keras.layers", known.name, description.arguments());
  return detail::optim::own_node("linn.activations", name, description.arguments());
}

}  // namespace linn
