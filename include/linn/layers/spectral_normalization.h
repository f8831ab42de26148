// room: layers
#pragma once

#include <cstdint>
#include <string>

#include "linn/layer.h"

namespace linn {

struct SpectralNormalizationOptions {
  std::int64_t power_iterations = 1;
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// A wrapper that keeps the largest singular value of a layer's kernel near 1 (Miyato, Kataoka, Koyama and Yoshida, "Spectral normalization
/// for generative adversarial networks", ICLR 2018, algorithm 1). It computes what `layer` computes, with the same shapes.
///
/// Before each training step, with w the kernel as a matrix (all but its last axis, last axis) and u the variable vector_u,
///   power_iterations times: v = u w' / |u w'|, u = v w / |v w|
///   kernel = kernel / (v w u')
/// and the step's gradients are those of the new kernel. Prediction, evaluation and `gradients` take the kernel as it is. A kernel of zeros
/// stays as it is, and so does one for which v w u' is 0. Where the layer is called several times in a model, all calls of a step divide the
/// kernel before its first op; in Keras each does when its turn comes.
/// Variables: the layer's kernel, vector_u (1, last axis of the kernel), and what else the layer has.
///
///     SpectralNormalization(Conv2D(64, 3), {.power_iterations = 2})
///
/// Throws ValueError for power_iterations below 1, for a layer that already has variables, and, when it is called, for a layer without a
/// kernel.
class SpectralNormalization : public Layer {
 public:
  explicit SpectralNormalization(Layer layer, SpectralNormalizationOptions options = {});
};

}  // namespace linn
