// Names, order and defaults of all options are Keras's (tests/golden/optim.json holds its signatures).
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "io/json.h"
#include "optim/constraints.h"
#include "optim/initializers.h"
#include "optim/losses.h"
#include "optim/metrics.h"
#include "optim/optimizers.h"
#include "optim/regularizers.h"
#include "optim/schedules.h"
#include "support/golden.h"

namespace linn::detail::optim {
namespace {

using Arguments = std::vector<std::pair<std::string, std::string>>;

// 0 and 0.0 are the same default.
std::string same_number(std::string text) {
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text;
}

// A default of Python's as JSON: 'x' is "x", None null.
std::string as_json(const std::string& text) {
  if (text == "None") return "null";
  if (text == "True" || text == "False") return text == "True" ? "true" : "false";
  return text.starts_with("'") ? "\"" + text.substr(1, text.size() - 2) + "\"" : text;
}

// What linn lacks says so in its table, with Keras's default as the value that a file may hold: another one would let a file of another meaning
// in. What no loss, metric or optimizer has is left out on both sides.
Arguments of_keras(const io::Json& signature, const schema::Row& row, const std::set<std::string>& nowhere) {
  Arguments arguments;
  for (const io::Json& argument : signature) {
    const std::string name = argument[0];
    const auto absent = std::ranges::find(row.absent, name, &schema::Absent::key);
    if (absent != row.absent.end() && !absent->value.empty()) {
      EXPECT_EQ(same_number(std::string(absent->value)), same_number(as_json(argument[1]))) << row.info.name << ": " << name << ", which linn lacks, has Keras's default";
    }
    if (!nowhere.contains(name) && absent == row.absent.end()) arguments.emplace_back(name, same_number(argument[1]));
  }
  return arguments;
}

template <class Rows>
void compare(const std::string& kind, const Rows& rows, const std::set<std::string>& nowhere, const std::set<std::string>& linns_own = {}) {
  io::Json signatures = tests::golden_json("optim.json")["signatures"];
  signatures.update(tests::golden_json("optimizer_steps.json")["signatures"]);
  signatures.update(tests::golden_json("metrics.json")["signatures"]);
  for (const schema::Row& row : rows) {
    const std::string name = kind + "." + std::string(row.info.name);
    ASSERT_TRUE(signatures.contains(name)) << name << " has no signature in optim.json";
    Arguments arguments;
    for (const schema::FieldInfo& field : row.fields())
      if (!linns_own.contains(name + "." + field.key) && !linns_own.contains(field.key)) arguments.emplace_back(field.key, same_number(field.otherwise));
    EXPECT_EQ(arguments, of_keras(signatures[name], row, nowhere)) << name;
  }
}

TEST(Signatures, AsKeras) {
  compare("losses", loss_rows(), {"dtype"}, {"losses.SparseCategoricalCrossentropy.label_smoothing"});
  compare("metrics", metric_rows(), {"dtype"});
  compare("optimizers", optimizer_rows(), {});
  compare("regularizers", regularizer_rows(), {});
  compare("constraints", constraint_rows(), {});
  // Where linn may take the steps of the fit, Keras has no default.
  std::vector<schema::Row> schedules;
  for (const schema::Row& row : schedule_rows())
    if (row.info.module.starts_with("keras")) schedules.push_back(row);
  compare("schedules", schedules, {"decay_steps", "first_decay_steps"}, {"decay_steps", "first_decay_steps"});
  compare("initializers", initializer_rows(), {});
}

}  // namespace
}  // namespace linn::detail::optim
