// Names, order and defaults of arguments are Keras's: the rows beside Keras's own signatures.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <map>
#include <set>
#include <sstream>

#include "layers/page.h"
#include "support/source_tree.h"

namespace linn::detail::layers {
namespace {

struct Argument {
  std::string name, otherwise;
};

struct Signature {
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
std::vector<Signature> signatures(char kind) {
  std::vector<Signature> all;
  std::istringstream lines(tests::text_of(tests::golden("keras_signatures.txt")));
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[0] != kind) continue;
    Signature signature;
    const std::string names = line.substr(2, line.find(" (") - 2), inside = trimmed(line.substr(line.find(" (") + 2));
    std::istringstream list(names);
    for (std::string name; std::getline(list, name, '|');) signature.names.insert(name.substr(name.rfind('.') + 1));
    signature.inherits = inside.starts_with("inherit");
    if (!signature.inherits) signature.arguments = arguments_of(inside.substr(0, inside.rfind(')')));
    all.push_back(std::move(signature));
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

bool same_default(const std::string& a, const std::string& b) {
  if (a == b) return true;
  char *end_a = nullptr, *end_b = nullptr;
  const double x = std::strtod(a.c_str(), &end_a), y = std::strtod(b.c_str(), &end_b);
  return !a.empty() && !b.empty() && *end_a == 0 && *end_b == 0 && x == y;
}

std::string names_of(const std::vector<Argument>& arguments) {
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
    if (field.role == schema::Role::option || field.role == schema::Role::axis) got.push_back({field.key, field.otherwise});
  ASSERT_EQ(got.size(), expected.size()) << row.info.name << " is " << schema::signature(row) << "; Keras has " << names_of(expected);
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

TEST(Parity, LayersHaveKerasArguments) { check_kind(schema::Kind::layer, signatures('C')); }
TEST(Parity, ActivationsHaveKerasArguments) { check_kind(schema::Kind::activation, signatures('F')); }

std::set<std::string> listed_as_absent() {
  std::set<std::string> absent;
  std::istringstream lines(tests::text_of(tests::golden("keras_absent.txt")));
  for (std::string line; std::getline(lines, line);)
    if (!line.empty() && line[0] != '#') absent.insert(line.substr(0, line.find(':')));
  return absent;
}

TEST(Parity, WhatLinnLacksIsListed) {
  const std::set<std::string> absent = listed_as_absent();
  const auto check = [&](schema::Kind kind, char letter) {
    for (const Signature& signature : signatures(letter)) {
      const auto known = [&](const std::string& name) {
        for (const schema::Row* row : rows(kind))
          if (row->is_called(name)) return true;
        return absent.contains(name);
      };
      EXPECT_TRUE(std::any_of(signature.names.begin(), signature.names.end(), known)) << *signature.names.begin() << " is neither made nor listed in keras_absent.txt";
    }
  };
  check(schema::Kind::layer, 'C');
  check(schema::Kind::activation, 'F');
}

// A line of keras_absent.txt goes when linn has what it names, and names something of Keras's.
TEST(Parity, WhatIsListedAsAbsentIs) {
  std::set<std::string> of_keras;
  for (const char letter : {'C', 'F'})
    for (const Signature& signature : signatures(letter)) of_keras.insert(signature.names.begin(), signature.names.end());
  for (const std::string& name : listed_as_absent()) {
    EXPECT_TRUE(of_keras.contains(name)) << name << " in keras_absent.txt is no name of Keras's";
    for (const schema::Kind kind : {schema::Kind::layer, schema::Kind::activation})
      for (const schema::Row* row : rows(kind)) EXPECT_FALSE(row->is_called(name)) << name << " is made now: take its line out of keras_absent.txt";
  }
}

TEST(Page, IsUpToDate) {
  EXPECT_EQ(tests::text_of(tests::source_dir() + "/docs/layers.md"), page()) << "run: linn layers --markdown > docs/layers.md";
}

TEST(Page, ExplainsEveryArgument) {
  for (const schema::Kind kind : {schema::Kind::layer, schema::Kind::activation})
    for (const schema::Row* row : rows(kind)) {
      EXPECT_FALSE(row->info.help.empty()) << row->info.name;
      for (const schema::FieldInfo& field : row->fields()) EXPECT_FALSE(field.help.empty()) << row->info.name << "." << field.key;
      EXPECT_THAT(details(*row), ::testing::HasSubstr(std::string(row->info.help)));
    }
}

}  // namespace
}  // namespace linn::detail::layers
