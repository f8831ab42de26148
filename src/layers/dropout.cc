#include "layers/dropout.h"

#include <fmt/format.h>

#include <vector>

#include "layers/permuted.h"
#include "linn/error.h"
#include "plan/ops/eltwise.h"
#include "plan/ops/noise.h"
#include "schema/type.h"

namespace linn::detail::layers {

void check_noise_shape(const std::optional<Sizes>& noise_shape, const Shape& input, const std::string& where) {
  if (!noise_shape) return;
  const std::vector<std::int64_t>& sizes = noise_shape->list();
  const std::string text = schema::Type<Sizes>::text(*noise_shape);
  if (sizes.size() != input.rank() + 1)
    throw ShapeError(fmt::format("{} noise_shape is {}; for an input of {} it needs {} sizes, the batch axis included", where, text, input.to_string(),
                                 input.rank() + 1));
  if (sizes[0] != 0)
    throw ValueError(fmt::format("{} noise_shape is {}; its first size is the batch, where None alone is allowed: each image has a mask of its own", where, text));
  for (std::size_t axis = 0; axis < input.rank(); ++axis) {
    const std::int64_t size = input[static_cast<std::ptrdiff_t>(axis)], drawn = sizes[axis + 1];
    if (drawn > 1 && size != Shape::none && drawn != size)
      throw ShapeError(fmt::format("{} noise_shape is {}; each size must be 1, None or that of the input {}", where, text, input.to_string()));
  }
}

plan::Value dropped(plan::Lowering& to, plan::Value src, double rate, const std::optional<Sizes>& noise_shape, std::uint64_t seed) {
  if (!noise_shape) return plan::dropout(to, src, rate, seed);
  std::vector<std::size_t> own;
  for (std::size_t axis = 0; axis < src.shape.rank(); ++axis)
    if (noise_shape->list()[axis + 1] != 1) own.push_back(axis);
  const LastAxes last(to, src, own);  // the shared axes are the pixels of a map, the others its channels
  const Shape seen = last.value().shape;
  const plan::Value map = {last.value().id, {1, seen.elements() / seen[-1], seen[-1]}};
  return last.undo({plan::spatial_dropout(to, map, rate, seed).id, seen});
}

}  // namespace linn::detail::layers
