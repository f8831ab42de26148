// The tables of layers, activation functions, losses, metrics, optimizers, schedules, initializers, regularizers and constraints, from which the package makes its classes.
#include <span>
#include <string>
#include <vector>

#include "bindings/bindings.h"
#include "bindings/casters.h"
#include "io/json.h"
#include "layers/activations.h"
#include "layers/registry.h"
#include "linn/error.h"
#include "linn/model.h"
#include "optim/constraints.h"
#include "optim/initializers.h"
#include "optim/losses.h"
#include "optim/metrics.h"
#include "optim/optimizers.h"
#include "optim/regularizers.h"
#include "optim/schedules.h"
#include "schema/row.h"

namespace linn::python {
namespace {

using detail::schema::Absent;
using detail::schema::FieldInfo;
using detail::schema::Role;
using detail::schema::Row;

const char* name_of(Role role) {
  switch (role) {
    case Role::option: return "option";
    case Role::own: return "own";
    case Role::axis: return "axis";
    case Role::name: return "name";
    case Role::trainable: return "trainable";
    case Role::input_shape: return "input_shape";
  }
  return "";
}

nb::dict to_dict(const Row& row) {
  nb::dict entry;
  entry["module"] = row.info.module;
  entry["name"] = row.info.name;
  entry["help"] = row.info.help;
  nb::list aliases;
  for (const std::string_view alias : row.info.aliases)
    if (!alias.empty()) aliases.append(alias);
  entry["aliases"] = aliases;
  nb::list fields;
  for (const FieldInfo& info : row.fields()) {
    nb::dict field;
    field["key"] = info.key;
    field["default"] = info.otherwise;
    field["allowed"] = info.allowed;
    field["help"] = info.help;
    field["role"] = name_of(info.role);
    fields.append(field);
  }
  entry["fields"] = fields;
  nb::list absent;
  for (const Absent& argument : row.absent) absent.append(argument.key);
  entry["absent"] = absent;
  nb::list examples;
  for (const detail::schema::Example& example : row.examples) examples.append(nb::make_tuple(example.config, example.inputs));
  entry["examples"] = examples;
  return entry;
}

template <class Rows>
nb::list list_of(const Rows& rows) {
  nb::list list;
  for (const auto& row : rows) list.append(to_dict(row));
  return list;
}

nb::list rows(const std::string& kind) {
  if (kind == "layer") return list_of(detail::layers::layer_rows());
  if (kind == "activation") return list_of(detail::layers::activation_rows());
  if (kind == "loss") return list_of(detail::optim::loss_rows());
  if (kind == "metric") return list_of(detail::optim::metric_rows());
  if (kind == "optimizer") return list_of(detail::optim::optimizer_rows());
  if (kind == "initializer") return list_of(detail::optim::initializer_rows());
  if (kind == "regularizer") return list_of(detail::optim::regularizer_rows());
  if (kind == "constraint") return list_of(detail::optim::constraint_rows());
  if (kind == "schedule") return list_of(detail::optim::schedule_rows());
  throw ValueError("no table of kind \"" + kind + "\"");
}

// A node, a name, or null: checked, and as Keras writes it.
std::string normalized(const std::string& kind, const std::string& json) {
  const detail::io::Json node = detail::io::parse_json(json, kind);
  const auto text = [](const detail::io::Json& written) { return detail::io::dump_json(written, -1); };
  if (kind == "loss") return text(detail::optim::to_json(detail::optim::loss_from_json(node, kind)));
  if (kind == "metric") return text(detail::optim::to_json(detail::optim::metric_from_json(node, kind)));
  if (kind == "optimizer") return text(detail::optim::to_json(detail::optim::optimizer_from_json(node, kind)));
  if (kind == "initializer") return text(detail::optim::to_json(detail::optim::initializer_from_json(node, kind)));
  if (kind == "regularizer") return text(detail::optim::to_json(detail::optim::regularizer_from_json(node, kind)));
  if (kind == "constraint") return text(detail::optim::to_json(detail::optim::constraint_from_json(node, kind)));
  if (kind == "schedule") return text(detail::optim::schedule_from_json(node, kind)->node());
  if (kind == "activation") return text(detail::schema::Type<ActivationFunction>::write(detail::schema::Type<ActivationFunction>::read(node, {kind, "activation"})));
  throw ValueError("no table of kind \"" + kind + "\"");
}

// The rate of a step, for a schedule that does not take the steps of a fit.
double rate_at(const std::string& json, std::int64_t step) {
  const detail::optim::SchedulePtr schedule = detail::optim::schedule_from_json(detail::io::parse_json(json, "schedule"), "schedule");
  if (schedule->spans_fit()) throw ValueError(std::string(schedule->class_name()) + " takes all steps of a fit, and their number is not known here; give it the number");
  return schedule->at(step, 1);
}

Tensor first_values(const std::string& json, const Shape& shape, std::uint64_t seed) {
  return detail::optim::initialize(detail::optim::initializer_from_json(detail::io::parse_json(json, "initializer"), "initializer"), shape, seed, 0);
}

// A metric that is fed by hand, from its node or name.
void make_metric_state(MetricState* state, const std::string& json) {
  new (state) MetricState(detail::optim::metric_from_json(detail::io::parse_json(json, "metric"), "metric"));
}

Tensor confusion_counts(const Tensor& labels, const Tensor& predictions, std::int64_t classes) {
  return metrics::confusion_matrix(labels, predictions, classes).values();
}

}  // namespace

void bind_registry(nb::module_& module) {
  nb::class_<MetricState>(module, "MetricState")
      .def("__init__", &make_metric_state)
      .def("update_state", &MetricState::update_state, nb::arg("y_true"), nb::arg("y_pred"), nb::arg("sample_weight").none())
      .def("results", &MetricState::results)
      .def("reset_state", &MetricState::reset_state);
  module.def("confusion_counts", &confusion_counts);
  module.def("rows", &rows);
  module.def("normalized", &normalized);
  module.def("first_values", &first_values);
  module.def("rate_at", &rate_at);
  module.def("set_threads", &set_threads);
  module.def("threads", &threads);
}

}  // namespace linn::python
