// The table of a model's layers, character for character as Keras 3 prints it (with the rules by which rich lays out a table).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "graph/graph.h"
#include "optim/optimizers.h"

namespace linn::detail::graph {

/// What an optimizer holds, once it has made its first step.
struct OptimizerNumbers {
  std::int64_t count = 0;
  std::int64_t bytes = 0;
};

/// The slots of all trainable variables (float32), the step count (int64) and the learning rate (float32).
OptimizerNumbers optimizer_numbers(const Graph& graph, const OptimizerDescription& optimizer);

struct SummaryStyle {
  /// Of the table; 0: min(88, columns - 4), for a model with branches min(108, columns - 4); 12 more with `show_trainable`.
  std::int64_t line_length = 0;
  /// Width of the console. Longer lines of the table are cut, other lines wrapped.
  std::int64_t columns = 80;
  bool show_trainable = false;
  /// The layers of nested models too.
  bool expand_nested = false;
  /// Colours and bold letters of a terminal with 256 colours.
  bool color = false;
  std::optional<OptimizerNumbers> optimizer = {};
  /// Where the columns end, as shares of the line; empty: .45, .80, 1, for a model with branches .3, .56, .74, 1.
  std::vector<double> positions = {};
  /// First and last layer: names, or regular expressions that match the beginning of one.
  std::optional<std::pair<std::string, std::string>> layer_range = {};
};

/// Ends with a newline. Throws ValueError when the line is too short for the table or the range names no layer.
/// Control characters in names, which a terminal would obey, are shown as U+FFFD.
std::string summary(const Graph& graph, const SummaryStyle& style);

/// "442.91 KB", in units of 1024.
std::string readable_size(std::int64_t bytes);

}  // namespace linn::detail::graph
