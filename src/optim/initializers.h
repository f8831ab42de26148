// First values of variables.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/random.h"
#include "io/json.h"
#include "linn/initializers.h"
#include "linn/tensor.h"
#include "schema/row.h"

namespace linn {

class InitializerDescription {
 public:
  virtual ~InitializerDescription() = default;
  virtual const detail::schema::Row& row() const = 0;
  /// Keras's config.
  virtual detail::io::Json config() const = 0;
  virtual std::optional<std::uint64_t> seed() const { return std::nullopt; }
  /// What is wrong with a variable of this shape, or an empty text.
  virtual std::string fault(const Shape& /*shape*/) const { return {}; }
  virtual void fill(const Shape& shape, const detail::core::Random& random, std::span<float> values) const = 0;
};

namespace detail::optim {

/// All initializers, in the order of initializers.inc.
std::span<const schema::RowOf<Initializer>> initializer_rows();

/// A float32 tensor of first values. `seed` and `stream` count unless the initializer has a seed of its own. ValueError for a shape that the
/// initializer does not take.
Tensor initialize(const Initializer& initializer, const Shape& shape, std::uint64_t seed, std::uint64_t stream);

/// Keras's node: {"module": "keras.initializers", "class_name": ..., "config": {...}, "registered_name": null}.
io::Json to_json(const Initializer& initializer);
/// From such a node, a class name or a snake_case name.
Initializer initializer_from_json(const io::Json& json, std::string_view where);
/// "glorot_uniform".
std::string_view name_of(const Initializer& initializer);

}  // namespace detail::optim
}  // namespace linn

template <>
struct linn::detail::schema::Type<linn::Initializer> {
  static Initializer read(const detail::io::Json& json, const Place& place);
  static detail::io::Json write(const Initializer& value) { return detail::optim::to_json(value); }
  static std::string fault(const Initializer& /*value*/, const Range& /*range*/) { return {}; }
  static std::string text(const Initializer& value) { return std::string(value.class_name()); }
  static std::string python(const Initializer& value) { return "'" + std::string(detail::optim::name_of(value)) + "'"; }
};
