#include "plan/ops/section.h"

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/layout/layout.h"
#include "plan/ops/append.h"
#include "plan/ops/pad.h"

namespace linn::detail::plan {
namespace {

// Place of a part's first element in the whole.
struct Corner {
  std::int64_t y = 0, x = 0, channel = 0;
};

struct Block {
  MapSize size;
  Corner corner;
};

// Copies blocks of a map. With `gathers`: its inputs into blocks of its output. Without: a block of its input into its output.
class SectionsOp : public RealOp<SectionsOp> {
 public:
  SectionsOp(bool gathers, const MapSize& whole, std::vector<Block> blocks)
      : gathers_(gathers), blocks_(std::move(blocks)), whole_(dense_pitches(whole)), copies_(blocks_.size()), copied_(blocks_.size(), true) {
    for (const Block& block : blocks_) parts_.push_back(dense_pitches(block.size));
  }

  std::string implementation() const override { return is_view() ? "view" : copies_.front().implementation(); }
  std::int64_t period() const override { return 1; }
  void prepare(const kernels::Policy& policy) override {
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      const auto& [height, width, channels] = blocks_[i].size;
      copies_[i] = KernelUse<kernels::CopyMap>({.height = height,
                                                .width = width,
                                                .channels = channels,
                                                .src = gathers_ ? parts_[i] : whole_,
                                                .dst = gathers_ ? whole_ : parts_[i]});
      copies_[i].prepare(policy);
    }
  }

  std::vector<Section> sections() const override {
    std::vector<Section> result;
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      const Corner& at = blocks_[i].corner;
      result.push_back({gathers_ ? inputs[i] : outputs[0], gathers_ ? outputs[0] : inputs[0], at.y, at.x, at.channel});
    }
    return result;
  }
  void leave_out(std::size_t section) override { copied_[section] = false; }
  bool is_view() const override { return std::none_of(copied_.begin(), copied_.end(), [](bool copied) { return copied; }); }
  kernels::PitchFields input_pitches(std::size_t slot) override { return fields(gathers_ ? parts_[slot] : whole_); }
  kernels::PitchFields output_pitches(std::size_t) override { return fields(gathers_ ? whole_ : parts_[0]); }

  template <class T>
  void compute(const Call& call) const {
    for (std::size_t i = 0; i < copies_.size(); ++i) {
      if (!copied_[i]) continue;
      const Corner& at = blocks_[i].corner;
      const std::int64_t offset = at.y * whole_.row + at.x * whole_.pixel + at.channel;
      copies_[i].run<T>({.images = call.images,
                         .src = gathers_ ? call.in<T>(i) : call.in<T>(0) + offset,
                         .dst = gathers_ ? call.out<T>(0) + offset : call.out<T>(0),
                         .scratch = nullptr});
    }
  }

 protected:
  const std::vector<Block>& blocks() const { return blocks_; }

 private:
  static kernels::Pitches dense_pitches(const MapSize& size) { return kernels::dense_pitches(size.height, size.width, size.channels); }
  static kernels::PitchFields fields(kernels::Pitches& pitches) { return {&pitches.pixel, &pitches.row, &pitches.image}; }

  bool gathers_;
  std::vector<Block> blocks_;
  kernels::Pitches whole_;
  std::vector<kernels::Pitches> parts_;
  std::vector<KernelUse<kernels::CopyMap>> copies_;
  std::vector<bool> copied_;  // false: the part is a view
};

// The gradient of one input of a concatenation: a block of the gradient of the whole.
class SliceOp final : public SectionsOp {
 public:
  SliceOp(const MapSize& whole, const Block& block) : SectionsOp(false, whole, {block}) {}

  std::string_view name() const override { return "slice"; }
  void differentiate(Gradients&) override {}
};

class ConcatenateOp final : public SectionsOp {
 public:
  ConcatenateOp(const MapSize& whole, std::vector<Block> blocks) : SectionsOp(true, whole, std::move(blocks)), size_(whole) {}

  std::string_view name() const override { return "concatenate"; }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    for (std::size_t i = 0; i < inputs.size(); ++i)
      if (gradients.wants(inputs[i]))
        gradients.give(inputs[i], append(gradients.to(), std::make_unique<SliceOp>(size_, blocks()[i]), {d}, {gradients.make(inputs[i])}));
  }

 private:
  MapSize size_;
};

class CropOp final : public SectionsOp {
 public:
  CropOp(const MapSize& whole, const Block& block, const kernels::Pads& cropping) : SectionsOp(false, whole, {block}), cropping_(cropping) {}

  std::string_view name() const override { return "crop2d"; }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (d.defined()) gradients.give(inputs[0], pad2d(gradients.to(), d, cropping_, kernels::PadMode::zero));
  }

 private:
  kernels::Pads cropping_;
};

// The map that an image of this shape is for a concatenation along `axis`. With more than three axes, the axes before `axis` are the pixels
// of one row, and those from `axis` on are the channels.
MapSize map_along(const Shape& shape, std::size_t axis) {
  if (shape.rank() <= 3) return map_size(shape);
  std::int64_t pixels = 1;
  for (std::size_t k = 0; k < axis; ++k) pixels *= shape[static_cast<std::ptrdiff_t>(k)];
  return {1, pixels, shape.elements() / pixels};
}

}  // namespace

Value concatenate(Lowering& to, std::span<const Value> inputs, std::size_t axis) {
  const Shape& first = inputs[0].shape;
  std::vector<std::int64_t> sizes(first.begin(), first.end());
  sizes[axis] = 0;
  const std::size_t map_axis = first.rank() <= 3 ? axis + 3 - first.rank() : 2;  // 0: height, 1: width, 2: channels
  std::vector<Block> blocks;
  Corner corner;
  for (const Value& input : inputs) {
    const MapSize size = map_along(input.shape, axis);
    blocks.push_back({size, corner});
    sizes[axis] += input.shape[static_cast<std::ptrdiff_t>(axis)];
    (map_axis == 0 ? corner.y : map_axis == 1 ? corner.x : corner.channel) += map_axis == 0 ? size.height : map_axis == 1 ? size.width : size.channels;
  }
  const Value output = to.value(to.layer(), Shape(std::span<const std::int64_t>(sizes)), Extent::batch);
  return append(to, std::make_unique<ConcatenateOp>(map_along(output.shape, axis), std::move(blocks)), {inputs.begin(), inputs.end()}, {output});
}

Value crop2d(Lowering& to, Value src, const kernels::Pads& cropping) {
  if (cropping.none()) return src;
  const Shape shape = {src.shape[0] - cropping.top - cropping.bottom, src.shape[1] - cropping.left - cropping.right, src.shape[2]};
  const Block block = {map_size(shape), {.y = cropping.top, .x = cropping.left}};
  return append(to, std::make_unique<CropOp>(map_size(src.shape), block, cropping), {src}, {to.value(to.layer(), shape, Extent::batch)});
}

}  // namespace linn::detail::plan
