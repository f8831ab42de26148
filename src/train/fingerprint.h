// What data a training runs on, as a short text that another process can compare.
#pragma once

#include <string>

#include "linn/dataset.h"
#include "train/samples.h"

namespace linn::detail::train {

/// Number, shapes and types of all samples, and the CRC-32 of at most 256 of them, spread evenly.
std::string fingerprint(const Samples& samples);
/// Number of batches, and shapes, types and CRC-32 of the first where it can be made without those that come before and after.
std::string fingerprint(const Dataset& batches);

}  // namespace linn::detail::train
