// Maps over the shifts of a sweep: accuracy, unchanged classes, and change of the model's values.
#include <cstddef>
#include <vector>

#include "linn/error.h"
#include "linn/shift.h"
#include "shift/intervals.h"

namespace linn::shift {

Tensor Sweep::share_map(const std::vector<std::int64_t>& counts) const {
  Tensor map(Shape{side(), side()}, DType::f64);
  const auto values = map.values<double>();
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = share(counts[i], images_);
  return map;
}

Tensor Sweep::map() const {
  need_labels();
  return share_map(right_);
}

Tensor Sweep::unchanged_map() const { return share_map(same_); }

Tensor Sweep::change_map() const {
  if (predictions_.change.empty()) throw StateError("[shift] how far the model's values change was not kept with these predictions");
  Tensor map(Shape{side(), side()}, DType::f64);
  const auto values = map.values<double>();
  for (std::size_t i = 0; i < predictions_.change.size(); ++i) values[i % values.size()] += static_cast<double>(predictions_.change[i]);
  for (double& value : values) value /= static_cast<double>(images_);
  return map;
}

}  // namespace linn::shift
