// What the augmentation layers do to one image. RandomColorJitter, RandAugment and AugMix are made of those of other layers.
//
// The random numbers are asked for in the order in which Keras's layer asks for them, so that tests can give Keras the same numbers.
// Factors are pairs here.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "kernels/augment/color.h"
#include "kernels/augment/transform.h"
#include "linn/layers/augment.h"
#include "plan/ops/augment.h"

namespace linn::detail::layers {

using plan::AugmentationPtr;

inline kernels::Levels levels_of(const ValueRange& range) { return {range.least, range.most}; }
kernels::TransformRules rules_of(const FillMode& fill, const Interpolation& interpolation, double fill_value);

AugmentationPtr make_flip(FlipMode mode);
AugmentationPtr make_translation(Factor height, Factor width, const kernels::TransformRules& rules);
AugmentationPtr make_rotation(Factor factor, const kernels::TransformRules& rules);
AugmentationPtr make_zoom(Factor height, std::optional<Factor> width, const kernels::TransformRules& rules);
AugmentationPtr make_shear(Factor x, Factor y, const kernels::TransformRules& rules);
AugmentationPtr make_perspective(Factor factor, double scale, const kernels::TransformRules& rules);
/// A window at a random place, of images that are larger in both directions.
AugmentationPtr make_crop(std::int64_t height, std::int64_t width);
AugmentationPtr make_elastic(Factor factor, Factor scale, const kernels::TransformRules& rules, const kernels::Levels& levels);

AugmentationPtr make_contrast(Factor factor, const kernels::Levels& levels);
AugmentationPtr make_brightness(Factor factor, const kernels::Levels& levels);
AugmentationPtr make_grayscale(double factor);
AugmentationPtr make_invert(Factor factor, const kernels::Levels& levels);
AugmentationPtr make_erasing(Factor factor, Factor scale, std::optional<FillValue> fill, const kernels::Levels& levels);
AugmentationPtr make_sharpness(Factor factor, const kernels::Levels& levels);
AugmentationPtr make_gaussian_blur(Factor factor, Size2 kernel_size, Factor sigma, const kernels::Levels& levels);
AugmentationPtr make_hue(Factor factor, const kernels::Levels& levels);
AugmentationPtr make_saturation(Factor factor, const kernels::Levels& levels);
AugmentationPtr make_color_degeneration(Factor factor, const kernels::Levels& levels);
AugmentationPtr make_posterization(Factor factor, const kernels::Levels& levels);
AugmentationPtr make_solarization(Factor addition, Factor threshold, const kernels::Levels& levels);
AugmentationPtr make_auto_contrast(const kernels::Levels& levels);
AugmentationPtr make_equalization(std::int64_t bins, const kernels::Levels& levels);
AugmentationPtr make_adaptive_equalization(const kernels::Clahe& clahe, const kernels::Levels& levels);

/// One after the other.
AugmentationPtr make_sequence(std::vector<AugmentationPtr> parts);
/// `count` of them, drawn one after the other for each image.
AugmentationPtr make_choice(std::vector<AugmentationPtr> parts, std::int64_t count);
struct ChainMix {
  std::int64_t chains = 3, depth = 3;
  double alpha = 1;
  kernels::Levels levels;
};
AugmentationPtr make_chain_mix(std::vector<AugmentationPtr> parts, const ChainMix& mix);

}  // namespace linn::detail::layers
