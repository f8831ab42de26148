// Augmentation layers from a text.
#include <fmt/format.h>

#include <charconv>
#include <string>

#include "core/did_you_mean.h"
#include "linn/augment.h"
#include "linn/error.h"

namespace linn {
namespace detail::train::augment_text {
namespace {

// The arguments of one name.
class Arguments {
 public:
  Arguments(std::string_view name, std::string_view usage, std::vector<std::string_view> texts, const ValueRange& range)
      : name_(name), usage_(usage), texts_(std::move(texts)), range_(range) {}

  const ValueRange& range() const { return range_; }
  std::size_t size() const { return texts_.size(); }
  std::string_view text(std::size_t i) const { return texts_[i]; }
  double number(std::size_t i, double least, double most) const {
    if (i >= texts_.size()) refuse("an argument is missing");
    double value = 0;
    const auto [end, fault] = std::from_chars(texts_[i].data(), texts_[i].data() + texts_[i].size(), value);
    if (fault != std::errc() || end != texts_[i].data() + texts_[i].size()) refuse(fmt::format("\"{}\" is not a number", texts_[i]));
    if (!(value >= least && value <= most)) refuse(fmt::format("{} must be {} to {}", texts_[i], least, most));
    return value;
  }
  double number_or(std::size_t i, double otherwise, double least, double most) const {
    return i < texts_.size() ? number(i, least, most) : otherwise;
  }
  [[noreturn]] void refuse(std::string_view what) const {
    throw ValueError(fmt::format("augmentation \"{}\": {}; it is written {}", name_, what, usage_));
  }

 private:
  std::string_view name_, usage_;
  std::vector<std::string_view> texts_;
  const ValueRange& range_;
};

constexpr double least_alpha = 1e-3, most_alpha = 1000;

Layer flip(const Arguments& a) {
  const std::string_view mode = a.size() == 0 ? "horizontal" : a.text(0);
  if (mode == "horizontal") return RandomFlip("horizontal");
  if (mode == "vertical") return RandomFlip("vertical");
  if (mode == "both") return RandomFlip("horizontal_and_vertical");
  constexpr std::string_view modes[] = {"horizontal", "vertical", "both"};
  a.refuse(fmt::format("\"{}\" is no way to flip{}", mode, core::did_you_mean(mode, modes)));
}
Layer translation(const Arguments& a) {
  const double height = a.number(0, 0, 1);
  return RandomTranslation(height, a.number_or(1, height, 0, 1));
}
Layer zoom(const Arguments& a) {
  const double height = a.number(0, 0, 0.99);
  if (a.size() < 2) return RandomZoom(height);
  return RandomZoom(height, {.width_factor = a.number(1, 0, 0.99)});
}
Layer shear(const Arguments& a) {
  const double x = a.number(0, 0, 1);
  return RandomShear({.x_factor = x, .y_factor = a.number_or(1, x, 0, 1)});
}

// One name of the text.
struct Entry {
  std::string_view name, usage;  // the usage begins with the name; an argument in brackets may be left out
  std::size_t most;              // arguments
  std::string_view help;
  Layer (*make)(const Arguments&);
};

constexpr Entry entries[] = {
    {"flip", "flip[:horizontal|vertical|both]", 1, "mirrors half of the images", &flip},
    {"translation", "translation:H[:W]", 2, "moves by up to H of the height and W of the width, 0 to 1", &translation},
    {"rotation", "rotation:F", 1, "turns by up to F of a full turn, 0 to 1",
     [](const Arguments& a) -> Layer { return RandomRotation(a.number(0, 0, 1)); }},
    {"zoom", "zoom:H[:W]", 2, "zooms by up to H of the height and W of the width, 0 to 0.99", &zoom},
    {"shear", "shear:X[:Y]", 2, "slants by up to X columns a row and Y rows a column, 0 to 1", &shear},
    {"perspective", "perspective[:S]", 1, "moves corners by up to S / 2 of their coordinates, 0 to 1",
     [](const Arguments& a) -> Layer { return RandomPerspective({.scale = a.number_or(0, 1, 0, 1)}); }},
    {"elastic", "elastic[:S]", 1, "moves pixels by smooth noise of strength up to S, 0 to 1",
     [](const Arguments& a) -> Layer { return RandomElasticTransform({.scale = a.number_or(0, 1, 0, 1), .value_range = a.range()}); }},
    {"contrast", "contrast:F", 1, "contrast times 1 - F to 1 + F, 0 to 1",
     [](const Arguments& a) -> Layer {
       const double f = a.number(0, 0, 1);
       return RandomContrast({f, f}, {.value_range = a.range()});
     }},
    {"brightness", "brightness:F", 1, "adds up to F of the value range either way, 0 to 1",
     [](const Arguments& a) -> Layer { return RandomBrightness(a.number(0, 0, 1), {.value_range = a.range()}); }},
    {"saturation", "saturation:F", 1, "strength F from 0 (gray) over 0.5 (as it is) to 1 is drawn from 0.5 - F / 2 to 0.5 + F / 2, 0 to 1",
     [](const Arguments& a) -> Layer {
       const double f = a.number(0, 0, 1) / 2;
       return RandomSaturation({0.5 - f, 0.5 + f}, {.value_range = a.range()});
     }},
    {"hue", "hue:F", 1, "turns the hue by up to F of half a turn, 0 to 1",
     [](const Arguments& a) -> Layer { return RandomHue(a.number(0, 0, 1), {.value_range = a.range()}); }},
    {"sharpness", "sharpness:F", 1, "F from 0 (smooth) over 0.5 (as it is) to 1 (sharp) is drawn from 0.5 - F / 2 to 0.5 + F / 2, 0 to 1",
     [](const Arguments& a) -> Layer {
       const double f = a.number(0, 0, 1) / 2;
       return RandomSharpness({0.5 - f, 0.5 + f}, {.value_range = a.range()});
     }},
    {"blur", "blur[:SIGMA]", 1, "blurs with a deviation of up to SIGMA pixels, 0 to 1",
     [](const Arguments& a) -> Layer {
       return RandomGaussianBlur({.kernel_size = 5, .sigma = a.number_or(0, 1, 0, 1), .value_range = a.range()});
     }},
    {"posterization", "posterization:B", 1, "keeps B bits of a pixel, 1 to 8",
     [](const Arguments& a) -> Layer {
       const double bits = static_cast<double>(static_cast<int>(a.number(0, 1, 8)));
       return RandomPosterization({bits, bits}, {.value_range = a.range()});
     }},
    {"solarization", "solarization:F", 1, "inverts pixels from a threshold of up to F of the value range, 0 to 1",
     [](const Arguments& a) -> Layer { return Solarization({.threshold_factor = a.number(0, 0, 1), .value_range = a.range()}); }},
    {"autocontrast", "autocontrast", 0, "stretches each channel to the value range",
     [](const Arguments& a) -> Layer { return AutoContrast({.value_range = a.range()}); }},
    {"equalization", "equalization", 0, "equalizes the histogram of each channel",
     [](const Arguments& a) -> Layer { return Equalization({.value_range = a.range()}); }},
    {"grayscale", "grayscale[:P]", 1, "makes images gray with probability P, 0 to 1",
     [](const Arguments& a) -> Layer { return RandomGrayscale({.factor = a.number_or(0, 0.5, 0, 1)}); }},
    {"invert", "invert[:P]", 1, "inverts images with probability P, 0 to 1",
     [](const Arguments& a) -> Layer {
       const double p = a.number_or(0, 0.5, 0, 1);
       return RandomInvert({.factor = {p, p}, .value_range = a.range()});
     }},
    {"erasing", "erasing[:P]", 1, "fills a rectangle with noise with probability P, 0 to 1",
     [](const Arguments& a) -> Layer {
       const double p = a.number_or(0, 0.5, 0, 1);
       return RandomErasing({.factor = {p, p}, .value_range = a.range()});
     }},
    {"mixup", "mixup[:ALPHA]", 1, "blends images of a batch; targets must be one-hot",
     [](const Arguments& a) -> Layer { return MixUp({.alpha = a.number_or(0, 0.2, least_alpha, most_alpha)}); }},
    {"cutmix", "cutmix[:F]", 1, "puts rectangles of one image into another; targets must be one-hot",
     [](const Arguments& a) -> Layer { return CutMix({.factor = a.number_or(0, 1, 0, 1)}); }},
    {"randaugment", "randaugment[:F]", 1, "two random changes of strength F, 0 to 1",
     [](const Arguments& a) -> Layer { return RandAugment({.value_range = a.range(), .factor = a.number_or(0, 0.5, 0, 1)}); }},
    {"augmix", "augmix[:F]", 1, "blends chains of random changes of strength F, 0 to 1",
     [](const Arguments& a) -> Layer { return AugMix({.value_range = a.range(), .factor = a.number_or(0, 0.3, 0, 1)}); }},
};

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  return first == std::string_view::npos ? std::string_view() : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto end = text.find(at);
    parts.push_back(trimmed(text.substr(0, end)));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

Layer make(std::string_view text, const ValueRange& range) {
  std::vector<std::string_view> parts = split(text, ':');
  const std::string_view name = parts.front();
  parts.erase(parts.begin());
  for (const Entry& entry : entries) {
    if (entry.name != name) continue;
    const Arguments arguments(name, entry.usage, parts, range);
    if (parts.size() > entry.most) arguments.refuse(fmt::format("{} arguments came, {} at most are taken", parts.size(), entry.most));
    return entry.make(arguments);
  }
  std::vector<std::string_view> known;
  for (const Entry& entry : entries) known.push_back(entry.name);
  throw ValueError(
      fmt::format("unknown augmentation \"{}\"{}; known are {}", name, core::did_you_mean(name, known), fmt::join(known, ", ")));
}

}  // namespace
}  // namespace detail::train::augment_text

Pipeline parse_augmentation(std::string_view text, const ValueRange& value_range) {
  std::vector<Layer> layers;
  for (const std::string_view part : detail::train::augment_text::split(text, ',')) {
    if (part.empty())
      throw ValueError(fmt::format("augmentation \"{}\": a name is missing; it is written like translation:0.1,rotation:0.05,flip", text));
    layers.push_back(detail::train::augment_text::make(part, value_range));
  }
  return Pipeline(std::move(layers));
}

std::vector<std::string> augmentation_names() {
  std::vector<std::string> lines;
  for (const detail::train::augment_text::Entry& entry : detail::train::augment_text::entries)
    lines.push_back(fmt::format("{:32}{}", entry.usage, entry.help));
  return lines;
}

}  // namespace linn
