// Memory and state of running plans: one Workspace for each concurrent call.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "kernels/eltwise/eltwise.h"
#include "plan/device.h"
#include "plan/plan.h"
#include "plan/profile.h"

namespace linn::detail::plan {

/// Adds the partial sums of shards along the sum tree (core/tree.h), while shards finish in any order: the worker that finishes the second
/// of two siblings adds the right one to the left one. Lock-free except for the list of free slots.
class PartialSums {
 public:
  PartialSums(std::int64_t elements, std::int64_t slots, std::int64_t most_shards, Precision precision, std::byte* memory);

  void start(std::int64_t shards);
  /// A slot for a shard's partial sums.
  int take();
  std::byte* slot(int index) { return memory_ + static_cast<std::int64_t>(index) * slot_bytes_; }
  /// Called when the sums of a shard are complete in `slot`.
  void finish(std::int64_t shard, int slot);
  /// The sums over all shards, once all have finished.
  std::byte* total() { return slot(total_); }

 private:
  void add(int into, int from);
  void free(int slot);

  std::int64_t elements_;
  std::int64_t slot_bytes_;
  Precision precision_;
  std::byte* memory_;
  std::int64_t shards_ = 0;
  int total_ = 0;
  std::vector<std::int64_t> level_start_;
  std::vector<std::atomic<int>> waiting_;  // for each parent node: the slot of the child that finished first, or -1
  std::mutex free_lock_;
  std::vector<int> free_;
  int slots_;
  kernels::Implementation<kernels::Add> add_ = kernels::choose<kernels::Add>({});
};

class Workspace {
 public:
  /// Allocates for the device's present number of workers. Plan and device must outlive the workspace.
  explicit Workspace(const Plan& plan, const Device& device = cpu());
  ~Workspace();
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  const Plan& plan() const { return plan_; }
  /// Whether the workspace was made for the device's present number of workers.
  bool fits_device() const;

  /// Sets the memory of a bound value for all following runs. Packed copies of a variable that the plan only reads are kept between runs:
  /// after a change of its numbers, bind it again, even at the same address.
  void bind(Value value, void* memory);
  /// Runs the plan on `images` images, at most its batch. Allocates nothing. `may_update` is asked between the guards and the first update of a
  /// variable or a slot (Plan::first_update); where it says no, the run ends, and false is returned.
  bool run(std::int64_t images, const StepInfo& step, std::span<const Rows> sources, const std::function<bool()>& may_update = {});
  /// Starts the measurement of each op and clears earlier times. With LINN_VERBOSE it runs from the beginning. The result lives as long as
  /// the workspace.
  OpTimes& measure();
  /// The memory of a value that is kept, bound or partials, after a run.
  void* at(Value value);

 private:
  void run_images(std::size_t segment);
  void run_outputs(std::size_t segment);
  void run_shard(std::size_t segment, std::int64_t shard, int worker);
  /// Whether workers should share each op of a segment, since there are fewer shards than workers and enough work.
  bool shares_ops(std::size_t segment) const;
  void run_op_by_op(std::size_t segment);
  void run_shared(int op, std::size_t segment);
  void run_op(int op, Call& call, int worker, std::size_t segment, int partial_slot);
  std::byte* resolve(Value value, const Call& call, std::size_t segment, int partial_slot);
  std::int64_t shards() const { return core::ceil_div(images_, shard_); }
  Call call_for(std::int64_t first, std::int64_t images, int worker, std::int64_t area);

  const Plan& plan_;
  const Device& device_;
  int threads_;
  std::int64_t shard_;  // images
  Device::Memory memory_;
  std::byte* shared_ = nullptr;
  std::vector<std::byte*> workers_;
  std::vector<std::unique_ptr<PartialSums>> partials_;  // by segment; null without partials
  std::size_t most_values_ = 0;                         // largest number of inputs and outputs of one op
  std::vector<void*> pointers_;                         // most_values_ for each worker: the values of its present op
  std::vector<void*> bound_;
  std::vector<double> work_of_image_;  // floating-point operations of each op for one image
  bool constants_made_ = false;     // constant segments have run since the last bind of a fixed value
  std::unique_ptr<OpTimes> times_;  // null unless ops are measured

  std::int64_t images_ = 0;
  const StepInfo* step_ = nullptr;
  const Rows* sources_ = nullptr;
  std::chrono::steady_clock::time_point last_run_;  // when it ended
};

}  // namespace linn::detail::plan
