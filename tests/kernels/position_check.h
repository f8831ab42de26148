// Whether `position_invariant` is true: a pattern that repeats itself over the map gives outputs that repeat themselves, bit for
// bit, wherever a window touches no border. Every implementation that claims it, on every instruction set, at every position.
#pragma once

#include <numeric>

#include "core/checked.h"
#include "kernels/blur_check.h"
#include "kernels/conv_global_check.h"
#include "kernels/conv_pool_check.h"
#include "kernels/pad_check.h"
#include "kernels/polyphase_check.h"

namespace linn::detail::kernels::testing {

/// Along one axis: positions [first, last) touch no border, and those `period` apart see the same.
struct Stretch {
  std::int64_t first, last, period;
};

/// Outputs whose windows lie in [begin, end) of the map, which repeats itself every `period`.
inline Stretch windows_within(std::int64_t begin, std::int64_t end, std::int64_t period, std::int64_t window, std::int64_t stride,
                              std::int64_t dilation, std::int64_t pad, std::int64_t out) {
  const std::int64_t last_start = end - 1 - (window - 1) * dilation + pad;
  return {std::min(core::ceil_div(begin + pad, stride), out), last_start < 0 ? 0 : std::min(last_start / stride + 1, out),
          period / std::gcd(period, stride)};
}

/// Source positions all of whose windows are among outputs [begin, end), which repeat themselves every `period`.
inline Stretch seen_by(std::int64_t begin, std::int64_t end, std::int64_t period, std::int64_t window, std::int64_t stride,
                       std::int64_t dilation, std::int64_t pad, std::int64_t size) {
  return {std::max<std::int64_t>(begin * stride - pad + (window - 1) * dilation, 0), std::min((end - 1) * stride - pad + 1, size),
          stride * period};
}

struct Stretches {
  Stretch rows, columns;
};

inline Stretches windows_within(const Geometry& g, const Stretches& map) {
  return {windows_within(map.rows.first, map.rows.last, map.rows.period, g.window_height, g.stride_height, g.dilation_height, g.pad_top,
                         g.out_height),
          windows_within(map.columns.first, map.columns.last, map.columns.period, g.window_width, g.stride_width, g.dilation_width,
                         g.pad_left, g.out_width)};
}

inline Stretches seen_by(const Geometry& g, const Stretches& out) {
  return {seen_by(out.rows.first, out.rows.last, out.rows.period, g.window_height, g.stride_height, g.dilation_height, g.pad_top, g.height),
          seen_by(out.columns.first, out.columns.last, out.columns.period, g.window_width, g.stride_width, g.dilation_width, g.pad_left,
                  g.width)};
}

inline Stretches whole_src(const Geometry& g, std::int64_t period) { return {{0, g.height, period}, {0, g.width, period}}; }
inline Stretches whole_dst(const Geometry& g, std::int64_t period) { return {{0, g.out_height, period}, {0, g.out_width, period}}; }

/// Windows that cross no border, of outputs that repeat themselves.
inline Stretches whole_windows(const Geometry& g, std::int64_t period) {
  Stretches result = windows_within(g, whole_src(g, 1));
  result.rows.period = result.columns.period = period;
  return result;
}

/// Where the elements of a map lie.
struct MapPitches {
  std::int64_t images, image, row, pixel, channels;
};

inline MapPitches src_pitches(const Geometry& g, std::int64_t images) { return {images, g.src_image, g.src_row, g.src_pixel, g.channels}; }
inline MapPitches dst_pitches(const Geometry& g, std::int64_t images) { return {images, g.dst_image, g.dst_row, g.dst_pixel, g.out_channels}; }
inline MapPitches dense(std::int64_t images, std::int64_t height, std::int64_t width, std::int64_t channels) {
  return {images, height * width * channels, width * channels, channels, channels};
}

/// A map of height x width in which the top left period x period pixels repeat themselves, in every image.
template <class T, class Make>
Guarded<T> repeated(const MapPitches& at, std::int64_t height, std::int64_t width, std::int64_t period, const Make& make) {
  const auto pattern = make(period * period * at.channels);
  Guarded<T> map(at.images * at.image);
  for (std::int64_t n = 0; n < at.images; ++n)
    for (std::int64_t y = 0; y < height; ++y)
      for (std::int64_t x = 0; x < width; ++x)
        for (std::int64_t c = 0; c < at.channels; ++c)
          map[n * at.image + y * at.row + x * at.pixel + c] =
              static_cast<T>(pattern[static_cast<std::size_t>((y % period * period + x % period) * at.channels + c)]);
  return map;
}

inline Buffer repeated_values(const MapPitches& at, std::int64_t height, std::int64_t width, std::int64_t period, std::uint32_t seed) {
  return repeated<float>(at, height, width, period, [&](std::int64_t count) { return random_values(count, seed); });
}

/// An argmax that repeats itself; where a window crosses a border, its first cell in the map (none: 0), as the forward call would say.
inline Bytes repeated_cells(const Geometry& pool, std::int64_t images, std::int64_t period, std::uint32_t seed) {
  const std::int64_t cells = std::min<std::int64_t>(pool.window_height * pool.window_width, 256);
  const MapPitches at = dense(images, pool.out_height, pool.out_width, pool.channels);
  Bytes argmax = repeated<std::uint8_t>(at, pool.out_height, pool.out_width, period, [&](std::int64_t count) {
    std::vector<std::int64_t> result(static_cast<std::size_t>(count));
    std::mt19937 engine(seed);
    for (std::int64_t& cell : result) cell = static_cast<std::int64_t>(engine()) % cells;
    return result;
  });
  const Stretches whole = whole_windows(pool, period);
  const std::vector<float> ones(static_cast<std::size_t>(images * pool.src_image), 1.0f);
  Buffer largest(images * pool.dst_image);
  Bytes first(argmax.size());
  PoolForward::reference<float>({pool, PoolKind::max, true}, {images, ones.data(), largest.data(), first.data(), nullptr, nullptr});
  for (std::int64_t i = 0; i < argmax.size(); ++i) {
    const std::int64_t y = i % at.image / at.row, x = i % at.row / at.pixel;
    if (y < whole.rows.first || y >= whole.rows.last || x < whole.columns.first || x >= whole.columns.last) argmax[i] = first[i];
  }
  return argmax;
}

/// Pixels a period apart, in all images, have the same bits.
template <class T>
::testing::AssertionResult repeats(const Guarded<T>& map, const MapPitches& at, const Stretches& where) {
  for (std::int64_t n = 0; n < at.images; ++n)
    for (std::int64_t y = where.rows.first; y < where.rows.last; ++y)
      for (std::int64_t x = where.columns.first; x < where.columns.last; ++x) {
        const std::int64_t from_y = where.rows.first + (y - where.rows.first) % where.rows.period;
        const std::int64_t from_x = where.columns.first + (x - where.columns.first) % where.columns.period;
        const T* one = map.data() + n * at.image + y * at.row + x * at.pixel;
        const T* other = map.data() + from_y * at.row + from_x * at.pixel;
        for (std::int64_t c = 0; c < at.channels; ++c)
          if (std::memcmp(one + c, other + c, sizeof(T)) != 0)
            return ::testing::AssertionFailure() << "image " << n << ", " << y << ", " << x << ", channel " << c << " is " << +one[c]
                                                 << ", but at " << from_y << ", " << from_x << " in image 0 it is " << +other[c];
      }
  return ::testing::AssertionSuccess();
}

template <class Kernel, class Visit>
void for_each_invariant(const typename Kernel::Problem& problem, const Visit& visit) {
  for_each_implementation<Kernel>(problem, [&](const Implementation<Kernel>& f) {
    if (f.numerics.position_invariant) visit(f);
  });
}

/// The same of every implementation whose bits repeat themselves after some cells: `visit(f, where)`, `where` being the places of the map
/// that see the same, and that many cells apart.
template <class Kernel, class Visit>
void for_each_periodic(const typename Kernel::Problem& problem, const Stretches& same, const Visit& visit) {
  for_each_implementation<Kernel>(problem, [&](const Implementation<Kernel>& f) {
    const std::int64_t cells = f.numerics.translation_period();
    if (cells == 0) return;
    Stretches where = same;
    for (Stretch* stretch : {&where.rows, &where.columns}) stretch->period = std::lcm(stretch->period, cells);
    visit(f, where);
  });
}

inline void check_positions_forward(const Geometry& g, std::int64_t images, std::int64_t period, std::uint32_t seed) {
  const ConvForward::Problem problem = {g, true, Activation::relu};
  const Buffer src = repeated_values(src_pitches(g, images), g.height, g.width, period, seed);
  const Buffer kernel(random_values(kernel_size(g), seed + 1)), bias(random_values(g.out_channels, seed + 2));
  for_each_periodic<ConvForward>(problem, windows_within(g, whole_src(g, period)), [&](const auto& f, const Stretches& where) {
    Buffer dst(images * g.dst_image, untouched), scratch(f.scratch(problem, images), unwritten);
    const Buffer packed = packed_for(f, problem, kernel);
    f.run(problem, {images, src.data(), kernel.data(), packed.data(), bias.data(), dst.data(), scratch.data()});
    EXPECT_TRUE(repeats(dst, dst_pitches(g, images), where)) << text(g);
  });
}

inline void check_positions_input_gradient(const Geometry& g, std::int64_t images, std::int64_t period, std::uint32_t seed) {
  const Buffer ddst = repeated_values(dst_pitches(g, images), g.out_height, g.out_width, period, seed),
               kernel(random_values(kernel_size(g), seed + 1));
  for_each_invariant<ConvInputGradient>(g, [&](const Implementation<ConvInputGradient>& f) {
    Buffer dsrc(images * g.src_image, untouched), scratch(f.scratch(g, images), unwritten);
    const Buffer packed = packed_for(f, g, kernel);
    f.run(g, {images, ddst.data(), kernel.data(), packed.data(), nullptr, dsrc.data(), scratch.data()});
    EXPECT_TRUE(repeats(dsrc, src_pitches(g, images), seen_by(g, whole_dst(g, period)))) << text(g);
  });
}

/// Of one pixel that repeats itself all cells of a window are equal, so argmax must be the first: cells are positions too.
inline void check_positions_conv_pool_forward(const ConvPoolForward::Problem& p, std::int64_t images, std::int64_t period,
                                              std::uint32_t seed) {
  const Geometry &g = p.conv, &pool = p.pool;
  const Buffer src = repeated_values(src_pitches(g, images), g.height, g.width, period, seed);
  const Buffer kernel(random_values(kernel_size(g), seed + 1)), bias(random_values(g.out_channels, seed + 2));
  const Stretches same = windows_within(pool, windows_within(g, whole_src(g, period)));
  for_each_periodic<ConvPoolForward>(p, same, [&](const auto& f, const Stretches& where) {
    Buffer dst(images * pool.dst_image, untouched), scratch(f.scratch(p, images), unwritten);
    Bytes argmax(images * pool.out_height * pool.out_width * pool.channels);
    const Buffer packed = packed_for(f, p, kernel);
    f.run(p, {images, src.data(), kernel.data(), packed.data(), p.bias ? bias.data() : nullptr, dst.data(),
              p.argmax ? argmax.data() : nullptr, scratch.data()});
    EXPECT_TRUE(repeats(dst, dst_pitches(pool, images), where)) << text(g) << "; pool " << text(pool);
    if (!p.argmax || p.activation != Activation::linear) return;
    const MapPitches cells = dense(images, pool.out_height, pool.out_width, pool.channels);
    EXPECT_TRUE(repeats(argmax, cells, where)) << text(g) << "; pool " << text(pool);
    if (period > 1 || !f.numerics.position_invariant) return;
    for (std::int64_t y = where.rows.first; y < where.rows.last; ++y)
      for (std::int64_t x = where.columns.first; x < where.columns.last; ++x)
        for (std::int64_t o = 0; o < pool.channels; ++o)
          ASSERT_EQ(argmax[y * cells.row + x * cells.pixel + o], 0) << text(g) << "; pool " << text(pool);
  });
}

inline void check_positions_conv_pool_input_gradient(const ConvPoolInputGradient::Problem& p, std::int64_t images, std::int64_t period,
                                                     std::uint32_t seed) {
  const Geometry &g = p.conv, &pool = p.pool;
  Buffer ddst =
      repeated_values(dense(images, pool.out_height, pool.out_width, pool.channels), pool.out_height, pool.out_width, period, seed);
  for (std::int64_t i = 0; i < ddst.size(); ++i)
    if (i % pool.channels % 3 == 1) ddst[i] = 0;
  const Bytes argmax = repeated_cells(pool, images, period, seed + 1);
  const Buffer kernel(random_values(kernel_size(g), seed + 2));
  for_each_invariant<ConvPoolInputGradient>(p, [&](const Implementation<ConvPoolInputGradient>& f) {
    Buffer dsrc(images * g.src_image, untouched), scratch(f.scratch(p, images), unwritten);
    const Buffer packed = packed_for(f, p, kernel);
    f.run(p, {images, ddst.data(), argmax.data(), kernel.data(), packed.data(), dsrc.data(), scratch.data()});
    EXPECT_TRUE(repeats(dsrc, src_pitches(g, images), seen_by(g, seen_by(pool, whole_windows(pool, period)))))
        << text(g) << "; pool " << text(pool);
  });
}

/// A block of pixels in a map of zeros, far enough from the border that every window that sees some of it exists: its first pixel, and how
/// often it can be moved by a stride.
struct Block {
  std::int64_t first, size, moves;
};

inline Block block_of(std::int64_t size, std::int64_t window, std::int64_t stride, std::int64_t dilation) {
  const std::int64_t margin = (window - 1) * dilation + stride, room = size - 2 * margin;
  return {margin, (room + 1) / 2, room > 0 ? (room - (room + 1) / 2) / stride : -1};
}

/// The maximum over a map, and where it lies, move with what is in the map.
inline void check_positions_conv_global(const ConvGlobalPoolForward::Problem& p, std::int64_t images, std::uint32_t seed) {
  const Geometry& g = p.conv;
  const Block rows = block_of(g.height, g.window_height, g.stride_height, g.dilation_height),
              columns = block_of(g.width, g.window_width, g.stride_width, g.dilation_width);
  if (rows.moves < 0 || columns.moves < 0 || p.kind != PoolKind::max) return;
  const Buffer kernel(random_values(kernel_size(g), seed + 1)), bias(random_values(g.out_channels, seed + 2));
  const auto content = random_values(images * rows.size * columns.size * g.channels, seed);
  const auto moved = [&](std::int64_t down, std::int64_t right) {
    Buffer src(images * g.src_image);
    std::size_t next = 0;
    for (std::int64_t n = 0; n < images; ++n)
      for (std::int64_t y = 0; y < rows.size; ++y)
        for (std::int64_t x = 0; x < columns.size; ++x)
          for (std::int64_t c = 0; c < g.channels; ++c)
            src[n * g.src_image + (rows.first + y + down * g.stride_height) * g.src_row +
                (columns.first + x + right * g.stride_width) * g.src_pixel + c] = static_cast<float>(content[next++]);
    return src;
  };
  for_each_invariant<ConvGlobalPoolForward>(p, [&](const Implementation<ConvGlobalPoolForward>& f) {
    const Buffer packed = packed_for(f, p, kernel);
    const auto run = [&](const Buffer& src) {
      Buffer dst(images * g.out_channels, untouched), scratch(f.scratch(p, images), unwritten);
      Bytes winners(images * winners_size(g));
      f.run(p, {images, src.data(), kernel.data(), packed.data(), p.bias ? bias.data() : nullptr, dst.data(),
                p.winners ? winners.data() : nullptr, scratch.data()});
      return dst;
    };
    const Buffer home = run(moved(0, 0));
    for (std::int64_t down = 0; down <= rows.moves; ++down)
      for (std::int64_t right = 0; right <= columns.moves; ++right)
        EXPECT_EQ(bits_that_differ(home, run(moved(down, right))), 0) << text(g) << ", moved by " << down << ", " << right << " strides";
  });
}

inline void check_positions_pool(const Geometry& g, PoolKind kind, std::int64_t images, std::int64_t period, std::uint32_t seed) {
  const PoolForward::Problem problem = {g, kind, kind == PoolKind::max && g.window_height * g.window_width <= 256};
  const Buffer src = repeated_values(src_pitches(g, images), g.height, g.width, period, seed);
  const Stretches where = windows_within(g, whole_src(g, period));
  for_each_invariant<PoolForward>(problem, [&](const Implementation<PoolForward>& f) {
    Buffer dst(images * g.dst_image, untouched), scratch(f.scratch(problem, images), unwritten);
    Bytes argmax(images * g.out_height * g.out_width * g.channels);
    f.run(problem, {images, src.data(), dst.data(), problem.argmax ? argmax.data() : nullptr, nullptr, scratch.data()});
    EXPECT_TRUE(repeats(dst, dst_pitches(g, images), where)) << text(g);
    EXPECT_TRUE(repeats(argmax, dense(images, g.out_height, g.out_width, g.channels), where)) << text(g);
  });
}

/// What stands for a whole map has the same bits wherever in it the values lie: all circular shifts of a map, all in one batch.
template <class Kernel, class Run>
void check_positions_whole_map(const typename Kernel::Problem& problem, std::int64_t height, std::int64_t width, std::int64_t channels,
                               std::int64_t outputs, std::uint32_t seed, const Run& run) {
  const std::int64_t images = height * width;
  const auto values = random_values(images * channels, seed);
  Buffer src(images * images * channels);
  for (std::int64_t n = 0; n < images; ++n)
    for (std::int64_t p = 0; p < images; ++p) {
      const std::int64_t y = (p / width + n / width) % height, x = (p % width + n % width) % width;
      for (std::int64_t c = 0; c < channels; ++c)
        src[(n * images + y * width + x) * channels + c] = static_cast<float>(values[static_cast<std::size_t>(p * channels + c)]);
    }
  for_each_invariant<Kernel>(problem, [&](const Implementation<Kernel>& f) {
    Buffer dst(images * outputs, untouched), scratch(f.scratch(problem, images), unwritten);
    run(f, images, src, dst, scratch);
    EXPECT_TRUE(repeats(dst, dense(1, images, 1, outputs), {{0, images, 1}, {0, 1, 1}})) << height << "x" << width << "x" << channels;
  });
}

inline void check_positions_global_pool(std::int64_t height, std::int64_t width, std::int64_t channels, PoolKind kind, std::uint32_t seed) {
  const GlobalPoolForward::Problem problem = {height * width, channels, kind};
  check_positions_whole_map<GlobalPoolForward>(problem, height, width, channels, channels, seed,
                                               [&](const auto& f, std::int64_t images, const Buffer& src, Buffer& dst, Buffer& scratch) {
                                                 f.run(problem, {images, src.data(), dst.data(), scratch.data()});
                                               });
}

/// The scores of a map shifted circularly are its scores in other places: sorted, they are the same.
inline void check_positions_phase_scores(const PhaseScores::Problem& problem, std::uint32_t seed) {
  const Phases& p = problem.phases;
  check_positions_whole_map<PhaseScores>(problem, p.height, p.width, p.channels, p.count(), seed,
                                         [&](const auto& f, std::int64_t images, const Buffer& src, Buffer& dst, Buffer& scratch) {
                                           f.run(problem, {images, src.data(), dst.data(), scratch.data()});
                                           for (std::int64_t n = 0; n < images; ++n)
                                             std::sort(dst.data() + n * p.count(), dst.data() + (n + 1) * p.count());
                                         });
}

inline void check_positions_pool_gradient(const Geometry& g, PoolKind kind, std::int64_t images, std::int64_t period, std::uint32_t seed) {
  if (g.window_height * g.window_width > 256) return;
  const PoolInputGradient::Problem problem = {g, kind, kind == PoolKind::max};
  const Buffer ddst = repeated_values(dst_pitches(g, images), g.out_height, g.out_width, period, seed);
  const Bytes argmax = repeated_cells(g, images, period, seed + 1);
  for_each_invariant<PoolInputGradient>(problem, [&](const Implementation<PoolInputGradient>& f) {
    Buffer dsrc(images * g.src_image, untouched), scratch(f.scratch(problem, images), unwritten);
    f.run(problem, {images, ddst.data(), kind == PoolKind::max ? argmax.data() : nullptr, nullptr, dsrc.data(), scratch.data()});
    EXPECT_TRUE(repeats(dsrc, src_pitches(g, images), seen_by(g, whole_windows(g, period))))
        << text(g) << (kind == PoolKind::max ? " max" : " average");
  });
}

/// A map that repeats itself, padded round, goes on repeating itself; what one place alone shows gets the bits of that place.
inline void check_positions_pad(std::int64_t periods, std::int64_t period, std::int64_t channels, const Pads& pads, std::int64_t images,
                                std::uint32_t seed) {
  const std::int64_t size = periods * period;
  const PadForward::Problem problem = {size, size, channels, pads, PadMode::circular}, zero = {size, size, channels, pads, PadMode::zero};
  const MapPitches map = dense(images, size, size, channels), padded = dense(images, problem.rows().out(), problem.columns().out(), channels);
  const Buffer src = repeated_values(map, size, size, period, seed),
               ddst = repeated_values(padded, problem.rows().out(), problem.columns().out(), period, seed);
  for_each_invariant<PadForward>(problem, [&](const Implementation<PadForward>& f) {
    Buffer dst(images * padded.image, untouched);
    f.run(problem, {images, src.data(), dst.data(), nullptr});
    EXPECT_TRUE(repeats(dst, padded, {{0, problem.rows().out(), period}, {0, problem.columns().out(), period}}))
        << check::describe(problem);
  });
  for_each_invariant<PadInputGradient>(zero, [&](const Implementation<PadInputGradient>& f) {
    Buffer dsrc(images * map.image, untouched);
    f.run(zero, {images, ddst.data(), dsrc.data(), nullptr});
    EXPECT_TRUE(repeats(dsrc, map, {{0, size, period}, {0, size, period}})) << check::describe(zero);
  });
}

inline void check_positions_blur(const Geometry& g, std::int64_t images, std::int64_t period, std::uint32_t seed) {
  const BlurForward::Problem problem = {g};
  const Buffer src = repeated_values(src_pitches(g, images), g.height, g.width, period, seed);
  for_each_invariant<BlurForward>(problem, [&](const Implementation<BlurForward>& f) {
    Buffer dst(images * g.dst_image, untouched), scratch(f.scratch(problem, images), unwritten);
    f.run(problem, {images, src.data(), dst.data(), scratch.data()});
    EXPECT_TRUE(repeats(dst, dst_pitches(g, images), windows_within(g, whole_src(g, period)))) << check::describe_blur(g);
  });
  const Buffer ddst = repeated_values(dst_pitches(g, images), g.out_height, g.out_width, period, seed);
  for_each_invariant<BlurInputGradient>(problem, [&](const Implementation<BlurInputGradient>& f) {
    Buffer dsrc(images * g.src_image, untouched), scratch(f.scratch(problem, images), unwritten);
    f.run(problem, {images, ddst.data(), dsrc.data(), scratch.data()});
    EXPECT_TRUE(repeats(dsrc, src_pitches(g, images), seen_by(g, whole_dst(g, period)))) << check::describe_blur(g);
  });
}

/// Rows that are equal give rows that are equal.
inline void check_positions_dense(std::int64_t rows, std::int64_t inputs, std::int64_t outputs, std::uint32_t seed) {
  const DenseForward::Problem problem = {inputs, outputs, true, Activation::relu};
  const Buffer src = repeated_values(dense(1, rows, 1, inputs), rows, 1, 1, seed), kernel(random_values(inputs * outputs, seed + 1)),
               bias(random_values(outputs, seed + 2));
  for_each_invariant<DenseForward>(problem, [&](const Implementation<DenseForward>& f) {
    Buffer dst(rows * outputs, untouched), scratch(f.scratch(problem, rows), unwritten);
    const Buffer packed = packed_for(f, problem, kernel);
    f.run(problem, {rows, src.data(), kernel.data(), packed.data(), bias.data(), dst.data(), scratch.data()});
    EXPECT_TRUE(repeats(dst, dense(1, rows, 1, outputs), {{0, rows, 1}, {0, 1, 1}})) << rows << " x " << inputs << " x " << outputs;
  });
}

/// Rows that are equal give rows that are equal, and images equal moments.
inline void check_positions_norm(std::int64_t rows, std::int64_t channels, Activation activation, std::uint32_t seed) {
  const NormForward::Problem problem = {channels, activation};
  const Buffer src = repeated_values(dense(1, rows, 1, channels), rows, 1, 1, seed), ddst = repeated_values(dense(1, rows, 1, channels), rows, 1, 1, seed + 1);
  const Buffer coefficients(random_values(3 * channels, seed + 2)), lines(random_values(2 * channels, seed + 3));
  const Stretches everywhere = {{0, rows, 1}, {0, 1, 1}};
  for_each_invariant<NormForward>(problem, [&](const Implementation<NormForward>& f) {
    Buffer dst(rows * channels, untouched);
    f.run(problem, {rows, src.data(), coefficients.data(), dst.data(), nullptr});
    EXPECT_TRUE(repeats(dst, dense(1, rows, 1, channels), everywhere)) << rows << " x " << channels;
  });
  for_each_invariant<NormInputGradient>(problem, [&](const Implementation<NormInputGradient>& f) {
    Buffer dsrc(rows * channels, untouched);
    f.run(problem, {rows, src.data(), ddst.data(), coefficients.data(), lines.data(), dsrc.data(), nullptr});
    EXPECT_TRUE(repeats(dsrc, dense(1, rows, 1, channels), everywhere)) << rows << " x " << channels;
  });
}

/// `run(implementation, count, dst)` on equal elements gives equal elements.
template <class Kernel, class Run>
void check_positions_elements(const typename Kernel::Problem& problem, std::int64_t count, const Run& run) {
  for_each_invariant<Kernel>(problem, [&](const Implementation<Kernel>& f) {
    Buffer dst(count, 0.7f);
    run(f, dst);
    EXPECT_TRUE(repeats(dst, dense(1, count, 1, 1), {{0, count, 1}, {0, 1, 1}})) << count << " elements";
  });
}

}  // namespace linn::detail::kernels::testing
