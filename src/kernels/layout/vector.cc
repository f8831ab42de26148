// Copies of maps, permutations of axes.
//
// Copies: runs of a pixel, a row or an image, the longest that is dense in both arrays. Bound by memory.
// Permutations: one pass over the output in row-major order; offsets into the input are sums of strides, without divisions. Where the last
// axis stays the last, its elements are a run.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/layout/vector.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <array>

#include "kernels/eltwise/for_each-inl.h"
#include "kernels/layout/vector.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::layout {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;
using eltwise::HWY_NAMESPACE::Copy;
using eltwise::HWY_NAMESPACE::for_each;

// Joins pixels, and then rows, that are dense in both arrays to one run.
void copy_map(const CopyMap::Problem& p, const CopyMap::Args<float>& args) {
  std::int64_t rows = p.height, pixels = p.width, run = p.channels;
  if (p.src.pixel == run && p.dst.pixel == run) {
    run *= pixels, pixels = 1;
    if (p.src.row == run && p.dst.row == run) run *= rows, rows = 1;
  }
  for (std::int64_t n = 0; n < args.images; ++n)
    for (std::int64_t y = 0; y < rows; ++y) {
      const float* src = args.src + n * p.src.image + y * p.src.row;
      float* dst = args.dst + n * p.dst.image + y * p.dst.row;
      for (std::int64_t x = 0; x < pixels; ++x) for_each(run, Copy{src + x * p.src.pixel, dst + x * p.dst.pixel});
    }
}

/// All axes of the output but the last, with their pitches in the input.
struct Axes {
  std::array<std::int64_t, Shape::max_rank> sizes{}, strides{};
  std::size_t rank = 0;
};

/// Copies the part of one image below `axis`. Returns the end of the written output.
float* walk(const Axes& axes, std::size_t axis, const float* src, float* dst) {
  const std::int64_t count = axes.sizes[axis], stride = axes.strides[axis];
  if (axis + 1 < axes.rank) {
    for (std::int64_t i = 0; i < count; ++i) dst = walk(axes, axis + 1, src + i * stride, dst);
    return dst;
  }
  if (stride == 1) {
    for_each(count, Copy{src, dst});
  } else {
    for (std::int64_t i = 0; i < count; ++i) dst[i] = src[i * stride];
  }
  return dst + count;
}

void permute(const Permute::Problem& problem, const Permute::Args<float>& args) {
  const Shape dst = permuted(problem);
  std::array<std::int64_t, Shape::max_rank> strides{};  // of src's axes
  std::int64_t stride = 1;
  for (std::size_t axis = dst.rank(); axis-- > 0; stride *= problem.src[static_cast<std::ptrdiff_t>(axis)]) strides[axis] = stride;
  Axes axes;
  axes.rank = dst.rank();
  for (std::size_t k = 0; k < axes.rank; ++k) {
    axes.sizes[k] = dst[static_cast<std::ptrdiff_t>(k)];
    axes.strides[k] = strides[static_cast<std::size_t>(problem.order[static_cast<std::ptrdiff_t>(k)])];
  }
  const std::int64_t elements = dst.elements();
  for (std::int64_t n = 0; n < args.images; ++n) walk(axes, 0, args.src + n * elements, args.dst + n * elements);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace linn::detail::kernels::layout
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels::layout {

HWY_EXPORT(copy_map);
HWY_EXPORT(permute);

void VectorCopyMap::run(const CopyMap::Problem& problem, const CopyMap::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(copy_map)(problem, args);
}
void Walked::run(const Permute::Problem& problem, const Permute::Args<float>& args) { HWY_DYNAMIC_DISPATCH(permute)(problem, args); }

}  // namespace linn::detail::kernels::layout
#endif
