// room: plan
// Where the time of a network goes: the options and the result of Sequential::profile.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "linn/tensor.h"
#include "linn/types.h"

namespace linn {

struct ProfileOptions {
  /// Steps of training (the model must be compiled) in place of prediction.
  bool training = false;
  std::int64_t batch_size = 128;
  /// 0: as many as take about a second.
  std::int64_t steps = 0;
  /// What to compute on, as for `predict` and `fit`, over and over; without it, random numbers in [0, 1) and random targets.
  Tensor x = {};
  Tensor y = {};
  Accuracy accuracy = "fast";
};

/// What one op did in all steps.
struct OpProfile {
  std::string op = {};
  /// The layer that it comes from; of an update the variable.
  std::string layer = {};
  /// As LINN_DISABLE takes it: "conv_pool_forward.winograd".
  std::string implementation = {};
  std::string isa = {};
  std::int64_t calls = 0;
  double seconds = 0;  // summed over the threads
  /// Floating-point operations of the direct form, whatever ran; 0 where they are not counted.
  double flops = 0;
  /// Each tensor read or written once; of these, tensors and data that do not stay with one thread.
  double bytes = 0;
  double memory_bytes = 0;
};

/// An op that `predict` runs on every image (Sequential::operations).
struct Operation {
  std::string op = {};
  /// The layers that it computes, joined by " + ".
  std::string layer = {};
  std::string implementation = {};
  /// Of an image, as in OpProfile.
  double flops = 0;
  /// Where windows move by so many cells of the map that leaves the op, down or right, and what they see moves along, its bits move too: 1
  /// of a position-invariant kernel, 2 where the cells of tiles of 2x2 are summed in different orders. 0: not known.
  std::int64_t period = 0;
};

struct Profile {
  bool training = false;
  std::int64_t batch_size = 0;  // images of each step
  std::int64_t steps = 0;
  double seconds = 0;  // of all steps, by the clock
  /// Of these, the time in which nothing was computed because the next batch of the data set was not there yet.
  double seconds_waiting = 0;
  int threads = 1;
  std::string isa = {};
  std::string precision = {};
  Accuracy accuracy = "fast";
  /// The roofline, measured at the start: what one thread reaches while all do the same. Operations and bytes a second.
  double peak_flops = 0;
  double cache_bandwidth = 0;
  double memory_bandwidth = 0;
  /// In the order of a step.
  std::vector<OpProfile> ops = {};

  double images_per_second() const { return static_cast<double>(steps * batch_size) / seconds; }
  /// The threads' time that neither an op nor the wait for data took: sums over shards, waiting for each other, claiming work.
  double seconds_between_ops() const;
  /// The name of what bounds an op under the roofline ("compute", "cache" or "memory"), and the time that it would then take, which
  /// is 0 for an op of which nothing is counted.
  std::string bound(const OpProfile& op) const;
  double roofline_seconds(const OpProfile& op) const;
};

}  // namespace linn
