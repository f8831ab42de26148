// The shift lab.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bindings/bindings.h"
#include "bindings/casters.h"
#include "bindings/callbacks.h"
#include "bindings/guard.h"
#include "io/json.h"
#include "linn/certificate.h"
#include "linn/data.h"
#include "linn/fix.h"
#include "linn/shift.h"
#include "shift/charts.h"
#include "shift/report.h"
#include "shift/tables.h"
#include "shift/text.h"

namespace linn::python {
namespace {

// A sweep with what explains it.
struct Lab {
  shift::Sweep sweep;
  std::optional<shift::ErrorSources> sources;
  std::optional<std::string> why_not;
  shift::Border border;
};

std::string border_for(const Model& model, const Tensor& images) {
  const Shape wanted = model.input_shape();
  const Shape image = images.shape().without_first();
  if (wanted.rank() != 3 || image.rank() < 2) return "zero";
  if (image[0] > wanted[0] || image[1] > wanted[1]) return "crop";
  return wanted[0] > image[0] || wanted[1] > image[1] ? "canvas" : "zero";
}

// Lets Ctrl-C through between shifts, and a function of Python that counts them.
std::function<bool(std::int64_t, std::int64_t)> progress_of(const nb::object& function) {
  return [&function](std::int64_t done, std::int64_t all) {
    const nb::gil_scoped_acquire hold;
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
    if (!function.is_none()) function(done, all);
    return true;
  };
}

Lab sweep(const Model& model, const Tensor& images, const Tensor& labels, std::int64_t radius, const std::string& border, const std::vector<double>& fill,
          std::int64_t batch_size, const std::string& accuracy, bool explain, const nb::object& progress) {
  const std::string name = border.empty() ? border_for(model, images) : border;
  const shift::Border chosen(name);
  shift::SweepOptions options{.radius = radius, .border = chosen, .batch_size = batch_size, .progress = progress_of(progress), .accuracy = accuracy, .fill = fill};
  const nb::gil_scoped_release free;
  const Reading reading;
  shift::Sweep swept = shift::sweep(model, images, labels, options);
  std::optional<shift::ErrorSources> sources;
  if (explain) sources = shift::find_error_sources(model, images, swept, {.border = chosen, .accuracy = accuracy});
  return {std::move(swept), std::move(sources), shift::why_not_invariant(model), chosen};
}

nb::tuple to_tuple(const shift::Estimate& estimate) { return nb::make_tuple(estimate.value, estimate.low, estimate.high); }

nb::dict measures(const Lab& lab, std::int64_t r) {
  const shift::Measures all = lab.sweep.measures(r);
  nb::dict dict;
  for (const shift::NamedMeasure& measure : shift::named_measures()) dict[nb::str(measure.key.data(), measure.key.size())] = to_tuple(all.*measure.value);
  return dict;
}

nb::list named_measures() {
  nb::list list;
  for (const shift::NamedMeasure& measure : shift::named_measures()) list.append(nb::make_tuple(measure.key, measure.name, measure.about));
  return list;
}

std::string verdict(const Lab& lab) { return shift::verdict(lab.sweep); }

std::string report(const Lab& lab, const Model& model, const Tensor& images, const std::string& title, const std::string& name) {
  shift::ReportOptions options{.model = name, .border = lab.border};
  if (!title.empty()) options.title = title;
  return shift::report_of(lab.sweep, lab.sources ? &*lab.sources : nullptr, model, images, options);
}

std::string to_json(const Lab& lab) {
  detail::io::Json result = shift::to_json(lab.sweep);
  result["explanation"] = lab.sources ? shift::to_json(*lab.sources) : detail::io::Json(nullptr);
  result["guarantee"] = {{"holds", !lab.why_not}, {"reason", lab.why_not ? detail::io::Json(*lab.why_not) : detail::io::Json(nullptr)}};
  result["border"] = lab.border.name();
  return detail::io::dump_json(result, -1);
}

// What happened to the classes: uint16 of shape (images, 2 r + 1, 2 r + 1).
nb::object predicted(const Lab& lab) {
  const std::int64_t side = 2 * lab.sweep.radius() + 1;
  Tensor classes({lab.sweep.images(), side, side}, DType::i32);
  const auto to = classes.values<std::int32_t>();
  const std::vector<std::uint16_t>& from = lab.sweep.predictions().predicted;
  for (std::size_t i = 0; i < to.size(); ++i) to[i] = from[i];
  return to_array(classes);
}

nb::tuple fix(const Model& model, const std::string& with, const std::vector<std::int64_t>& canvas, std::int64_t filter_size, std::int64_t anneal_steps, std::uint64_t seed) {
  shift::FixOptions options{.with = with, .filter_size = filter_size, .anneal_steps = anneal_steps, .seed = seed};
  if (canvas.size() == 2) options.canvas = Size2(canvas[0], canvas[1]);
  shift::FixResult result = shift::fix(model, options);
  nb::list replacements;
  for (const shift::Replacement& replacement : result.replacements) replacements.append(nb::make_tuple(replacement.layer, replacement.before, replacement.after));
  return nb::make_tuple(nb::cast(std::move(result.model)), replacements, nb::cast(result.kept_weights), nb::cast(result.new_weights));
}

}  // namespace

void bind_shift(nb::module_& module) {
  nb::class_<Lab>(module, "Sweep")
      .def_prop_ro("radius", [](const Lab& lab) { return lab.sweep.radius(); })
      .def_prop_ro("images", [](const Lab& lab) { return lab.sweep.images(); })
      .def_prop_ro("labelled", [](const Lab& lab) { return lab.sweep.labelled(); })
      .def_prop_ro("border", [](const Lab& lab) { return std::string(lab.border.name()); })
      .def_prop_ro("why_not_invariant", [](const Lab& lab) { return lab.why_not; })
      .def_prop_ro("explanation", [](const Lab& lab) { return lab.sources ? lab.sources->text : std::vector<std::string>(); })
      .def("measures", &measures)
      .def("verdict", &verdict)
      .def("guarantee", [](const Lab& lab) { return shift::guarantee_text(lab.why_not); })
      .def("table_by_radius", [](const Lab& lab) { return shift::table_by_radius(lab.sweep); })
      .def("table_of_measures", [](const Lab& lab) { return shift::table_of_measures(lab.sweep); })
      .def("map", [](const Lab& lab) { return lab.sweep.map(); })
      .def("unchanged_map", [](const Lab& lab) { return lab.sweep.unchanged_map(); })
      .def("predicted", &predicted)
      .def("nearest_flip",
           [](const Lab& lab, std::int64_t image) -> nb::object {
             const std::optional<shift::Shift> flip = lab.sweep.nearest_flip(image);
             return flip ? nb::object(nb::make_tuple(flip->dy, flip->dx)) : nb::object(nb::none());
           })
      .def("picture", [](const Lab& lab, const std::string& title) { return shift::heat_maps(title, shift::maps_of(lab.sweep)).image(); })
      .def("report", &report)
      .def("csv", [](const Lab& lab) { return shift::csv_of(lab.sweep); })
      .def("json", &to_json);
  module.def("sweep", &sweep, nb::arg(), nb::arg(), nb::arg().none(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none());
  module.def("named_measures", &named_measures);
  module.def("fix", &fix);
  module.def("save_png", &save_png);
  module.def("shifted", [](const Tensor& images, std::int64_t dy, std::int64_t dx, const std::vector<double>& fill) { return shift::shifted(images, dy, dx, fill); });
  module.def("rolled", &shift::rolled);
  module.def("on_canvas", [](const Tensor& images, std::int64_t height, std::int64_t width, const std::vector<double>& fill) {
    return shift::on_canvas(images, height, width, fill);
  });
}

}  // namespace linn::python
