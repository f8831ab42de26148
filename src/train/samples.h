// Inputs, targets and weights as a caller gave them, checked against a network and brought into its shape: once, before any step.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "linn/losses.h"
#include "linn/tensor.h"
#include "plan/op.h"

namespace linn::train {

struct Samples {
  Tensor x;       // (n, input...), any dtype
  Tensor y;       // (n, ...), undefined for predict
  Tensor weight;  // (n), float32, undefined: all one

  std::int64_t count() const { return x.shape()[0]; }
  /// Data sources of a plan (x, y, weight), from sample `first` of `order` (or of the samples themselves without an order).
  std::array<plan::Rows, 3> sources(std::int64_t first, const std::vector<std::int64_t>* order) const;
  Samples rows(std::int64_t first, std::int64_t last) const;
};

/// Takes (n, h, w) for (n, h, w, 1) and the other way round, as Keras does. Throws ShapeError; DataError for no images at all.
Tensor adapt_input(const Tensor& x, const Shape& input, const char* what);

/// Checks targets against the loss and the output's shape; labels against the number of classes, naming the first bad one.
Samples make_samples(const Tensor& x, const Tensor& y, const Tensor& sample_weight, const Loss& loss, const Shape& input, const Shape& output);

/// Turns weights of classes (those not named count 1) into weights of samples; nothing for an empty map. ValueError, as in Keras,
/// when the samples have weights already or the output has several predictions a sample.
void add_class_weight(Samples& samples, const std::map<std::int64_t, double>& class_weight, const Shape& output);

}  // namespace linn::train
