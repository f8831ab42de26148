// How the recipe of `linn train --recipe fast` was chosen, and what it reaches.
//   recipe_bench select [SEEDS]   trains on 55,000 of the training images, by one setting after another, and judges them on the last
//                                 5,000: the mean accuracy over the seeds. The test images stay closed.
//   recipe_bench final [SEEDS]    trains the recipe as it stands on all 60,000 and opens the test images: mean, range, seconds.
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

using linn::model::Recipe;

struct Result {
  double accuracy, seconds;
};

Result train(const Recipe& recipe, const linn::Tensor& x, const linn::Tensor& y, const linn::Tensor& x_judge, const linn::Tensor& y_judge, std::uint64_t seed) {
  linn::Sequential model = linn::model::make("notebook", {28, 28, 1}, 10, {.seed = seed, .dtype_policy = recipe.dtype_policy});
  const auto start = std::chrono::steady_clock::now();
  model.compile(linn::model::compile_options(recipe));
  linn::FitOptions fit = linn::model::fit_options(recipe, x.shape()[0]);
  fit.verbose = linn::Verbose::silent;
  fit.input_scale = 1.0 / 255;
  model.fit(x, y, fit);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  const linn::Logs logs = model.evaluate(x_judge, y_judge, {.batch_size = 256, .verbose = linn::Verbose::silent, .input_scale = 1.0 / 255});
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

}  // namespace

int main(int argc, char** argv) {
  const bool select = argc > 1 && std::strcmp(argv[1], "select") == 0;
  if (argc < 2 || (!select && std::strcmp(argv[1], "final") != 0)) {
    std::fprintf(stderr, "usage: %s select|final [SEEDS]\n", argv[0]);
    return 2;
  }
  const auto seeds = static_cast<std::uint64_t>(argc > 2 ? std::atoi(argv[2]) : select ? 5 : 30);
  const auto data = linn::load_npz("data/mnist.npz");
  const linn::Tensor x = data["x_train"], y = data["y_train"];
  const auto all_seeds = [&](const Recipe& recipe, const auto& run) {
    std::vector<Result> results;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) results.push_back(run(recipe, seed));
    print(recipe, results);
  };
  if (!select) {
    all_seeds(linn::model::recipe("fast"), [&](const Recipe& r, std::uint64_t seed) { return train(r, x, y, data["x_test"], data["y_test"], seed); });
    return 0;
  }
  const std::int64_t kept = 55000;
  const auto on_held_out = [&](const Recipe& r, std::uint64_t seed) { return train(r, x.rows(0, kept), y.rows(0, kept), x.rows(kept, 60000), y.rows(kept, 60000), seed); };
  // One thing at a time, from the recipe as it stands.
  const Recipe base = linn::model::recipe("fast");
  all_seeds(base, on_held_out);
  for (const std::int64_t batch : {32, 48, 64, 128})
    for (const double peak : {0.006, 0.009, 0.012, 0.016, 0.024}) {
      Recipe recipe = base;
      recipe.batch_size = batch, recipe.max_learning_rate = peak;
      all_seeds(recipe, on_held_out);
    }
  for (const double warmup : {0.05, 0.1, 0.2, 0.3}) {
    Recipe recipe = base;
    recipe.warmup = warmup;
    all_seeds(recipe, on_held_out);
  }
  for (const double beta_2 : {0.95, 0.98, 0.999}) {
    Recipe recipe = base;
    recipe.beta_2 = beta_2;
    all_seeds(recipe, on_held_out);
  }
  for (const double smoothing : {0.0, 0.05, 0.15, 0.2}) {
    Recipe recipe = base;
    recipe.label_smoothing = smoothing;
    all_seeds(recipe, on_held_out);
  }
  for (const linn::DTypePolicy& policy : {linn::DTypePolicy("float32"), linn::DTypePolicy("mixed_bfloat16")})
    for (const double passes : {0.5, 0.6, 0.7, 0.8, 1.0}) {
      Recipe recipe = base;
      recipe.passes = passes, recipe.dtype_policy = policy;
      all_seeds(recipe, on_held_out);
    }
}
