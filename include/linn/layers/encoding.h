// room: layers
// Whole numbers as rows of ones and zeros.
#pragma once

#include <cstdint>
#include <string>

#include "linn/choice.h"
#include "linn/layer.h"

namespace linn {

struct EncodingModeNames {
  enum Kind : std::uint8_t { multi_hot, one_hot, count };
  static constexpr std::string_view option = "output_mode", names[] = {"multi_hot", "one_hot", "count"};
  static consteval void check(bool known) {
    if (!known) throw "output_mode must be \"multi_hot\", \"one_hot\" or \"count\"";
  }
};
/// "one_hot" (a row for each number), "multi_hot" (one row for the last axis: 1 for every number that is there) or "count" (how often it is
/// there). A misspelt literal does not compile; a std::string is checked when it runs (ValueError).
using EncodingMode = Choice<EncodingModeNames>;

struct CategoryEncodingOptions {
  EncodingMode output_mode = "multi_hot";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// Whole numbers 0 to num_tokens - 1 as rows of num_tokens values: (n) -> (num_tokens), and with "one_hot" (..., n) -> (..., n, num_tokens),
/// or (..., num_tokens) where n is 1. Fractions are cut off; a number outside the range makes a row of zeros. Gradients are 0.
/// Throws ValueError for num_tokens below 1, ShapeError for more than one axis without "one_hot".
class CategoryEncoding : public Layer {
 public:
  explicit CategoryEncoding(std::int64_t num_tokens, CategoryEncodingOptions options = {});
};

}  // namespace linn
