// How near two tensors are, and a message that says where they are not.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "linn/formats.h"
#include "linn/tensor.h"

namespace linn::tests {

inline const Tensor& find(const NamedTensors& tensors, const std::string& name) {
  for (const auto& [key, tensor] : tensors)
    if (key == name) return tensor;
  throw std::runtime_error("no tensor " + name);
}

/// |got - want| / |want|, Euclidean; |got - want| where want is zero.
inline double relative_distance(const Tensor& got, const Tensor& want) {
  const Tensor a = got.astype(DType::f64);
  const Tensor b = want.astype(DType::f64);
  double distance = 0, norm = 0;
  for (std::size_t i = 0; i < b.values<double>().size(); ++i) {
    const double d = a.values<double>()[i] - b.values<double>()[i];
    distance += d * d;
    norm += b.values<double>()[i] * b.values<double>()[i];
  }
  return norm == 0 ? std::sqrt(distance) : std::sqrt(distance / norm);
}

inline testing::AssertionResult near_in_norm(const Tensor& got, const Tensor& want, double bound) {
  if (got.shape() != want.shape()) return testing::AssertionFailure() << "shape " << got.shape().to_string() << ", wanted " << want.shape().to_string();
  const double distance = relative_distance(got, want);
  if (distance <= bound) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "relative distance " << distance << ", allowed " << bound;
}

inline testing::AssertionResult near_everywhere(const Tensor& got, const Tensor& want, double bound) {
  if (got.shape() != want.shape()) return testing::AssertionFailure() << "shape " << got.shape().to_string() << ", wanted " << want.shape().to_string();
  const Tensor a = got.astype(DType::f64);
  const Tensor b = want.astype(DType::f64);
  for (std::size_t i = 0; i < b.values<double>().size(); ++i) {
    const double x = a.values<double>()[i], y = b.values<double>()[i];
    if (!(std::abs(x - y) <= bound)) return testing::AssertionFailure() << "at " << i << ": " << x << ", wanted " << y << ", allowed distance " << bound;
  }
  return testing::AssertionSuccess();
}

}  // namespace linn::tests
