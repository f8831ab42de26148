// NormForward, NormGradientSums and NormInputGradient.
//
// Row by row, with the coefficients of the columns, and sums of 256 rows, in the L1 cache. So memory is read and written in its order;
// panels of columns with coefficients in registers take 1.1 to 2.6 times as long on maps of more than 64 channels.
// Sums of rows that fit in a panel stay in registers: 5 a vector, panels of 4 vectors with 32 registers and of 2 with 16.
// Rows of few channels are read as wide ones (wide-inl.h). Bound by memory: one multiply-add or a few for each value read.
// Measured (Zen 5, one core, 32 maps of 56x56), AVX-512 and AVX2, as a share of what memcpy moves in the same run:
//
// | channels       | 64       | 96       | 144      | 256      | 576      |
// |----------------|----------|----------|----------|----------|----------|
// | forward        | 1.0, 1.1 | 1.0, 1.1 | 1.0, 1.0 | 1.0, 1.0 | 1.0, 1.0 |
// | input gradient | 1.1, 1.0 | 1.1, 1.0 | 1.1, 1.0 | 1.0, 1.1 | 0.9, 0.9 |
// | sums           | 0.9, 1.0 | 1.0, 1.0 | 1.0, 1.1 | 1.0, 1.0 | 1.0, 1.0 |
//
// In the L2 cache (14x14x144): forward 207 and 118 GB/s, input gradient 181 and 123 GB/s, sums 158 and 85 GB/s.
#include "kernels/norm/vector.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/norm/apply.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "kernels/norm/wide-inl.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::HWY_NAMESPACE {
namespace {

constexpr int gradient_vectors = HWY_TARGET <= HWY_AVX3 ? 4 : 2;

// Loads the values of a line of coefficients for the columns of a panel.
template <int kVectors, bool kTail>
HWY_INLINE void load_line(const float* line, std::int64_t last, V (&values)[kVectors]) {
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) values[v] = LoadVector<kTail>(line, v, kVectors, last);
}

// Rows [rows, width] with pitches, and the coefficients (mean, scale, shift) of their columns.
struct Normed {
  const float* src;
  const float* coefficients;
  std::int64_t rows, width;
  std::int64_t src_row, dst_row, dsrc_row;  // pitches of src, of dst or ddst, of dsrc
};

// Calls f(first column, columns) for the vectors of a row.
template <class F>
HWY_INLINE void for_each_vector(std::int64_t width, const F& f) {
  std::int64_t c = 0;
  for (; c + lanes <= width; c += lanes) f(c, std::int64_t{lanes});
  if (c < width) f(c, width - c);
}

// The result before relu. Forward and backward kernels compute it by the same operations, so that they agree bit for bit where it is above
// 0.
HWY_INLINE V normalized(V deviation, V scale, V shift) { return hn::MulAdd(deviation, scale, shift); }

template <bool kRelu>
struct ForwardRows : Normed {
  float* dst;

  HWY_NOINLINE void run() const {
    const ForwardRows p = *this;  // in registers, which the stores cannot change
    for (std::int64_t r = 0; r < p.rows; ++r) {
      const float *from = p.src + r * p.src_row, *mean = p.coefficients, *scale = mean + p.width, *shift = scale + p.width;
      float* to = p.dst + r * p.dst_row;
      for_each_vector(p.width, [&](std::int64_t c, std::int64_t n) {
        V y = normalized(hn::Sub(LoadCount(from + c, n), LoadCount(mean + c, n)), LoadCount(scale + c, n), LoadCount(shift + c, n));
        if (kRelu) y = hn::IfThenZeroElse(hn::Lt(y, hn::Zero(D())), y);
        StoreCount(y, to + c, n);
      });
    }
  }
};

// The gradient before relu.
template <bool kRelu>
HWY_INLINE V passed(V ddst, V deviation, V scale, V shift) {
  if (!kRelu) return ddst;
  return hn::IfThenElseZero(hn::Gt(normalized(deviation, scale, shift), hn::Zero(D())), ddst);
}

// Adds to sums[2, width].
template <bool kRelu>
struct SumsPanel : Normed {
  const float* ddst;
  float* sums;
  // Sums of blocks of terms are added, because rounding errors grow with the length of a sum.
  static constexpr std::int64_t terms = 256;

  // Row by row, with the sums of a block in the L1 cache; the same additions in the same order.
  HWY_NOINLINE void run_rows() const {
    constexpr std::int64_t most = 1024;  // columns at a time
    const SumsPanel p = *this;
    alignas(64) float sum[most], product[most];
    for (std::int64_t first = 0; first < p.width; first += most)
      for (std::int64_t begin = 0; begin < p.rows; begin += terms) {
        const std::int64_t columns = std::min(most, p.width - first);
        const float *mean = p.coefficients + first, *scale = mean + p.width, *shift = scale + p.width;
        std::fill_n(sum, columns, 0.0f), std::fill_n(product, columns, 0.0f);
        for (std::int64_t r = begin; r < std::min(begin + terms, p.rows); ++r) {
          const float *from = p.src + r * p.src_row + first, *upstream = p.ddst + r * p.dst_row + first;
          for_each_vector(columns, [&](std::int64_t c, std::int64_t n) {
            const V deviation = hn::Sub(LoadCount(from + c, n), LoadCount(mean + c, n));
            const V g = kRelu ? passed<true>(LoadCount(upstream + c, n), deviation, LoadCount(scale + c, n), LoadCount(shift + c, n))
                              : LoadCount(upstream + c, n);
            StoreCount(hn::Add(LoadCount(sum + c, n), g), sum + c, n);
            StoreCount(hn::MulAdd(g, deviation, LoadCount(product + c, n)), product + c, n);
          });
        }
        float *sums_out = p.sums + first, *products_out = sums_out + p.width;
        for (std::int64_t c = 0; c < columns; ++c) sums_out[c] += sum[c], products_out[c] += product[c];
      }
  }

  template <int kVectors, bool kTail>
  HWY_NOINLINE void run(std::int64_t first, std::int64_t last) const {
    V mean[kVectors], scale[kVectors] = {}, shift[kVectors] = {};
    load_line<kVectors, kTail>(coefficients + first, last, mean);
    if (kRelu) load_line<kVectors, kTail>(coefficients + width + first, last, scale);
    if (kRelu) load_line<kVectors, kTail>(coefficients + 2 * width + first, last, shift);
    for (std::int64_t begin = 0; begin < rows; begin += terms) {
      V sum[kVectors], product[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[v] = product[v] = hn::Zero(D());
      const std::int64_t end = std::min(begin + terms, rows);
      for (std::int64_t r = begin; r < end; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          const V deviation = hn::Sub(LoadVector<kTail>(src + r * src_row + first, v, kVectors, last), mean[v]);
          const V g = passed<kRelu>(LoadVector<kTail>(ddst + r * dst_row + first, v, kVectors, last), deviation, scale[v], shift[v]);
          sum[v] = hn::Add(sum[v], g);
          product[v] = hn::MulAdd(g, deviation, product[v]);
        }
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        float* lines = sums + first;
        StoreVector<kTail>(hn::Add(LoadVector<kTail>(lines, v, kVectors, last), sum[v]), lines, v, kVectors, last);
        StoreVector<kTail>(hn::Add(LoadVector<kTail>(lines + width, v, kVectors, last), product[v]), lines + width, v, kVectors, last);
      }
    }
  }
};

template <bool kRelu, bool kFrozen>
struct GradientRows : Normed {
  const float* ddst;
  const float* lines;  // slope, offset
  float* dsrc;

  HWY_NOINLINE void run() const {
    const GradientRows p = *this;
    for (std::int64_t r = 0; r < p.rows; ++r) {
      const float *from = p.src + r * p.src_row, *upstream = p.ddst + r * p.dst_row;
      const float *mean = p.coefficients, *scales = mean + p.width, *shift = scales + p.width, *slope = p.lines, *offset = slope + p.width;
      float* to = p.dsrc + r * p.dsrc_row;
      for_each_vector(p.width, [&](std::int64_t c, std::int64_t n) {
        const V deviation = hn::Sub(LoadCount(from + c, n), LoadCount(mean + c, n)), scale = LoadCount(scales + c, n);
        const V g = passed<kRelu>(LoadCount(upstream + c, n), deviation, scale, kRelu ? LoadCount(shift + c, n) : scale);
        const V d = kFrozen ? hn::Mul(g, scale) : hn::MulAdd(g, scale, hn::MulAdd(deviation, LoadCount(slope + c, n), LoadCount(offset + c, n)));
        StoreCount(d, to + c, n);
      });
    }
  }
};

// Runs over all rows as wide rows if they are dense, then over the remaining rows.
struct Split {
  Split(const NormForward::Problem& problem, std::int64_t row_count, const float* coefficients)
      : channels(problem.channels),
        together(problem.dense() ? pixels_in_a_row(channels) : 1),
        wide{.src = nullptr,
             .coefficients = widened(coefficients, 3, channels, together, memory),
             .rows = row_count / together,
             .width = channels * together,
             .src_row = problem.src_pitch() * together,
             .dst_row = problem.dst_pitch() * together,
             .dsrc_row = problem.dsrc_pitch() * together},
        rest{.src = nullptr, .coefficients = coefficients, .rows = row_count % together, .width = channels, .src_row = channels, .dst_row = channels, .dsrc_row = channels} {}

  std::int64_t rest_at() const { return wide.rows * wide.width; }
  Normed of_wide(const float* src) const { return at(wide, src); }
  Normed of_rest(const float* src) const { return at(rest, src + rest_at()); }

  static Normed at(Normed rows, const float* src) {
    rows.src = src;
    return rows;
  }

  std::int64_t channels, together;
  alignas(64) float memory[3 * widest];
  Normed wide, rest;
};

template <bool kRelu>
void forward_rows(const NormForward::Problem& problem, const NormForward::Args<float>& args) {
  const Split split(problem, args.rows, args.coefficients);
  ForwardRows<kRelu>{split.of_wide(args.src), args.dst}.run();
  if (split.rest.rows > 0) ForwardRows<kRelu>{split.of_rest(args.src), args.dst + split.rest_at()}.run();
}

template <bool kRelu>
void sum_rows(const NormGradientSums::Problem& problem, const NormGradientSums::Args<float>& args) {
  const Split split(problem, args.rows, args.coefficients);
  const std::int64_t channels = split.channels;
  std::fill_n(args.sums, 2 * channels, 0.0f);
  if (split.together == 1) {
    const SumsPanel<kRelu> all{split.of_wide(args.src), args.ddst, args.sums};
    return channels <= gradient_vectors * lanes ? for_each_panel<gradient_vectors>(channels, all) : all.run_rows();
  }
  float sums[2 * widest] = {};
  for_each_panel<gradient_vectors>(split.wide.width, SumsPanel<kRelu>{split.of_wide(args.src), args.ddst, sums});
  if (split.rest.rows > 0)
    for_each_panel<gradient_vectors>(channels, SumsPanel<kRelu>{split.of_rest(args.src), args.ddst + split.rest_at(), args.sums});
  for (std::int64_t line = 0; line < 2; ++line)
    for (std::int64_t p = 0; p < split.together; ++p)
      for (std::int64_t c = 0; c < channels; ++c) args.sums[line * channels + c] += sums[line * split.wide.width + p * channels + c];
}

template <bool kRelu, bool kFrozen>
void gradient_rows(const NormInputGradient::Problem& problem, const NormInputGradient::Args<float>& args) {
  const Split split(problem, args.rows, args.coefficients);
  const std::int64_t channels = split.channels;
  alignas(64) float memory[2 * widest];
  const float* lines = kFrozen ? nullptr : widened(args.gradient_coefficients, 2, channels, split.together, memory);
  GradientRows<kRelu, kFrozen>{split.of_wide(args.src), args.ddst, lines, args.dsrc}.run();
  if (split.rest.rows == 0) return;
  const std::int64_t at = split.rest_at();
  GradientRows<kRelu, kFrozen>{split.of_rest(args.src), args.ddst + at, args.gradient_coefficients, args.dsrc + at}.run();
}

void forward(const NormForward::Problem& problem, const NormForward::Args<float>& args) {
  problem.activation == Activation::relu ? forward_rows<true>(problem, args) : forward_rows<false>(problem, args);
}

void gradient_sums(const NormGradientSums::Problem& problem, const NormGradientSums::Args<float>& args) {
  problem.activation == Activation::relu ? sum_rows<true>(problem, args) : sum_rows<false>(problem, args);
}

void input_gradient(const NormInputGradient::Problem& problem, const NormInputGradient::Args<float>& args) {
  const bool frozen = args.gradient_coefficients == nullptr;
  if (problem.activation == Activation::relu)
    frozen ? gradient_rows<true, true>(problem, args) : gradient_rows<true, false>(problem, args);
  else
    frozen ? gradient_rows<false, true>(problem, args) : gradient_rows<false, false>(problem, args);
}

}  // namespace
}  // namespace linn::detail::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels {
HWY_EXPORT(forward);
HWY_EXPORT(gradient_sums);
HWY_EXPORT(input_gradient);

void norm::VectorForward::run(const NormForward::Problem& problem, const NormForward::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(forward)(problem, args);
}
void norm::VectorGradientSums::run(const NormGradientSums::Problem& problem, const NormGradientSums::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(gradient_sums)(problem, args);
}
void norm::VectorInputGradient::run(const NormInputGradient::Problem& problem, const NormInputGradient::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(input_gradient)(problem, args);
}

}  // namespace linn::detail::kernels
#endif
