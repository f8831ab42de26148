#include "linn/augment.h"

#include <fmt/format.h>

#include <utility>

#include "layers/description.h"
#include "layers/layer_object.h"
#include "linn/error.h"
#include "plan/compile.h"
#include "plan/ops/eltwise.h"
#include "plan/workspace.h"

namespace linn {
namespace detail::train {
namespace {

// (n, height, width) as (n, height, width, 1).
Tensor as_maps(const Tensor& images) {
  if (!images.defined()) throw DataError("augment: the images were never given a shape or values");
  const Shape& shape = images.shape();
  if (shape.rank() == 3) return images.reshape({shape[0], shape[1], shape[2], 1});
  if (shape.rank() != 4)
    throw ShapeError(fmt::format("augment: images of shape {}; (n, height, width, channels) is wanted", shape.to_string()));
  return images;
}

// A plan of nothing but the layer.
class Augmenting {
 public:
  Augmenting(const Layer& layer, const Tensor& images, const Tensor* targets, const AugmentOptions& options) : images_(as_maps(images)) {
    const std::int64_t count = images_.shape()[0];
    if (count == 0) throw DataError(fmt::format("augment: {} holds no images", images.shape().to_string()));
    if (targets != nullptr && (!targets->defined() || targets->shape().empty() || targets->shape()[0] != count))
      throw DataError(
          fmt::format("augment: {} images came, and targets of shape {}", count, targets->defined() ? targets->shape().to_string() : "()"));
    sources_.push_back({.data = images_.raw()});
    if (targets != nullptr) sources_.push_back({.data = targets->raw()});
    run(layer, count, targets, options);
  }
  AugmentedBatch result() && { return {std::move(images_out_), std::move(targets_out_)}; }

 private:
  void run(const Layer& layer, std::int64_t count, const Tensor* targets, const AugmentOptions& options) {
    const layers::DescriptionPtr& what = description_of(layer);
    const Shape image = images_.shape().without_first();
    const std::string where = "augment: " + layer.object()->place();
    const std::vector<Shape> outputs = what->infer_shapes({&image, 1}, where);
    if (outputs.size() != 1) throw ValueError(fmt::format("{} gives {} outputs; one is wanted", where, outputs.size()));
    if (!what->declare_variables({&image, 1}).empty()) throw ValueError(fmt::format("{} has variables", where));

    plan::Lowering to(plan::Purpose::training);
    to.set_layer("input");
    const plan::Value input = plan::gather(to, 0, image, images_.dtype());
    if (targets != nullptr) to.targets() = {{plan::gather(to, 1, targets->shape().without_first(), targets->dtype()), false}};
    to.set_layer("augment");
    const plan::Value changed = bound(to, what->lower_call(to, {&input, 1}, {}).front());
    const plan::Value target = targets != nullptr ? bound(to, to.targets().front().value) : plan::Value{};
    plan::Compiled compiled = plan::compile(std::move(to), {}, {.batch = count, .policy = {}});
    plan::Workspace workspace(compiled.plan);
    images_out_ = Tensor(outputs.front().with_first(count));
    workspace.bind(changed, images_out_.raw());
    if (targets != nullptr) {
      targets_out_ = Tensor(targets->shape());
      workspace.bind(target, targets_out_.raw());
    }
    workspace.run(count, {.seed = options.seed, .epoch = options.epoch, .first_sample = options.first_image}, sources_);
  }

  // The value in the caller's memory.
  static plan::Value bound(plan::Lowering& to, plan::Value value) {
    value = plan::copy(to, value);
    to.info(value).home = plan::Home::bound;
    to.info(value).kept = true;
    return value;
  }

  Tensor images_, images_out_, targets_out_;
  std::vector<plan::Rows> sources_;
};

}  // namespace
}  // namespace detail::train

Tensor augment(const Layer& layer, const Tensor& images, const AugmentOptions& options) {
  return detail::train::Augmenting(layer, images, nullptr, options).result().images;
}

AugmentedBatch augment(const Layer& layer, const Tensor& images, const Tensor& targets, const AugmentOptions& options) {
  return detail::train::Augmenting(layer, images, &targets, options).result();
}

}  // namespace linn
