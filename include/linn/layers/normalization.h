// room: layers
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "linn/axes.h"
#include "linn/layer.h"
#include "linn/tensor.h"

namespace linn {

/// Numbers, row-major; in files a single one, or lists in lists.
struct NestedNumbers : std::vector<double> {
  using std::vector<double>::vector;
  NestedNumbers(std::vector<double> numbers) : std::vector<double>(std::move(numbers)) {}
};

struct NormalizationOptions {
  /// The axes that keep a mean and a variance of their own; none: one of each for all values.
  Axes axis = -1;
  /// One value, or one for each place along the axes, row-major. Given together with `variance`, or not at all.
  NestedNumbers mean = {};
  NestedNumbers variance = {};
  /// Back to the values before: x * deviation + mean.
  bool invert = false;
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// (x - mean) / max(sqrt(variance), 1e-7), by statistics of the data, not of the batch:
///     Normalization norm;
///     norm.adapt(images);          // before the layer is added to a model
/// Without given or adapted statistics it has variables mean, variance and count, not trainable, which a file of weights fills.
/// Throws ValueError when only one of the two is given or a variance is below 0, ShapeError when they do not fit the input.
class Normalization : public Layer {
 public:
  explicit Normalization(NormalizationOptions options = {});

  /// Takes mean and (biased) variance from data with the batch axis first, as if they had been given: this handle and the configuration then
  /// hold them. Models that got the layer before keep what they have. Throws ShapeError when the data do not have the axes or hold no values.
  void adapt(const Tensor& data);
};

}  // namespace linn
