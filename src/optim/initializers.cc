#include "optim/initializers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "core/float_environment.h"
#include "linn/error.h"
#include "optim/described.h"

namespace linn {
namespace detail::schema {

template <class T>
constexpr auto seed_field() {
  return field("seed", &T::seed, "Seed of its own; by default the values follow from the model's seed.");
}

// Keras's axes of fans that are not the last two.
constexpr Absent fan_axes[] = {{"input_axes"}, {"output_axes"}};

// Fields and examples; by default none, or the seed alone.
template <class T>
struct InitializerOptions : optim::NoOptions<T> {};
template <class T>
  requires requires(const T& initializer) { initializer.seed; }
struct InitializerOptions<T> {
  static constexpr auto fields = all(seed_field<T>());
  static constexpr std::span<const Absent> absent = fan_axes;
  static constexpr Example examples[] = {{"{}"}, {R"({"seed": 3})"}};
};

template <>
struct InitializerOptions<initializers::Constant> {
  static constexpr auto fields = all(field("value", &initializers::Constant::value, "The value."));
  static constexpr Example examples[] = {{R"({"value": -2.5})"}};
};
template <>
struct InitializerOptions<initializers::Identity> {
  static constexpr auto fields = all(field("gain", &initializers::Identity::gain, "The value on the diagonal."));
  static constexpr Example examples[] = {{"{}"}, {R"({"gain": 0.5})"}};
};
template <>
struct InitializerOptions<initializers::RandomNormal> {
  using I = initializers::RandomNormal;
  static constexpr auto fields = all(field("mean", &I::mean, "Mean."), field("stddev", &I::stddev, at_least(0), "Standard deviation."), seed_field<I>());
  static constexpr Example examples[] = {{"{}"}, {R"({"mean": 2.0, "stddev": 0.125, "seed": 3})"}};
};
template <>
struct InitializerOptions<initializers::TruncatedNormal> {
  using I = initializers::TruncatedNormal;
  static constexpr auto fields =
      all(field("mean", &I::mean, "Mean."), field("stddev", &I::stddev, at_least(0), "Standard deviation before the cut."), seed_field<I>());
  static constexpr Example examples[] = {{"{}"}, {R"({"mean": 2.0, "stddev": 0.125, "seed": 3})"}};
};
template <>
struct InitializerOptions<initializers::RandomUniform> {
  using I = initializers::RandomUniform;
  static constexpr auto fields =
      all(field("minval", &I::minval, "The smallest value."), field("maxval", &I::maxval, "All values are below it."), seed_field<I>());
  static constexpr Example examples[] = {{"{}"}, {R"({"minval": -1.0, "maxval": 3.0, "seed": 3})"}};
};
template <>
struct InitializerOptions<initializers::VarianceScaling> {
  using I = initializers::VarianceScaling;
  static constexpr auto fields =
      all(field("scale", &I::scale, above(0), "The variance of one input's share."), field("mode", &I::mode, "\"fan_in\", \"fan_out\" or \"fan_avg\", their mean."),
          field("distribution", &I::distribution, "\"truncated_normal\" (or \"normal\"), \"untruncated_normal\" or \"uniform\"."), seed_field<I>());
  static constexpr std::span<const Absent> absent = fan_axes;
  static constexpr Example examples[] = {{"{}"}, {R"({"scale": 3.0, "mode": "fan_out", "distribution": "uniform", "seed": 3})"}};
};
template <>
struct InitializerOptions<initializers::Orthogonal> {
  using I = initializers::Orthogonal;
  static constexpr auto fields = all(field("gain", &I::gain, "The factor."), seed_field<I>());
  static constexpr Example examples[] = {{"{}"}, {R"({"gain": 0.5, "seed": 3})"}};
};

#define LINN_INITIALIZER(initializer, help_text, ...)                                         \
  template <>                                                                                 \
  struct Schema<initializers::initializer> : InitializerOptions<initializers::initializer> {  \
    static constexpr Info info{"keras.initializers", #initializer, {__VA_ARGS__}, help_text}; \
  };
#include "optim/initializers.inc"
#undef LINN_INITIALIZER

}  // namespace detail::schema

namespace {

using detail::core::Random;
using detail::optim::initializer_rows;
using detail::schema::Kind;

struct Fans {
  double in = 1, out = 1;
};

// Keras's compute_fans: the last two axes are inputs and outputs, those before them the receptive field.
Fans fans_of(const Shape& shape) {
  if (shape.rank() == 0) return {};
  if (shape.rank() == 1) return {static_cast<double>(shape[0]), static_cast<double>(shape[0])};
  double field = 1;
  for (std::size_t i = 0; i + 2 < shape.rank(); ++i) field *= static_cast<double>(shape[static_cast<std::ptrdiff_t>(i)]);
  return {field * static_cast<double>(shape[-2]), field * static_cast<double>(shape[-1])};
}

// Normal, cut at two standard deviations: draws outside are made again from later numbers of the same element.
double truncated(const Random& random, std::uint64_t element) {
  for (std::uint64_t attempt = 0;; ++attempt) {
    const double value = random.normal(element + (attempt << 40));
    if (std::abs(value) <= 2) return value;
  }
}

// ---- the value of element i ----

double draw(const initializers::Zeros&, const Fans&, const Random&, std::uint64_t) { return 0; }
double draw(const initializers::Ones&, const Fans&, const Random&, std::uint64_t) { return 1; }
double draw(const initializers::Constant& o, const Fans&, const Random&, std::uint64_t) { return o.value; }
double draw(const initializers::RandomNormal& o, const Fans&, const Random& random, std::uint64_t i) { return o.mean + o.stddev * random.normal(i); }
double draw(const initializers::TruncatedNormal& o, const Fans&, const Random& random, std::uint64_t i) {
  return o.mean + o.stddev * truncated(random, i);
}
double draw(const initializers::RandomUniform& o, const Fans&, const Random& random, std::uint64_t i) {
  return o.minval + (o.maxval - o.minval) * random.uniform53(i);
}
double draw(const initializers::VarianceScaling& o, const Fans& fans, const Random& random, std::uint64_t i) {
  using initializers::Distribution, initializers::Fan;
  const double fan = o.mode.kind() == Fan::fan_in ? fans.in : o.mode.kind() == Fan::fan_out ? fans.out : (fans.in + fans.out) / 2;
  const double variance = o.scale / std::max(1.0, fan);
  if (o.distribution.kind() == Distribution::uniform) return std::sqrt(3 * variance) * (2 * random.uniform53(i) - 1);
  if (o.distribution.kind() == Distribution::untruncated_normal) return std::sqrt(variance) * random.normal(i);
  return std::sqrt(variance) / 0.87962566103423978 * truncated(random, i);  // the standard deviation of a unit normal that is cut at two
}

// ---- the classes that are a VarianceScaling ----

initializers::VarianceScaling scaling_of(const initializers::GlorotUniform&) { return {.scale = 1, .mode = "fan_avg", .distribution = "uniform"}; }
initializers::VarianceScaling scaling_of(const initializers::GlorotNormal&) { return {.scale = 1, .mode = "fan_avg"}; }
initializers::VarianceScaling scaling_of(const initializers::HeUniform&) { return {.scale = 2, .distribution = "uniform"}; }
initializers::VarianceScaling scaling_of(const initializers::HeNormal&) { return {.scale = 2}; }
initializers::VarianceScaling scaling_of(const initializers::LecunUniform&) { return {.scale = 1, .distribution = "uniform"}; }
initializers::VarianceScaling scaling_of(const initializers::LecunNormal&) { return {.scale = 1}; }

template <class T>
  requires requires(const T& initializer) { scaling_of(initializer); }
double draw(const T& initializer, const Fans& fans, const Random& random, std::uint64_t i) {
  return draw(scaling_of(initializer), fans, random, i);
}

// ---- all values of a variable ----

template <class T>
std::string shape_fault(const T&, const Shape&) {
  return {};
}
std::string shape_fault(const initializers::Identity&, const Shape& shape) {
  return shape.rank() == 2 ? "" : "it makes matrices, variables of 2 axes";
}
std::string shape_fault(const initializers::Orthogonal&, const Shape& shape) {
  return shape.rank() >= 2 ? "" : "it makes variables of 2 axes or more";
}

template <class T>
void fill(const T& initializer, const Shape& shape, const Random& random, std::span<float> values) {
  const Fans fans = fans_of(shape);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(draw(initializer, fans, random, i));
}

void fill(const initializers::Identity& initializer, const Shape& shape, const Random&, std::span<float> values) {
  const auto columns = static_cast<std::size_t>(shape[1]);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = i / columns == i % columns ? static_cast<float>(initializer.gain) : 0.0f;
}

// The rows or columns of a matrix of normal numbers, whichever are fewer, each made orthogonal to those before it (Gram and Schmidt). That gives
// Q of a QR decomposition whose R has a positive diagonal: every orthogonal matrix is as likely as any other. Twice, so that rounding leaves
// nothing of the vectors before.
std::vector<std::vector<double>> orthonormal(std::size_t count, std::size_t size, const Random& random) {
  std::vector<std::vector<double>> vectors(count, std::vector<double>(size));
  for (std::size_t v = 0; v < count; ++v) {
    std::vector<double>& vector = vectors[v];
    for (std::size_t i = 0; i < size; ++i) vector[i] = random.normal(v * size + i);
    for (std::size_t before = 0; before < 2 * v; ++before) {
      const std::vector<double>& other = vectors[before % v];
      const double along = std::inner_product(vector.begin(), vector.end(), other.begin(), 0.0);
      for (std::size_t i = 0; i < size; ++i) vector[i] -= along * other[i];
    }
    const double length = std::sqrt(std::inner_product(vector.begin(), vector.end(), vector.begin(), 0.0));
    for (double& value : vector) value /= length;
  }
  return vectors;
}

void fill(const initializers::Orthogonal& initializer, const Shape& shape, const Random& random, std::span<float> values) {
  const auto columns = static_cast<std::size_t>(shape[-1]), rows = values.size() / columns;
  const bool wide = columns > rows;
  const std::vector<std::vector<double>> vectors = orthonormal(wide ? rows : columns, wide ? columns : rows, random);
  for (std::size_t row = 0; row < rows; ++row)
    for (std::size_t column = 0; column < columns; ++column)
      values[row * columns + column] = static_cast<float>(initializer.gain * (wide ? vectors[row][column] : vectors[column][row]));
}

// ---- descriptions ----

template <class T>
class Described final : public InitializerDescription {
 public:
  explicit Described(const T& initializer)
      : initializer_(detail::schema::checked(initializer, fmt::format("{}:", detail::schema::Schema<T>::info.name))) {}

  const detail::schema::Row& row() const override {
    static const detail::schema::Row& row =
        detail::optim::row_named(Kind::initializer, initializer_rows(), detail::schema::Schema<T>::info.name);
    return row;
  }
  detail::io::Json config() const override { return detail::schema::write(initializer_); }
  std::optional<std::uint64_t> seed() const override {
    if constexpr (requires { initializer_.seed; }) return initializer_.seed;
    return std::nullopt;
  }
  std::string fault(const Shape& shape) const override { return shape_fault(initializer_, shape); }
  void fill(const Shape& shape, const Random& random, std::span<float> values) const override { linn::fill(initializer_, shape, random, values); }

 private:
  T initializer_;
};

template <class T>
Initializer read(const detail::io::Json& config, const std::string& where) {
  return Initializer(detail::schema::read<T>(config, where, &detail::optim::is_ignored));
}

}  // namespace

namespace initializers {
template <class T>
std::shared_ptr<const InitializerDescription> describe(const T& initializer) {
  return std::make_shared<Described<T>>(initializer);
}
#define LINN_INITIALIZER(name, ...) template std::shared_ptr<const InitializerDescription> describe(const name&);
#include "optim/initializers.inc"
#undef LINN_INITIALIZER
}  // namespace initializers

Initializer::Initializer(const std::string& name)
    : Initializer(detail::optim::row_named(Kind::initializer, initializer_rows(), name).read(detail::io::Json::object(), name)) {}
std::string_view Initializer::class_name() const { return description_->row().info.name; }

namespace detail::optim {

std::span<const schema::RowOf<Initializer>> initializer_rows() {
  static const schema::RowOf<Initializer> rows[] = {
#define LINN_INITIALIZER(name, ...) schema::make_row<initializers::name>(Kind::initializer, &read<initializers::name>),
#include "optim/initializers.inc"
#undef LINN_INITIALIZER
  };
  return rows;
}

Tensor initialize(const Initializer& initializer, const Shape& shape, std::uint64_t seed, std::uint64_t stream) {
  const InitializerDescription& description = initializer.description();
  if (const std::string fault = description.fault(shape); !fault.empty())
    throw ValueError(fmt::format("initializer {} cannot make a variable of shape {}; {}", initializer.class_name(), shape.to_string(), fault));
  Tensor tensor(shape);
  const std::optional<std::uint64_t> own = description.seed();
  const core::DefaultFloatEnvironment environment;
  description.fill(shape, Random(own.value_or(seed), core::stream_of("initializer", own ? 0 : stream)), tensor.values<float>());
  return tensor;
}

io::Json to_json(const Initializer& initializer) {
  return node("keras.initializers", initializer.class_name(), initializer.description().config());
}

Initializer initializer_from_json(const io::Json& json, std::string_view where) {
  const Named initializer = named(json, where);
  const schema::RowOf<Initializer>& row = row_in_file(Kind::initializer, initializer_rows(), initializer.name, where);
  return row.read(initializer.config == nullptr ? io::Json::object() : *initializer.config, fmt::format("{}: {}", where, row.info.name));
}

std::string_view name_of(const Initializer& initializer) { return initializer.description().row().info.aliases[0]; }

}  // namespace detail::optim

Initializer detail::schema::Type<Initializer>::read(const detail::io::Json& json, const Place& place) {
  return detail::optim::initializer_from_json(json, fmt::format("{}: field \"{}\"", place.where, place.key));
}

}  // namespace linn
