// ConvGlobalPoolForward for any geometry. Computes a strip of the convolution's rows in scratch, and joins it to the present maxima (or
// sums) while it is in the cache. Gives the bits of the unfused kernels.
//
// Loop nest:  for each image, for each strip of rows (a quarter of the L2 cache; whole tiles of Winograd's form)
//               the convolution of those rows, by any implementation of ConvForward
//               for each four vectors of channels, for each pixel: maximum or sum
//               with winners, for each pixel again: which channels are as large as the maximum so far, as bits
//             with winners: clear the bits of channels that had a larger maximum in a later strip, or that relu set to 0
// Registers:  four maxima, to hide the latency of the maximum.
// Measured:   see docs/engine.md.
#include "kernels/conv/global.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/global_strip.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>

#include "core/checked.h"
#include "kernels/conv/cost.h"
#include "kernels/conv/rows.h"
#include "kernels/gemm/vector-inl.h"
#include "kernels/pool/lanes-inl.h"

#ifndef LINN_KERNELS_CONV_GLOBAL_STRIP_ONCE
#define LINN_KERNELS_CONV_GLOBAL_STRIP_ONCE
namespace linn::detail::kernels::conv {
namespace {

// A strip of rows, and the maxima (or sums) that it is joined to.
struct RowsOfMap {
  const float* values;
  std::int64_t pixels, pitch, channels;  // pitch: of pixels
  bool first;             // of its image
  float* best;            // maxima or sums so far
  std::uint8_t* winners;  // of its pixels, or null
};

}  // namespace
}  // namespace linn::detail::kernels::conv
#endif

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::HWY_NAMESPACE {
namespace {

using conv::RowsOfMap;
using pool::HWY_NAMESPACE::beats;

constexpr int most_vectors = 4;

// A bit for each lane where the value equals the maximum.
HWY_INLINE std::uint64_t winners_of(V value, V best) {
  const D d;
  std::uint8_t bytes[8] = {};
  hn::StoreMaskBits(d, hn::Or(hn::Eq(value, best), hn::And(hn::IsNaN(value), hn::IsNaN(best))), bytes);
  std::uint64_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

template <bool kMax, int kVectors, bool kTail>
HWY_NOINLINE void JoinStrip(const RowsOfMap& strip, std::int64_t c, std::int64_t last) {
  const float* values = strip.values + c;
  V best[kVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v)
    best[v] = strip.first ? (kMax ? LoadVector<kTail>(values, v, kVectors, last) : hn::Zero(D())) : LoadVector<kTail>(strip.best + c, v, kVectors, last);
  for (std::int64_t p = 0; p < strip.pixels; ++p)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const V value = LoadVector<kTail>(values + p * strip.pitch, v, kVectors, last);
      best[v] = kMax ? hn::IfThenElse(beats(value, best[v]), value, best[v]) : hn::Add(best[v], value);
    }
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    if constexpr (kMax) best[v] = hn::Add(best[v], hn::Zero(D()));  // turns -0 into +0, so that the bits do not depend on the order of zeros
    StoreVector<kTail>(best[v], strip.best + c, v, kVectors, last);
  }
  if (!kMax || strip.winners == nullptr) return;
  const std::int64_t count = (kVectors - 1) * lanes + last, bytes = (count + 7) / 8, row = (strip.channels + 7) / 8;
  const std::uint64_t inside = count < 64 ? (std::uint64_t{1} << count) - 1 : ~std::uint64_t{0};
  std::uint8_t* winners = strip.winners + c / 8;
  for (std::int64_t p = 0; p < strip.pixels; ++p, winners += row) {
    std::uint64_t word = 0;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v)
      word |= winners_of(LoadVector<kTail>(values + p * strip.pitch, v, kVectors, last), best[v]) << (v * lanes);
    word &= inside;
    std::memcpy(winners, &word, static_cast<std::size_t>(bytes));
  }
}

// Four vectors at a time, then the rest, so that only the last group may end within a byte.
template <bool kMax>
void JoinChannels(const RowsOfMap& strip) {
  using Join = void (*)(const RowsOfMap&, std::int64_t, std::int64_t);
  constexpr Join whole[] = {JoinStrip<kMax, 1, false>, JoinStrip<kMax, 2, false>, JoinStrip<kMax, 3, false>, JoinStrip<kMax, 4, false>};
  constexpr Join tail[] = {JoinStrip<kMax, 1, true>, JoinStrip<kMax, 2, true>, JoinStrip<kMax, 3, true>, JoinStrip<kMax, 4, true>};
  for (std::int64_t c = 0; c < strip.channels; c += most_vectors * lanes) {
    const std::int64_t left = strip.channels - c, vectors = HWY_MIN(most_vectors, (left + lanes - 1) / lanes);
    const std::int64_t last = HWY_MIN(lanes, left - (vectors - 1) * lanes);
    (last < lanes ? tail : whole)[vectors - 1](strip, c, last);
  }
}

void join_strip(const RowsOfMap& strip, PoolKind kind) {
  if (kind == PoolKind::max)
    JoinChannels<true>(strip);
  else
    JoinChannels<false>(strip);
}

void divide(float* sums, std::int64_t count, std::int64_t by) {
  const pool::HWY_NAMESPACE::Divisor divisor(by);
  for (std::int64_t c = 0; c < count; c += lanes) {
    const std::int64_t part = HWY_MIN(lanes, count - c);
    StoreCount(divisor.divide(D(), LoadCount(sums + c, part)), sums + c, part);
  }
}

}  // namespace
}  // namespace linn::detail::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels {
HWY_EXPORT(join_strip);
HWY_EXPORT(divide);

namespace conv {
namespace {

using Problem = ConvGlobalPoolForward::Problem;

ConvForward::Problem conv_of(const Problem& problem) {
  ConvForward::Problem conv = {problem.conv, problem.bias, problem.activation};
  set_dense_dst(conv.geometry);
  return conv;
}

std::int64_t strips(const Geometry& g, const GlobalStrip::State& state) { return core::ceil_div(g.out_height, state.rows); }

bool same(float a, float b) { return a == b || (a != a && b != b); }

// Clears the bits of channels whose maximum after this strip is not the final one, or that relu set to 0.
void clear_beaten(const Problem& problem, const float* then, const float* dst, std::int64_t pixels, std::uint8_t* winners) {
  const std::int64_t channels = problem.conv.out_channels, row = winner_bytes(problem.conv);
  for (std::int64_t b = 0; b < row; ++b) {
    int lives = 0;
    for (std::int64_t o = 8 * b; o < std::min(channels, 8 * b + 8); ++o)
      if (same(then[o], dst[o]) && (problem.activation != Activation::relu || dst[o] > 0)) lives |= 1 << (o % 8);
    if (lives == 255) continue;
    for (std::int64_t p = 0; p < pixels; ++p) winners[p * row + b] = static_cast<std::uint8_t>(winners[p * row + b] & lives);
  }
}

}  // namespace

std::optional<GlobalStrip::State> GlobalStrip::prepare(const Problem& problem, const Policy& policy) {
  const Geometry& g = problem.conv;
  State state = {choose<ConvForward>(conv_of(problem), policy), 0};
  const std::int64_t step = state.conv.row_step, fit = strip_elements() / std::max<std::int64_t>(map_row(g), 1);
  state.rows = std::min(std::max(fit / step, std::int64_t{1}) * step, g.out_height);
  return state;
}

Numerics GlobalStrip::numerics(const Problem& problem, const State& state) {
  Numerics numerics = state.conv.numerics;
  numerics.position_invariant &= problem.kind == PoolKind::max;
  numerics.period = 0;
  return numerics;
}

double GlobalStrip::cost(const Problem& problem, const State& state) {
  const Geometry& g = problem.conv;
  return state.conv.cost + weights_cost(g, state.conv, static_cast<double>(strips(g, state))) +
         static_cast<double>(map_size(g)) + cached_map_cost(g);
}

// A strip, and the maxima after each strip.
std::int64_t GlobalStrip::scratch(const Problem& problem, const State& state, std::int64_t) {
  const Geometry& g = problem.conv;
  return state.rows * map_row(g) + strips(g, state) * g.out_channels + state.conv.scratch(conv_of(problem), 1);
}

std::int64_t GlobalStrip::packed(const Problem& problem, const State& state) { return state.conv.packed(conv_of(problem)); }

void GlobalStrip::pack(const Problem& problem, const State& state, const float* kernel, float* packed) {
  state.conv.pack(conv_of(problem), kernel, packed);
}

std::int64_t GlobalStrip::channel_step(const Problem& problem, const State& state) { return problem.winners ? 0 : state.conv.channel_step; }

void GlobalStrip::run(const Problem& problem, const State& state, const ConvGlobalPoolForward::Args<float>& args) {
  const Geometry& g = problem.conv;
  const std::int64_t begin = args.channels.begin, count = std::min(args.channels.end, g.out_channels) - begin;
  const std::int64_t most = state.rows, channels = g.out_channels, row_bytes = g.out_width * winner_bytes(g);
  float* values = args.scratch;
  float* maxima = values + most * map_row(g);
  float* scratch = maxima + strips(g, state) * channels;
  for (std::int64_t n = 0; n < args.images; ++n) {
    float* dst = args.dst + n * channels;
    std::uint8_t* winners = problem.winners ? args.winners + n * winners_size(g) : nullptr;
    for (std::int64_t first = 0; first < g.out_height; first += most) {
      const Rows rows = {first, std::min(first + most, g.out_height)};
      state.conv.run(rows_of(conv_of(problem), rows), {1, args.src + n * g.src_image, args.kernel, args.packed, args.bias, values, scratch, args.channels});
      HWY_DYNAMIC_DISPATCH(join_strip)
      ({.values = values + begin,
        .pixels = (rows.end - rows.begin) * g.out_width,
        .pitch = channels,
        .channels = count,
        .first = first == 0,
        .best = dst + begin,
        .winners = winners == nullptr ? nullptr : winners + first * row_bytes},
       problem.kind);
      if (winners != nullptr) std::copy_n(dst, channels, maxima + first / most * channels);
    }
    if (problem.kind == PoolKind::average) HWY_DYNAMIC_DISPATCH(divide)(dst + begin, count, g.out_height * g.out_width);
    for (std::int64_t first = 0; winners != nullptr && first < g.out_height; first += most)
      clear_beaten(problem, maxima + first / most * channels, dst, (std::min(first + most, g.out_height) - first) * g.out_width,
                   winners + first * row_bytes);
  }
}

}  // namespace conv
}  // namespace linn::detail::kernels
#endif
