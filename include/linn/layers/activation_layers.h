// room: layers
// Activation functions with arguments, or with variables, as layers.
#pragma once

#include <optional>
#include <string>

#include "linn/axes.h"
#include "linn/constraints.h"
#include "linn/initializers.h"
#include "linn/layer.h"
#include "linn/regularizers.h"

namespace linn {

struct ReLUOptions {
  std::optional<double> max_value = {};  // unset: no upper limit
  double negative_slope = 0;
  double threshold = 0;
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// min(x, max_value) where x > threshold, else negative_slope * (x - threshold).
class ReLU : public Layer {
 public:
  explicit ReLU(ReLUOptions options = {});
};

struct LeakyReLUOptions {
  double negative_slope = 0.3;
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// x where x > 0, else negative_slope * x.
class LeakyReLU : public Layer {
 public:
  explicit LeakyReLU(LeakyReLUOptions options = {});
};

struct ELUOptions {
  double alpha = 1;
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// x where x > 0, else alpha * (exp(x) - 1).
class ELU : public Layer {
 public:
  explicit ELU(ELUOptions options = {});
};

struct PReLUOptions {
  Initializer alpha_initializer = "zeros";
  Regularizer alpha_regularizer = {};
  Constraint alpha_constraint = {};
  /// Axes of an image, counted from 1, along which one slope is shared: {1, 2} for one slope a channel.
  Axes shared_axes = {};
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// x where x > 0, else alpha * x with learned alpha. Variable: alpha, of the image's shape, size 1 along shared axes.
class PReLU : public Layer {
 public:
  explicit PReLU(PReLUOptions options = {});
};

struct SoftmaxOptions {
  /// The axes over which the values sum to 1; several are taken together.
  Axes axis = -1;
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// exp(x) divided by its sum over the axis.
class Softmax : public Layer {
 public:
  explicit Softmax(SoftmaxOptions options = {});
};

}  // namespace linn
