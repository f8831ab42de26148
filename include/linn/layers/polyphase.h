// room: layers
// Downsampling that a circular shift of the input can only shift circularly, bit for bit. Behind circular convolutions and before a global
// pooling it makes the output of a network the same for every circular shift; "same" or "valid" padding breaks that at the border.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "linn/initializers.h"
#include "linn/layer.h"
#include "linn/types.h"

namespace linn {

struct AdaptivePolyphaseSampling2DOptions {
  Size2 strides = {2, 2};
  NormOrder order = "l2";
  DataFormat data_format = "channels_last";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// APS: of the strides.height * strides.width phases x[i::strides.height, j::strides.width] of each image the one of the largest norm over
/// all its channels, (height, width, channels) -> (height / strides.height, width / strides.width, channels). Chaman and Dokmanic, "Truly
/// shift-invariant convolutional neural networks", CVPR 2021, equations 6 and 7: y = x_k, k = argmax_k ||x_k||. No variables; the gradient
/// goes to the phase that was taken. linn's own class, which Keras does not know.
/// Phases of equal norm are told apart by what is in them, never by where it lies; those of a blank image are all the same. A NaN makes
/// its phase the largest, so that it is seen.
/// Guarantee, for finite inputs: of an input shifted circularly the output is that of the input shifted circularly, bit for bit, in
/// inference, where plans with this layer admit only kernels that do not see where a value lies. Not for half pixels, nor for what leaves
/// the map at a border.
/// Called with several maps of one height and width it keeps of all of them the phase that it chooses on the first, and has as many outputs.
/// That keeps branches aligned that meet again, as the two of a residual block do:
///
///     auto sampled = linn::AdaptivePolyphaseSampling2D().call({main, shortcut});
///     auto sum = linn::Add()({sampled[0], sampled[1]});
///
/// Throws ValueError for a stride below 1, ShapeError where a stride does not divide the map: phases of unequal size are no shifts of each
/// other, and nothing would be guaranteed.
class AdaptivePolyphaseSampling2D : public Layer {
 public:
  explicit AdaptivePolyphaseSampling2D(AdaptivePolyphaseSampling2DOptions options = {});
};

struct LearnablePolyphaseSampling2DOptions {
  Size2 strides = {2, 2};
  /// Channels of the two convolutions that judge a phase.
  std::int64_t hidden_filters = 16;
  /// Of the Gumbel-softmax: from `temperature` at the first step of training, by the same factor each step, to `final_temperature`
  /// `anneal_steps` steps later, and no further.
  double temperature = 1;
  double final_temperature = 0.1;
  std::int64_t anneal_steps = 10000;
  DataFormat data_format = "channels_last";
  Initializer kernel_initializer = "glorot_uniform";
  Initializer bias_initializer = "zeros";
  std::optional<std::uint64_t> seed = {};
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// LPS: as AdaptivePolyphaseSampling2D, with a small network in the norm's place, (height, width, channels) -> (height / strides.height,
/// width / strides.width, channels). Rojas-Gomez, Lim, Schwing, Do and Yeh, "Learnable polyphase sampling for shift invariant and
/// equivariant convolutional networks", NeurIPS 2022, section 3: the logit of phase x_k is the mean over pixels and channels of
/// conv3x3(relu(conv3x3(x_k))), both circular, the same for all phases. Inference takes the phase of the largest logit; training the sum of
/// all phases weighted by softmax((logits + Gumbel noise) / temperature), the noise a function of (seed, step, layer, image).
/// Variables: kernel_1 (3, 3, channels, hidden_filters), bias_1 (hidden_filters), kernel_2 (3, 3, hidden_filters, hidden_filters); a second
/// bias would add the same to all logits. Several maps, ties, NaN, the guarantee (inference only) and what is refused: as there; and ValueError for
/// hidden_filters or anneal_steps below 1 and for temperatures below 1e-6 or not finite.
class LearnablePolyphaseSampling2D : public Layer {
 public:
  explicit LearnablePolyphaseSampling2D(LearnablePolyphaseSampling2DOptions options = {});
};

}  // namespace linn
