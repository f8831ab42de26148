// A plan: ops in segments, over values with planned memory, for batches of at most `batch` images. Read-only once built, so that several
// threads may use it; all that changes during a run is in a Workspace.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "core/worker_pool.h"
#include "kernels/implementation.h"
#include "plan/lowering.h"
#include "plan/op.h"

namespace linn::detail::plan {

/// Images of a shard at most.
inline constexpr std::int64_t most_of_shard = 8;

struct PlanOptions {
  std::int64_t batch = 32;
  Precision precision = Precision::float32;
  kernels::Policy policy;
  std::int64_t shard = most_of_shard;  // images of a shard, the unit that a worker takes through a segment; `compile` chooses it
};

/// Ops between two barriers. Cut by images: each worker runs all of them, in order, on its shards. Cut by outputs: the ops are independent
/// of each other, and workers share their pieces.
struct Segment {
  Cut cut = Cut::images;
  bool constant = false;  // all inputs are variables that the plan does not change; runs again only after one was bound anew
  std::vector<int> ops;
  std::int64_t pieces = 0;            // cut by outputs: total number of pieces of all ops
  std::vector<int> partials;          // values that are summed over the shards of this segment
  std::int64_t partial_elements = 0;  // total elements of the partials, each rounded up to a cache line
};

/// Memory of a value.
struct Place {
  enum class Area : std::uint8_t { none, shared, worker, partial, bound };
  Area area = Area::none;
  std::int64_t offset = 0;       // bytes into the area
  std::int64_t image_bytes = 0;  // pitch of the images; 0 for fixed values
  int segment = -1;              // partial: the segment whose partial sums it belongs to
};

class Plan {
 public:
  /// Makes the plan from a lowering after all passes (compile.h).
  Plan(Lowering lowering, const PlanOptions& options);
  Plan(Plan&&) = default;
  Plan& operator=(Plan&&) = default;
  ~Plan() = default;

  const PlanOptions& options() const { return options_; }
  /// Images of a shard.
  std::int64_t shard() const { return options_.shard; }
  const std::vector<Segment>& segments() const { return segments_; }
  const std::vector<ValueInfo>& values() const { return values_; }
  const Op& op(int index) const { return *ops_[static_cast<std::size_t>(index)]; }
  std::int64_t ops() const { return static_cast<std::int64_t>(ops_.size()); }
  const Place& place(Value value) const { return places_[static_cast<std::size_t>(value.id)]; }
  std::size_t element_bytes(const ValueInfo& value) const;

  /// Whether the plan runs with denormals as 0: in training they would only cost time (docs/decisions/denormals.md).
  bool flushes_denormals() const { return flushes_denormals_; }
  /// The segment behind the guards (ops/finite.h), where the plan has some: what changes variables or slots lies there or later, but for the
  /// preparations of Lowering. Else the number of
  /// segments.
  std::size_t first_update() const { return first_update_; }

  std::int64_t shared_bytes() const { return shared_bytes_; }
  /// Bytes of one worker: the values of its shard, and scratch.
  std::int64_t worker_bytes() const { return worker_bytes_; }
  std::int64_t scratch_offset() const { return scratch_offset_; }
  /// Largest number of partial sums that a segment holds at a time with this number of threads (see PartialSums).
  std::int64_t partial_slots(int threads) const;
  /// Bytes that a Workspace allocates.
  std::int64_t workspace_bytes(int threads) const;

 private:
  /// Lifetime of a value: from the first to the last op that reads or writes it.
  struct Life {
    int first_segment = std::numeric_limits<int>::max(), last_segment = -1;
    int first_op = std::numeric_limits<int>::max(), last_op = -1;  // position in the plan's run order
    bool constant = false;                                         // outlives the run
  };

  void add_packs();
  void cut_into_segments();
  void place_values();
  void place_views();
  /// Lifetimes of all values. A view and the value in whose memory it lies have one lifetime, which covers both.
  std::vector<Life> lives() const;
  /// The value in whose memory a view lies; `value` itself if it is no view.
  int root(int value) const;
  /// Whether a value lives within one segment only. Then each worker needs memory for one shard of it, not for the batch.
  bool is_local(int value, const Life& life) const;
  /// Lets outputs use the memory of inputs that no later op reads (Op::in_place). Returns for each value the owner of its memory, which may
  /// be the value itself. The lifetime of an owner is extended to the end of the last value in its memory. Views, and values that contain
  /// views, do not take part.
  std::vector<int> share_memory(std::vector<Life>& lives) const;
  bool may_share(const Op& op, const Value& input, const Value& output, const std::vector<Life>& lives, int position) const;

  PlanOptions options_;
  std::vector<ValueInfo> values_;
  std::vector<std::unique_ptr<Op>> ops_;
  std::vector<Segment> segments_;
  std::vector<Place> places_;
  bool flushes_denormals_;
  std::size_t first_update_ = 0;
  std::int64_t shared_bytes_ = 0;
  std::int64_t worker_bytes_ = 0;
  std::int64_t scratch_offset_ = 0;
};

}  // namespace linn::detail::plan
