// References of RowSums, RowSumsGradient and ShareOfOthers.
#include <algorithm>

#include "kernels/reduce/row_sums.h"

namespace linn::detail::kernels {
namespace {

double value_or_one(const double* value) { return value == nullptr ? 1.0 : *value; }

}  // namespace

template <class T>
void RowSums::reference(const Problem& problem, const Args<T>& args) {
  std::fill_n(args.sums, problem.counts, 0.0);
  for (std::int64_t i = 0; i < args.images; ++i) {
    const double weight = args.weight == nullptr ? 1.0 : static_cast<double>(args.weight[i]);
    for (std::int64_t r = 0; r < problem.rows; ++r)
      for (std::int64_t k = 0; k < problem.counts; ++k)
        args.sums[k] += static_cast<double>(args.values[(i * problem.rows + r) * problem.counts + k]) * weight;
  }
  for (std::int64_t k = 0; k < problem.counts; ++k) args.sums[k] *= value_or_one(args.share);
}

template <class T>
void RowSumsGradient::reference(const Problem& problem, const Args<T>& args) {
  const T share = static_cast<T>(problem.factor * value_or_one(args.share) / static_cast<double>(args.batch * problem.rows));
  for (std::int64_t i = 0; i < args.images; ++i)
    std::fill_n(args.dvalues + i * problem.rows, problem.rows, args.weight == nullptr ? share : share * args.weight[i]);
}

template <class T>
void ShareOfOthers::reference(const Problem& problem, const Args<T>& args) {
  const auto ignored = std::count(args.labels, args.labels + args.rows, problem.ignored);
  *args.share = static_cast<double>(args.rows) / (static_cast<double>(args.rows - ignored) + 1e-7);
}

#define LINN_INSTANTIATE(kernel)                                       \
  template void kernel::reference(const Problem&, const Args<float>&); \
  template void kernel::reference(const Problem&, const Args<double>&);
LINN_INSTANTIATE(RowSums)
LINN_INSTANTIATE(RowSumsGradient)
LINN_INSTANTIATE(ShareOfOthers)
#undef LINN_INSTANTIATE

}  // namespace linn::detail::kernels
