// room: optim
// Regularizers: what is added to the loss for the size of a variable.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "linn/choice.h"

namespace linn {

namespace regularizers {

/// l1 * sum of |w|
struct L1 {
  double l1 = 0.01;
};

/// l2 * sum of w^2
struct L2 {
  double l2 = 0.01;
};

/// l1 * sum of |w| + l2 * sum of w^2
struct L1L2 {
  double l1 = 0.0;
  double l2 = 0.0;
};

struct OrthogonalModeNames {
  enum Kind : std::uint8_t { rows, columns };
  static constexpr std::string_view option = "mode", names[] = {"rows", "columns"};
  static consteval void check(bool known) {
    if (!known) throw "mode must be \"rows\" or \"columns\"";
  }
};
using OrthogonalMode = Choice<OrthogonalModeNames>;

/// factor * the mean of |cosine| over all pairs of rows (or columns) of a matrix; 0 where there is no pair. Of variables of 2 axes, and, as
/// activity_regularizer, of outputs (images, features), alone (ValueError when a model is built).
struct OrthogonalRegularizer {
  double factor = 0.01;
  OrthogonalMode mode = "rows";
};

}  // namespace regularizers

/// None, one of linn::regularizers, or Keras's name of one ("l1", "l2", "L1L2"; ValueError for an unknown name).
/// The loss that is trained on and shown is the mean loss of the batch plus the values for all trainable variables, and, of each layer with
/// an activity_regularizer, its value for the layer's output, behind the activation, divided by the images of the batch (Keras's
/// Layer.__call__).
class Regularizer {
 public:
  Regularizer() = default;
  Regularizer(const char* name) : Regularizer(std::string(name)) {}
  Regularizer(const std::string& name);
  Regularizer(const regularizers::L1& regularizer);
  Regularizer(const regularizers::L2& regularizer);
  Regularizer(const regularizers::L1L2& regularizer);
  Regularizer(const regularizers::OrthogonalRegularizer& regularizer);

  bool defined() const { return !class_name_.empty(); }
  /// Keras's class name, "L1L2"; empty for none.
  std::string_view class_name() const { return class_name_; }
  double l1() const { return l1_; }
  double l2() const { return l2_; }
  const std::optional<regularizers::OrthogonalRegularizer>& orthogonal() const { return orthogonal_; }

 private:
  std::string_view class_name_;
  double l1_ = 0;
  double l2_ = 0;
  std::optional<regularizers::OrthogonalRegularizer> orthogonal_;
};

}  // namespace linn
