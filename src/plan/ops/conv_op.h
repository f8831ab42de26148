// The op of a convolution with its epilogue, for ops/conv.cc and for ops that are made of convolutions (ops/conv_chain.cc).
#pragma once

#include <memory>

#include "kernels/conv/rows.h"
#include "plan/epilogue.h"
#include "plan/ops/conv.h"

namespace linn::detail::plan {

/// What a convolution reads for an image. Undefined inputs are null.
template <class T>
struct ConvImage {
  const T* src = nullptr;
  const T* kernel = nullptr;
  const T* packed = nullptr;
  const T* bias = nullptr;
  const T* residual = nullptr;  // of the whole map
  T* scratch = nullptr;
};

/// inputs: ConvInputs; outputs {map}.
class ConvOp final : public WindowOp<ConvOp, kernels::ConvForward>, public EpilogueOp {
 public:
  using In = ConvInputs;

  ConvOp(const kernels::Geometry& geometry, bool bias) : WindowOp({.geometry = geometry, .bias = bias}), EpilogueOp(bias) {}

  std::string_view name() const override { return "conv2d"; }
  std::int64_t period() const override { return period_with(kernel_.period()); }
  double flops(std::int64_t images) const override { return conv_flops(geometry(), images); }
  Value packs() const override { return inputs[In::kernel]; }
  std::size_t packed_slot() const override { return In::packed; }
  void prepare(const kernels::Policy& policy) override {
    kernel_.prepare(policy);
    prepare_epilogue(policy);
  }
  /// The part of the epilogue outside the kernel is a pass over a dense map.
  kernels::PitchFields output_pitches(std::size_t slot) override {
    return epilogue().is_in_kernel() ? WindowOp::output_pitches(slot) : kernels::PitchFields{};
  }
  /// With a residual it cannot shrink, since the residual would have to shrink too.
  bool narrow_output(const kernels::Part& part) override { return !epilogue().residual && WindowOp::narrow_output(part); }

  bool is_affine() const override { return epilogue().is_linear() && !epilogue().residual; }
  void set_affine(Value kernel, Value bias) override {
    inputs[In::kernel] = kernel;
    inputs[In::bias] = bias;
    Epilogue with_bias = epilogue();
    with_bias.bias = true;
    set_epilogue(with_bias, kernel_.problem());
  }
  std::unique_ptr<Op> with_epilogue(const Epilogue& epilogue, Value residual) const override {
    auto op = std::make_unique<ConvOp>(*this);
    op->set_epilogue(epilogue, op->kernel_.problem());
    if (residual.defined()) op->inputs[In::residual] = residual;
    return op;
  }

  /// A copy that reads `src`, the map without these zeros around it.
  std::unique_ptr<Op> with_padding(Value src, const kernels::Pads& pads) const {
    auto op = std::make_unique<ConvOp>(*this);
    kernels::Geometry& g = op->kernel_.problem().geometry;
    g.height = src.shape[0], g.width = src.shape[1];
    g.pad_top += pads.top, g.pad_bottom += pads.bottom, g.pad_left += pads.left, g.pad_right += pads.right;
    kernels::set_dense_src(g);
    op->inputs[In::src] = src;
    return op;
  }

  void differentiate(Gradients& gradients) override;

  /// Channels where weights are large, which are then read once in all; else rows.
  std::int64_t most_parts() const override {
    return shares_channels() ? core::ceil_div(geometry().out_channels, kernel_.channel_step()) : parts_of_rows();
  }
  bool prefers_parts() const override { return shares_channels(); }
  std::int64_t parts_of_rows() const { return row_step() == 0 ? 1 : core::ceil_div(geometry().out_height, row_step()); }

  const kernels::Geometry& geometry() const { return problem().geometry; }
  /// Valid after prepare(), like row_step.
  const kernels::Implementation<kernels::ConvForward>& chosen() const { return kernel_.chosen(); }
  /// Implementation::row_step.
  std::int64_t row_step() const { return kernel_.row_step(); }

  /// Computes rows of some images, with the epilogue; `image` is the first of them, dst its first row. `rows.begin` is a multiple of row_step.
  template <class T>
  void compute_rows(std::int64_t images, const ConvImage<T>& image, const kernels::conv::Rows& rows, T* dst) const {
    const kernels::Geometry& g = geometry();
    run_rows_with_epilogue(images, rows.begin, rows.end, {g.out_height, g.dst_row, g.dst_image, row_step()}, dst, image.residual,
                           [&](std::int64_t first, std::int64_t count, std::int64_t begin, std::int64_t end, T* to) {
                             kernel_.run<T>(kernels::conv::rows_of(problem(), {begin, end}), {.images = count,
                                                                                              .src = image.src + first * g.src_image,
                                                                                              .kernel = image.kernel,
                                                                                              .packed = image.packed,
                                                                                              .bias = image.bias,
                                                                                              .dst = to,
                                                                                              .scratch = image.scratch});
                           });
  }

  template <class T>
  void compute(const Call& call) const {
    if (call.parts > 1 && shares_channels()) return compute_channels<T>(call);
    const kernels::Geometry& g = geometry();
    const Share rows = call.parts == 1 ? Share{0, g.out_height} : share_of(call, g.out_height, row_step());
    if (rows.begin == rows.end) return;
    compute_rows<T>(call.images, image_of<T>(call), {rows.begin, rows.end}, call.out<T>(0) + rows.begin * g.dst_row);
  }

 private:
  /// Whether its weights are so large beside its maps that workers that share an image should share channels.
  bool shares_channels() const { return kernel_.channel_step() > 0 && weights_outweigh_maps(kernel_.packed(), geometry()); }

  template <class T>
  static ConvImage<T> image_of(const Call& call) {
    return {.src = call.in<T>(In::src),
            .kernel = call.in<T>(In::kernel),
            .packed = call.in<T>(In::packed),
            .bias = call.in<T>(In::bias),
            .residual = call.in<T>(In::residual),
            .scratch = static_cast<T*>(call.scratch)};
  }

  template <class T>
  void compute_channels(const Call& call) const {
    const kernels::Geometry& g = geometry();
    const Share channels = share_of(call, g.out_channels, kernel_.channel_step());
    if (channels.begin == channels.end) return;
    const ConvImage<T> image = image_of<T>(call);
    T* dst = call.out<T>(0);
    kernel_.run<T>({.images = call.images,
                    .src = image.src,
                    .kernel = image.kernel,
                    .packed = image.packed,
                    .bias = image.bias,
                    .dst = dst,
                    .scratch = image.scratch,
                    .channels = {channels.begin, channels.end}});
    if (epilogue().is_in_kernel()) return;
    for (std::int64_t at = channels.begin; at < call.images * g.dst_image; at += g.out_channels)  // of a dense map
      run_part_with_epilogue(channels.end - channels.begin, dst + at, image.residual == nullptr ? nullptr : image.residual + at, [] {});
  }
};

}  // namespace linn::detail::plan
