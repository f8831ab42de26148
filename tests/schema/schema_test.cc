// A table of fields and what is done with it.
#include <gmock/gmock.h>

#include <optional>

#include "schema/row.h"
#include "support/message_of.h"

namespace linn::detail::schema {
namespace {

using tests::message_of;

struct Inner {
  double rate = 0.5;
  std::optional<std::uint64_t> seed = {};
  std::string name = {};
};

struct Outer {
  std::int64_t units = 1;
  Size2 strides = {};
  Inner inner = {};
};

}  // namespace

template <>
struct Schema<Outer> {
  static constexpr Info info{.module = "keras.things", .name = "Thing", .aliases = {"Object", "thing"}, .help = "A thing."};
  static constexpr auto fields =
      all(required("units", &Outer::units, between(1, 8), "Units.").called_before("n"), field("strides", &Outer::strides, at_least(1), "Strides."),
          nested(&Outer::inner, all(field("rate", &Inner::rate, from_to_below(0, 1), "Rate."), field("seed", &Inner::seed, "Seed.")),
                 Field<Inner, std::string>{"name", &Inner::name, {}, "Name.", false, Role::name}));
  static constexpr Absent absent[] = {{"noise"}, {"flag", "false"}, {"slack", "0.5"}, {"ignored", ""}};
  static constexpr Example examples[] = {{R"({"units": 2})"}};

  static void complete(Outer& outer) {
    if (!outer.strides.is_set()) outer.strides = 2;
  }
  static std::string fault(const Outer& outer) { return outer.units == 7 ? "units is 7; it must not be" : ""; }
};

namespace {

io::Json json(const std::string& text) { return io::parse_json(text, "test"); }
Outer read_text_of(const std::string& text) { return read<Outer>(json(text), "file"); }

TEST(Schema, WritesReadsAndCompares) {
  const Outer outer{3, {1, 2}, {0.25, 9, "x"}};
  EXPECT_EQ(write(outer), json(R"({"units": 3, "strides": [1, 2], "rate": 0.25, "seed": 9})"));
  EXPECT_TRUE(equal(read<Outer>(write(outer), "file"), outer));
  EXPECT_FALSE(equal(outer, Outer{3, {1, 2}, {0.25, 8, "x"}}));
  EXPECT_EQ(read_text_of(R"({"units": 3, "name": "y"})").inner.name, "y");
  EXPECT_EQ(read_text_of(R"({"n": 4})").units, 4) << "the name that Keras 2 had";
  EXPECT_EQ(read_text_of(R"({"units": 3})").strides, Size2(2)) << "completed";
  EXPECT_EQ(read_text_of(R"({"units": 3, "strides": null, "seed": null})").strides, Size2(2));
}

TEST(Schema, OneRuleForCodeAndFiles) {
  const auto both = [](const Outer& outer, const std::string& text) {
    EXPECT_EQ(message_of<ValueError>([&] { checked(outer, "[thing]"); }), "[thing] " + text);
    EXPECT_EQ(message_of<FormatError>([&] { read<Outer>(write(outer), "file"); }), "file: " + text);
  };
  both({0, {}, {}}, "units is 0; it must be 1 to 8");
  both({9, {}, {}}, "units is 9; it must be 1 to 8");
  both({7, {}, {}}, "units is 7; it must not be");
  both({2, {0, 1}, {}}, "strides is (0, 1); both numbers must be 1 or more");
  both({2, {1, std::int64_t{1} << 40}, {}}, "strides is (1, 1099511627776); both numbers must be 1 to 2147483648");
  both({2, {}, {.rate = 1}}, "rate is 1; it must be in [0, 1)");
  EXPECT_EQ(message_of<ValueError>([] { checked(Outer{2, {}, {.rate = std::nan("")}}, "[thing]"); }), "[thing] rate is nan; it must be in [0, 1)");
  EXPECT_EQ(checked(Outer{2, {}, {}}, "[thing]").strides, Size2(2));
}

TEST(Schema, RefusesUnknownFields) {
  for (const char* fine : {R"({"units": 1, "noise": null})", R"({"units": 1, "flag": false})", R"({"units": 1, "slack": 0.5})",
                           R"({"units": 1, "ignored": [3]})", R"({"units": 1, "whatever": null})"})
    EXPECT_NO_THROW(read_text_of(fine)) << fine;
  for (const char* wrong : {R"({"units": 1, "noise": 1})", R"({"units": 1, "flag": true})", R"({"units": 1, "slack": 0.25})",
                            R"({"units": 1, "whatever": 0})", R"({})", R"({"units": null})", "[]", "3", R"({"units": 1, "rate": "x"})",
                            R"({"units": [1]})", R"({"units": 1, "seed": -1})"})
    EXPECT_THROW(read_text_of(wrong), FormatError) << wrong;
}

int make_none(const io::Json&, const std::string&) { return 0; }

TEST(Schema, RowsAndSignatures) {
  const std::vector<RowOf<int>> rows{make_row<Outer, int>(Kind::loss, &make_none)};
  EXPECT_EQ(find_row(rows, "Thing"), rows.data());
  EXPECT_EQ(find_row(rows, "thing"), rows.data());
  EXPECT_EQ(find_row(rows, ""), nullptr);
  EXPECT_EQ(find_row(rows, "thin"), nullptr);
  EXPECT_EQ(signature(rows[0]), "keras.things.Thing|keras.things.Object|keras.things.thing ( units, strides=None, rate=0.5, seed=None, name=None )");
  EXPECT_EQ(rows[0].fields()[0].allowed, "1 to 8");
  EXPECT_EQ(unknown_name(Kind::loss, "thinq", names_of(rows)), "unknown loss \"thinq\" (did you mean \"Thing\"?); known are Thing");
}

TEST(Schema, NumbersAsPythonWritesThem) {
  EXPECT_EQ(Type<double>::python(0), "0.0");
  EXPECT_EQ(Type<double>::python(1e-7), "1e-07");
  EXPECT_EQ(Type<double>::python(0.001), "0.001");
  EXPECT_EQ(Type<double>::python(-2), "-2.0");
  EXPECT_EQ(Type<bool>::python(true), "True");
  EXPECT_EQ(Type<Size2>::python({2, 3}), "(2, 3)");
  EXPECT_EQ(Type<Padding>::python("same"), "'same'");
}

TEST(Schema, RangesInWords) {
  EXPECT_EQ(to_string(Range{}), "");
  EXPECT_EQ(to_string(at_least(1)), "1 or more");
  EXPECT_EQ(to_string(above(0)), "above 0");
  EXPECT_EQ(to_string(between(2, 7)), "2 to 7");
  EXPECT_EQ(to_string(from_to_below(0, 1)), "in [0, 1)");
  EXPECT_FALSE(at_least(0).holds(std::nan("")));
  EXPECT_FALSE(above(0).holds(0));
  EXPECT_TRUE(between(0, 1).holds(1));
  EXPECT_FALSE(from_to_below(0, 1).holds(1));
}

}  // namespace
}  // namespace linn::detail::schema
