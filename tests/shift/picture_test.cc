#include "shift/picture.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "linn/error.h"
#include "shift/charts.h"
#include "shift/font.h"

namespace linn::shift {
namespace {

double luminance(Color color) { return 0.2126 * color.red + 0.7152 * color.green + 0.0722 * color.blue; }

TEST(Percent, RoundsTheCountHalfUp) {
  EXPECT_EQ(percent(2545.0 / 10000), "25.5");
  EXPECT_EQ(percent(2544.0 / 10000), "25.4");
  for (int count = 0; count <= 10000; ++count) {
    const int tenths = (count + 5) / 10;  // of a percent, in whole numbers
    EXPECT_EQ(percent(count / 10000.0), std::to_string(tenths / 10) + "." + std::to_string(tenths % 10)) << count;
  }
  EXPECT_EQ(percent(1), "100.0");
  EXPECT_EQ(percent(9848.0 / 10000, 2), "98.48");
  EXPECT_EQ(percent(1.0 / 8, 0), "13");
}

TEST(Font, EveryRowIsWhole) {
  for (const auto& block : font_blocks)
    for (const auto& row : block) EXPECT_EQ(row.size(), glyphs_in_a_block * (glyph_width + 1));
}

TEST(Font, NoTwoCharactersLookAlike) {
  std::vector<std::string> seen;
  for (char c = 33; c < 127; ++c) {
    Picture picture(6, 9);
    picture.text(0, 0, std::string(1, c), ink, 1);
    const auto values = picture.image().values<std::uint8_t>();
    seen.emplace_back(values.begin(), values.end());
    for (std::size_t i = 0; i + 1 < seen.size(); ++i) EXPECT_NE(seen[i], seen.back()) << c << " and " << static_cast<char>(33 + i);
  }
}

TEST(Heat, GetsLighterAllTheWay) {
  for (int i = 0; i < 100; ++i) EXPECT_LT(luminance(heat(i / 100.0)), luminance(heat((i + 1) / 100.0))) << i;
  EXPECT_EQ(heat(-1), heat(0));
  EXPECT_EQ(heat(2), heat(1));
  EXPECT_EQ(heat(std::numeric_limits<double>::quiet_NaN()).red, 173);
}

TEST(Picture, DrawsInsideItselfOnly) {
  Picture picture(10, 8);
  picture.fill(-5, -5, 7, 7, ink);
  picture.fill(9, 7, 100, 100, ink);
  picture.text(-3, -3, "Ag", ink, 3);
  picture.text(8, 6, "\xff", ink, 2);
  picture.line(-50, 4, 50, 4, 2, ink);
  picture.disc(0, 0, 500, grey);
  EXPECT_EQ(picture.at(5, 5), grey);
  EXPECT_THROW(picture.at(10, 0), ValueError);
  EXPECT_THROW(Picture(0, 5), ValueError);
  EXPECT_THROW(Picture(5, 20000), ValueError);
}

TEST(Picture, TextStandsWhereItIsPut) {
  EXPECT_EQ(Picture::text_width("ab", 2), 22);
  Picture picture(40, 20);
  picture.text(20, 2, "I", ink, 2, Align::centre);
  EXPECT_EQ(picture.at(20, 8), ink);
  picture.text(40, 2, "H", ink, 2, Align::right);
  EXPECT_EQ(picture.at(39, 8), ink);
}

TEST(Charts, HaveEverySweep) {
  const auto always = [](std::uint16_t predicted) {
    return Sweep(Predictions{.radius = 2, .classes = 2, .predicted = std::vector<std::uint16_t>(25 * 3, predicted), .labels = {1, 1, 1}, .room = {0, 1, 2}});
  };
  const Sweep good = always(1);
  const Sweep bad = always(0);
  const Picture one = shift_maps({{"good", &good}});
  const Picture two = shift_maps({{"good", &good}, {"bad", &bad}});
  EXPECT_GT(two.width(), one.width());
  EXPECT_EQ(two.height(), one.height());
  EXPECT_GT(accuracy_by_radius({{"good", &good}, {"bad", &bad}}).width(), 900);
  EXPECT_THROW(shift_maps({}), ValueError);
  EXPECT_EQ(maps_of(good).size(), 2U);
  EXPECT_EQ(maps_of(Sweep(Predictions{.radius = 0, .classes = 2, .predicted = {1}, .room = {0}})).size(), 1U) << "no accuracy without labels";
  EXPECT_THROW(accuracy_by_radius({}), ValueError);
}

TEST(Charts, MapsAroundPooling) {
  Tensor before({4, 4, 2});
  before.values<float>()[0] = 1;
  const Picture picture = maps_around_pooling(Tensor({4, 4}, DType::u8), {{"conv", "pool", before, Tensor({2, 2, 2})}});
  EXPECT_GT(picture.width(), 800);
  EXPECT_THROW(maps_around_pooling(Tensor({4, 4}, DType::u8), {{"conv", "pool", before, Tensor({2, 2, 3})}}), ShapeError);
  EXPECT_THROW(maps_around_pooling(Tensor({1, 4, 4, 1}), {}), ShapeError);
}

}  // namespace
}  // namespace linn::shift
