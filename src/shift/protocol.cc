// The two published protocols for consistency: two random shifts for each batch.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "core/checked.h"
#include "core/random.h"
#include "linn/error.h"
#include "linn/shift.h"
#include "shift/class_values.h"
#include "shift/scores.h"
#include "shift/shifted_input.h"

namespace linn::shift {
namespace {

// A protocol's parameters for images of a given size.
struct Parameters {
  Tensor images = {};  // in frames that ShiftedInput accepts with `border`
  Border border = "circular";
  Shift least = {}, most = {};  // range of the shifts, both ends included
  std::int64_t batch_size = 0;
  std::int64_t passes = 0;
};

Parameters zhang_parameters(const Tensor& images, const Shape& input, const std::vector<double>& fill) {
  const std::int64_t down = std::max<std::int64_t>(2, input[0] / 7);
  const std::int64_t right = std::max<std::int64_t>(2, input[1] / 7);
  // A crop at offset o shows the image of the central crop shifted by down / 2 - o.
  return {.images = centred(images, input[0] + down, input[1] + right, fill),
          .border = "crop",
          .least = {down / 2 - down + 1, right / 2 - right + 1},
          .most = {down / 2, right / 2},
          .batch_size = 8,
          .passes = 5};
}

Parameters aps_parameters(const Tensor& images) {
  return {.images = images, .border = "circular", .least = {-3, -3}, .most = {2, 2}, .batch_size = 256, .passes = 1};
}

// The random shifts of one pass: two for each batch.
class RandomShifts {
 public:
  RandomShifts(const Parameters& parameters, std::uint64_t seed, std::int64_t pass)
      : parameters_(parameters), random_(seed, detail::core::stream_of("shift protocol", static_cast<std::uint64_t>(pass))) {}

  Shift of(std::int64_t batch, std::int64_t view) const {
    const auto first = static_cast<std::uint64_t>(4 * batch + 2 * view);
    return {between(parameters_.least.dy, parameters_.most.dy, first), between(parameters_.least.dx, parameters_.most.dx, first + 1)};
  }

 private:
  std::int64_t between(std::int64_t least, std::int64_t most, std::uint64_t index) const {
    return least + static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(most - least + 1), index));
  }

  const Parameters& parameters_;
  detail::core::Random random_;
};

// Of class values (n, classes).
std::int64_t count_equal(const Tensor& a, const Tensor& b) {
  const std::int64_t classes = a.shape()[1];
  std::int64_t equal = 0;
  for (std::int64_t i = 0; i < a.shape()[0]; ++i)
    equal += class_of(a.values<float>().data() + i * classes, classes) == class_of(b.values<float>().data() + i * classes, classes) ? 1 : 0;
  return equal;
}

// For each batch the number of images with the same class at both shifts.
std::vector<std::int64_t> run_pass(Scores& scores, const ClassValues& values, const Parameters& parameters, std::int64_t images, const RandomShifts& random) {
  std::vector<std::int64_t> equal;
  for (std::int64_t first = 0; first < images; first += parameters.batch_size) {
    const std::int64_t last = std::min(images, first + parameters.batch_size);
    const auto batch = static_cast<std::int64_t>(equal.size());
    const Tensor one = values.of(scores.at(first, last, random.of(batch, 0)));
    equal.push_back(count_equal(one, values.of(scores.at(first, last, random.of(batch, 1)))));
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
  Parameters parameters = protocol.kind() == Protocol::zhang ? zhang_parameters(images, input, fill) : aps_parameters(images);
  if (options.batch_size > 0) parameters.batch_size = options.batch_size;
  if (options.passes > 0) parameters.passes = options.passes;
  const ShiftedInput shifted_input(parameters.images, parameters.border, input,
                                   std::max({parameters.most.dy, parameters.most.dx, -parameters.least.dy, -parameters.least.dx}), fill);
  Scores scores(model, shifted_input, {.batch_size = std::min<std::int64_t>(parameters.batch_size, 256), .accuracy = options.accuracy});

  ProtocolResult found{.batch_size = parameters.batch_size, .least = parameters.least, .most = parameters.most};
  const Frames from = frames(parameters.images);
  found.frame = protocol.kind() == Protocol::zhang ? Size2(from.height, from.width) : Size2(input[0], input[1]);
  const auto all = static_cast<double>(shifted_input.images());
  const auto batches = static_cast<double>(detail::core::ceil_div(shifted_input.images(), parameters.batch_size));
  std::vector<double> batch_shares;  // weighted by batch size, so that their mean is the share over all images
  const ClassValues values(model);
  for (std::int64_t pass = 0; pass < parameters.passes; ++pass) {
    const std::vector<std::int64_t> equal =
        run_pass(scores, values, parameters, shifted_input.images(), RandomShifts(parameters, options.seed, pass));
    for (const std::int64_t count : equal) batch_shares.push_back(static_cast<double>(count) * batches / all);
    found.passes.push_back(static_cast<double>(std::accumulate(equal.begin(), equal.end(), std::int64_t{0})) / all);
    if (options.progress && !options.progress(pass + 1, parameters.passes))
      throw StateError("[shift] the protocol was ended before its last pass");
  }
  found.consistency = mean_of(batch_shares, 0, 1);
  return found;
}

}  // namespace linn::shift
