#include "shift/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/text_cells.h"
#include "shift/charts.h"

namespace linn::shift {
namespace {

std::string stride_text(Size2 stride) {
  return stride.height == stride.width ? fmt::format("{}", stride.height) : fmt::format("{} x {}", stride.height, stride.width);
}

constexpr double rounding = 5e-5;  // smaller errors are due to rounding: kernels may sum in another order at another place of the map

// "12.3 %"; "0 %" for errors below `rounding`.
std::string error_text(double error) {
  if (std::isnan(error)) return "-";
  return error < rounding ? "0 %" : percent(error) + " %";
}

std::string interval_text(const Estimate& estimate, bool share) {
  if (std::isnan(estimate.low)) return "";
  return fmt::format("{} to {}", value_text(estimate.low, share), value_text(estimate.high, share));
}

std::string estimate_text(const Estimate& estimate) {
  std::string text = percent(estimate.value) + " %";
  if (!std::isnan(estimate.low)) text += fmt::format(" (95 % interval: {} to {})", percent(estimate.low), percent(estimate.high));
  return text;
}

// "10,000 images", "1 pixel".
std::string counted(std::int64_t count, const char* what) {
  return fmt::format("{} {}{}", detail::core::thousands(count), what, count == 1 ? "" : "s");
}

bool shrinks(const ErrorSources& sources) { return sources.stride.height > 1 || sources.stride.width > 1; }

std::string describe_strides(const ErrorSources& sources) {
  if (!shrinks(sources)) return "No layer subsamples, so all changes come from borders and the head.";
  std::string list;
  Size2 before = {1, 1};
  for (std::size_t i = 0; i <= *sources.trunk; ++i) {
    const LayerError& layer = sources.layers[i];
    // Parallel branches reach the same stride several times; it is listed once.
    if (layer.stride.height <= before.height && layer.stride.width <= before.width) continue;
    list += fmt::format("{}{} by {}", list.empty() ? "" : ", ", layer.name,
                        stride_text(Size2(layer.stride.height / before.height, layer.stride.width / before.width)));
    before = layer.stride;
  }
  return fmt::format(
      "The network subsamples by S = {} in all ({}). After a shift by a multiple of S pixels the image meets the same grid; after any "
      "other shift it does not.",
      stride_text(sources.stride), list);
}

// The part of a sentence on the last map's error at shifts by multiples of S.
std::string describe_aligned_error(const ErrorSources& sources, const LayerError& trunk) {
  const char* where = shrinks(sources) ? " at multiples of S" : "";
  if (std::isnan(trunk.aligned))
    return fmt::format("was not measured at a multiple of S: images moved by at most {}", counted(sources.radius, "pixel"));
  if (trunk.aligned < rounding) return fmt::format("moves with the image exactly{}: borders have no effect", where);
  if (std::isnan(trunk.aligned_inside)) return fmt::format("differs from the moved map by {}{}", error_text(trunk.aligned), where);
  return fmt::format("differs from the moved map by {}{}, away from the border by {}: the rest is due to borders",
                     error_text(trunk.aligned), where, error_text(trunk.aligned_inside));
}

std::string describe_trunk(const ErrorSources& sources) {
  const LayerError& trunk = sources.layers[*sources.trunk];
  const std::string name = fmt::format("The last map ({}, {} x {})", trunk.name, trunk.size.height, trunk.size.width);
  if (trunk.size.height < 2 || trunk.size.width < 2) return name + " is too small to move, so its error is not measured.";
  std::string text = fmt::format("{} {}", name, describe_aligned_error(sources, trunk));
  if (!shrinks(sources) || std::isnan(trunk.misaligned)) return text + fmt::format(" (on {}).", counted(sources.images, "image"));
  if (trunk.misaligned < rounding)
    return text + fmt::format("; at other shifts it does so too, by whole cells: subsampling does no harm (on {}).",
                              counted(sources.images, "image"));
  const bool alone = trunk.aligned < rounding;
  return text + fmt::format("; at other shifts by {} in the best alignment: {} due to subsampling (on {}).", error_text(trunk.misaligned),
                            alone ? "all of it is" : "the difference to multiples of S is", counted(sources.images, "image"));
}

std::string describe_classes(const ErrorSources& sources, const Sweep& sweep) {
  if (std::isnan(sources.changed_aligned.value)) {
    if (sweep.radius() == 0) return "No image was moved (radius 0), so changes of classes are not measured.";
    return fmt::format(
        "The effect of borders and head alone on the class is not measured: up to {} there is no multiple of S = {}; use a larger radius.",
        counted(sweep.radius(), "pixel"), stride_text(sources.stride));
  }
  if (sources.changed_aligned.value == 0 && !(sources.changed_misaligned.value > 0))
    return fmt::format("Over {} the class changes at no shift.", counted(sweep.images(), "image"));
  std::string text = fmt::format("Over {} the class changes at {} of the shifts", counted(sweep.images(), "image"),
                                 estimate_text(sources.changed_aligned));
  if (!shrinks(sources)) return text + ": only borders and head can do that.";
  text += fmt::format(" by multiples of S, where only borders and head can do that, and at {} of the others.",
                      estimate_text(sources.changed_misaligned));
  if (!std::isnan(sources.excess.value))
    text += fmt::format(
        " Within S pixels, shifts that are no multiple of S change it more often, though they are shorter: by {} of the shifts. "
        "Subsampling does that.",
        estimate_text(sources.excess));
  else
    text += " As multiples of S are longer shifts, this does not say how much of it is subsampling.";
  const double cut = 1 - sweep.uncut_share(sweep.radius());
  return cut > 0 ? text + fmt::format(" Ink reaches the border in {} % of the images.", percent(cut)) : text;
}

// The first layer from which on strides are unknown, with the reason; empty if all are known.
std::string describe_unknown(const ErrorSources& sources) {
  for (const LayerError& layer : sources.layers)
    if (!layer.unknown.empty()) return fmt::format("From {} on strides are not known: {}.", layer.name, layer.unknown);
  return "";
}

std::string describe_head(const ErrorSources& sources) {
  if (*sources.trunk + 1 >= sources.layers.size()) return "";
  const LayerError& head = sources.layers[*sources.trunk + 1];
  const LayerError& trunk = sources.layers[*sources.trunk];
  if (head.class_name == "Flatten")
    return fmt::format(
        "The head begins with {}: each of the {} cells of the map has weights of its own, so a map that merely moved is another input to "
        "it.",
        head.name, trunk.size.height * trunk.size.width);
  if (head.class_name.starts_with("Global"))
    return fmt::format("The head begins with {}, which forgets where a value stood; what changes behind it, border or subsampling changed.",
                       head.name);
  return "";
}

struct Column {
  std::string head;
  std::vector<std::string> cells;
};

// Right-aligned columns with two lines of heads. '\n' in a head separates its lines; other heads stand in the second line.
std::string columns(const std::vector<Column>& all) {
  std::string text;
  for (int line = 0; line < 2; ++line) {
    for (const Column& column : all) {
      const std::size_t cut = column.head.find('\n');
      const std::string upper = cut == std::string::npos ? "" : column.head.substr(0, cut);
      const std::string lower = cut == std::string::npos ? column.head : column.head.substr(cut + 1);
      text += fmt::format("{:>{}}", line == 0 ? upper : lower, std::max(upper.size(), lower.size()) + 3);
    }
    text += "\n";
  }
  for (std::size_t row = 0; row < all.front().cells.size(); ++row) {
    for (const Column& column : all) {
      const std::size_t cut = column.head.find('\n');
      const std::size_t width = cut == std::string::npos ? column.head.size() : std::max(cut, column.head.size() - cut - 1);
      text += fmt::format("{:>{}}", column.cells[row], width + 3);
    }
    text += "\n";
  }
  return text;
}

}  // namespace

std::string verdict(const Sweep& sweep) {
  const Measures most = sweep.measures(sweep.radius());
  const std::int64_t r = sweep.radius();
  const std::string pixels = counted(r, "pixel");
  if (r == 0)
    return sweep.labelled() ? fmt::format("{} % are right where they are; nothing was moved.", percent(most.accuracy.value, 2))
                            : "Nothing was moved.";
  const bool steady = most.flip_rate.value == 0;
  if (!sweep.labelled()) {
    if (steady) return fmt::format("No image changes its class at any shift within {}.", pixels);
    return fmt::format("{} % of the images change their class somewhere within {}; two shifts agree in {} % of all cases.",
                       percent(most.flip_rate.value, 2), pixels, percent(most.consistency.value, 2));
  }
  if (steady)
    return fmt::format("{} % are right where they are, and none of {} changes its class at any shift within {}.",
                       percent(most.accuracy.value, 2), counted(sweep.images(), "image"), pixels);
  return fmt::format(
      "{} % are right where they are, but only {} % stay right at every shift within {} ({} % of all images and shifts are right).",
      percent(most.accuracy.value, 2), percent(most.worst_case_accuracy.value, 2), pixels, percent(most.mean_accuracy.value, 2));
}

std::string fill_text(const Sweep& sweep) {
  const Predictions& predictions = sweep.predictions();
  return predictions.fill_origin.empty() ? "" : fmt::format("what comes in at the border is {}\n", predictions.fill_origin);
}

std::string method_text(const Sweep& sweep) {
  const Predictions& predictions = sweep.predictions();
  return fmt::format("computed {}: {}", predictions.method == "phases" ? "by phases" : predictions.method, predictions.method_reason);
}

// Radii in the table: all up to 12; beyond, about 12 at even steps, and always the largest.
std::vector<std::int64_t> shown_radii(std::int64_t radius) {
  const std::int64_t step = std::max<std::int64_t>(1, (radius + 11) / 12);
  std::vector<std::int64_t> shown;
  for (std::int64_t r = 0; r < radius; r += step) shown.push_back(r);
  shown.push_back(radius);
  return shown;
}

std::string table_by_radius(const Sweep& sweep) {
  std::vector<Column> table = {{"r", {}}};
  if (sweep.labelled()) table.insert(table.end(), {{"mean\naccuracy", {}}, {"right\neverywhere", {}}});
  table.insert(table.end(), {{"same class\n(pairs)", {}}, {"class changes\nsomewhere", {}}, {"no ink\nlost", {}}});
  if (sweep.labelled()) table.push_back({"no ink lost,\nright everywhere", {}});
  for (const std::int64_t r : shown_radii(sweep.radius())) {
    const Measures found = sweep.measures(r);
    std::vector<std::string> row = {fmt::format("{}", r)};
    const auto add = [&](const Estimate& estimate) { row.push_back(std::isnan(estimate.value) ? "-" : percent(estimate.value, 2)); };
    if (sweep.labelled()) {
      add(found.mean_accuracy);
      add(found.worst_case_accuracy);
    }
    add(found.consistency);
    add(found.flip_rate);
    add(found.uncut_share);
    if (sweep.labelled()) add(found.worst_case_accuracy_of_uncut);
    for (std::size_t i = 0; i < row.size(); ++i) table[i].cells.push_back(row[i]);
  }
  return "within r pixels, in %\n" + columns(table);
}

const std::vector<NamedMeasure>& named_measures() {
  static const std::vector<NamedMeasure> all = {
      {"accuracy", "accuracy", "right in place", &Measures::accuracy, true},
      {"mean accuracy", "mean_accuracy", "right, over all shifts", &Measures::mean_accuracy, true},
      {"worst case", "worst_case_accuracy", "right at every shift", &Measures::worst_case_accuracy, true},
      {"consistency", "consistency", "two shifts agree", &Measures::consistency, true},
      {"anchor consistency", "anchor_consistency", "a shift agrees with the place", &Measures::anchor_consistency, true},
      {"of the right ones", "consistency_given_correct", "the same, where the place is right", &Measures::consistency_given_correct, true},
      {"flip rate", "flip_rate", "another class at some shift", &Measures::flip_rate, true},
      {"jaggedness", "jaggedness", "steps of one pixel that change the class", &Measures::jaggedness, true},
      {"largest change", "max_change", "of any class's value, at the worst shift", &Measures::max_change, false},
      {"mean change", "mean_change", "the same, over all shifts", &Measures::mean_change, false},
      {"label deviation", "label_deviation", "of the label's value over shifts", &Measures::label_deviation, false},
  };
  return all;
}

std::string value_text(double value, bool share) {
  if (std::isnan(value)) return "-";
  return share ? percent(value, 2) + " %" : fmt::format("{:.3f}", value);
}

std::string table_of_measures(const Sweep& sweep) {
  if (sweep.radius() == 0) return "";
  const Measures found = sweep.measures(sweep.radius());
  std::string text = fmt::format("within {}, with 95 % intervals\n", counted(sweep.radius(), "pixel"));
  for (const NamedMeasure& measure : named_measures()) {
    const Estimate& estimate = found.*measure.value;
    if (std::isnan(estimate.value)) continue;
    text += fmt::format("   {:<19}{:>9}   {:<20}  {}\n", measure.name, value_text(estimate.value, measure.share),
                        interval_text(estimate, measure.share), measure.about);
  }
  if (!sweep.predictions().probabilities)
    text += "   The model's values are no probabilities (they do not sum to 1); the last three measures are of the raw values.\n";
  return text;
}

std::vector<std::string> error_source_text(const ErrorSources& sources, const Sweep& sweep) {
  if (!sources.trunk)
    return {
        "The model has no map that moves with the image: from the first layer on each pixel has weights of its own, so every shift is a "
        "new "
        "input. There is nothing to separate."};
  std::vector<std::string> all = {describe_strides(sources), describe_unknown(sources), describe_trunk(sources),
                                  describe_classes(sources, sweep), describe_head(sources)};
  std::erase(all, std::string());
  return all;
}

std::string guarantee_text(const std::optional<std::string>& reason) {
  if (reason) return fmt::format("No guarantee by construction: {}.", *reason);
  return "Guaranteed by construction, whatever the weights: a circular shift of the input changes no bit of the output. A shift that moves "
         "no ink "
         "out of the frame is a circular shift.";
}

std::string protocol_text(const ProtocolResult& result, const Protocol& protocol) {
  const char* how = protocol.kind() == Protocol::zhang ? "crops from frames of" : "circular shifts in a frame of";
  std::string text = fmt::format(
      "Protocol {}: consistency {} over {} pass{}. Two {} {} x {} drawn once for each {}, dy from {} to {} and dx from {} to {}.",
      protocol.name(), estimate_text(result.consistency), result.passes.size(), result.passes.size() == 1 ? "" : "es", how,
      result.frame.height, result.frame.width, counted(result.batch_size, "image"), result.least.dy, result.most.dy, result.least.dx,
      result.most.dx);
  const auto [low, high] = std::minmax_element(result.passes.begin(), result.passes.end());
  if (result.passes.size() > 1) text += fmt::format(" The passes went from {} to {} %.", percent(*low), percent(*high));
  return text;
}

std::string table_of_layers(const ErrorSources& sources) {
  std::size_t longest = 5;
  for (const LayerError& layer : sources.layers) longest = std::max(longest, layer.name.size());
  std::string text = fmt::format("   {:<{}}  {:>9}  {:>6}  {:>12}  {:>12}  {:>12}\n", "layer", longest, "map", "stride", "at multiples",
                                 "inside", "elsewhere");
  for (const LayerError& layer : sources.layers) {
    const bool map = layer.stride.height > 0;
    text += fmt::format("   {:<{}}  {:>9}  {:>6}  {:>12}  {:>12}  {:>12}\n", layer.name, longest,
                        map ? fmt::format("{}x{}", layer.size.height, layer.size.width) : "-", map ? stride_text(layer.stride) : "-",
                        error_text(layer.aligned), error_text(layer.aligned_inside), error_text(layer.misaligned));
  }
  return text;
}

std::string wrapped(std::string_view text, std::size_t width, std::string_view indent) {
  std::string lines;
  std::string line;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = std::min(text.find(' ', at), text.size());
    if (text.substr(end).starts_with(" %")) end = std::min(text.find(' ', end + 1), text.size());
    const std::string_view word = text.substr(at, end - at);
    if (!line.empty() && indent.size() + line.size() + 1 + word.size() > width) {
      lines += fmt::format("{}{}\n", indent, line);
      line.clear();
    }
    line += fmt::format("{}{}", line.empty() ? "" : " ", word);
    at = end + 1;
  }
  return lines + fmt::format("{}{}\n", indent, line);
}

}  // namespace linn::shift
