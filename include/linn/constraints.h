// room: optim
// Constraints: what is done to a variable after each step of training.
#pragma once

#include <concepts>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "linn/axes.h"

namespace linn {

class ConstraintDescription;

/// A norm is that of all elements of a variable that differ only in their places on `axis`, one axis or several, counted from 0. Of the
/// kernel of a Dense layer, axis 0 is one norm for each unit; of that of Conv2D, {0, 1, 2} is one for each filter.
namespace constraints {

/// Norms above max_value are scaled down to it.
struct MaxNorm {
  double max_value = 2;
  Axes axis = 0;
};

/// Negative weights become 0.
struct NonNeg {};

/// All norms are scaled to 1.
struct UnitNorm {
  Axes axis = 0;
};

/// Norms are scaled to (1 - rate) * norm + rate * clamp(norm, min_value, max_value).
struct MinMaxNorm {
  double min_value = 0;
  double max_value = 1;
  double rate = 1;
  Axes axis = 0;
};

/// What the handle Constraint keeps. Defined for the classes above.
template <class T>
std::shared_ptr<const ConstraintDescription> describe(const T& constraint);

}  // namespace constraints

/// A constraint: one of linn::constraints with its options.
template <class T>
concept ConstraintClass = requires(const T& constraint) {
  { describe(constraint) } -> std::same_as<std::shared_ptr<const ConstraintDescription>>;
};

/// None, one of linn::constraints, or Keras's name of one ("max_norm", "NonNeg"; ValueError for an unknown name). As in Keras, norms are
/// divided by themselves plus 1e-7, so that a norm of 0 stays 0.
class Constraint {
 public:
  Constraint() = default;
  Constraint(const char* name) : Constraint(std::string(name)) {}
  Constraint(const std::string& name);
  template <ConstraintClass T>
  Constraint(const T& constraint) : Constraint(describe(constraint)) {}
  explicit Constraint(std::shared_ptr<const ConstraintDescription> description) : description_(std::move(description)) {}

  bool defined() const { return description_ != nullptr; }
  /// Keras's class name, "MaxNorm"; empty for none.
  std::string_view class_name() const;
  /// Of a constraint that is defined.
  const ConstraintDescription& description() const { return *description_; }

 private:
  std::shared_ptr<const ConstraintDescription> description_;
};

}  // namespace linn
