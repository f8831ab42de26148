#include "shift/report.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"
#include "linn/error.h"
#include "linn/layers.h"
#include "linn/shift.h"
#include "support/source_tree.h"

namespace linn::shift {
namespace {

Sequential small_model() {
  Sequential model(ModelOptions{.seed = 3});
  model.add(MaxPooling2D({2, 2}, {.input_shape = {6, 6, 1}}));
  model.add(Flatten());
  model.add(Dense(3, {.activation = "softmax"}));
  return model;
}

Tensor small_images(std::int64_t n) {
  Tensor images({n, 6, 6}, DType::u8);
  for (std::size_t i = 0; i < static_cast<std::size_t>(n * 36); ++i)
    images.values<std::uint8_t>()[i] = static_cast<std::uint8_t>(i * 37 % 251);
  return images;
}

std::string between(const std::string& text, std::string_view from, std::string_view to) {
  const std::size_t begin = text.find(from) + from.size();
  return text.substr(begin, text.find(to, begin) - begin);
}

detail::io::Json slide_data(const std::string& page) { return detail::io::parse_json(between(page, "id=\"data\">", "</script>"), "page"); }

TEST(Base64, IsRfc4648s) {
  const auto of = [](std::string_view text) { return base64(std::as_bytes(std::span(text.data(), text.size()))); };
  EXPECT_EQ(of(""), "");
  EXPECT_EQ(of("f"), "Zg==");
  EXPECT_EQ(of("fo"), "Zm8=");
  EXPECT_EQ(of("foo"), "Zm9v");
  EXPECT_EQ(of("foobar"), "Zm9vYmFy");
  EXPECT_EQ(of("\xff\xfe\xfd"), "//79");
}

TEST(Report, EscapesEveryText) {
  EXPECT_EQ(escaped("<a href=\"x\">'&"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
  const Sequential model = small_model();
  const Tensor images = small_images(4);
  const Sweep sweep = shift::sweep(model, images, {}, {.radius = 1});
  const std::string evil = "</script><script>alert('1')</script>";
  const std::string page = report_of(sweep, nullptr, model, images, {.title = evil, .model = evil, .data = evil});
  EXPECT_EQ(page.find("<script>alert"), std::string::npos);
  EXPECT_EQ(page.find(evil), std::string::npos);
  EXPECT_NE(page.find("&lt;/script&gt;&lt;script&gt;alert(&#39;1&#39;)"), std::string::npos);
}

TEST(Report, SaysWhatIsGuaranteed) {
  const Tensor images = small_images(4);
  const auto page_of = [&](const Sequential& model) {
    return report_of(shift::sweep(model, images, {}, {.radius = 1}), nullptr, model, images, {.model = "m", .data = "d"});
  };
  EXPECT_NE(page_of(small_model()).find("No guarantee by construction"), std::string::npos);
  Sequential ring(ModelOptions{.seed = 3});
  ring.add(Conv2D(4, 3, {.padding = "circular", .input_shape = {6, 6, 1}}));
  ring.add(MaxPooling2D(2, {.strides = 1, .padding = "circular"}));
  ring.add(AdaptivePolyphaseSampling2D());
  ring.add(GlobalMaxPooling2D());
  ring.add(Dense(3, {.activation = "softmax"}));
  EXPECT_NE(page_of(ring).find("Guaranteed by construction"), std::string::npos);
}

TEST(Report, NeedsNothingElse) {
  const Sequential model = small_model();
  const Tensor images = small_images(9);
  const Sweep sweep = shift::sweep(model, images, {}, {.radius = 2});
  const ErrorSources found = find_error_sources(model, images, sweep);
  const std::string page = report_of(sweep, &found, model, images, {.model = "m", .data = "d"});
  for (const char* away : {"http:", "https:", "//cdn", "<link", "@import", "url(", "fetch(", "XMLHttp", "WebSocket"})
    EXPECT_EQ(page.find(away), std::string::npos) << away;
  std::size_t sources = 0;
  for (std::size_t at = page.find("src="); at != std::string::npos; at = page.find("src=", at + 1), ++sources)
    EXPECT_EQ(page.compare(at, 27, "src=\"data:image/png;base64,"), 0);
  EXPECT_EQ(sources, 1U);
  EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
  for (const std::string& words : found.text) EXPECT_NE(page.find(escaped(words)), std::string::npos);
  EXPECT_EQ(report_of(sweep, nullptr, model, images, {}).find("Where it comes from"), std::string::npos);
}

TEST(Report, SlidesWhatFlipsSoonest) {
  const Sequential model = small_model();
  const Tensor images = small_images(4);
  Predictions predictions{.radius = 2, .classes = 3, .predicted = std::vector<std::uint16_t>(4 * 25), .labels = {0, 0, 0, 1}, .room = {0, 0, 0, 0}};
  predictions.predicted[0] = 2;        // image 0 flips at (-2, -2)
  predictions.predicted[25 + 13] = 1;  // image 1 at (0, 1)
  predictions.predicted[75 + 13] = 1;  // image 3 is wrong in place
  const Sweep sweep(predictions);
  const detail::io::Json data = slide_data(report_of(sweep, nullptr, model, images, {}));
  EXPECT_EQ(data["radius"], 2);
  ASSERT_EQ(data["examples"].size(), 3U);
  EXPECT_EQ(data["examples"][0]["index"], 1);
  EXPECT_EQ(data["examples"][1]["index"], 0);
  EXPECT_EQ(data["examples"][2]["index"], 2) << "one that never changes, last";
  EXPECT_EQ(data["examples"][0]["predicted"].get<std::vector<int>>(),
            std::vector<int>(predictions.predicted.begin() + 25, predictions.predicted.begin() + 50));
  EXPECT_EQ(data["examples"][0]["label"], 0);
  const auto pixels = std::as_bytes(images.values<std::uint8_t>().subspan(36, 36));
  EXPECT_EQ(data["examples"][0]["pixels"], base64(pixels));
  EXPECT_EQ(slide_data(report_of(sweep, nullptr, model, images, {.examples = 1}))["examples"][0]["index"], 2);
  EXPECT_THROW(report_of(sweep, nullptr, model, images, {.examples = 0}), ValueError);
  EXPECT_THROW(report_of(sweep, nullptr, model, small_images(3), {}), ShapeError);

  predictions.predicted.assign(4 * 25, 0);
  const detail::io::Json still = slide_data(report_of(Sweep(predictions), nullptr, model, images, {.examples = 2}));
  ASSERT_EQ(still["examples"].size(), 2U) << "none changes, and one is wrong";
  EXPECT_EQ(still["examples"][1]["index"], 1);
  predictions.labels = {1, 1, 1, 1};
  EXPECT_EQ(slide_data(report_of(Sweep(predictions), nullptr, model, images, {}))["examples"].size(), 1U) << "none is right: the first";
}

TEST(Report, KnowsWhereImagesStand) {
  const Sequential model = small_model();
  Tensor floats({1, 3, 4, 1});
  floats.values<float>()[5] = 2;
  floats.values<float>()[6] = -1;
  const Sweep sweep = shift::sweep(model, floats, {}, {.radius = 1, .border = "circular"});
  const detail::io::Json data = slide_data(report_of(sweep, nullptr, model, floats, {.border = "circular"}));
  EXPECT_EQ(data["top"], 1);
  EXPECT_EQ(data["left"], 1);
  EXPECT_EQ(data["circular"], true);
  std::vector<std::byte> want(12);
  want[5] = std::byte{255};
  EXPECT_EQ(data["examples"][0]["pixels"], base64(want)) << "black for 0 and less, white for the largest";
}

TEST(Report, IsWrittenWholeOrNotAtAll) {
  const Sequential model = small_model();
  const Tensor images = small_images(2);
  const Sweep sweep = shift::sweep(model, images, {}, {.radius = 1});
  EXPECT_THROW(write_report("/nowhere/report.html", sweep, nullptr, model, images, {}), IoError);
  EXPECT_THROW(write_csv("/nowhere/shift.csv", sweep), IoError);
  const std::string path = std::filesystem::temp_directory_path() / "linn_report_test.html";
  write_report(path, sweep, nullptr, model, images, {});
  EXPECT_EQ(tests::text_of(path), report_of(sweep, nullptr, model, images, {}));
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace linn::shift
