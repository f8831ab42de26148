// What augmentation layers that move pixels do to one image.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "layers/augment_image.h"

namespace linn::detail::layers {
namespace {

using kernels::Draws;
using kernels::ImageSize;
using kernels::Projection;
using kernels::TransformRules;
using plan::ImageAugmentation;
using plan::LinearAugmentation;

class Flip final : public LinearAugmentation<Flip> {
 public:
  explicit Flip(FlipMode mode) : horizontal_(mode.kind() != FlipMode::vertical), vertical_(mode.kind() != FlipMode::horizontal) {}
  std::string_view name() const override { return "flip"; }
  template <class T>
  void apply(Draws& draws, const ImageSize& size, const T* src, T* dst, T* /*scratch*/) const {
    if (draws.uniform() > 0.5) {
      std::copy_n(src, size.elements(), dst);
      return;
    }
    const std::int64_t row = size.width * size.channels;
    for (std::int64_t y = 0; y < size.height; ++y) {
      const T* from = src + (vertical_ ? size.height - 1 - y : y) * row;
      if (!horizontal_)
        std::copy_n(from, row, dst + y * row);
      else
        for (std::int64_t x = 0; x < size.width; ++x)
          std::copy_n(from + (size.width - 1 - x) * size.channels, size.channels, dst + y * row + x * size.channels);
    }
  }
  template <class T>
  void transpose(Draws& draws, const ImageSize& size, const T* ddst, T* dsrc) const {
    apply<T>(draws, size, ddst, dsrc, nullptr);  // its own inverse
  }

 private:
  bool horizontal_, vertical_;
};

// A projection that `Derived::draw(Draws&, const ImageSize&)` makes.
template <class Derived>
class Transformation : public LinearAugmentation<Derived> {
 public:
  explicit Transformation(const TransformRules& rules) : rules_(rules) {}
  template <class T>
  void apply(Draws& draws, const ImageSize& size, const T* src, T* dst, T* /*scratch*/) const {
    kernels::transform(size, rules_, static_cast<const Derived&>(*this).draw(draws, size), src, dst);
  }
  template <class T>
  void transpose(Draws& draws, const ImageSize& size, const T* ddst, T* dsrc) const {
    kernels::transform_transpose(size, rules_, static_cast<const Derived&>(*this).draw(draws, size), ddst, dsrc);
  }

 protected:
  TransformRules rules_;
};

double as_real(std::int64_t size) { return static_cast<double>(size); }
double draw(Draws& draws, const Factor& factor) { return draws.uniform(factor.lower(), factor.upper()); }

class Translation final : public Transformation<Translation> {
 public:
  Translation(Factor height, Factor width, const TransformRules& rules) : Transformation(rules), height_(height), width_(width) {}
  std::string_view name() const override { return "translation"; }
  Projection draw(Draws& draws, const ImageSize& size) const {
    const double down = layers::draw(draws, height_) * as_real(size.height), right = layers::draw(draws, width_) * as_real(size.width);
    return {.a2 = -right, .b2 = -down};
  }

 private:
  Factor height_, width_;
};

class Rotation final : public Transformation<Rotation> {
 public:
  Rotation(Factor factor, const TransformRules& rules) : Transformation(rules), factor_(factor) {}
  std::string_view name() const override { return "rotation"; }
  Projection draw(Draws& draws, const ImageSize& size) const {
    const double angle = layers::draw(draws, factor_) * 2 * std::numbers::pi, c = std::cos(angle), s = std::sin(angle);
    const double x = 0.5 * as_real(size.width - 1), y = 0.5 * as_real(size.height - 1);
    return {.a0 = c, .a1 = -s, .a2 = x - x * c + y * s, .b0 = s, .b1 = c, .b2 = y - x * s - y * c};
  }

 private:
  Factor factor_;
};

class Zoom final : public Transformation<Zoom> {
 public:
  Zoom(Factor height, std::optional<Factor> width, const TransformRules& rules) : Transformation(rules), height_(height), width_(width) {}
  std::string_view name() const override { return "zoom"; }
  Projection draw(Draws& draws, const ImageSize& size) const {
    const double down = 1 + layers::draw(draws, height_), right = width_ ? 1 + layers::draw(draws, *width_) : down;
    return {.a0 = right, .a2 = as_real(size.width - 1) / 2 * (1 - right), .b1 = down, .b2 = as_real(size.height - 1) / 2 * (1 - down)};
  }

 private:
  Factor height_;
  std::optional<Factor> width_;
};

class Shear final : public Transformation<Shear> {
 public:
  Shear(Factor x, Factor y, const TransformRules& rules) : Transformation(rules), x_(x), y_(y) {}
  std::string_view name() const override { return "shear"; }
  Projection draw(Draws& draws, const ImageSize& /*size*/) const {
    const double sign = draws.uniform() > 0.5 ? -1 : 1, down = layers::draw(draws, y_), right = layers::draw(draws, x_);
    return {.a1 = sign * right, .b0 = sign * down};
  }

 private:
  Factor x_, y_;
};

// Whether an image is changed, with a probability that is drawn itself.
bool is_chosen(Draws& draws, const Factor& factor) {
  const double probability = draw(draws, factor);
  return draws.uniform() < probability;
}

class Perspective final : public Transformation<Perspective> {
 public:
  Perspective(Factor factor, double scale, const TransformRules& rules) : Transformation(rules), factor_(factor), scale_(scale) {}
  std::string_view name() const override { return "perspective"; }
  Projection draw(Draws& draws, const ImageSize& size) const {
    const bool chosen = is_chosen(draws, factor_);
    const double right = as_real(size.width - 1), bottom = as_real(size.height - 1);
    const std::array<std::array<double, 2>, 4> start{{{0, 0}, {right, 0}, {0, bottom}, {right, bottom}}};
    std::array<std::array<double, 2>, 4> end = start;
    for (auto& point : end)
      for (double& at : point) at += at * draws.uniform(-0.5 * scale_, 0.5 * scale_);
    return chosen ? kernels::projection_between(start, end) : Projection{};
  }

 private:
  Factor factor_;
  double scale_;
};

class Crop final : public LinearAugmentation<Crop> {
 public:
  Crop(std::int64_t height, std::int64_t width) : height_(height), width_(width) {}
  std::string_view name() const override { return "crop"; }
  ImageSize output(const ImageSize& input) const override { return {height_, width_, input.channels}; }
  template <class T>
  void apply(Draws& draws, const ImageSize& size, const T* src, T* dst, T* /*scratch*/) const {
    const T* from = src + start(draws, size);
    for (std::int64_t y = 0; y < height_; ++y)
      std::copy_n(from + y * size.width * size.channels, width_ * size.channels, dst + y * width_ * size.channels);
  }
  template <class T>
  void transpose(Draws& draws, const ImageSize& size, const T* ddst, T* dsrc) const {
    std::fill_n(dsrc, size.elements(), T{0});
    T* to = dsrc + start(draws, size);
    for (std::int64_t y = 0; y < height_; ++y)
      std::copy_n(ddst + y * width_ * size.channels, width_ * size.channels, to + y * size.width * size.channels);
  }

 private:
  std::int64_t start(Draws& draws, const ImageSize& size) const {
    const std::int64_t top = draws.integer(0, size.height - height_ + 1), left = draws.integer(0, size.width - width_ + 1);
    return (top * size.width + left) * size.channels;
  }

  std::int64_t height_, width_;
};

// Each pixel moved by smooth noise.
class Elastic final : public ImageAugmentation<Elastic> {
 public:
  Elastic(Factor factor, Factor scale, const TransformRules& rules, const kernels::Levels& levels)
      : factor_(factor), scale_(scale), rules_(rules), levels_(levels) {}
  std::string_view name() const override { return "elastic"; }
  std::int64_t scratch(const ImageSize& input) const override { return 3 * input.pixels(); }
  template <class T>
  void apply(Draws& draws, const ImageSize& size, const T* src, T* dst, T* scratch) const {
    std::copy_n(src, size.elements(), dst);
    if (factor_.upper() == 0 || scale_.upper() == 0) return;
    const bool chosen = is_chosen(draws, factor_);
    const double strength = draw(draws, scale_);
    if (chosen) {
      const double alpha = as_real(std::max(size.height, size.width)) * 0.1 * strength,
                   sigma = as_real(std::min(size.height, size.width)) * 0.05 * strength;
      T *dx = scratch, *dy = scratch + size.pixels(), *spare = scratch + 2 * size.pixels();
      make_noise(draws, size, sigma, dx, spare);
      make_noise(draws, size, sigma, dy, spare);
      for (std::int64_t y = 0; y < size.height; ++y)
        for (std::int64_t x = 0; x < size.width; ++x) {
          const std::int64_t i = y * size.width + x;
          sample(size, static_cast<T>(x) + static_cast<T>(alpha) * dx[i], static_cast<T>(y) + static_cast<T>(alpha) * dy[i], src,
                 dst + i * size.channels);
        }
    }
    for (std::int64_t i = 0; i < size.elements(); ++i)
      dst[i] = std::clamp(dst[i], static_cast<T>(levels_.least), static_cast<T>(levels_.most));
  }

 private:
  // sigma times normal numbers, smoothed in place.
  template <class T>
  void make_noise(Draws& draws, const ImageSize& size, double sigma, T* noise, T* spare) const {
    for (std::int64_t i = 0; i < size.pixels(); ++i) noise[i] = static_cast<T>(draws.normal() * sigma);
    const std::int64_t taps = 6 * static_cast<std::int64_t>(sigma) | 1;
    if (sigma > 0) kernels::gaussian_blur({size.height, size.width, 1}, {taps, taps}, {sigma, sigma}, noise, noise, spare);
  }

  // The pixel that stands for `at` on a line of `size`; -1: the fill value.
  std::int64_t place(std::int64_t at, std::int64_t size) const {
    switch (rules_.fill) {
      case kernels::Fill::constant: return at >= 0 && at < size ? at : -1;
      case kernels::Fill::nearest: return std::clamp<std::int64_t>(at, 0, size - 1);
      case kernels::Fill::wrap: return (at % size + size) % size;
      case kernels::Fill::reflect: break;
    }
    const std::int64_t folded = std::abs(at) % (2 * size);
    return folded < size ? folded : 2 * size - folded - 1;
  }

  template <class T>
  void sample(const ImageSize& size, T x, T y, const T* src, T* dst) const {
    const auto add = [&](std::int64_t column, std::int64_t row, T weight) {
      const std::int64_t u = place(column, size.width), v = place(row, size.height);
      for (std::int64_t c = 0; c < size.channels; ++c)
        dst[c] += weight * (u < 0 || v < 0 ? static_cast<T>(rules_.fill_value) : src[(v * size.width + u) * size.channels + c]);
    };
    std::fill_n(dst, size.channels, T{0});
    if (!rules_.bilinear) return add(static_cast<std::int64_t>(std::nearbyint(x)), static_cast<std::int64_t>(std::nearbyint(y)), T{1});
    const T left = std::floor(x), top = std::floor(y), beside = x - left, below = y - top;
    const auto column = static_cast<std::int64_t>(left), row = static_cast<std::int64_t>(top);
    add(column, row, (1 - below) * (1 - beside));
    add(column + 1, row, (1 - below) * beside);
    add(column, row + 1, below * (1 - beside));
    add(column + 1, row + 1, below * beside);
  }

  Factor factor_, scale_;
  TransformRules rules_;
  kernels::Levels levels_;
};

}  // namespace

TransformRules rules_of(const FillMode& fill, const Interpolation& interpolation, double fill_value) {
  static constexpr kernels::Fill fills[] = {kernels::Fill::reflect, kernels::Fill::wrap, kernels::Fill::constant, kernels::Fill::nearest};
  return {.fill = fills[fill.kind()], .fill_value = fill_value, .bilinear = interpolation.kind() == Interpolation::bilinear};
}

AugmentationPtr make_flip(FlipMode mode) { return std::make_shared<Flip>(mode); }
AugmentationPtr make_translation(Factor height, Factor width, const TransformRules& rules) {
  return std::make_shared<Translation>(height, width, rules);
}
AugmentationPtr make_rotation(Factor factor, const TransformRules& rules) { return std::make_shared<Rotation>(factor, rules); }
AugmentationPtr make_zoom(Factor height, std::optional<Factor> width, const TransformRules& rules) {
  return std::make_shared<Zoom>(height, width, rules);
}
AugmentationPtr make_shear(Factor x, Factor y, const TransformRules& rules) { return std::make_shared<Shear>(x, y, rules); }
AugmentationPtr make_perspective(Factor factor, double scale, const TransformRules& rules) {
  return std::make_shared<Perspective>(factor, scale, rules);
}
AugmentationPtr make_crop(std::int64_t height, std::int64_t width) { return std::make_shared<Crop>(height, width); }
AugmentationPtr make_elastic(Factor factor, Factor scale, const TransformRules& rules, const kernels::Levels& levels) {
  return std::make_shared<Elastic>(factor, scale, rules, levels);
}

}  // namespace linn::detail::layers
