// Matrix products of a value with constant weights.
#include <algorithm>

#include "formats/onnx/operators.h"
#include "formats/onnx/weights.h"
#include "linn/layers/dense.h"

namespace linn::detail::formats::onnx {
namespace {

// Constant weights: (inputs, units), or (units, inputs).
struct Matrix {
  ConstantPtr constant;
  bool is_transposed = false;

  std::int64_t inputs() const { return constant->dims[is_transposed ? 1 : 0]; }
  std::int64_t units() const { return constant->dims[is_transposed ? 0 : 1]; }
};

Matrix matrix_of(const Operation& op, bool is_transposed) {
  const ConstantPtr found = op.constant(1);
  if (!found->is_float || found->dims.size() != 2 || found->elements() == 0)
    op.refuse("the weights have shape {}; two sizes, 1 or more, of floating-point numbers are allowed", found->shape_text());
  return {found, is_transposed};
}

// (inputs, units), times `factor`; its rows in the order of a row that was flattened without moving its numbers.
Tensor kernel_of(const Matrix& matrix, const std::optional<Activation::Row>& row, float factor) {
  const auto inputs = static_cast<std::size_t>(matrix.inputs()), units = static_cast<std::size_t>(matrix.units());
  const std::vector<std::size_t> places = row ? onnx_places(*row) : std::vector<std::size_t>();
  const float* const from = matrix.constant->floats.data();
  Tensor kernel(Shape{matrix.inputs(), matrix.units()});
  float* const to = kernel.values<float>().data();
  // Some units at a time, so that the lines that are read stay in the cache.
  constexpr std::size_t block = 16;
  for (std::size_t first = 0; first < units; first += block)
    for (std::size_t k = 0; k < inputs; ++k) {
      const std::size_t place = row ? places[k] : k;
      for (std::size_t unit = first; unit < std::min(units, first + block); ++unit)
        to[k * units + unit] = factor * from[matrix.is_transposed ? unit * inputs + place : place * units + unit];
    }
  return kernel;
}

void import_dense(const Operation& op, Activation source, const Matrix& matrix, float factor, const std::vector<float>& bias) {
  const Sizes sizes = source.sizes();
  if (sizes.empty() || sizes.back() != matrix.inputs())
    op.refuse("weights of {} rows do not fit a value of shape (N, {}", matrix.inputs(), to_string(sizes).substr(1));
  // The last axis of ONNX must be the last of linn.
  Order order;
  for (std::size_t i = 0; i < source.rank(); ++i) order.push_back(i);
  if (source.order.back() + 1 != source.rank()) source = op.arranged(source, order);
  std::vector<Tensor> weights = {kernel_of(matrix, source.row, factor)};
  if (!bias.empty()) weights.push_back(vector_tensor(bias));
  Activation result = source;
  result.row.reset();
  result.is_non_negative = false;
  result.symbol = op.call(Dense(matrix.units(), {.use_bias = !bias.empty()}), source.symbol, std::move(weights));
  op.give(std::move(result));
}

}  // namespace

void import_gemm(const Operation& op) {
  const double alpha = op.number("alpha", 1), beta = op.number("beta", 1);
  if (op.integer("transA", 0) != 0) op.refuse("attribute \"transA\" is 1; the batch axis cannot be moved");
  const Activation source = op.input(0);
  if (source.rank() != 1) op.refuse("input 0 has shape (N, {}; a row (N, K) is allowed", to_string(source.sizes()).substr(1));
  const Matrix matrix = matrix_of(op, op.integer("transB", 0) != 0);
  std::vector<float> bias;
  if (op.has_input(2)) {
    const ConstantPtr found = op.constant(2);
    const auto units = static_cast<std::size_t>(matrix.units());
    if (!found->is_float || (found->elements() != units && !found->is_scalar()) ||
        (!found->is_scalar() && found->dims.back() != matrix.units()))
      op.refuse("the bias has shape {}; one number or {} are allowed", found->shape_text(), units);
    for (std::size_t i = 0; i < units; ++i) bias.push_back(static_cast<float>(beta * found->number(found->is_scalar() ? 0 : i)));
  } else if (const auto taken = op.take_bias(matrix.units(), 0)) {
    bias = *taken;
  }
  import_dense(op, source, matrix, static_cast<float>(alpha), bias);
}

void import_mat_mul(const Operation& op) {
  if (!op.is_constant(1)) op.refuse("the product of two values is not supported; input 1 must be a constant");
  const Activation source = op.input(0);
  const Matrix matrix = matrix_of(op, false);
  const auto bias = op.take_bias(matrix.units(), 0);
  import_dense(op, source, matrix, 1, bias ? *bias : std::vector<float>());
}

}  // namespace linn::detail::formats::onnx
