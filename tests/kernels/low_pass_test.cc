// Low-pass filters as long as the map, filters of each pixel, phases weighted channel by channel, regions and places.
#include "kernels/low_pass_check.h"

#include <gmock/gmock.h>

#include <set>

#include "kernels/polyphase/channel_phases.h"
#include "kernels/pool/adaptive.h"
#include "kernels/region_pool/fractional.h"
#include "support/golden.h"

namespace linn::detail::kernels {
namespace {

using check::Values;
using ::testing::ElementsAre;

TEST(RingFilter, EveryFormAndTail) {
  for (const std::int64_t channels : {1, 3, 5, 17, 33, 70})
    for (const auto& [height, width] : {std::pair<std::int64_t, std::int64_t>{8, 6}, {7, 9}, {1, 2}, {14, 5}})
      for (const std::int64_t stride : {1, 2, 3})
        for (const bool hamming : {false, true}) {
          check::check_ring_filter({low_frequencies(height, stride, hamming), low_frequencies(width, 2, hamming), channels}, 2,
                                   Values::normal, 1);
          if (HasFatalFailure()) return;
        }
}

TEST(RingFilter, WeightsOfAHalfBandFilter) {
  for (const std::int64_t size : {2, 4, 6, 14, 28, 112}) {
    const RingAxis axis = low_frequencies(size, 2, false);
    double sum = 0;
    for (std::int64_t from = 0; from < size; ++from) sum += axis.weight(0, from);
    EXPECT_NEAR(sum, 1, 1e-14) << size;
    EXPECT_NEAR(axis.weights[0], 0.5, 1e-15);
    for (const std::int64_t distance : axis.distances) EXPECT_TRUE(distance == 0 || distance % 2 == 1) << distance << " of " << size;
    EXPECT_EQ(low_frequencies(size, 1, false).distances, std::vector<std::int64_t>{0}) << "nothing is filtered without a stride";
  }
  EXPECT_EQ(low_frequencies(3, 3, false).weights, (std::vector<double>{1.0 / 3, 1.0 / 3})) << "the mean";
}

TEST(PixelFilter, EveryFormAndTail) {
  for (const auto& [groups, channels] : {std::pair<std::int64_t, std::int64_t>{1, 1}, {2, 3}, {8, 4}, {3, 17}, {1, 33}})
    for (const Window& window : {Window{3, 3, 2, 2}, Window{2, 4, 1, 3}, Window{1, 1}})
      for (const Values values : {Values::normal, Values::ties, Values::hostile}) {
        check::check_pixel_filter(check::pixel_filter_problem(window, 8, 9, groups, channels), 2, values, 1);
        if (HasFatalFailure()) return;
      }
}

TEST(RegionMax, EveryFormAndTail) {
  for (const std::int64_t channels : {1, 3, 5, 17, 33})
    for (const std::int64_t more : {0, 1, 2})
      for (const Values values : {Values::normal, Values::ties, Values::hostile}) {
        check::check_region_max({7, 9, channels, 4, 5}, more, 2, values, 1);
        check::check_region_max({3, 2, channels, 3, 1}, more, 2, values, 2);
        if (HasFatalFailure()) return;
      }
}

// ---- fractional regions ----------------------------------------------------------------------------------------------

struct Axis {
  std::vector<std::int32_t> first, last;

  explicit Axis(std::int64_t out) : first(static_cast<std::size_t>(out)), last(first.size()) {}
  Regions regions() const { return {first.data(), last.data()}; }
};

TEST(FractionalRegions, ShareTheAxisOut) {
  for (const std::int64_t size : {5, 12, 31})
    for (std::int64_t out = 1; out <= size; ++out)
      for (const bool pseudo : {true, false})
        for (std::uint64_t seed = 0; seed < 20; ++seed) {
          Axis axis(out);
          const core::Random random(seed, 3);
          if (pseudo)
            pseudo_random_regions({size, out}, random.uniform53(0), axis.first.data(), axis.last.data());
          else
            random_regions({size, out}, random, 0, axis.first.data(), axis.last.data());
          EXPECT_EQ(axis.first.front(), 0);
          EXPECT_EQ(axis.last.back(), size);
          for (std::size_t i = 0; i < axis.first.size(); ++i) {
            const std::int64_t cells = axis.last[i] - axis.first[i];
            EXPECT_TRUE(cells == size / out || cells == size / out + 1) << cells << " of " << size << " to " << out;
            if (i > 0) {
              EXPECT_EQ(axis.first[i], axis.last[i - 1]);
            }
          }
        }
}

// Graham's borders with alpha = 10 / 7 and u = 0.3: ceil(alpha (i + u)) is 1 2 4 5 7 8 9 11.
TEST(FractionalRegions, TheEquation) {
  Axis axis(7);
  pseudo_random_regions({10, 7}, 0.3, axis.first.data(), axis.last.data());
  EXPECT_THAT(axis.first, ElementsAre(0, 1, 3, 4, 6, 7, 8));
  EXPECT_THAT(axis.last, ElementsAre(1, 3, 4, 6, 7, 8, 10));
  overlap({10, 7}, axis.last.data());
  EXPECT_THAT(axis.last, ElementsAre(2, 4, 5, 7, 8, 9, 10));
}

TEST(FractionalRegions, OrdersOfIncrementsDiffer) {
  std::set<std::vector<std::int32_t>> seen;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Axis axis(4);
    random_regions({6, 4}, core::Random(seed, 1), 0, axis.first.data(), axis.last.data());
    seen.insert(axis.last);
  }
  EXPECT_EQ(seen.size(), 6U) << "two increments of 2 among four";
}

void check_golden_regions(const tests::GoldenTensors& golden, const std::string& name, const Axis& rows, const Axis& columns) {
  SCOPED_TRACE(name);
  const Tensor &input = golden[name + "/input"], &output = golden[name + "/output"];
  const std::int64_t images = input.shape()[0];
  const RegionMaxForward::Problem p{input.shape()[1], input.shape()[2], input.shape()[3], output.shape()[1], output.shape()[2]};
  const tests::Values src = golden.values(name + "/input"), ddst = golden.values(name + "/upstream");
  tests::Values dst(ddst.size()), dsrc(src.size());
  std::vector<std::int32_t> argmax(dst.size());
  RegionMaxForward::reference<double>(p, {images, rows.regions(), columns.regions(), src.data(), dst.data(), argmax.data(), nullptr});
  EXPECT_EQ(dst, golden.values(name + "/output"));
  AdaptivePoolInputGradient::reference<double>({p.height, p.width, p.channels, p.out_height, p.out_width, PoolKind::max},
                                               {images, ddst.data(), argmax.data(), dsrc.data(), nullptr});
  EXPECT_TRUE(tests::agrees("gradient", input.shape(), dsrc, golden.values(name + "/grad"), {1e-6, 1e-9}));
}

Axis axis_between(const std::vector<std::int32_t>& borders, bool overlapping) {
  Axis axis(static_cast<std::int64_t>(borders.size()) - 1);
  std::copy(borders.begin(), borders.end() - 1, axis.first.begin());
  std::copy(borders.begin() + 1, borders.end(), axis.last.begin());
  if (overlapping) overlap({borders.back(), static_cast<std::int64_t>(axis.first.size())}, axis.last.data());
  return axis;
}

TEST(FractionalRegions, AsPyTorchAndTensorFlow) {
  const tests::GoldenTensors golden("cures.safetensors");
  const io::Json index = tests::golden_json("cures.json");
  ASSERT_EQ(index["regions"].size(), 6U);
  for (const io::Json& test : index["regions"]) {
    const auto name = test["name"].get<std::string>();
    if (test.contains("rows")) {
      const bool overlapping = test["overlapping"];
      check_golden_regions(golden, name, axis_between(test["rows"], overlapping), axis_between(test["columns"], overlapping));
      continue;
    }
    const Shape &input = golden[name + "/input"].shape(), &output = golden[name + "/output"].shape();
    Axis rows(output[1]), columns(output[2]);
    windows_of_one_size({input[1], output[1]}, test["pool"][0], test["samples"][0], rows.first.data(), rows.last.data());
    windows_of_one_size({input[2], output[2]}, test["pool"][1], test["samples"][1], columns.first.data(), columns.last.data());
    check_golden_regions(golden, name, rows, columns);
  }
}

// ---- phases and places -----------------------------------------------------------------------------------------------

// A circular shift of the map permutes the means, bit for bit.
TEST(ChannelPhases, MeansPermuteWithTheMap) {
  const Phases p{6, 8, 3, 2, 2};
  const std::vector<float> map = check::make(p.map(), Values::normal, 4);
  std::vector<float> means(static_cast<std::size_t>(p.count() * p.channels)), moved_means(means.size()), moved(map.size());
  std::vector<float> scratch(static_cast<std::size_t>(ChannelPhaseMeans::reference_scratch(p, 1)));
  ChannelPhaseMeans::reference<float>(p, {1, map.data(), means.data(), scratch.data()});
  for (std::int64_t down = 0; down < p.height; ++down)
    for (std::int64_t right = 0; right < p.width; ++right) {
      for (std::int64_t y = 0; y < p.height; ++y)
        for (std::int64_t x = 0; x < p.width; ++x)
          std::copy_n(map.begin() + (y * p.width + x) * p.channels, p.channels,
                      moved.begin() + ((y + down) % p.height * p.width + (x + right) % p.width) * p.channels);
      ChannelPhaseMeans::reference<float>(p, {1, moved.data(), moved_means.data(), scratch.data()});
      for (std::int64_t k = 0; k < p.count(); ++k) {
        const std::int64_t to = (k / 2 + down) % 2 * 2 + (k % 2 + right) % 2;
        for (std::int64_t c = 0; c < p.channels; ++c)
          EXPECT_EQ(moved_means[static_cast<std::size_t>(to * p.channels + c)], means[static_cast<std::size_t>(k * p.channels + c)]);
      }
    }
}

TEST(ChannelPhases, ANanReachesItsMean) {
  const Phases p{2, 2, 2, 2, 2};
  const double nan = std::nan("");
  const std::vector<double> map = {1, 2, nan, 4, 5, 6, 7, 8};
  std::vector<double> means(8), scratch(static_cast<std::size_t>(ChannelPhaseMeans::reference_scratch(p, 1)));
  ChannelPhaseMeans::reference<double>(p, {1, map.data(), means.data(), scratch.data()});
  EXPECT_TRUE(std::isnan(means[2]));
  EXPECT_EQ(means[3], 4);
}

TEST(Unpool, PlacesOutsideTheMapAreLeftOutAndSharedOnesAdded) {
  const std::vector<double> values = {1, 2, 4, 8, 16}, places = {3, -1, 3, 4, std::nan("")}, ddst = {10, 20, 30, 40};
  std::vector<double> dst(4), dsrc(5);
  UnpoolForward::reference<double>({.cells = 5, .pixels = 4, .channels = 1}, {1, values.data(), places.data(), dst.data(), nullptr});
  EXPECT_THAT(dst, ElementsAre(0, 0, 0, 5));
  UnpoolInputGradient::reference<double>({.cells = 5, .pixels = 4, .channels = 1}, {1, ddst.data(), places.data(), dsrc.data(), nullptr});
  EXPECT_THAT(dsrc, ElementsAre(40, 0, 40, 0, 0));
}

}  // namespace
}  // namespace linn::detail::kernels
