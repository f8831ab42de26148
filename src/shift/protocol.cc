#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "core/checked.h"
#include "core/random.h"
#include "linn/error.h"
#include "linn/shift.h"
#include "shift/shifted_input.h"
#include "shift/scores.h"

namespace linn::shift {
namespace {

// A published way to draw two views, worked out for images of a size.
struct Plan {
  Tensor images = {};  // ready for the shifted_input
  Border border = "circular";
  Shift least = {}, most = {};
  std::int64_t batch_size = 0;
  std::int64_t passes = 0;
};

Plan plan_zhang(const Tensor& images, const Shape& input, const std::vector<double>& fill) {
  const std::int64_t down = std::max<std::int64_t>(2, input[0] / 7);
  const std::int64_t right = std::max<std::int64_t>(2, input[1] / 7);
  // A crop at offset o is a window in the middle with what it shows moved by down / 2 - o.
  return {.images = centred(images, input[0] + down, input[1] + right, fill),
          .border = "crop",
          .least = {down / 2 - down + 1, right / 2 - right + 1},
          .most = {down / 2, right / 2},
          .batch_size = 8,
          .passes = 5};
}

Plan plan_aps(const Tensor& images) {
  return {.images = images, .border = "circular", .least = {-3, -3}, .most = {2, 2}, .batch_size = 256, .passes = 1};
}

// The draws of one pass: two shifts a batch.
class Draws {
 public:
  Draws(const Plan& plan, std::uint64_t seed, std::int64_t pass)
      : plan_(plan), random_(seed, core::stream_of("shift protocol", static_cast<std::uint64_t>(pass))) {}

  Shift of(std::int64_t batch, std::int64_t view) const {
    const auto first = static_cast<std::uint64_t>(4 * batch + 2 * view);
    return {between(plan_.least.dy, plan_.most.dy, first), between(plan_.least.dx, plan_.most.dx, first + 1)};
  }

 private:
  std::int64_t between(std::int64_t least, std::int64_t most, std::uint64_t index) const {
    return least + static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(most - least + 1), index));
  }

  const Plan& plan_;
  core::Random random_;
};

std::int64_t count_equal(const Tensor& a, const Tensor& b) {
  const std::int64_t classes = a.shape()[1];
  std::int64_t equal = 0;
  for (std::int64_t i = 0; i < a.shape()[0]; ++i)
    equal += class_of(a.values<float>().data() + i * classes, classes) == class_of(b.values<float>().data() + i * classes, classes) ? 1 : 0;
  return equal;
}

// How many images of each batch have the same class in both views.
std::vector<std::int64_t> run_pass(Scores& scores, const Plan& plan, std::int64_t images, const Draws& draws) {
  std::vector<std::int64_t> equal;
  for (std::int64_t first = 0; first < images; first += plan.batch_size) {
    const std::int64_t last = std::min(images, first + plan.batch_size);
    const auto batch = static_cast<std::int64_t>(equal.size());
    const Tensor one = scores.at(first, last, draws.of(batch, 0));
    equal.push_back(count_equal(one, scores.at(first, last, draws.of(batch, 1))));
  }
  return equal;
}

}  // namespace

ProtocolResult protocol(const Model& model, const Tensor& images, Protocol protocol, const ProtocolOptions& options) {
  if (options.batch_size < 0 || options.passes < 0)
    throw ValueError(fmt::format("[shift] batch_size {} and passes {} came; 0 or more is allowed, 0 means as published", options.batch_size,
                                 options.passes));
  check_classifier(model);
  const Shape input = model.input_shape();
  frames(images);
  const std::vector<double> fill = fill_for(model, images).values;
  Plan plan = protocol.kind() == Protocol::zhang ? plan_zhang(images, input, fill) : plan_aps(images);
  if (options.batch_size > 0) plan.batch_size = options.batch_size;
  if (options.passes > 0) plan.passes = options.passes;
  const ShiftedInput shifted_input(plan.images, plan.border, input, std::max({plan.most.dy, plan.most.dx, -plan.least.dy, -plan.least.dx}), fill);
  Scores scores(
      model, shifted_input,
      {.batch_size = std::min<std::int64_t>(plan.batch_size, 256), .accuracy = options.accuracy});

  ProtocolResult found{.batch_size = plan.batch_size, .least = plan.least, .most = plan.most};
  const Frames from = frames(plan.images);
  found.frame = protocol.kind() == Protocol::zhang ? Size2(from.height, from.width) : Size2(input[0], input[1]);
  const auto all = static_cast<double>(shifted_input.images());
  const auto batches = static_cast<double>(core::ceil_div(shifted_input.images(), plan.batch_size));
  std::vector<double> of_batches;  // each weighed by its size, so that their mean is that over images
  for (std::int64_t pass = 0; pass < plan.passes; ++pass) {
    const std::vector<std::int64_t> equal = run_pass(scores, plan, shifted_input.images(), Draws(plan, options.seed, pass));
    for (const std::int64_t count : equal) of_batches.push_back(static_cast<double>(count) * batches / all);
    found.passes.push_back(static_cast<double>(std::accumulate(equal.begin(), equal.end(), std::int64_t{0})) / all);
    if (options.progress && !options.progress(pass + 1, plan.passes))
      throw StateError("[shift] the protocol was ended before its last pass");
  }
  found.consistency = mean_of(of_batches, 0, 1);
  return found;
}

}  // namespace linn::shift
