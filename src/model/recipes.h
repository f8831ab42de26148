// Ways to train that have a name: what `linn train --recipe NAME` does.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "linn/model.h"

namespace linn::detail::model {

struct Recipe {
  std::string_view name;
  std::string_view about;       // a sentence for help texts
  std::int64_t batch_size = 0;
  double passes = 0;            // over the training images: a whole number, or a part of one, which leaves the rest unseen
  double max_learning_rate = 0;  // of the one-cycle schedule
  double warmup = 0;             // share of the steps in which the rate rises
  double beta_1 = 0, beta_2 = 0;  // of Adam
  double label_smoothing = 0;
  DTypePolicy dtype_policy = "float32";
};

std::span<const Recipe> recipes();
/// The recipe of a name. Throws ValueError for an unknown one, listing those there are, with a guess at what was meant.
const Recipe& recipe(std::string_view name);

/// What the recipe says to `compile`: Adam, one cycle, sparse categorical crossentropy, accuracy.
CompileOptions compile_options(const Recipe& recipe);
/// What the recipe says to `fit` on so many images: batch size and epochs. Throws ValueError when they are too few for one step.
FitOptions fit_options(const Recipe& recipe, std::int64_t images);

}  // namespace linn::detail::model
