// Runs a model on every image at every shift: by phases where they give the same bits, else shift by shift.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <new>
#include <optional>
#include <utility>

#include "core/checked.h"
#include "core/worker_pool.h"
#include "linn/error.h"
#include "linn/shift.h"
#include "shift/class_values.h"
#include "shift/network.h"
#include "shift/phases.h"
#include "shift/scores.h"
#include "shift/shifted_input.h"

namespace linn::shift {
namespace {

constexpr std::int64_t chunk_images = 2048;  // images of one predict call; bounds the memory for shifted copies

// Labels (n) or (n, 1) as int64 inside [0, classes).
std::vector<std::int64_t> checked_labels(const Tensor& labels, std::int64_t images, std::int64_t classes) {
  if (!labels.defined()) return {};
  const Shape& shape = labels.shape();
  if (shape.rank() == 0 || labels.elements() != shape[0])
    throw ShapeError(
        fmt::format("[shift] labels of shape {} came; one integer for each image, shape ({},), is allowed", shape.to_string(), images));
  if (shape[0] != images)
    throw DataError(fmt::format("[shift] {} images but {} labels came; there must be one label for each image", images, shape[0]));
  const Tensor wide = labels.astype(DType::i64);
  std::vector<std::int64_t> values(wide.values<std::int64_t>().begin(), wide.values<std::int64_t>().end());
  for (std::size_t i = 0; i < values.size(); ++i)
    if (values[i] < 0 || values[i] >= classes)
      throw DataError(fmt::format("[shift] label {} of image {}; the model has {} classes, so 0 to {} are allowed", values[i], i, classes,
                                  classes - 1));
  return values;
}

void allocate(Predictions& predictions, std::int64_t images, std::int64_t shifts) {
  const std::int64_t each = predictions.labels.empty() ? 6 : 10;  // bytes for each image and shift
  const std::optional<std::int64_t> pairs = detail::core::checked_mul(images, shifts);
  if (!pairs || !detail::core::checked_mul(*pairs, each))
    throw MemoryError(fmt::format("[shift] {} images at {} shifts are too many", images, shifts));
  try {
    predictions.predicted.resize(static_cast<std::size_t>(*pairs));
    predictions.change.resize(static_cast<std::size_t>(*pairs));
    if (!predictions.labels.empty()) predictions.label_value.resize(static_cast<std::size_t>(*pairs));
  } catch (const std::bad_alloc&) {
    throw MemoryError(
        fmt::format("[shift] the predictions for {} images at {} shifts need {:.1f} MiB, which could not be allocated; a smaller radius "
                    "or fewer images need less",
                    images, shifts, static_cast<double>(*pairs * each) / (1 << 20)));
  }
}

// Whether all rows are probabilities: no negative value, sum 1 within 1e-3.
bool are_probabilities(const Tensor& class_values) {
  const auto values = class_values.values<float>();
  const auto classes = static_cast<std::size_t>(class_values.shape()[1]);
  for (std::size_t at = 0; at < values.size(); at += classes) {
    double sum = 0;
    for (std::size_t c = 0; c < classes; ++c) {
      if (values[at + c] < 0) return false;
      sum += static_cast<double>(values[at + c]);
    }
    if (std::abs(sum - 1) > 1e-3) return false;
  }
  return true;
}

// The largest absolute difference of two rows.
float distance(const float* a, const float* b, std::int64_t classes) {
  float most = 0;
  for (std::int64_t c = 0; c < classes; ++c) most = std::max(most, std::abs(a[c] - b[c]));
  return most;
}

// Runs the model at every shift and fills the predictions.
class Sweeper {
 public:
  Sweeper(Scores& scores, const ClassValues& values, std::int64_t images, Predictions& predictions)
      : scores_(scores),
        values_(values),
        predictions_(predictions),
        images_(images),
        side_(2 * predictions.radius + 1),
        in_place_(Shape{images, predictions.classes}) {}

  void measure_in_place() {
    for (std::int64_t first = 0; first < images_; first += chunk_images) {
      const std::int64_t last = std::min(images_, first + chunk_images);
      const Tensor values = values_.of(scores_.at(first, last, {}));
      std::copy(values.values<float>().begin(), values.values<float>().end(), row_in_place(first));
    }
    predictions_.probabilities = are_probabilities(in_place_);
    keep(0, images_, in_place_, index_of({}));
  }

  void measure(Shift shift) {
    if (shift == Shift{}) return;  // done by measure_in_place
    for (std::int64_t first = 0; first < images_; first += chunk_images) {
      const std::int64_t last = std::min(images_, first + chunk_images);
      keep(first, last, values_.of(scores_.at(first, last, shift)), index_of(shift));
    }
  }

  /// Measures all shifts of one phase. Returns their number.
  std::int64_t measure(Phases& phases, std::int64_t phase) {
    std::int64_t shifts = 0;
    for (std::int64_t first = 0; first < images_; first += phases.chunk()) {
      const std::int64_t last = std::min(images_, first + phases.chunk());
      shifts = 0;
      phases.run(phase, first, last, [&](Shift shift, const Tensor& scores) {
        keep(first, last, values_.of(scores), index_of(shift));
        ++shifts;
      });
    }
    return shifts;
  }

 private:
  std::int64_t index_of(Shift shift) const { return (shift.dy + predictions_.radius) * side_ + shift.dx + predictions_.radius; }
  float* row_in_place(std::int64_t image) { return in_place_.values<float>().data() + image * predictions_.classes; }

  void keep(std::int64_t first, std::int64_t last, const Tensor& values, std::int64_t shift) {
    const float* rows = values.values<float>().data();
    constexpr std::int64_t group = 256;
    detail::core::worker_pool().run(detail::core::ceil_div(last - first, group), [&](std::int64_t item, int /*worker*/) {
      for (std::int64_t i = first + item * group; i < std::min(last, first + (item + 1) * group); ++i)
        keep_one(i, rows + (i - first) * predictions_.classes, shift);
    });
  }

  void keep_one(std::int64_t image, const float* row, std::int64_t shift) {
    const auto at = static_cast<std::size_t>(image * side_ * side_ + shift);
    predictions_.predicted[at] = static_cast<std::uint16_t>(class_of(row, predictions_.classes));
    predictions_.change[at] = distance(row, row_in_place(image), predictions_.classes);
    if (!predictions_.labels.empty()) predictions_.label_value[at] = row[predictions_.labels[static_cast<std::size_t>(image)]];
  }

  Scores& scores_;
  const ClassValues& values_;
  Predictions& predictions_;
  std::int64_t images_;
  std::int64_t side_;
  Tensor in_place_;  // (images, classes): class values at shift 0
};

}  // namespace

Sweep sweep(const Model& given, const Tensor& images, const Tensor& labels, const SweepOptions& options) {
  const FlatModel flat(given);
  const Model& model = *flat;
  if (options.batch_size < 1) throw ValueError(fmt::format("[shift] batch_size {} came; 1 or more is allowed", options.batch_size));
  check_classifier(given);
  frames(images);
  Fill fill = options.fill.empty() ? fill_for(model, images) : Fill{.values = options.fill, .origin = options.fill_origin};
  if (fill.origin.empty()) fill.origin = fmt::format("{}, as given", fmt::join(fill.values, ", "));
  const ShiftedInput shifted_input(images, options.border, model.input_shape(), options.radius, fill.values);
  const std::int64_t shifts = (2 * options.radius + 1) * (2 * options.radius + 1);
  const ClassValues values(given);
  Predictions predictions{.radius = options.radius, .classes = values.classes()};
  predictions.labels = checked_labels(labels, shifted_input.images(), predictions.classes);
  allocate(predictions, shifted_input.images(), shifts);
  predictions.room = shifted_input.room();
  predictions.fill = fill.values;
  predictions.fill_origin = fill.origin;

  const PredictOptions predict{.batch_size = options.batch_size, .accuracy = options.accuracy, .local = true};
  Scores scores(model, shifted_input, predict);
  Sweeper sweeper(scores, values, shifted_input.images(), predictions);
  sweeper.measure_in_place();
  std::int64_t done = 0;
  const auto count = [&](std::int64_t more) {
    for (const std::int64_t now = done + more; done < now;)
      if (++done; options.progress && !options.progress(done, shifts))
        throw StateError("[shift] the sweep was ended before its last shift");
  };
  std::optional<Phases> phases;
  if (options.phases) phases.emplace(model, shifted_input, options.radius, predict);
  predictions.method_reason = phases ? phases->reason() : "phases were switched off";
  if (phases && phases->usable()) {
    predictions.method = "phases";
    for (std::int64_t phase = 0; phase < phases->count(); ++phase) count(sweeper.measure(*phases, phase));
  } else {
    predictions.method = "shift by shift";
    for (std::int64_t dy = -options.radius; dy <= options.radius; ++dy)
      for (std::int64_t dx = -options.radius; dx <= options.radius; ++dx) {
        sweeper.measure({dy, dx});
        count(1);
      }
  }
  return Sweep(std::move(predictions));
}

}  // namespace linn::shift
