// room: train
// Augmentation outside of a model: layers applied to data, and layers from a text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "linn/layers/augment.h"
#include "linn/tensor.h"

namespace linn {

/// What the random numbers of `augment` depend on, besides the layers.
struct AugmentOptions {
  std::uint64_t seed = 0;
  /// Passes through the data before this one.
  std::int64_t epoch = 0;
  /// The number of the first image in the data set.
  std::int64_t first_image = 0;
};

/// Images (n, height, width, channels), or (n, height, width) as of one channel, of any dtype, as the layer makes them while a model is
/// trained: float32 (n, height', width', channels). The workers share the images. The images are those that
/// `fit(x, y, {.augment = layer})` of a model of the same seed trains on in this epoch, so a data set may be augmented in parts:
///
///     const Tensor part = augment(Pipeline({RandomFlip("horizontal"), RandomRotation(0.05)}), x.rows(0, 1000), {.seed = 7, .epoch = 2});
///
/// MixUp and CutMix take all images for one batch. Throws ShapeError for other shapes, ValueError for a layer with variables.
Tensor augment(const Layer& layer, const Tensor& images, const AugmentOptions& options = {});

struct AugmentedBatch {
  Tensor images, targets;
};
/// The same with targets (n, ...) of numbers, such as one-hot rows, which MixUp and CutMix mix; other layers leave them.
AugmentedBatch augment(const Layer& layer, const Tensor& images, const Tensor& targets, const AugmentOptions& options = {});

/// A Pipeline from a text: names with their arguments, in order, "translation:0.1,rotation:0.05,flip". `value_range` is that of the layers
/// that change colours. ValueError for what is not such a text, with what is allowed: an unknown name, with the one that may be meant; an
/// argument that is missing, no number or out of range; too many arguments.
///
///     translation:H[:W]   RandomTranslation     contrast:F        RandomContrast         grayscale[:P]    RandomGrayscale
///     rotation:F          RandomRotation        brightness:F      RandomBrightness       invert[:P]       RandomInvert
///     zoom:H[:W]          RandomZoom            saturation:F      RandomSaturation       erasing[:P]      RandomErasing
///     shear:X[:Y]         RandomShear           hue:F             RandomHue              mixup[:ALPHA]    MixUp
///     perspective[:S]     RandomPerspective     sharpness:F       RandomSharpness        cutmix[:F]       CutMix
///     elastic[:S]         RandomElastic...      blur[:SIGMA]      RandomGaussianBlur     randaugment[:F]  RandAugment
///     flip[:MODE]         RandomFlip            posterization:B   RandomPosterization    augmix[:F]       AugMix
///                                               solarization:F    Solarization           autocontrast, equalization
///
/// MODE is horizontal (the default), vertical or both. One number N of translation, zoom and shear counts for both directions; contrast:F
/// takes F between 0 and 1 for weaker and stronger contrast alike.
Pipeline parse_augmentation(std::string_view text, const ValueRange& value_range = {});
/// The names that `parse_augmentation` knows, each with its arguments and what it does: lines for a help text.
std::vector<std::string> augmentation_names();

}  // namespace linn
