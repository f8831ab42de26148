// Which layers change images without a gradient.
#pragma once

#include <algorithm>
#include <string_view>

namespace linn::tests {

inline bool refuses_gradient(std::string_view class_name) {
  constexpr std::string_view names[] = {
      "RandomElasticTransform", "RandomContrast", "RandomBrightness", "RandomGrayscale", "RandomInvert", "RandomErasing", "RandomSharpness", "RandomGaussianBlur",
      "RandomHue", "RandomSaturation", "RandomColorJitter", "RandomColorDegeneration", "RandomPosterization", "Solarization", "AutoContrast", "Equalization",
      "ContrastLimitedAdaptiveHistogramEqualization", "MixUp", "CutMix", "RandAugment", "AugMix"};
  return std::ranges::find(names, class_name) != std::end(names);
}

}  // namespace linn::tests
