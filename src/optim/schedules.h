// Learning rate schedules: described like optimizers, and the field type of a learning rate.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "io/json.h"
#include "linn/optimizers.h"
#include "schema/row.h"

namespace linn {

class ScheduleDescription {
 public:
  virtual ~ScheduleDescription() = default;
  /// "CosineDecay"; "a function" for one of the caller's own.
  virtual std::string_view class_name() const = 0;
  /// The rate of step `step` of a fit of `total_steps` steps.
  virtual double at(std::int64_t step, std::int64_t total_steps) const = 0;
  /// Whether it takes all steps of each fit.
  virtual bool spans_fit() const = 0;
  /// Keras's node; null for a function, which has none.
  virtual detail::io::Json node() const = 0;
};

namespace detail::optim {

using SchedulePtr = std::shared_ptr<const ScheduleDescription>;

/// All schedules, in the order of schedules.inc.
std::span<const schema::RowOf<SchedulePtr>> schedule_rows();

/// From Keras's node or a name. FormatError for what linn does not have.
SchedulePtr schedule_from_json(const io::Json& json, std::string_view where);

}  // namespace detail::optim
}  // namespace linn

template <>
struct linn::detail::schema::Type<linn::LearningRate> {
  static LearningRate read(const detail::io::Json& json, const Place& place);
  static detail::io::Json write(const LearningRate& value);
  static std::string fault(const LearningRate& /*value*/, const Range& /*range*/) { return {}; }  // checked when it is made
  static std::string text(const LearningRate& value);
  static std::string python(const LearningRate& value) { return text(value); }
};
