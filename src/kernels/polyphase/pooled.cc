// PhasePoolForward and PhasePoolInputGradient: image by image, the reference with the references of pooling, `each_image` with the pooling
// that is chosen for one phase.
#include "kernels/polyphase/pooled.h"

#include <algorithm>

#include "kernels/polyphase/each_image.h"

namespace linn::detail::kernels {

PhasePool PhasePool::of(const Geometry& pool, const Phases& phases) {
  PhasePool result{.pool = {.geometry = pool, .kind = PoolKind::max, .argmax = false}, .phases = phases, .image = pool.src_image};
  Geometry& g = result.pool.geometry;
  g.stride_height = phases.stride_height, g.stride_width = phases.stride_width;
  g.out_height = phases.rows(), g.out_width = phases.columns();
  g.height = (g.out_height - 1) * g.stride_height + g.window_height;
  g.width = (g.out_width - 1) * g.stride_width + g.window_width;
  set_dense_dst(g);
  return result;
}

namespace {

template <class T, class Pool>
void forward(const PhasePool& p, const PhasePoolForward::Args<T>& args, const Pool& pool) {
  const std::int64_t elements = p.phases.elements();
  for (std::int64_t n = 0; n < args.images; ++n)
    pool(PoolForward::Args<T>{.images = 1, .src = args.src + n * p.image + p.offset(args.phase[n]), .dst = args.dst + n * elements,
                              .argmax = args.argmax == nullptr ? nullptr : args.argmax + n * elements, .wide_argmax = nullptr,
                              .scratch = args.scratch});
}

template <class T, class Pool>
void backward(const PhasePool& p, const PhasePoolInputGradient::Args<T>& args, const Pool& pool) {
  const std::int64_t elements = p.phases.elements();
  for (std::int64_t n = 0; n < args.images; ++n) {
    T* dsrc = args.dsrc + n * p.image;
    std::fill_n(dsrc, p.image, T{0});  // the pooling writes only the pixels of its windows
    pool(PoolInputGradient::Args<T>{.images = 1, .ddst = args.ddst + n * elements, .argmax = args.argmax + n * elements, .wide_argmax = nullptr,
                                    .dsrc = dsrc + p.offset(args.phase[n]), .scratch = args.scratch});
  }
}

}  // namespace

template <class T>
void PhasePoolForward::reference(const Problem& problem, const Args<T>& args) {
  forward(problem, args, [&](const PoolForward::Args<T>& pool) { PoolForward::reference(problem.pool, pool); });
}

template <class T>
void PhasePoolInputGradient::reference(const Problem& problem, const Args<T>& args) {
  backward(problem, args, [&](const PoolInputGradient::Args<T>& pool) { PoolInputGradient::reference(problem.pool, pool); });
}

template void PhasePoolForward::reference(const Problem&, const Args<float>&);
template void PhasePoolForward::reference(const Problem&, const Args<double>&);
template void PhasePoolInputGradient::reference(const Problem&, const Args<float>&);
template void PhasePoolInputGradient::reference(const Problem&, const Args<double>&);

namespace polyphase {

void EachImageForward::run(const PhasePool& problem, const State& pooling, const PhasePoolForward::Args<float>& args) {
  forward(problem, args, [&](const PoolForward::Args<float>& pool) { pooling.run(problem.pool, pool); });
}

void EachImageInputGradient::run(const PhasePool& problem, const State& pooling, const PhasePoolInputGradient::Args<float>& args) {
  backward(problem, args, [&](const PoolInputGradient::Args<float>& pool) { pooling.run(problem.pool, pool); });
}

}  // namespace polyphase
}  // namespace linn::detail::kernels
