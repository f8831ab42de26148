// room: optim
// Initializers: how variables get their first values. Each class is its options, in Keras's order.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "linn/choice.h"

namespace linn {

class InitializerDescription;

/// An initializer: one of linn::initializers with its options.
template <class T>
concept InitializerClass = requires(const T& initializer) {
  { describe(initializer) } -> std::same_as<std::shared_ptr<const InitializerDescription>>;
};

/// How a variable gets its first values: a handle to one of linn::initializers, or Keras's name of one with its default options
/// ("glorot_uniform", "GlorotUniform"). ValueError for an unknown name or an option outside its range.
class Initializer {
 public:
  Initializer(const char* name) : Initializer(std::string(name)) {}
  Initializer(const std::string& name);
  template <InitializerClass T>
  Initializer(const T& initializer) : Initializer(describe(initializer)) {}
  explicit Initializer(std::shared_ptr<const InitializerDescription> description) : description_(std::move(description)) {}

  /// Keras's class name: "GlorotUniform".
  std::string_view class_name() const;
  const InitializerDescription& description() const { return *description_; }

 private:
  std::shared_ptr<const InitializerDescription> description_;
};

/// Random values follow from the model's seed and the variable's place in the model, or, where `seed` is given, from that alone: two variables
/// of one shape and one seed then begin with the same values. `fan_in` and `fan_out` are the products of the sizes of a kernel but for its last
/// and its last but one axis.
namespace initializers {

struct Zeros {};

struct Ones {};

struct Constant {
  double value = 0;
};

/// gain on the diagonal of a matrix, else 0. ValueError for a variable that is no matrix.
struct Identity {
  double gain = 1;
};

struct RandomNormal {
  double mean = 0;
  double stddev = 0.05;
  std::optional<std::uint64_t> seed = {};
};

/// A normal distribution of which what lies more than two standard deviations from the mean is drawn again.
struct TruncatedNormal {
  double mean = 0;
  double stddev = 0.05;
  std::optional<std::uint64_t> seed = {};
};

/// In [minval, maxval).
struct RandomUniform {
  double minval = -0.05;
  double maxval = 0.05;
  std::optional<std::uint64_t> seed = {};
};

struct FanNames {
  enum Kind : std::uint8_t { fan_in, fan_out, fan_avg };
  static constexpr std::string_view option = "mode", names[] = {"fan_in", "fan_out", "fan_avg"};
  static consteval void check(bool known) {
    if (!known) throw "mode must be \"fan_in\", \"fan_out\" or \"fan_avg\"";
  }
};
/// Which fan divides the variance; "fan_avg" is the mean of both.
using Fan = Choice<FanNames>;

struct DistributionNames {
  enum Kind : std::uint8_t { truncated_normal, untruncated_normal, uniform, normal };
  static constexpr std::string_view option = "distribution", names[] = {"truncated_normal", "untruncated_normal", "uniform", "normal"};
  static consteval void check(bool known) {
    if (!known) throw "distribution must be \"truncated_normal\", \"untruncated_normal\", \"uniform\" or \"normal\"";
  }
};
/// "normal" is another name of "truncated_normal", as in Keras.
using Distribution = Choice<DistributionNames>;

/// Mean 0 and variance scale / fan.
struct VarianceScaling {
  double scale = 1;
  Fan mode = "fan_in";
  Distribution distribution = "truncated_normal";
  std::optional<std::uint64_t> seed = {};
};

/// Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010: scale 1, fan_avg.
struct GlorotUniform {
  std::optional<std::uint64_t> seed = {};
};
struct GlorotNormal {
  std::optional<std::uint64_t> seed = {};
};

/// He et al., "Delving deep into rectifiers", ICCV 2015: scale 2, fan_in.
struct HeUniform {
  std::optional<std::uint64_t> seed = {};
};
struct HeNormal {
  std::optional<std::uint64_t> seed = {};
};

/// LeCun et al., "Efficient backprop", 1998: scale 1, fan_in.
struct LecunUniform {
  std::optional<std::uint64_t> seed = {};
};
struct LecunNormal {
  std::optional<std::uint64_t> seed = {};
};

/// gain times a random matrix with orthonormal rows or columns, whichever are the shorter list, of all axes but the last by the last. Saxe et al.,
/// "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks", ICLR 2014. ValueError for less than two axes.
struct Orthogonal {
  double gain = 1;
  std::optional<std::uint64_t> seed = {};
};

/// What the handle Initializer keeps. Defined for the classes above.
template <class T>
std::shared_ptr<const InitializerDescription> describe(const T& initializer);

}  // namespace initializers
}  // namespace linn
