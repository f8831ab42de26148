// The members of a JSON object do what nlohmann's ordered_json does with them.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "io/json.h"

namespace linn::detail::io {
namespace {

TEST(JsonObject, DoesWhatNlohmannsDoes) {
  EXPECT_TRUE(rc::check([] {
    Json ours = Json::object();
    nlohmann::ordered_json theirs = nlohmann::ordered_json::object();
    const int count = *rc::gen::inRange(0, 40);
    for (int i = 0; i < count; ++i) {
      const std::string key = "the key with the number " + std::to_string(*rc::gen::inRange(0, 8));
      switch (*rc::gen::inRange(0, 7)) {
        case 0: ours[key] = i, theirs[key] = i; break;
        case 1: RC_ASSERT(ours.emplace(key, i).second == theirs.emplace(key, i).second); break;
        case 2: RC_ASSERT(ours.erase(key) == theirs.erase(key)); break;
        case 3: ours.update({{key, {{"inner", i}}}, {"last", i}}), theirs.update({{key, {{"inner", i}}}, {"last", i}}); break;
        case 4: ours[key] = ours, theirs[key] = theirs; break;
        case 5: RC_ASSERT(ours.contains(key) == theirs.contains(key) && ours.count(key) == theirs.count(key)); break;
        default:
          if (!ours.empty()) ours.erase(ours.begin()), theirs.erase(theirs.begin());
      }
      if (ours.dump().size() > 10000) break;
    }
    RC_ASSERT(ours.dump() == theirs.dump());
    RC_ASSERT(Json::parse(theirs.dump()) == ours);
    const Json copy = ours;
    RC_ASSERT(copy == ours);
  }));
}

TEST(JsonObject, GrowsWithoutCopiesOfItsMembers) {
  Json object = Json::object();
  object["text"] = std::string(100, 'a');
  const char* const place = object["text"].get_ref<const std::string&>().data();
  for (int i = 0; i < 100; ++i) object["a key that is not short " + std::to_string(i)] = i;
  EXPECT_EQ(object["text"].get_ref<const std::string&>().data(), place);
}

TEST(JsonObject, BecomesAMapAndComesFromOne) {
  const std::map<std::string, int> numbers = {{"a", 1}, {"b", 2}};
  const Json object = numbers;
  EXPECT_EQ(object.dump(), R"({"a":1,"b":2})");
  EXPECT_EQ((object.get<std::map<std::string, int>>()), numbers);
  EXPECT_THROW(object.at("c"), Json::out_of_range);
}

}  // namespace
}  // namespace linn::detail::io
