// References of padding, pixel by pixel of the padded map.
#include <algorithm>

#include "kernels/pad/pad.h"

namespace linn::detail::kernels {
namespace {

/// Calls f(source, padded) for each pixel of the padded map in row-major order: `padded` is its offset, `source` the offset of the pixel of
/// the map whose value it has, or -1 for a zero.
template <class F>
void for_each_pixel(const PadForward::Problem& problem, std::int64_t images, F&& f) {
  const PadAxis rows = problem.rows(), columns = problem.columns();
  std::int64_t padded = 0;
  for (std::int64_t image = 0; image < images; ++image)
    for (std::int64_t y = 0; y < rows.out(); ++y)
      for (std::int64_t x = 0; x < columns.out(); ++x, padded += problem.channels) {
        const std::int64_t row = rows.source(y), column = columns.source(x);
        const bool zero = row < 0 || column < 0;
        f(zero ? -1 : ((image * problem.height + row) * problem.width + column) * problem.channels, padded);
      }
}

}  // namespace

template <class T>
void PadForward::reference(const Problem& problem, const Args<T>& args) {
  for_each_pixel(problem, args.images, [&](std::int64_t source, std::int64_t padded) {
    for (std::int64_t c = 0; c < problem.channels; ++c) args.dst[padded + c] = source < 0 ? T{0} : args.src[source + c];
  });
}

template <class T>
void PadInputGradient::reference(const Problem& problem, const Args<T>& args) {
  std::fill_n(args.dsrc, args.images * problem.height * problem.width * problem.channels, T{0});
  for_each_pixel(problem, args.images, [&](std::int64_t source, std::int64_t padded) {
    if (source < 0) return;
    for (std::int64_t c = 0; c < problem.channels; ++c) args.dsrc[source + c] += args.ddst[padded + c];
  });
}

template void PadForward::reference(const Problem&, const Args<float>&);
template void PadForward::reference(const Problem&, const Args<double>&);
template void PadInputGradient::reference(const Problem&, const Args<float>&);
template void PadInputGradient::reference(const Problem&, const Args<double>&);

}  // namespace linn::detail::kernels
