// room: layers
// Normalization of each image by its own statistics.
#pragma once

#include <cstdint>
#include <string>

#include "linn/axes.h"
#include "linn/constraints.h"
#include "linn/initializers.h"
#include "linn/layer.h"
#include "linn/regularizers.h"

namespace linn {

struct LayerNormalizationOptions {
  Axes axis = -1;
  double epsilon = 1e-3;
  bool center = true;
  bool scale = true;
  Initializer beta_initializer = "zeros";
  Initializer gamma_initializer = "ones";
  Regularizer beta_regularizer = {};
  Regularizer gamma_regularizer = {};
  Constraint beta_constraint = {};
  Constraint gamma_constraint = {};
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// Mean 0 and variance 1 over the axes, for each place along the others; then times gamma plus beta. Ba, Kiros and Hinton, "Layer
/// normalization", 2016. Variables: gamma (with scale) and beta (with center), of the shape of the axes.
class LayerNormalization : public Layer {
 public:
  explicit LayerNormalization(LayerNormalizationOptions options = {});
};

struct RMSNormalizationOptions {
  Axes axis = -1;
  double epsilon = 1e-6;
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// x / sqrt(mean of x^2 over the axes + epsilon) * scale. Zhang and Sennrich, "Root mean square layer normalization", 2019, equation 4.
/// Variable: scale, of the shape of the axes.
class RMSNormalization : public Layer {
 public:
  explicit RMSNormalization(RMSNormalizationOptions options = {});
};

struct UnitNormalizationOptions {
  Axes axis = -1;
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// x / max(|x|, 1e-12), |x| the L2 norm over the axes: length 1 for each place along the others.
class UnitNormalization : public Layer {
 public:
  explicit UnitNormalization(UnitNormalizationOptions options = {});
};

struct GroupNormalizationOptions {
  /// Groups of neighbouring channels; -1: each channel is a group (instance normalization).
  std::int64_t groups = 32;
  std::int64_t axis = -1;
  double epsilon = 1e-3;
  bool center = true;
  bool scale = true;
  Initializer beta_initializer = "zeros";
  Initializer gamma_initializer = "ones";
  Regularizer beta_regularizer = {};
  Regularizer gamma_regularizer = {};
  Constraint beta_constraint = {};
  Constraint gamma_constraint = {};
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// Mean 0 and variance 1 over each group of channels and all pixels of an image, then times gamma plus beta a channel. Wu and He, "Group
/// normalization", 2018. Variables: gamma (with scale) and beta (with center), one value a channel.
/// Throws ShapeError unless the groups divide the channels.
class GroupNormalization : public Layer {
 public:
  explicit GroupNormalization(GroupNormalizationOptions options = {});
};

}  // namespace linn
