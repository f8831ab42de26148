// References of merges, element by element.
#include <algorithm>

#include "kernels/merge/merge.h"

namespace linn::detail::kernels {
namespace {

/// The elements of all inputs for element `i` of a run.
template <class T>
class Meeting {
 public:
  Meeting(const Broadcast& broadcast, const void* const* src, std::int64_t image, const Runs& runs, std::int64_t i)
      : broadcast_(broadcast), src_(src), image_(image), runs_(runs), i_(i) {}

  T operator[](std::int64_t input) const {
    const auto k = static_cast<std::size_t>(input);
    return static_cast<const T*>(src_[k])[image_ * broadcast_.elements[k] + runs_.offset(input) + i_ * runs_.stride(input)];
  }

 private:
  const Broadcast& broadcast_;
  const void* const* src_;
  std::int64_t image_;
  const Runs& runs_;
  std::int64_t i_;
};

template <class T>
T merged(MergeKind kind, std::int64_t inputs, const Meeting<T>& x) {
  T result = x[0];
  for (std::int64_t k = 1; k < inputs; ++k) result = merge_step(kind, result, x[k]);
  return kind == MergeKind::average ? result / static_cast<T>(inputs) : result;
}

template <class T>
bool takes_gradient(const MergeGradient::Problem& problem, const Meeting<T>& x) {
  T best = x[0];
  std::int64_t winner = 0;
  for (std::int64_t k = 1; k < problem.broadcast.inputs(); ++k) {
    if (!first_wins(problem.kind, best, x[k])) winner = k;
    best = merge_step(problem.kind, best, x[k]);
  }
  return winner == problem.input;
}

template <class T>
T slope(const MergeGradient::Problem& problem, const Meeting<T>& x, T d) {
  switch (problem.kind) {
    case MergeKind::add: return d;
    case MergeKind::subtract: return problem.input == 0 ? d : -d;
    case MergeKind::average: return d / static_cast<T>(problem.broadcast.inputs());
    case MergeKind::multiply:
      for (std::int64_t k = 0; k < problem.broadcast.inputs(); ++k)
        if (k != problem.input) d *= x[k];
      return d;
    case MergeKind::maximum:
    case MergeKind::minimum: return takes_gradient(problem, x) ? d : T{0};
  }
  return d;
}

}  // namespace

template <class T>
void Merge::reference(const Problem& problem, const Args<T>& args) {
  const Broadcast& b = problem.broadcast;
  for (std::int64_t image = 0; image < args.images; ++image)
    for (Runs runs(b); !runs.done(); runs.next())
      for (std::int64_t i = 0; i < runs.count(); ++i)
        args.dst[image * b.output_elements() + runs.output() + i] = merged(problem.kind, b.inputs(), Meeting<T>(b, args.src, image, runs, i));
}

template <class T>
void MergeGradient::reference(const Problem& problem, const Args<T>& args) {
  const Broadcast& b = problem.broadcast;
  const std::int64_t elements = b.elements[static_cast<std::size_t>(problem.input)];
  std::fill_n(args.dsrc, args.images * elements, T{0});
  for (std::int64_t image = 0; image < args.images; ++image)
    for (Runs runs(b); !runs.done(); runs.next())
      for (std::int64_t i = 0; i < runs.count(); ++i) {
        const T d = args.ddst[image * b.output_elements() + runs.output() + i];
        args.dsrc[image * elements + runs.offset(problem.input) + i * runs.stride(problem.input)] +=
            slope(problem, Meeting<T>(b, args.src, image, runs, i), d);
      }
}

template void Merge::reference(const Problem&, const Args<float>&);
template void Merge::reference(const Problem&, const Args<double>&);
template void MergeGradient::reference(const Problem&, const Args<float>&);
template void MergeGradient::reference(const Problem&, const Args<double>&);

}  // namespace linn::detail::kernels
