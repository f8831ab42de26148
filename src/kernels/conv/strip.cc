// ConvPoolForward as a composition: any implementation of ConvForward, and any of PoolForward behind it.
//
// Loop nest:  small maps: for each few images whose maps fit a quarter of the L2 cache
//               the convolution of these images, then their pooling
//             others: for each image, for each few rows of windows whose rows of the map fit a quarter of the L2 cache
//               the rows that earlier windows share with these move to the front of the strip
//               the convolution of the rows behind them, then the pooling
// Every row of the map is computed once. A part of the map begins at a multiple of the convolution's row_step, so that it has the bits of
// the whole map.
// Measured:   see docs/engine.md.
#include <algorithm>
#include <numeric>

#include "core/checked.h"
#include "kernels/conv/cost.h"
#include "kernels/conv/fused.h"
#include "kernels/conv/mark_no_gradient.h"
#include "kernels/conv/rows.h"

namespace linn::detail::kernels::conv {
namespace {

ConvForward::Problem conv_of(const ConvPoolForward::Problem& problem) {
  ConvForward::Problem conv = {problem.conv, problem.bias, problem.activation};
  set_dense_dst(conv.geometry);
  return conv;
}

PoolForward::Problem pool_of(const ConvPoolForward::Problem& problem) {
  PoolForward::Problem pool = {problem.pool, problem.kind, problem.argmax};
  set_dense_src(pool.geometry);
  return pool;
}

// Rows of the map from the first to the last row of a window.
std::int64_t reach(const Geometry& pool) { return (pool.window_height - 1) * pool.dilation_height + 1; }

// The pooling of these windows, from these rows of the map.
PoolForward::Problem pool_of(const ConvPoolForward::Problem& problem, const Rows& map, const Rows& windows) {
  PoolForward::Problem part = {part_of(problem.pool, map, windows), problem.kind, problem.argmax};
  set_dense_src(part.geometry);
  return part;
}

std::int64_t argmax_row(const Geometry& pool) { return pool.out_width * pool.channels; }

void pool_part(const ConvPoolForward::Problem& problem, const Strip::State& state, const PoolForward::Problem& part, std::int64_t images,
               const float* map, float* dst, std::uint8_t* argmax, float* scratch) {
  const Geometry& pool = problem.pool;
  state.pool.run(part, {images, map, dst, argmax, nullptr, scratch});
  if (argmax == nullptr || problem.activation != Activation::relu) return;
  for (std::int64_t n = 0; n < images; ++n)
    mark_no_gradient(part.geometry, dst + n * pool.dst_image, argmax + n * part.geometry.out_height * argmax_row(pool));
}

// Each few images at a time.
void run_images(const ConvPoolForward::Problem& problem, const Strip::State& state, const ConvPoolForward::Args<float>& args) {
  const Geometry &conv = problem.conv, &pool = problem.pool;
  const ConvForward::Problem whole = conv_of(problem);
  float* map = args.scratch;
  float* scratch = map + std::min(state.images, args.images) * whole.geometry.dst_image;
  for (std::int64_t n = 0; n < args.images; n += state.images) {
    const std::int64_t images = std::min(state.images, args.images - n);
    state.conv.run(whole, {images, args.src + n * conv.src_image, args.kernel, args.packed, args.bias, map, scratch});
    pool_part(problem, state, pool_of(problem), images, map, args.dst + n * pool.dst_image,
              problem.argmax ? args.argmax + n * pool.out_height * argmax_row(pool) : nullptr, scratch);
  }
}

// One image, a few rows of windows at a time.
void run_rows(const ConvPoolForward::Problem& problem, const Strip::State& state, const ConvPoolForward::Args<float>& args, std::int64_t n,
              float* strip, float* scratch) {
  const Geometry &conv = problem.conv, &pool = problem.pool;
  Rows held = {0, 0};  // rows of the map that lie in the strip
  for (std::int64_t first = 0; first < pool.out_height; first += state.windows) {
    const std::int64_t last = std::min(first + state.windows, pool.out_height);
    hold_rows(rows_in_windows(pool, first, last), pool.height, map_row(conv), state.conv.row_step, strip, held,
              [&](const Rows& rows, float* map) {
                state.conv.run(rows_of(conv_of(problem), rows),
                               {1, args.src + n * conv.src_image, args.kernel, args.packed, args.bias, map, scratch});
              });
    pool_part(problem, state, pool_of(problem, held, {first, last}), 1, strip, args.dst + n * pool.dst_image + first * pool.dst_row,
              problem.argmax ? args.argmax + (n * pool.out_height + first) * argmax_row(pool) : nullptr, scratch);
  }
}

}  // namespace

std::optional<Strip::State> Strip::prepare(const ConvPoolForward::Problem& problem, const Policy& policy) {
  const Geometry& pool = problem.pool;
  State state = {choose<ConvForward>(conv_of(problem), policy), choose<PoolForward>(pool_of(problem), policy), 1, pool.out_height, pool.height};
  const std::int64_t row = std::max<std::int64_t>(map_row(problem.conv), 1), fit = strip_elements() / row;
  state.images = fit / std::max<std::int64_t>(pool.height, 1);
  if (state.images >= 1) return state;
  const std::int64_t unaligned = 2 * (state.conv.row_step - 1);
  state.images = 1;
  state.windows = std::clamp<std::int64_t>((fit - unaligned - reach(pool)) / pool.stride_height + 1, 1, pool.out_height);
  state.rows = std::min(pool.height, (state.windows - 1) * pool.stride_height + reach(pool) + unaligned);
  return state;
}

Numerics Strip::numerics(const ConvPoolForward::Problem& problem, const State& state) {
  const Numerics &conv = state.conv.numerics, &pool = state.pool.numerics;
  // The map moves by `stride` cells for each cell of the pooled map.
  const auto period = [&](std::int64_t stride) { return std::lcm(conv.translation_period(), stride) / stride; };
  return {.position_invariant = conv.position_invariant && pool.position_invariant,
          .period = conv.translation_period() == 0 ? 0 : std::lcm(period(problem.pool.stride_height), period(problem.pool.stride_width)),
          .local = conv.local && pool.local,
          .direct_form = conv.direct_form,
          .operands = conv.operands};
}

double Strip::cost(const ConvPoolForward::Problem& problem, const State& state) {
  const Geometry& g = problem.conv;
  const std::int64_t rows_of_call = std::max(state.conv.row_step, state.windows * problem.pool.stride_height);
  const double calls = static_cast<double>(core::ceil_div(problem.pool.height, rows_of_call)) / static_cast<double>(state.images);
  return state.conv.cost + weights_cost(g, state.conv, calls) + pooling_cost(problem.pool) + cached_map_cost(g);
}

std::string Strip::label(const State& state) { return state.conv.full_name(); }

std::int64_t Strip::scratch(const ConvPoolForward::Problem& problem, const State& state, std::int64_t images) {
  const std::int64_t most = std::min(images, state.images);
  return most * state.rows * map_row(problem.conv) +
         std::max(state.conv.scratch(conv_of(problem), most), state.pool.scratch(pool_of(problem), most));
}

std::int64_t Strip::packed(const ConvPoolForward::Problem& problem, const State& state) { return state.conv.packed(conv_of(problem)); }

void Strip::pack(const ConvPoolForward::Problem& problem, const State& state, const float* kernel, float* packed) {
  state.conv.pack(conv_of(problem), kernel, packed);
}

void Strip::run(const ConvPoolForward::Problem& problem, const State& state, const ConvPoolForward::Args<float>& args) {
  if (state.rows == problem.pool.height && state.windows == problem.pool.out_height) return run_images(problem, state, args);
  float* scratch = args.scratch + state.rows * map_row(problem.conv);
  for (std::int64_t n = 0; n < args.images; ++n) run_rows(problem, state, args, n, args.scratch, scratch);
}

}  // namespace linn::detail::kernels::conv
