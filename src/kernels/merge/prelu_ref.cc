// References of PReLU, element by element.
#include <algorithm>

#include "kernels/merge/prelu.h"

namespace linn::detail::kernels {
namespace {

/// Calls f(offset in src, offset in alpha) for each element of all images, in row-major order.
template <class F>
void for_each_element(const Broadcast& broadcast, std::int64_t images, const F& f) {
  for (std::int64_t image = 0; image < images; ++image)
    for (Runs runs(broadcast); !runs.done(); runs.next())
      for (std::int64_t i = 0; i < runs.count(); ++i)
        f(image * broadcast.output_elements() + runs.output() + i, runs.offset(1) + i * runs.stride(1));
}

}  // namespace

template <class T>
void PReluForward::reference(const Problem& problem, const Args<T>& args) {
  for_each_element(problem.broadcast, args.images, [&](std::int64_t at, std::int64_t slope) {
    args.dst[at] = args.src[at] > 0 ? args.src[at] : args.alpha[slope] * args.src[at];
  });
}

template <class T>
void PReluGradient::reference(const Problem& problem, const Args<T>& args) {
  if (args.dalpha != nullptr) std::fill_n(args.dalpha, problem.broadcast.elements[1], T{0});
  for_each_element(problem.broadcast, args.images, [&](std::int64_t at, std::int64_t slope) {
    const T x = args.src[at], d = args.ddst[at];
    if (args.dsrc != nullptr) args.dsrc[at] = x > 0 ? d : x < 0 ? d * args.alpha[slope] : T{0};
    if (args.dalpha != nullptr) args.dalpha[slope] += x < 0 ? d * x : T{0};
  });
}

template void PReluForward::reference(const Problem&, const Args<float>&);
template void PReluForward::reference(const Problem&, const Args<double>&);
template void PReluGradient::reference(const Problem&, const Args<float>&);
template void PReluGradient::reference(const Problem&, const Args<double>&);

}  // namespace linn::detail::kernels
