// room: model
// Networks that people know, with first weights that are drawn anew: trained weights are not part of linn.
#pragma once

#include <cstdint>
#include <string>

#include "linn/activations.h"
#include "linn/model.h"
#include "linn/shape.h"
#include "linn/types.h"

namespace linn::models {

struct NetworkOptions {
  /// Of one image, (height, width, channels). Empty: the one that the network was published for.
  Shape input_shape = {};
  std::int64_t classes = 10;
  std::uint64_t seed = 0;
  /// Empty: the function's name.
  std::string name = {};
  DTypePolicy dtype_policy = "float32";
};

// All networks below end in a softmax over `classes`. They throw ValueError for less than two classes and ShapeError for images that are
// no (height, width, channels) or too small.

/// LeCun et al. 1998, as it is commonly built in Keras: 5x5 convolutions of 6 and 16 filters with tanh, each followed by AveragePooling2D,
/// then Dense 120, 84 and the classes. The first convolution has "same" padding, so that digits of 28 x 28 x 1 meet what the paper's 32 x 32
/// with a border of zeros do. 61,706 parameters for ten classes. (The paper's trained scale behind each mean, its partly connected second
/// convolution and its radial basis functions are left out, as Keras users do.)
Model lenet5(const NetworkOptions& options = {});

/// All-CNN-C of Springenberg et al. 2015 for 32 x 32 x 3: nine convolutions, two of them with stride 2 in place of pooling, Dropout 0.2 on
/// the image and 0.5 behind each stride, mean over the last 6 x 6 map. 1,369,738 parameters for ten classes. The last convolution has no
/// relu: a class whose relu is zero for all images would learn no more. Heights and widths may be open.
Model all_cnn(const NetworkOptions& options = {});

/// The "VGG-Small" of the literature on quantized networks (Zhang et al. 2018, LQ-Nets, 4.6 million parameters) for 32 x 32 x 3: pairs of
/// 3x3 convolutions with 128, 256 and 512 filters, each normalized, MaxPooling2D behind each pair, then Dense. 4,663,690 parameters for
/// ten classes, 7,168 / 2 of them moving statistics.
Model vgg_small(const NetworkOptions& options = {});

struct ResNetOptions {
  Shape input_shape = {};
  std::int64_t classes = 10;
  std::uint64_t seed = 0;
  std::string name = {};
  DTypePolicy dtype_policy = "float32";
  /// Where a block changes the size. true: a 1x1 convolution with stride 2 and a normalization (option B of the paper). false: every second
  /// row and column, and zeros in the new channels (option A, which the paper used on CIFAR-10).
  bool projection_shortcuts = true;
};

/// He et al. 2016, section 4.2, for 32 x 32 x 3: a 3x3 convolution of 16 filters, then three stages of 3 (5, 9) blocks of two 3x3
/// convolutions with 16, 32 and 64 filters, mean over the map, Dense. Convolutions have no bias and draw from he_normal. Trained
/// parameters for ten classes:
///
///               option B   option A   the paper
///     resnet20   272,474    269,722     0.27 M
///     resnet32   466,906    464,154     0.46 M
///     resnet56   855,770    853,018     0.85 M
///
/// Heights and widths may be open.
Model resnet20(const ResNetOptions& options = {});
Model resnet32(const ResNetOptions& options = {});
Model resnet56(const ResNetOptions& options = {});

struct ApplicationOptions {
  /// Of one image, (height, width, channels), at least 32 x 32; heights and widths may be open. Empty: 224 x 224 x 3.
  Shape input_shape = {};
  /// false: without the classifier; the last map comes out.
  bool include_top = true;
  /// With include_top = false: "avg" or "max" over the last map; empty: none.
  std::string pooling = {};
  std::int64_t classes = 1000;
  ActivationName classifier_activation = "softmax";
  std::uint64_t seed = 0;
  /// Empty: Keras's name.
  std::string name = {};
  DTypePolicy dtype_policy = "float32";
};

/// `keras.applications.ResNet50(weights=None)`: the same layers under the same names, so that weights that Keras saved load by name.
/// 25,636,712 parameters with moving statistics. Its images are BGR with the means 103.939, 116.779 and 123.68 subtracted where Keras's
/// weights are used. ValueError for a pooling that is none of these.
Model resnet50(const ApplicationOptions& options = {});

struct MobileNetV2Options {
  Shape input_shape = {};  // as of ApplicationOptions
  /// Factor of the number of filters in each layer.
  double alpha = 1;
  bool include_top = true;
  std::string pooling = {};
  std::int64_t classes = 1000;
  ActivationName classifier_activation = "softmax";
  std::uint64_t seed = 0;
  /// Empty: Keras's name, such as "mobilenetv2_1.00_224".
  std::string name = {};
  DTypePolicy dtype_policy = "float32";
};

/// `keras.applications.MobileNetV2(weights=None)` (Sandler et al. 2018): the same layers under the same names, so that
/// weights that Keras saved load by name. 3,538,984 parameters with moving statistics. Keras's weights take images from -1 to 1. ValueError
/// for a pooling that is none of those above, and an alpha of 0 or less.
Model mobilenet_v2(const MobileNetV2Options& options = {});

}  // namespace linn::models
