// Layers that work on the last axis, applied to other axes.
#pragma once

#include <string>
#include <vector>

#include "linn/axes.h"
#include "linn/shape.h"
#include "plan/lowering.h"

namespace linn::detail::layers {

/// The axes of an image that `axes` names, sorted, counted from 0. Throws ShapeError or ValueError as image_axis does, and ValueError for an
/// axis that is named twice or where the numbers are sorted otherwise than the axes they stand for, -1 beside 1: Keras would shape its
/// variables by the numbers.
std::vector<std::size_t> image_axes(const Axes& axes, std::size_t rank, const std::string& where);

/// The last axes of an image made of some of its axes, seen as one: [others..., product]. `undo` gives a value of that shape the order and
/// the shape back; a single axis may have another size by then.
class LastAxes {
 public:
  /// `axes` sorted. The value of `to` is seen by `value()`.
  LastAxes(plan::Lowering& to, plan::Value src, const std::vector<std::size_t>& axes);

  const plan::Value& value() const { return value_; }
  plan::Value undo(plan::Value result) const;

 private:
  plan::Lowering& to_;
  bool single_;
  Shape order_, permuted_;
  plan::Value value_;
};

}  // namespace linn::detail::layers
