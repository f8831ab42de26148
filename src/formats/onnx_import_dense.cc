// Matrix products of a value with constant weights.
#include "formats/onnx_operators.h"
#include "formats/onnx_weights.h"
#include "linn/layers/dense.h"

namespace linn::formats::onnx {
namespace {

// The constant as a matrix (inputs, units).
struct Matrix {
  std::int64_t inputs = 0, units = 0;
  std::vector<float> values;
};

Matrix matrix_of(const Operation& op, bool is_transposed) {
  const ConstantPtr found = op.constant(1);
  if (!found->is_float || found->dims.size() != 2 || found->elements() == 0)
    op.refuse("the weights have shape {}; two sizes, 1 or more, of floating-point numbers are allowed", found->shape_text());
  Matrix matrix{found->dims[is_transposed ? 1 : 0], found->dims[is_transposed ? 0 : 1], {}};
  if (!is_transposed) {
    matrix.values = found->floats;
    return matrix;
  }
  matrix.values.resize(found->floats.size());
  for (std::int64_t row = 0; row < matrix.inputs; ++row)
    for (std::int64_t unit = 0; unit < matrix.units; ++unit)
      matrix.values[static_cast<std::size_t>(row * matrix.units + unit)] = found->floats[static_cast<std::size_t>(unit * matrix.inputs + row)];
  return matrix;
}

void import_dense(const Operation& op, Activation source, Matrix matrix, const std::vector<float>& bias) {
  const Sizes sizes = source.sizes();
  if (sizes.empty() || sizes.back() != matrix.inputs)
    op.refuse("weights of {} rows do not fit a value of shape (N, {}", matrix.inputs, to_string(sizes).substr(1));
  // The last axis of ONNX must be the last of linn.
  Order order;
  for (std::size_t i = 0; i < source.rank(); ++i) order.push_back(i);
  if (source.order.back() + 1 != source.rank()) source = op.arranged(source, order);
  std::vector<Tensor> weights = {Tensor::from(rows_in_row_order(std::move(matrix.values), static_cast<std::size_t>(matrix.units), source.row), {matrix.inputs, matrix.units})};
  if (!bias.empty()) weights.push_back(vector_tensor(bias));
  Activation result = source;
  result.row.reset();
  result.is_non_negative = false;
  result.symbol = op.call(Dense(matrix.units, {.use_bias = !bias.empty()}), source.symbol, std::move(weights));
  op.give(std::move(result));
}

}  // namespace

void import_gemm(const Operation& op) {
  const double alpha = op.number("alpha", 1), beta = op.number("beta", 1);
  if (op.integer("transA", 0) != 0) op.refuse("attribute \"transA\" is 1; the batch axis cannot be moved");
  const Activation source = op.input(0);
  if (source.rank() != 1) op.refuse("input 0 has shape (N, {}; a row (N, K) is allowed", to_string(source.sizes()).substr(1));
  Matrix matrix = matrix_of(op, op.integer("transB", 0) != 0);
  if (alpha != 1)
    for (float& value : matrix.values) value = static_cast<float>(alpha * static_cast<double>(value));
  std::vector<float> bias;
  if (op.has_input(2)) {
    const ConstantPtr found = op.constant(2);
    const auto units = static_cast<std::size_t>(matrix.units);
    if (!found->is_float || (found->elements() != units && !found->is_scalar()) || (!found->is_scalar() && found->dims.back() != matrix.units))
      op.refuse("the bias has shape {}; one number or {} are allowed", found->shape_text(), units);
    for (std::size_t i = 0; i < units; ++i) bias.push_back(static_cast<float>(beta * found->number(found->is_scalar() ? 0 : i)));
  } else if (const auto taken = op.take_bias(matrix.units, 0)) {
    bias = *taken;
  }
  import_dense(op, source, std::move(matrix), bias);
}

void import_mat_mul(const Operation& op) {
  if (!op.is_constant(1)) op.refuse("the product of two values is not supported; input 1 must be a constant");
  const Activation source = op.input(0);
  Matrix matrix = matrix_of(op, false);
  const auto bias = op.take_bias(matrix.units, 0);
  import_dense(op, source, std::move(matrix), bias ? *bias : std::vector<float>());
}

}  // namespace linn::formats::onnx
