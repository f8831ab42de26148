// Random changes of images. Only for training plans, but for those that draw nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "kernels/augment/draws.h"
#include "kernels/augment/image.h"
#include "plan/lowering.h"

namespace linn::detail::plan {

/// What a layer does to one image. Its random numbers come from `draws` alone, in a fixed order.
class Augmentation {
 public:
  using Draws = kernels::Draws;
  using ImageSize = kernels::ImageSize;

  virtual ~Augmentation() = default;

  virtual std::string_view name() const = 0;
  virtual ImageSize output(const ImageSize& input) const { return input; }
  /// Elements that a run needs as scratch.
  virtual std::int64_t scratch(const ImageSize& /*input*/) const { return 0; }
  /// `dst` and `src` do not overlap.
  virtual void run(Draws& draws, const ImageSize& size, const float* src, float* dst, float* scratch) const = 0;
  virtual void run(Draws& draws, const ImageSize& size, const double* src, double* dst, double* scratch) const = 0;
  /// Whether the result is linear in the image but for a constant; then `run_transpose` gives the gradient, for the same numbers.
  virtual bool is_linear() const { return false; }
  virtual void run_transpose(Draws& /*draws*/, const ImageSize& /*size*/, const float* /*ddst*/, float* /*dsrc*/) const {}
  virtual void run_transpose(Draws& /*draws*/, const ImageSize& /*size*/, const double* /*ddst*/, double* /*dsrc*/) const {}
};

using AugmentationPtr = std::shared_ptr<const Augmentation>;

/// An Augmentation of `template <class T> void apply(Draws&, const ImageSize&, const T* src, T* dst, T* scratch) const`.
template <class Derived>
class ImageAugmentation : public Augmentation {
 public:
  void run(Draws& draws, const ImageSize& size, const float* src, float* dst, float* scratch) const final {
    static_cast<const Derived&>(*this).template apply<float>(draws, size, src, dst, scratch);
  }
  void run(Draws& draws, const ImageSize& size, const double* src, double* dst, double* scratch) const final {
    static_cast<const Derived&>(*this).template apply<double>(draws, size, src, dst, scratch);
  }
};

/// One with a gradient: `template <class T> void transpose(Draws&, const ImageSize&, const T* ddst, T* dsrc) const` too.
template <class Derived>
class LinearAugmentation : public ImageAugmentation<Derived> {
 public:
  using typename Augmentation::Draws;
  using typename Augmentation::ImageSize;

  bool is_linear() const final { return true; }
  void run_transpose(Draws& draws, const ImageSize& size, const float* ddst, float* dsrc) const final {
    static_cast<const Derived&>(*this).template transpose<float>(draws, size, ddst, dsrc);
  }
  void run_transpose(Draws& draws, const ImageSize& size, const double* ddst, double* dsrc) const final {
    static_cast<const Derived&>(*this).template transpose<double>(draws, size, ddst, dsrc);
  }
};

/// src [height, width, channels], each image changed by numbers of its own: a function of (seed of the run and `seed`, this op, epoch,
/// number of the image in the data set). An augmentation that is not linear refuses to be differentiated (ValueError).
Value augment(Lowering& to, Value src, AugmentationPtr augmentation, std::uint64_t seed);

/// How images of a batch are put together.
struct Mix {
  enum class Kind : std::uint8_t {
    blend,  // MixUp: w times the image plus 1 - w times its partner, w of Beta(alpha, alpha)
    patch,  // CutMix: a rectangle of the partner, of the share 1 - w of the area, where it fits
  };
  Kind kind = Kind::blend;
  double alpha = 0.2;                      // blend
  double least_alpha = 0, most_alpha = 1;  // patch: alpha is drawn for each batch
};

/// Each image of the batch mixed with a partner: a permutation of the batch, drawn for it. Mixes the lowering's targets too, in proportion;
/// ValueError where one is of labels. Refuses to be differentiated.
Value mix(Lowering& to, Value src, const Mix& mix, std::uint64_t seed);

}  // namespace linn::detail::plan
