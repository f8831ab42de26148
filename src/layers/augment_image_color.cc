// What augmentation layers that change colours do to one image.
#include <algorithm>
#include <cmath>

#include "layers/augment_image.h"

namespace linn::detail::layers {
namespace {

using kernels::Draws;
using kernels::ImageSize;
using kernels::Levels;
using plan::ImageAugmentation;

// A number drawn from a factor, which `Derived::change(size, number, src, dst)` takes.
template <class Derived>
class Drawn : public ImageAugmentation<Derived> {
 public:
  Drawn(Factor factor, const Levels& levels) : factor_(factor), levels_(levels) {}
  template <class T>
  void apply(Draws& draws, const ImageSize& size, const T* src, T* dst, T* /*scratch*/) const {
    static_cast<const Derived&>(*this).change(size, draws.uniform(factor_.lower(), factor_.upper()), src, dst);
  }

 protected:
  Factor factor_;
  Levels levels_;
};

struct Contrast final : Drawn<Contrast> {
  Contrast(Factor factor, const Levels& levels) : Drawn({1 - factor.lower(), 1 + factor.upper()}, levels) {}
  std::string_view name() const override { return "contrast"; }
  template <class T>
  void change(const ImageSize& size, double factor, const T* src, T* dst) const {
    kernels::contrast(size, levels_, factor, src, dst);
  }
};

struct Brightness final : Drawn<Brightness> {
  using Drawn::Drawn;
  std::string_view name() const override { return "brightness"; }
  template <class T>
  void change(const ImageSize& size, double factor, const T* src, T* dst) const {
    kernels::brightness(size, levels_, factor * (levels_.most - levels_.least), src, dst);
  }
};

struct Sharpness final : Drawn<Sharpness> {
  using Drawn::Drawn;
  std::string_view name() const override { return "sharpness"; }
  template <class T>
  void change(const ImageSize& size, double factor, const T* src, T* dst) const {
    kernels::sharpen(size, levels_, 2 * factor, src, dst);
  }
};

struct ColorDegeneration final : Drawn<ColorDegeneration> {
  using Drawn::Drawn;
  std::string_view name() const override { return "color_degeneration"; }
  template <class T>
  void change(const ImageSize& size, double factor, const T* src, T* dst) const {
    kernels::desaturate(size, levels_, factor, src, dst);
  }
};

struct Saturation final : Drawn<Saturation> {
  using Drawn::Drawn;
  std::string_view name() const override { return "saturation"; }
  template <class T>
  void change(const ImageSize& size, double factor, const T* src, T* dst) const {
    kernels::scale_saturation(size, levels_, factor / (1 - factor + 1e-7), src, dst);
  }
};

class Hue final : public ImageAugmentation<Hue> {
 public:
  Hue(Factor factor, const Levels& levels) : factor_(factor), levels_(levels) {}
  std::string_view name() const override { return "hue"; }
  template <class T>
  void apply(Draws& draws, const ImageSize& size, const T* src, T* dst, T* /*scratch*/) const {
    const double sign = draws.uniform() > 0.5 ? -1 : 1, turn = draws.uniform(factor_.lower(), factor_.upper());
    kernels::turn_hue(size, levels_, sign * turn * 0.5, src, dst);
  }

 private:
  Factor factor_;
  Levels levels_;
};

class Grayscale final : public ImageAugmentation<Grayscale> {
 public:
  explicit Grayscale(double factor) : factor_(factor) {}
  std::string_view name() const override { return "grayscale"; }
  template <class T>
  void apply(Draws& draws, const ImageSize& size, const T* src, T* dst, T* /*scratch*/) const {
    if (draws.uniform() < factor_)
      kernels::grayscale(size, src, dst);
    else
      std::copy_n(src, size.elements(), dst);
  }

 private:
  double factor_;
};

// Whether an image is changed, with a probability that is drawn itself.
bool comes_true(Draws& draws, const Factor& factor) {
  const double probability = draws.uniform(factor.lower(), factor.upper());
  return draws.uniform() < probability;
}

class Invert final : public ImageAugmentation<Invert> {
 public:
  Invert(Factor factor, const Levels& levels) : factor_(factor), levels_(levels) {}
  std::string_view name() const override { return "invert"; }
  template <class T>
  void apply(Draws& draws, const ImageSize& size, const T* src, T* dst, T* /*scratch*/) const {
    if (comes_true(draws, factor_))
      kernels::invert(size, levels_, src, dst);
    else
      std::copy_n(src, size.elements(), dst);
  }

 private:
  Factor factor_;
  Levels levels_;
};

class Erasing final : public ImageAugmentation<Erasing> {
 public:
  Erasing(Factor factor, Factor scale, std::optional<FillValue> fill, const Levels& levels)
      : factor_(factor), scale_(scale), fill_(std::move(fill)), levels_(levels) {}
  std::string_view name() const override { return "erasing"; }
  template <class T>
  void apply(Draws& draws, const ImageSize& size, const T* src, T* dst, T* /*scratch*/) const {
    std::copy_n(src, size.elements(), dst);
    const double of_width = std::sqrt(draws.uniform(scale_.lower(), scale_.upper())),
                 of_height = std::sqrt(draws.uniform(scale_.lower(), scale_.upper()));
    const auto [left, right] = side(draws, of_width, size.width);
    const auto [top, bottom] = side(draws, of_height, size.height);
    if (!comes_true(draws, factor_)) return;
    for (std::int64_t y = top; y < bottom; ++y)
      for (std::int64_t x = left; x < right; ++x)
        for (std::int64_t c = 0; c < size.channels; ++c) dst[(y * size.width + x) * size.channels + c] = static_cast<T>(fill(draws, c));
  }

 private:
  // The cells whose numbers are at least the start and below the end.
  static std::pair<std::int64_t, std::int64_t> side(Draws& draws, double share, std::int64_t length) {
    const auto whole = static_cast<double>(length);
    const double start = draws.uniform() * (whole - share * whole), end = start + share * whole;
    return {static_cast<std::int64_t>(std::ceil(start)), std::min(static_cast<std::int64_t>(std::ceil(end)), length)};
  }

  double fill(Draws& draws, std::int64_t channel) const {
    double value = 0;
    if (!fill_)
      value = draws.normal() * levels_.most;
    else
      value = fill_->values()[fill_->values().size() == 1 ? 0 : static_cast<std::size_t>(channel)];
    return std::clamp(value, levels_.least, levels_.most);
  }

  Factor factor_, scale_;
  std::optional<FillValue> fill_;
  Levels levels_;
};

class GaussianBlur final : public ImageAugmentation<GaussianBlur> {
 public:
  GaussianBlur(Factor factor, Size2 kernel_size, Factor sigma, const Levels& levels)
      : factor_(factor), sigma_(sigma), kernel_size_(kernel_size), levels_(levels) {}
  std::string_view name() const override { return "gaussian_blur"; }
  std::int64_t scratch(const ImageSize& input) const override { return input.elements(); }
  template <class T>
  void apply(Draws& draws, const ImageSize& size, const T* src, T* dst, T* scratch) const {
    const bool chosen = comes_true(draws, factor_);
    const double along_x = draws.uniform(sigma_.lower(), sigma_.upper()) + 1e-6,
                 along_y = draws.uniform(sigma_.lower(), sigma_.upper()) + 1e-6;
    if (chosen)
      kernels::gaussian_blur(size, {kernel_size_.height, kernel_size_.width}, {along_x, along_y}, src, dst, scratch);
    else
      std::copy_n(src, size.elements(), dst);
    kernels::brightness(size, levels_, 0, dst, dst);  // only cuts
  }

 private:
  Factor factor_, sigma_;
  Size2 kernel_size_;
  Levels levels_;
};

class Posterization final : public ImageAugmentation<Posterization> {
 public:
  Posterization(Factor factor, const Levels& levels) : factor_(factor), levels_(levels) {}
  std::string_view name() const override { return "posterization"; }
  template <class T>
  void apply(Draws& draws, const ImageSize& size, const T* src, T* dst, T* /*scratch*/) const {
    const auto least = static_cast<std::int64_t>(factor_.lower()), most = static_cast<std::int64_t>(factor_.upper());
    const std::int64_t bits = least == most ? least : draws.integer(least, most);
    kernels::posterize(size, levels_, static_cast<int>(bits), src, dst);
  }

 private:
  Factor factor_;
  Levels levels_;
};

class Solarize final : public ImageAugmentation<Solarize> {
 public:
  Solarize(Factor addition, Factor threshold, const Levels& levels) : addition_(addition), threshold_(threshold), levels_(levels) {}
  std::string_view name() const override { return "solarization"; }
  template <class T>
  void apply(Draws& draws, const ImageSize& size, const T* src, T* dst, T* /*scratch*/) const {
    const double addition = draws.uniform(addition_.lower(), addition_.upper() * 255),
                 threshold = draws.uniform(threshold_.lower(), threshold_.upper() * 255);
    kernels::solarize(size, levels_, addition, threshold, src, dst);
  }

 private:
  Factor addition_, threshold_;
  Levels levels_;
};

class Stretch final : public ImageAugmentation<Stretch> {
 public:
  explicit Stretch(const Levels& levels) : levels_(levels) {}
  std::string_view name() const override { return "auto_contrast"; }
  template <class T>
  void apply(Draws& /*draws*/, const ImageSize& size, const T* src, T* dst, T* /*scratch*/) const {
    kernels::auto_contrast(size, levels_, src, dst);
  }

 private:
  Levels levels_;
};

class Equalize final : public ImageAugmentation<Equalize> {
 public:
  Equalize(std::int64_t bins, const Levels& levels) : bins_(bins), levels_(levels) {}
  std::string_view name() const override { return "equalization"; }
  std::int64_t scratch(const ImageSize& /*input*/) const override { return 2 * bins_; }
  template <class T>
  void apply(Draws& /*draws*/, const ImageSize& size, const T* src, T* dst, T* scratch) const {
    kernels::equalize(size, levels_, bins_, src, dst, scratch);
  }

 private:
  std::int64_t bins_;
  Levels levels_;
};

class AdaptiveEqualize final : public ImageAugmentation<AdaptiveEqualize> {
 public:
  AdaptiveEqualize(const kernels::Clahe& clahe, const Levels& levels) : clahe_(clahe), levels_(levels) {}
  std::string_view name() const override { return "adaptive_equalization"; }
  std::int64_t scratch(const ImageSize& /*input*/) const override { return clahe_.scratch(); }
  template <class T>
  void apply(Draws& /*draws*/, const ImageSize& size, const T* src, T* dst, T* scratch) const {
    kernels::adaptive_equalize(size, levels_, clahe_, src, dst, scratch);
  }

 private:
  kernels::Clahe clahe_;
  Levels levels_;
};

}  // namespace

AugmentationPtr make_contrast(Factor factor, const Levels& levels) { return std::make_shared<Contrast>(factor, levels); }
AugmentationPtr make_brightness(Factor factor, const Levels& levels) { return std::make_shared<Brightness>(factor, levels); }
AugmentationPtr make_grayscale(double factor) { return std::make_shared<Grayscale>(factor); }
AugmentationPtr make_invert(Factor factor, const Levels& levels) { return std::make_shared<Invert>(factor, levels); }
AugmentationPtr make_erasing(Factor factor, Factor scale, std::optional<FillValue> fill, const Levels& levels) {
  return std::make_shared<Erasing>(factor, scale, std::move(fill), levels);
}
AugmentationPtr make_sharpness(Factor factor, const Levels& levels) { return std::make_shared<Sharpness>(factor, levels); }
AugmentationPtr make_gaussian_blur(Factor factor, Size2 kernel_size, Factor sigma, const Levels& levels) {
  return std::make_shared<GaussianBlur>(factor, kernel_size, sigma, levels);
}
AugmentationPtr make_hue(Factor factor, const Levels& levels) { return std::make_shared<Hue>(factor, levels); }
AugmentationPtr make_saturation(Factor factor, const Levels& levels) { return std::make_shared<Saturation>(factor, levels); }
AugmentationPtr make_color_degeneration(Factor factor, const Levels& levels) { return std::make_shared<ColorDegeneration>(factor, levels); }
AugmentationPtr make_posterization(Factor factor, const Levels& levels) { return std::make_shared<Posterization>(factor, levels); }
AugmentationPtr make_solarization(Factor addition, Factor threshold, const Levels& levels) {
  return std::make_shared<Solarize>(addition, threshold, levels);
}
AugmentationPtr make_auto_contrast(const Levels& levels) { return std::make_shared<Stretch>(levels); }
AugmentationPtr make_equalization(std::int64_t bins, const Levels& levels) { return std::make_shared<Equalize>(bins, levels); }
AugmentationPtr make_adaptive_equalization(const kernels::Clahe& clahe, const Levels& levels) {
  return std::make_shared<AdaptiveEqualize>(clahe, levels);
}

}  // namespace linn::detail::layers
