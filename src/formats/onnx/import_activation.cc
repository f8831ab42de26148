// Functions of each element alone, or along an axis.
#include <algorithm>
#include <cmath>
#include <limits>

#include "formats/onnx/affine.h"
#include "formats/onnx/operators.h"
#include "formats/onnx/patterns.h"
#include "formats/onnx/weights.h"
#include "linn/layers/activation.h"
#include "linn/layers/activation_layers.h"

namespace linn::detail::formats::onnx {
namespace {

using Apply = linn::Activation;  // the layer; onnx::Activation is a value


void activate(const Operation& op, const ActivationFunction& function, bool is_non_negative = false) {
  Activation result = op.elementwise(Apply(function), op.input(0));
  result.is_non_negative = is_non_negative;
  op.give(std::move(result));
}

}  // namespace

void import_relu(const Operation& op) { activate(op, "relu", true); }
void import_selu(const Operation& op) {
  const double alpha = op.number("alpha", 1.6732632423543772), gamma = op.number("gamma", 1.0507009873554805);
  if (static_cast<float>(alpha) == 1.6732632423543772F && static_cast<float>(gamma) == 1.0507009873554805F) return activate(op, "selu");
  const Activation inner = op.elementwise(ELU({.alpha = alpha}), op.input(0), "elu");
  op.give(scaled(op, inner, gamma, 0));
}
void import_mish(const Operation& op) { activate(op, "mish"); }
void import_sigmoid(const Operation& op) {
  if (!take_product_with_input(op)) return activate(op, "sigmoid", true);
  activate(op, "silu");
}
void import_hard_swish(const Operation& op) { activate(op, "hard_silu"); }
void import_tanh(const Operation& op) { activate(op, "tanh"); }
void import_softplus(const Operation& op) { activate(op, "softplus", true); }
void import_softsign(const Operation& op) { activate(op, "softsign"); }
void import_exponential(const Operation& op) { activate(op, "exponential", true); }
void import_celu(const Operation& op) { activate(op, activations::celu({.alpha = op.number("alpha", 1)})); }
void import_thresholded_relu(const Operation& op) {
  activate(op, activations::threshold({.threshold = op.number("alpha", 1), .default_value = 0}));
}

void import_erf(const Operation& op) { op.refuse("is supported as a part of x * (1 + erf(x / sqrt(2))) / 2 only"); }

void import_leaky_relu(const Operation& op) {
  op.give(op.elementwise(LeakyReLU({.negative_slope = op.number("alpha", 0.01)}), op.input(0)));
}
void import_elu(const Operation& op) { op.give(op.elementwise(ELU({.alpha = op.number("alpha", 1)}), op.input(0))); }

void import_gelu(const Operation& op) {
  const std::string_view form = op.text("approximate", "none");
  if (form != "none" && form != "tanh") op.refuse("attribute \"approximate\" is \"{}\"; none and tanh are allowed", form);
  activate(op, activations::gelu({.approximate = form == "tanh"}));
}

void import_shrink(const Operation& op) {
  const double bias = op.number("bias", 0), threshold = op.number("lambd", 0.5);
  if (bias == 0)
    activate(op, activations::hard_shrink({.threshold = threshold}));
  else if (bias == threshold)
    activate(op, activations::soft_shrink({.threshold = threshold}));
  else
    op.refuse("attributes \"bias\" {} and \"lambd\" {}; equal ones, or a bias of 0, are supported", bias, threshold);
}

// linn's is clip(x / 6 + 1/2); alpha * x + beta = (6 * alpha * x + 6 * beta - 3) / 6 + 1/2.
void import_hard_sigmoid(const Operation& op) {
  const double alpha = op.number("alpha", 0.2), beta = op.number("beta", 0.5);
  const bool is_own = std::abs(alpha - 1.0 / 6) < 1e-7 && beta == 0.5;
  if (is_own && take_product_with_input(op)) return activate(op, "hard_silu");
  const Activation inner = is_own ? op.input(0) : scaled(op, op.input(0), 6 * alpha, 6 * beta - 3, "scale");
  Activation result = op.elementwise(Apply("hard_sigmoid"), inner);
  result.is_non_negative = true;
  op.give(std::move(result));
}

void import_prelu(const Operation& op) {
  Activation source = op.network().straight(op.input(0), op.base_name());
  const ConstantPtr slope = op.constant(1);
  const Sizes sizes = source.sizes();
  if (!slope->is_float || slope->dims.size() > sizes.size() + 1)
    op.refuse("the slope has shape {}; it must broadcast to (N, {}", slope->shape_text(), to_string(sizes).substr(1));
  Sizes dims = slope->dims;
  dims.insert(dims.begin(), sizes.size() + 1 - dims.size(), 1);
  bool fits = dims[0] == 1;
  std::vector<std::int64_t> shared;
  std::vector<std::size_t> axes(sizes.size());  // of the slope, by linn's axes
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    fits = fits && (dims[i + 1] == 1 || dims[i + 1] == sizes[i]);
    axes[source.order[i]] = i + 1;
    if (dims[i + 1] == 1) shared.push_back(static_cast<std::int64_t>(source.order[i]) + 1);
  }
  if (!fits) op.refuse("the slope has shape {}; it must broadcast to (N, {}", slope->shape_text(), to_string(sizes).substr(1));
  std::sort(shared.begin(), shared.end());
  Activation result = source;
  result.is_non_negative = false;
  result.symbol = op.call(PReLU({.shared_axes = Axes(std::move(shared))}), source.symbol, {transposed_tensor(slope->floats, dims, axes)});
  op.give(std::move(result));
}

// ---- limits ------------------------------------------------------------------------------------------------------

Activation clipped(const Operation& op, const Activation& source, double low, double high) {
  const bool has_low = low > -3e38, has_high = high < 3e38;
  if (low > high) return scaled(op, source, 0, high);  // the upper limit is taken last
  Activation result = source;
  if (!has_low && !has_high) return result;
  if (low == 0) {
    const Layer layer = !has_high ? Layer(Apply("relu")) : high == 6 ? Layer(Apply("relu6")) : Layer(ReLU({.max_value = high}));
    result = op.elementwise(layer, source);
  } else if (low == -1 && high == 1) {
    result = op.elementwise(Apply("hard_tanh"), source);
  } else if (has_low) {  // relu(x - low), limited to high - low, + low
    const Layer layer = has_high ? Layer(ReLU({.max_value = high - low})) : Layer(Apply("relu"));
    result = scaled(op, op.elementwise(layer, scaled(op, source, 1, -low, "from"), "limit"), 1, low);
  } else {  // high - relu(high - x)
    result = scaled(op, op.elementwise(Apply("relu"), scaled(op, source, -1, high, "from"), "limit"), -1, high);
  }
  result.is_non_negative = low >= 0;
  return result;
}

void import_clip(const Operation& op) {
  const auto limit = [&](const char* name, std::size_t input, double otherwise) {
    if (op.opset() < 11) return op.number(name, otherwise);
    if (!op.has_input(input)) return otherwise;
    const ConstantPtr found = op.constant(input);
    if (!found->is_scalar()) op.refuse("input {} has shape {}; one number is allowed", input, found->shape_text());
    return found->number(0);
  };
  op.give(clipped(op, op.input(0), limit("min", 1, -infinity), limit("max", 2, infinity)));
}

// ---- along an axis -----------------------------------------------------------------------------------------------

namespace {

// Before operator set 13 all axes from `axis` on are taken together.
void import_softmax_kind(const Operation& op, bool is_log) {
  Activation source = op.input(0);
  const std::size_t rank = source.rank() + 1, first = op.axis(op.integer("axis", op.opset() < 13 ? 1 : -1), rank);
  const std::size_t last = op.opset() < 13 ? rank - 1 : first;
  if (first == 0) op.refuse("along the batch axis is not supported");
  std::vector<std::int64_t> axes;
  for (std::size_t i = first; i <= last; ++i) axes.push_back(static_cast<std::int64_t>(source.order[i - 1]) + 1);
  std::sort(axes.begin(), axes.end());
  const bool is_last = axes.size() == 1 && axes[0] == static_cast<std::int64_t>(source.rank());
  const Axes along = is_last ? Axes(-1) : Axes(std::move(axes));
  const Layer layer = is_log ? Layer(Apply(activations::log_softmax({.axis = along}))) : Layer(Softmax({.axis = along}));
  source = op.elementwise(layer, source);
  source.is_non_negative = !is_log;
  op.give(std::move(source));
}

}  // namespace

void import_softmax(const Operation& op) { import_softmax_kind(op, false); }
void import_log_softmax(const Operation& op) { import_softmax_kind(op, true); }

// ---- nothing in inference ----------------------------------------------------------------------------------------

void import_identity(const Operation& op) { op.give(op.input(0)); }

void import_dropout(const Operation& op) {
  op.ignore({"seed", "is_test"});
  double rate = op.number("ratio", 0.5);
  if (op.opset() >= 12 && op.is_constant(1)) rate = op.constant(1)->is_scalar() ? op.constant(1)->number(0) : -1;
  if (op.is_constant(2) && op.constant(2)->is_scalar() && op.constant(2)->number(0) != 0)
    op.refuse("input 2, training_mode, is true; export the model for inference");
  if (!(rate >= 0 && rate <= 1)) op.refuse("the ratio is {}; 0 to 1 is allowed", rate);
  if (op.node().outputs.size() > 1 && op.network().is_read(op.node().outputs[1])) op.refuse("the mask, output 1, is not supported");
  const Activation source = op.input(0);
  if (rate == 0 || rate == 1) return op.give(source);
  Activation result = op.elementwise(Dropout(rate), source);
  result.is_non_negative = source.is_non_negative;
  op.give(std::move(result));
}

}  // namespace linn::detail::formats::onnx
