// What augmentation layers that are made of others do to one image.
#include <algorithm>
#include <utility>

#include "layers/augment_image.h"

namespace linn::detail::layers {
namespace {

using kernels::Draws;
using kernels::ImageSize;
using plan::ImageAugmentation;

std::int64_t largest_scratch(const std::vector<AugmentationPtr>& parts, const ImageSize& size) {
  std::int64_t most = 0;
  for (const AugmentationPtr& part : parts) most = std::max(most, part->scratch(size));
  return most;
}

// Steps from image to image by way of two buffers, of which the first is the result.
template <class T>
class Chain {
 public:
  Chain(const ImageSize& size, const T* src, T* result, T* spare, T* scratch)
      : size_(size), result_(result), spare_(spare), scratch_(scratch) {
    std::copy_n(src, size.elements(), result);
  }
  void step(const plan::Augmentation& what, Draws& draws) {
    std::copy_n(result_, size_.elements(), spare_);
    what.run(draws, size_, spare_, result_, scratch_);
  }

 private:
  ImageSize size_;
  T *result_, *spare_, *scratch_;
};

class Sequence final : public ImageAugmentation<Sequence> {
 public:
  explicit Sequence(std::vector<AugmentationPtr> parts) : parts_(std::move(parts)) {}
  std::string_view name() const override { return "sequence"; }
  std::int64_t scratch(const ImageSize& input) const override { return input.elements() + largest_scratch(parts_, input); }
  template <class T>
  void apply(Draws& draws, const ImageSize& size, const T* src, T* dst, T* scratch) const {
    Chain<T> chain(size, src, dst, scratch, scratch + size.elements());
    for (const AugmentationPtr& part : parts_) chain.step(*part, draws);
  }

 private:
  std::vector<AugmentationPtr> parts_;
};

class RandomChoice final : public ImageAugmentation<RandomChoice> {
 public:
  RandomChoice(std::vector<AugmentationPtr> parts, std::int64_t count) : parts_(std::move(parts)), count_(count) {}
  std::string_view name() const override { return "rand_augment"; }
  std::int64_t scratch(const ImageSize& input) const override { return input.elements() + largest_scratch(parts_, input); }
  template <class T>
  void apply(Draws& draws, const ImageSize& size, const T* src, T* dst, T* scratch) const {
    Chain<T> chain(size, src, dst, scratch, scratch + size.elements());
    for (std::int64_t i = 0; i < count_; ++i) {
      const std::int64_t which = draws.integer(0, static_cast<std::int64_t>(parts_.size()));
      // A layer that is drawn twice does the same twice, as in Keras.
      Draws own = draws.branch(static_cast<std::uint64_t>(which));
      chain.step(*parts_[static_cast<std::size_t>(which)], own);
    }
  }

 private:
  std::vector<AugmentationPtr> parts_;
  std::int64_t count_;
};

class ChainMixing final : public ImageAugmentation<ChainMixing> {
 public:
  ChainMixing(std::vector<AugmentationPtr> parts, const ChainMix& mix) : parts_(std::move(parts)), mix_(mix) {}
  std::string_view name() const override { return "aug_mix"; }
  // An image, its spare copy, the weights of the chains, and what the parts need.
  std::int64_t scratch(const ImageSize& input) const override {
    return 2 * input.elements() + mix_.chains + largest_scratch(parts_, input);
  }
  template <class T>
  void apply(Draws& draws, const ImageSize& size, const T* src, T* dst, T* scratch) const {
    T *image = scratch, *spare = image + size.elements(), *weights = spare + size.elements(), *rest = weights + mix_.chains;
    T sum = 0;
    for (std::int64_t k = 0; k < mix_.chains; ++k) sum += weights[k] = static_cast<T>(draws.gamma(mix_.alpha));
    const T own = static_cast<T>(draws.beta(mix_.alpha));
    for (std::int64_t i = 0; i < size.elements(); ++i) dst[i] = own * src[i];
    const auto count = static_cast<std::int64_t>(parts_.size());
    for (std::int64_t k = 0; k < mix_.chains; ++k) {
      Chain<T> chain(size, src, image, spare, rest);
      for (std::int64_t step = 0; step < mix_.depth; ++step) {
        const std::int64_t which = draws.integer(0, count + 1);
        if (which == count) continue;  // a step that does nothing is one of the choices
        Draws branch = draws.branch(static_cast<std::uint64_t>(k * mix_.depth + step));
        chain.step(*parts_[static_cast<std::size_t>(which)], branch);
      }
      const T weight = sum > 0 ? weights[k] / sum : 1 / static_cast<T>(mix_.chains);
      for (std::int64_t i = 0; i < size.elements(); ++i) dst[i] += (1 - own) * weight * image[i];
    }
    kernels::brightness(size, mix_.levels, 0, dst, dst);  // only cuts
  }

 private:
  std::vector<AugmentationPtr> parts_;
  ChainMix mix_;
};

}  // namespace

AugmentationPtr make_sequence(std::vector<AugmentationPtr> parts) { return std::make_shared<Sequence>(std::move(parts)); }
AugmentationPtr make_choice(std::vector<AugmentationPtr> parts, std::int64_t count) {
  return std::make_shared<RandomChoice>(std::move(parts), count);
}
AugmentationPtr make_chain_mix(std::vector<AugmentationPtr> parts, const ChainMix& mix) {
  return std::make_shared<ChainMixing>(std::move(parts), mix);
}

}  // namespace linn::detail::layers
