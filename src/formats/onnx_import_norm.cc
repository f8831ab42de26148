// Normalizations.
#include "formats/onnx_operators.h"
#include "formats/onnx_weights.h"
#include "linn/layers/norm.h"
#include "linn/layers/sample_norm.h"

namespace linn::formats::onnx {
namespace {

// One number a channel, in linn's order.
Tensor channel_values(const Operation& op, std::size_t input, const Activation& source) {
  const std::vector<float> values = op.floats(input);
  const std::int64_t channels = source.sizes().at(0);
  if (static_cast<std::int64_t>(values.size()) != channels) op.refuse("input {} has {} numbers; the value has {} channels", input, values.size(), channels);
  return vector_tensor(in_row_order(values, source.row));
}

}  // namespace

void import_batch_normalization(const Operation& op) {
  const double epsilon = op.number("epsilon", 1e-5), momentum = op.number("momentum", 0.9);
  if (op.integer("training_mode", 0) != 0) op.refuse("attribute \"training_mode\" is 1; export the model for inference");
  if (op.integer("spatial", 1) != 1) op.refuse("attribute \"spatial\" is 0; 1 is supported");
  op.ignore({"is_test", "consumed_inputs"});
  Activation source = op.input(0);
  if (source.rank() < 1) op.refuse("input 0 has no channels");
  if (!source.row) source = op.with_channels_last(0);
  std::vector<Tensor> weights;
  for (std::size_t i = 1; i <= 4; ++i) weights.push_back(channel_values(op, i, source));
  Activation result = source;
  result.is_non_negative = false;
  result.symbol = op.call(BatchNormalization({.momentum = momentum, .epsilon = epsilon}), source.symbol, std::move(weights));
  op.give(std::move(result));
}

void import_instance_normalization(const Operation& op) {
  const double epsilon = op.number("epsilon", 1e-5);
  const Activation source = op.with_channels_last(0);
  if (source.rank() < 2) op.refuse("input 0 has shape (N, {}; a map is allowed", to_string(source.sizes()).substr(1));
  std::vector<Tensor> weights = {channel_values(op, 1, source), channel_values(op, 2, source)};
  Activation result = source;
  result.is_non_negative = false;
  result.symbol = op.call(GroupNormalization({.groups = -1, .epsilon = epsilon}), source.symbol, std::move(weights));
  op.give(std::move(result));
}

}  // namespace linn::formats::onnx
