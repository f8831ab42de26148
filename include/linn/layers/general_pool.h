// room: layers
// Poolings that Keras lacks: functions of a window other than maximum and mean. All take the strides, paddings, dilation_rate and ceil_mode of
// MaxPooling2D. Cells outside the map are left out of a window.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "linn/initializers.h"
#include "linn/layer.h"
#include "linn/layers/pool.h"
#include "linn/types.h"

namespace linn {

struct LpPooling2DOptions {
  double p = 2;
  Size2 strides = {};  // unset: the pool size
  Padding padding = "valid";
  Size2 dilation_rate = {1, 1};
  bool ceil_mode = false;
  DataFormat data_format = "channels_last";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// The p-norm of each window: y = (sum |x_i|^p)^(1/p), (height, width, channels) -> (rows, columns, channels). p = 1 sums magnitudes; for
/// large p the maximum of the magnitudes is approached. No overflow inside: powers are of x_i / max |x_j|.
/// Gradient: dy/dx_i = sign(x_i) (|x_i| / y)^(p - 1), 0 where x_i is 0, also in a window of zeros.
/// Sermanet, Chintala and LeCun, "Convolutional neural networks applied to house numbers digit classification", ICPR 2012. As torch's
/// LPPool2d for even p or values of 0 and more (torch takes powers of x, not of |x|), and as ONNX's LpPool.
/// Throws ValueError for p below 1.
class LpPooling2D : public Layer {
 public:
  explicit LpPooling2D(Size2 pool_size = {2, 2}, LpPooling2DOptions options = {});
};

struct GlobalLpPooling2DOptions {
  double p = 2;
  DataFormat data_format = "channels_last";
  bool keepdims = false;
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// The p-norm of each channel, (height, width, channels) -> (channels), or (1, 1, channels) with keepdims. See LpPooling2D.
class GlobalLpPooling2D : public Layer {
 public:
  explicit GlobalLpPooling2D(GlobalLpPooling2DOptions options = {});
};

struct GeneralizedMeanPooling2DOptions {
  double p = 3;              // first value
  bool per_channel = false;  // one p for each channel
  double epsilon = 1e-6;
  Size2 strides = {};  // unset: the pool size
  Padding padding = "valid";
  Size2 dilation_rate = {1, 1};
  bool ceil_mode = false;
  DataFormat data_format = "channels_last";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// GeM: the generalized mean of each window, with a learned exponent: y = (mean max(x_i, epsilon)^p)^(1/p). p = 1 is the mean; large p
/// approaches the maximum. Variable: p (1), or (channels) with per_channel; an exponent between -0.01 and 0.01 counts as the nearer of the
/// two, so that no division by zero can follow from training.
/// Radenovic, Tolias and Chum, "Fine-tuning CNN image retrieval with no human annotation", TPAMI 2018 (arXiv 1711.02512), equation 3.
/// Throws ValueError for a first p of 0 and epsilon not above 0.
class GeneralizedMeanPooling2D : public Layer {
 public:
  explicit GeneralizedMeanPooling2D(Size2 pool_size = {2, 2}, GeneralizedMeanPooling2DOptions options = {});
};

struct GlobalGeneralizedMeanPooling2DOptions {
  double p = 3;
  bool per_channel = false;
  double epsilon = 1e-6;
  DataFormat data_format = "channels_last";
  bool keepdims = false;
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// The generalized mean of each channel, (height, width, channels) -> (channels), or (1, 1, channels) with keepdims: the pooling of the paper.
/// See GeneralizedMeanPooling2D.
class GlobalGeneralizedMeanPooling2D : public Layer {
 public:
  explicit GlobalGeneralizedMeanPooling2D(GlobalGeneralizedMeanPooling2DOptions options = {});
};

/// The mean of each window weighted by softmax: y = sum w_i x_i, w_i = exp(x_i) / sum exp(x_j).
/// Gradient: dy/dx_i = w_i (1 + x_i - y).
/// Stergiou, Poppe and Kalliatakis, "Refining activation downsampling with SoftPool", ICCV 2021 (arXiv 2101.00440).
class SoftPooling2D : public Layer {
 public:
  explicit SoftPooling2D(Size2 pool_size = {2, 2}, Pooling2DOptions options = {});
};

struct StochasticPooling2DOptions {
  Size2 strides = {};  // unset: the pool size
  Padding padding = "valid";
  Size2 dilation_rate = {1, 1};
  bool ceil_mode = false;
  DataFormat data_format = "channels_last";
  std::optional<std::uint64_t> seed = {};
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// While training one cell of each window and channel, drawn with probability w_i = max(x_i, 0) / sum max(x_j, 0); otherwise the expected
/// value, y = sum w_i x_i. A window without a positive value gives 0. The draw is a function of the model's seed, `seed`, the step and the
/// element's number in the batch, so it is the same on any number of threads. The gradient goes to the drawn cell.
/// Zeiler and Fergus, "Stochastic pooling for regularization of deep convolutional neural networks", ICLR 2013 (arXiv 1301.3557),
/// equations 4 to 6.
class StochasticPooling2D : public Layer {
 public:
  explicit StochasticPooling2D(Size2 pool_size = {2, 2}, StochasticPooling2DOptions options = {});
};

struct MixedPooling2DOptions {
  double alpha = 0.5;        // share of the maximum, or its first value
  bool learned = false;      // whether alpha is a variable
  bool per_channel = false;  // one learned alpha for each channel
  Size2 strides = {};        // unset: the pool size
  Padding padding = "valid";
  Size2 dilation_rate = {1, 1};
  bool ceil_mode = false;
  DataFormat data_format = "channels_last";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// A mixture of maximum and mean: y = alpha max x_i + (1 - alpha) mean x_i. The first maximum in row-major order takes its gradient.
/// Variable with `learned`: alpha (1), or (channels) with per_channel; training may move it out of 0 to 1.
/// Lee, Gallagher and Tu, "Generalizing pooling functions in convolutional neural networks: mixed, gated, and tree", AISTATS 2016
/// (arXiv 1509.08985), mixed max-average pooling.
/// Throws ValueError for alpha outside 0 to 1 and per_channel without learned.
class MixedPooling2D : public Layer {
 public:
  explicit MixedPooling2D(Size2 pool_size = {2, 2}, MixedPooling2DOptions options = {});
};

struct GatedPooling2DOptions {
  bool per_channel = false;                   // one gate for each channel
  Initializer gate_initializer = "zeros";     // zeros: half maximum, half mean
  Size2 strides = {};                         // unset: the pool size
  Padding padding = "valid";
  Size2 dilation_rate = {1, 1};
  bool ceil_mode = false;
  DataFormat data_format = "channels_last";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// A mixture of maximum and mean whose share depends on the window: y = g max x_i + (1 - g) mean x_i, g = 1 / (1 + exp(-sum v_i x_i)).
/// Variable: gate v (pool rows, pool columns, 1), or (pool rows, pool columns, channels) with per_channel.
/// Lee, Gallagher and Tu 2016 (see MixedPooling2D), gated max-average pooling.
class GatedPooling2D : public Layer {
 public:
  explicit GatedPooling2D(Size2 pool_size = {2, 2}, GatedPooling2DOptions options = {});
};

}  // namespace linn
