#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "io/json.h"
#include "linn/error.h"
#include "linn/shift.h"
#include "shift/tables.h"
#include "shift/text.h"
#include "support/source_tree.h"

namespace linn::shift {
namespace {

const detail::io::Json& golden() {
  static const std::string path = tests::golden("measures.json");
  static const detail::io::Json json = detail::io::parse_json(tests::text_of(path), path);
  return json;
}

Predictions golden_answers() {
  const detail::io::Json& all = golden();
  return {.radius = all["radius"].get<std::int64_t>(),
          .classes = all["classes"].get<std::int64_t>(),
          .predicted = all["predicted"].get<std::vector<std::uint16_t>>(),
          .labels = all["labels"].get<std::vector<std::int64_t>>(),
          .room = all["room"].get<std::vector<std::int64_t>>(),
          .change = all["change"].get<std::vector<float>>(),
          .label_value = all["label_value"].get<std::vector<float>>()};
}

Predictions without_labels() {
  Predictions predictions = golden_answers();
  predictions.labels.clear();
  predictions.label_value.clear();
  return predictions;
}

void expect_number(double got, const detail::io::Json& want, const std::string& what) {
  if (want.is_null()) {
    EXPECT_TRUE(std::isnan(got)) << what << " " << got;
  } else {
    EXPECT_NEAR(got, want.get<double>(), 1e-12) << what;
  }
}

// [value, low, high], null where there is none.
void expect_estimate(const Estimate& got, const detail::io::Json& want, const std::string& what) {
  const bool none = want.is_null();
  expect_number(got.value, none ? want : want[0], what);
  expect_number(got.low, none ? want : want[1], what + ", low");
  expect_number(got.high, none ? want : want[2], what + ", high");
}

TEST(Measures, AreNumpys) {
  const Sweep sweep(golden_answers());
  for (std::int64_t r = 0; r <= sweep.radius(); ++r) {
    const detail::io::Json& want = golden()["within"][static_cast<std::size_t>(r)];
    const Measures found = sweep.measures(r);
    EXPECT_EQ(found.r, r);
    std::size_t compared = 0;
    const auto compare = [&](const std::string& key, const Estimate& estimate) {
      expect_estimate(estimate, want.at(key), key + " within " + std::to_string(r));
      ++compared;
    };
    for (const NamedMeasure& measure : named_measures()) compare(std::string(measure.key), found.*measure.value);
    compare("uncut_share", found.uncut_share);
    compare("worst_case_accuracy_of_uncut", found.worst_case_accuracy_of_uncut);
    EXPECT_EQ(compared, want.size()) << "all of them";
    EXPECT_DOUBLE_EQ(sweep.mean_accuracy(r), found.mean_accuracy.value);
    EXPECT_EQ(sweep.worst_case_accuracy(r), found.worst_case_accuracy.value);
    EXPECT_EQ(sweep.uncut_share(r), found.uncut_share.value);
  }
}

TEST(Measures, CurveIsNumpys) {
  const auto curve = Sweep(golden_answers()).curve();
  const detail::io::Json& want = golden()["curve"];
  ASSERT_EQ(curve.size(), want.size());
  for (std::size_t d = 0; d < curve.size(); ++d) {
    EXPECT_EQ(curve[d].distance, static_cast<std::int64_t>(d));
    EXPECT_EQ(curve[d].shifts, want[d]["shifts"].get<std::int64_t>());
    expect_estimate(curve[d].accuracy, want[d]["accuracy"], "accuracy");
    expect_estimate(curve[d].changed, want[d]["changed"], "changed");
    expect_estimate(curve[d].mean_change, want[d]["mean_change"], "mean change");
  }
}

TEST(Measures, MapsAndNearestFlipsAreNumpys) {
  const Sweep sweep(golden_answers());
  const auto expect_map = [](const Tensor& map, const detail::io::Json& want) {
    const auto values = map.values<double>();
    ASSERT_EQ(values.size(), want.size());
    for (std::size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(values[i], want[i].get<double>(), 1e-12) << i;
  };
  expect_map(sweep.map(), golden()["accuracy_map"]);
  expect_map(sweep.unchanged_map(), golden()["unchanged_map"]);
  expect_map(sweep.change_map(), golden()["change_map"]);
  for (std::int64_t i = 0; i < sweep.images(); ++i) {
    const detail::io::Json& want = golden()["nearest_flips"][static_cast<std::size_t>(i)];
    const auto flip = sweep.nearest_flip(i);
    ASSERT_EQ(flip.has_value(), !want.is_null()) << i;
    if (flip) {
      EXPECT_EQ(*flip, (Shift{want[0].get<std::int64_t>(), want[1].get<std::int64_t>()})) << i;
    }
  }
}

TEST(Measures, WilsonIsTheRootOfItsQuadratic) {
  for (const detail::io::Json& one : golden()["wilson"])
    expect_estimate(wilson(one["count"].get<std::int64_t>(), one["all"].get<std::int64_t>()), one["estimate"], one.dump());
  EXPECT_TRUE(std::isnan(wilson(0, 0).value));
  EXPECT_THROW(wilson(2, 1), ValueError);
  EXPECT_THROW(wilson(-1, 1), ValueError);
}

TEST(Measures, WithoutLabelsOnlyPredictionsAreCompared) {
  const Sweep with(golden_answers());
  const Sweep sweep(without_labels());
  EXPECT_FALSE(sweep.labelled());
  const Measures found = sweep.measures(2);
  const Measures all = with.measures(2);
  EXPECT_EQ(found.consistency.value, all.consistency.value);
  EXPECT_EQ(found.flip_rate.value, all.flip_rate.value);
  EXPECT_EQ(found.max_change.value, all.max_change.value);
  EXPECT_EQ(found.uncut_share.value, all.uncut_share.value);
  for (const Estimate& none : {found.accuracy, found.mean_accuracy, found.worst_case_accuracy, found.consistency_given_correct,
                               found.label_deviation, found.worst_case_accuracy_of_uncut})
    EXPECT_TRUE(std::isnan(none.value));
  EXPECT_THROW(sweep.accuracy(0, 0), StateError);
  EXPECT_THROW(sweep.map(), StateError);
  EXPECT_THROW(sweep.worst_case_accuracy(1), StateError);
  EXPECT_THROW(sweep.label(0), StateError);
  EXPECT_TRUE(std::isnan(sweep.curve()[1].accuracy.value));
  EXPECT_EQ(sweep.curve()[1].changed.value, with.curve()[1].changed.value);
  Predictions bare = without_labels();
  bare.change.clear();
  EXPECT_THROW(Sweep(bare).change_map(), StateError);
  EXPECT_TRUE(std::isnan(Sweep(bare).measures(1).mean_change.value));
}

TEST(Measures, OneImageHasNoInterval) {
  const Sweep sweep(Predictions{.radius = 1, .classes = 2, .predicted = {0, 0, 0, 0, 1, 1, 0, 0, 0}, .labels = {1}, .room = {1}});
  const Measures found = sweep.measures(1);
  EXPECT_DOUBLE_EQ(found.mean_accuracy.value, 2.0 / 9);
  EXPECT_TRUE(std::isnan(found.mean_accuracy.low));
  EXPECT_DOUBLE_EQ(found.consistency.value, (4.0 + 49.0) / 81);
  EXPECT_DOUBLE_EQ(found.jaggedness.value, 5.0 / 12) << "the steps into and out of the two ones";
  EXPECT_EQ(*sweep.nearest_flip(0), (Shift{-1, 0}));
}

TEST(Measures, RefuseAnswersThatDoNotFit) {
  const Predictions good = golden_answers();
  const auto with = [&](auto change) {
    Predictions bad = good;
    change(bad);
    return bad;
  };
  EXPECT_THROW(Sweep(with([](Predictions& a) { a.predicted.pop_back(); })), ShapeError);
  EXPECT_THROW(Sweep(with([](Predictions& a) { a.change.pop_back(); })), ShapeError);
  EXPECT_THROW(Sweep(with([](Predictions& a) { a.label_value.pop_back(); })), ShapeError);
  EXPECT_THROW(Sweep(with([](Predictions& a) { a.labels.pop_back(); })), ShapeError);
  EXPECT_THROW(Sweep(with([](Predictions& a) { a.predicted[7] = 5; })), ValueError);
  EXPECT_THROW(Sweep(with([](Predictions& a) { a.labels[2] = -1; })), ValueError);
  EXPECT_THROW(Sweep(with([](Predictions& a) { a.classes = 1; })), ValueError);
  EXPECT_THROW(Sweep(with([](Predictions& a) { a.radius = -1; })), ValueError);
  EXPECT_THROW(Sweep(Predictions{.radius = 0, .classes = 2}), ValueError);
  EXPECT_THROW(Sweep(good).measures(4), ValueError);
  EXPECT_THROW(Sweep(good).predicted(14, 0, 0), ValueError);
}

TEST(Tables, HoldTheNumbers) {
  const Sweep sweep(golden_answers());
  const detail::io::Json json = to_json(sweep);
  const Measures most = sweep.measures(3);
  for (const NamedMeasure& measure : named_measures()) {
    const std::string key(measure.key);
    EXPECT_EQ(json.at(key).get<double>(), (most.*measure.value).value) << key;
    EXPECT_EQ(json.at("intervals").at(key)[0].get<double>(), (most.*measure.value).low) << key;
    EXPECT_EQ(json.at("within")[3].at(key).get<double>(), (most.*measure.value).value) << key;
  }
  EXPECT_TRUE(json["within"][0]["jaggedness"].is_null());
  EXPECT_EQ(json["map"][3][4].get<double>(), sweep.accuracy(0, 1));
  EXPECT_EQ(json["unchanged_map"][0][6].get<double>(), sweep.unchanged(-3, 3));
  EXPECT_TRUE(to_json(Sweep(without_labels()))["map"].is_null());
  EXPECT_TRUE(to_json(Sweep(without_labels()))["accuracy"].is_null());

  const Sweep one(Predictions{.radius = 0, .classes = 2, .predicted = {1, 0}, .labels = {1, 1}, .room = {0, 0}, .change = {0, 0}});
  EXPECT_EQ(csv_of(one), "dy,dx,accuracy,unchanged,mean_change\r\n0,0,0.5,1,0\r\n");
  const Sweep bare(Predictions{.radius = 0, .classes = 2, .predicted = {1, 0}, .room = {0, 0}});
  EXPECT_EQ(csv_of(bare), "dy,dx,accuracy,unchanged,mean_change\r\n0,0,,1,\r\n");
}

TEST(Text, SaysWhatMattersFirst) {
  const auto sweep_of = [](std::vector<std::uint16_t> predicted, std::vector<std::int64_t> labels) {
    return Sweep(Predictions{.radius = 1, .classes = 2, .predicted = std::move(predicted), .labels = std::move(labels), .room = {1}});
  };
  const std::vector<std::uint16_t> steady(9, 1);
  std::vector<std::uint16_t> flips = steady;
  flips[0] = 0;
  EXPECT_NE(verdict(sweep_of(steady, {1})).find("100.00 % are right where they are, and none of 1 image changes"), std::string::npos);
  EXPECT_NE(verdict(sweep_of(flips, {1})).find("only 0.00 % stay right at every shift within 1 pixel "), std::string::npos);
  EXPECT_NE(verdict(sweep_of(flips, {})).find("100.00 % of the images change their class"), std::string::npos);
  EXPECT_NE(verdict(sweep_of(steady, {})).find("No image changes"), std::string::npos);
  EXPECT_EQ(table_by_radius(sweep_of(steady, {})).find("accuracy"), std::string::npos) << "not without labels";
  EXPECT_EQ(table_of_measures(sweep_of(steady, {})).find("worst case"), std::string::npos);
}

TEST(Text, WrapsAtWords) {
  EXPECT_EQ(wrapped("one two three", 8, " "), " one two\n three\n");
  EXPECT_EQ(wrapped("at 98.3 % of", 8), "at\n98.3 %\nof\n") << "a number keeps its sign";
  EXPECT_EQ(wrapped("longerthanaline x", 4), "longerthanaline\nx\n");
}

}  // namespace
}  // namespace linn::shift
