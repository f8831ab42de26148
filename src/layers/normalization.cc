#include "linn/layers/normalization.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/tensor_visit.h"
#include "layers/described.h"
#include "layers/permuted.h"
#include "linn/error.h"
#include "plan/ops/standardize.h"

namespace linn {
namespace detail::layers {
namespace {

struct NormalizationConfig {
  NormalizationOptions options = {};
};

}  // namespace
}  // namespace detail::layers

/// One number, or lists of numbers in lists: row-major. An empty list is null.
template <>
struct detail::schema::Type<NestedNumbers> {
  static NestedNumbers read(const detail::io::Json& json, const Place& place) {
    if (!json.is_array()) return {Type<double>::read(json, place)};
    std::vector<double> values;
    for (const detail::io::Json& part : json) {
      const std::vector<double> inner = read(part, place);
      values.insert(values.end(), inner.begin(), inner.end());
    }
    return values;
  }
  // One value goes alone: where no axis keeps statistics, Keras takes no list.
  static detail::io::Json write(const std::vector<double>& values) {
    if (values.empty()) return nullptr;
    return values.size() == 1 ? detail::io::Json(values.front()) : detail::io::Json(values);
  }
  static std::string fault(const std::vector<double>& values, const Range& range) {
    for (const double value : values)
      if (const std::string wrong = Type<double>::fault(value, range); !wrong.empty()) return "each value " + wrong;
    return {};
  }
  static std::string text(const std::vector<double>& values) { return fmt::format("({})", fmt::join(values, ", ")); }
  static std::string python(const std::vector<double>& values) { return values.empty() ? "None" : text(values); }
};

template <>
struct detail::schema::Schema<detail::layers::NormalizationConfig> {
  using C = detail::layers::NormalizationConfig;
  using O = NormalizationOptions;
  static constexpr Info info{.module = "keras.layers", .name = "Normalization", .help = "Brings values to mean 0 and variance 1 by statistics of the data."};
  static constexpr auto fields =
      all(nested(&C::options, field("axis", &O::axis, "The axes that keep statistics of their own."),
                 field("mean", &O::mean, "Means; none: adapted to data."),
                 field("variance", &O::variance, at_least(0), "Variances; none: adapted to data."),
                 field("invert", &O::invert, "Whether values are brought back."), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "n"})", "(3, 4, 2)"},
                                         {R"({"name": "n", "mean": [1.5, 2.0], "variance": [4.0, 0.5]})", "(3, 4, 2)"},
                                         {R"({"name": "n", "axis": [1], "invert": true})", "(3, 4, 2)"},
                                         {R"({"name": "n", "axis": [], "mean": 0.5, "variance": 2.0})", "(3, 4)"}};
  static std::string fault(const C& c) {
    const NormalizationOptions& o = c.options;
    if (o.mean.size() == o.variance.size()) return {};
    return fmt::format("mean has {} values and variance {}; give as many of both, or neither", o.mean.size(), o.variance.size());
  }
};

namespace detail::layers {
namespace {

struct Statistics {
  std::vector<double> mean, variance;
};

class NormalizationDescription final : public Described<NormalizationConfig> {
 public:
  using Described::Described;

  bool waits_for_input() const override { return true; }
  const NormalizationOptions& options() const { return config_.options; }
  std::string place() const { return where(); }

  /// The sizes of the axes that keep statistics.
  Shape kept(const Shape& input, const std::string& where) const {
    std::vector<std::int64_t> sizes;
    for (const std::size_t axis : image_axes(config_.options.axis, input.rank(), where)) sizes.push_back(input[static_cast<std::ptrdiff_t>(axis)]);
    return Shape(std::span<const std::int64_t>(sizes));
  }
  std::vector<std::size_t> axes(const Shape& input, const std::string& where) const {
    return image_axes(config_.options.axis, input.rank(), where);
  }

  Shape output_shape(const Shape& input, const std::string& where) const override {
    const std::int64_t places = kept(input, where).elements();
    const auto given = static_cast<std::int64_t>(config_.options.mean.size());
    if (given > 1 && given != places)
      throw ShapeError(fmt::format("{} mean has {} values, but the axes of {} hold {}; give one value, or as many", where, given, input.to_string(), places));
    return input;
  }
  std::vector<VariableSpec> variables(const Shape& input) const override {
    if (!config_.options.mean.empty()) return {};
    const Shape shape = kept(input, where());
    return {{"mean", shape, "zeros", false}, {"variance", shape, "ones", false}, {"count", {}, "zeros", false}};
  }
  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& variables) const override {
    const LastAxes last(to, input, axes(input.shape, where()));
    const NormalizationOptions& o = config_.options;
    const plan::Value result = variables.empty() ? plan::standardize(to, last.value(), o.mean, o.variance, o.invert)
                                                 : plan::standardize(to, last.value(), variables[0], variables[1], o.invert);
    return last.undo(result);
  }
  OnMap on_map(std::span<const Shape> inputs) const override {
    const std::vector<std::size_t> kept_axes = axes(inputs[0], where());
    if (kept_axes.empty()) return {.kind = OnMap::elementwise};
    const bool channels = kept_axes.size() == 1 && kept_axes[0] + 1 == inputs[0].rank();
    return channels ? OnMap{.kind = OnMap::pointwise} : OnMap{};
  }
  ActivationKind activation() const override { return ActivationKind::linear; }
};

/// For each element of an image the place along the kept axes that it belongs to.
std::vector<std::size_t> places_of(const Shape& image, const std::vector<std::size_t>& axes) {
  std::vector<std::size_t> places(static_cast<std::size_t>(image.elements()));
  for (std::size_t at = 0; at < places.size(); ++at) {
    std::size_t rest = at, place = 0, stride = 1;
    for (std::size_t axis = image.rank(); axis-- > 0;) {
      const auto size = static_cast<std::size_t>(image[static_cast<std::ptrdiff_t>(axis)]);
      if (std::find(axes.begin(), axes.end(), axis) != axes.end()) place += rest % size * stride, stride *= size;
      rest /= size;
    }
    places[at] = place;
  }
  return places;
}

double as_double(bfloat16 value) { return static_cast<double>(to_float(value)); }
template <class T>
double as_double(T value) {
  return static_cast<double>(value);
}

/// Two passes over the data, in double: the means, then the squared deviations from them.
Statistics statistics_of(const Tensor& data, const std::vector<std::size_t>& places, std::size_t kept) {
  Statistics statistics{std::vector<double>(kept), std::vector<double>(kept)};
  const double terms = static_cast<double>(data.elements()) / static_cast<double>(kept);
  core::visit(data, [&](auto values) {
    for (std::size_t i = 0; i < values.size(); ++i) statistics.mean[places[i % places.size()]] += as_double(values[i]);
    for (double& mean : statistics.mean) mean /= terms;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::size_t place = places[i % places.size()];
      const double deviation = as_double(values[i]) - statistics.mean[place];
      statistics.variance[place] += deviation * deviation / terms;
    }
  });
  return statistics;
}

}  // namespace

LINN_LAYER_ROW(Normalization, NormalizationDescription)

}  // namespace detail::layers

Normalization::Normalization(NormalizationOptions options)
    : Layer(detail::layers::make_layer<detail::layers::NormalizationDescription>({std::move(options)})) {}

void Normalization::adapt(const Tensor& data) {
  const auto& current = dynamic_cast<const detail::layers::NormalizationDescription&>(*detail::description_of(*this));
  const std::string place = current.place();
  if (data.shape().rank() < 2 || data.elements() == 0)
    throw ShapeError(fmt::format("{} adapt needs data of shape (images, ...) that hold values; {} came", place, data.shape().to_string()));
  const Shape image = data.shape().without_first();
  const auto kept = static_cast<std::size_t>(current.kept(image, place).elements());
  detail::layers::Statistics statistics =
      detail::layers::statistics_of(data, detail::layers::places_of(image, current.axes(image, place)), kept);
  NormalizationOptions options = current.options();
  options.mean = std::move(statistics.mean);
  options.variance = std::move(statistics.variance);
  *this = Normalization(std::move(options));
}

}  // namespace linn
