#include "plan/profile.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "core/cpu.h"

namespace linn::plan {

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
  return text;
}

}  // namespace

OpTimes::OpTimes(const Plan& plan, int threads) : plan_(plan), threads_(threads), cells_(static_cast<std::size_t>(plan.ops() * threads)) {}

OpTimes::~OpTimes() { print(); }

Cell& OpTimes::cell(int op, int worker) { return cells_[static_cast<std::size_t>(op * threads_ + worker)]; }

OpTimes::Measure::~Measure() {
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start_;
  cell_.calls += 1;
  cell_.images += images_;
  cell_.seconds += taken.count();
}

void OpTimes::print() const {
  double total = 0;
  for (const Cell& cell : cells_) total += cell.seconds;
  if (total == 0) return;
  std::string text = fmt::format("linn: {} on {}\n{:<28} {:<24} {:<36} {:>9} {:>10} {:>6} {:>9}\n", threads_ == 1 ? "1 thread" : fmt::format("{} threads", threads_),
                                 isa_text(plan_.options().policy), "op", "layer", "implementation", "calls", "ms", "%", "GFLOP/s");
  for (int i = 0; i < plan_.ops(); ++i) {
    Cell sum;
    double flops = 0;
    for (int worker = 0; worker < threads_; ++worker) {
      const Cell& cell = cells_[static_cast<std::size_t>(i * threads_ + worker)];
      sum.calls += cell.calls;
      sum.images += cell.images;
      sum.seconds += cell.seconds;
    }
    if (sum.calls == 0) continue;
    const Op& op = plan_.op(i);
    flops = op.flops(1) * static_cast<double>(sum.images);
    text += fmt::format("{:<28} {:<24} {:<36} {:>9} {:>10.2f} {:>6.1f} {:>9}\n", op.name(), op.layer, op.implementation(), sum.calls, sum.seconds * 1e3,
                        100 * sum.seconds / total, flops > 0 ? fmt::format("{:.1f}", flops / sum.seconds * 1e-9) : "");
  }
  std::fputs(text.c_str(), stderr);
}

}  // namespace linn::plan
