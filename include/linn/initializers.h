// room: optim
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace linn {

/// How a variable gets its first values. From a name ("glorot_uniform", "he_normal", "zeros", ...: ValueError for an unknown
/// one) or from a function below. Without a seed of its own it draws from the model's.
class Initializer {
 public:
  enum class Kind : std::uint8_t { zeros, ones, constant, random_normal, random_uniform, truncated_normal, variance_scaling };

  Initializer(const char* name) : Initializer(std::string(name)) {}
  Initializer(const std::string& name);

  /// Keras's class name, such as "GlorotUniform".
  std::string class_name;
  Kind kind = Kind::zeros;
  /// constant: value; random_normal, truncated_normal: mean, stddev; random_uniform: minval, maxval; variance_scaling: scale.
  double first = 0;
  double second = 0;
  std::string mode;          // variance_scaling: fan_in, fan_out or fan_avg
  std::string distribution;  // variance_scaling: truncated_normal, untruncated_normal or uniform
  std::optional<std::uint64_t> seed;
};

Initializer Constant(double value);
Initializer RandomNormal(double mean = 0, double stddev = 0.05);
Initializer RandomUniform(double minval = -0.05, double maxval = 0.05);
Initializer TruncatedNormal(double mean = 0, double stddev = 0.05);
/// He et al. 2015, Glorot and Bengio 2010. Throws ValueError for an unknown mode or distribution, or a scale of 0 or less.
Initializer VarianceScaling(double scale = 1, const std::string& mode = "fan_in", const std::string& distribution = "truncated_normal");

}  // namespace linn
