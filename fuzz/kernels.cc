// Kernels: geometry, options and data drawn from bytes; every implementation on every instruction set against the reference in
// double within the bounds of the tests, nothing written outside its memory, and position_invariant told apart by bits. What is
// checked lies in tests/kernels/*_check.h; here is only what to draw.
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>

#include "check.h"
#include "kernels/adaptive_check.h"
#include "kernels/blur_check.h"
#include "kernels/conv_global_check.h"
#include "kernels/conv_pool_check.h"
#include "kernels/dense_check.h"
#include "kernels/eltwise_check.h"
#include "kernels/general_check.h"
#include "kernels/group_norm_check.h"
#include "kernels/kernels.h"
#include "kernels/layout_check.h"
#include "kernels/low_pass_check.h"
#include "kernels/merge_check.h"
#include "kernels/noise_check.h"
#include "kernels/norm_check.h"
#include "kernels/pad_check.h"
#include "kernels/polyphase_check.h"
#include "kernels/pool_check.h"
#include "kernels/position_check.h"
#include "kernels/prelu_check.h"
#include "kernels/reduce_check.h"
#include "kernels/resample_check.h"

namespace linn::fuzz {
namespace {

using namespace detail::kernels;
using detail::kernels::testing::Values;

/// Numbers from the input's bytes, one each; the lowest of the range when they have run out.
class Draw {
 public:
  explicit Draw(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::int64_t between(std::int64_t low, std::int64_t high) { return low + byte() % (high - low + 1); }
  bool flag() { return byte() % 2 == 1; }
  /// One in `of`.
  bool rarely(std::int64_t of) { return byte() % of == of - 1; }
  std::uint32_t seed() { return static_cast<std::uint32_t>(byte() * 256 + byte()); }
  template <class T>
  T pick(std::initializer_list<T> list) {
    return *std::next(list.begin(), byte() % static_cast<std::ptrdiff_t>(list.size()));
  }

 private:
  std::int64_t byte() {
    if (bytes_.empty()) return 0;
    const auto first = std::to_integer<std::int64_t>(bytes_.front());
    bytes_ = bytes_.subspan(1);
    return first;
  }

  std::span<const std::byte> bytes_;
};

/// Products of one case, about: some milliseconds with all instruction sets and sanitizers.
constexpr std::int64_t most_work = 150'000;

/// `drawn`, or as many times `unit` as the work may hold, but one.
std::int64_t bounded(std::int64_t drawn, std::int64_t unit) {
  return std::clamp<std::int64_t>(most_work / std::max<std::int64_t>(unit, 1), 1, drawn);
}

Window window(Draw& draw) {
  Window w;
  w.height = draw.between(1, 7), w.width = draw.between(1, 7);
  w.stride_height = draw.between(1, 3), w.stride_width = draw.between(1, 3);
  if (draw.rarely(4)) w.dilation_height = draw.between(1, 3), w.dilation_width = draw.between(1, 3);
  w.border = draw.pick({Border::valid, Border::same});
  return w;
}

Activation linear_or_relu(Draw& draw) { return draw.pick({Activation::linear, Activation::relu}); }

std::int64_t work_of(const Geometry& g) {
  return g.out_height * g.out_width * g.window_height * g.window_width * (g.channels / g.groups) * g.out_channels;
}

// ---- convolution ----

struct DrawnConv {
  Geometry geometry;
  std::int64_t images = 1, period = 1;
  std::uint32_t seed = 1;
  bool positions = false;
  Values values = Values::normal;
};

std::optional<DrawnConv> conv(Draw& draw) {
  DrawnConv drawn;
  drawn.positions = draw.rarely(4);
  drawn.period = draw.between(1, 4);
  drawn.seed = draw.seed();
  drawn.values = draw.pick({Values::normal, Values::ties, Values::hostile});
  const Window w = draw.rarely(3) ? Window{.height = 3, .width = 3, .border = draw.pick({Border::valid, Border::same})} : window(draw);
  const std::int64_t height = draw.between(1, 20), width = draw.between(1, 32), groups = draw.rarely(4) ? draw.between(1, 6) : 1;
  std::int64_t channels = draw.between(1, 100), outputs = draw.between(1, 100);
  const auto one = resolve(w, height, width, 1, 1);
  if (!one) return std::nullopt;
  channels = bounded(channels, work_of(*one));
  outputs = bounded(outputs, work_of(*one) * channels);
  if (groups > 1) channels = detail::core::round_up(channels, groups), outputs = detail::core::round_up(outputs, groups);
  drawn.geometry = resolve(w, height, width, channels, outputs, groups).value();
  drawn.images = bounded(draw.between(1, 70), work_of(drawn.geometry));
  if (const std::int64_t gap = draw.between(0, 3); draw.rarely(3) && gap > 0)
    drawn.geometry = detail::kernels::testing::with_gaps(drawn.geometry, gap);
  return drawn;
}

void conv_forward(Draw& draw) {
  const bool bias = draw.flag();
  const Activation activation = linear_or_relu(draw);
  const auto c = conv(draw);
  if (!c) return;
  if (c->positions) return detail::kernels::testing::check_positions_forward(c->geometry, c->images, c->period, c->seed);
  detail::kernels::testing::check_forward(c->geometry, c->images, bias, activation, c->seed, c->values);
}

// Contracts of gradients say nothing of NaN.
Values finite(Values values) { return values == Values::hostile ? Values::normal : values; }

void conv_input_gradient(Draw& draw) {
  const auto c = conv(draw);
  if (!c) return;
  if (c->positions) return detail::kernels::testing::check_positions_input_gradient(c->geometry, c->images, c->period, c->seed);
  detail::kernels::testing::check_input_gradient(c->geometry, c->images, draw.flag(), linear_or_relu(draw), c->seed, finite(c->values));
}

void conv_kernel_gradient(Draw& draw) {
  if (const auto c = conv(draw)) detail::kernels::testing::check_kernel_gradient(c->geometry, c->images, c->seed, finite(c->values));
}

// Those that Winograd's forms take: many channels on maps that are small, so that the work is.
void conv_winograd(Draw& draw) {
  const std::uint32_t seed = draw.seed();
  const Window w = {.height = 3, .width = 3, .border = draw.pick({Border::valid, Border::same})};
  const auto one = resolve(w, draw.between(2, 9), draw.between(2, 9), 1, 1);
  if (!one) return;
  const std::int64_t channels = draw.between(12, 44), outputs = draw.between(12, 44);
  Geometry g = resolve(w, one->height, one->width, channels, outputs).value();
  const std::int64_t images = bounded(draw.between(1, 9), work_of(g));
  if (draw.rarely(3)) keep_dst(g, {draw.between(1, g.out_height), draw.between(1, g.out_width)});
  if (draw.rarely(3)) g = detail::kernels::testing::with_gaps(g, draw.between(1, 3));
  detail::kernels::testing::check_forward(g, images, draw.flag(), linear_or_relu(draw), seed);
  detail::kernels::testing::check_input_gradient(g, images, draw.flag(), linear_or_relu(draw), seed);
  detail::kernels::testing::check_kernel_gradient(g, images, seed);
}

// Those that bfloat16's forms take, Winograd's too: more channels still, some of them beside whole vectors, pairs and planes.
void conv_bf16(Draw& draw) {
  const std::uint32_t seed = draw.seed();
  const Values values = draw.pick({Values::normal, Values::ties});
  const Window w = draw.rarely(3) ? window(draw) : Window{.height = 3, .width = 3, .border = draw.pick({Border::valid, Border::same})};
  const std::int64_t groups = draw.rarely(4) ? 2 : 1, height = draw.between(3, 9), width = draw.between(3, 9);
  const std::int64_t channels = detail::core::round_up(draw.between(15, 56), groups),
                     outputs = detail::core::round_up(draw.between(15, 56), groups);
  const auto drawn = resolve(w, height, width, channels, outputs, groups);
  if (!drawn) return;
  Geometry g = *drawn;
  const std::int64_t images = bounded(draw.between(1, 5), work_of(g) / 8);
  if (draw.rarely(3)) keep_dst(g, {draw.between(1, g.out_height), draw.between(1, g.out_width)});
  if (draw.rarely(3)) g = detail::kernels::testing::with_gaps(g, draw.between(1, 3));
  if (draw.rarely(4)) {
    detail::kernels::testing::check_positions_forward(g, images, 1 + seed % 3, seed);
    detail::kernels::testing::check_positions_input_gradient(g, images, 1 + seed % 3, seed);
    return;
  }
  detail::kernels::testing::check_forward(g, images, draw.flag(), linear_or_relu(draw), seed, values);
  detail::kernels::testing::check_input_gradient(g, images, draw.flag(), linear_or_relu(draw), seed, values);
  detail::kernels::testing::check_kernel_gradient(g, images, seed, values);
}

// Those of few channels on rows of a tile or more.
void conv_few_channels(Draw& draw) {
  const bool positions = draw.rarely(4), bias = draw.flag();
  const Activation activation = linear_or_relu(draw);
  const std::uint32_t seed = draw.seed();
  const Values values = draw.pick({Values::normal, Values::ties, Values::hostile});
  const std::int64_t period = draw.between(1, 4), channels = draw.between(1, 4);
  Window w = window(draw);
  w.dilation_height = w.dilation_width = 1;
  const auto drawn = resolve(w, draw.between(1, 20), draw.between(1, 90), channels, draw.between(1, 70));
  if (!drawn) return;
  Geometry g = *drawn;
  const std::int64_t images = bounded(draw.between(1, 5), work_of(g));
  if (draw.rarely(3)) keep_dst(g, {draw.between(1, g.out_height), draw.between(1, g.out_width)});
  if (draw.rarely(3)) g = detail::kernels::testing::with_gaps(g, draw.between(1, 3));
  if (positions) return detail::kernels::testing::check_positions_forward(g, images, period, seed);
  detail::kernels::testing::check_forward(g, images, bias, activation, seed, values);
}

// Groups of one channel, or of few.
void conv_grouped(Draw& draw) {
  const bool positions = draw.rarely(4), bias = draw.flag();
  const Activation activation = linear_or_relu(draw);
  const std::uint32_t seed = draw.seed();
  const Values values = draw.pick({Values::normal, Values::ties, Values::hostile});
  const std::int64_t period = draw.between(1, 4), multiplier = draw.pick<std::int64_t>({1, 1, 2, 3, 9});
  const std::int64_t depth = draw.pick<std::int64_t>({1, 1, 2, 3, 4, 6, 8, 16}), outputs = depth == 1 ? multiplier : depth;
  const Window w = window(draw);
  const auto one = resolve(w, draw.between(1, 20), draw.between(1, 40), 1, 1);
  if (!one) return;
  const std::int64_t groups = std::max<std::int64_t>(bounded(draw.between(2, 70), work_of(*one) * depth * outputs), 2);
  Geometry g = resolve(w, one->height, one->width, groups * depth, groups * outputs, groups).value();
  const std::int64_t images = bounded(draw.between(1, 9), work_of(g));
  if (draw.rarely(3)) keep_dst(g, {draw.between(1, g.out_height), draw.between(1, g.out_width)});
  if (draw.rarely(3)) g = detail::kernels::testing::with_gaps(g, draw.between(1, 3));
  if (positions) {
    detail::kernels::testing::check_positions_forward(g, images, period, seed);
    detail::kernels::testing::check_positions_input_gradient(g, images, period, seed);
    return;
  }
  detail::kernels::testing::check_forward(g, images, bias, activation, seed, values);
  detail::kernels::testing::check_input_gradient(g, images, bias, activation, seed, finite(values));
  detail::kernels::testing::check_kernel_gradient(g, images, seed, finite(values));
}

// ---- convolution with pooling ----

struct DrawnConvPool {
  detail::kernels::testing::ConvPoolCase of;
  std::int64_t period = 1;
  std::uint32_t seed = 1;
  bool positions = false;
};

DrawnConvPool conv_pool(Draw& draw) {
  DrawnConvPool drawn;
  auto& c = drawn.of;
  drawn.positions = draw.rarely(4);
  drawn.period = draw.between(1, 4);
  drawn.seed = draw.seed();
  c.whole_numbers = draw.flag(), c.hostile = draw.rarely(4);
  c.kind = draw.pick({PoolKind::max, PoolKind::max, PoolKind::average});
  c.argmax = draw.flag(), c.bias = draw.flag(), c.activation = linear_or_relu(draw);
  c.conv.border = draw.pick({Border::valid, Border::same});
  if (draw.rarely(2)) c.conv = window(draw);
  if (draw.rarely(3)) c.pool = window(draw);
  c.height = draw.between(1, 20), c.width = draw.between(1, 24);
  c.gap = draw.pick<std::int64_t>({0, 0, 0, 1, 2, 3});
  c.channels = draw.between(1, 100), c.out_channels = draw.between(1, 100);
  c.groups = draw.rarely(6) ? draw.between(2, 4) : 1;
  if (const auto one = resolve(c.conv, c.height, c.width, 1, 1)) {
    c.channels = detail::core::round_up(bounded(c.channels, work_of(*one)), c.groups);
    c.out_channels = detail::core::round_up(bounded(c.out_channels, work_of(*one) * c.channels), c.groups);
    c.images = bounded(draw.between(1, 70), work_of(*one) * c.channels * c.out_channels);
  }
  return drawn;
}

// Those that tiles of 4x4 take: so many channels that even a small map is much work. With a pooling behind them or without.
void conv_winograd4(Draw& draw) {
  detail::kernels::testing::ConvPoolCase c;
  const bool pooled = draw.flag();
  const std::uint32_t seed = draw.seed();
  c.conv = {.height = 3, .width = 3, .border = draw.pick({Border::valid, Border::same})};
  c.height = draw.between(3, 9), c.width = draw.between(3, 9), c.images = draw.between(1, 2);
  c.channels = draw.between(48, 66), c.out_channels = draw.between(48, 66);
  c.gap = draw.pick<std::int64_t>({0, 0, 1, 3});
  c.bias = draw.flag(), c.activation = linear_or_relu(draw), c.hostile = draw.rarely(4);
  if (pooled) {
    c.kind = draw.pick({PoolKind::max, PoolKind::max, PoolKind::average});
    c.argmax = draw.flag(), c.whole_numbers = draw.flag();
    return detail::kernels::testing::check_conv_pool(c, seed);
  }
  Geometry g = resolve(c.conv, c.height, c.width, c.channels, c.out_channels).value();
  if (draw.rarely(3)) keep_dst(g, {draw.between(1, g.out_height), draw.between(1, g.out_width)});
  if (c.gap > 0) g = detail::kernels::testing::with_gaps(g, c.gap);
  detail::kernels::testing::check_forward(g, c.images, c.bias, c.activation, seed, c.hostile ? Values::hostile : Values::normal);
  detail::kernels::testing::check_input_gradient(g, c.images, c.bias, c.activation, seed);
  detail::kernels::testing::check_kernel_gradient(g, c.images, seed);
}

void conv_pool_forward(Draw& draw) {
  const DrawnConvPool d = conv_pool(draw);
  if (!d.positions) return detail::kernels::testing::check_conv_pool_forward(d.of, d.seed);
  if (const auto problem = detail::kernels::testing::problem_of(d.of))
    detail::kernels::testing::check_positions_conv_pool_forward(*problem, d.of.images, d.period, d.seed);
}

void conv_pool_gradients(Draw& draw) {
  const DrawnConvPool d = conv_pool(draw);
  if (!d.positions) return detail::kernels::testing::check_conv_pool_gradients(d.of, d.seed);
  if (const auto problem = detail::kernels::testing::problem_of(d.of); problem && d.of.groups == 1)
    detail::kernels::testing::check_positions_conv_pool_input_gradient({problem->conv, problem->pool}, d.of.images, d.period, d.seed);
}

void conv_global(Draw& draw) {
  detail::kernels::testing::ConvGlobalCase c;
  const bool positions = draw.rarely(4);
  const std::uint32_t seed = draw.seed();
  c.kind = draw.pick({PoolKind::max, PoolKind::max, PoolKind::average});
  c.values = draw.pick({Values::ties, Values::normal, Values::hostile});
  c.winners = draw.flag(), c.bias = draw.flag(), c.activation = linear_or_relu(draw);
  c.conv.border = draw.pick({Border::valid, Border::same});
  if (draw.rarely(2)) c.conv = window(draw);
  c.height = draw.between(1, 20), c.width = draw.between(1, 24);
  c.gap = draw.pick<std::int64_t>({0, 0, 0, 1, 2, 3});
  c.channels = draw.between(1, 100), c.out_channels = draw.between(1, 100);
  c.groups = draw.rarely(6) ? draw.between(2, 4) : 1;
  const auto one = resolve(c.conv, c.height, c.width, 1, 1);
  if (!one) return;
  c.channels = detail::core::round_up(bounded(c.channels, work_of(*one)), c.groups);
  c.out_channels = detail::core::round_up(bounded(c.out_channels, work_of(*one) * c.channels), c.groups);
  c.images = bounded(draw.between(1, 70), work_of(*one) * c.channels * c.out_channels);
  if (!positions) return detail::kernels::testing::check_conv_global(c, seed);
  if (const auto problem = detail::kernels::testing::problem_of(c))
    detail::kernels::testing::check_positions_conv_global(*problem, std::min<std::int64_t>(c.images, 2), seed);
}

// ---- matrix products ----

void dense_forward(Draw& draw) {
  const bool positions = draw.rarely(4), bias = draw.flag();
  const Activation activation = linear_or_relu(draw);
  const std::uint32_t seed = draw.seed();
  const Values values = draw.pick({Values::normal, Values::ties, Values::hostile});
  const std::int64_t outputs = draw.between(1, 100), inputs = draw.between(1, 100) * draw.pick<std::int64_t>({1, 1, 20});
  const std::int64_t rows = bounded(draw.between(1, 70) * draw.pick<std::int64_t>({1, 1, 5}), inputs * outputs);
  if (positions) return detail::kernels::testing::check_positions_dense(rows, inputs, outputs, seed);
  detail::kernels::testing::check_dense_forward(rows, inputs, outputs, bias, activation, seed, values);
}

void dense_kernel_gradient(Draw& draw) {
  const std::uint32_t seed = draw.seed();
  const Values values = draw.pick({Values::normal, Values::ties});
  const std::int64_t outputs = draw.between(1, 100), inputs = draw.between(1, 100), shard = draw.between(1, 20);
  detail::kernels::testing::check_dense_gradient(bounded(draw.between(1, 150), inputs * outputs), inputs, outputs, shard, seed, values);
}

void transpose(Draw& draw) {
  const std::uint32_t seed = draw.seed();
  const std::int64_t batches = draw.between(1, 9), rows = draw.between(1, 100);
  detail::kernels::testing::check_transpose(batches, rows, draw.between(1, 100), seed);
}

void column_sum(Draw& draw) {
  const std::uint32_t seed = draw.seed();
  const std::int64_t rows = draw.between(0, 100);
  detail::kernels::testing::check_column_sum(rows, draw.between(1, 200), seed);
}

// ---- pooling ----

void pool(Draw& draw) {
  check::PoolCase c;
  const bool positions = draw.rarely(4);
  const std::int64_t period = draw.between(1, 4);
  const std::uint32_t seed = draw.seed();
  c.window = window(draw);
  if (draw.rarely(8)) c.window.height += draw.between(0, 12), c.window.width += draw.between(0, 12);  // beyond 256 cells
  c.height = draw.between(1, 24), c.width = draw.between(1, 40), c.channels = draw.between(1, 100);
  c.kind = draw.pick({PoolKind::max, PoolKind::average});
  c.argmax = draw.flag();
  c.values = draw.pick({Values::ties, Values::normal, Values::hostile});
  c.gap = draw.pick<std::int64_t>({0, 0, 0, 1, 2, 3});
  const auto one = resolve(c.window, c.height, c.width, 1, 1);
  if (!one) return;
  const std::int64_t work = 2 * (work_of(*one) + c.height * c.width);
  c.channels = bounded(c.channels, work);
  c.images = bounded(draw.between(1, 70), work * c.channels);
  if (!positions) return check::check_pool(c, seed);
  Geometry g = resolve(c.window, c.height, c.width, c.channels, c.channels).value();
  check::widen(g, c.gap);
  detail::kernels::testing::check_positions_pool(g, c.kind, c.images, period, seed);
  detail::kernels::testing::check_positions_pool_gradient(g, c.kind, c.images, period, seed);
}

void global_pool(Draw& draw) {
  const std::uint32_t seed = draw.seed();
  const PoolKind kind = draw.pick({PoolKind::max, PoolKind::average});
  const Values values = draw.pick({Values::ties, Values::normal, Values::hostile});
  const std::int64_t pixels = draw.between(1, 200), channels = draw.between(1, 200);
  check::check_global_pool(bounded(draw.between(1, 70), pixels * channels * 10), pixels, channels, kind, values, seed);
}

// ---- padding ----

void pad(Draw& draw) {
  const bool positions = draw.rarely(4);
  const std::uint32_t seed = draw.seed();
  const PadMode mode = draw.pick({PadMode::zero, PadMode::circular, PadMode::reflect, PadMode::replicate});
  const Values values = draw.pick({Values::ties, Values::normal, Values::hostile});
  const Pads pads = {draw.between(0, 12), draw.between(0, 12), draw.between(0, 12), draw.between(0, 12)};
  const std::int64_t height = draw.between(1, 12), width = draw.between(1, 24);
  const std::int64_t channels = bounded(draw.between(1, 100), 20 * (height + 24) * (width + 24));
  const std::int64_t images = bounded(draw.between(1, 9), 20 * (height + 24) * (width + 24) * channels);
  if (positions) return detail::kernels::testing::check_positions_pad(height % 4 + 1, width % 4 + 1, channels, pads, images, seed);
  check::check_pad({height, width, channels, pads, mode}, images, values, seed);
}

// ---- blur ----

void blur(Draw& draw) {
  const bool positions = draw.rarely(4);
  const std::int64_t period = draw.between(1, 4);
  const std::uint32_t seed = draw.seed();
  const Values values = draw.pick({Values::ties, Values::normal, Values::hostile});
  Window w;
  w.height = draw.between(1, most_blur_taps), w.width = draw.between(1, most_blur_taps);
  w.stride_height = draw.between(1, 4), w.stride_width = draw.between(1, 4);
  const std::int64_t height = w.height + draw.between(0, 16), width = w.width + draw.between(0, 24);
  const std::int64_t channels = bounded(draw.between(1, 100), height * width * w.height * w.width);
  const std::int64_t images = bounded(draw.between(1, 9), height * width * w.height * w.width * channels);
  const Geometry g = resolve(w, height, width, channels, channels).value();
  if (positions) return detail::kernels::testing::check_positions_blur(g, images, period, seed);
  check::check_blur(g, images, values, seed);
}

// ---- polyphase sampling ----

void phases(Draw& draw) {
  const bool choice = draw.flag();
  const std::uint32_t seed = draw.seed();
  const PhaseScore score = draw.pick({PhaseScore::l1, PhaseScore::l2, PhaseScore::linf, PhaseScore::mean});
  const Values values = draw.pick({Values::ties, Values::normal, Values::hostile});
  Phases p = {.stride_height = draw.between(1, 4), .stride_width = draw.between(1, 4)};
  p.height = p.stride_height * draw.between(1, 9), p.width = p.stride_width * draw.between(1, 9);
  p.channels = bounded(draw.between(1, 60), (choice ? p.rows() * p.columns() : 40) * p.height * p.width);
  const std::int64_t images = choice ? 1 : bounded(draw.between(1, 9), 40 * p.map());
  const std::vector<float> src = check::make(images * p.map(), values, seed);
  if (choice) return check::check_phase_choice(p, score, src);
  check::check_phase_scores(p, score, images, src);
}

void phase_mix(Draw& draw) {
  const std::uint32_t seed = draw.seed();
  const Values values = draw.pick({Values::ties, Values::normal});
  Phases p = {.stride_height = draw.between(1, 4), .stride_width = draw.between(1, 4)};
  p.height = p.stride_height * draw.between(1, 9), p.width = p.stride_width * draw.between(1, 9);
  p.channels = bounded(draw.between(1, 100), 40 * p.height * p.width);
  check::check_phase_mix_gradient(p, bounded(draw.between(1, 9), 40 * p.map()), values, seed);
}

void phase_pool(Draw& draw) {
  const std::uint32_t seed = draw.seed();
  const Values values = draw.pick({Values::ties, Values::normal});
  Phases p = {.stride_height = draw.between(1, 4), .stride_width = draw.between(1, 4)};
  p.height = p.stride_height * draw.between(1, 7), p.width = p.stride_width * draw.between(1, 7);
  const std::int64_t height = draw.between(1, 5), width = draw.between(1, 5);
  p.channels = bounded(draw.between(1, 80), 40 * p.height * p.width);
  check::check_phase_pool(height, width, p, bounded(draw.between(1, 9), 40 * p.map()), values, seed);
}

// ---- element by element ----

void activation(Draw& draw) {
  const auto functions = all_activations();
  const Activation function = functions[static_cast<std::size_t>(draw.between(0, static_cast<std::int64_t>(functions.size()) - 1))];
  const std::uint32_t seed = draw.seed();
  const Values values = draw.pick({Values::normal, Values::ties, Values::hostile});
  const std::int64_t count = draw.between(0, 200);
  ActivationSpec spec = function;
  if (function == Activation::clipped_relu) spec = {function, draw.pick({0.0, 0.25, 1.5}), draw.pick({1.0, 2.0, 6.0, 1e30}), draw.pick({0.0, 1.0})};
  if (function == Activation::elu || function == Activation::celu) spec = {function, draw.pick({0.3, 1.0, 2.0})};
  if (function == Activation::power) spec = {function, draw.pick({-2.0, -1.0, -0.3, 0.0, 0.5, 1.5, 2.0, 3.0})};
  check::check_activation(spec, count, values, seed);
}

void gather(Draw& draw) {
  const DType type = draw.pick({DType::u8, DType::f32, DType::i32, DType::i64, DType::f64, DType::bf16});
  const std::int64_t row = draw.between(1, 150), rows = draw.between(1, 30);
  std::vector<std::int64_t> index;
  for (std::int64_t r = 0; r < rows; ++r) index.push_back(draw.between(0, rows - 1));
  check::check_gather(type, row, index);
}

void rescale(Draw& draw) {
  const std::uint32_t seed = draw.seed();
  const double scale = draw.pick({1 / 255.0, 1.0, -3.5, 0.0, 1e30}), offset = draw.pick({0.0, -0.5, 0.1});
  const Values values = draw.pick({Values::normal, Values::ties, Values::hostile});
  check::check_rescale({scale, offset}, draw.between(0, 200), values, seed);
}

void add(Draw& draw) {
  const std::uint32_t seed = draw.seed();
  const Values values = draw.pick({Values::normal, Values::ties, Values::hostile});
  check::check_add(draw.between(0, 200), values, seed);
}

void dropout(Draw& draw) {
  const double rate = draw.pick({0.0, 0.1, 0.25, 0.5, 0.9, 1 - 0x1p-24, 0x1p-30, 0.75 + 0x1p-26});
  const std::uint64_t first = draw.pick<std::uint64_t>({0, 1, 1000, 4 * 0xffffffc0ull, 0xffffffffffffff00ull / 4, 4 * 0x1ffffffffull});
  const std::uint64_t offset = static_cast<std::uint64_t>(draw.between(0, 255)), seed = draw.seed(), stream = draw.seed();
  check::check_dropout(rate, first + offset, draw.between(0, 255), seed << 20 | 5, stream << 30 | 7);
}

void update(Draw& draw) {
  const std::uint32_t seed = draw.seed();
  const Values values = draw.pick({Values::normal, Values::ties, Values::hostile});
  const check::UpdateState start(draw.between(0, 200), values, seed);
  const bool one = draw.flag(), other = draw.flag();
  switch (draw.between(0, 2)) {
    case 0: return check::check_adam({.beta_1 = one ? 0.9 : 0.0, .epsilon = one ? 1e-7 : 1.0, .amsgrad = other}, 1e-3, start);
    case 1: return check::check_sgd({one ? 0.9 : 0.0, other}, 0.01, start);
    default: return check::check_rmsprop({.momentum = one ? 0.9 : 0.0, .epsilon = one ? 1e-7 : 5.0, .centered = other}, 0.01, start);
  }
}

// ---- batch normalization ----

void norm_moments(Draw& draw) {
  const std::int64_t channels = draw.between(1, 140), pixels = bounded(draw.between(1, 200), channels), images = draw.between(1, 3);
  const double mean = draw.pick({0.0, 0.5, -1e3, 1e5}), deviation = draw.pick({1.0, 1e-2, 0.0});
  detail::kernels::testing::check_moments(images, pixels, channels, mean, deviation);
}

void norm(Draw& draw) {
  const std::int64_t channels = draw.between(1, 140), rows = bounded(draw.between(1, 200), channels);
  const Activation activation = linear_or_relu(draw);
  switch (draw.between(0, 3)) {
    case 0: return detail::kernels::testing::check_norm_forward(rows, channels, activation);
    case 1: return detail::kernels::testing::check_norm_gradient_sums(rows, channels, activation);
    case 2: return detail::kernels::testing::check_norm_input_gradient(rows, channels, activation);
    default: return detail::kernels::testing::check_positions_norm(rows, channels, activation, draw.seed());
  }
}

// ---- rows ----

void softmax(Draw& draw) {
  const std::uint32_t seed = draw.seed();
  const SoftmaxKind kind = draw.pick({SoftmaxKind::softmax, SoftmaxKind::log_softmax, SoftmaxKind::sparsemax});
  const std::int64_t rows = draw.between(0, 20), classes = draw.between(1, 200);
  check::check_softmax(rows, classes, kind, seed);
  check::check_softmax_gradient(rows, classes, kind, seed);
}

void crossentropy(Draw& draw) {
  const std::uint32_t seed = draw.seed();
  const bool dense = draw.flag(), logits = draw.flag();
  const Crossentropy::Problem problem{draw.between(2, 200), logits ? Prediction::logits : Prediction::probabilities, draw.pick({0.0, 0.1, 0.5})};
  check::check_crossentropy(problem, draw.between(0, 20), dense, seed);
}

// ---- several inputs, moves ----

void merge(Draw& draw) {
  check::MergeCase c;
  const std::uint32_t seed = draw.seed();
  c.kind = draw.pick({MergeKind::add, MergeKind::subtract, MergeKind::multiply, MergeKind::average, MergeKind::maximum, MergeKind::minimum});
  c.values = draw.pick({Values::normal, Values::ties, Values::hostile});
  c.images = draw.between(1, 3);
  const std::int64_t height = draw.between(1, 6), width = draw.between(1, 6), channels = draw.between(1, 70);
  const std::int64_t inputs = c.kind == MergeKind::subtract ? 2 : draw.between(1, 4);
  for (std::int64_t k = 0; k < inputs; ++k)
    c.shapes.push_back(draw.pick<Shape>({{height, width, channels}, {1, 1, channels}, {height, width, 1}, {1, width, channels}, {channels}, {1}}));
  check::check_merge(c, seed);
}

void moves(Draw& draw) {
  const std::uint32_t seed = draw.seed();
  const std::int64_t images = draw.between(1, 3), rows = draw.between(1, 9), row = draw.between(1, 100), gap = draw.between(0, 5);
  if (draw.flag()) {
    CopyMap::Problem problem{.height = rows, .width = draw.between(1, 4), .channels = row, .src = {}, .dst = {}};
    for (Pitches* pitches : {&problem.src, &problem.dst}) {
      pitches->pixel = row + draw.between(0, 5);
      pitches->row = problem.width * pitches->pixel + draw.between(0, 5);
      pitches->image = rows * pitches->row + gap;
    }
    return check::check_copy_map(problem, images, seed);
  }
  const Shape order = draw.pick<Shape>({{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}});
  check::check_permute({{rows, 1 + gap, row}, order}, images, seed);
}

// ---- layer and group normalization, learned slopes, other resolutions, noise ----

void group_norm(Draw& draw) {
  const std::uint32_t seed = draw.seed();
  const std::int64_t groups = draw.between(1, 8), channels = groups * draw.between(2, 12);
  const std::int64_t pixels = draw.flag() ? 1 : draw.between(2, 60), images = draw.between(1, 4);
  const GroupScale scale = pixels > 1 ? GroupScale::deviation : draw.pick({GroupScale::deviation, GroupScale::root_mean_square, GroupScale::length});
  check::check_group_norm({pixels, channels, groups, 1e-3, scale}, images, draw.pick({0.0, 0.5, -20.0}), draw.pick({1.0, 0.25}), seed);
}

void prelu(Draw& draw) {
  const std::uint32_t seed = draw.seed();
  const std::int64_t height = draw.between(1, 6), width = draw.between(1, 6), channels = draw.between(1, 70);
  const Shape slopes = draw.pick<Shape>({{1, 1, channels}, {height, width, channels}, {height, 1, 1}, {1, width, channels}, {1, 1, 1}});
  check::check_prelu({height, width, channels}, slopes, draw.between(1, 3), draw.pick({Values::normal, Values::ties, Values::hostile}), seed);
}

void resample(Draw& draw) {
  const std::uint32_t seed = draw.seed();
  const Interpolation interpolation = draw.pick({Interpolation::nearest, Interpolation::bilinear});
  const std::int64_t height = draw.between(1, 9), width = draw.between(1, 9), channels = draw.between(1, 40);
  check::check_resample({height, width, channels, draw.between(1, 14), draw.between(1, 14), interpolation}, draw.between(1, 2), seed);
}

void adaptive_pool(Draw& draw) {
  const std::uint32_t seed = draw.seed();
  const PoolKind kind = draw.pick({PoolKind::max, PoolKind::average});
  const Values values = kind == PoolKind::max ? draw.pick({Values::normal, Values::ties, Values::hostile}) : Values::normal;
  const std::int64_t height = draw.between(1, 9), width = draw.between(1, 9), channels = draw.between(1, 40);
  check::check_adaptive_pool({height, width, channels, draw.between(1, 10), draw.between(1, 10), kind}, draw.between(1, 2), values, seed);
}

void general_pool(Draw& draw) {
  const std::uint32_t seed = draw.seed();
  GeneralPoolForward::Problem p;
  p.function = draw.pick({PoolFunction::lp, PoolFunction::generalized_mean, PoolFunction::soft, PoolFunction::expected, PoolFunction::sampled,
                          PoolFunction::mixed, PoolFunction::gated});
  p.exponent = draw.pick({1.0, 2.0, 3.0, 1.5, 6.25});
  p.least = 0.05;
  p.share = draw.pick({-1.0, 0.5});
  p.per_channel = draw.flag();
  const bool ties = draw.flag() && p.function != PoolFunction::generalized_mean;
  Window w;
  w.height = draw.between(1, 4), w.width = draw.between(1, 4);
  w.stride_height = draw.between(1, 4), w.stride_width = draw.between(1, 4);
  w.dilation_height = draw.between(1, 3), w.dilation_width = draw.between(1, 3);
  w.border = Border::same;
  const std::int64_t channels = draw.between(1, 40);
  p.geometry = resolve(w, draw.between(1, 12), draw.between(1, 12), channels, channels).value();
  check::check_general(p, draw.between(1, 2), ties ? Values::ties : Values::normal, seed);
}

void ring_filter(Draw& draw) {
  const std::uint32_t seed = draw.seed();
  const auto axis = [&] { return low_frequencies(draw.between(1, 20), draw.between(1, 4), draw.flag()); };
  check::check_ring_filter({axis(), axis(), draw.between(1, 80)}, draw.between(1, 2), draw.pick({Values::normal, Values::ties}), seed);
}

void pixel_filter(Draw& draw) {
  const std::uint32_t seed = draw.seed();
  const Window w{draw.between(1, 4), draw.between(1, 4), draw.between(1, 3), draw.between(1, 3)};
  const std::int64_t height = draw.between(4, 10), width = draw.between(4, 10), groups = draw.between(1, 6), channels = draw.between(1, 20);
  check::check_pixel_filter(check::pixel_filter_problem(w, height, width, groups, channels), draw.between(1, 2),
                            draw.pick({Values::normal, Values::ties, Values::hostile}), seed);
}

void region_max(Draw& draw) {
  const std::uint32_t seed = draw.seed();
  const std::int64_t height = draw.between(1, 9), width = draw.between(1, 9), channels = draw.between(1, 40);
  check::check_region_max({height, width, channels, draw.between(1, height), draw.between(1, width)}, draw.between(0, 3), draw.between(1, 2),
                          draw.pick({Values::normal, Values::ties, Values::hostile}), seed);
}

void spatial_dropout(Draw& draw) {
  const std::uint64_t seed = draw.seed(), first = static_cast<std::uint64_t>(draw.between(0, 255));
  check::check_spatial_dropout({draw.pick({0.0, 0.25, 0.9}), draw.between(1, 9), draw.between(1, 70)}, draw.between(1, 3), first, seed, seed << 30 | 7);
}

void gaussian_noise(Draw& draw) {
  const std::uint64_t seed = draw.seed(), first = static_cast<std::uint64_t>(draw.between(0, 255)) << draw.between(0, 30);
  check::check_gaussian_noise({draw.pick({0.0, 0.25, 2.0}), draw.between(0, 1) == 1}, draw.between(1, 90), first, seed, seed << 30 | 7);
}

// ---- all ----

struct Case {
  void (*run)(Draw&);
  std::initializer_list<std::string_view> kernels;
};

// An input's first byte chooses by number, so new ones go to the end, where they change no kept input.
constexpr Case cases[] = {
    {conv_forward, {ConvForward::name}},
    {conv_input_gradient, {ConvInputGradient::name}},
    {conv_kernel_gradient, {ConvKernelGradient::name}},
    {conv_pool_forward, {ConvPoolForward::name}},
    {conv_pool_gradients, {ConvPoolKernelGradient::name, ConvPoolInputGradient::name}},
    {dense_forward, {DenseForward::name}},
    {dense_kernel_gradient, {DenseKernelGradient::name}},
    {transpose, {TransposeKernel::name}},
    {column_sum, {ColumnSum::name}},
    {pool, {PoolForward::name, PoolInputGradient::name}},
    {global_pool, {GlobalPoolForward::name, GlobalPoolInputGradient::name}},
    {activation, {ActivationForward::name, ActivationGradient::name}},
    {gather, {Gather::name}},
    {rescale, {Rescale::name}},
    {add, {Add::name}},
    {dropout, {Dropout::name}},
    {update, {AdamUpdate::name, SgdUpdate::name, RmspropUpdate::name}},
    {norm_moments, {NormMoments::name}},
    {norm, {NormForward::name, NormGradientSums::name, NormInputGradient::name}},
    {conv_winograd, {ConvForward::name, ConvInputGradient::name, ConvKernelGradient::name}},
    {conv_global, {ConvGlobalPoolForward::name, ConvGlobalPoolKernelGradient::name, ConvGlobalPoolInputGradient::name}},
    {pad, {PadForward::name, PadInputGradient::name}},
    {blur, {BlurForward::name, BlurInputGradient::name}},
    {phases, {PhaseScores::name}},
    {softmax, {SoftmaxForward::name, SoftmaxGradient::name}},
    {crossentropy, {Crossentropy::name}},
    {phase_mix, {PhaseMixGradient::name}},
    {conv_winograd4, {ConvForward::name, ConvInputGradient::name, ConvKernelGradient::name, ConvPoolForward::name}},
    {conv_bf16, {ConvForward::name, ConvInputGradient::name, ConvKernelGradient::name}},
    {conv_grouped, {ConvForward::name, ConvInputGradient::name, ConvKernelGradient::name}},
    {merge, {Merge::name, MergeGradient::name}},
    {moves, {CopyMap::name, Permute::name}},
    {group_norm, {GroupNormForward::name, GroupNormGradient::name}},
    {prelu, {PReluForward::name, PReluGradient::name}},
    {resample, {ResampleForward::name, ResampleInputGradient::name}},
    {adaptive_pool, {AdaptivePoolForward::name, AdaptivePoolInputGradient::name}},
    {spatial_dropout, {SpatialDropout::name}},
    {conv_few_channels, {ConvForward::name}},
    {phase_pool, {PhasePoolForward::name, PhasePoolInputGradient::name}},
    {general_pool, {GeneralPoolForward::name, GeneralPoolGradient::name}},
    {ring_filter, {RingFilterForward::name, RingFilterInputGradient::name}},
    {pixel_filter, {PixelFilterForward::name, PixelFilterGradient::name}},
    {region_max, {RegionMaxForward::name}},
    {gaussian_noise, {GaussianNoise::name}},
};

constexpr bool fuzzed(std::string_view kernel) {
  for (const Case& c : cases)
    for (const std::string_view name : c.kernels)
      if (name == kernel) return true;
  return false;
}

// Every kernel that has more than its reference.
#define LINN_KERNEL(kernel, ...) __VA_OPT__(static_assert(fuzzed(kernel::name), "this kernel has no case in fuzz/kernels.cc");)
#include "kernels/registry.inc"
#undef LINN_KERNEL

}  // namespace
}  // namespace linn::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace linn;
  if (size == 0) return 0;
  fuzz::Draw draw(fuzz::bytes_of(data, size).subspan(1));
  fuzz::cases[data[0] % std::size(fuzz::cases)].run(draw);
  // Googletest has printed what was found.
  fuzz::check(!::testing::Test::HasFailure(), "a kernel keeps its promises");
  return 0;
}
