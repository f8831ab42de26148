// room: optim
// Regularizers: what is added to the loss for the size of a variable.
#pragma once

#include <memory>
#include <string>
#include <string_view>

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

}  // namespace regularizers

/// None, one of linn::regularizers, or Keras's name of one ("l1", "l2", "L1L2"; ValueError for an unknown name).
/// The loss that is trained on and shown is the mean loss of the batch plus the values for all trainable variables.
class Regularizer {
 public:
  Regularizer() = default;
  Regularizer(const char* name) : Regularizer(std::string(name)) {}
  Regularizer(const std::string& name);
  Regularizer(const regularizers::L1& regularizer);
  Regularizer(const regularizers::L2& regularizer);
  Regularizer(const regularizers::L1L2& regularizer);

  bool defined() const { return !class_name_.empty(); }
  /// Keras's class name, "L1L2"; empty for none.
  std::string_view class_name() const { return class_name_; }
  double l1() const { return l1_; }
  double l2() const { return l2_; }

 private:
  std::string_view class_name_;
  double l1_ = 0;
  double l2_ = 0;
};

}  // namespace linn
