#include "io/json.h"

#include <rapidcheck.h>

#include <array>
#include <chrono>
#include <cmath>

#include "io/test_files.h"

namespace linn::detail::io {
namespace {

using test::expect_error;

Json parse(std::string_view text) { return parse_json(text, "some.json"); }

void refuses(std::string_view text, std::initializer_list<std::string_view> parts) {
  expect_error<FormatError>([&] { parse(text); }, parts);
  expect_error<FormatError>([&] { parse(text); }, {"some.json:"});
}

TEST(Json, ParsesAndKeepsTheOrderOfKeys) {
  const Json value = parse(
      R"({"z": 1, "a": [true, null, -0.5, "tür \u00e9 \ud83d\ude00"], "m": {"x": 9223372036854775807, "n": -9223372036854775808}})");
  EXPECT_EQ(dump_json(value), R"({"z":1,"a":[true,null,-0.5,"tür é 😀"],"m":{"x":9223372036854775807,"n":-9223372036854775808}})");
  EXPECT_EQ(dump_json(parse(" 3 ")), "3");
  EXPECT_EQ(dump_json(parse("{}"), 2), "{}");
  EXPECT_EQ(dump_json(parse("{\"a\":[1]}"), 2), "{\n  \"a\": [\n    1\n  ]\n}");
}

TEST(Json, RefusalsSayTheirPlace) {
  refuses("", {"1:1: empty"});
  refuses("{\n  \"a\": 1,\n  \"a\": 2}", {"some.json:3:5:", "\"a\" appears twice"});
  refuses("{\"a\": NaN}", {"some.json:1:7:"});
  refuses("[Infinity]", {"some.json:1:2:"});
  refuses("[-Infinity]", {"some.json:1:3:"});
  refuses("[1e999]", {"some.json:1:", "out of range"});
  refuses("[18446744073709551616]", {"does not fit 64 bits"});
  refuses("[9223372036854775808]", {"too large"});
  refuses("[-9223372036854775809]", {"does not fit 64 bits"});
  refuses("[\n\n1,]", {"some.json:3:3:"});
  refuses("{} {}", {"some.json:1:4:"});
  refuses("{\"a\" 1}", {"some.json:1:6:"});
  refuses("{'a': 1}", {"some.json:1:2:"});
  refuses("[1, // no comments\n2]", {"some.json:1:5:"});
  refuses("[\"\xff\"]", {"some.json:1:3:"});
  refuses("[\"\xc0\x80\"]", {"some.json:1:3:"});
  refuses("[\"\\ud800\"]", {"some.json:1:"});
  refuses("[\"a\nb\"]", {"some.json:1:"});
  refuses("[01]", {"some.json:1:3:"});
  refuses("[.5]", {"some.json:1:2:"});
  refuses("nul", {"some.json:1:"});
}

TEST(Json, Limits) {
  std::string deep(64, '[');
  EXPECT_NO_THROW(parse(deep + std::string(64, ']')));
  refuses(deep + "[" + std::string(65, ']'), {"some.json:1:65:", "deeper than 64"});
  // A million brackets: refused at the limit, without recursion.
  refuses(std::string(1'000'000, '['), {"deeper than 64"});
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  refuses(objects, {"deeper than 64"});
  JsonLimits limits;
  limits.bytes = 4;
  EXPECT_NO_THROW(parse_json("[12]", "n", limits));
  expect_error<FormatError>([&] { parse_json("[123]", "n", limits); }, {"5 bytes", "at most 4"});
  limits = {};
  limits.values = 3;
  EXPECT_NO_THROW(parse_json("[1,2]", "n", limits));
  expect_error<FormatError>([&] { parse_json("[1,2,3]", "n", limits); }, {"more than 3 values"});
}

TEST(Json, ManyKeysTakeLinearTime) {
  std::string text = "{";
  for (int i = 0; i < 200'000; ++i) text += (i > 0 ? ",\"" : "\"") + std::to_string(i) + "\":0";
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(parse(text + "}").size(), 200'000u);
  refuses(text + ",\"77\":0}", {"\"77\" appears twice"});
  // A search of all keys at each insertion would take minutes.
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

TEST(Json, EveryTruncationOfAnObject) {
  test::every_truncation_fails(test::bytes(R"({"a": [1.5e3, "x\u00e9", true], "b": {"c": null}})"), [](auto part) {
    parse({reinterpret_cast<const char*>(part.data()), part.size()});
  });
}

TEST(Json, DumpRefusesWhatJsonLacks) {
  expect_error<ValueError>([] { dump_json(Json{{"a", {1.0, std::nan("")}}}); }, {"nan"});
  expect_error<ValueError>([] { dump_json(Json(std::numeric_limits<double>::infinity())); }, {"inf"});
  expect_error<ValueError>([] { dump_json(Json("\xff")); }, {"UTF-8"});
}

TEST(Json, DoublesComeBackExactly) {
  EXPECT_TRUE(rc::check([](double value) {
    if (!std::isfinite(value)) return;
    RC_ASSERT(parse(dump_json(Json(value))).get<double>() == value);
  }));
}

TEST(JsonFields, TypesAndRanges) {
  const Json object =
      parse(R"({"n": 3, "whole": 3.0, "half": 1.5, "s": "relu", "b": true, "o": {}, "a": [1, 2], "null": null, "big": 1e300})");
  const std::string where = "config.json: layer \"conv2d\"";
  EXPECT_EQ(integer_field(object, "n", where), 3);
  EXPECT_EQ(integer_field(object, "whole", where), 3);
  EXPECT_EQ(number_field(object, "half", where), 1.5);
  EXPECT_EQ(number_field(object, "n", where), 3.0);
  EXPECT_EQ(string_field(object, "s", where), "relu");
  EXPECT_TRUE(bool_field(object, "b", where));
  EXPECT_TRUE(object_field(object, "o", where).empty());
  EXPECT_EQ(array_field(object, "a", where).size(), 2u);
  EXPECT_EQ(integer_field_or(object, "null", where, 7), 7);
  EXPECT_EQ(integer_field_or(object, "missing", where, 7), 7);
  EXPECT_EQ(integer_field_or(object, "n", where, 7), 3);
  EXPECT_EQ(number_field_or(object, "missing", where, 0.5), 0.5);
  EXPECT_EQ(string_field_or(object, "missing", where, "x"), "x");
  EXPECT_EQ(string_field_or(object, "s", where, "x"), "relu");
  EXPECT_FALSE(bool_field_or(object, "missing", where, false));
  EXPECT_EQ(find_field(object, "null", where), nullptr);
  EXPECT_NE(find_field(object, "n", where), nullptr);
  EXPECT_TRUE(field(object, "null", where).is_null());

  expect_error<FormatError>([&] { integer_field(object, "s", where); },
                            {"config.json: layer \"conv2d\": field \"s\": \"relu\" came, an integer is allowed"});
  expect_error<FormatError>([&] { integer_field(object, "n", where, 5, 9); },
                            {"field \"n\": 3 came, an integer from 5 to 9 is allowed"});
  expect_error<FormatError>([&] { integer_field(object, "n", where, 5); }, {"an integer of 5 or more"});
  expect_error<FormatError>([&] { integer_field(object, "half", where); }, {"1.5 came"});
  expect_error<FormatError>([&] { integer_field(object, "big", where); }, {"1e+300 came"});
  expect_error<FormatError>([&] { integer_field(object, "b", where); }, {"true came"});
  // Only a program makes such a number; a file with it is refused before.
  expect_error<FormatError>([&] { integer_field(Json{{"n", std::uint64_t{1} << 63}}, "n", where, std::numeric_limits<std::int64_t>::min()); }, {"9223372036854775808 came"});
  expect_error<FormatError>([&] { number_field(object, "null", where); }, {"null came, a number is allowed"});
  expect_error<FormatError>([&] { string_field(object, "n", where); }, {"3 came, a text is allowed"});
  expect_error<FormatError>([&] { bool_field(object, "n", where); }, {"3 came, true or false is allowed"});
  expect_error<FormatError>([&] { object_field(object, "a", where); }, {"[1,2] came, an object is allowed"});
  expect_error<FormatError>([&] { array_field(object, "o", where); }, {"an object came, an array is allowed"});
  expect_error<FormatError>([&] { field(object, "missing", where); }, {"field \"missing\" is missing"});
  expect_error<FormatError>([&] { field(Json(3), "x", where); }, {"3 came, an object with the field \"x\""});
}

TEST(JsonFields, ChoicesAndUnknownKeys) {
  constexpr std::array<std::string_view, 2> paddings = {"valid", "same"};
  const Json object = parse(R"({"padding": "vaild"})");
  expect_error<FormatError>([&] { choice_field(object, "padding", "c", paddings); },
                            {"c: field \"padding\": \"vaild\" came, allowed are \"valid\", \"same\" (did you mean \"valid\"?)"});
  EXPECT_EQ(choice_field(parse(R"({"padding": "same"})"), "padding", "c", paddings), "same");
  constexpr std::array<std::string_view, 1> keys = {"filters"};
  expect_error<FormatError>([&] { check_keys(parse(R"({"filter": 1})"), keys, "c"); },
                            {"c: unknown field \"filter\" (did you mean \"filters\"?)"});
  EXPECT_NO_THROW(check_keys(parse(R"({"filters": 1})"), keys, "c"));
}

}  // namespace
}  // namespace linn::detail::io
