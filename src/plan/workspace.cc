#include "plan/workspace.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <numeric>

#include "core/float_environment.h"
#include "kernels/eltwise/eltwise.h"

namespace linn::detail::plan {

// ---- partial sums ------------------------------------------------------------------------------------------------

PartialSums::PartialSums(std::int64_t elements, std::int64_t slots, std::int64_t most_shards, Precision precision, std::byte* memory)
    : elements_(elements), precision_(precision), memory_(memory), slots_(static_cast<int>(slots)) {
  slot_bytes_ = elements * static_cast<std::int64_t>(precision == Precision::float64 ? sizeof(double) : sizeof(float));
  std::int64_t nodes = 0;
  for (std::int64_t level = most_shards; level > 1; level = (level + 1) / 2) nodes += (level + 1) / 2;
  waiting_ = std::vector<std::atomic<int>>(static_cast<std::size_t>(nodes));
  free_.reserve(static_cast<std::size_t>(slots));
  level_start_.reserve(64);
}

void PartialSums::start(std::int64_t shards) {
  shards_ = shards;
  free_.clear();
  for (int slot = slots_ - 1; slot >= 0; --slot) free_.push_back(slot);
  level_start_.clear();
  std::int64_t start = 0;
  for (std::int64_t level = shards; level > 1; level = (level + 1) / 2) {
    level_start_.push_back(start);
    start += (level + 1) / 2;
  }
  for (std::int64_t node = 0; node < start; ++node) waiting_[static_cast<std::size_t>(node)].store(-1);
}

int PartialSums::take() {
  const std::lock_guard lock(free_lock_);
  const int slot = free_.back();
  free_.pop_back();
  return slot;
}

void PartialSums::free(int slot) {
  const std::lock_guard lock(free_lock_);
  free_.push_back(slot);
}

void PartialSums::add(int into, int from) {
  if (precision_ == Precision::float64) {
    auto* a = reinterpret_cast<double*>(slot(into));
    kernels::Add::reference<double>({}, {.count = elements_, .a = a, .b = reinterpret_cast<double*>(slot(from)), .dst = a, .scratch = nullptr});
  } else {
    auto* a = reinterpret_cast<float*>(slot(into));
    add_.run({}, {.count = elements_, .a = a, .b = reinterpret_cast<float*>(slot(from)), .dst = a, .scratch = nullptr});
  }
}

void PartialSums::finish(std::int64_t shard, int slot) {
  std::int64_t node = shard;
  std::int64_t nodes = shards_;
  for (std::size_t level = 0; nodes > 1; ++level, node /= 2, nodes = (nodes + 1) / 2) {
    if ((node ^ 1) >= nodes) continue;  // no sibling: the parent is this node
    const int other = waiting_[static_cast<std::size_t>(level_start_[level] + node / 2)].exchange(slot);
    if (other < 0) return;  // the sibling has not finished; its worker adds both
    const bool left = node % 2 == 0;
    const int into = left ? slot : other;
    const int from = left ? other : slot;
    add(into, from);
    free(from);
    slot = into;
  }
  total_ = slot;
}

// ---- runs --------------------------------------------------------------------------------------------------------

Workspace::Workspace(const Plan& plan, const Device& device)
    : plan_(plan),
      device_(device),
      threads_(device.workers()),
      shard_(plan.shard()),
      memory_(device.allocate(plan.workspace_bytes(threads_))),
      bound_(plan.values().size(), nullptr) {
  std::byte* next = memory_.get();
  const auto carve = [&](std::int64_t bytes) { return std::exchange(next, next + bytes); };
  shared_ = carve(plan.shared_bytes());
  for (int worker = 0; worker < threads_; ++worker) workers_.push_back(carve(plan.worker_bytes()));
  const Precision precision = plan.options().precision;
  const std::int64_t real = precision == Precision::float64 ? 8 : 4;
  for (const Segment& segment : plan.segments()) {
    const std::int64_t slots = plan.partial_slots(threads_);
    if (segment.partials.empty()) {
      partials_.push_back(nullptr);
      continue;
    }
    partials_.push_back(std::make_unique<PartialSums>(segment.partial_elements, slots, core::ceil_div(plan.options().batch, shard_), precision,
                                                      carve(segment.partial_elements * slots * real)));
  }
  for (std::int64_t i = 0; i < plan.ops(); ++i) {
    const Op& op = plan.op(static_cast<int>(i));
    most_values_ = std::max(most_values_, op.inputs.size() + op.outputs.size());
    // Ops of little arithmetic count as 8 operations for each element that they write.
    const std::int64_t elements = op.outputs.empty() ? 0 : op.outputs[0].shape.elements();
    work_of_image_.push_back(std::max(op.flops(1), 8.0 * static_cast<double>(elements)));
  }
  pointers_.resize(static_cast<std::size_t>(threads_) * most_values_);
  if (verbose()) measure();
}

Workspace::~Workspace() {
  if (verbose() && times_ != nullptr) times_->print(stderr);
}

OpTimes& Workspace::measure() {
  if (times_ == nullptr) times_ = std::make_unique<OpTimes>(plan_, threads_);
  times_->clear();
  return *times_;
}

void Workspace::bind(Value value, void* memory) {
  bound_[static_cast<std::size_t>(value.id)] = memory;
  if (plan_.values()[static_cast<std::size_t>(value.id)].extent == Extent::fixed) constants_made_ = false;
}

bool Workspace::fits_device() const { return device_.workers() == threads_; }

std::byte* Workspace::resolve(Value value, const Call& call, std::size_t segment, int partial_slot) {
  if (!value.defined()) return nullptr;
  const Place& place = plan_.place(value);
  switch (place.area) {
    case Place::Area::none: return nullptr;
    case Place::Area::shared: return shared_ + place.offset + call.first * place.image_bytes;
    case Place::Area::worker:
      return workers_[static_cast<std::size_t>(call.area)] + place.offset + call.first_in_area * place.image_bytes;
    case Place::Area::bound: {
      auto* base = static_cast<std::byte*>(bound_[static_cast<std::size_t>(value.id)]);
      return base == nullptr ? nullptr : base + call.first * place.image_bytes;
    }
    case Place::Area::partial: {
      PartialSums& sums = *partials_[static_cast<std::size_t>(place.segment)];
      const bool own = partial_slot >= 0 && static_cast<std::size_t>(place.segment) == segment;
      return (own ? sums.slot(partial_slot) : sums.total()) + place.offset;
    }
  }
  return nullptr;
}

void Workspace::run_op(int index, Call& call, int worker, std::size_t segment, int partial_slot) {
  const Op& op = plan_.op(index);
  if (op.is_view() || (op.every > 1 && (step_->step + 1) % op.every != 0)) return;
  void** inputs = pointers_.data() + static_cast<std::size_t>(worker) * most_values_;
  void** outputs = inputs + op.inputs.size();
  for (std::size_t i = 0; i < op.inputs.size(); ++i) inputs[i] = resolve(op.inputs[i], call, segment, partial_slot);
  for (std::size_t i = 0; i < op.outputs.size(); ++i) outputs[i] = resolve(op.outputs[i], call, segment, partial_slot);
  call.inputs = inputs;
  call.outputs = outputs;
  if (times_ == nullptr) {
    op.run(call);
  } else {
    const OpTimes::Measure measure(*times_, index, worker, call.part == 0 ? call.images : 0);
    op.run(call);
  }
}

Call Workspace::call_for(std::int64_t first, std::int64_t images, int worker, std::int64_t area) {
  return {.precision = plan_.options().precision,
          .step = step_,
          .sources = sources_,
          .batch = images_,
          .first = first,
          .images = images,
          .area = area,
          .first_in_area = first % shard_,
          .scratch = workers_[static_cast<std::size_t>(worker)] + plan_.scratch_offset()};
}

void Workspace::run_shard(std::size_t segment, std::int64_t shard, int worker) {
  const std::int64_t first = shard * shard_;
  Call call = call_for(first, std::min(shard_, images_ - first), worker, worker);
  PartialSums* sums = partials_[segment].get();
  const int slot = sums == nullptr ? -1 : sums->take();
  for (const int op : plan_.segments()[segment].ops) run_op(op, call, worker, segment, slot);
  if (sums != nullptr) sums->finish(shard, slot);
}

// ---- few images: workers share each op ---------------------------------------------------------------------------

namespace {

// Floating-point operations below which an op stays with one worker, as handing over takes as long as a few hundred thousand of them. To
// wake workers that sleep takes the caller 4 to 7 us (as long as 5 million operations of a 3x3 convolution), so a segment must have more
// work. But where runs follow each other at once, workers stay awake.
constexpr double least_of_op = 1e6, least_of_lone_segment = 16e6;
constexpr std::chrono::microseconds at_once{100};

}  // namespace

// Partial sums are summed over shards, so a shard must be one call. Values of a shard lie in the memory of the worker with its number.
bool Workspace::shares_ops(std::size_t segment) const {
  if (shards() >= threads_ || partials_[segment] != nullptr) return false;
  double work = 0;
  for (const int op : plan_.segments()[segment].ops) work += work_of_image_[static_cast<std::size_t>(op)];
  work *= static_cast<double>(images_);
  return work >= least_of_lone_segment || (work >= least_of_op && std::chrono::steady_clock::now() - last_run_ < at_once);
}

void Workspace::run_op_by_op(std::size_t segment) {
  for (const int op : plan_.segments()[segment].ops) {
    if (work_of_image_[static_cast<std::size_t>(op)] * static_cast<double>(images_) >= least_of_op) {
      run_shared(op, segment);
      continue;
    }
    for (std::int64_t first = 0; first < images_; first += shard_) {
      Call call = call_for(first, std::min(shard_, images_ - first), 0, first / shard_);
      run_op(op, call, 0, segment, -1);
    }
  }
}

// Pieces are as many images as each worker gets if all get the same, else parts of an image so that they do.
void Workspace::run_shared(int index, std::size_t segment) {
  const Op& op = plan_.op(index);
  struct Cut {
    Workspace* self;
    std::size_t segment;
    int op;
    std::int64_t images, parts;  // images of a piece, and parts of each image
  } cut{this, segment, index, 1, 1};
  const std::int64_t threads = threads_;
  if (op.prefers_parts() && op.most_parts() > 1)
    cut.images = shard_, cut.parts = std::min(op.most_parts(), threads);
  else if (images_ % threads == 0)
    cut.images = std::min(images_ / threads, shard_);
  else
    cut.parts = std::min(op.most_parts(), threads / std::gcd(images_, threads));
  while (shard_ % cut.images != 0) --cut.images;  // a piece lies in one shard
  device_.run(core::ceil_div(images_, cut.images) * cut.parts, [c = &cut](std::int64_t piece, int worker) {
    const std::int64_t first = piece / c->parts * c->images;
    Call call = c->self->call_for(first, std::min(c->images, c->self->images_ - first), worker, first / c->self->shard_);
    call.part = piece % c->parts, call.parts = c->parts;
    c->self->run_op(c->op, call, worker, c->segment, -1);
  }, threads_);
}

// ---- runs of segments --------------------------------------------------------------------------------------------

void Workspace::run_images(std::size_t segment) {
  if (shares_ops(segment)) return run_op_by_op(segment);
  if (partials_[segment] != nullptr) partials_[segment]->start(shards());
  struct Round {
    Workspace* self;
    std::size_t segment;
  } round{this, segment};
  device_.run(shards(), [r = &round](std::int64_t shard, int worker) { r->self->run_shard(r->segment, shard, worker); }, threads_);
}

void Workspace::run_outputs(std::size_t segment) {
  struct Round {
    Workspace* self;
    std::size_t segment;
  } round{this, segment};
  device_.run(plan_.segments()[segment].pieces, [r = &round](std::int64_t piece, int worker) {
    Workspace& w = *r->self;
    Call call = w.call_for(0, w.images_, worker, worker);
    for (const int op : w.plan_.segments()[r->segment].ops) {
      const std::int64_t pieces = w.plan_.op(op).pieces();
      if (piece < pieces) {
        call.piece = piece;
        return w.run_op(op, call, worker, r->segment, -1);
      }
      piece -= pieces;
    }
  }, threads_);
}

bool Workspace::run(std::int64_t images, const StepInfo& step, std::span<const Rows> sources, const std::function<bool()>& may_update) {
  const core::FloatEnvironment environment(plan_.flushes_denormals() ? core::flushing_float_mode : core::default_float_mode);
  images_ = images;
  step_ = &step;
  sources_ = sources.data();
  if (times_ != nullptr) times_->count_run();
  bool is_whole = true;
  for (std::size_t segment = 0; segment < plan_.segments().size(); ++segment) {
    is_whole = segment != plan_.first_update() || !may_update || may_update();
    if (!is_whole) break;
    if (constants_made_ && plan_.segments()[segment].constant) continue;
    plan_.segments()[segment].cut == Cut::images ? run_images(segment) : run_outputs(segment);
  }
  constants_made_ = true;
  if (threads_ > 1) last_run_ = std::chrono::steady_clock::now();
  return is_whole;
}

void* Workspace::at(Value value) { return resolve(value, Call{}, plan_.segments().size(), -1); }

}  // namespace linn::detail::plan
