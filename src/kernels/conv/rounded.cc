#include "kernels/conv/rounded.h"

#include <algorithm>

#include "core/checked.h"
#include "kernels/conv/cost.h"
#include "kernels/conv/direct.h"
#include "kernels/conv/fused.h"
#include "kernels/conv/round_map.h"
#include "kernels/conv/rows.h"

namespace linn::detail::kernels::conv {
namespace {

// The map that a kernel reads.
struct Read {
  std::int64_t height, width, channels;
  Pitches pitches;
  std::int64_t size() const { return height * width * channels; }
};

Read source(const Geometry& g) { return {g.height, g.width, g.channels, {g.src_pixel, g.src_row, g.src_image}}; }
Read output(const Geometry& g) { return {g.out_height, g.out_width, g.out_channels, {g.dst_pixel, g.dst_row, g.dst_image}}; }

void round(const Read& map, const Rows& rows, const float* from, float* to) {
  round_rows(from + rows.begin * map.pitches.row, map.pitches.row, map.pitches.pixel, rows.end - rows.begin, map.width, map.channels,
             to + rows.begin * map.width * map.channels);
}

// What Rounded needs to know of each kernel: its convolution; the map that it reads, and the rows of it that a call needs if the inner
// implementation has this row_step; the same problem with that map dense; whether a form with vdpbf16ps supports it; and the arguments for
// image n with the rounded map and weights.
template <class Kernel>
struct Access;

template <>
struct Access<ConvForward> {
  using Problem = ConvForward::Problem;
  static const Geometry& conv(const Problem& problem) { return problem.geometry; }
  static Read read(const Problem& problem) { return source(problem.geometry); }
  // The problem may be a part of a map. With tiles, a kernel reads the rows of whole tiles.
  static Rows rows(const Problem& problem, std::int64_t row_step) {
    return rows_in_windows(problem.geometry, 0, core::round_up(problem.geometry.out_height, row_step));
  }
  static const float* map(const ConvForward::Args<float>& args) { return args.src; }
  static Problem dense(Problem problem) {
    set_dense_src(problem.geometry);
    return problem;
  }
  static bool rounds(const Problem& problem) { return Bf16Forward::supports(problem); }
  static ConvForward::Args<float> image(const Problem& problem, const ConvForward::Args<float>& args, std::int64_t n, const float* map,
                                        const float* kernel, const float* packed, float* scratch) {
    return {1, map, kernel, packed, args.bias, args.dst + n * problem.geometry.dst_image, scratch};
  }
};

template <>
struct Access<ConvPoolForward> {
  using Problem = ConvPoolForward::Problem;
  static const Geometry& conv(const Problem& problem) { return problem.conv; }
  static Read read(const Problem& problem) { return source(problem.conv); }
  static Rows rows(const Problem& problem, std::int64_t) { return {0, problem.conv.height}; }
  static const float* map(const ConvPoolForward::Args<float>& args) { return args.src; }
  static Problem dense(Problem problem) {
    set_dense_src(problem.conv);
    return problem;
  }
  static bool rounds(const Problem& problem) { return Bf16WinogradPool::supports(problem) || Bf16Windows::supports(problem); }
  static ConvPoolForward::Args<float> image(const Problem& problem, const ConvPoolForward::Args<float>& args, std::int64_t n,
                                            const float* map, const float* kernel, const float* packed, float* scratch) {
    const Geometry& pool = problem.pool;
    return {1, map, kernel, packed, args.bias, args.dst + n * pool.dst_image,
            problem.argmax ? args.argmax + n * pool.out_height * pool.out_width * pool.channels : nullptr, scratch};
  }
};

template <>
struct Access<ConvInputGradient> {
  using Problem = ConvInputGradient::Problem;
  static const Geometry& conv(const Problem& problem) { return problem.geometry; }
  static Read read(const Problem& problem) { return output(problem.geometry); }
  static Rows rows(const Problem& problem, std::int64_t) { return {0, problem.geometry.out_height}; }
  static const float* map(const ConvInputGradient::Args<float>& args) { return args.ddst; }
  static Problem dense(Problem problem) {
    set_dense_dst(problem.geometry);
    return problem;
  }
  static bool rounds(const Problem& problem) { return Bf16InputGradient::supports(problem); }
  static ConvInputGradient::Args<float> image(const Problem& problem, const ConvInputGradient::Args<float>& args, std::int64_t n,
                                              const float* map, const float* kernel, const float* packed, float* scratch) {
    return {1, map, kernel, packed, args.bias, args.dsrc + n * problem.geometry.src_image, scratch};
  }
};

Numerics in_bfloat16(Numerics numerics) {
  numerics.operands = Operands::bfloat16;
  return numerics;
}

Geometry dense_maps(Geometry g) {
  set_dense_src(g);
  set_dense_dst(g);
  return g;
}

}  // namespace

template <class Kernel>
std::optional<typename Rounded<Kernel>::State> Rounded<Kernel>::prepare(const Problem& problem, const Policy& policy) {
  if (policy.operands == Operands::float32 || !Access<Kernel>::rounds(problem)) return std::nullopt;
  return State{choose<Kernel>(Access<Kernel>::dense(problem), policy.in_float32())};
}

template <class Kernel>
Numerics Rounded<Kernel>::numerics(const Problem&, const State& state) {
  return in_bfloat16(state.inner.numerics);
}

template <class Kernel>
double Rounded<Kernel>::cost(const Problem& problem, const State& state) {
  return state.inner.cost + 2 * static_cast<double>(Access<Kernel>::read(problem).size()) * traffic_of_float(0);
}

// One rounded image, and the scratch of the inner implementation.
template <class Kernel>
std::int64_t Rounded<Kernel>::scratch(const Problem& problem, const State& state, std::int64_t) {
  return Access<Kernel>::read(problem).size() + state.inner.scratch(Access<Kernel>::dense(problem), 1);
}

// The rounded kernel, and what the inner implementation packs of it.
template <class Kernel>
std::int64_t Rounded<Kernel>::packed(const Problem& problem, const State& state) {
  return kernel_size(Access<Kernel>::conv(problem)) + state.inner.packed(Access<Kernel>::dense(problem));
}

template <class Kernel>
void Rounded<Kernel>::pack(const Problem& problem, const State& state, const float* kernel, float* packed) {
  const std::int64_t size = kernel_size(Access<Kernel>::conv(problem));
  round_to_bf16(kernel, size, packed);
  if (Rounded::packed(problem, state) > size) state.inner.pack(Access<Kernel>::dense(problem), packed, packed + size);
}

template <class Kernel>
void Rounded<Kernel>::run(const Problem& problem, const State& state, const typename Kernel::template Args<float>& args) {
  const Read read = Access<Kernel>::read(problem);
  const Rows rows = Access<Kernel>::rows(problem, state.inner.row_step);
  const float* packed = args.packed + kernel_size(Access<Kernel>::conv(problem));
  float* map = args.scratch;
  for (std::int64_t n = 0; n < args.images; ++n) {
    round(read, rows, Access<Kernel>::map(args) + n * read.pitches.image, map);
    state.inner.run(Access<Kernel>::dense(problem), Access<Kernel>::image(problem, args, n, map, args.packed, packed, map + read.size()));
  }
}

template struct Rounded<ConvForward>;
template struct Rounded<ConvPoolForward>;
template struct Rounded<ConvInputGradient>;

std::optional<RoundedKernelGradient::State> RoundedKernelGradient::prepare(const Geometry& g, const Policy& policy) {
  if (policy.operands == Operands::float32 || !Bf16KernelGradient::supports(g)) return std::nullopt;
  return State{choose<ConvKernelGradient>(dense_maps(g), policy.in_float32())};
}

Numerics RoundedKernelGradient::numerics(const Geometry&, const State& state) { return in_bfloat16(state.inner.numerics); }

double RoundedKernelGradient::cost(const Geometry& g, const State& state) {
  return state.inner.cost + 2 * static_cast<double>(source(g).size() + output(g).size()) * traffic_of_float(0);
}

// The rounded maps of all images, so that the inner implementation adds in the order that it has without rounding.
std::int64_t RoundedKernelGradient::scratch(const Geometry& g, const State& state, std::int64_t images) {
  return images * (source(g).size() + output(g).size()) + state.inner.scratch(dense_maps(g), images);
}

void RoundedKernelGradient::run(const Geometry& g, const State& state, const ConvKernelGradient::Args<float>& args) {
  const Read from = source(g), to = output(g);
  float* src = args.scratch;
  float* ddst = src + args.images * from.size();
  for (std::int64_t n = 0; n < args.images; ++n) {
    round(from, {0, from.height}, args.src + n * from.pitches.image, src + n * from.size());
    round(to, {0, to.height}, args.ddst + n * to.pitches.image, ddst + n * to.size());
  }
  state.inner.run(dense_maps(g), {args.images, src, ddst, args.dkernel, ddst + args.images * to.size()});
}

}  // namespace linn::detail::kernels::conv
