#include "model/recipes.h"

#include <gmock/gmock.h>

#include "linn/linn.h"
#include "model/zoo.h"
#include "support/pixels.h"
#include "support/source_tree.h"

namespace linn::detail::model {
namespace {

using testing::HasSubstr;

TEST(Recipes, SayWhatIsTrained) {
  const Recipe& fast = recipe("fast");
  const FitOptions fit = fit_options(fast, 60000);
  EXPECT_EQ(fit.batch_size, 48);
  EXPECT_EQ(fit.epochs, 1);
  EXPECT_EQ(fit.steps_per_epoch, 875);  // 42,000 images
  // 468.75 batches: an epoch of 468 steps would leave the next one but the rest of the data.
  const Recipe& invariant = recipe("invariant");
  EXPECT_EQ(fit_options(invariant, 60000).epochs, 6);
  EXPECT_EQ(fit_options(invariant, 60000).steps_per_epoch, 0);
  EXPECT_EQ(fit_options(invariant, 100).epochs, 6) << "one small batch an epoch";
  Recipe broken = fast;
  broken.passes = 1.5;
  EXPECT_THROW(fit_options(broken, 60000), ValueError);
}

TEST(Recipes, RefuseWhatTheyCannotDo) {
  try {
    recipe("fsat");
    FAIL();
  } catch (const ValueError& error) {
    EXPECT_THAT(error.what(), HasSubstr("did you mean \"fast\"?"));
  }
  try {
    fit_options(recipe("fast"), 68);
    FAIL();
  } catch (const ValueError& error) {
    EXPECT_THAT(error.what(), HasSubstr("68 images are too few"));
  }
  EXPECT_EQ(fit_options(recipe("fast"), 69).steps_per_epoch, 1);
}

// Thirty seeds lie between 98.99 and 99.23 % (docs/decisions/fast-recipe.md).
TEST(Recipes, FullFastLearnsMnist) {
  const auto data = load_npz(tests::data_file("mnist.npz"));
  Sequential model = make("notebook", {28, 28, 1}, 10, {.seed = 1});
  model.compile(compile_options(recipe("fast")));
  FitOptions fit = fit_options(recipe("fast"), 60000);
  fit.verbose = Verbose::silent;
  model.fit(tests::from_0_to_1(data["x_train"]), data["y_train"], fit);
  EXPECT_GT(model.evaluate(tests::from_0_to_1(data["x_test"]), data["y_test"], {.verbose = Verbose::silent}).at("accuracy"), 0.988);
}

}  // namespace
}  // namespace linn::detail::model
