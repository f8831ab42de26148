#include "plan/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "core/cpu.h"
#include "plan/ops/conv_chain.h"

namespace linn {

double Profile::seconds_between_ops() const {
  double between = (seconds - seconds_waiting) * threads;
  for (const OpProfile& op : ops) between -= op.seconds;
  return std::max(between, 0.0);
}

std::string Profile::bound(const OpProfile& op) const {
  const double least = roofline_seconds(op);
  if (least == 0) return "";
  if (least == op.flops / peak_flops) return "compute";
  return least == op.memory_bytes / memory_bandwidth ? "memory" : "cache";
}

double Profile::roofline_seconds(const OpProfile& op) const {
  return std::max({op.flops / peak_flops, op.bytes / cache_bandwidth, op.memory_bytes / memory_bandwidth});
}

}  // namespace linn

namespace linn::detail::plan {
namespace {

void add(Traffic& traffic, double bytes, bool memory) {
  traffic.bytes += bytes;
  if (memory) traffic.memory_bytes += bytes;
}

// Traffic of all values of one extent.
Traffic traffic_of(const Plan& plan, int index, Extent extent) {
  Traffic traffic;
  const Op& op = plan.op(index);
  if (op.is_view()) return traffic;
  const auto count = [&](const Value& value, int times) {
    if (!value.defined()) return;
    const ValueInfo& info = plan.values()[static_cast<std::size_t>(value.id)];
    if (info.extent != extent) return;
    const Place::Area area = plan.place(value).area;
    const double bytes = static_cast<double>(value.shape.elements()) * static_cast<double>(plan.element_bytes(info));
    add(traffic, times * bytes, area == Place::Area::shared || area == Place::Area::bound);
  };
  const std::vector<Packing> packings = plan.options().precision == Precision::float32 ? op.packings() : std::vector<Packing>{};
  const auto is_packed = [&](const Value& input) {
    return std::any_of(packings.begin(), packings.end(), [&](const Packing& packing) { return packing.source.id == input.id; });
  };
  for (const Value& input : op.inputs)
    if (!is_packed(input)) count(input, 1);
  for (const Value& output : op.outputs) {
    if (!output.defined()) continue;
    const bool in_place = plan.values()[static_cast<std::size_t>(output.id)].home == Home::bound && extent == Extent::fixed;
    count(output, in_place ? 2 : 1);
  }
  return traffic;
}

// The instruction set of an implementation from its name "kernel.implementation"; "view" for an op that has nothing to do. Names of
// implementations without vectors contain "scalar" or "reference".
core::Isa isa_of(const std::string& implementation, Precision precision) {
  const bool vectors = implementation.find('.') != std::string::npos && !implementation.ends_with(".reference") && !implementation.ends_with("_scalar");
  return vectors && precision == Precision::float32 ? core::isa() : core::Isa::scalar;
}

}  // namespace

bool verbose() {
  static const bool on = [] {
    const char* text = std::getenv("LINN_VERBOSE");
    return text != nullptr && *text != '\0' && std::strcmp(text, "0") != 0;
  }();
  return on;
}

namespace {

std::string isa_text(const kernels::Policy& policy) {
  std::string text(core::name_of(core::isa()));
  if (policy.operands == kernels::Operands::bfloat16)
    text += core::isa() == core::Isa::avx512_bf16 ? ", products of bfloat16" : ", operands rounded to bfloat16, as there is no vdpbf16ps";
  if (policy.position_invariant) text += ", position-invariant kernels only";
  return text;
}

}  // namespace

Traffic traffic_of_run(const Plan& plan, int op) { return traffic_of(plan, op, Extent::fixed); }

Traffic traffic_of_image(const Plan& plan, int op) {
  Traffic traffic = traffic_of(plan, op, Extent::batch);
  add(traffic, static_cast<double>(plan.op(op).source_bytes()), true);
  return traffic;
}

std::vector<Operation> operations_of(const Plan& plan) {
  std::vector<Operation> result;
  for (int i = 0; i < plan.ops(); ++i) {
    const Op& op = plan.op(i);
    const bool on_images = std::any_of(op.outputs.begin(), op.outputs.end(), [&](const Value& value) {
      return value.defined() && plan.values()[static_cast<std::size_t>(value.id)].extent == Extent::batch;
    });
    if (!on_images) continue;
    // Whether convolutions are computed as a chain depends on their sizes and changes no bit: each is an operation.
    for (const Op* link : links_of(op))
      result.push_back({.op = std::string(link->name()),
                        .layer = link->layer,
                        .implementation = link->implementation(),
                        .flops = link->flops(1),
                        .period = link->period()});
  }
  return result;
}

OpTimes::OpTimes(const Plan& plan, int threads) : plan_(plan), threads_(threads), cells_(static_cast<std::size_t>(plan.ops() * threads)) {}

Cell& OpTimes::cell(int op, int worker) { return cells_[static_cast<std::size_t>(op * threads_ + worker)]; }

OpTimes::Measure::~Measure() {
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start_;
  cell_.calls += 1;
  cell_.images += images_;
  cell_.seconds += taken.count();
}

void OpTimes::clear() {
  runs_ = 0;
  std::fill(cells_.begin(), cells_.end(), Cell{});
}

Cell OpTimes::sum(int op) const {
  Cell all;
  for (int worker = 0; worker < threads_; ++worker) {
    const Cell& cell = cells_[static_cast<std::size_t>(op * threads_ + worker)];
    all.calls += cell.calls;
    all.images += cell.images;
    all.seconds += cell.seconds;
  }
  return all;
}

std::vector<OpProfile> OpTimes::rows() const {
  std::vector<OpProfile> rows;
  for (int i = 0; i < plan_.ops(); ++i) {
    const Cell all = sum(i);
    if (all.calls == 0) continue;
    const Op& op = plan_.op(i);
    const Traffic run = traffic_of_run(plan_, i), image = traffic_of_image(plan_, i);
    // Cut by outputs, each piece gets the whole batch.
    const auto images = static_cast<double>(op.cut() == Cut::outputs ? all.images / op.pieces() : all.images);
    // A constant op runs only after variables have changed.
    const auto runs = static_cast<double>(op.cut() == Cut::outputs ? all.calls / op.pieces() : runs_);
    const std::string implementation = op.implementation();
    rows.push_back({.op = std::string(op.name()),
                    .layer = op.layer,
                    .implementation = implementation,
                    .isa = std::string(core::name_of(isa_of(implementation, plan_.options().precision))),
                    .calls = all.calls,
                    .seconds = all.seconds,
                    .flops = op.flops(0) * runs + (op.flops(1) - op.flops(0)) * images,
                    .bytes = run.bytes * runs + image.bytes * images,
                    .memory_bytes = run.memory_bytes * runs + image.memory_bytes * images});
  }
  return rows;
}

void OpTimes::print(std::FILE* to) const {
  const std::vector<OpProfile> all = rows();
  double total = 0;
  for (const OpProfile& row : all) total += row.seconds;
  if (total == 0) return;
  std::string text = fmt::format("linn: {} on {}\n{:<28} {:<24} {:<36} {:>9} {:>10} {:>6} {:>9} {:>7}\n",
                                 threads_ == 1 ? "1 thread" : fmt::format("{} threads", threads_), isa_text(plan_.options().policy), "op",
                                 "layer", "implementation", "calls", "ms", "%", "GFLOP/s", "GB/s");
  for (const OpProfile& row : all)
    text += fmt::format("{:<28} {:<24} {:<36} {:>9} {:>10.2f} {:>6.1f} {:>9} {:>7.1f}\n", row.op, row.layer, row.implementation, row.calls,
                        row.seconds * 1e3, 100 * row.seconds / total,
                        row.flops > 0 ? fmt::format("{:.1f}", row.flops / row.seconds * 1e-9) : "", row.bytes / row.seconds * 1e-9);
  std::fputs(text.c_str(), to);
}

}  // namespace linn::detail::plan
