// A lowered network, ready to run: ops in segments over planned memory. Read-only once built; it serves every batch of at
// most `batch` images. What changes during a run lives in a Workspace.
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

namespace linn::plan {

/// Images of a shard, the unit that a worker takes through a segment. Fixed, so that the bits of a sum over shards depend on
/// the batch alone, never on the number of threads.
inline constexpr std::int64_t shard_images = 8;

struct PlanOptions {
  std::int64_t batch = 32;
  Precision precision = Precision::float32;
  kernels::Policy policy;
};

/// Ops that workers run without meeting the others.
struct Segment {
  Cut cut = Cut::images;
  bool constant = false;  // its ops see nothing but variables that the plan leaves as they are: run again only when those have changed
  std::vector<int> ops;  // cut by images: one after another on each shard; cut by outputs: independent of each other
  std::int64_t pieces = 0;              // cut by outputs: of all ops together
  std::vector<int> partials;            // values that are summed over the shards of this segment
  std::int64_t partial_elements = 0;    // of all of them, each rounded up to a cache line
};

/// Where a value lies.
struct Place {
  enum class Area : std::uint8_t { none, shared, worker, partial, bound };
  Area area = Area::none;
  std::int64_t offset = 0;       // bytes into the area
  std::int64_t image_bytes = 0;  // from one image to the next; 0 for fixed values
  int segment = -1;              // of the partial area
};

class Plan {
 public:
  /// Takes the lowering over, after passes and gradients.
  Plan(Lowering lowering, const PlanOptions& options);
  Plan(Plan&&) = default;
  Plan& operator=(Plan&&) = default;
  ~Plan() = default;

  const PlanOptions& options() const { return options_; }
  const std::vector<Segment>& segments() const { return segments_; }
  const std::vector<ValueInfo>& values() const { return values_; }
  const Op& op(int index) const { return *ops_[static_cast<std::size_t>(index)]; }
  std::int64_t ops() const { return static_cast<std::int64_t>(ops_.size()); }
  const Place& place(Value value) const { return places_[static_cast<std::size_t>(value.id)]; }
  std::size_t element_bytes(const ValueInfo& value) const;

  std::int64_t shared_bytes() const { return shared_bytes_; }
  /// Of one worker: its part of the batch, and scratch.
  std::int64_t worker_bytes() const { return worker_bytes_; }
  std::int64_t scratch_offset() const { return scratch_offset_; }
  /// Partial sums that a segment may hold at once with so many threads (see Workspace).
  std::int64_t partial_slots(int threads) const;
  /// Everything a Workspace allocates.
  std::int64_t workspace_bytes(int threads) const;

 private:
  /// From the first op that touches a value to the last.
  struct Life {
    int first_segment = std::numeric_limits<int>::max(), last_segment = -1;
    int first_op = std::numeric_limits<int>::max(), last_op = -1;  // position in the plan's run order
    bool constant = false;                                         // outlives the run
  };

  void add_packs();
  void cut_into_segments();
  void place_values();
  void place_views();
  /// A view lives as long as the value whose memory it is in, and that one as long as the last of its views.
  std::vector<Life> lives() const;
  /// The value whose memory a view is in; any other value itself.
  int root(int value) const;
  /// Whether a value lives within one segment, and so once a worker, for its shard only.
  bool is_local(int value, const Life& life) const;
  /// Lets outputs take over the memory of inputs that die there (Op::in_place). Returns the owner of each value's memory, itself if it is no
  /// other's; an owner's life then lasts as long as that of the last value in its memory. Views and what they are in stay as they are.
  std::vector<int> share_memory(std::vector<Life>& lives) const;
  bool may_share(const Op& op, const Value& input, const Value& output, const std::vector<Life>& lives, int position) const;

  PlanOptions options_;
  std::vector<ValueInfo> values_;
  std::vector<std::unique_ptr<Op>> ops_;
  std::vector<Segment> segments_;
  std::vector<Place> places_;
  std::int64_t shared_bytes_ = 0;
  std::int64_t worker_bytes_ = 0;
  std::int64_t scratch_offset_ = 0;
};

}  // namespace linn::plan
