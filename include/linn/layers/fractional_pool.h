// room: layers
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "linn/layer.h"
#include "linn/types.h"

namespace linn {

struct FractionalMaxPooling2DOptions {
  /// How many times smaller the output is along each axis: output = floor(size / pooling_ratio). Not with output_size.
  double pooling_ratio = 1.4142135623730951;
  /// Height and width of the output. Set, pooling_ratio does not count.
  Size2 output_size = {};
  /// Height and width of every region, as in PyTorch's FractionalMaxPool2d. Unset: the regions of the paper, which differ in size.
  Size2 pool_size = {};
  bool pseudo_random = true;
  bool overlapping = false;
  DataFormat data_format = "channels_last";
  std::optional<std::uint64_t> seed = {};
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// The largest value of each of a grid of regions whose borders are drawn anew for each step of training, (height, width, channels) ->
/// (output height, output width, channels). Graham, "Fractional max-pooling", arXiv 1412.6071, section 2: along each axis of n cells and m
/// outputs borders a_0 = 0 < a_1 < ... < a_m = n, alpha = n / m apart on average:
///   - pseudo-random (the default): a_i = ceil(alpha (i + u)) - ceil(alpha u), u uniform in (0, 1);
///   - `{.pseudo_random = false}`: floor(alpha) and ceil(alpha) apart, in random order;
///   - disjoint regions [a_i-1, a_i - 1], or with `{.overlapping = true}` [a_i-1, a_i], which share their borders, as in TensorFlow's
///     fractional_max_pool;
///   - with `pool_size` regions of this size from floor((i + u) b) - floor(u b) on, b = (n - pool_size) / (m - 1), the last one at the end:
///     PyTorch's form, where pseudo_random and overlapping keep their defaults.
/// The borders are the same for all images and channels of a batch: a function of (seed, step, layer) in training, of the seed alone at
/// inference. NaN propagates; the gradient goes to the first maximum of a region in row-major order. No variables. No layer of Keras.
/// Throws ValueError for a pooling_ratio below 1 and for pool_size with other options than its own; ShapeError for outputs that are
/// larger than the map or empty and for a pool_size that the map does not hold.
class FractionalMaxPooling2D : public Layer {
 public:
  explicit FractionalMaxPooling2D(FractionalMaxPooling2DOptions options = {});
};

}  // namespace linn
