// room: layers
// Augmentation: layers that change images at random while a model is trained, and pass them on in inference.
//
// The random numbers of an image are a function of the seed of the run, the layer's `seed`, the layer's place, the epoch and the image's
// number in the data set, so an augmented image is the same on any number of threads and in batches of any size. Where Keras draws once for
// a batch (RandomCrop's place, RandAugment's layers), each image has a draw of its own here. MixUp and CutMix alone look at a whole batch.
//
// All take maps (height, width, channels) and give maps of the same shape but for CenterCrop and RandomCrop. Gradients flow back through
// RandomFlip, RandomTranslation, RandomRotation, RandomZoom, RandomShear, RandomPerspective, RandomCrop and CenterCrop. The others refuse
// to stand behind layers that are trained (ValueError when training begins).
//
// They may be the first layers of a model, or, put together as a Pipeline, the option `augment` of fit and of linn::augment.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "linn/choice.h"
#include "linn/layer.h"
#include "linn/layers/resize.h"
#include "linn/types.h"

namespace linn {

/// What a random number is drawn from: two bounds, or one number, which each layer makes bounds of: -x and x for most, 0 and x where
/// nothing below 0 is allowed.
class Factor {
 public:
  constexpr Factor(double value) : upper_(value) {}
  /// Sorted.
  constexpr Factor(double a, double b) : is_pair_(true), lower_(a < b ? a : b), upper_(a < b ? b : a) {}

  constexpr bool is_pair() const { return is_pair_; }
  /// Of a pair its lower bound; of one number the number.
  constexpr double lower() const { return is_pair_ ? lower_ : upper_; }
  constexpr double upper() const { return upper_; }
  /// As a pair: one number x becomes (max(-|x|, least), |x|).
  constexpr Factor bounds(double least) const {
    if (is_pair_) return *this;
    const double size = upper_ < 0 ? -upper_ : upper_;
    return {-size < least ? least : -size, size};
  }
  friend constexpr bool operator==(const Factor&, const Factor&) = default;

 private:
  bool is_pair_ = false;
  double lower_ = 0, upper_ = 0;
};

/// The values that pixels have: 0 and 255, or 0 and 1 where images were divided by 255.
struct ValueRange {
  double least = 0, most = 255;
  friend constexpr bool operator==(const ValueRange&, const ValueRange&) = default;
};

struct FillModeNames {
  enum Kind : std::uint8_t { reflect, wrap, constant, nearest };
  static constexpr std::string_view option = "fill_mode", names[] = {"reflect", "wrap", "constant", "nearest"};
  static consteval void check(bool known) {
    if (!known) throw "fill_mode must be \"reflect\", \"wrap\", \"constant\" or \"nearest\"";
  }
};
/// What lies beyond the border of an image "abcd": "reflect" dcba|abcd|dcba, "wrap" abcd|abcd|abcd, "constant" kkkk|abcd|kkkk with the fill
/// value k, "nearest" aaaa|abcd|dddd.
using FillMode = Choice<FillModeNames>;

struct FlipModeNames {
  enum Kind : std::uint8_t { horizontal, vertical, horizontal_and_vertical };
  static constexpr std::string_view option = "mode", names[] = {"horizontal", "vertical", "horizontal_and_vertical"};
  static consteval void check(bool known) {
    if (!known) throw "mode must be \"horizontal\", \"vertical\" or \"horizontal_and_vertical\"";
  }
};
using FlipMode = Choice<FlipModeNames>;

// ---- where pixels stand --------------------------------------------------------------------------------------------------

struct RandomFlipOptions {
  std::optional<std::uint64_t> seed = {};
  DataFormat data_format = "channels_last";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// Mirrors half of the images, left to right, top to bottom, or both ways at once.
class RandomFlip : public Layer {
 public:
  explicit RandomFlip(FlipMode mode = "horizontal_and_vertical", RandomFlipOptions options = {});
};

struct RandomTranslationOptions {
  FillMode fill_mode = "reflect";
  Interpolation interpolation = "bilinear";
  std::optional<std::uint64_t> seed = {};
  double fill_value = 0;
  DataFormat data_format = "channels_last";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// Moves images by a share of their height and width, drawn from the factors, -1 to 1 each; below 0: up, or to the left.
class RandomTranslation : public Layer {
 public:
  RandomTranslation(Factor height_factor, Factor width_factor, RandomTranslationOptions options = {});
};

struct RandomRotationOptions {
  FillMode fill_mode = "reflect";
  Interpolation interpolation = "bilinear";
  std::optional<std::uint64_t> seed = {};
  double fill_value = 0;
  DataFormat data_format = "channels_last";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// Turns images about their center by a share of a full turn, -1 to 1; above 0: counter-clockwise.
class RandomRotation : public Layer {
 public:
  explicit RandomRotation(Factor factor, RandomRotationOptions options = {});
};

struct RandomZoomOptions {
  /// Unset: the zoom of the height, so that nothing is distorted.
  std::optional<Factor> width_factor = {};
  FillMode fill_mode = "reflect";
  Interpolation interpolation = "bilinear";
  std::optional<std::uint64_t> seed = {};
  double fill_value = 0;
  DataFormat data_format = "channels_last";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// The output shows 1 + f times as much of the image, f drawn from the factor, above -1 and up to 1; below 0 it grows.
class RandomZoom : public Layer {
 public:
  explicit RandomZoom(Factor height_factor, RandomZoomOptions options = {});
};

struct RandomShearOptions {
  /// -1 to 1: the output's pixel (x, y) is the image's (x + f y, y). A single number f stands for -f and f.
  Factor x_factor = 0.0;
  /// Likewise (x, y + f x).
  Factor y_factor = 0.0;
  Interpolation interpolation = "bilinear";
  FillMode fill_mode = "reflect";
  double fill_value = 0;
  DataFormat data_format = "channels_last";
  std::optional<std::uint64_t> seed = {};
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// Slants images; half of them the other way.
class RandomShear : public Layer {
 public:
  explicit RandomShear(RandomShearOptions options = {});
};

struct RandomPerspectiveOptions {
  /// How likely an image is changed: a probability drawn from this factor, 0 to 1.
  Factor factor = 1.0;
  /// 0 to 1: corners move by up to half of this share of their coordinates.
  double scale = 1;
  Interpolation interpolation = "bilinear";
  double fill_value = 0;
  std::optional<std::uint64_t> seed = {};
  DataFormat data_format = "channels_last";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// Looks at images from aside: each corner moves to a place of its own. Beyond the border stands the fill value.
class RandomPerspective : public Layer {
 public:
  explicit RandomPerspective(RandomPerspectiveOptions options = {});
};

struct RandomCropOptions {
  std::optional<std::uint64_t> seed = {};
  DataFormat data_format = "channels_last";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// A window (height, width) at a random place. In inference, and where the image is not larger than the window in both directions: the
/// largest window of these proportions in the middle, resized to (height, width) bilinearly. Keras documents this, but returns images as
/// they are in inference (3.15), which contradicts the shape it promises.
class RandomCrop : public Layer {
 public:
  RandomCrop(std::int64_t height, std::int64_t width, RandomCropOptions options = {});
};

struct CenterCropOptions {
  DataFormat data_format = "channels_last";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// The window (height, width) in the middle, in training and inference. Of an image that is smaller in a direction: the largest window of
/// these proportions, resized bilinearly.
class CenterCrop : public Layer {
 public:
  CenterCrop(std::int64_t height, std::int64_t width, CenterCropOptions options = {});
};

struct RandomElasticTransformOptions {
  /// How likely an image is changed: a probability drawn from this factor, 0 to 1.
  Factor factor = 1.0;
  /// How strongly: a number s drawn from this, 0 to 1. Pixels move by 0.1 s max(height, width) times smooth noise whose deviation and width
  /// are 0.05 s min(height, width).
  Factor scale = 1.0;
  Interpolation interpolation = "bilinear";
  FillMode fill_mode = "reflect";
  double fill_value = 0;
  ValueRange value_range = {};
  std::optional<std::uint64_t> seed = {};
  DataFormat data_format = "channels_last";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// Moves each pixel by smooth noise. P. Simard, D. Steinkraus, J. Platt, "Best practices for convolutional neural networks applied to
/// visual document analysis", 2003. With "reflect" the row "abcd" goes on to the left with bcd..., as in Keras on TensorFlow. Both
/// directions have noise of their own (on TensorFlow Keras gives them the same).
class RandomElasticTransform : public Layer {
 public:
  explicit RandomElasticTransform(RandomElasticTransformOptions options = {});
};

// ---- which colours they have ---------------------------------------------------------------------------------------------

struct RandomContrastOptions {
  ValueRange value_range = {};
  std::optional<std::uint64_t> seed = {};
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// mean + f (x - mean) of each channel, f from 1 - lower to 1 + upper bound of the factor, 0 to 1. As in Keras a single number c stands for
/// 0 and c, which only strengthens contrast.
class RandomContrast : public Layer {
 public:
  explicit RandomContrast(Factor factor, RandomContrastOptions options = {});
};

struct RandomBrightnessOptions {
  ValueRange value_range = {};
  std::optional<std::uint64_t> seed = {};
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// Adds a share of the value range, drawn from the factor, -1 to 1.
class RandomBrightness : public Layer {
 public:
  explicit RandomBrightness(Factor factor, RandomBrightnessOptions options = {});
};

struct RandomGrayscaleOptions {
  /// How likely an image becomes gray, 0 to 1.
  double factor = 0.5;
  DataFormat data_format = "channels_last";
  std::optional<std::uint64_t> seed = {};
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// Gives some images the same gray in all channels. Takes maps of 1 or 3 channels.
class RandomGrayscale : public Layer {
 public:
  explicit RandomGrayscale(RandomGrayscaleOptions options = {});
};

struct RandomInvertOptions {
  /// How likely an image is inverted: a probability drawn from this factor, 0 to 1.
  Factor factor = 1.0;
  ValueRange value_range = {};
  std::optional<std::uint64_t> seed = {};
  DataFormat data_format = "channels_last";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// Takes some images from the top of the value range.
class RandomInvert : public Layer {
 public:
  explicit RandomInvert(RandomInvertOptions options = {});
};

/// What an erased pixel holds: one number, or one for each of three channels.
class FillValue {
 public:
  FillValue(double value) : values_{value} {}
  FillValue(double red, double green, double blue) : values_{red, green, blue} {}
  /// One or three.
  const std::vector<double>& values() const { return values_; }

 private:
  std::vector<double> values_;
};

struct RandomErasingOptions {
  /// How likely an image is changed: a probability drawn from this factor, 0 to 1.
  Factor factor = 1.0;
  /// The square of the rectangle's share of the width and of the height, drawn for each, 0 to 1.
  Factor scale = {0.02, 0.33};
  /// Unset: normal noise times the largest value.
  std::optional<FillValue> fill_value = {};
  ValueRange value_range = {};
  std::optional<std::uint64_t> seed = {};
  DataFormat data_format = "channels_last";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// Fills a random rectangle. Z. Zhong et al., "Random erasing data augmentation", 2020.
class RandomErasing : public Layer {
 public:
  explicit RandomErasing(RandomErasingOptions options = {});
};

struct RandomSharpnessOptions {
  ValueRange value_range = {};
  DataFormat data_format = "channels_last";
  std::optional<std::uint64_t> seed = {};
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// x + (1 - 2f) (smooth - x), f drawn from the factor, 0 to 1: 0 smooths with weights of 3x3 pixels, 0.5 changes nothing, 1 sharpens.
class RandomSharpness : public Layer {
 public:
  explicit RandomSharpness(Factor factor, RandomSharpnessOptions options = {});
};

struct RandomGaussianBlurOptions {
  /// How likely an image is blurred: a probability drawn from this factor, 0 to 1.
  Factor factor = 1.0;
  /// Columns and rows of the weights, odd.
  Size2 kernel_size = 3;
  /// Standard deviations along x and y, drawn from this, 0 to 1.
  Factor sigma = 1.0;
  ValueRange value_range = {};
  DataFormat data_format = "channels_last";
  std::optional<std::uint64_t> seed = {};
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

class RandomGaussianBlur : public Layer {
 public:
  explicit RandomGaussianBlur(RandomGaussianBlurOptions options = {});
};

struct RandomHueOptions {
  ValueRange value_range = {};
  DataFormat data_format = "channels_last";
  std::optional<std::uint64_t> seed = {};
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// Turns the hue by up to half a turn either way: a share of it drawn from the factor, 0 to 1. Takes maps of 3 channels.
class RandomHue : public Layer {
 public:
  explicit RandomHue(Factor factor, RandomHueOptions options = {});
};

struct RandomSaturationOptions {
  ValueRange value_range = {};
  DataFormat data_format = "channels_last";
  std::optional<std::uint64_t> seed = {};
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// Multiplies the saturation by f / (1 - f), f drawn from the factor, -1 to 1: below 0.5 colours fade, above they grow stronger. As in
/// Keras the saturation, which lies between 0 and 1, is then cut to the value range. Takes maps of 3 channels.
class RandomSaturation : public Layer {
 public:
  explicit RandomSaturation(Factor factor, RandomSaturationOptions options = {});
};

struct RandomColorJitterOptions {
  ValueRange value_range = {};
  std::optional<Factor> brightness_factor = {};
  std::optional<Factor> contrast_factor = {};
  std::optional<Factor> saturation_factor = {};
  std::optional<Factor> hue_factor = {};
  std::optional<std::uint64_t> seed = {};
  DataFormat data_format = "channels_last";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// RandomBrightness, RandomContrast, RandomSaturation and RandomHue, in this order, as far as their factors are set.
class RandomColorJitter : public Layer {
 public:
  explicit RandomColorJitter(RandomColorJitterOptions options = {});
};

struct RandomColorDegenerationOptions {
  ValueRange value_range = {};
  DataFormat data_format = "channels_last";
  std::optional<std::uint64_t> seed = {};
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// x + f (gray - x), f drawn from the factor, -1 to 1. Takes maps of 1 or 3 channels.
class RandomColorDegeneration : public Layer {
 public:
  explicit RandomColorDegeneration(Factor factor, RandomColorDegenerationOptions options = {});
};

struct RandomPosterizationOptions {
  ValueRange value_range = {};
  DataFormat data_format = "channels_last";
  std::optional<std::uint64_t> seed = {};
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// Keeps only the highest bits of each value, taken as a byte: a whole number from the lower bound of the factor up to the upper one, which
/// is left out unless both are the same; 1 to 8.
class RandomPosterization : public Layer {
 public:
  explicit RandomPosterization(Factor factor, RandomPosterizationOptions options = {});
};

struct SolarizationOptions {
  /// 0 to 1. On the scale 0 to 255 a number from lower to 255 * upper is added.
  Factor addition_factor = 0.0;
  /// 0 to 1. Values from a threshold on, which is drawn from lower to 255 * upper, are inverted.
  Factor threshold_factor = 0.0;
  ValueRange value_range = {};
  std::optional<std::uint64_t> seed = {};
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

class Solarization : public Layer {
 public:
  explicit Solarization(SolarizationOptions options = {});
};

struct AutoContrastOptions {
  ValueRange value_range = {};
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// Stretches each channel of an image so that it fills the value range, in training and inference.
class AutoContrast : public Layer {
 public:
  explicit AutoContrast(AutoContrastOptions options = {});
};

struct EqualizationOptions {
  ValueRange value_range = {};
  std::int64_t bins = 256;
  DataFormat data_format = "channels_last";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// Equalizes the histogram of each channel of an image, in training. (Keras takes one histogram for the images of a batch.)
class Equalization : public Layer {
 public:
  explicit Equalization(EqualizationOptions options = {});
};

struct ContrastLimitedAdaptiveHistogramEqualizationOptions {
  ValueRange value_range = {};
  double clip_limit = 4;
  Size2 tile_grid_size = {8, 8};
  DataFormat data_format = "channels_last";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// Equalizes histograms of tiles, in training and inference; no bin counts more than clip_limit times the mean. K. Zuiderveld, "Contrast
/// limited adaptive histogram equalization", Graphics Gems IV, 1994.
class ContrastLimitedAdaptiveHistogramEqualization : public Layer {
 public:
  explicit ContrastLimitedAdaptiveHistogramEqualization(ContrastLimitedAdaptiveHistogramEqualizationOptions options = {});
};

// ---- several at once -----------------------------------------------------------------------------------------------------

struct MixUpOptions {
  double alpha = 0.2;
  DataFormat data_format = "channels_last";
  std::optional<std::uint64_t> seed = {};
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// w x + (1 - w) x', x' another image of the batch, w of Beta(alpha, alpha). In fit's `augment` the targets are mixed likewise; labels are
/// refused (ValueError). Inside a model the images alone are mixed, as in Keras. H. Zhang et al., "mixup: beyond empirical risk
/// minimization", 2018.
class MixUp : public Layer {
 public:
  explicit MixUp(MixUpOptions options = {});
};

struct CutMixOptions {
  /// 0 to 1: the rectangle's share of the area is drawn from Beta(a, a), a drawn from this for each batch.
  Factor factor = 1.0;
  std::optional<std::uint64_t> seed = {};
  DataFormat data_format = "channels_last";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// Puts a rectangle of another image of the batch into each image, and mixes targets by area as MixUp does. S. Yun et al., "CutMix:
/// regularization strategy to train strong classifiers with localizable features", 2019.
class CutMix : public Layer {
 public:
  explicit CutMix(CutMixOptions options = {});
};

struct RandAugmentOptions {
  ValueRange value_range = {};
  /// How many of the layers change an image.
  std::int64_t num_ops = 2;
  /// 0 to 1: the factor of all layers.
  Factor factor = 0.5;
  Interpolation interpolation = "bilinear";
  std::optional<std::uint64_t> seed = {};
  DataFormat data_format = "channels_last";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// Each image goes through `num_ops` layers drawn from: shear, translation, rotation, brightness, colour degeneration, contrast, sharpness,
/// posterization, solarization, auto contrast, equalization. Takes maps of 1 or 3 channels. E. Cubuk et al., "RandAugment: practical
/// automated data augmentation with a reduced search space", 2020.
class RandAugment : public Layer {
 public:
  explicit RandAugment(RandAugmentOptions options = {});
};

struct AugMixOptions {
  ValueRange value_range = {};
  std::int64_t num_chains = 3;
  std::int64_t chain_depth = 3;
  /// 0 to 1: the factor of all layers.
  Factor factor = 0.3;
  double alpha = 1;
  /// Whether brightness, colour degeneration, contrast and sharpness are among the layers.
  bool all_ops = true;
  Interpolation interpolation = "bilinear";
  std::optional<std::uint64_t> seed = {};
  DataFormat data_format = "channels_last";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// w x + (1 - w) sum of v_k x_k, where x_k went through a chain of random layers (those of RandAugment), v of a Dirichlet distribution and
/// w of Beta(alpha, alpha). Takes maps of 1 or 3 channels. D. Hendrycks et al., "AugMix: a simple data processing method to improve
/// robustness and uncertainty", 2020.
class AugMix : public Layer {
 public:
  explicit AugMix(AugMixOptions options = {});
};

struct PipelineOptions {
  std::string name = {};
  Shape input_shape = {};
};

/// Layers without weights, one after the other, as one layer. ValueError for a layer that has weights or takes several inputs.
class Pipeline : public Layer {
 public:
  explicit Pipeline(std::vector<Layer> layers, PipelineOptions options = {});
};

}  // namespace linn
