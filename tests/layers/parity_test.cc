// Names, order and defaults of arguments are Keras's: the rows beside Keras's own signatures. Of all classes of Keras's modules it is known
// whether linn has them or, on purpose, not.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <map>
#include <set>
#include <sstream>

#include "layers/page.h"
#include "linn/train.h"
#include "support/source_tree.h"

namespace linn::detail::layers {
namespace {

struct Argument {
  std::string name, otherwise;
};

struct Signature {
  std::set<std::string> modules;  // "keras.layers"
  std::set<std::string> names;
  std::vector<Argument> arguments;
  bool inherits = false;
};

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(' ');
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(' ') - first + 1);
}

// "a, b=(1, 2), **kwargs" cut at the commas outside parentheses.
std::vector<Argument> arguments_of(const std::string& text) {
  std::vector<Argument> arguments;
  std::string part;
  int depth = 0;
  for (const char c : text + ",") {
    depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (c != ',' || depth > 0) {
      part += c;
      continue;
    }
    part = trimmed(part);
    if (!part.empty() && part[0] != '*') arguments.push_back({part.substr(0, part.find('=')), part.find('=') == std::string::npos ? "" : part.substr(part.find('=') + 1)});
    part.clear();
  }
  return arguments;
}

// "C keras.layers.Conv2D|keras.layers.Convolution2D ( filters, ... )"
std::vector<Signature> signatures(char kind, const std::string& module) {
  std::vector<Signature> all;
  std::istringstream lines(tests::text_of(tests::golden("keras_signatures.txt")));
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[0] != kind) continue;
    Signature signature;
    const std::string names = line.substr(2, line.find(" (") - 2), inside = trimmed(line.substr(line.find(" (") + 2));
    std::istringstream list(names);
    for (std::string name; std::getline(list, name, '|');) {
      signature.modules.insert(name.substr(0, name.rfind('.')));
      signature.names.insert(name.substr(name.rfind('.') + 1));
    }
    signature.inherits = inside.starts_with("inherit");
    if (!signature.inherits) signature.arguments = arguments_of(inside.substr(0, inside.rfind(')')));
    if (signature.modules.contains(module)) all.push_back(std::move(signature));
  }
  return all;
}

// Where linn says the same in another way, or otherwise, with the reason.
const std::map<std::string, std::string> other_defaults{
    {"ZeroPadding2D.padding", "((1, 1), (1, 1))"},  // Keras's (1, 1): one number for both ends
    {"ZeroPadding1D.padding", "(1, 1)"},            // Keras's 1
    {"CategoryEncoding.num_tokens", ""},            // Keras's None, which it refuses
    {"PReLU.alpha_initializer", "'zeros'"},         // Keras's 'Zeros', another name of the same
    {"PReLU.shared_axes", "()"},                    // Keras's None
    {"RandomFlip.mode", "'horizontal_and_vertical'"},  // Keras's, by the name of a constant
    {"RandomGaussianBlur.kernel_size", "(3, 3)"},      // Keras's 3
};
const std::set<std::string> other_arguments{
    "InputLayer",  // one required shape in place of Keras's choice between shape, batch_size and batch_shape
};

// What Keras's class takes among **kwargs.
const std::set<std::string> by_name_alone{"EinsumDense.activity_regularizer"};

bool same_default(const std::string& a, const std::string& b) {
  if (a == b) return true;
  char *end_a = nullptr, *end_b = nullptr;
  const double x = std::strtod(a.c_str(), &end_a), y = std::strtod(b.c_str(), &end_b);
  return !a.empty() && !b.empty() && *end_a == 0 && *end_b == 0 && x == y;
}

std::string text_of(const std::vector<Argument>& arguments) {
  std::string text;
  for (const Argument& argument : arguments) text += (text.empty() ? "" : ", ") + argument.name;
  return text;
}

void check_row(const schema::Row& row, const std::vector<Argument>& keras) {
  std::vector<Argument> expected;
  std::set<std::string> absent;
  for (const schema::Absent& argument : row.absent) absent.insert(std::string(argument.key));
  for (const Argument& argument : keras)
    if (!absent.contains(argument.name) && argument.name != "name" && argument.name != "dtype" && argument.name != "x") expected.push_back(argument);
  std::vector<Argument> got;
  for (const schema::FieldInfo& field : row.fields())
    if ((field.role == schema::Role::option || field.role == schema::Role::axis) &&
        !by_name_alone.contains(fmt::format("{}.{}", row.info.name, field.key)))
      got.push_back({field.key, field.otherwise});
  ASSERT_EQ(got.size(), expected.size()) << row.info.name << " is " << schema::signature(row) << "; Keras has " << text_of(expected);
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].name, expected[i].name) << row.info.name;
    const auto other = other_defaults.find(fmt::format("{}.{}", row.info.name, got[i].name));
    const std::string wanted = other == other_defaults.end() ? expected[i].otherwise : other->second;
    EXPECT_TRUE(same_default(got[i].otherwise, wanted)) << row.info.name << ": " << got[i].name << "=" << got[i].otherwise << ", Keras has " << wanted;
  }
}

void check_kind(schema::Kind kind, const std::vector<Signature>& keras) {
  for (const schema::Row* row : rows(kind)) {
    if (!row->info.module.starts_with("keras") || other_arguments.contains(std::string(row->info.name))) continue;
    const auto found = std::find_if(keras.begin(), keras.end(), [&](const Signature& s) { return s.names.contains(std::string(row->info.name)); });
    if (found == keras.end()) {
      ADD_FAILURE() << row->info.name << " is no class of Keras's, whose module it names";
      continue;
    }
    check_row(*row, found->arguments);
    for (const std::string_view alias : row->info.aliases)
      if (!alias.empty()) {
        EXPECT_TRUE(found->names.contains(std::string(alias))) << row->info.name << ": Keras has no other name " << alias << " for it";
      }
  }
}

TEST(Parity, LayersHaveKerasArguments) { check_kind(schema::Kind::layer, signatures('C', "keras.layers")); }
TEST(Parity, ActivationsHaveKerasArguments) { check_kind(schema::Kind::activation, signatures('F', "keras.activations")); }

// A module of Keras and the names that linn has of it.
struct Module {
  std::string name;
  char letter;
  std::set<std::string> made;
};

std::set<std::string> names_of(schema::Kind kind) {
  std::set<std::string> names;
  for (const schema::Row* row : rows(kind)) {
    names.insert(std::string(row->info.name));
    for (const std::string_view alias : row->info.aliases) names.insert(std::string(alias));
  }
  return names;
}

// Callbacks are classes without a registry: the name of one that is not there does not compile.
#define LINN_NAME(name) (static_cast<void>(sizeof(callbacks::name)), #name)
std::set<std::string> callback_names() {
  return {LINN_NAME(EarlyStopping),         LINN_NAME(ModelCheckpoint), LINN_NAME(CSVLogger),      LINN_NAME(ReduceLROnPlateau),
          LINN_NAME(LearningRateScheduler), LINN_NAME(TerminateOnNaN),  LINN_NAME(LambdaCallback), LINN_NAME(SwapEMAWeights),
          LINN_NAME(TensorBoard),           LINN_NAME(BackupAndRestore), "Callback"};
}
#undef LINN_NAME

std::vector<Module> modules() {
  using schema::Kind;
  return {{"keras.layers", 'C', names_of(Kind::layer)},
          {"keras.activations", 'F', names_of(Kind::activation)},
          {"keras.losses", 'C', names_of(Kind::loss)},
          {"keras.metrics", 'C', names_of(Kind::metric)},
          {"keras.optimizers", 'C', names_of(Kind::optimizer)},
          {"keras.optimizers.schedules", 'C', names_of(Kind::schedule)},
          {"keras.callbacks", 'C', callback_names()},
          {"keras.initializers", 'C', names_of(Kind::initializer)},
          {"keras.regularizers", 'C', names_of(Kind::regularizer)},
          {"keras.constraints", 'C', names_of(Kind::constraint)}};
}

// "keras.losses.CTC", a line "losses.CTC: why" each; what names no module is a layer or an activation function.
std::map<std::string, std::string> listed_as_absent() {
  std::map<std::string, std::string> absent;
  std::istringstream lines(tests::text_of(tests::golden("keras_absent.txt")));
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[0] == '#') continue;
    const std::size_t colon = line.find(": ");
    if (colon == std::string::npos || colon + 2 == line.size()) {
      ADD_FAILURE() << "keras_absent.txt: \"" << line << "\" gives no reason";
      continue;
    }
    const std::string name = line.substr(0, colon);
    absent["keras." + (name.find('.') == std::string::npos ? "layers." + name : name)] = line.substr(colon + 2);
  }
  return absent;
}

// Every class of Keras is made or listed as absent, not both, and nothing else is listed. The table prints.
TEST(Parity, EveryNameOfKerasIsMadeOrAbsentOnPurpose) {
  const std::map<std::string, std::string> absent = listed_as_absent();
  std::set<std::string> of_keras;
  fmt::print("  {:<28} {:>5} {:>7} {:>7}\n", "module of Keras", "made", "absent", "missing");
  for (const Module& module : modules()) {
    int made = 0, left_out = 0, missing = 0;
    for (const Signature& signature : signatures(module.letter, module.name)) {
      const bool has = std::ranges::any_of(signature.names, [&](const std::string& name) { return module.made.contains(name); });
      const bool listed = std::ranges::any_of(signature.names, [&](const std::string& name) { return absent.contains(module.name + "." + name); });
      made += has ? 1 : 0;
      left_out += listed && !has ? 1 : 0;
      missing += has || listed ? 0 : 1;
      EXPECT_TRUE(has || listed) << module.name << "." << *signature.names.begin() << " is neither made nor listed in keras_absent.txt";
      EXPECT_FALSE(has && listed) << module.name << "." << *signature.names.begin() << " is made: take its line out of keras_absent.txt";
      for (const std::string& name : signature.names) of_keras.insert(module.name + "." + name);
    }
    fmt::print("  {:<28} {:>5} {:>7} {:>7}\n", module.name, made, left_out, missing);
  }
  for (const auto& [name, reason] : absent) EXPECT_TRUE(of_keras.contains(name)) << name << " in keras_absent.txt is no name of Keras's";
}

TEST(Page, IsUpToDate) {
  EXPECT_EQ(tests::text_of(tests::source_dir() + "/docs/layers.md"), page()) << "run: linn layers --markdown > docs/layers.md";
}

TEST(Page, ExplainsEveryArgument) {
  using schema::Kind;
  for (const Kind kind : {Kind::layer, Kind::activation, Kind::loss, Kind::metric, Kind::optimizer, Kind::schedule, Kind::initializer, Kind::regularizer, Kind::constraint})
    for (const schema::Row* row : rows(kind)) {
      EXPECT_FALSE(row->info.help.empty()) << row->info.name;
      for (const schema::FieldInfo& field : row->fields()) EXPECT_FALSE(field.help.empty()) << row->info.name << "." << field.key;
      EXPECT_THAT(details(*row), ::testing::HasSubstr(std::string(row->info.help)));
    }
}

}  // namespace
}  // namespace linn::detail::layers
