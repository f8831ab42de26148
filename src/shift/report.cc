#include "shift/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "core/text_cells.h"
#include "io/file.h"
#include "io/json.h"
#include "io/png.h"
#include "linn/certificate.h"
#include "linn/error.h"
#include "shift/charts.h"
#include "shift/page.h"
#include "shift/shifted_input.h"
#include "shift/text.h"

namespace linn::shift {
namespace {

constexpr std::int64_t slide_radius = 64;  // the interactive part ends here: each shift costs bytes of the page

std::int64_t squared(Shift d) { return d.dy * d.dy + d.dx * d.dx; }

// At most `most` images for the interactive part. Images with the shortest shift to another class come first; one image whose class never
// changes comes last, or only such images if no class changes. With labels, images that are wrong at shift 0 are left out.
std::vector<std::int64_t> examples_of(const Sweep& sweep, std::int64_t most) {
  struct Flip {
    std::int64_t image, distance;
  };
  std::vector<Flip> flips;
  std::vector<std::int64_t> unchanged;
  for (std::int64_t i = 0; i < sweep.images(); ++i) {
    if (sweep.labelled() && !sweep.correct(i, 0, 0)) continue;
    if (const auto flip = sweep.nearest_flip(i))
      flips.push_back({i, squared(*flip)});
    else
      unchanged.push_back(i);
  }
  std::stable_sort(flips.begin(), flips.end(), [](const Flip& a, const Flip& b) { return a.distance < b.distance; });
  const auto limit = static_cast<std::size_t>(most);
  unchanged.resize(std::min(unchanged.size(), flips.empty() ? limit : 1));
  flips.resize(std::min(flips.size(), limit - unchanged.size()));
  std::vector<std::int64_t> chosen;
  chosen.reserve(flips.size() + unchanged.size());
  for (const Flip& flip : flips) chosen.push_back(flip.image);
  chosen.insert(chosen.end(), unchanged.begin(), unchanged.end());
  if (chosen.empty()) chosen.push_back(0);  // no image is right at shift 0
  return chosen;
}

// Converts the values of one image to bytes. u8 values stay; others are scaled so that 0 and less gives 0 and the largest gives 255.
class Brightness {
 public:
  explicit Brightness(const Tensor& image) {
    if (image.dtype() == DType::u8) return;
    most_ = 0;
    const Tensor wide = image.astype(DType::f64);
    for (const double value : wide.values<double>())
      if (std::isfinite(value)) most_ = std::max(most_, value);
  }
  std::uint8_t of(double value) const {
    const double share = most_ > 0 && std::isfinite(value) ? std::clamp(value / most_, 0.0, 1.0) : 0;
    return static_cast<std::uint8_t>(std::lround(255 * share));
  }

 private:
  double most_ = 255;
};

// The pixels of one image as bytes: all of 3 channels, else the first channel.
std::vector<std::byte> bytes_of(const Tensor& image, std::int64_t channels) {
  const std::int64_t kept = channels == 3 ? 3 : 1;
  const Brightness brightness(image);
  std::vector<std::byte> bytes;
  const Tensor wide = image.astype(DType::f64);
  const auto values = wide.values<double>();
  for (std::size_t i = 0; i < values.size(); ++i)
    if (static_cast<std::int64_t>(i) % channels < kept) bytes.push_back(static_cast<std::byte>(brightness.of(values[i])));
  return bytes;
}

// The fill as the bytes of one pixel.
detail::io::Json fill_color(const Tensor& image, const std::vector<double>& fill, std::int64_t channels) {
  const Brightness brightness(image);
  detail::io::Json color = detail::io::Json::array();
  for (std::size_t c = 0; c < (channels == 3 ? 3U : 1U); ++c)
    color.push_back(fill.empty() ? 0 : brightness.of(fill[std::min(c, fill.size() - 1)]));
  return color;
}

detail::io::Json slide_data(const Sweep& sweep, const Model& model, const Tensor& images, const ReportOptions& options) {
  const std::vector<double>& fill = sweep.predictions().fill;
  const ShiftedInput shifted_input(images, options.border, model.input_shape(), sweep.radius(), fill);
  const Frames from = frames(images);
  const Shape input = model.input_shape();
  const std::int64_t r = std::min(sweep.radius(), slide_radius);
  detail::io::Json data = {{"radius", r},
                   {"height", input[0]},
                   {"width", input[1]},
                   {"top", shifted_input.corner().dy},
                   {"left", shifted_input.corner().dx},
                   {"circular", options.border.kind() == Border::circular}};
  detail::io::Json examples = detail::io::Json::array();
  for (const std::int64_t image : examples_of(sweep, options.examples)) {
    detail::io::Json predicted = detail::io::Json::array();
    for (std::int64_t dy = -r; dy <= r; ++dy)
      for (std::int64_t dx = -r; dx <= r; ++dx) predicted.push_back(sweep.predicted(image, dy, dx));
    examples.push_back({{"index", image},
                        {"label", sweep.labelled() ? detail::io::Json(sweep.label(image)) : detail::io::Json(nullptr)},
                        {"height", from.height},
                        {"width", from.width},
                        {"channels", from.channels == 3 ? 3 : 1},
                        {"pixels", base64(bytes_of(images.rows(image, image + 1), from.channels))},
                        {"fill", fill_color(images.rows(image, image + 1), fill, from.channels)},
                        {"predicted", std::move(predicted)}});
  }
  data["examples"] = std::move(examples);
  return data;
}

// JSON for a <script> element: "<" is escaped, so that no string can end the element.
std::string script_json(const detail::io::Json& json) {
  std::string text;
  for (const char c : detail::io::dump_json(json)) {
    if (c == '<')
      text += "\\u003c";
    else
      text += c;
  }
  return text;
}

std::string slide_section(const Sweep& sweep) {
  const std::int64_t r = std::min(sweep.radius(), slide_radius);
  return fmt::format(
      R"(<h2>Slide an image until its class changes</h2>
<noscript><p>This part needs JavaScript, which is in this file; nothing is fetched.</p></noscript>
<div id="lab" class="lab" hidden>
<div><canvas id="picture" tabindex="0" role="img" aria-label="The image as the network sees it. Arrow keys move it, Home puts it back." style="width:280px"></canvas></div>
<div><canvas id="map" tabindex="0" role="img" aria-label="The class at each shift: green where it is that in place, red elsewhere. Arrow keys move the image." style="width:280px"></canvas></div>
<div>
<div id="examples" role="group" aria-label="Images"></div>
<label>Down <input type="range" id="down" min="-{0}" max="{0}" value="0"> <output id="down-value">0</output></label>
<label>Right <input type="range" id="right" min="-{0}" max="{0}" value="0"> <output id="right-value">0</output></label>
<button type="button" id="slide">Slide until the class changes</button>
<p id="status" role="status" aria-live="polite"></p>
<p class="source">Drag on the map, use the sliders, or move a picture with the arrow keys.</p>
</div></div>
)",
      r);
}

std::string row(const std::vector<std::string>& cells, const char* tag) {
  std::string text = "<tr>";
  for (const std::string& cell : cells) text += fmt::format("<{0}>{1}</{0}>", tag, escaped(cell));
  return text + "</tr>\n";
}

std::string radius_table(const Sweep& sweep) {
  const auto cell = [](const Estimate& estimate) {
    if (std::isnan(estimate.value)) return std::string("-");
    std::string text = percent(estimate.value, 2);
    if (!std::isnan(estimate.low)) text += fmt::format(" [{}, {}]", percent(estimate.low, 2), percent(estimate.high, 2));
    return text;
  };
  std::string text =
      "<h2>How far images may move</h2>\n<p>In percent, with 95 % intervals. Within r: every shift of up to r pixels down, up, left and "
      "right.</p>\n<div class=\"scroll\"><table>\n";
  text += row({"r", "mean accuracy", "right at every shift", "same class (pairs)", "class changes somewhere", "no ink lost",
               "no ink lost: right at every shift"},
              "th");
  for (std::int64_t r = 0; r <= sweep.radius(); ++r) {
    const Measures found = sweep.measures(r);
    text += row({fmt::format("{}", r), cell(found.mean_accuracy), cell(found.worst_case_accuracy), cell(found.consistency),
                 cell(found.flip_rate), cell(found.uncut_share), cell(found.worst_case_accuracy_of_uncut)},
                "td");
  }
  return text + "</table></div>\n";
}

std::string measure_table(const Sweep& sweep) {
  const Measures found = sweep.measures(sweep.radius());
  std::string text = fmt::format("<h2>All measures within {} pixels</h2>\n<div class=\"scroll\"><table>\n", sweep.radius());
  text += row({"measure", "value", "95 % interval", ""}, "th");
  for (const NamedMeasure& measure : named_measures()) {
    const Estimate& estimate = found.*measure.value;
    if (std::isnan(estimate.value)) continue;
    const std::string interval = std::isnan(estimate.low) ? "-"
                                                          : fmt::format("{} to {}", value_text(estimate.low, measure.share),
                                                                        value_text(estimate.high, measure.share));
    text += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"text\">{}</td></tr>\n", escaped(measure.name),
                        value_text(estimate.value, measure.share), interval, escaped(measure.about));
  }
  return text + "</table></div>\n";
}

std::string curve_table(const Sweep& sweep) {
  std::string text =
      "<h2>By distance</h2>\n<p>Means over the shifts at this distance in pixels, rounded.</p>\n<div class=\"scroll\"><table>\n";
  text += row({"distance", "shifts", "accuracy, %", "class changed, %", "mean change of values"}, "th");
  for (const CurvePoint& point : sweep.curve())
    text += row({fmt::format("{}", point.distance), fmt::format("{}", point.shifts),
                 std::isnan(point.accuracy.value) ? "-" : percent(point.accuracy.value, 2), percent(point.changed.value, 2),
                 value_text(point.mean_change.value, false)},
                "td");
  return text + "</table></div>\n";
}

std::string map_section(const Sweep& sweep) {
  const Picture picture = heat_maps("Share of images by shift", maps_of(sweep));
  return fmt::format(
      "<h2>Maps by shift</h2>\n<figure><img alt=\"Maps over the shifts down and to the right: the share of images that are right there, "
      "and that have the "
      "class that they have in place. The tables hold the numbers.\" src=\"data:image/png;base64,{}\"></figure>\n",
      base64(detail::io::encode_png(picture.image())));
}

std::string error_source_section(const ErrorSources& sources) {
  std::string text = "<h2>Sources of the errors</h2>\n";
  for (const std::string& paragraph : sources.text) text += fmt::format("<p>{}</p>\n", escaped(paragraph));
  text += fmt::format(
      "<p>Translation equivariance error of each layer's output, in percent of its norm, on {} images within {} pixels: at shifts by "
      "multiples of the layer's stride, the same without the cells that see a border, and at other shifts in the best alignment.</p>\n",
      sources.images, sources.radius);
  text += "<div class=\"scroll\"><table>\n" + row({"layer", "map", "stride", "at multiples", "inside the border", "elsewhere"}, "th");
  const auto cell = [](double error) { return std::isnan(error) ? std::string("-") : percent(error); };
  for (const LayerError& layer : sources.layers) {
    const bool map = layer.stride.height > 0;
    text += row({layer.name, map ? fmt::format("{} x {}", layer.size.height, layer.size.width) : "-",
                 map ? fmt::format("{} x {}", layer.stride.height, layer.stride.width) : "-", cell(layer.aligned),
                 cell(layer.aligned_inside), cell(layer.misaligned)},
                "td");
  }
  return text + "</table></div>\n";
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string all;
  for (const char c : text) {
    switch (c) {
      case '&': all += "&amp;"; break;
      case '<': all += "&lt;"; break;
      case '>': all += "&gt;"; break;
      case '"': all += "&quot;"; break;
      case '\'': all += "&#39;"; break;
      default: all += c;
    }
  }
  return all;
}

std::string base64(std::span<const std::byte> bytes) {
  static constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) group = group << 8U | (k < count ? std::to_integer<std::uint32_t>(bytes[i + k]) : 0U);
    for (std::size_t k = 0; k < 4; ++k) text += k <= count ? digits[group >> (18 - 6 * k) & 63U] : '=';
  }
  return text;
}

std::string report_of(const Sweep& sweep, const ErrorSources* sources, const Model& model, const Tensor& images,
                      const ReportOptions& options) {
  if (options.examples < 1) throw ValueError(fmt::format("[shift] examples {} came; 1 or more is allowed", options.examples));
  if (frames(images).images != sweep.images())
    throw ShapeError(
        fmt::format("[shift] {} images came with a sweep of {}; the sweep's own images are needed", frames(images).images, sweep.images()));
  const std::int64_t side = 2 * sweep.radius() + 1;
  std::string page =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, "
      "initial-scale=1\">\n";
  page +=
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src "
      "'unsafe-inline'\">\n";
  page += fmt::format("<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n<h1>{}</h1>\n", escaped(options.title), page_style,
                      escaped(options.title));
  page += fmt::format("<p class=\"source\">model {}; {} images of {}; {} shifts, border {}</p>\n", escaped(options.model),
                      detail::core::thousands(sweep.images()), escaped(options.data), side * side, options.border.name());
  page +=
      fmt::format("<p class=\"verdict\">{}</p>\n<p>{}</p>\n", escaped(verdict(sweep)), escaped(guarantee_text(why_not_invariant(model))));
  page += slide_section(sweep) + radius_table(sweep) + map_section(sweep) + (sources != nullptr ? error_source_section(*sources) : "") +
          measure_table(sweep) + curve_table(sweep);
  page += fmt::format("<script type=\"application/json\" id=\"data\">{}</script>\n<script>{}</script>\n</body>\n</html>\n",
                      script_json(slide_data(sweep, model, images, options)), page_script);
  return page;
}

void write_report(const std::string& path, const Sweep& sweep, const ErrorSources* sources, const Model& model, const Tensor& images,
                  const ReportOptions& options) {
  const std::string page = report_of(sweep, sources, model, images, options);
  detail::io::write_file_atomically(path, std::as_bytes(std::span(page.data(), page.size())));
}

}  // namespace linn::shift
