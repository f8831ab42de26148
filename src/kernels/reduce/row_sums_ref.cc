// References of RowSum, RowSumGradient, MeanTotals and LossShare.
#include <algorithm>

#include "kernels/reduce/row_sums.h"

namespace linn::detail::kernels {
namespace {

double value_or_one(const double* value) { return value == nullptr ? 1.0 : *value; }

template <class T>
double weight_of(const T* weight, std::int64_t image) {
  return weight == nullptr ? 1.0 : static_cast<double>(weight[image]);
}

}  // namespace

template <class T>
void RowSum::reference(const Problem& problem, const Args<T>& args) {
  double sum = 0;
  for (std::int64_t i = 0; i < args.images; ++i) {
    const double weight = weight_of(args.weight, i);
    for (std::int64_t r = 0; r < problem.rows; ++r) sum += static_cast<double>(args.values[i * problem.rows + r]) * weight;
  }
  *args.sum = sum * value_or_one(args.share);
}

template <class T>
void RowSumGradient::reference(const Problem& problem, const Args<T>& args) {
  const T share = static_cast<T>(problem.factor * value_or_one(args.share) / static_cast<double>(args.batch * problem.rows));
  for (std::int64_t i = 0; i < args.images; ++i)
    std::fill_n(args.dvalues + i * problem.rows, problem.rows, args.weight == nullptr ? share : share * args.weight[i]);
}

template <class T>
void MeanTotals::reference(const Problem& problem, const Args<T>& args) {
  for (std::int64_t i = 0; i < args.images; ++i) {
    const double weight = weight_of(args.weight, i);
    for (std::int64_t r = 0; r < problem.rows; ++r) {
      args.totals[0] += static_cast<double>(args.values[i * problem.rows + r]) * weight;
      args.totals[1] += weight;
    }
  }
}

template <class T>
void LossShare::reference(const Problem& problem, const Args<T>& args) {
  double rows = 0, weights = 0;  // of the rows that are not left out
  for (std::int64_t i = 0; i < args.images; ++i)
    for (std::int64_t r = i * problem.rows; r < (i + 1) * problem.rows; ++r) {
      if (problem.ignored && args.labels[r] == *problem.ignored) continue;
      if (problem.leaves_out_zeros && args.values[r] == 0) continue;
      rows += 1;
      weights += weight_of(args.weight, i);
    }
  const auto all = static_cast<double>(args.images * problem.rows);
  const auto over = [&](double divisor) { return divisor == 0 ? 0 : all / divisor; };
  switch (problem.reduction) {
    case LossReduction::mean: *args.share = over(rows); break;
    case LossReduction::sum: *args.share = problem.once && args.weight == nullptr ? static_cast<double>(problem.rows) : all; break;
    case LossReduction::weighted_mean: *args.share = over(weights); break;
  }
}

#define LINN_INSTANTIATE(kernel)                                       \
  template void kernel::reference(const Problem&, const Args<float>&); \
  template void kernel::reference(const Problem&, const Args<double>&);
LINN_INSTANTIATE(RowSum)
LINN_INSTANTIATE(RowSumGradient)
LINN_INSTANTIATE(MeanTotals)
LINN_INSTANTIATE(LossShare)
#undef LINN_INSTANTIATE

}  // namespace linn::detail::kernels
