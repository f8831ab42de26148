#include "layers/page.h"

#include <fmt/format.h>

#include <algorithm>

#include "layers/activations.h"
#include "layers/registry.h"

namespace linn::detail::layers {
namespace {

using schema::FieldInfo;
using schema::Kind;
using schema::Role;
using schema::Row;

// What every layer has: explained once.
bool is_common(const FieldInfo& field) { return field.role == Role::name || field.role == Role::trainable || field.role == Role::input_shape; }

std::string signature_without_common(const Row& row) {
  std::vector<std::string> arguments;
  for (const FieldInfo& field : row.fields())
    if (!is_common(field)) arguments.push_back(field.otherwise.empty() ? field.key : field.key + "=" + field.otherwise);
  return fmt::format("{}({})", row.info.name, fmt::join(arguments, ", "));
}

std::string other_names(const Row& row) {
  std::vector<std::string_view> names;
  for (const std::string_view alias : row.info.aliases)
    if (!alias.empty()) names.push_back(alias);
  return names.empty() ? "" : fmt::format(" Also called {}.", fmt::join(names, ", "));
}

std::string section(const Row& row) {
  std::string text = fmt::format("### {}\n`{}`\n\n{}{}", row.info.name, signature_without_common(row), row.info.help, other_names(row));
  if (!row.info.module.starts_with("keras")) text += " Keras does not have it.";
  text += "\n";
  std::string table;
  for (const FieldInfo& field : row.fields())
    if (!is_common(field))
      table += fmt::format("| `{}` | {} | {} | {} |\n", field.key, field.otherwise.empty() ? "required" : "`" + field.otherwise + "`", field.allowed,
                           field.help);
  if (!table.empty()) text += "\n| argument | default | allowed | meaning |\n|---|---|---|---|\n" + table;
  return text + "\n";
}

std::string list(Kind kind) {
  std::size_t width = 0;
  for (const Row* row : rows(kind)) width = std::max(width, row->info.name.size());
  std::string text;
  for (const Row* row : rows(kind)) text += fmt::format("  {:<{}}  {}\n", row->info.name, width, row->info.help);
  return text;
}

}  // namespace

std::vector<const Row*> rows(Kind kind) {
  std::vector<const Row*> list;
  if (kind == Kind::layer)
    for (const LayerRow& row : layer_rows()) list.push_back(&row);
  if (kind == Kind::activation)
    for (const ActivationRow& row : activation_rows()) list.push_back(&row);
  return list;
}

std::string overview() { return "Layers\n" + list(Kind::layer) + "\nActivation functions\n" + list(Kind::activation); }

std::string details(const Row& row) {
  std::string text = fmt::format("{}\n\n{}{}\n", schema::signature(row), row.info.help, other_names(row));
  const std::vector<FieldInfo> fields = row.fields();
  std::size_t width = 0;
  for (const FieldInfo& field : fields) width = std::max(width, field.key.size());
  if (!fields.empty()) text += "\n";
  for (const FieldInfo& field : fields) {
    const std::string allowed = field.allowed.empty() ? "" : fmt::format(" [{}]", field.allowed);
    text += fmt::format("  {:<{}}  {}{} {}\n", field.key, width, field.help, allowed,
                        field.otherwise.empty() ? "Required." : fmt::format("Default {}.", field.otherwise));
  }
  return text;
}

std::string page() {
  std::string text =
      "# Layers and activation functions\n\n"
      "`linn layers` lists them, `linn layers Conv2D` explains one. This page is written by `linn layers --markdown`; a test fails when it is\n"
      "out of date. Names, order and defaults are Keras 3's. Every layer also takes `name` (by default its class and a number), `trainable`\n"
      "(`True`: whether training changes its variables) and `input_shape` (of one image, for the first layer of a model). In C++ the arguments\n"
      "that are required, and Keras's first one, come first; the others are fields of an options struct:\n"
      "`Conv2D(32, 3, {.padding = \"same\", .activation = \"relu\"})`.\n\n"
      "## Layers\n\n";
  for (const Row* row : rows(Kind::layer)) text += section(*row);
  text +=
      "## Activation functions\n\n"
      "By name, `.activation = \"relu\"`, or with arguments, `.activation = linn::activations::leaky_relu({.negative_slope = 0.1})`.\n\n";
  for (const Row* row : rows(Kind::activation)) text += section(*row);
  text.pop_back();
  return text;
}

}  // namespace linn::detail::layers
