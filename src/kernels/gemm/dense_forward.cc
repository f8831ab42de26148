// DenseForward: dst = activation(src kernel + bias).
//
// Loop nest:  for each block of 256 rows
//               for each block of inputs (about 512: a packed panel of 64 KiB and a tile's inputs stay in the L2 cache)
//                 the tiles of contract.inc; blocks after the first continue the sums in dst, so that sums keep the order of the inputs, and
//                 their bits do not depend on the blocks
// Registers:  see contract.inc.
// Measured:   (Zen 4, one core, fraction of the multiply-add loop) 800x128: 98 % with 8 and 16 rows, 90 % with 128 and 512;
//             AVX2 93 %, SSE4 64 % (no fused multiply-add). 4096x1024 with 128 rows, from L3 and memory: 60 %.
#include <algorithm>
#include <limits>

#include "core/checked.h"
#include "kernels/gemm/contract.h"
#include "kernels/gemm/gemm.h"

namespace linn::detail::kernels::gemm {
namespace {

constexpr std::int64_t row_block = 256;
constexpr std::int64_t input_block = 512;

// Size of equal blocks, at most one and a half times the wanted size.
std::int64_t block_of(std::int64_t inputs) { return core::ceil_div(inputs, std::max<std::int64_t>(1, (inputs + input_block / 2) / input_block)); }

}  // namespace

bool Forward::supports(const DenseForward::Problem& problem) {
  return is_in_registers(problem.activation);
}

std::int64_t Forward::scratch(const DenseForward::Problem& problem, std::int64_t) { return pack_size(block_of(problem.inputs)); }

void Forward::run(const DenseForward::Problem& problem, const DenseForward::Args<float>& args) {
  const Contract contract = contract_for_cpu();
  const std::int64_t inputs = problem.inputs, outputs = problem.outputs, block = block_of(inputs);
  for (std::int64_t row = 0; row < args.rows; row += row_block)
    for (std::int64_t first = 0; first < inputs; first += block) {
      const std::int64_t last = std::min(first + block, inputs);
      contract({.rows = {1, 1, std::min(row_block, args.rows - row)},
                .a_row = {0, 0, inputs},
                .c_row = {0, 0, problem.pitch()},
                .terms = {1, 1, last - first},
                .a_term = {0, 0, 1},
                .b_term = {0, 0, problem.pitch()},
                .columns = outputs,
                .a = args.src + row * inputs + first,
                .b = args.kernel + first * problem.pitch(),
                .c = args.dst + row * problem.pitch(),
                .add = first > 0,
                .bias = problem.bias ? args.bias : nullptr,
                .relu = cuts_below_zero(problem.activation) && last == inputs,
                .largest = last == inputs ? largest_result(problem.activation) : std::numeric_limits<float>::infinity(),
                .pack = args.scratch});
    }
}

}  // namespace linn::detail::kernels::gemm
