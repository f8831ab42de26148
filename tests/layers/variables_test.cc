// Values put into variables: all or none, and one message that says which do not fit.
#include "layers/variables.h"

#include <gmock/gmock.h>

#include "linn/error.h"
#include "support/message_of.h"

namespace linn::detail {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using tests::message_of;

struct Two {
  std::vector<NamedVariable> variables;
  Two() {
    for (const auto& [name, shape] : {std::pair<const char*, Shape>{"dense/kernel", {2, 3}}, {"dense/bias", {3}}}) {
      variables.push_back({name, std::make_shared<Variable>(Variable{.name = name, .shape = shape})});
      variables.back().variable->set(Tensor(shape));
    }
  }
  float first() const { return variables[0].value().values<float>()[0]; }
  std::uint64_t version() const { return variables[0].variable->version; }
};

Tensor ones(const Shape& shape) { return Tensor::from(std::vector<float>(static_cast<std::size_t>(shape.elements()), 1.0f), shape); }

TEST(SetValues, InOrderAndByName) {
  Two two;
  const std::uint64_t before = two.version();
  set_values(two.variables, std::vector<Tensor>{ones({2, 3}), ones({3}).astype(DType::f64)}, "the layer", "here");
  EXPECT_EQ(two.first(), 1);
  EXPECT_GT(two.version(), before) << "packed copies are made again";
  EXPECT_EQ(two.variables[1].value().dtype(), DType::f32);
  Two other;
  set_values(other.variables, std::vector<std::pair<std::string, Tensor>>{{"dense/bias", ones({3})}, {"dense/kernel", ones({2, 3})}}, "the layer", "here");
  EXPECT_EQ(other.first(), 1);
}

TEST(SetValues, AllOrNoneAndEveryMistake) {
  Two two;
  EXPECT_THAT(message_of<ShapeError>([&] { set_values(two.variables, std::vector<Tensor>{ones({3, 2}), ones({4})}, "the layer", "[dense] set_weights"); }),
              AllOf(HasSubstr("[dense] set_weights: the weights do not fit the layer, which was left as it was: "),
                    HasSubstr("\"dense/kernel\" has shape (3, 2); (2, 3) is wanted"), HasSubstr("\"dense/bias\" has shape (4,); (3,) is wanted")));
  EXPECT_THAT(message_of<ShapeError>([&] { set_values(two.variables, std::vector<Tensor>{ones({2, 3}), ones({4})}, "the layer", "here"); }),
              HasSubstr("\"dense/bias\""));
  EXPECT_EQ(two.first(), 0) << "a value was set although another does not fit";
  EXPECT_THAT(message_of<ValueError>([&] { set_values(two.variables, std::vector<Tensor>{ones({2, 3})}, "the layer", "here"); }),
              HasSubstr("here: 1 tensors came; the layer has 2 variables"));
  const std::vector<std::pair<std::string, Tensor>> named = {{"dense/kernel", ones({2, 2})}, {"dense/beta", ones({3})}};
  EXPECT_THAT(message_of<ValueError>([&] { set_values(two.variables, named, "model \"net\"", "file"); }),
              AllOf(HasSubstr("\"dense/kernel\" has shape (2, 2)"), HasSubstr("\"dense/bias\" (3,) is missing"), HasSubstr("\"dense/beta\" (3,) is no variable of it")));
}

}  // namespace
}  // namespace linn::detail
