// A network as the shift lab reads it: class names, windows, strides and borders, from its configuration.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"
#include "linn/model.h"
#include "linn/shape.h"
#include "linn/types.h"

namespace linn::shift {

struct NetworkLayer {
  std::string class_name;
  std::string name;
  io::Json config;      // as Keras writes it
  Shape input, output;  // of one image

  /// Pool or kernel; (1, 1) where there is none.
  Size2 window() const;
  Size2 strides() const;
  Size2 dilation() const;
  /// Of convolutions and poolings: "valid", "same", "circular", "full"; "valid" where there is none (or one of ZeroPadding2D's kind).
  std::string padding() const;
  /// Of a blur.
  std::string border() const;
};

/// All layers but the input. Throws StateError for a model that is not built.
std::vector<NetworkLayer> layers_of(const Sequential& model);

/// Whether what leaves the network comes from a softmax or sigmoid; else it is logits.
bool gives_probabilities(const Sequential& model);

/// Treats every pixel alone, wherever it lies. (A Dense on a map is one; on a row it sees all of it.)
bool acts_on_pixels(std::string_view class_name);
bool is_polyphase(std::string_view class_name);
bool is_global_pooling(std::string_view class_name);

}  // namespace linn::shift
