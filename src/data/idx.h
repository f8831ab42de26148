// The IDX files in which MNIST was published: two zero bytes, type, number of axes, sizes, elements; all big-endian.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "linn/tensor.h"

namespace linn::detail::data {

/// Plain, or wrapped in gzip. Throws FormatError.
Tensor read_idx(std::span<const std::byte> bytes, const std::string& where);

}  // namespace linn::detail::data
