// `position_invariant` and `period` told apart by bits: every implementation that claims them, and those that rightly do not.
#include <gtest/gtest.h>

#include <numeric>

#include "kernels/kernels.h"
#include "kernels/position_check.h"
#include "linn/error.h"

namespace linn::detail::kernels {
namespace {

using namespace testing;

struct Layer {
  Window conv;
  Window pool;
  std::int64_t height, width, channels, out_channels;
};

constexpr Window three = {.height = 3, .width = 3}, same = {.height = 3, .width = 3, .border = Border::same};
constexpr Window two_by_two = {.height = 2, .width = 2, .stride_height = 2, .stride_width = 2};

// All implementations find something to accept; sizes leave tails of tiles, vectors and strips.
constexpr Layer layers[] = {
    {three, two_by_two, 23, 29, 1, 37},
    {three, two_by_two, 17, 21, 20, 35},
    {same, two_by_two, 18, 23, 9, 18},
    {{.height = 2, .width = 3, .stride_height = 2, .dilation_width = 2, .border = Border::same},
     {.height = 3, .width = 2, .border = Border::same},
     21,
     26,
     3,
     21},
    {{.height = 5, .width = 1, .stride_width = 3}, {.height = 2, .width = 3, .stride_height = 1, .stride_width = 2}, 16, 50, 33, 7},
};

constexpr std::int64_t images = 3;
constexpr std::int64_t periods[] = {1, 2, 3};

Geometry conv_of(const Layer& layer) { return resolve(layer.conv, layer.height, layer.width, layer.channels, layer.out_channels).value(); }
Geometry pool_of(const Geometry& conv, const Layer& layer) {
  return resolve(layer.pool, conv.out_height, conv.out_width, conv.out_channels, conv.out_channels).value();
}

template <class Visit>
void for_each_layer(const Visit& visit) {
  for (const Layer& layer : layers)
    for (const std::int64_t period : periods)
      visit(conv_of(layer), pool_of(conv_of(layer), layer), period, static_cast<std::uint32_t>(&layer - layers));
}

// Convolutions in groups of one channel, alone and with a depth multiplier, and of few channels.
template <class Visit>
void for_each_grouped(const Visit& visit) {
  for (const Window& window : {three, same, Window{.height = 5, .width = 3, .stride_height = 2, .stride_width = 2, .border = Border::same}})
    for (const std::int64_t multiplier : {1, 2})
      for (const std::int64_t period : periods) {
        visit(resolve(window, 19, 27, 18, 18 * multiplier, 18).value(), period);
        const std::int64_t channels = 20 * multiplier;
        visit(resolve(window, 19, 27, channels, channels, 5).value(), period);  // groups of 4 and 8
      }
}

// One for each kernel of the registry that has more than its reference.
template <class Kernel>
void check_positions() {
  static_assert(sizeof(Kernel) == 0, "say here how position_invariant of this kernel is tested");
}

template <>
void check_positions<ConvForward>() {
  for_each_layer([](const Geometry& conv, const Geometry&, std::int64_t period, std::uint32_t seed) {
    check_positions_forward(conv, images, period, seed);
  });
  for_each_grouped([](const Geometry& conv, std::int64_t period) { check_positions_forward(conv, images, period, 1); });
}
template <>
void check_positions<ConvInputGradient>() {
  for_each_layer([](const Geometry& conv, const Geometry&, std::int64_t period, std::uint32_t seed) {
    check_positions_input_gradient(conv, images, period, seed);
  });
  for_each_grouped([](const Geometry& conv, std::int64_t period) { check_positions_input_gradient(conv, images, period, 1); });
}
template <>
void check_positions<ConvPoolForward>() {
  for_each_layer([](const Geometry& conv, const Geometry& pool, std::int64_t period, std::uint32_t seed) {
    for (const Activation activation : {Activation::linear, Activation::relu})
      for (const bool argmax : {false, true})
        check_positions_conv_pool_forward({conv, pool, PoolKind::max, true, activation, argmax}, images, period, seed);
    check_positions_conv_pool_forward({conv, pool, PoolKind::average, true, Activation::relu, false}, images, period, seed);
  });
}
template <>
void check_positions<ConvPoolInputGradient>() {
  for_each_layer([](const Geometry& conv, const Geometry& pool, std::int64_t period, std::uint32_t seed) {
    check_positions_conv_pool_input_gradient({conv, pool}, images, period, seed);
  });
}
template <>
void check_positions<ConvGlobalPoolForward>() {
  for (const Layer& layer : layers)
    for (const Activation activation : {Activation::linear, Activation::relu})
      check_positions_conv_global({conv_of(layer), PoolKind::max, true, activation, true}, images, 1);
}
template <>
void check_positions<PoolForward>() {
  for_each_layer([](const Geometry&, const Geometry& pool, std::int64_t period, std::uint32_t seed) {
    for (const PoolKind kind : {PoolKind::max, PoolKind::average}) check_positions_pool(pool, kind, images, period, seed);
  });
}
template <>
void check_positions<GlobalPoolForward>() {
  for (const PoolKind kind : {PoolKind::max, PoolKind::average})
    for (const std::int64_t channels : {1, 5, 37}) check_positions_global_pool(7, 9, channels, kind, 1);
}
template <>
void check_positions<PoolInputGradient>() {
  for_each_layer([](const Geometry&, const Geometry& pool, std::int64_t period, std::uint32_t seed) {
    for (const PoolKind kind : {PoolKind::max, PoolKind::average}) check_positions_pool_gradient(pool, kind, images, period, seed);
  });
}
template <>
void check_positions<PadForward>() {
  for (const std::int64_t channels : {1, 3, 20})
    for (const std::int64_t period : periods) check_positions_pad(4, period, channels, {1, 2, 3, 5}, images, 1);
}
template <>
void check_positions<PadInputGradient>() {}  // with PadForward's
template <>
void check_positions<BlurForward>() {
  for (const Window& window : {Window{3, 3}, Window{4, 4, 2, 2}, Window{7, 2, 3, 1}, Window{5, 6, 1, 2}})
    for (const std::int64_t channels : {1, 3, 20})
      for (const std::int64_t period : periods)
        check_positions_blur(resolve(window, 23, 29, channels, channels).value(), images, period, 1);
}
template <>
void check_positions<BlurInputGradient>() {}  // with BlurForward's
template <>
void check_positions<DenseForward>() {
  for (const std::int64_t outputs : {1, 10, 33, 70})
    for (const std::int64_t inputs : {1, 31, 1100}) check_positions_dense(300, inputs, outputs, 1);
}

constexpr std::int64_t count = 111;
const Buffer& equal_elements() {
  static const Buffer values(count, -0.37f);
  return values;
}

std::vector<ActivationSpec> activations() {
  std::vector<ActivationSpec> list(all_activations().begin(), all_activations().end());
  list.emplace_back(Activation::clipped_relu, 0.3, 2, 1);
  return list;
}

template <>
void check_positions<ActivationForward>() {
  for (const ActivationSpec& activation : activations())
    check_positions_elements<ActivationForward>({activation}, count, [&](const auto& f, Buffer& dst) {
      f.run({activation}, {count, equal_elements().data(), dst.data(), nullptr});
    });
}
template <>
void check_positions<ActivationGradient>() {
  for (const ActivationSpec& activation : activations())
    check_positions_elements<ActivationGradient>({activation}, count, [&](const auto& f, Buffer& dst) {
      f.run({activation}, {count, equal_elements().data(), equal_elements().data(), dst.data(), nullptr});
    });
}
template <>
void check_positions<Rescale>() {
  check_positions_elements<Rescale>({0.3, 0.7}, count, [](const auto& f, Buffer& dst) {
    f.run({0.3, 0.7}, {count, equal_elements().data(), dst.data(), nullptr});
  });
}
template <>
void check_positions<Add>() {
  check_positions_elements<Add>({}, count, [](const auto& f, Buffer& dst) {
    f.run({}, {count, equal_elements().data(), equal_elements().data(), dst.data(), nullptr});
  });
}
template <>
void check_positions<Merge>() {
  const std::vector<Shape> shapes = {{count}, {count}};
  const void* src[] = {equal_elements().data(), equal_elements().data()};
  for (const MergeKind kind : {MergeKind::add, MergeKind::subtract, MergeKind::multiply, MergeKind::average, MergeKind::maximum, MergeKind::minimum})
    check_positions_elements<Merge>({kind, resolve_broadcast(shapes)}, count, [&](const auto& f, Buffer& dst) {
      f.run({kind, resolve_broadcast(shapes)}, {1, src, dst.data(), nullptr});
    });
}
template <>
void check_positions<PReluForward>() {
  const std::vector<Shape> shapes = {{count}, {count}};
  const PReluForward::Problem problem{resolve_broadcast(shapes)};
  check_positions_elements<PReluForward>(problem, count, [&](const auto& f, Buffer& dst) {
    f.run(problem, {1, equal_elements().data(), equal_elements().data(), dst.data(), nullptr});
  });
}
// Equal cells give equal cells, wherever they lie.
template <>
void check_positions<ResampleForward>() {
  for (const Interpolation interpolation : {Interpolation::nearest, Interpolation::bilinear}) {
    const ResampleForward::Problem problem{3, 37, 1, 1, count, interpolation};
    check_positions_elements<ResampleForward>(problem, count, [&](const auto& f, Buffer& dst) {
      f.run(problem, {1, equal_elements().data(), dst.data(), nullptr});
    });
  }
}
template <>
void check_positions<AdaptivePoolForward>() {
  for (const PoolKind kind : {PoolKind::max, PoolKind::average}) {
    const AdaptivePoolForward::Problem problem{1, count, 1, 1, count, kind};
    check_positions_elements<AdaptivePoolForward>(problem, count, [&](const auto& f, Buffer& dst) {
      f.run(problem, {1, equal_elements().data(), dst.data(), nullptr, nullptr});
    });
  }
}
// Equal cells give equal cells: every output of a ring sees the same.
template <>
void check_positions<RingFilterForward>() {
  const RingFilterForward::Problem problem{low_frequencies(1, 1, false), low_frequencies(count, 1, true), 1};
  check_positions_elements<RingFilterForward>(problem, count, [&](const auto& f, Buffer& dst) {
    Buffer scratch(f.scratch(problem, 1), unwritten);
    f.run(problem, {1, equal_elements().data(), dst.data(), scratch.data()});
  });
}
template <>
void check_positions<PixelFilterForward>() {
  const PixelFilterForward::Problem problem{resolve({}, 1, count, 1, 1).value()};
  check_positions_elements<PixelFilterForward>(problem, count, [&](const auto& f, Buffer& dst) {
    f.run(problem, {1, equal_elements().data(), equal_elements().data(), dst.data(), nullptr});
  });
}
template <>
void check_positions<RegionMaxForward>() {
  const RegionMaxForward::Problem problem{1, count, 1, 1, count};
  std::vector<std::int32_t> borders(count + 1);
  std::iota(borders.begin(), borders.end(), 0);
  check_positions_elements<RegionMaxForward>(problem, count, [&](const auto& f, Buffer& dst) {
    const Regions regions{borders.data(), borders.data() + 1};
    f.run(problem, {1, regions, regions, equal_elements().data(), dst.data(), nullptr, nullptr});
  });
}
// Of rows that hold the same in every order, all forms; of maps only the reference claims it.
template <>
void check_positions<GroupNormForward>() {
  const GroupNormForward::Problem rows{.pixels = 1, .channels = 1};
  check_positions_elements<GroupNormForward>(rows, count, [&](const auto& f, Buffer& dst) {
    f.run(rows, {count, equal_elements().data(), nullptr, nullptr, dst.data(), nullptr, nullptr});
  });
  const GroupNormForward::Problem map{.pixels = 63, .channels = 5, .groups = 1};
  const std::vector<double> values = random_values(63 * 5, 3);
  for_each_invariant<GroupNormForward>(map, [&](const Implementation<GroupNormForward>& f) {
    const Buffer src(values);
    Buffer home(63 * 5), moved(63 * 5), turned(63 * 5), scratch(f.scratch(map, 1), unwritten);
    std::rotate_copy(src.data(), src.data() + 11 * 5, src.data() + 63 * 5, turned.data());
    f.run(map, {1, src.data(), nullptr, nullptr, home.data(), nullptr, scratch.data()});
    f.run(map, {1, turned.data(), nullptr, nullptr, moved.data(), nullptr, scratch.data()});
    std::rotate(moved.data(), moved.data() + 52 * 5, moved.data() + 63 * 5);
    EXPECT_EQ(bits_that_differ(home, moved), 0);
  });
}
template <>
void check_positions<MergeGradient>() {
  const std::vector<Shape> shapes = {{count}, {count}};
  const void* src[] = {equal_elements().data(), equal_elements().data()};
  for (const MergeKind kind : {MergeKind::multiply, MergeKind::maximum}) {
    const MergeGradient::Problem problem{kind, resolve_broadcast(shapes), 1};
    check_positions_elements<MergeGradient>(problem, count, [&](const auto& f, Buffer& dst) {
      f.run(problem, {1, src, equal_elements().data(), dst.data(), nullptr});
    });
  }
}
template <>
void check_positions<Dropout>() {
  check_positions_elements<Dropout>({0.0}, count, [](const auto& f, Buffer& dst) {
    f.run({0.0}, {count, 1, 2, 3, equal_elements().data(), dst.data(), nullptr});
  });
}
template <>
void check_positions<Gather>() {
  check_positions_elements<Gather>({count, DType::f32}, count, [](const auto& f, Buffer& dst) {
    f.run({count, DType::f32}, {1, equal_elements().data(), nullptr, 0, dst.data(), nullptr});
  });
}
template <>
void check_positions<AdamUpdate>() {
  check_positions_elements<AdamUpdate>({}, count, [](const auto& f, Buffer& dst) {
    Buffer momentum(count, 0.3f), velocity(count, 0.4f);
    f.run({}, {count, 1e-3, 0.01, equal_elements().data(), dst.data(), momentum.data(), velocity.data(), nullptr, nullptr});
  });
}
template <>
void check_positions<SgdUpdate>() {
  check_positions_elements<SgdUpdate>({0.9, true}, count, [](const auto& f, Buffer& dst) {
    Buffer momentum(count, 0.3f);
    f.run({0.9, true}, {count, 1e-3, 0.01, equal_elements().data(), dst.data(), momentum.data(), nullptr});
  });
}
template <>
void check_positions<RmspropUpdate>() {
  check_positions_elements<RmspropUpdate>({}, count, [](const auto& f, Buffer& dst) {
    Buffer velocity(count, 0.3f);
    f.run({}, {count, 1e-3, 0.01, equal_elements().data(), dst.data(), velocity.data(), nullptr, nullptr, nullptr});
  });
}

template <>
void check_positions<NormForward>() {
  for (const std::int64_t channels : {1, 3, 16, 33})
    for (const Activation activation : {Activation::linear, Activation::relu}) check_positions_norm(140, channels, activation, 1);
}
template <>
void check_positions<NormInputGradient>() {}  // with NormForward's

template <>
void check_positions<PhaseScores>() {
  for (const PhaseScore score : {PhaseScore::l1, PhaseScore::l2, PhaseScore::linf, PhaseScore::mean})
    for (const Phases& p : {Phases{6, 10, 5, 2, 2}, Phases{9, 6, 33, 3, 2}, Phases{5, 7, 1, 1, 1}}) check_positions_phase_scores({p, score}, 1);
}

// The pooling's own, of which they are made.
template <>
void check_positions<PhasePoolForward>() {}
template <>
void check_positions<PhasePoolInputGradient>() {}

// Their outputs have no place in a map: sums over all of it, and copies.
template <>
void check_positions<NormMoments>() {}
template <>
void check_positions<NormGradientSums>() {}
template <>
void check_positions<ConvKernelGradient>() {}
template <>
void check_positions<ConvPoolKernelGradient>() {}
template <>
void check_positions<ConvGlobalPoolKernelGradient>() {}
template <>
void check_positions<ConvGlobalPoolInputGradient>() {}  // each winner's terms lie as the winner does, and there is no tile to lie in
template <>
void check_positions<DenseKernelGradient>() {}
template <>
void check_positions<GlobalPoolInputGradient>() {}
template <>
void check_positions<PhaseMixGradient>() {}
template <>
void check_positions<RingFilterInputGradient>() {}
template <>
void check_positions<PixelFilterGradient>() {}
template <>
void check_positions<TransposeKernel>() {}
template <>
void check_positions<AdaptivePoolInputGradient>() {}
template <>
void check_positions<GeneralPoolForward>() {
  const PoolFunction functions[] = {PoolFunction::lp, PoolFunction::generalized_mean, PoolFunction::soft, PoolFunction::expected, PoolFunction::mixed};
  const float parameter = 2.5f;
  for (const PoolFunction function : functions)
    for_each_layer([&](const Geometry&, const Geometry& pool, std::int64_t period, std::uint32_t seed) {
      const GeneralPoolForward::Problem problem = {.geometry = pool, .function = function, .exponent = 2.5, .least = 0.05};
      const Buffer src = repeated_values(src_pitches(pool, images), pool.height, pool.width, period, seed);
      for_each_invariant<GeneralPoolForward>(problem, [&](const Implementation<GeneralPoolForward>& f) {
        Buffer dst(images * pool.dst_image, untouched), scratch(f.scratch(problem, images), unwritten);
        f.run(problem, {images, src.data(), &parameter, 0, 0, 0, dst.data(), scratch.data()});
        EXPECT_TRUE(repeats(dst, dst_pitches(pool, images), windows_within(pool, whole_src(pool, period))));
      });
    });
}
template <>
void check_positions<GeneralPoolGradient>() {}
template <>
void check_positions<ResampleInputGradient>() {}
template <>
void check_positions<GroupNormGradient>() {}
template <>
void check_positions<PReluGradient>() {}
template <>
void check_positions<SoftmaxGradient>() {}
template <>
void check_positions<SpatialDropout>() {}  // a number drawn for each channel
template <>
void check_positions<GaussianNoise>() {}  // a number drawn for each place
template <>
void check_positions<CopyMap>() {}
template <>
void check_positions<Permute>() {}
template <>
void check_positions<ColumnSum>() {}
template <>
void check_positions<SoftmaxForward>() {}  // a row of classes: each depends on all
template <>
void check_positions<Crossentropy>() {}

TEST(PositionInvariance, EveryImplementationThatClaimsItHasIt) {
#define LINN_KERNEL(kernel, ...) __VA_OPT__(check_positions<kernel>();)
#include "kernels/registry.inc"
#undef LINN_KERNEL
}

struct Moved {
  std::int64_t compared = 0, differ = 0;
};

// Runs f on an image and on the same moved by one column, so that each pixel of the map changes its cell, and compares the pixels
// that are the largest of their windows in both.
Moved move_by_one_column(const ConvPoolForward::Problem& p, const Implementation<ConvPoolForward>& f) {
  const Geometry &g = p.conv, &pool = p.pool;
  MapPitches wide = src_pitches(g, 1);
  wide.row += g.channels, wide.image = wide.row * g.height;
  const Buffer image = repeated_values(wide, g.height, g.width + 1, g.width + 1, 1), kernel(random_values(kernel_size(g), 2));
  const Buffer packed = packed_for(f, p, kernel);
  Geometry view = g;
  view.src_row = wide.row, view.src_image = wide.image;
  const ConvPoolForward::Problem viewed = {view, pool, p.kind, p.bias, p.activation, p.argmax};
  Buffer before(pool.dst_image), after(pool.dst_image), scratch(f.scratch(viewed, 1), unwritten);
  Bytes before_cell(pool.dst_image), after_cell(pool.dst_image);
  f.run(viewed, {1, image.data() + g.channels, kernel.data(), packed.data(), nullptr, before.data(), before_cell.data(), scratch.data()});
  f.run(viewed, {1, image.data(), kernel.data(), packed.data(), nullptr, after.data(), after_cell.data(), scratch.data()});
  Moved result;
  for (std::int64_t i = 0; i < pool.dst_image; ++i) {
    const std::int64_t x = i / pool.channels % pool.out_width, moved_column = 2 * x + before_cell[i] % 2 + 1;
    if (moved_column / 2 >= pool.out_width) continue;
    const std::int64_t at = i + (moved_column / 2 - x) * pool.channels;
    if (after_cell[at] % 2 != moved_column % 2 || after_cell[at] / 2 != before_cell[i] / 2) continue;
    ++result.compared;
    result.differ += std::memcmp(&before[i], &after[at], sizeof(float)) != 0;
  }
  return result;
}

// ---- maps that go round ----

// A map, shifted circularly and padded from the opposite sides for windows that then lie within it.
Buffer padded(const Geometry& g, const Buffer& map, std::int64_t height, std::int64_t width, std::int64_t down, std::int64_t right) {
  Buffer moved(height * width * g.channels), result(g.src_image);
  for (std::int64_t y = 0; y < height; ++y)
    for (std::int64_t x = 0; x < width; ++x)
      std::copy_n(map.data() + (y * width + x) * g.channels, g.channels,
                  moved.data() + ((y + down) % height * width + (x + right) % width) * g.channels);
  PadForward::reference<float>({height, width, g.channels, {0, g.height - height, 0, g.width - width}, PadMode::circular},
                               {1, moved.data(), result.data(), nullptr});
  return result;
}

// Of the map shifted by a row, a column, both or many, the outputs are the outputs shifted, bit for bit: no pixel may tell whether it was
// computed in the interior of a tile, at its edge or in a tail. `out` is the geometry of the outputs; run(f, src, dst).
template <class Kernel, class Run>
void check_round(const typename Kernel::Problem& problem, const Geometry& src, const Geometry& out, std::int64_t height, std::int64_t width,
                 const Run& run) {
  const Buffer map(random_values(height * width * src.channels, 3));
  for_each_invariant<Kernel>(problem, [&](const Implementation<Kernel>& f) {
    const auto outputs = [&](std::int64_t down, std::int64_t right) {
      Buffer dst(out.dst_image, untouched);
      run(f, padded(src, map, height, width, down, right), dst);
      return dst;
    };
    const Buffer home = outputs(0, 0);
    for (const auto& [down, right] : {std::pair<std::int64_t, std::int64_t>{0, 1}, {1, 0}, {1, 1}, {height / 2, width - 2}}) {
      const Buffer moved = outputs(down, right);
      for (std::int64_t y = 0; y < height; ++y)
        for (std::int64_t x = 0; x < width; ++x)
          ASSERT_EQ(0, std::memcmp(home.data() + (y * width + x) * out.dst_pixel,
                                   moved.data() + ((y + down) % height * width + (x + right) % width) * out.dst_pixel,
                                   static_cast<std::size_t>(out.out_channels) * sizeof(float)))
              << text(src) << " shifted by " << down << ", " << right << ", pixel " << y << ", " << x;
    }
  });
}

void check_round_convolution(std::int64_t height, std::int64_t width, std::int64_t channels, std::int64_t filters, std::int64_t dilation) {
  const Window window = {.height = 3, .width = 3, .dilation_height = dilation, .dilation_width = dilation};
  const Geometry conv = resolve(window, height + 2 * dilation, width + 2 * dilation, channels, filters).value();
  const Buffer kernel(random_values(kernel_size(conv), 4)), bias(random_values(filters, 5));
  const ConvForward::Problem problem = {conv, true, Activation::relu};
  check_round<ConvForward>(problem, conv, conv, height, width, [&](const auto& f, const Buffer& src, Buffer& dst) {
    Buffer scratch(f.scratch(problem, 1), unwritten);
    const Buffer packed = packed_for(f, problem, kernel);
    f.run(problem, {1, src.data(), kernel.data(), packed.data(), bias.data(), dst.data(), scratch.data()});
  });
  // With windows of stride 1 behind it.
  const Geometry wide = resolve(window, height + 2 * dilation + 1, width + 2 * dilation + 1, channels, filters).value();
  const Geometry pool = resolve({.height = 2, .width = 2}, height + 1, width + 1, filters, filters).value();
  const ConvPoolForward::Problem pooled = {wide, pool, PoolKind::max, true, Activation::relu, false};
  check_round<ConvPoolForward>(pooled, wide, pool, height, width, [&](const auto& f, const Buffer& src, Buffer& dst) {
    Buffer scratch(f.scratch(pooled, 1), unwritten);
    const Buffer packed = packed_for(f, pooled, kernel);
    f.run(pooled, {1, src.data(), kernel.data(), packed.data(), bias.data(), dst.data(), nullptr, scratch.data()});
  });
}

TEST(PositionInvariance, ConvolutionsOfMapsThatGoRound) {
  for (std::int64_t width = 3; width <= 35; width += 2)
    for (const std::int64_t filters : {1, 7, 16, 37}) check_round_convolution(width % 7 + 3, width, width % 4 == 1 ? 1 : 18, filters, 1);
  for (const std::int64_t width : {4, 14, 26, 27}) check_round_convolution(9, width, 13, 19, 2);
  check_round_convolution(2, 1, 3, 5, 1);
  check_round_convolution(28, 28, 32, 33, 1);
}

TEST(PositionInvariance, PoolingsOfMapsThatGoRound) {
  for (std::int64_t width = 3; width <= 35; width += 2)
    for (const std::int64_t channels : {1, 5, 33})
      for (const std::int64_t window : {2, 3, 5})
        for (const PoolKind kind : {PoolKind::max, PoolKind::average}) {
          const std::int64_t height = width % 5 + 4;
          const Geometry g = resolve({.height = window, .width = window}, height + window - 1, width + window - 1, channels, channels).value();
          const PoolForward::Problem problem = {g, kind, false};
          check_round<PoolForward>(problem, g, g, height, width, [&](const auto& f, const Buffer& src, Buffer& dst) {
            Buffer scratch(f.scratch(problem, 1), unwritten);
            f.run(problem, {1, src.data(), dst.data(), nullptr, nullptr, scratch.data()});
          });
        }
}

// Means are summed in the order of pixels, but by the form made for this; a maximum is the same whatever comes first.
TEST(PositionInvariance, OfWholeMapsIsAMatterOfTheProblem) {
  const IsaGuard guard;
  const Policy invariant = {.position_invariant = true};
  const Geometry conv = conv_of(layers[1]);
  for (const core::Isa isa : core::available_isas()) {
    core::set_isa(isa);
    const bool scalar = isa == core::Isa::scalar;
    EXPECT_EQ(choose<GlobalPoolForward>({49, 16, PoolKind::average}, invariant).name, scalar ? "order_free_scalar" : "order_free");
    EXPECT_EQ(choose<GlobalPoolForward>({49, 16, PoolKind::max}, invariant).name, scalar ? "reference" : "vector");
    EXPECT_EQ(choose<ConvGlobalPoolForward>({conv, PoolKind::max, true, Activation::relu, false}, invariant).name, scalar ? "reference" : "strip");
    EXPECT_THROW(choose<ConvGlobalPoolForward>({conv, PoolKind::average, true, Activation::relu, false}, invariant), StateError);
  }
}

// Zeros of both signs are one maximum.
TEST(PositionInvariance, TheSignOfZeroDoesNotSayWhichCameFirst) {
  const GlobalPoolForward::Problem problem = {4, 3, PoolKind::max};
  for_each_implementation<GlobalPoolForward>(problem, [&](const Implementation<GlobalPoolForward>& f) {
    const float src[] = {-0.0f, 0.0f, -0.0f, 0.0f, -0.0f, -0.0f, -1.0f, -0.0f, -0.0f, -0.0f, -2.0f, -0.0f};
    Buffer dst(3);
    f.run(problem, {1, src, dst.data(), nullptr});
    for (std::int64_t c = 0; c < 3; ++c) EXPECT_FALSE(std::signbit(dst[c])) << c;
  });
}

// Winograd's form claims a period, with or without a pooling, and no less than what holds.
TEST(PositionInvariance, OfTilesRepeatsItself) {
  const Layer layer = {three, two_by_two, 15, 19, 32, 40};
  const Geometry conv = conv_of(layer);
  const ConvForward::Problem alone = {conv, true, Activation::relu};
  const ConvPoolForward::Problem pooled = {conv, pool_of(conv, layer), PoolKind::max, true, Activation::relu, false};
  const IsaGuard guard;
  for (const core::Isa isa : core::available_isas()) {
    core::set_isa(isa);
    if (isa == core::Isa::scalar) continue;
    EXPECT_EQ(choose<ConvForward>(alone, {.local = true}).name, "winograd");
    EXPECT_EQ(choose<ConvForward>(alone, {.local = true}).numerics.translation_period(), 2);
    EXPECT_EQ(choose<ConvForward>(alone, {.position_invariant = true}).numerics.translation_period(), 1);
    EXPECT_EQ(choose<ConvPoolForward>(pooled, {.local = true}).name, "winograd");
    EXPECT_EQ(choose<ConvPoolForward>(pooled, {.local = true}).numerics.translation_period(), 1);
    EXPECT_EQ(choose<GlobalPoolForward>({49, 16, PoolKind::average}).numerics.translation_period(), 0);
  }
  constexpr std::int64_t odd = 3;  // so that what is the same lies in other cells of tiles
  const Buffer src = repeated_values(src_pitches(conv, 1), conv.height, conv.width, odd, 5);
  const Buffer kernel(random_values(kernel_size(conv), 6)), bias(random_values(conv.out_channels, 7));
  for_each_implementation<ConvForward>(alone, [&](const Implementation<ConvForward>& f) {
    Buffer dst(conv.dst_image, untouched), scratch(f.scratch(alone, 1), unwritten);
    const Buffer packed = packed_for(f, alone, kernel);
    f.run(alone, {1, src.data(), kernel.data(), packed.data(), bias.data(), dst.data(), scratch.data()});
    const bool repeated_after_three = repeats(dst, dst_pitches(conv, 1), windows_within(conv, whole_src(conv, odd)));
    EXPECT_EQ(repeated_after_three, f.numerics.translation_period() == 1);
  });
}

// Of tiles of 4x4 each output has rounding errors of pixels that its window does not see, so it claims no period.
TEST(PositionInvariance, OfLargeTilesIsNone) {
  const Layer layer = {same, two_by_two, 16, 20, 64, 64};
  const Geometry conv = conv_of(layer);
  const ConvForward::Problem alone = {conv, true, Activation::relu};
  const ConvPoolForward::Problem pooled = {conv, pool_of(conv, layer), PoolKind::max, true, Activation::relu, false};
  const IsaGuard guard;
  for (const core::Isa isa : core::available_isas()) {
    core::set_isa(isa);
    if (isa == core::Isa::scalar) continue;
    EXPECT_EQ(choose<ConvForward>(alone).name, "winograd4");
    EXPECT_EQ(choose<ConvInputGradient>(conv).name, "winograd4");
    EXPECT_EQ(choose<ConvPoolForward>(pooled).name, "winograd4");
    EXPECT_EQ(choose<ConvForward>(alone).numerics.translation_period(), 0);
    EXPECT_EQ(choose<ConvPoolForward>(pooled).numerics.translation_period(), 0);
    for (const Policy& policy : {Policy{.position_invariant = true}, Policy{.exact = true}}) {
      EXPECT_EQ(choose<ConvForward>(alone, policy).name, "direct");
      EXPECT_EQ(choose<ConvInputGradient>(conv, policy).name, "direct");
      EXPECT_EQ(choose<ConvPoolForward>(pooled, policy).name, "strip");
    }
  }
  // The same pattern every four cells, but for one pixel that an output does not see and its neighbours do.
  Buffer src = repeated_values(src_pitches(conv, 1), conv.height, conv.width, 4, 5);
  const Buffer kernel(random_values(kernel_size(conv), 6)), bias(random_values(conv.out_channels, 7));
  for (std::int64_t c = 0; c < conv.channels; ++c) src[4 * conv.src_row + 7 * conv.src_pixel + c] += 100;
  for_each_implementation<ConvForward>(alone, [&](const Implementation<ConvForward>& f) {
    Buffer dst(conv.dst_image, untouched), scratch(f.scratch(alone, 1), unwritten);
    const Buffer packed = packed_for(f, alone, kernel);
    f.run(alone, {1, src.data(), kernel.data(), packed.data(), bias.data(), dst.data(), scratch.data()});
    const float* left = dst.data() + 4 * conv.dst_row + 5 * conv.dst_pixel;  // sees columns 4 to 6; the patch of its tile has 3 to 8
    const bool same = std::memcmp(left, left + 8 * conv.dst_pixel, static_cast<std::size_t>(conv.out_channels) * sizeof(float)) == 0;
    EXPECT_EQ(same, !has_part(f, "winograd4"));
  });
}

// A Winograd tile sums each of its cells in another order.
TEST(PositionInvariance, PixelsThatChangeTheirCell) {
  const Layer layer = {three, two_by_two, 15, 19, 32, 40};
  const Geometry conv = conv_of(layer);
  const ConvPoolForward::Problem p = {conv, pool_of(conv, layer), PoolKind::max, false, Activation::linear, true};
  bool winograd = false;
  for_each_implementation<ConvPoolForward>(p, [&](const Implementation<ConvPoolForward>& f) {
    const Moved moved = move_by_one_column(p, f);
    EXPECT_GT(moved.compared, 100);
    if (f.numerics.position_invariant)
      EXPECT_EQ(moved.differ, 0);
    else
      EXPECT_GT(moved.differ, 0);
    if (f.name != "winograd") return;
    EXPECT_FALSE(f.numerics.position_invariant);
    winograd = true;
  });
  EXPECT_EQ(winograd, core::available_isas().front() != core::Isa::scalar);
}

}  // namespace
}  // namespace linn::detail::kernels
