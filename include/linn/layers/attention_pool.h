// room: layers
#pragma once

#include <cstdint>
#include <string>

#include "linn/initializers.h"
#include "linn/layer.h"
#include "linn/types.h"

namespace linn {

struct AttentionPooling2DOptions {
  bool gated = false;
  bool keepdims = false;
  DataFormat data_format = "channels_last";
  Initializer kernel_initializer = "glorot_uniform";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// A global mean whose weights are made from the map, (height, width, channels) -> (channels), or (1, 1, channels) with keepdims. Ilse,
/// Tomczak and Welling, "Attention-based deep multiple instance learning", ICML 2018, equations 7 to 9: z = sum over pixels k of a_k h_k, a
/// = softmax over the pixels of w^T tanh(V h_k), or with `gated` of w^T (tanh(V h_k) * sigmoid(U h_k)), h_k the channels of pixel k.
/// Variables: kernel V (channels, units), gate_kernel U (channels, units) with `gated`, attention_kernel w (units, 1). No layer of Keras.
/// It sees no places: a circular shift leaves the output as it is, bit for bit in networks with a polyphase layer, up to rounding in
/// others. Throws ValueError for units below 1.
class AttentionPooling2D : public Layer {
 public:
  explicit AttentionPooling2D(std::int64_t units = 64, AttentionPooling2DOptions options = {});
};

}  // namespace linn
