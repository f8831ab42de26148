// How the recipes of `linn train --recipe` were chosen, and what they reach.
//   recipe_bench select fast|invariant [SEEDS]   trains on 55,000 of the training images, by one setting after another, and judges them on the
//                                                last 5,000: the mean accuracy over the seeds. The test images stay closed.
//   recipe_bench final fast|invariant [SEEDS]    trains the recipe as it stands on all 60,000 and opens the test images: mean, range, seconds.
// "fast" trains the network "notebook", "invariant" the network of that name.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "linn/linn.h"
#include "model/recipes.h"
#include "model/zoo.h"

namespace {

using linn::detail::model::Recipe;

struct Result {
  double accuracy, seconds;
};

Result train(const Recipe& recipe, const linn::Tensor& x, const linn::Tensor& y, const linn::Tensor& x_judge, const linn::Tensor& y_judge, std::uint64_t seed) {
  const std::string_view network = recipe.name == "fast" ? "notebook" : recipe.name;
  linn::Model model = linn::detail::model::make(network, {28, 28, 1}, 10, {.seed = seed, .dtype_policy = recipe.dtype_policy})
                          .with_first_layer(linn::Rescaling(1.0 / 255));
  const auto start = std::chrono::steady_clock::now();
  model.compile(linn::detail::model::compile_options(recipe));
  linn::FitOptions fit = linn::detail::model::fit_options(recipe, x.shape()[0]);
  fit.verbose = linn::Verbose::silent;
  model.fit(x, y, fit);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  const linn::Logs logs = model.evaluate(x_judge, y_judge, {.batch_size = 256, .verbose = linn::Verbose::silent});
  return {logs.at("accuracy"), seconds.count()};
}

void print(const Recipe& recipe, std::vector<Result> results) {
  std::sort(results.begin(), results.end(), [](const Result& a, const Result& b) { return a.accuracy < b.accuracy; });
  const auto mean = [&](double Result::* field) {
    return std::accumulate(results.begin(), results.end(), 0.0, [&](double sum, const Result& r) { return sum + r.*field; }) / static_cast<double>(results.size());
  };
  std::printf("batch %3lld  peak %.4f  warmup %.2f  beta_2 %.3f  smoothing %.2f  passes %.2f  %s : %7.3f %%  (%.2f - %.2f)  %.3f s\n",
              static_cast<long long>(recipe.batch_size), recipe.max_learning_rate, recipe.warmup, recipe.beta_2, recipe.label_smoothing, recipe.passes, std::string(recipe.dtype_policy.name()).c_str(),
              100 * mean(&Result::accuracy), 100 * results.front().accuracy, 100 * results.back().accuracy, mean(&Result::seconds));
  std::fflush(stdout);
}

// Settings beside the recipe's own, one thing at a time.
std::vector<Recipe> settings(const Recipe& base) {
  const bool fast = base.name == "fast";
  std::vector<Recipe> all = {base};
  const auto vary = [&](const auto& values, auto Recipe::* field) {
    for (const auto value : values) {
      all.push_back(base);
      all.back().*field = value;
    }
  };
  if (fast) {
    for (const std::int64_t batch : {32, 48, 64, 128})
      for (const double peak : {0.006, 0.009, 0.012, 0.016, 0.024}) {
        all.push_back(base);
        all.back().batch_size = batch, all.back().max_learning_rate = peak;
      }
  } else {
    vary(std::vector<std::int64_t>{64, 256}, &Recipe::batch_size);
    vary(std::vector<double>{0.003, 0.006, 0.02}, &Recipe::max_learning_rate);
  }
  vary(fast ? std::vector<double>{0.05, 0.1, 0.2, 0.3} : std::vector<double>{0.1, 0.3}, &Recipe::warmup);
  vary(fast ? std::vector<double>{0.95, 0.98, 0.999} : std::vector<double>{0.999}, &Recipe::beta_2);
  vary(fast ? std::vector<double>{0.0, 0.05, 0.15, 0.2} : std::vector<double>{0.0, 0.2}, &Recipe::label_smoothing);
  for (const linn::DTypePolicy& policy : {linn::DTypePolicy("float32"), linn::DTypePolicy("mixed_bfloat16")})
    for (const double passes : fast ? std::vector<double>{0.5, 0.6, 0.7, 0.8, 1.0} : std::vector<double>{3, 6}) {
      all.push_back(base);
      all.back().passes = passes, all.back().dtype_policy = policy;
    }
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  const bool select = argc > 1 && std::strcmp(argv[1], "select") == 0;
  if (argc < 3 || (!select && std::strcmp(argv[1], "final") != 0)) {
    std::fprintf(stderr, "usage: %s select|final fast|invariant [SEEDS]\n", argv[0]);
    return 2;
  }
  const Recipe base = linn::detail::model::recipe(argv[2]);
  const auto seeds = static_cast<std::uint64_t>(argc > 3 ? std::atoi(argv[3]) : select ? 5 : 30);
  const auto data = linn::load_npz("data/mnist.npz");
  const linn::Tensor x = data["x_train"], y = data["y_train"];
  const auto all_seeds = [&](const Recipe& recipe, const auto& run) {
    std::vector<Result> results;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) results.push_back(run(recipe, seed));
    print(recipe, results);
  };
  if (!select) {
    all_seeds(base, [&](const Recipe& r, std::uint64_t seed) { return train(r, x, y, data["x_test"], data["y_test"], seed); });
    return 0;
  }
  const std::int64_t kept = 55000;
  for (const Recipe& recipe : settings(base))
    all_seeds(recipe, [&](const Recipe& r, std::uint64_t seed) { return train(r, x.rows(0, kept), y.rows(0, kept), x.rows(kept, 60000), y.rows(kept, 60000), seed); });
}
