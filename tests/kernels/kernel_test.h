// What the tests of kernels share: every implementation on every instruction set against the reference in double.
#pragma once

#include <gtest/gtest.h>
#include <sanitizer/asan_interface.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "core/cpu.h"
#include "kernels/implementation.h"
#include "support/bf16_emulation.h"

namespace linn::detail::kernels::testing {

/// What nobody may write, in the gaps between pixels.
inline constexpr float untouched = -777.0f;
/// What nobody may read before it is written: scratch.
inline constexpr float unwritten = std::numeric_limits<float>::quiet_NaN();

/// Memory as kernels see it: aligned to no more than an element, and guarded on both sides. The address sanitizer forbids the guards
/// to all; the stores that it does not see (masked ones), and all stores in other builds, show when the buffer dies.
template <class T>
class Guarded {
 public:
  Guarded() : Guarded(0) {}
  explicit Guarded(std::int64_t size, T value = 0) : values_(static_cast<std::size_t>(size + 2 * guard), value) {
    std::fill_n(values_.begin(), guard, mark);
    std::fill_n(values_.end() - guard, guard, mark);
    ASAN_POISON_MEMORY_REGION(values_.data(), guard * sizeof(T));
    ASAN_POISON_MEMORY_REGION(data() + size, guard * sizeof(T));
  }
  template <class U>
  explicit Guarded(const std::vector<U>& values) : Guarded(static_cast<std::int64_t>(values.size())) {
    std::transform(values.begin(), values.end(), data(), [](U v) { return static_cast<T>(v); });
  }
  Guarded(const Guarded& other) : Guarded(other.size()) { std::copy_n(other.data(), other.size(), data()); }
  Guarded(Guarded&& other) noexcept = default;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() {
    if (values_.empty()) return;  // moved from
    ASAN_UNPOISON_MEMORY_REGION(values_.data(), values_.size() * sizeof(T));
    const auto intact = [](T v) { return v == mark; };
    EXPECT_TRUE(std::all_of(values_.begin(), values_.begin() + guard, intact)) << "written before the start of a buffer";
    EXPECT_TRUE(std::all_of(values_.end() - guard, values_.end(), intact)) << "written beyond the end of a buffer";
  }

  T* data() { return values_.data() + guard; }
  const T* data() const { return values_.data() + guard; }
  std::int64_t size() const { return static_cast<std::int64_t>(values_.size()) - 2 * guard; }
  T& operator[](std::int64_t i) { return data()[i]; }
  T operator[](std::int64_t i) const { return data()[i]; }

 private:
  static constexpr std::int64_t guard = 65;  // odd
  static constexpr T mark = 217;
  std::vector<T> values_;
};

using Buffer = Guarded<float>;
using Bytes = Guarded<std::uint8_t>;

inline std::int64_t bits_that_differ(const Buffer& a, const Buffer& b) {
  std::int64_t count = a.size() == b.size() ? 0 : 1;
  for (std::int64_t i = 0; i < std::min(a.size(), b.size()); ++i) count += std::memcmp(a.data() + i, b.data() + i, sizeof(float)) != 0;
  return count;
}

/// Values in [-1, 1) that are floats, so that both precisions start from the same numbers.
inline std::vector<double> random_values(std::int64_t count, std::uint32_t seed) {
  std::mt19937 engine(seed);
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& value : values) value = static_cast<double>(static_cast<float>(static_cast<std::int32_t>(engine())) * 0x1p-31f);
  return values;
}

/// normal: any; ties: whole numbers, few of them; hostile: NaN and infinities in between.
enum class Values { normal, ties, hostile };

/// normal: random_values; ties: -2, 0, 2, whose sums are exact in every form (even, as Winograd halves sums of two).
inline std::vector<double> random_values(Values kind, std::int64_t count, std::uint32_t seed) {
  std::vector<double> values = random_values(count, seed);
  if (kind == Values::ties)
    for (double& value : values) value = std::round(value * 2) * 2;
  if (kind != Values::hostile) return values;
  std::mt19937 engine(seed);
  const double infinity = std::numeric_limits<double>::infinity(), others[] = {std::numeric_limits<double>::quiet_NaN(), infinity, -infinity, 0.0};
  for (double& value : values)
    if (engine() % 32 == 0) value = others[engine() % 4];
  return values;
}

inline std::vector<double> magnitudes(std::vector<double> values) {
  for (double& value : values) value = std::abs(value);
  return values;
}

/// Puts the instruction set back when the test is done.
class IsaGuard {
 public:
  ~IsaGuard() { core::set_isa(before_); }

 private:
  core::Isa before_ = core::isa();
};

/// The kernel in the layout that an implementation wants.
template <class Kernel>
Buffer packed_for(const Implementation<Kernel>& f, const typename Kernel::Problem& problem, const Buffer& kernel) {
  Buffer packed(f.packed(problem), unwritten);
  if (packed.size() > 0) f.pack(problem, kernel.data(), packed.data());
  return packed;
}

/// The numbers as an implementation that rounds its operands sees them.
inline std::vector<double> rounded_to_bf16(std::vector<double> values) {
  std::transform(values.begin(), values.end(), values.begin(), [](double value) { return tests::rounded_to_bf16(value); });
  return values;
}

/// The implementations that support the problem with the chosen instruction set. Those that choose parts of their own once for each
/// choice that a policy makes of them.
template <class Kernel>
std::vector<Implementation<Kernel>> supported(const typename Kernel::Problem& problem) {
  std::vector<Implementation<Kernel>> all;
  for (const Registered<Kernel>& row : implementations<Kernel>()) {
    if (!core::has(row.needs)) continue;
    for (const Policy& policy : {Policy{}, Policy{.position_invariant = true}, Policy{.local = true}, Policy{.operands = Operands::bfloat16}}) {
      std::optional<Implementation<Kernel>> one = row.prepare(problem, policy);
      const auto is_known = [&](const Implementation<Kernel>& other) { return other.full_name() == one->full_name(); };
      if (one && std::none_of(all.begin(), all.end(), is_known)) all.push_back(*std::move(one));
    }
  }
  return all;
}

/// Whether the implementation, or a part that it has chosen, has this name.
template <class Kernel>
bool has_part(const Implementation<Kernel>& f, std::string_view name) {
  const std::string all = f.full_name();
  const auto is_end = [&](std::size_t at) { return at >= all.size() || all[at] == ' ' || all[at] == '(' || all[at] == ')'; };
  for (std::size_t at = all.find(name); at != std::string::npos; at = all.find(name, at + 1))
    if ((at == 0 || is_end(at - 1)) && is_end(at + name.size())) return true;
  return false;
}

/// Calls visit(implementation) for each implementation that supports the problem, on each instruction set of this machine; the
/// reference once. A failure names both.
template <class Kernel, class Visit>
void for_each_implementation(const typename Kernel::Problem& problem, const Visit& visit) {
  const IsaGuard guard;
  for (const core::Isa isa : core::available_isas()) {
    core::set_isa(isa);
    for (const Implementation<Kernel>& candidate : supported<Kernel>(problem)) {
      if ((candidate.needs == core::Feature::none) != (isa == core::Isa::scalar)) continue;
      // What that set adds concerns products in bfloat16 alone; all others were there with avx512.
      if (isa == core::Isa::avx512_bf16 && candidate.numerics.operands == Operands::float32) continue;
      SCOPED_TRACE(std::string(Kernel::name) + "." + candidate.full_name() + " on " + std::string(core::name_of(isa)));
      visit(candidate);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

/// The bound of a sum of products of random signs: |error| <= 8 eps sum |a_i b_i|. The bound that always holds is
/// terms * eps * sum |a_i b_i|, far too lax to find a missing term among thousands. Rounding errors of random signs add up
/// to about sqrt(terms) of the partial sums' eps, partial sums of random signs are about sqrt(terms) products, so
/// the error is about one eps of the sum of magnitudes whatever the number of terms; 8 leaves room (seen: below 3).
inline constexpr double sum_bound = 8;

/// Two operands, each rounded by at most half of its last bit, 2^-8 of it, add at most this times the sum of |a b|.
inline constexpr double bf16_operands_bound = 0x1p-7 + 0x1p-16;

/// What an implementation promises, in eps of the sum of magnitudes.
template <class Kernel>
double bound_of(const Implementation<Kernel>& f) {
  return f.numerics.operands == Operands::float32 ? sum_bound : sum_bound + bf16_operands_bound / static_cast<double>(std::numeric_limits<float>::epsilon());
}

/// |actual - expected| <= bound * eps * magnitude for every element (or both NaN, or the same infinity). The worst ratio is kept
/// for the report.
inline ::testing::AssertionResult all_near(const Buffer& actual, const std::vector<double>& expected, const std::vector<double>& magnitude,
                                           double bound = sum_bound) {
  static double worst_seen = 0;
  constexpr double eps = std::numeric_limits<float>::epsilon();
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double value = static_cast<double>(actual[static_cast<std::int64_t>(i)]);
    if (value == expected[i] || (std::isnan(expected[i]) && std::isnan(value))) continue;
    const double error = std::abs(value - expected[i]);
    if (!(error <= bound * eps * magnitude[i]))
      return ::testing::AssertionFailure() << "element " << i << " is " << value << ", should be " << expected[i] << ": error "
                                           << error / (eps * magnitude[i]) << " eps of the magnitude " << magnitude[i];
    if (magnitude[i] > 0) worst_seen = std::max(worst_seen, error / (eps * magnitude[i]));
  }
  ::testing::Test::RecordProperty("worst_error_in_eps", std::to_string(worst_seen));
  return ::testing::AssertionSuccess();
}

}  // namespace linn::detail::kernels::testing
