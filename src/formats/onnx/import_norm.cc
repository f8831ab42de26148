// Normalizations.
#include <algorithm>

#include "formats/onnx/affine.h"
#include "formats/onnx/operators.h"
#include "formats/onnx/weights.h"
#include "linn/layers/dense.h"
#include "linn/layers/merge.h"
#include "linn/layers/norm.h"
#include "linn/layers/sample_norm.h"

namespace linn::detail::formats::onnx {
namespace {

// One number a channel, in linn's order.
Tensor channel_values(const Operation& op, std::size_t input, const Activation& source) {
  const std::vector<float> values = op.floats(input);
  const std::int64_t channels = source.sizes().at(0);
  if (static_cast<std::int64_t>(values.size()) != channels)
    op.refuse("input {} has {} numbers; the value has {} channels", input, values.size(), channels);
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

// Mean and variance over the axes from `axis` on.
void import_layer_normalization(const Operation& op) {
  const double epsilon = op.number("epsilon", 1e-5);
  op.ignore({"stash_type"});
  for (std::size_t i = 1; i < op.node().outputs.size(); ++i)
    if (op.network().is_read(op.node().outputs[i])) op.refuse("output {} is not supported", i);
  const Activation source = op.network().straight(op.input(0), op.base_name());
  const Sizes sizes = source.sizes();
  const std::size_t first = op.axis(op.integer("axis", -1), sizes.size() + 1);
  if (first == 0) op.refuse("over the batch axis is not supported");
  // linn wants the axes of gamma and beta in its own order.
  std::vector<std::pair<std::size_t, std::size_t>> axes;  // linn's, the weights'
  Sizes dims;
  for (std::size_t i = first - 1; i < sizes.size(); ++i) axes.emplace_back(source.order[i], i - first + 1), dims.push_back(sizes[i]);
  std::sort(axes.begin(), axes.end());
  std::vector<std::size_t> moved;
  std::vector<std::int64_t> over;
  for (const auto& [own, theirs] : axes) over.push_back(static_cast<std::int64_t>(own) + 1), moved.push_back(theirs);
  const auto weights_of = [&](std::size_t i) {
    const std::vector<float> values = op.floats(i);
    if (values.size() != static_cast<std::size_t>(element_count(dims, op.where())))
      op.refuse("input {} has {} numbers; shape {} is allowed", i, values.size(), to_string(dims));
    return transposed_tensor(values, dims, moved);
  };
  std::vector<Tensor> weights = {weights_of(1)};
  if (op.has_input(2)) weights.push_back(weights_of(2));
  const bool is_last = over.size() == 1 && over[0] == static_cast<std::int64_t>(sizes.size());
  Activation result = source;
  result.is_non_negative = false;
  result.symbol = op.call(LayerNormalization({.axis = is_last ? Axes(-1) : Axes(over), .epsilon = epsilon, .center = op.has_input(2)}),
                          source.symbol, std::move(weights));
  op.give(std::move(result));
}

// Before operator set 21 there is a scale and a bias for each group.
void import_group_normalization(const Operation& op) {
  const double epsilon = op.number("epsilon", 1e-5);
  op.ignore({"stash_type"});
  const Activation source = op.with_channels_last(0);
  const std::int64_t channels = source.sizes().at(0), groups = op.integer("num_groups", 0);
  if (groups < 1 || channels % groups != 0)
    op.refuse("attribute \"num_groups\" is {}, which does not divide {} channels", groups, channels);
  const auto weights_of = [&](std::size_t i) {
    const std::vector<float> values = op.floats(i);
    if (op.opset() >= 21) return channel_values(op, i, source);
    if (values.size() != static_cast<std::size_t>(groups))
      op.refuse("input {} has {} numbers; {} groups are given", i, values.size(), groups);
    std::vector<float> all;
    for (const float value : values) all.insert(all.end(), static_cast<std::size_t>(channels / groups), value);
    return vector_tensor(all);
  };
  std::vector<Tensor> weights = {weights_of(1), weights_of(2)};
  Activation result = source;
  result.is_non_negative = false;
  result.symbol = op.call(GroupNormalization({.groups = groups, .epsilon = epsilon}), source.symbol, std::move(weights));
  op.give(std::move(result));
}

// Krizhevsky et al. 2012: x / (bias + alpha * mean of x^2 over `size` neighbouring channels)^beta. The mean, of zeros beyond the first and
// the last channel, is a product with a band of numbers, the same at every place of the map.
void import_local_response_normalization(const Operation& op) {
  const double alpha = op.number("alpha", 1e-4), beta = op.number("beta", 0.75), bias = op.number("bias", 1);
  const std::int64_t size = op.integer("size", 0);
  const Activation source = op.with_channels_last(0);
  const std::int64_t channels = source.symbol.shape()[-1];
  if (size < 1) op.refuse("attribute \"size\" is {}; 1 or more is allowed", size);
  op.network().count_folded(static_cast<std::size_t>(channels * channels), op.where());
  Tensor band(Shape{channels, channels});
  const auto numbers = band.values<float>();
  for (std::int64_t to = 0; to < channels; ++to)
    for (std::int64_t from = std::max<std::int64_t>(0, to - (size - 1) / 2); from <= std::min(channels - 1, to + size / 2); ++from)
      numbers[static_cast<std::size_t>(from * channels + to)] = static_cast<float>(alpha / static_cast<double>(size));
  const Tensor offset = vector_tensor(std::vector<float>(static_cast<std::size_t>(channels), static_cast<float>(bias)));
  Activation sums = raised(op, source, 2, "square");
  sums.symbol = op.call(Dense(channels, {.trainable = false}), sums.symbol, {band, offset}, "sum");
  const SymbolicTensor factors[] = {source.symbol, raised(op, sums, -beta, "divisor").symbol};
  Activation result = source;
  result.symbol = op.call(Multiply(), factors);
  op.give(std::move(result));
}

}  // namespace linn::detail::formats::onnx
