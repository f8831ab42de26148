// What is inside a file of a model or of weights, without making a model of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "linn/shape.h"

namespace linn::detail::formats {

/// What a tensor's values are like.
struct ValueFacts {
  std::int64_t nan = 0, infinite = 0;
  std::int64_t denormal = 0;   // as float32
  double least = 0, most = 0;  // of the finite ones
  std::uint32_t crc32 = 0;     // of the values as float32, or as the integers they are
};

struct InspectedTensor {
  std::string name;  // where it stands in the file
  std::string type;  // as the file holds it: "f32", "f16", ...
  Shape shape;
  std::optional<ValueFacts> values = std::nullopt;
};

struct Inspection {
  std::string kind;  // "a Keras model (.keras)"
  std::uint64_t bytes = 0;
  std::vector<std::pair<std::string, std::string>> facts;  // {"Keras version", "3.15.1"}
  std::vector<InspectedTensor> tensors;
};

/// Reads headers and configurations; the tensors' values only if `with_values`. FormatError for a file that holds no tensors that linn
/// reads.
Inspection inspect(const std::string& path, bool with_values);

}  // namespace linn::detail::formats
