// Models.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings/bindings.h"
#include "bindings/callbacks.h"
#include "bindings/casters.h"
#include "data/value_range.h"
#include "bindings/guard.h"
#include "io/json.h"
#include "linn/error.h"
#include "linn/model.h"
#include "linn/models.h"
#include "model/zoo.h"
#include "optim/losses.h"
#include "optim/metrics.h"
#include "optim/optimizers.h"

namespace linn::python {
namespace {

using detail::io::Json;

// ---- compile -----------------------------------------------------------------------------------------------------

bool is_node(const Json& json) { return json.is_string() || (json.is_object() && json.contains("class_name")); }

Losses losses_of(const Json& json) {
  if (json.is_null()) return {};
  const auto one = [](const Json& node) { return node.is_null() ? Loss() : detail::optim::loss_from_json(node, "compile: loss"); };
  if (is_node(json)) return one(json);
  if (json.is_array()) {
    std::vector<Loss> list;
    for (const Json& node : json) list.push_back(one(node));
    return list;
  }
  std::map<std::string, Loss> named;
  for (const auto& [name, node] : json.items()) named.emplace(name, one(node));
  return named;
}

LossWeights loss_weights_of(const Json& json) {
  if (json.is_null()) return {};
  if (json.is_array()) return json.get<std::vector<double>>();
  if (json.is_object()) return json.get<std::map<std::string, double>>();
  throw ValueError("compile: loss_weights is " + detail::io::describe(json) + "; it may be a list of numbers or a dict by output");
}

std::vector<Metric> metric_list(const Json& json) {
  std::vector<Metric> list;
  if (is_node(json)) return {detail::optim::metric_from_json(json, "compile: metrics")};
  for (const Json& node : json)
    if (!node.is_null()) list.push_back(detail::optim::metric_from_json(node, "compile: metrics"));
  return list;
}

Metrics metrics_of(const Json& json) {
  if (json.is_null()) return {};
  if (is_node(json)) return metric_list(json);
  if (json.is_array()) {
    bool nested = false;
    for (const Json& entry : json) nested = nested || entry.is_array();
    if (!nested) return metric_list(json);
    std::vector<std::vector<Metric>> lists;
    for (const Json& entry : json) lists.push_back(metric_list(entry.is_null() ? Json::array() : entry));
    return lists;
  }
  std::map<std::string, std::vector<Metric>> named;
  for (const auto& [name, entry] : json.items()) named.emplace(name, metric_list(entry));
  return named;
}

void compile(Model& model, const std::string& text) {
  const Json json = detail::io::parse_json(text, "compile");
  CompileOptions options{.optimizer = detail::optim::optimizer_from_json(json["optimizer"], "compile: optimizer"),
                         .loss = losses_of(json["loss"]),
                         .loss_weights = loss_weights_of(json["loss_weights"]),
                         .metrics = metrics_of(json["metrics"])};
  const Change alone("compile", true);
  model.compile(options);
}

// ---- data --------------------------------------------------------------------------------------------------------

// A callable of Python that gives (x, y, sample_weight), or None where the data end. `steps`: batches of a pass; 0: until it says None.
Dataset source_of(const nb::object& next, std::int64_t steps) {
  if (next.is_none()) return {};
  const std::shared_ptr<nb::object> held(new nb::object(next), [](nb::object* object) {
    const nb::gil_scoped_acquire hold;
    delete object;
  });
  const auto give = [held](Batch& batch) {
    const nb::gil_scoped_acquire hold;
    const nb::object came = (*held)();
    if (came.is_none()) return false;
    const auto parts = nb::cast<nb::tuple>(came);
    batch = {.x = nb::cast<Tensors>(parts[0]), .y = nb::cast<Tensors>(parts[1]), .sample_weight = nb::cast<Tensors>(parts[2])};
    return true;
  };
  return Dataset::from_generator(give, steps == 0 ? Dataset::unknown : steps);
}

// ---- training ----------------------------------------------------------------------------------------------------

FitOptions fit_options(const nb::dict& given, const Pending& pending, const nb::object& model, const nb::list& callbacks) {
  const auto whole = [&](const char* name) { return nb::cast<std::int64_t>(given[name]); };
  FitOptions options{.batch_size = whole("batch_size"), .epochs = whole("epochs"), .verbose = whole("verbose")};
  options.callbacks = callback_handles(model, callbacks, pending);
  options.validation_split = nb::cast<double>(given["validation_split"]);
  const auto validation = nb::cast<nb::tuple>(given["validation_data"]);
  options.validation_data = {.x = nb::cast<Tensors>(validation[0]), .y = nb::cast<Tensors>(validation[1]), .sample_weight = nb::cast<Tensors>(validation[2])};
  options.shuffle = nb::cast<bool>(given["shuffle"]);
  options.class_weight = nb::cast<std::map<std::int64_t, double>>(given["class_weight"]);
  options.sample_weight = nb::cast<Tensors>(given["sample_weight"]);
  options.initial_epoch = whole("initial_epoch");
  options.steps_per_epoch = whole("steps_per_epoch");
  options.validation_steps = whole("validation_steps");
  // Data that are told how many steps to give go on where they are, also past the end of a pass.
  options.validation_data.dataset = source_of(nb::object(given["validation_batches"]), options.validation_steps == 0 ? whole("validation_batches_steps") : 0);
  options.validation_batch_size = whole("validation_batch_size");
  options.validation_freq = whole("validation_freq");
  options.accuracy = nb::cast<std::string>(given["accuracy"]);
  options.on_nan = nb::cast<std::string>(given["on_nan"]);
  if (const nb::object augment(given["augment"]); !augment.is_none()) options.augment = nb::cast<Layer>(augment);
  options.memory_limit = whole("memory_limit");
  options.print_fn = print_function(nb::object(given["print_fn"]), pending);
  return options;
}

// Runs without Python's lock, alone among trainings, and throws what a print function threw in its last moments.
template <class Run>
auto train(const Pending& pending, Run&& run) {
  const nb::gil_scoped_release free;
  const Training alone;
  auto result = run();
  if (*pending) std::rethrow_exception(std::exchange(*pending, nullptr));
  return result;
}

void fit(Model& model, const Tensors& x, const Tensors& y, const nb::object& owner, const nb::list& callbacks, const nb::dict& given) {
  const auto pending = std::make_shared<std::exception_ptr>();
  const FitOptions options = fit_options(given, pending, owner, callbacks);
  train(pending, [&] { return model.fit(x, y, options); });
}

void fit_batches(Model& model, const nb::object& next, std::int64_t steps, const nb::object& owner, const nb::list& callbacks, const nb::dict& given) {
  const auto pending = std::make_shared<std::exception_ptr>();
  const FitOptions options = fit_options(given, pending, owner, callbacks);
  const Dataset source = source_of(next, options.steps_per_epoch == 0 ? steps : 0);
  train(pending, [&] { return model.fit(source, options); });
}

EvaluateOptions evaluate_options(std::int64_t batch_size, std::int64_t verbose, const Tensors& sample_weight, std::int64_t steps, const std::string& accuracy) {
  return {.batch_size = batch_size, .verbose = verbose, .sample_weight = sample_weight, .steps = steps, .accuracy = accuracy};
}

Logs evaluate(Model& model, const Tensors& x, const Tensors& y, const Tensors& sample_weight, std::int64_t batch_size, std::int64_t verbose, std::int64_t steps,
              const std::string& accuracy, const nb::object& owner, const nb::list& callbacks, const nb::object& print_fn) {
  const auto pending = std::make_shared<std::exception_ptr>();
  EvaluateOptions options = evaluate_options(batch_size, verbose, sample_weight, steps, accuracy);
  options.callbacks = callback_handles(owner, callbacks, pending);
  options.print_fn = print_function(print_fn, pending);
  return train(pending, [&] { return model.evaluate(x, y, options); });
}

Logs evaluate_batches(Model& model, const nb::object& next, std::int64_t known_steps, std::int64_t verbose, std::int64_t steps, const std::string& accuracy,
                      const nb::object& owner, const nb::list& callbacks, const nb::object& print_fn) {
  const auto pending = std::make_shared<std::exception_ptr>();
  EvaluateOptions options = evaluate_options(32, verbose, {}, steps, accuracy);
  options.callbacks = callback_handles(owner, callbacks, pending);
  options.print_fn = print_function(print_fn, pending);
  const Dataset source = source_of(next, steps == 0 ? known_steps : 0);
  return train(pending, [&] { return model.evaluate(source, options); });
}

Logs on_batch(Model& model, bool training, const Tensors& x, const Tensors& y, const Tensors& sample_weight, const std::map<std::int64_t, double>& class_weight,
              const std::string& accuracy, const std::string& on_nan) {
  const BatchOptions options{.sample_weight = sample_weight, .class_weight = class_weight, .accuracy = accuracy, .on_nan = on_nan};
  const nb::gil_scoped_release free;
  const Training alone;
  return training ? model.train_on_batch(x, y, options) : model.test_on_batch(x, y, options);
}

// ---- prediction --------------------------------------------------------------------------------------------------

std::vector<Tensor> predict(const Model& model, const Tensors& x, std::int64_t batch_size, const std::string& accuracy, bool local, const nb::object& owner,
                            const nb::list& callbacks) {
  PredictOptions options{.batch_size = batch_size, .accuracy = accuracy, .local = local};
  const auto pending = std::make_shared<std::exception_ptr>();
  options.callbacks = callback_handles(owner, callbacks, pending);
  const nb::gil_scoped_release free;
  const Reading reading;
  return model.predict_all(x, options);
}

// One batch with nothing around it.
std::vector<Tensor> predict_one_batch(const Model& model, const Tensors& x, std::int64_t batch_size) {
  const nb::gil_scoped_release free;
  const Reading reading;
  return model.predict_all(x, {.batch_size = batch_size});
}

std::vector<std::pair<std::string, Tensor>> layer_outputs(const Model& model, const Tensors& x) {
  const nb::gil_scoped_release free;
  const Reading reading;
  return model.layer_outputs(x);
}

// ---- looking at it -----------------------------------------------------------------------------------------------

std::string summary(const Model& model, std::int64_t line_length, const std::vector<double>& positions, bool expand_nested, bool show_trainable,
                    const std::optional<std::pair<std::string, std::string>>& layer_range) {
  std::string text;
  model.summary({.line_length = line_length,
                 .positions = positions,
                 .print_fn = [&](const std::string& all) { text = all; },
                 .expand_nested = expand_nested,
                 .show_trainable = show_trainable,
                 .layer_range = layer_range});
  return text;
}

nb::dict profile(const Model& model, bool training, std::int64_t batch_size, std::int64_t steps, const Tensor& x, const Tensor& y, const std::string& accuracy) {
  const Profile result = [&] {
    const nb::gil_scoped_release free;
    const Training alone;
    return model.profile({.training = training, .batch_size = batch_size, .steps = steps, .x = x, .y = y, .accuracy = accuracy});
  }();
  nb::list ops;
  for (const OpProfile& op : result.ops) {
    nb::dict entry;
    entry["op"] = op.op;
    entry["layer"] = op.layer;
    entry["implementation"] = op.implementation;
    entry["isa"] = op.isa;
    entry["calls"] = op.calls;
    entry["seconds"] = op.seconds;
    entry["flops"] = op.flops;
    entry["bytes"] = op.bytes;
    entry["bound"] = result.bound(op);
    entry["roofline_seconds"] = result.roofline_seconds(op);
    ops.append(entry);
  }
  nb::dict dict;
  dict["training"] = result.training;
  dict["batch_size"] = result.batch_size;
  dict["steps"] = result.steps;
  dict["seconds"] = result.seconds;
  dict["threads"] = result.threads;
  dict["isa"] = result.isa;
  dict["precision"] = result.precision;
  dict["images_per_second"] = result.images_per_second();
  dict["seconds_between_ops"] = result.seconds_between_ops();
  dict["peak_flops"] = result.peak_flops;
  dict["ops"] = ops;
  return dict;
}

LoadReport load_weights(Model& model, const std::string& path, bool by_name, bool skip_mismatch) {
  const Change alone("load_weights");
  return model.load_weights(path, {.by_name = by_name, .skip_mismatch = skip_mismatch});
}

// The networks that linn knows by name: (name, what it is, shape of an image, classes).
nb::list built_in_networks() {
  nb::list list;
  for (const detail::model::ZooEntry& entry : detail::model::zoo())
    list.append(nb::make_tuple(entry.name, entry.about, nb::make_tuple(entry.size, entry.size, entry.channels), entry.classes));
  return list;
}

Model application(const std::string& name, const Shape& input_shape, bool include_top, const std::string& pooling, std::int64_t classes,
                  const std::string& activation, double alpha, const std::string& given_name, std::uint64_t seed, const std::string& policy) {
  if (name == "resnet50")
    return models::resnet50({.input_shape = input_shape, .include_top = include_top, .pooling = pooling, .classes = classes,
                             .classifier_activation = activation, .seed = seed, .name = given_name, .dtype_policy = policy});
  return models::mobilenet_v2({.input_shape = input_shape, .alpha = alpha, .include_top = include_top, .pooling = pooling, .classes = classes,
                               .classifier_activation = activation, .seed = seed, .name = given_name, .dtype_policy = policy});
}

ModelOptions model_options(const std::string& name, std::uint64_t seed, const std::string& policy) {
  return {.name = name, .seed = seed, .dtype_policy = policy};
}

template <class Class>
void bind_common(Class& model) {
  model.def_prop_ro("built", &Model::built)
      .def_prop_ro("name", [](const Model& m) { return m.name(); })
      .def_prop_rw("dtype_policy", [](const Model& m) { return std::string(m.dtype_policy().name()); },
                   [](Model& m, const std::string& policy) {
                     const Change alone("dtype_policy", true);
                     m.set_dtype_policy(policy);
                   })
      .def("layers", &Model::layers)
      .def("layer_names", &Model::layer_names)
      .def("get_layer", [](const Model& m, const std::string& name) { return m.get_layer(name); })
      .def("get_layer_at", [](const Model& m, std::size_t index) { return m.get_layer(index); })
      .def("set_trainable",
           [](Model& m, bool trainable) {
             const Change alone("trainable");
             m.set_trainable(trainable);
           })
      .def("as_layer", &Model::as_layer)
      .def("call", [](const Model& m, const std::vector<SymbolicTensor>& inputs, bool training) { return m.call(inputs, {.training = training}); })
      .def("inputs", &Model::inputs)
      .def("outputs", &Model::outputs)
      .def("input_names", &Model::input_names)
      .def("output_names", &Model::output_names)
      .def("output_shapes", &Model::output_shapes)
      .def("count_params", &Model::count_params)
      .def("summary", &summary, nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none());
}

}  // namespace

void bind_model(nb::module_& module) {
  nb::class_<LoadReport>(module, "LoadReport").def_ro("loaded", &LoadReport::loaded).def_ro("problems", &LoadReport::problems);

  nb::class_<Model> model(module, "Model");
  model.def("__init__", [](Model* self, const std::vector<SymbolicTensor>& inputs, const std::vector<SymbolicTensor>& outputs, const std::string& name,
                           std::uint64_t seed, const std::string& policy) { new (self) Model(inputs, outputs, model_options(name, seed, policy)); });
  bind_common(model);
  model.def("compile", &compile)
      .def_prop_ro("compiled", &Model::compiled)
      .def("fit", &fit, nb::arg(), nb::arg().none(), nb::arg(), nb::arg(), nb::arg())
      .def("fit_batches", &fit_batches)
      .def("evaluate", &evaluate, nb::arg(), nb::arg().none(), nb::arg().none(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none())
      .def("evaluate_batches", &evaluate_batches, nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none())
      .def("on_batch", &on_batch, nb::arg(), nb::arg(), nb::arg().none(), nb::arg().none(), nb::arg(), nb::arg(), nb::arg())
      .def("metrics_names", &Model::metrics_names)
      .def_prop_rw("learning_rate", &Model::learning_rate, &Model::set_learning_rate)
      .def_prop_ro("steps", &Model::steps)
      .def("swap_ema_weights", &Model::swap_ema_weights)
      .def("predict", &predict)
      .def("predict_one_batch", &predict_one_batch)
      .def("layer_outputs", &layer_outputs)
      .def("gradients", [](Model& m, const Tensors& x, const Tensors& y) { return m.gradients(x, y); })
      .def("get_weights", &Model::get_weights)
      .def("set_weights",
           [](Model& m, const std::vector<Tensor>& weights) {
             const Change alone("set_weights");
             m.set_weights(weights);
           })
      .def("named_weights", &Model::named_weights)
      .def("save", [](const Model& model, const std::string& path, bool include_optimizer) { model.save(path, {.include_optimizer = include_optimizer}); }, nb::arg("path"),
           nb::arg("include_optimizer") = true)
      .def("save_weights",
           [](const Model& m, const std::string& path, const std::string& layout, std::uint64_t max_shard_size) {
             m.save_weights(path, {.layout = layout, .max_shard_size = max_shard_size});
           })
      .def("load_weights", &load_weights)
      .def("to_json", &Model::to_json)
      .def("clone", &Model::clone)
      .def("with_input_shape", &Model::with_input_shape)
      .def("with_first_layer", &Model::with_first_layer);

  nb::class_<Sequential, Model>(module, "Sequential")
      .def("__init__", [](Sequential* self, const std::string& name, std::uint64_t seed, const std::string& policy) { new (self) Sequential(model_options(name, seed, policy)); })
      .def("add",
           [](Sequential& m, const Layer& layer) {
             const Change alone("add", true);
             m.add(layer);
           })
      .def("pop",
           [](Sequential& m) {
             const Change alone("pop", true);
             m.pop();
           })
      .def("build", [](Sequential& m, const Shape& shape) {
        const Change alone("build", true);
        m.build(shape);
      });

  module.def("profile", &profile, nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none(), nb::arg().none(), nb::arg());
  module.def("built_in_networks", &built_in_networks);
  module.def("built_in_network", [](const std::string& name, const Shape& image, std::int64_t classes, std::uint64_t seed, const std::string& policy) {
    return detail::model::make_model(name, image, classes, model_options("", seed, policy));
  });
  module.def("application", &application);
  module.def("load_model", &load_model);
  module.def("model_from_json",
             [](const std::string& json, std::uint64_t seed, const std::string& policy) { return Model::from_json(json, model_options("", seed, policy)); });
  // Takes the model: nothing is left in it.
  module.def("as_sequential", [](Model& m) { return Sequential(std::move(m)); });
}

}  // namespace linn::python
