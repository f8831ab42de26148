#include "core/cpu.h"

#include <cpuid.h>
#include <fmt/format.h>
#include <hwy/targets.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "linn/error.h"

namespace linn::detail::core {
namespace {

Isa best_of(std::int64_t targets) {
  // Highway does not know the instruction; __builtin_cpu_supports asks the CPU (leaf 7, subleaf 1), Highway the operating system.
  if ((targets & HWY_AVX3) != 0) return __builtin_cpu_supports("avx512bf16") ? Isa::avx512_bf16 : Isa::avx512;
  if ((targets & HWY_AVX2) != 0) return Isa::avx2;
  if ((targets & HWY_SSE4) != 0) return Isa::sse4;
  return Isa::scalar;
}

// What the CPU and the operating system (XCR0) can do, without any cap of ours.
Isa detected() {
  static const Isa best = best_of(hwy::SupportedTargets());
  return best;
}

void cap_highway(Isa isa) {
  std::int64_t disabled = 0;
  if (isa < Isa::avx512) disabled |= HWY_AVX3 | HWY_AVX3_DL;
  if (isa < Isa::avx2) disabled |= HWY_AVX2;
  hwy::DisableTargets(disabled);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

Isa from_environment() {
  const char* text = std::getenv("LINN_ISA");
  if (text == nullptr || *text == '\0') return detected();
  for (const Isa isa : {Isa::scalar, Isa::sse4, Isa::avx2, Isa::avx512, Isa::avx512_bf16})
    if (name_of(isa) == text) return std::min(isa, detected());
  throw ValueError(fmt::format("LINN_ISA is \"{}\"; it may be scalar, sse4, avx2, avx512 or avx512_bf16", text));
}

// One of the pieces of global state (see HACKING.md).
Isa& chosen() {
  static Isa isa = [] {
#if defined(__x86_64__)
    check_baseline(__builtin_cpu_supports("sse4.2") != 0, __builtin_cpu_supports("popcnt") != 0);
#endif
    const Isa first = from_environment();
    cap_highway(first);
    return first;
  }();
  return isa;
}

}  // namespace

std::string_view name_of(Isa isa) {
  switch (isa) {
    case Isa::scalar: return "scalar";
    case Isa::sse4: return "sse4";
    case Isa::avx2: return "avx2";
    case Isa::avx512: return "avx512";
    case Isa::avx512_bf16: return "avx512_bf16";
  }
  return "";
}

std::string cpu_name() {
  std::array<unsigned, 12> words{};  // the text of the last three leaves
  for (unsigned i = 0; i < 3; ++i) {
    unsigned* w = words.data() + 4 * i;
    if (__get_cpuid(0x80000002U + i, w, w + 1, w + 2, w + 3) == 0) return "unknown CPU";
  }
  std::array<char, sizeof(words) + 1> text{};
  std::memcpy(text.data(), words.data(), sizeof(words));
  const std::string_view name = text.data();
  const std::size_t first = name.find_first_not_of(' '), last = name.find_last_not_of(' ');
  return first == std::string_view::npos ? "unknown CPU" : std::string(name.substr(first, last - first + 1));
}

Isa isa() { return chosen(); }

namespace {

Feature features_of(Isa isa) {
  Feature features = Feature::none;
  if (isa >= Isa::sse4) features = features | Feature::vectors_128;
  if (isa >= Isa::avx2) features = features | Feature::vectors_256;
  if (isa >= Isa::avx512) features = features | Feature::vectors_512;
  if (isa >= Isa::avx512_bf16) features = features | Feature::bfloat16_products;
  return features;
}

}  // namespace

bool has(Feature needed) {
  const auto needs = static_cast<unsigned>(needed);
  return (static_cast<unsigned>(features_of(isa())) & needs) == needs;
}

int lanes() {
  if (has(Feature::vectors_512)) return 16;
  if (has(Feature::vectors_256)) return 8;
  return has(Feature::vectors_128) ? 4 : 1;
}

const Cpu& cpu() {
  static const Cpu known = [] {
    const auto size = [](int name, std::int64_t otherwise) {
      const std::int64_t bytes = sysconf(name);
      return bytes > 0 ? bytes : otherwise;
    };
    return Cpu{size(_SC_LEVEL1_DCACHE_SIZE, 32 << 10), size(_SC_LEVEL2_CACHE_SIZE, 512 << 10)};
  }();
  return known;
}

void check_baseline(bool sse4_2, bool popcnt) {
  if (sse4_2 && popcnt) return;
  throw StateError(
      fmt::format("this CPU has no {}; linn's kernels need x86-64-v2, which means SSE4.2 and POPCNT", sse4_2   ? "POPCNT"
                                                                                                      : popcnt ? "SSE4.2"
                                                                                                               : "SSE4.2 and no POPCNT"));
}

void set_isa(Isa isa) {
  if (isa > detected())
    throw ValueError(fmt::format("instruction set {} was asked for; this CPU has {} at most", name_of(isa), name_of(detected())));
  chosen() = isa;
  cap_highway(isa);
}

std::span<const Isa> available_isas() {
  static const std::vector<Isa> all = [] {
    std::vector<Isa> list;
    for (const Isa isa : {Isa::avx512_bf16, Isa::avx512, Isa::avx2, Isa::sse4, Isa::scalar})
      if (isa <= detected()) list.push_back(isa);
    return list;
  }();
  return all;
}

}  // namespace linn::detail::core
