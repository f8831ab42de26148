#include "shift/tables.h"

#include <fmt/format.h>

#include <cmath>
#include <span>

#include "io/file.h"
#include "shift/text.h"

namespace linn::shift {
namespace {

using detail::io::number;

detail::io::Json interval(const Estimate& estimate) { return detail::io::Json::array({number(estimate.low), number(estimate.high)}); }
detail::io::Json with_interval(const Estimate& estimate) { return {{"value", number(estimate.value)}, {"interval", interval(estimate)}}; }
detail::io::Json pair(Size2 size) { return detail::io::Json::array({size.height, size.width}); }

detail::io::Json rows_of(const Tensor& map) {
  detail::io::Json rows = detail::io::Json::array();
  const auto values = map.values<double>();
  const auto side = static_cast<std::size_t>(map.shape()[0]);
  for (std::size_t y = 0; y < side; ++y) {
    detail::io::Json row = detail::io::Json::array();
    for (std::size_t x = 0; x < side; ++x) row.push_back(number(values[y * side + x]));
    rows.push_back(std::move(row));
  }
  return rows;
}

detail::io::Json within(const Sweep& sweep) {
  detail::io::Json all = detail::io::Json::array();
  for (std::int64_t r = 0; r <= sweep.radius(); ++r) {
    const Measures found = sweep.measures(r);
    detail::io::Json row = {{"r", r},
                    {"mean", number(found.mean_accuracy.value)},
                    {"worst_case", number(found.worst_case_accuracy.value)},
                    {"uncut", number(found.uncut_share.value)},
                    {"worst_case_of_uncut", number(found.worst_case_accuracy_of_uncut.value)}};
    for (const NamedMeasure& measure : named_measures()) row[std::string(measure.key)] = number((found.*measure.value).value);
    all.push_back(std::move(row));
  }
  return all;
}

detail::io::Json curve(const Sweep& sweep) {
  detail::io::Json all = detail::io::Json::array();
  for (const CurvePoint& point : sweep.curve())
    all.push_back({{"distance", point.distance},
                   {"shifts", point.shifts},
                   {"accuracy", number(point.accuracy.value)},
                   {"accuracy_interval", interval(point.accuracy)},
                   {"changed", number(point.changed.value)},
                   {"changed_interval", interval(point.changed)},
                   {"mean_change", number(point.mean_change.value)},
                   {"mean_change_interval", interval(point.mean_change)}});
  return all;
}

}  // namespace

detail::io::Json to_json(const Sweep& sweep) {
  const Measures found = sweep.measures(sweep.radius());
  detail::io::Json all = {{"images", sweep.images()},
                  {"radius", sweep.radius()},
                  {"labels", sweep.labelled()},
                  {"probabilities", sweep.predictions().probabilities},
                  {"method", sweep.predictions().method},
                  {"method_reason", sweep.predictions().method_reason},
                  {"fill", sweep.predictions().fill},
                  {"fill_origin", sweep.predictions().fill_origin}};
  detail::io::Json intervals = detail::io::Json::object();
  for (const NamedMeasure& measure : named_measures()) {
    const Estimate& estimate = found.*measure.value;
    all[std::string(measure.key)] = number(estimate.value);
    intervals[std::string(measure.key)] = interval(estimate);
  }
  all["intervals"] = std::move(intervals);
  all["within"] = within(sweep);
  all["curve"] = curve(sweep);
  all["map"] = sweep.labelled() ? rows_of(sweep.map()) : detail::io::Json(nullptr);
  all["unchanged_map"] = rows_of(sweep.unchanged_map());
  all["change_map"] = sweep.predictions().change.empty() ? detail::io::Json(nullptr) : rows_of(sweep.change_map());
  all["verdict"] = verdict(sweep);
  return all;
}

detail::io::Json to_json(const ErrorSources& sources) {
  detail::io::Json layers = detail::io::Json::array();
  for (const LayerError& layer : sources.layers) {
    const bool map = layer.stride.height > 0;
    layers.push_back({{"name", layer.name},
                      {"class", layer.class_name},
                      {"stride", map ? pair(layer.stride) : detail::io::Json(nullptr)},
                      {"size", map ? pair(layer.size) : detail::io::Json(nullptr)},
                      {"aligned", number(layer.aligned)},
                      {"aligned_inside", number(layer.aligned_inside)},
                      {"misaligned", number(layer.misaligned)},
                      {"error", rows_of(layer.error)}});
  }
  return {{"images", sources.images},
          {"radius", sources.radius},
          {"stride", sources.trunk ? pair(sources.stride) : detail::io::Json(nullptr)},
          {"trunk", sources.trunk ? detail::io::Json(sources.layers[*sources.trunk].name) : detail::io::Json(nullptr)},
          {"changed_aligned", with_interval(sources.changed_aligned)},
          {"changed_misaligned", with_interval(sources.changed_misaligned)},
          {"excess", with_interval(sources.excess)},
          {"layers", std::move(layers)},
          {"text", sources.text}};
}

detail::io::Json to_json(const ProtocolResult& result) {
  return {{"consistency", number(result.consistency.value)},
          {"interval", interval(result.consistency)},
          {"passes", result.passes},
          {"batch_size", result.batch_size},
          {"frame", pair(result.frame)},
          {"least", detail::io::Json::array({result.least.dy, result.least.dx})},
          {"most", detail::io::Json::array({result.most.dy, result.most.dx})}};
}

std::string csv_of(const Sweep& sweep) {
  const auto cell = [](double value) { return std::isfinite(value) ? fmt::format("{}", value) : std::string(); };
  std::string text = "dy,dx,accuracy,unchanged,mean_change\r\n";
  const std::int64_t r = sweep.radius();
  const Tensor change = sweep.predictions().change.empty() ? Tensor() : sweep.change_map();
  std::size_t at = 0;
  for (std::int64_t dy = -r; dy <= r; ++dy)
    for (std::int64_t dx = -r; dx <= r; ++dx, ++at)
      text += fmt::format("{},{},{},{},{}\r\n", dy, dx, sweep.labelled() ? cell(sweep.accuracy(dy, dx)) : "", cell(sweep.unchanged(dy, dx)),
                          change.defined() ? cell(change.values<double>()[at]) : "");
  return text;
}

void write_csv(const std::string& path, const Sweep& sweep) {
  const std::string text = csv_of(sweep);
  detail::io::write_file_atomically(path, std::as_bytes(std::span(text.data(), text.size())));
}

}  // namespace linn::shift
