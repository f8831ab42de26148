#include "layers/page.h"

#include <fmt/format.h>

#include <algorithm>

#include "layers/activations.h"
#include "layers/registry.h"
#include "optim/constraints.h"
#include "optim/initializers.h"
#include "optim/losses.h"
#include "optim/metrics.h"
#include "optim/optimizers.h"
#include "optim/regularizers.h"
#include "optim/schedules.h"

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

// A registry with its title on the page and what stands there before its rows.
struct Section {
  Kind kind;
  const char* title;
  const char* introduction;
};
constexpr Section sections[] = {
    {Kind::layer, "Layers",
     "Every layer also takes `name` (by default its class and a number), `trainable` (`True`: whether training changes its variables) and\n"
     "`input_shape` (of one image, for the first layer of a model). In C++ the arguments that are required, and Keras's first one, come first; the\n"
     "others are fields of an options struct: `Conv2D(32, 3, {.padding = \"same\", .activation = \"relu\"})`."},
    {Kind::activation, "Activation functions",
     "By name, `.activation = \"relu\"`, or with arguments, `.activation = linn::activations::leaky_relu({.negative_slope = 0.1})`."},
    {Kind::loss, "Losses",
     "By name, `.loss = \"mse\"`, with arguments, `.loss = linn::losses::Huber({.delta = 2})`, or on the command line, `--loss huber:delta=2`."},
    {Kind::metric, "Metrics",
     "As losses; several on the command line: `--metrics accuracy,top_k_categorical_accuracy:k=3`. Every metric also takes `name`, under which it stands in logs."},
    {Kind::optimizer, "Optimizers",
     "By name, `.optimizer = \"adam\"`, with arguments, `.optimizer = linn::optimizers::SGD({.learning_rate = 0.1, .momentum = 0.9})`, or on the command\n"
     "line, `--optimizer sgd:momentum=0.9 --learning-rate 0.1`."},
    {Kind::schedule, "Schedules of the learning rate",
     "In place of a number: `.learning_rate = linn::optimizers::schedules::CosineDecay({.initial_learning_rate = 0.01})`. On the command line, `--schedule cosine`\n"
     "begins at the optimizer's rate and, unless the number of steps is given, ends with the last step of the training."},
    {Kind::initializer, "Initializers", "By name, `.kernel_initializer = \"he_normal\"`, or with arguments, `linn::initializers::RandomNormal({.stddev = 0.1})`."},
    {Kind::regularizer, "Regularizers", "`.kernel_regularizer = linn::regularizers::L2(0.001)`."},
    {Kind::constraint, "Constraints", "Applied to a variable after each step: `.kernel_constraint = linn::constraints::MaxNorm({.max_value = 3})`."},
};

std::string list(Kind kind) {
  std::size_t width = 0;
  for (const Row* row : rows(kind)) width = std::max(width, row->info.name.size());
  std::string text;
  for (const Row* row : rows(kind)) text += fmt::format("  {:<{}}  {}\n", row->info.name, width, row->info.help);
  return text;
}

}  // namespace

std::vector<const Row*> rows(Kind kind) {
  const auto all_of = [](const auto& list) {
    std::vector<const Row*> rows;
    for (const Row& row : list) rows.push_back(&row);
    return rows;
  };
  switch (kind) {
    case Kind::layer: return all_of(layer_rows());
    case Kind::activation: return all_of(activation_rows());
    case Kind::loss: return all_of(optim::loss_rows());
    case Kind::metric: return all_of(optim::metric_rows());
    case Kind::optimizer: return all_of(optim::optimizer_rows());
    case Kind::schedule: return all_of(optim::schedule_rows());
    case Kind::initializer: return all_of(optim::initializer_rows());
    case Kind::regularizer: return all_of(optim::regularizer_rows());
    case Kind::constraint: return all_of(optim::constraint_rows());
    case Kind::callback: break;  // classes without rows
  }
  return {};
}

std::string overview() {
  std::string text;
  for (const Section& section : sections) text += fmt::format("{}{}\n{}", text.empty() ? "" : "\n", section.title, list(section.kind));
  return text;
}

std::vector<std::string_view> names() {
  std::vector<std::string_view> names;
  for (const Section& section : sections)
    for (const Row* row : rows(section.kind)) names.push_back(row->info.name);
  return names;
}

std::vector<const Row*> rows_called(std::string_view name) {
  std::vector<const Row*> found;
  for (const Section& section : sections)
    for (const Row* row : rows(section.kind))
      if (row->is_called(name)) found.push_back(row);
  return found;
}

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
      "# Layers, losses, optimizers and all else that has a name\n\n"
      "`linn layers` lists them, `linn layers Conv2D` explains one. This page is written by `linn layers --markdown`; a test fails when it is\n"
      "out of date. Names, order and defaults are Keras 3's.\n\n";
  for (const Section& part : sections) {
    text += fmt::format("## {}\n\n{}\n\n", part.title, part.introduction);
    for (const Row* row : rows(part.kind)) text += section(*row);
  }
  text.pop_back();
  return text;
}

}  // namespace linn::detail::layers
