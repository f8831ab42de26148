// References of copies and permutations, element by element.
#include <array>

#include "kernels/layout/layout.h"

namespace linn::detail::kernels {

template <class T>
void CopyMap::reference(const Problem& problem, const Args<T>& args) {
  for (std::int64_t n = 0; n < args.images; ++n)
    for (std::int64_t y = 0; y < problem.height; ++y)
      for (std::int64_t x = 0; x < problem.width; ++x)
        for (std::int64_t c = 0; c < problem.channels; ++c)
          args.dst[n * problem.dst.image + y * problem.dst.row + x * problem.dst.pixel + c] =
              args.src[n * problem.src.image + y * problem.src.row + x * problem.src.pixel + c];
}

Shape permuted(const Permute::Problem& problem) {
  std::array<std::int64_t, Shape::max_rank> sizes{};
  for (std::size_t k = 0; k < problem.order.rank(); ++k)
    sizes[k] = problem.src[static_cast<std::ptrdiff_t>(problem.order[static_cast<std::ptrdiff_t>(k)])];
  return Shape(std::span<const std::int64_t>(sizes.data(), problem.order.rank()));
}

Shape inverse_order(const Shape& order) {
  std::array<std::int64_t, Shape::max_rank> inverse{};
  for (std::size_t k = 0; k < order.rank(); ++k)
    inverse[static_cast<std::size_t>(order[static_cast<std::ptrdiff_t>(k)])] = static_cast<std::int64_t>(k);
  return Shape(std::span<const std::int64_t>(inverse.data(), order.rank()));
}

template <class T>
void Permute::reference(const Problem& problem, const Args<T>& args) {
  const Shape dst = permuted(problem);
  const auto rank = static_cast<std::ptrdiff_t>(dst.rank());
  const std::int64_t elements = dst.elements();
  for (std::int64_t n = 0; n < args.images; ++n)
    for (std::int64_t at = 0; at < elements; ++at) {
      std::array<std::int64_t, Shape::max_rank> index{};  // along src's axes
      std::int64_t rest = at;
      for (std::ptrdiff_t k = rank; k-- > 0; rest /= dst[k]) index[static_cast<std::size_t>(problem.order[k])] = rest % dst[k];
      std::int64_t from = 0;
      for (std::ptrdiff_t axis = 0; axis < rank; ++axis) from = from * problem.src[axis] + index[static_cast<std::size_t>(axis)];
      args.dst[n * elements + at] = args.src[n * elements + from];
    }
}

template void CopyMap::reference(const Problem&, const Args<float>&);
template void CopyMap::reference(const Problem&, const Args<double>&);
template void Permute::reference(const Problem&, const Args<float>&);
template void Permute::reference(const Problem&, const Args<double>&);

}  // namespace linn::detail::kernels
