// Which instruction set runs. Decided once, at first use; LINN_ISA caps it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace linn::detail::core {

/// What a CPU can do that a kernel may need.
///
/// | feature           | meaning                                                     | x86            |
/// |-------------------|--------------------------------------------------------------|----------------|
/// | vectors_128       | vectors of 4 floats                                         | SSE4           |
/// | vectors_256       | vectors of 8 floats, fused multiply-add, 16 registers       | AVX2 and FMA   |
/// | vectors_512       | vectors of 16 floats, masks, 32 registers                   | AVX-512        |
/// | bfloat16_products | sums of products of bfloat16 pairs                          | AVX-512_BF16   |
enum class Feature : unsigned { none = 0, vectors_128 = 1, vectors_256 = 2, vectors_512 = 4, bfloat16_products = 8 };
constexpr Feature operator|(Feature a, Feature b) { return static_cast<Feature>(static_cast<unsigned>(a) | static_cast<unsigned>(b)); }

/// Sets of features with a name, for LINN_ISA and for messages. Ordered: a CPU that has one has all before it. `scalar` means the reference kernels and the few others that use no
/// vectors; `avx512_bf16` adds the products of bfloat16 pairs (vdpbf16ps) to avx512 and nothing else.
enum class Isa { scalar, sse4, avx2, avx512, avx512_bf16 };

std::string_view name_of(Isa isa);

/// As the processor calls itself, such as "AMD EPYC 9654 96-Core Processor".
std::string cpu_name();

/// The best instruction set that this CPU, the operating system and LINN_ISA allow.
/// Throws ValueError when LINN_ISA is none of scalar, sse4, avx2, avx512, avx512_bf16, and StateError on a CPU below x86-64-v2.
Isa isa();

/// All kernels, also the references, are compiled for x86-64-v2: StateError says so before one of them ends the program.
void check_baseline(bool sse4_2, bool popcnt);

/// Whether the chosen instruction set has all of these features.
bool has(Feature needed);

/// Floats in a vector of the chosen instruction set.
int lanes();

/// Sizes of the caches that one core has for itself, read once. If the operating system does not tell them: 32 KiB and 512 KiB.
struct Cpu {
  std::int64_t l1_bytes, l2_bytes;
};
const Cpu& cpu();

/// Caps the instruction set from here on, for tests that run every kernel on every one of them.
/// Asking for more than the CPU has is an error (ValueError).
void set_isa(Isa isa);

/// All sets this machine can run, best first.
std::span<const Isa> available_isas();

}  // namespace linn::detail::core
