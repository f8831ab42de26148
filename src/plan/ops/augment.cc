#include "plan/ops/augment.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <utility>

#include "core/random.h"
#include "linn/error.h"
#include "plan/ops/append.h"

namespace linn::detail::plan {
namespace {

using kernels::Draws;
using kernels::ImageSize;

ImageSize size_of(const Shape& shape) { return {shape[0], shape[1], shape[2]}; }

// The random numbers of an op, of which a plan has several.
struct Stream {
  std::uint64_t seed, number;

  kernels::DrawKey key(const Call& call) const {
    return {.seed = call.step->seed ^ seed,
            .stream = core::stream_of("augment", number),
            .epoch = static_cast<std::uint64_t>(call.step->epoch)};
  }
  Draws of_image(const Call& call, std::int64_t image) const { return {key(call), static_cast<std::uint64_t>(call.step->sample(image))}; }
};

[[noreturn]] void refuse_gradient(const std::string& layer) {
  throw ValueError(
      fmt::format("[{}] changes images without a gradient, so no layer with weights can be trained in front of it; put it first", layer));
}

class AugmentGradientOp final : public RealOp<AugmentGradientOp> {
 public:
  AugmentGradientOp(AugmentationPtr what, const Stream& stream) : what_(std::move(what)), stream_(stream) {}

  std::string_view name() const override { return "augment_gradient"; }
  std::string implementation() const override { return fmt::format("augment_gradient.{}", what_->name()); }
  void prepare(const kernels::Policy& /*policy*/) override {}
  void differentiate(Gradients& /*gradients*/) override {}

  template <class T>
  void compute(const Call& call) const {
    const ImageSize size = size_of(outputs[0].shape);
    for (std::int64_t i = 0; i < call.images; ++i) {
      Draws draws = stream_.of_image(call, call.first + i);
      what_->run_transpose(draws, size, call.in<T>(0) + i * inputs[0].shape.elements(), call.out<T>(0) + i * size.elements());
    }
  }

 private:
  AugmentationPtr what_;
  Stream stream_;
};

class AugmentOp final : public RealOp<AugmentOp> {
 public:
  AugmentOp(AugmentationPtr what, const Stream& stream) : what_(std::move(what)), stream_(stream) {}

  std::string_view name() const override { return "augment"; }
  std::string implementation() const override { return fmt::format("augment.{}", what_->name()); }
  void prepare(const kernels::Policy& /*policy*/) override {}
  std::int64_t scratch(std::int64_t /*images*/) const override { return what_->scratch(size_of(inputs[0].shape)); }
  void differentiate(Gradients& gradients) override {
    if (!gradients.wants(inputs[0])) return;
    if (!what_->is_linear()) refuse_gradient(layer);
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    gradients.give(inputs[0],
                   append(gradients.to(), std::make_unique<AugmentGradientOp>(what_, stream_), {d}, {gradients.make(inputs[0])}));
  }

  template <class T>
  void compute(const Call& call) const {
    const ImageSize size = size_of(inputs[0].shape);
    for (std::int64_t i = 0; i < call.images; ++i) {
      Draws draws = stream_.of_image(call, call.first + i);
      what_->run(draws, size, call.in<T>(0) + i * size.elements(), call.out<T>(0) + i * outputs[0].shape.elements(),
                 static_cast<T*>(call.scratch));
    }
  }

 private:
  AugmentationPtr what_;
  Stream stream_;
};

// ---- images of a batch put together -------------------------------------------------------------------------------

// The rectangle of the partner, and the weight of the image itself.
struct Patch {
  double left = 0, right = 0, top = 0, bottom = 0, weight = 1;

  bool holds(std::int64_t y, std::int64_t x) const {
    const auto fy = static_cast<double>(y), fx = static_cast<double>(x);
    return fx >= left && fx < right && fy >= top && fy < bottom;
  }
};

Patch draw_patch(Draws& draws, double alpha, const ImageSize& size) {
  const double ratio = std::sqrt(1 - draws.beta(alpha + 1e-6));
  const auto height = static_cast<double>(size.height), width = static_cast<double>(size.width);
  Patch patch;
  patch.left = draws.uniform() * (width - ratio * width);
  patch.right = patch.left + ratio * width;
  patch.top = draws.uniform() * (height - ratio * height);
  patch.bottom = patch.top + ratio * height;
  patch.weight = 1 - (patch.right - patch.left) * (patch.bottom - patch.top) / (width * height);
  return patch;
}

// Sees the whole batch. Makes images, or the targets that belong to them.
class MixOp final : public RealOp<MixOp> {
 public:
  MixOp(const Mix& mix, const ImageSize& size, bool makes_targets, const Stream& stream)
      : mix_(mix), size_(size), makes_targets_(makes_targets), stream_(stream) {}

  std::string_view name() const override { return "mix"; }
  std::string implementation() const override { return makes_targets_ ? "mix.targets" : "mix.images"; }
  Cut cut() const override { return Cut::outputs; }
  std::int64_t pieces() const override { return 16; }
  /// The partners' numbers, as 32 bits each.
  std::int64_t scratch(std::int64_t images) const override { return images; }
  void prepare(const kernels::Policy& /*policy*/) override {}
  void differentiate(Gradients& gradients) override {
    if (gradients.wants(inputs[0])) refuse_gradient(layer);
  }

  template <class T>
  void compute(const Call& call) const {
    const std::int64_t first = call.batch * call.piece / pieces(), last = call.batch * (call.piece + 1) / pieces();
    if (first == last) return;
    const std::span<std::int32_t> partners(static_cast<std::int32_t*>(call.scratch), static_cast<std::size_t>(call.batch));
    Draws of_batch = stream_.of_image(call, 0).branch(0);
    const double alpha = mix_.kind == Mix::Kind::blend ? mix_.alpha : of_batch.uniform(mix_.least_alpha, mix_.most_alpha);
    for (std::int64_t i = 0; i < call.batch; ++i) partners[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(i);
    for (std::int64_t i = call.batch - 1; i > 0; --i)
      std::swap(partners[static_cast<std::size_t>(i)], partners[static_cast<std::size_t>(of_batch.integer(0, i + 1))]);
    const std::int64_t row = inputs[0].shape.elements();
    for (std::int64_t i = first; i < last; ++i) {
      Draws draws = stream_.of_image(call, i);
      mix_one(draws, alpha, call.in<T>(0) + i * row, call.in<T>(0) + partners[static_cast<std::size_t>(i)] * row, call.out<T>(0) + i * row);
    }
  }

 private:
  template <class T>
  void mix_one(Draws& draws, double alpha, const T* own, const T* partner, T* dst) const {
    if (mix_.kind == Mix::Kind::blend) return blend(draws.beta(alpha), own, partner, dst);
    const Patch patch = draw_patch(draws, alpha, size_);
    if (makes_targets_) return blend(patch.weight, own, partner, dst);
    for (std::int64_t y = 0; y < size_.height; ++y)
      for (std::int64_t x = 0; x < size_.width; ++x)
        std::copy_n((patch.holds(y, x) ? partner : own) + (y * size_.width + x) * size_.channels, size_.channels,
                    dst + (y * size_.width + x) * size_.channels);
  }

  template <class T>
  void blend(double weight, const T* own, const T* partner, T* dst) const {
    const T w = static_cast<T>(weight);
    for (std::int64_t k = 0; k < inputs[0].shape.elements(); ++k) dst[k] = w * own[k] + (1 - w) * partner[k];
  }

  Mix mix_;
  ImageSize size_;
  bool makes_targets_;
  Stream stream_;
};

}  // namespace

Value augment(Lowering& to, Value src, AugmentationPtr augmentation, std::uint64_t seed) {
  const ImageSize size = augmentation->output(size_of(src.shape));
  const Value output = to.value(to.layer(), {size.height, size.width, size.channels}, Extent::batch);
  return append(to, std::make_unique<AugmentOp>(std::move(augmentation), Stream{seed, to.next_stream()}), {src}, {output});
}

Value mix(Lowering& to, Value src, const Mix& mix, std::uint64_t seed) {
  const auto are_labels = [](const Lowering::Target& target) { return target.value.defined() && target.are_labels; };
  if (std::any_of(to.targets().begin(), to.targets().end(), are_labels))
    throw ValueError(fmt::format(
        "[{}] mixes the targets of two images, and labels cannot be mixed; train with one-hot targets and a loss that takes them, such "
        "as categorical_crossentropy",
        to.layer()));
  const Stream stream{seed, to.next_stream()};
  const ImageSize size = size_of(src.shape);
  const auto put = [&](const Value& value, bool is_target) {
    return append(to, std::make_unique<MixOp>(mix, size, is_target, stream), {value}, {to.value(to.layer(), value.shape, Extent::batch)});
  };
  const Value mixed = put(src, false);
  for (Lowering::Target& target : to.targets())
    if (target.value.defined()) target.value = put(target.value, true);
  return mixed;
}

}  // namespace linn::detail::plan
