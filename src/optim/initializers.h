// First values of variables.
#pragma once

#include <cstdint>
#include <string_view>

#include "io/json.h"
#include "linn/initializers.h"
#include "linn/tensor.h"

namespace linn::optim {

/// A float32 tensor of first values. `seed` and `stream` count unless the initializer has a seed of its own.
Tensor initialize(const Initializer& initializer, const Shape& shape, std::uint64_t seed, std::uint64_t stream);

/// Keras's node: {"module": "keras.initializers", "class_name": ..., "config": {...}, "registered_name": null}.
io::Json to_json(const Initializer& initializer);
/// From such a node, a class name or a snake_case name.
Initializer initializer_from_json(const io::Json& json, std::string_view where);

}  // namespace linn::optim
