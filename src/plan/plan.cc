#include "plan/plan.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "core/checked.h"
#include "plan/disabled.h"
#include "plan/memory.h"
#include "plan/ops/finite.h"

namespace linn::detail::plan {
namespace {

constexpr std::int64_t line = 64;

// Whether an op changes what outlives the step: variables, moving statistics, slots. Results of the caller's, such as totals of metrics, do not
// count.
bool changes_state(const Op& op, const std::vector<ValueInfo>& values) {
  return std::ranges::any_of(op.outputs, [&](const Value& output) {
    if (!output.defined()) return false;
    const ValueInfo& value = values[static_cast<std::size_t>(output.id)];
    return value.home == Home::bound && value.extent == Extent::fixed && value.element == Element::real;
  });
}

bool writes_in_place(const ValueInfo& value) { return value.home == Home::bound; }

// Segment numbers alternate: even ones are cut by outputs, odd ones by images.
int next_of_cut(int after, Cut cut) {
  const bool odd = after % 2 != 0;
  return cut == Cut::images ? (odd ? after : after + 1) : (odd ? after + 1 : after);
}

// For each op whether it is constant: its inputs are bound values that no op writes, or outputs of constant ops. Examples: packed kernels,
// folded normalizations. An op without any input sees the batch alone, such as how many images it holds: it is not constant.
std::vector<bool> constant_ops(const std::vector<std::unique_ptr<Op>>& ops, const std::vector<ValueInfo>& values) {
  std::vector<bool> constant(values.size());
  for (std::size_t v = 0; v < values.size(); ++v) constant[v] = values[v].home == Home::bound && values[v].extent == Extent::fixed;
  for (const auto& op : ops)
    for (const Value& output : op->outputs)
      if (output.defined()) constant[static_cast<std::size_t>(output.id)] = false;
  std::vector<bool> result(ops.size());
  for (std::size_t i = 0; i < ops.size(); ++i) {
    const Op& op = *ops[i];
    const auto is_constant = [&](const Value& value) { return !value.defined() || constant[static_cast<std::size_t>(value.id)]; };
    const auto is_bound = [&](const Value& value) { return value.defined() && values[static_cast<std::size_t>(value.id)].home == Home::bound; };
    result[i] = op.cut() == Cut::outputs && std::ranges::any_of(op.inputs, &Value::defined) && std::all_of(op.inputs.begin(), op.inputs.end(), is_constant) &&
                std::none_of(op.outputs.begin(), op.outputs.end(), is_bound);
    if (!result[i]) continue;
    for (const Value& output : op.outputs)
      if (output.defined()) constant[static_cast<std::size_t>(output.id)] = true;
  }
  return result;
}

// The earliest segment in which each op may run: after its producers (in the same segment only if both are cut by images),
// and, for an op that overwrites a bound value, after all that read or overwrote it. What changes variables or slots comes after all guards.
// Constant ops come first, in segments of their own.
std::vector<int> earliest_segments(const std::vector<std::unique_ptr<Op>>& ops, const std::vector<ValueInfo>& values,
                                   const std::vector<bool>& constant) {
  std::vector<int> segment_of(ops.size(), 0);
  std::vector<int> produced(values.size(), -1);  // segment of the producer
  std::vector<Cut> produced_cut(values.size(), Cut::images);
  std::vector<int> last_read(values.size(), -1);
  std::vector<std::size_t> order(ops.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto others = std::stable_partition(order.begin(), order.end(), [&](std::size_t i) { return constant[i]; });
  int constants_end = 0, guards_end = 0;
  for (auto at = order.begin(); at != order.end(); ++at) {
    const std::size_t i = *at;
    const Op& op = *ops[i];
    int earliest = at < others ? 0 : constants_end;
    for (const Value& input : op.inputs) {
      if (!input.defined()) continue;
      const auto id = static_cast<std::size_t>(input.id);
      if (produced[id] < 0) continue;
      const bool together = op.cut() == Cut::images && produced_cut[id] == Cut::images;
      earliest = std::max(earliest, produced[id] + (together ? 0 : 1));
    }
    for (const Value& output : op.outputs)
      if (output.defined() && writes_in_place(values[static_cast<std::size_t>(output.id)])) {
        const auto id = static_cast<std::size_t>(output.id);
        earliest = std::max({earliest, last_read[id] + 1, produced[id] + 1});
      }
    if (changes_state(op, values)) earliest = std::max(earliest, guards_end);
    segment_of[i] = next_of_cut(earliest, op.cut());
    if (is_guard(op)) guards_end = std::max(guards_end, segment_of[i] + 1);
    if (at < others) constants_end = std::max(constants_end, segment_of[i] + 1);
    for (const Value& input : op.inputs)
      if (input.defined()) {
        int& read = last_read[static_cast<std::size_t>(input.id)];
        read = std::max(read, segment_of[i]);
      }
    for (const Value& output : op.outputs)
      if (output.defined()) {
        produced[static_cast<std::size_t>(output.id)] = segment_of[i];
        produced_cut[static_cast<std::size_t>(output.id)] = op.cut();
      }
  }
  return segment_of;
}

// Packs weights of another op of the plan in the layout of that op's implementation.
class PackOp final : public Op {
 public:
  PackOp(const Op& consumer, std::size_t packing) : consumer_(consumer), packing_(packing) {}

  std::string_view name() const override { return "pack_kernel"; }
  std::string implementation() const override { return consumer_.implementation(); }
  Cut cut() const override { return Cut::outputs; }
  void differentiate(Gradients&) override {}
  void prepare(const kernels::Policy&) override {}
  void run(const Call& call) const override { consumer_.pack_one(packing_, call.in<float>(0), call.out<float>(0)); }

 private:
  const Op& consumer_;
  std::size_t packing_;
};

}  // namespace

Plan::Plan(Lowering lowering, const PlanOptions& options)
    : options_(options),
      values_(std::move(lowering.values())),
      ops_(std::move(lowering.ops())),
      flushes_denormals_(lowering.purpose() == Purpose::training) {
  check_disabled();
  if (lowering.position_invariant()) options_.policy.position_invariant = true;
  for (const auto& op : ops_) op->set_shard(options_.shard), op->prepare(options_.policy);
  if (options_.precision == Precision::float32) add_packs();  // references read the kernel unpacked
  cut_into_segments();
  place_values();
}

std::size_t Plan::element_bytes(const ValueInfo& value) const {
  switch (value.element) {
    case Element::real: return options_.precision == Precision::float64 ? 8 : 4;
    case Element::u8: return 1;
    case Element::i32: return 4;
    case Element::i64:
    case Element::f64: return 8;
  }
  return 0;
}

void Plan::add_packs() {
  std::vector<std::unique_ptr<Op>> all;
  for (auto& op : ops_) {
    const std::vector<Packing> packings = op->packings();
    for (std::size_t i = 0; i < packings.size(); ++i) {
      const auto& [source, slot, elements] = packings[i];
      const Value packed{static_cast<int>(values_.size()), Shape{elements}};
      values_.push_back({.name = "packed " + values_[static_cast<std::size_t>(source.id)].name, .shape = packed.shape, .extent = Extent::fixed});
      auto pack = std::make_unique<PackOp>(*op, i);
      pack->layer = op->layer;
      pack->inputs = {source};
      pack->outputs = {packed};
      if (slot == op->inputs.size()) op->inputs.emplace_back();
      op->inputs[slot] = packed;
      all.push_back(std::move(pack));
    }
    all.push_back(std::move(op));
  }
  ops_ = std::move(all);
}

void Plan::cut_into_segments() {
  const std::vector<bool> constant = constant_ops(ops_, values_);
  const std::vector<int> segment_of = earliest_segments(ops_, values_, constant);
  const int count = segment_of.empty() ? 0 : *std::max_element(segment_of.begin(), segment_of.end()) + 1;
  for (int number = 0; number < count; ++number) {
    Segment segment;
    segment.cut = number % 2 != 0 ? Cut::images : Cut::outputs;
    for (std::size_t i = 0; i < ops_.size(); ++i)
      if (segment_of[i] == number) segment.ops.push_back(static_cast<int>(i));
    if (segment.ops.empty()) continue;
    segment.constant = constant[static_cast<std::size_t>(segment.ops.front())];
    for (const int i : segment.ops) {
      if (segment.cut == Cut::outputs) segment.pieces += op(i).pieces();
      for (const Value& output : op(i).outputs)
        if (output.defined() && values_[static_cast<std::size_t>(output.id)].home == Home::partials) segment.partials.push_back(output.id);
    }
    segments_.push_back(std::move(segment));
  }
  first_update_ = segments_.size();
  if (!std::ranges::any_of(ops_, [](const auto& op) { return is_guard(*op); })) return;
  // What changes variables before the forward pass (Lowering::add_preparation) lies before the guards, everything else behind them.
  const auto guards = [&](const Segment& segment) { return std::ranges::any_of(segment.ops, [&](int i) { return is_guard(op(i)); }); };
  while (!guards(segments_[first_update_ - 1])) --first_update_;
}

std::vector<Plan::Life> Plan::lives() const {
  std::vector<Life> lives(values_.size());
  int position = 0;
  for (std::size_t s = 0; s < segments_.size(); ++s) {
    for (const int i : segments_[s].ops) {
      const auto touch = [&](Value value) {
        if (!value.defined()) return;
        Life& life = lives[static_cast<std::size_t>(value.id)];
        life.first_segment = std::min(life.first_segment, static_cast<int>(s));
        life.last_segment = std::max(life.last_segment, static_cast<int>(s));
        life.first_op = std::min(life.first_op, position);
        life.last_op = std::max(life.last_op, position);
      };
      for (const Value& input : op(i).inputs) touch(input);
      for (const Value& output : op(i).outputs) {
        touch(output);
        if (output.defined() && segments_[s].constant) lives[static_cast<std::size_t>(output.id)].constant = true;
      }
      ++position;
    }
  }
  for (std::size_t v = 0; v < values_.size(); ++v)
    if (values_[v].whole >= 0) {
      Life& life = lives[static_cast<std::size_t>(root(static_cast<int>(v)))];
      life.first_segment = std::min(life.first_segment, lives[v].first_segment), life.last_segment = std::max(life.last_segment, lives[v].last_segment);
      life.first_op = std::min(life.first_op, lives[v].first_op), life.last_op = std::max(life.last_op, lives[v].last_op);
    }
  return lives;
}

int Plan::root(int value) const {
  while (values_[static_cast<std::size_t>(value)].whole >= 0) value = values_[static_cast<std::size_t>(value)].whole;
  return value;
}

bool Plan::is_local(int value, const Life& life) const {
  const ValueInfo& info = values_[static_cast<std::size_t>(value)];
  return life.first_segment == life.last_segment && !info.kept && info.extent == Extent::batch &&
         segments_[static_cast<std::size_t>(life.first_segment)].cut == Cut::images;
}

std::vector<int> Plan::share_memory(std::vector<Life>& lives) const {
  std::vector<int> owners(values_.size());
  std::iota(owners.begin(), owners.end(), 0);
  std::vector<bool> has_views(values_.size());
  for (std::size_t v = 0; v < values_.size(); ++v) {
    const int whole = root(static_cast<int>(v));
    if (whole != static_cast<int>(v)) has_views[v] = has_views[static_cast<std::size_t>(whole)] = true;
  }
  int position = -1;
  for (const Segment& segment : segments_)
    for (const int i : segment.ops) {
      ++position;
      if (segment.cut != Cut::images) continue;
      for (const std::size_t slot : op(i).in_place()) {
        const Value input = op(i).inputs[slot], output = op(i).outputs[0];
        if (has_views[static_cast<std::size_t>(input.id)] || has_views[static_cast<std::size_t>(output.id)]) continue;
        if (!may_share(op(i), input, output, lives, position)) continue;
        const int owner = owners[static_cast<std::size_t>(input.id)];
        owners[static_cast<std::size_t>(output.id)] = owner;
        Life& life = lives[static_cast<std::size_t>(owner)];
        const Life& after = lives[static_cast<std::size_t>(output.id)];
        life.last_op = after.last_op;
        life.last_segment = after.last_segment;
        break;
      }
    }
  return owners;
}

bool Plan::may_share(const Op& op, const Value& input, const Value& output, const std::vector<Life>& lives, int position) const {
  const ValueInfo &from = values_[static_cast<std::size_t>(input.id)], &to = values_[static_cast<std::size_t>(output.id)];
  const Life &before = lives[static_cast<std::size_t>(input.id)], &after = lives[static_cast<std::size_t>(output.id)];
  if (from.home != Home::arena || to.home != Home::arena || from.kept || before.last_op != position) return false;
  if (from.extent != Extent::batch || to.extent != Extent::batch || from.element != to.element) return false;
  if (from.shape.elements() != to.shape.elements() || is_local(input.id, before) != is_local(output.id, after) || to.kept) return false;
  return std::count_if(op.inputs.begin(), op.inputs.end(), [&](const Value& value) { return value.id == input.id; }) == 1;
}

void Plan::place_values() {
  places_.assign(values_.size(), {});
  std::vector<Life> lives = this->lives();
  const std::vector<int> owners = share_memory(lives);
  const int last_segment = static_cast<int>(segments_.size());
  std::vector<Interval> shared, worker;
  for (std::size_t v = 0; v < values_.size(); ++v) {
    const ValueInfo& value = values_[v];
    const Life& life = lives[v];
    Place& place = places_[v];
    const std::int64_t bytes = value.shape.elements() * static_cast<std::int64_t>(element_bytes(value));
    place.image_bytes = value.extent == Extent::batch ? bytes : 0;
    if (value.home == Home::bound) {
      place.area = Place::Area::bound;
      continue;
    }
    if (life.last_op < 0 || value.home == Home::partials) continue;
    const bool local = is_local(static_cast<int>(v), life);
    place.area = local ? Place::Area::worker : Place::Area::shared;
    if (owners[v] != static_cast<int>(v) || value.whole >= 0) continue;
    const std::int64_t images = value.extent == Extent::fixed ? 1 : local ? shard() : options_.batch;
    const std::int64_t size = core::round_up(std::max<std::int64_t>(bytes * images, 1), line);
    if (local)
      worker.push_back({.first = life.first_op, .last = life.last_op, .bytes = size, .owner = static_cast<int>(v)});
    else
      shared.push_back({.first = life.constant ? 0 : life.first_segment,
                        .last = value.kept || life.constant ? last_segment : life.last_segment,
                        .bytes = size,
                        .owner = static_cast<int>(v)});
  }
  shared_bytes_ = place_intervals(shared);
  scratch_offset_ = place_intervals(worker);
  for (const Interval& interval : shared) places_[static_cast<std::size_t>(interval.owner)].offset = interval.offset;
  for (const Interval& interval : worker) places_[static_cast<std::size_t>(interval.owner)].offset = interval.offset;
  for (std::size_t v = 0; v < values_.size(); ++v)
    if (owners[v] != static_cast<int>(v)) places_[v].offset = places_[static_cast<std::size_t>(owners[v])].offset;
  place_views();

  for (std::size_t s = 0; s < segments_.size(); ++s) {
    Segment& segment = segments_[s];
    const auto real = static_cast<std::int64_t>(options_.precision == Precision::float64 ? sizeof(double) : sizeof(float));
    for (const int id : segment.partials) {
      Place& place = places_[static_cast<std::size_t>(id)];
      place = {.area = Place::Area::partial, .offset = segment.partial_elements * real, .image_bytes = 0, .segment = static_cast<int>(s)};
      segment.partial_elements += core::round_up(values_[static_cast<std::size_t>(id)].shape.elements(), line / real);
    }
  }

  std::int64_t scratch = 0;
  for (const Segment& segment : segments_)
    for (const int i : segment.ops) scratch = std::max(scratch, op(i).scratch(segment.cut == Cut::images ? shard() : options_.batch));
  worker_bytes_ = core::round_up(scratch_offset_ + scratch * static_cast<std::int64_t>(sizeof(double)), line);
}

void Plan::place_views() {
  for (std::size_t v = 0; v < values_.size(); ++v) {
    if (values_[v].whole < 0) continue;
    std::int64_t elements = 0;
    int at = static_cast<int>(v);
    for (; values_[static_cast<std::size_t>(at)].whole >= 0; at = values_[static_cast<std::size_t>(at)].whole) elements += values_[static_cast<std::size_t>(at)].offset;
    places_[v] = places_[static_cast<std::size_t>(at)];
    places_[v].offset += elements * static_cast<std::int64_t>(element_bytes(values_[v]));
  }
}

std::int64_t Plan::partial_slots(int threads) const {
  // Shards are claimed in order, so a partial sum waits only beside the path to the root from a running shard or from the next shard: at
  // most one for each level and path.
  const std::int64_t shards = core::ceil_div(options_.batch, shard());
  std::int64_t levels = 1;
  for (std::int64_t nodes = shards; nodes > 1; nodes = (nodes + 1) / 2) ++levels;
  return std::min(shards, (threads + 1) * levels);
}

std::int64_t Plan::workspace_bytes(int threads) const {
  std::int64_t bytes = shared_bytes_ + threads * worker_bytes_;
  const auto real = static_cast<std::int64_t>(options_.precision == Precision::float64 ? sizeof(double) : sizeof(float));
  for (const Segment& segment : segments_) bytes += segment.partial_elements * real * partial_slots(threads);
  return bytes;
}

}  // namespace linn::detail::plan
