#include "layers/registry.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/did_you_mean.h"
#include "io/text.h"
#include "layers/channels_first.h"
#include "layers/described.h"
#include "linn/error.h"
#include "linn/layers.h"

namespace linn {
namespace detail::layers {

// The specialisations stand in the families' files.
#define LINN_LAYER(name) \
  template <>            \
  LayerRow layer_row<name>();
#include "layers/registry.inc"
#undef LINN_LAYER

std::span<const LayerRow> layer_rows() {
  static const LayerRow rows[] = {
#define LINN_LAYER(name) layer_row<name>(),
#include "layers/registry.inc"
#undef LINN_LAYER
  };
  return rows;
}

bool is_keras_layer(std::string_view class_name, const io::Json& config) {
  const LayerRow* row = schema::find_row(layer_rows(), class_name);
  if (row == nullptr || !row->info.module.starts_with("keras")) return false;
  const auto is_own = [&](const schema::FieldInfo& field) { return field.role == schema::Role::own && config.contains(field.key); };
  if (std::ranges::any_of(row->fields(), is_own)) return false;
  const auto padding = config.find("padding");
  if (padding == config.end() || class_name.starts_with("ZeroPadding")) return true;
  return io::is_text(*padding, "valid") || io::is_text(*padding, "same") || io::is_text(*padding, "causal");
}

void check_class(std::string_view class_name, const std::string& where) {
  if (schema::find_row(layer_rows(), class_name) != nullptr) return;
  if (class_name == "Lambda")
    throw FormatError(fmt::format("{}: is a Lambda, which holds Python code; linn runs no code of a file. In Keras, put layers that do the same in its place "
                                  "(Rescaling, Activation, Reshape, ...) and save again, or export the model to ONNX, which linn reads: "
                                  "model.export(\"model.onnx\", format=\"onnx\")",
                                  where));
  const std::vector<std::string_view> known = schema::names_of(layer_rows());
  throw FormatError(fmt::format("{}: layer class {} is not supported{}; it was not looked up or executed. `linn layers` lists the {} classes that are", where,
                                io::quote(class_name), core::did_you_mean(class_name, std::span<const std::string_view>(known)), known.size()));
}

DescriptionPtr layer_from_config(std::string_view class_name, const io::Json& config, const std::string& where) {
  check_class(class_name, where);
  return schema::find_row(layer_rows(), class_name)->read(config, where);
}

bool is_ignored(std::string_view key, const io::Json& value) {
  if (key != "dtype") return false;
  // Variables are float32 with all of these; how a model computes is what its user says (DTypePolicy).
  const auto known = [](const io::Json& name) { return io::is_text(name, "float32") || io::is_text(name, "mixed_float16") || io::is_text(name, "mixed_bfloat16"); };
  if (value.is_string()) return known(value);
  return value.is_object() && value.contains("config") && value["config"].is_object() && known(value["config"].value("name", io::Json()));
}

std::string snake_case(std::string_view class_name) {
  const auto upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  const auto lower = [](char c) { return c >= 'a' && c <= 'z'; };
  std::string result;
  for (std::size_t i = 0; i < class_name.size(); ++i) {
    const char c = class_name[i];
    const bool word_before = i > 0 && (lower(class_name[i - 1]) || (upper(class_name[i - 1]) && i + 1 < class_name.size() && lower(class_name[i + 1])));
    if (upper(c) && word_before) result += '_';
    result += upper(c) ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return result;
}

std::string place_of(std::string_view class_name, std::string_view name) {
  return name.empty() ? fmt::format("[{}]", class_name) : fmt::format("[{} '{}']", class_name, name);
}

}  // namespace detail::layers

namespace {

void check_activity(const Regularizer& regularizer, const Shape& output, const std::string& where) {
  if (regularizer.orthogonal() && output.rank() != 1)
    throw ValueError(fmt::format("{} activity_regularizer is an OrthogonalRegularizer, which is for outputs of 2 axes, (images, features); one "
                                 "image of this output has shape {}",
                                 where, output.to_string()));
}

void penalize(detail::plan::Lowering& to, detail::plan::Value output, const Regularizer& regularizer) {
  const auto& orthogonal = regularizer.orthogonal();
  detail::plan::Lowering::Penalized penalized{.value = output, .l1 = regularizer.l1(), .l2 = regularizer.l2()};
  if (orthogonal) {
    penalized.orthogonal = orthogonal->factor;
    penalized.columns = orthogonal->mode.kind() == regularizers::OrthogonalMode::columns;
  }
  if (penalized.l1 > 0 || penalized.l2 > 0 || penalized.orthogonal > 0) to.penalized().push_back(penalized);
}

}  // namespace

std::vector<Shape> OneToOne::infer_shapes(std::span<const Shape> inputs, const std::string& where) const {
  if (inputs.size() != 1) throw ShapeError(fmt::format("{} takes one input; {} came", where, inputs.size()));
  const Shape image = channels_first() ? detail::layers::channels_moved_last(inputs[0]) : inputs[0];
  const Shape output = output_shape(image, channels_first() ? where + " (channels_first, its channels moved to the last axis)" : where);
  check_activity(activity_regularizer(), output, where);
  if (!channels_first()) return {output};
  return {output.rank() == image.rank() ? detail::layers::channels_moved_first(output) : output};
}

std::vector<VariableSpec> OneToOne::declare_variables(std::span<const Shape> inputs) const {
  return variables(channels_first() ? detail::layers::channels_moved_last(inputs[0]) : inputs[0]);
}

std::vector<detail::plan::Value> OneToOne::lower_call(detail::plan::Lowering& to, std::span<const detail::plan::Value> inputs,
                                                      std::span<const detail::plan::Value> variables) const {
  const std::vector<detail::plan::Value> own(variables.begin(), variables.end());
  const detail::plan::Value result = lower(to, channels_first() ? detail::layers::with_channels_last(to, inputs[0]) : inputs[0], own);
  penalize(to, result, activity_regularizer());
  if (!channels_first()) return {result};
  return {result.shape.rank() == inputs[0].shape.rank() ? detail::layers::with_channels_first(to, result) : result};
}

}  // namespace linn
