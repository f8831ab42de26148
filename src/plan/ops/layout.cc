#include "plan/ops/layout.h"

#include <algorithm>
#include <memory>

#include "kernels/layout/layout.h"
#include "plan/ops/append.h"
#include "plan/ops/pad.h"

namespace linn::plan {
namespace {

class PermuteOp final : public KernelOp<PermuteOp, kernels::Permute> {
 public:
  using KernelOp::KernelOp;

  std::string_view name() const override { return "permute"; }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (d.defined()) gradients.give(inputs[0], permute(gradients.to(), d, kernels::inverse_order(problem().order)));
  }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .src = call.in<T>(0), .dst = call.out<T>(0), .scratch = nullptr});
  }
};

class CropOp final : public KernelOp<CropOp, kernels::CopyRows> {
 public:
  CropOp(const Shape& src, const kernels::Pads& cropping)
      : KernelOp({.rows = src[0] - cropping.top - cropping.bottom,
                  .row = (src[1] - cropping.left - cropping.right) * src[2],
                  .src_row = src[1] * src[2],
                  .src_image = src.elements(),
                  .dst_row = (src[1] - cropping.left - cropping.right) * src[2],
                  .dst_image = (src[0] - cropping.top - cropping.bottom) * (src[1] - cropping.left - cropping.right) * src[2]}),
        offset_((cropping.top * src[1] + cropping.left) * src[2]),
        cropping_(cropping) {}

  std::string_view name() const override { return "crop2d"; }
  std::int64_t period() const override { return kernel_.period(); }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (d.defined()) gradients.give(inputs[0], pad2d(gradients.to(), d, cropping_, kernels::PadMode::zero));
  }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .src = call.in<T>(0) + offset_, .dst = call.out<T>(0), .scratch = nullptr});
  }

 private:
  std::int64_t offset_;
  kernels::Pads cropping_;
};

}  // namespace

Value permute(Lowering& to, Value src, const Shape& order) {
  if (std::is_sorted(order.begin(), order.end())) return src;
  const kernels::Permute::Problem problem{src.shape, order};
  return append(to, std::make_unique<PermuteOp>(problem), {src}, {to.value(to.layer(), kernels::permuted(problem), Extent::batch)});
}

Value crop2d(Lowering& to, Value src, const kernels::Pads& cropping) {
  if (cropping.none()) return src;
  const Shape shape = {src.shape[0] - cropping.top - cropping.bottom, src.shape[1] - cropping.left - cropping.right, src.shape[2]};
  return append(to, std::make_unique<CropOp>(src.shape, cropping), {src}, {to.value(to.layer(), shape, Extent::batch)});
}

}  // namespace linn::plan
