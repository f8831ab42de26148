#include "data/value_range.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

#include "core/tensor_visit.h"
#include "core/worker_pool.h"
#include "linn/error.h"

namespace linn::detail::data {
namespace {

template <class T>
double as_double(T value) {
  if constexpr (std::is_same_v<T, bfloat16>) {
    return static_cast<double>(to_float(value));
  } else {
    return static_cast<double>(value);
  }
}

struct Part {
  ValueRange range;
  std::size_t nan = std::numeric_limits<std::size_t>::max();  // the first
};

template <class T>
Part range_of(std::span<const T> values) {
  Part part;
  if constexpr (std::is_integral_v<T>) {
    const auto [least, largest] = std::minmax_element(values.begin(), values.end());
    part.range = {as_double(*least), as_double(*largest), true};
  } else {
    ValueRange& range = part.range;
    range.least = std::numeric_limits<double>::infinity();
    range.largest = -range.least;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double value = as_double(values[i]);
      if (std::isnan(value)) {
        part.nan = i;
        return part;
      }
      range.least = std::min(range.least, value);
      range.largest = std::max(range.largest, value);
      range.whole = range.whole && std::trunc(value) == value;
    }
  }
  return part;
}

}  // namespace

ValueRange value_range(const Tensor& images, const std::string& where) {
  if (images.elements() == 0) return {};
  constexpr std::size_t piece = 1 << 18;
  return core::visit(images, [&]<class T>(std::span<const T> values) {
    std::vector<Part> parts((values.size() + piece - 1) / piece);
    core::worker_pool().run(static_cast<std::int64_t>(parts.size()), [&](std::int64_t item, int /*worker*/) {
      const std::size_t first = static_cast<std::size_t>(item) * piece;
      parts[static_cast<std::size_t>(item)] = range_of(values.subspan(first, std::min(piece, values.size() - first)));
    });
    ValueRange all = parts[0].range;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const Part& part = parts[i];
      if (part.nan != Part{}.nan) {
        const std::size_t an_image = static_cast<std::size_t>(images.elements() / images.shape()[0]);
        throw DataError(fmt::format("{}: image {} holds a value that is not a number (NaN)", where, (i * piece + part.nan) / an_image));
      }
      all = {std::min(all.least, part.range.least), std::max(all.largest, part.range.largest), all.whole && part.range.whole};
    }
    return all;
  });
}

double pixel_scale(const ValueRange& range) {
  if (!range.whole || range.least < 0 || range.largest <= 1) return 1;
  if (range.largest <= 255) return 1.0 / 255;
  return range.largest <= 65535 ? 1.0 / 65535 : 1;
}

}  // namespace linn::detail::data
