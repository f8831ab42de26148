// room: layers
#pragma once

#include <cstdint>
#include <string>

#include "linn/constraints.h"
#include "linn/initializers.h"
#include "linn/layer.h"
#include "linn/regularizers.h"

namespace linn {

struct BatchNormalizationOptions {
  /// The axis of the channels, the batch axis being 0. Another than the last costs a copy before and after.
  std::int64_t axis = -1;
  double momentum = 0.99;
  double epsilon = 1e-3;
  bool center = true;
  bool scale = true;
  Initializer beta_initializer = "zeros";
  Initializer gamma_initializer = "ones";
  Initializer moving_mean_initializer = "zeros";
  Initializer moving_variance_initializer = "ones";
  Regularizer beta_regularizer = {};
  Regularizer gamma_regularizer = {};
  Constraint beta_constraint = {};
  Constraint gamma_constraint = {};
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// Each channel with mean 0 and variance 1, then times gamma plus beta; inputs of any rank. Ioffe and Szegedy, "Batch normalization",
/// 2015. Training takes mean and (biased) variance of the batch and moves the moving ones towards them, moving = momentum * moving +
/// (1 - momentum) * batch; inference takes the moving ones, and so does training with trainable = false.
/// Variables: gamma (with scale), beta (with center), moving_mean, moving_variance; the last two are not trainable.
/// Behind a convolution or Dense without activation it costs nothing in inference: it is folded into their weights.
/// Throws ValueError for a momentum outside [0, 1], an epsilon below 0, or the batch axis.
class BatchNormalization : public Layer {
 public:
  explicit BatchNormalization(BatchNormalizationOptions options = {});
};

}  // namespace linn
