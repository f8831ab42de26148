// Inputs, targets and weights as a caller gave them, checked against a network and brought into its shape: once, before any step.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "linn/fit.h"
#include "linn/losses.h"
#include "linn/tensor.h"
#include "plan/op.h"

namespace linn::detail::train {

/// Of a model's inputs and outputs, in their order.
struct Samples {
  std::vector<Tensor> x;       // (n, input...), any dtype
  std::vector<Tensor> y;       // (n, ...) where the output has a loss; none for predict
  std::vector<Tensor> weight;  // (n), float32; undefined: all one

  std::int64_t count() const { return x.front().shape()[0]; }
  /// Data sources of a plan (all x, all y, all weights), from sample `first` of `order` (or of the samples themselves without an order).
  /// Allocates nothing when `into` was filled before.
  void sources(std::int64_t first, const std::vector<std::int64_t>* order, std::vector<plan::Rows>& into) const;
  Samples rows(std::int64_t first, std::int64_t last) const;
};

/// Takes (n, h, w) for (n, h, w, 1) and the other way round, as Keras does. Throws ShapeError; DataError for no images at all.
Tensor adapt_input(const Tensor& x, const Shape& input, const std::string& what);
/// All inputs, of one number of images.
std::vector<Tensor> adapt_inputs(const Tensors& x, const graph::Graph& graph);

/// Checks targets against the losses and the outputs' shapes; labels against the number of classes, naming the first bad one.
Samples make_samples(const Tensors& x, const Tensors& y, const Tensors& sample_weight, const std::vector<Loss>& losses, const graph::Graph& graph);

/// Turns weights of classes (those not named count 1) into weights of samples; nothing for an empty map. ValueError for a class that the
/// output does not have, a weight that is negative or not finite, and, as in Keras, when the samples have weights already, the output has
/// several predictions a sample, or the model several outputs.
void add_class_weight(Samples& samples, const std::map<std::int64_t, double>& class_weight, const graph::Graph& graph);

}  // namespace linn::detail::train
