// DenseForward in bfloat16. Rounds the rows of src into scratch, block by block; the kernel is rounded when it is packed, once for each
// step.
//
// Loop nest:  for each block of 104 rows: round; the tiles of contract.inc.
// Measured:   see docs/decisions/bfloat16.md.
#include <algorithm>

#include "kernels/gemm/bf16.h"
#include "kernels/gemm/gemm.h"

namespace linn::detail::kernels::gemm {
namespace {

constexpr std::int64_t row_block = 104;  // 8 tiles of 13

}  // namespace

bool Bf16Forward::supports(const DenseForward::Problem& problem) { return Forward::supports(problem); }

std::int64_t Bf16Forward::scratch(const DenseForward::Problem& problem, std::int64_t rows) {
  return floats_of_bf16(std::min(rows, row_block) * problem.inputs);
}

std::int64_t Bf16Forward::packed(const DenseForward::Problem& problem) {
  return floats_of_bf16(packed_bf16(1, problem.inputs, problem.outputs));
}

void Bf16Forward::pack(const DenseForward::Problem& problem, const float* kernel, float* packed) {
  pack_bf16(kernel, 1, problem.inputs, problem.outputs, reinterpret_cast<Bf16*>(packed));
}

void Bf16Forward::run(const DenseForward::Problem& problem, const DenseForward::Args<float>& args) {
  const std::int64_t inputs = problem.inputs, outputs = problem.outputs;
  auto* rounded = reinterpret_cast<Bf16*>(args.scratch);
  for (std::int64_t row = 0; row < args.rows; row += row_block) {
    const std::int64_t rows = std::min(row_block, args.rows - row);
    round_bf16(args.src + row * inputs, rows * inputs, rounded);
    contract_bf16({.rows = {1, 1, rows},
                   .a_row = {0, 0, inputs},
                   .c_row = {0, 0, outputs},
                   .pairs = {1, 1, (inputs + 1) / 2},
                   .a_pair = {0, 0, 2},
                   .b_pair = {0, 0, bf16_pair},
                   .odd = inputs % 2 != 0,
                   .columns = outputs,
                   .b_vector = packed_bf16(1, inputs, bf16_columns),
                   .a = rounded,
                   .b = reinterpret_cast<const Bf16*>(args.packed),
                   .c = args.dst + row * outputs,
                   .bias = problem.bias ? args.bias : nullptr,
                   .relu = cuts_below_zero(problem.activation),
                   .largest = largest_result(problem.activation)});
  }
}

std::int64_t RoundedForward::scratch(const DenseForward::Problem& problem, std::int64_t rows) {
  return std::min(rows, row_block) * problem.inputs + Forward::scratch(problem, rows);
}

std::int64_t RoundedForward::packed(const DenseForward::Problem& problem) { return problem.inputs * problem.outputs; }

void RoundedForward::pack(const DenseForward::Problem& problem, const float* kernel, float* packed) {
  round_to_bf16(kernel, problem.inputs * problem.outputs, packed);
}

void RoundedForward::run(const DenseForward::Problem& problem, const DenseForward::Args<float>& args) {
  float* rounded = args.scratch;
  float* scratch = rounded + std::min(args.rows, row_block) * problem.inputs;
  for (std::int64_t row = 0; row < args.rows; row += row_block) {
    const std::int64_t rows = std::min(row_block, args.rows - row);
    round_to_bf16(args.src + row * problem.inputs, rows * problem.inputs, rounded);
    Forward::run(problem, {rows, rounded, args.packed, nullptr, args.bias, args.dst + row * problem.outputs, scratch});
  }
}

}  // namespace linn::detail::kernels::gemm
