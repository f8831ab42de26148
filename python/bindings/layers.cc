// Layers, their calls, and the values between them.
#include <cstdint>
#include <string>
#include <vector>

#include "bindings/bindings.h"
#include "bindings/casters.h"
#include "graph/nested.h"
#include "bindings/guard.h"
#include "io/json.h"
#include "layers/layer_object.h"
#include "layers/registry.h"
#include "linn/augment.h"
#include "linn/error.h"
#include "linn/layers.h"

namespace linn::python {
namespace {

Layer make_layer(const std::string& class_name, const std::string& config) {
  const std::string where = detail::layers::place_of(detail::layers::snake_case(class_name), "");
  return Layer(detail::layers::layer_from_config(class_name, detail::io::parse_json(config, where), where));
}

// Variables as (name, shape, whether it may be trained, whether training changes it now).
nb::list variables(const Layer& layer) {
  nb::list list;
  for (const detail::VariablePtr& variable : layer.object()->variables)
    list.append(nb::make_tuple(variable->name, to_tuple(variable->shape), variable->trainable, variable->is_trainable()));
  return list;
}

// Of a model used as a layer, the layers in it, as the model itself gives them.
std::vector<Layer> inner_layers(const Layer& layer) {
  std::vector<Layer> list;
  const detail::graph::Graph* graph = detail::graph::graph_in(*layer.object());
  if (graph == nullptr) return list;
  for (const detail::graph::Member& member : graph->members()) list.emplace_back(member.layer);
  return list;
}

// A layer with the statistics of the data, in place of this one.
Layer adapted(const Layer& layer, const Tensor& data) {
  if (layer.class_name() != "Normalization") throw StateError("adapt: " + std::string(layer.class_name()) + " learns nothing by adapt; Normalization does");
  Normalization normalization;
  static_cast<Layer&>(normalization) = layer;
  normalization.adapt(data);
  return normalization;
}

}  // namespace

void bind_layers(nb::module_& module) {
  nb::class_<SymbolicTensor>(module, "KerasTensor")
      .def_prop_ro("_image_shape", &SymbolicTensor::shape)
      .def_prop_ro("_layer", &SymbolicTensor::layer)
      .def("__eq__", [](const SymbolicTensor& a, const SymbolicTensor& b) { return a == b; }, nb::is_operator())
      .def("__hash__", [](const SymbolicTensor& value) { return reinterpret_cast<std::uintptr_t>(value.call().get()) + static_cast<std::uintptr_t>(value.output()); });

  nb::class_<Layer>(module, "Layer")
      .def_prop_ro("key", [](const Layer& layer) { return reinterpret_cast<std::uintptr_t>(layer.object().get()); })
      .def_prop_ro("class_name", [](const Layer& layer) { return std::string(layer.class_name()); })
      .def_prop_ro("name", [](const Layer& layer) { return layer.name(); })
      .def_prop_ro("has_variables", [](const Layer& layer) { return layer.object()->has_variables; })
      .def_prop_ro("waits_for_input", [](const Layer& layer) { return layer.object()->description->waits_for_input(); })
      .def_prop_ro("is_model", [](const Layer& layer) { return detail::graph::graph_in(*layer.object()) != nullptr; })
      .def("config", &Layer::config)
      .def("variables", &variables)
      .def("inner_layers", &inner_layers)
      .def("compute_output_shape", &Layer::compute_output_shape)
      .def("call", [](const Layer& layer, const std::vector<SymbolicTensor>& inputs, bool training) { return layer.call(inputs, {.training = training}); })
      .def("input_value", [](const Layer& layer) { return detail::call_input(layer.object()); })
      .def_prop_ro("input", &Layer::input)
      .def_prop_ro("output", &Layer::output)
      .def_prop_rw("trainable", &Layer::trainable,
                   [](Layer& layer, bool trainable) {
                     const Change alone("trainable");
                     layer.set_trainable(trainable);
                   })
      .def("get_weights", &Layer::get_weights)
      .def("set_weights",
           [](Layer& layer, const std::vector<Tensor>& weights) {
             const Change alone("set_weights");
             layer.set_weights(weights);
           })
      .def("adapted", &adapted)
      .def("count_params", &Layer::count_params);

  module.def("make_layer", &make_layer);
  module.def("augment", [](const Layer& layer, const Tensor& images, std::uint64_t seed, std::int64_t epoch) {
    const nb::gil_scoped_release free;
    return augment(layer, images, {.seed = seed, .epoch = epoch});
  });
  module.def("augment_with_targets", [](const Layer& layer, const Tensor& images, const Tensor& targets, std::uint64_t seed, std::int64_t epoch) {
    const nb::gil_scoped_release free;
    AugmentedBatch batch = augment(layer, images, targets, {.seed = seed, .epoch = epoch});
    return std::vector<Tensor>{std::move(batch.images), std::move(batch.targets)};
  });
  module.def("input", [](const Shape& shape, const std::string& name) { return Input(shape, {.name = name}); });
}

}  // namespace linn::python
