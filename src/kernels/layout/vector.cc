// Rows copied, axes permuted.
//
// Copies: one run a row; rows that follow each other in both memories are one run. Bound by memory.
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
namespace linn::kernels::layout {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;
using eltwise::HWY_NAMESPACE::for_each;

struct Copy {
  const float* src;
  float* dst;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    hn::StoreU(hn::LoadU(d, src + i), d, dst + i);
  }
};

void copy_rows(const CopyRows::Problem& p, const CopyRows::Args<float>& args) {
  const bool one_run = p.row == p.src_row && p.row == p.dst_row;
  const std::int64_t rows = one_run ? 1 : p.rows, row = one_run ? p.rows * p.row : p.row;
  for (std::int64_t n = 0; n < args.images; ++n)
    for (std::int64_t r = 0; r < rows; ++r)
      for_each(row, Copy{args.src + n * p.src_image + r * p.src_row, args.dst + n * p.dst_image + r * p.dst_row});
}

/// The output's axes but the last, with the distance in the input from one position to the next.
struct Axes {
  std::array<std::int64_t, Shape::max_rank> sizes{}, strides{};
  std::size_t rank = 0;
};

/// Copies the part of one image below `axis`; returns where the output goes on.
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
}  // namespace linn::kernels::layout
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::kernels::layout {

HWY_EXPORT(copy_rows);
HWY_EXPORT(permute);

void VectorCopyRows::run(const CopyRows::Problem& problem, const CopyRows::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(copy_rows)(problem, args);
}
void Walked::run(const Permute::Problem& problem, const Permute::Args<float>& args) { HWY_DYNAMIC_DISPATCH(permute)(problem, args); }

}  // namespace linn::kernels::layout
#endif
