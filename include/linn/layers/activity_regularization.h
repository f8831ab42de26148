// room: layers
#pragma once

#include <string>

#include "linn/layer.h"

namespace linn {

struct ActivityRegularizationOptions {
  double l1 = 0;
  double l2 = 0;
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// The input as it is; in training and evaluation the loss grows by (l1 * sum of |x| + l2 * sum of x^2) / images of the batch. Throws ValueError
/// for factors below 0.
class ActivityRegularization : public Layer {
 public:
  explicit ActivityRegularization(ActivityRegularizationOptions options = {});
};

}  // namespace linn
