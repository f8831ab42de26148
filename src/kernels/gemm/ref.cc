// References of gemm/dense.h: matrix products by their definitions.
#include <algorithm>
#include <cassert>
#include <vector>

#include "core/checked.h"
#include "core/tree.h"
#include "kernels/gemm/dense.h"

namespace linn::detail::kernels {

template <class T>
void DenseForward::reference(const Problem& problem, const Args<T>& args) {
  assert(is_in_registers(problem.activation));
  for (std::int64_t r = 0; r < args.rows; ++r)
    for (std::int64_t o = 0; o < problem.outputs; ++o) {
      T sum = problem.bias ? args.bias[o] : T(0);
      for (std::int64_t i = 0; i < problem.inputs; ++i) sum += args.src[r * problem.inputs + i] * args.kernel[i * problem.pitch() + o];
      if (cuts_below_zero(problem.activation) && sum < 0) sum = 0;  // NaN stays
      if (sum > T(largest_result(problem.activation))) sum = T(largest_result(problem.activation));
      args.dst[r * problem.pitch() + o] = sum;
    }
}

template <class T>
void DenseKernelGradient::reference(const Problem& problem, const Args<T>& args) {
  const std::int64_t shards = core::ceil_div(args.rows, problem.shard);
  std::vector<T> slots(static_cast<std::size_t>(core::tree_slots(shards)));
  const auto slot = [&](int index) -> T& { return slots[static_cast<std::size_t>(index)]; };
  for (std::int64_t i = args.first; i < args.last; ++i)
    for (std::int64_t o = 0; o < problem.outputs; ++o) {
      core::TreeSum tree([&](int into, int from) { slot(into) += slot(from); });
      slot(0) = 0;
      for (std::int64_t first = 0; first < args.rows; first += problem.shard) {
        T sum = 0;
        for (std::int64_t r = first; r < std::min(first + problem.shard, args.rows); ++r)
          sum += args.src[r * problem.inputs + i] * args.ddst[r * problem.outputs + o];
        slot(tree.slot()) = sum;
        tree.push();
      }
      tree.finish();
      args.dkernel[i * problem.outputs + o] = slot(0);
    }
}

template <class T>
void TransposeKernel::reference(const Problem& problem, const Args<T>& args) {
  const std::int64_t rows = problem.rows, columns = problem.columns;
  for (std::int64_t b = 0; b < problem.batches; ++b)
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < columns; ++j) args.dst[(b * columns + j) * rows + i] = args.src[(b * rows + i) * columns + j];
}

template <class T>
void ColumnSum::reference(const Problem& problem, const Args<T>& args) {
  for (std::int64_t c = 0; c < problem.columns; ++c) {
    T sum = 0;
    for (std::int64_t r = 0; r < args.rows; ++r) sum += args.src[r * problem.pitch() + c];
    args.dst[c] = sum;
  }
}

template void DenseForward::reference(const Problem&, const Args<float>&);
template void DenseForward::reference(const Problem&, const Args<double>&);
template void DenseKernelGradient::reference(const Problem&, const Args<float>&);
template void DenseKernelGradient::reference(const Problem&, const Args<double>&);
template void TransposeKernel::reference(const Problem&, const Args<float>&);
template void TransposeKernel::reference(const Problem&, const Args<double>&);
template void ColumnSum::reference(const Problem&, const Args<float>&);
template void ColumnSum::reference(const Problem&, const Args<double>&);

}  // namespace linn::detail::kernels
