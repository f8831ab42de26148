// The numbers of tests/golden/, and a comparison whose failure says where and how far.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "core/tensor_visit.h"
#include "io/json.h"
#include "linn/formats.h"
#include "linn/tensor.h"
#include "support/source_tree.h"

namespace linn::tests {

using Values = std::vector<double>;

inline detail::io::Json golden_json(const std::string& file) { return detail::io::parse_json(text_of(golden(file)), file); }

inline Values values_of(const Tensor& tensor) {
  return detail::core::visit(tensor, [](auto values) {
    Values result;
    if constexpr (!std::is_same_v<typename decltype(values)::value_type, bfloat16>)
      for (const auto value : values) result.push_back(static_cast<double>(value));
    return result;
  });
}

class GoldenTensors {
 public:
  explicit GoldenTensors(const std::string& file) {
    for (auto& [name, tensor] : load_safetensors(golden(file))) tensors_[name] = tensor;
  }
  bool has(const std::string& name) const { return tensors_.contains(name); }
  const Tensor& operator[](const std::string& name) const { return tensors_.at(name); }
  Values values(const std::string& name) const { return values_of(tensors_.at(name)); }

 private:
  std::map<std::string, Tensor> tensors_;
};

/// |got - expected| <= each * |expected| + norm * (largest |expected|).
struct Tolerance {
  double each = 0;
  double norm = 0;
};

inline std::string place_in(const Shape& shape, std::size_t index) {
  std::string text;
  auto rest = static_cast<std::int64_t>(index);
  for (auto axis = static_cast<std::ptrdiff_t>(shape.rank()) - 1; axis >= 0; --axis) {
    text = fmt::format("{}{}{}", rest % shape[axis], text.empty() ? "" : ", ", text);
    rest /= shape[axis];
  }
  return "[" + text + "]";
}

inline ::testing::AssertionResult agrees(const std::string& what, const Shape& shape, const Values& got, const Values& expected, Tolerance tolerance) {
  if (got.size() != expected.size()) return ::testing::AssertionFailure() << what << ": " << got.size() << " values, expected " << expected.size();
  double largest = 0;
  for (const double value : expected)
    if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
  std::size_t worst = 0, failures = 0;
  double worst_excess = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double g = got[i], e = expected[i];
    if (g == e || (std::isnan(g) && std::isnan(e))) continue;
    const double allowed = tolerance.each * std::abs(e) + tolerance.norm * largest;
    double excess = std::isfinite(g) && std::isfinite(e) ? std::abs(g - e) / std::max(allowed, 1e-300) : HUGE_VAL;
    if (excess <= 1) continue;
    ++failures;
    if (excess > worst_excess) {
      worst_excess = excess;
      worst = i;
    }
  }
  if (failures == 0) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << fmt::format("{}: {} of {} values are off; worst at {}: got {:.17g}, expected {:.17g} ({:.3g} times what is allowed)", what,
                                                      failures, got.size(), place_in(shape, worst), got[worst], expected[worst], worst_excess);
}

}  // namespace linn::tests
