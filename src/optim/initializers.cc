#include "optim/initializers.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <string>

#include "core/did_you_mean.h"
#include "core/random.h"
#include "linn/error.h"

namespace linn {
namespace {

struct Known {
  std::string_view name;        // what a user writes
  std::string_view class_name;  // what Keras writes
  Initializer::Kind kind;
  double first = 0, second = 0;
  std::string_view mode = {}, distribution = {};
};

using Kind = Initializer::Kind;
constexpr std::array<Known, 13> known_initializers{{
    {"zeros", "Zeros", Kind::zeros},
    {"ones", "Ones", Kind::ones},
    {"constant", "Constant", Kind::constant},
    {"random_normal", "RandomNormal", Kind::random_normal, 0, 0.05},
    {"random_uniform", "RandomUniform", Kind::random_uniform, -0.05, 0.05},
    {"truncated_normal", "TruncatedNormal", Kind::truncated_normal, 0, 0.05},
    {"variance_scaling", "VarianceScaling", Kind::variance_scaling, 1, 0, "fan_in", "truncated_normal"},
    {"glorot_uniform", "GlorotUniform", Kind::variance_scaling, 1, 0, "fan_avg", "uniform"},
    {"glorot_normal", "GlorotNormal", Kind::variance_scaling, 1, 0, "fan_avg", "truncated_normal"},
    {"he_uniform", "HeUniform", Kind::variance_scaling, 2, 0, "fan_in", "uniform"},
    {"he_normal", "HeNormal", Kind::variance_scaling, 2, 0, "fan_in", "truncated_normal"},
    {"lecun_uniform", "LecunUniform", Kind::variance_scaling, 1, 0, "fan_in", "uniform"},
    {"lecun_normal", "LecunNormal", Kind::variance_scaling, 1, 0, "fan_in", "truncated_normal"},
}};

const Known& find(std::string_view name) {
  for (const Known& known : known_initializers)
    if (known.name == name || known.class_name == name) return known;
  std::array<std::string_view, known_initializers.size()> names;
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = known_initializers[i].name;
  throw ValueError(fmt::format("unknown initializer \"{}\"{}; known are {}", name, core::did_you_mean(name, names), fmt::join(names, ", ")));
}

Initializer make(std::string_view name, double first, double second) {
  Initializer initializer{std::string(name)};
  initializer.first = first;
  initializer.second = second;
  return initializer;
}

void check_choice(std::string_view what, std::string_view value, std::span<const std::string_view> allowed) {
  for (const std::string_view choice : allowed)
    if (choice == value) return;
  throw ValueError(fmt::format("VarianceScaling: {} is \"{}\"{}; it may be {}", what, value, core::did_you_mean(value, allowed), fmt::join(allowed, ", ")));
}

constexpr std::array<std::string_view, 3> modes{"fan_in", "fan_out", "fan_avg"};
constexpr std::array<std::string_view, 3> distributions{"truncated_normal", "untruncated_normal", "uniform"};

}  // namespace

Initializer::Initializer(const std::string& name) {
  const Known& known = find(name);
  class_name = known.class_name;
  kind = known.kind;
  first = known.first;
  second = known.second;
  mode = known.mode;
  distribution = known.distribution;
}

Initializer Constant(double value) { return make("constant", value, 0); }
Initializer RandomNormal(double mean, double stddev) { return make("random_normal", mean, stddev); }
Initializer RandomUniform(double minval, double maxval) { return make("random_uniform", minval, maxval); }
Initializer TruncatedNormal(double mean, double stddev) { return make("truncated_normal", mean, stddev); }

Initializer VarianceScaling(double scale, const std::string& mode, const std::string& distribution) {
  if (!(scale > 0)) throw ValueError(fmt::format("VarianceScaling: scale is {}; it must be above 0", scale));
  check_choice("mode", mode, modes);
  check_choice("distribution", distribution == "normal" ? "truncated_normal" : distribution, distributions);
  Initializer initializer = make("variance_scaling", scale, 0);
  initializer.mode = mode;
  initializer.distribution = distribution == "normal" ? "truncated_normal" : distribution;
  return initializer;
}

namespace optim {
namespace {

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
double truncated(const core::Random& random, std::uint64_t element) {
  for (std::uint64_t attempt = 0;; ++attempt) {
    const double value = random.normal(element + (attempt << 40));
    if (std::abs(value) <= 2) return value;
  }
}

double scaled(const Initializer& initializer, const Fans& fans, const core::Random& random, std::uint64_t i) {
  const double fan = initializer.mode == "fan_in" ? fans.in : initializer.mode == "fan_out" ? fans.out : (fans.in + fans.out) / 2;
  const double scale = initializer.first / std::max(1.0, fan);
  if (initializer.distribution == "uniform") return std::sqrt(3 * scale) * (2 * random.uniform53(i) - 1);
  // The standard deviation of a unit normal that is cut at two.
  if (initializer.distribution == "truncated_normal") return std::sqrt(scale) / 0.87962566103423978 * truncated(random, i);
  return std::sqrt(scale) * random.normal(i);
}

double draw(const Initializer& initializer, const Fans& fans, const core::Random& random, std::uint64_t i) {
  switch (initializer.kind) {
    case Initializer::Kind::zeros: return 0;
    case Initializer::Kind::ones: return 1;
    case Initializer::Kind::constant: return initializer.first;
    case Initializer::Kind::random_normal: return initializer.first + initializer.second * random.normal(i);
    case Initializer::Kind::random_uniform: return initializer.first + (initializer.second - initializer.first) * random.uniform53(i);
    case Initializer::Kind::truncated_normal: return initializer.first + initializer.second * truncated(random, i);
    case Initializer::Kind::variance_scaling: return scaled(initializer, fans, random, i);
  }
  return 0;
}

}  // namespace

Tensor initialize(const Initializer& initializer, const Shape& shape, std::uint64_t seed, std::uint64_t stream) {
  Tensor tensor(shape);
  const core::Random random(initializer.seed.value_or(seed), core::stream_of("initializer", initializer.seed ? 0 : stream));
  const Fans fans = fans_of(shape);
  const auto values = tensor.values<float>();
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(draw(initializer, fans, random, i));
  return tensor;
}

io::Json to_json(const Initializer& initializer) {
  io::Json config = io::Json::object();
  switch (initializer.kind) {
    case Initializer::Kind::zeros:
    case Initializer::Kind::ones: break;
    case Initializer::Kind::constant: config["value"] = initializer.first; break;
    case Initializer::Kind::random_normal:
    case Initializer::Kind::truncated_normal:
      config["mean"] = initializer.first;
      config["stddev"] = initializer.second;
      break;
    case Initializer::Kind::random_uniform:
      config["minval"] = initializer.first;
      config["maxval"] = initializer.second;
      break;
    case Initializer::Kind::variance_scaling:
      if (initializer.class_name != "VarianceScaling") break;
      config["scale"] = initializer.first;
      config["mode"] = initializer.mode;
      config["distribution"] = initializer.distribution;
      break;
  }
  if (initializer.kind > Initializer::Kind::constant) config["seed"] = initializer.seed ? io::Json(*initializer.seed) : io::Json(nullptr);
  return {{"module", "keras.initializers"}, {"class_name", initializer.class_name}, {"config", config}, {"registered_name", nullptr}};
}

Initializer initializer_from_json(const io::Json& json, std::string_view where) {
  if (json.is_string()) return Initializer(json.get<std::string>());
  Initializer initializer(io::string_field(json, "class_name", where));
  const io::Json none = io::Json::object();
  const io::Json* found = io::find_field(json, "config", where);
  const io::Json& config = found == nullptr ? none : *found;
  const std::string inner = fmt::format("{}: {}", where, initializer.class_name);
  const auto read = [&](const char* first, const char* second) {
    initializer.first = io::number_field_or(config, first, inner, initializer.first);
    if (second != nullptr) initializer.second = io::number_field_or(config, second, inner, initializer.second);
  };
  switch (initializer.kind) {
    case Initializer::Kind::zeros:
    case Initializer::Kind::ones: break;
    case Initializer::Kind::constant: read("value", nullptr); break;
    case Initializer::Kind::random_normal:
    case Initializer::Kind::truncated_normal: read("mean", "stddev"); break;
    case Initializer::Kind::random_uniform: read("minval", "maxval"); break;
    case Initializer::Kind::variance_scaling:
      if (initializer.class_name != "VarianceScaling") break;
      initializer = VarianceScaling(io::number_field_or(config, "scale", inner, 1), io::string_field_or(config, "mode", inner, "fan_in"),
                                    io::string_field_or(config, "distribution", inner, "truncated_normal"));
      break;
  }
  if (const io::Json* seed = io::find_field(config, "seed", inner)) {
    if (!seed->is_number_integer()) throw FormatError(fmt::format("{}: field \"seed\": {} came, an integer or null is allowed", inner, io::describe(*seed)));
    initializer.seed = seed->get<std::uint64_t>();
  }
  return initializer;
}

std::string_view name_of(const Initializer& initializer) { return find(initializer.class_name).name; }

}  // namespace optim

Initializer schema::Type<Initializer>::read(const io::Json& json, const Place& place) {
  return read_name(place, [&] { return optim::initializer_from_json(json, fmt::format("{}: field \"{}\"", place.where, place.key)); });
}

}  // namespace linn
