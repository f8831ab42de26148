// Operators whose windows slide over a map: convolutions and poolings.
#include <algorithm>

#include "formats/onnx/affine.h"
#include "formats/onnx/operators.h"
#include "formats/onnx/weights.h"
#include "formats/onnx/window.h"
#include "linn/layers/arrange.h"
#include "linn/layers/conv.h"
#include "linn/layers/conv_transpose.h"
#include "linn/layers/depthwise_conv.h"
#include "linn/layers/pad.h"
#include "linn/layers/general_pool.h"
#include "linn/layers/pool.h"

namespace linn::detail::formats::onnx {
namespace {

// Weights (first, second, height, width) of a convolution; over steps the height is 1.
struct Kernel {
  ConstantPtr values;
  bool over_steps = false;
  std::vector<std::int64_t> dims;
  std::int64_t first = 0, second = 0;
  std::vector<std::int64_t> size;

  // linn's kernels begin with height and width, those over steps with their size.
  Tensor transposed(std::initializer_list<std::size_t> axes) const { return without_row(transposed_tensor(values->floats, dims, std::vector<std::size_t>(axes))); }
  Tensor without_row(const Tensor& weights) const { return over_steps ? weights.reshape(weights.shape().without_first()) : weights; }
};

Kernel kernel_of(const Operation& op) {
  const ConstantPtr values = op.constant(1);
  const bool over_steps = op.is_over_steps();
  const std::size_t axes = over_steps ? 3 : 4;
  if (!values->is_float || values->dims.size() != axes || values->elements() == 0)
    op.refuse("the weights have shape {}; {} sizes, 1 or more, of floating-point numbers are allowed", values->shape_text(), axes);
  Kernel kernel;
  kernel.values = values, kernel.over_steps = over_steps, kernel.dims = values->dims;
  if (over_steps) kernel.dims.insert(kernel.dims.begin() + 2, 1);
  kernel.first = kernel.dims[0], kernel.second = kernel.dims[1];
  kernel.size = {kernel.dims[2], kernel.dims[3]};
  if (list_of_axes(op, "kernel_shape", kernel.size) != kernel.size)
    op.refuse("attribute \"kernel_shape\" is {}, the weights have shape {}", to_string(op.list("kernel_shape")), values->shape_text());
  return kernel;
}

// Sizes of a map (height, width, channels); steps are a map of one row.
Shape map_shape(const Activation& source) { return source.rank() == 2 ? source.symbol.shape().with_first(1) : source.symbol.shape(); }

Layer zero_padding(const Pads2& pads, bool over_steps) { return over_steps ? Layer(ZeroPadding1D(pads.width)) : ZeroPadding2D(pads); }

// The bias of the node, or that of an Add behind it.
std::vector<float> bias_of(const Operation& op, std::int64_t filters) {
  std::vector<float> bias;
  if (op.has_input(2)) {
    bias = op.floats(2);
    if (static_cast<std::int64_t>(bias.size()) != filters)
      op.refuse("the bias has {} numbers, the weights make {} channels", bias.size(), filters);
  } else if (const auto taken = op.take_bias(filters, op.is_over_steps() ? 1 : 2)) {
    bias = *taken;
  }
  return bias;
}

// The weights (height, width, filters, channels), over steps (size, filters, channels), of a transposed convolution whose groups do not see each
// other: zeros between them.
Tensor ungrouped(const Operation& op, const Kernel& kernel, std::int64_t groups) {
  const std::int64_t channels = kernel.first, each = kernel.second, cells = kernel.size[0] * kernel.size[1], inside = channels / groups;
  const std::int64_t dims[] = {kernel.size[0], kernel.size[1], each * groups, channels};
  op.network().count_folded(static_cast<std::size_t>(element_count(dims, op.where())), op.where());
  Tensor weights{Shape(std::span<const std::int64_t>(dims))};
  const auto to = weights.values<float>();
  for (std::int64_t c = 0; c < channels; ++c)
    for (std::int64_t f = 0; f < each; ++f)
      for (std::int64_t cell = 0; cell < cells; ++cell)
        to[static_cast<std::size_t>((cell * each * groups + c / inside * each + f) * channels + c)] =
            kernel.values->floats[static_cast<std::size_t>((c * each + f) * cells + cell)];
  return kernel.without_row(weights);
}

Activation result_map(const SymbolicTensor& symbol) { return {.symbol = symbol, .order = channels_last(symbol.shape().rank())}; }

// linn's convolutions do not take strides and dilation together: every pixel is computed, and those in between are left out.
SymbolicTensor strided(const Operation& op, const SymbolicTensor& symbol, Size2 strides) {
  const Pooling2DOptions options{.strides = strides};
  return op.call(op.is_over_steps() ? Layer(MaxPooling1D(1, options)) : MaxPooling2D(1, options), symbol, {}, "stride");
}

}  // namespace

void import_conv(const Operation& op) {
  const Activation source = op.map_or_steps(0);
  const Shape map = map_shape(source);
  const bool over_steps = op.is_over_steps();
  const Kernel kernel = kernel_of(op);
  const std::int64_t channels = map[2], filters = kernel.first, groups = op.integer("group", 1);
  if (groups < 1 || channels % groups != 0 || filters % groups != 0 || kernel.second != channels / groups)
    op.refuse("weights {} and group {} do not fit a map of {} channels", kernel.values->shape_text(), groups, channels);
  const OnnxWindow window = read_window(op, kernel.size, map);
  const bool is_depthwise = groups == channels && channels > 1, is_split = !is_depthwise && window.is_dilated() && window.is_strided();
  const std::vector<float> bias = bias_of(op, filters);
  const bool is_padded = window.form == PadForm::explicit_pads || (is_split && window.form == PadForm::same);
  SymbolicTensor input = source.symbol;
  if (is_padded) input = op.call(zero_padding(window.pads(), over_steps), input, {}, "pad");
  const std::string padding(is_padded ? "valid" : window.padding());

  std::vector<Tensor> weights;
  SymbolicTensor output = input;
  if (is_depthwise) {
    // (channels * multiplier, 1, height, width) -> (height, width, channels, multiplier)
    const Tensor spread = transposed_tensor(kernel.values->floats, kernel.dims, std::vector<std::size_t>{2, 3, 0, 1});
    weights.push_back(kernel.without_row(spread.reshape({kernel.size[0], kernel.size[1], channels, filters / channels})));
    if (!bias.empty()) weights.push_back(vector_tensor(bias));
    const DepthwiseConv2DOptions options{.strides = window.strides(),
                                         .padding = padding,
                                         .depth_multiplier = filters / channels,
                                         .dilation_rate = window.dilation(),
                                         .use_bias = !bias.empty()};
    output = op.call(over_steps ? Layer(DepthwiseConv1D(window.width.size, options)) : DepthwiseConv2D(window.size(), options), input, std::move(weights));
  } else {
    weights.push_back(kernel.transposed({2, 3, 1, 0}));
    if (!bias.empty()) weights.push_back(vector_tensor(bias));
    const Conv2DOptions options{.strides = is_split ? Size2(1) : window.strides(),
                                .padding = padding,
                                .dilation_rate = window.dilation(),
                                .groups = groups,
                                .use_bias = !bias.empty()};
    output = op.call(over_steps ? Layer(Conv1D(filters, window.width.size, options)) : Conv2D(filters, window.size(), options), input, std::move(weights));
    if (is_split) output = strided(op, output, window.strides());
  }
  op.give(result_map(output));
}

void import_conv_transpose(const Operation& op) {
  const Activation source = op.map_or_steps(0);
  const Shape map = map_shape(source);
  const bool over_steps = op.is_over_steps();
  const Kernel kernel = kernel_of(op);
  const std::int64_t groups = op.integer("group", 1);
  if (groups < 1 || groups > (1 << 20) || kernel.first % groups != 0)
    op.refuse("attribute \"group\" is {}, which does not divide {} channels", groups, kernel.first);
  const std::int64_t filters = kernel.second * groups;
  if (kernel.first != map[2]) op.refuse("weights {} do not fit a map of {} channels", kernel.values->shape_text(), map[2]);
  const auto pair = [&](std::string_view name, std::vector<std::int64_t> otherwise) {
    const std::size_t count = otherwise.size();
    std::vector<std::int64_t> list = list_of_axes(op, name, std::move(otherwise));
    const auto outside = [](std::int64_t value) { return value < 0 || value > (1 << 20); };
    if (list.size() != count || std::any_of(list.begin(), list.end(), outside))
      op.refuse("attribute \"{}\" is {}; {} numbers, 0 or more, are allowed", name, to_string(list), count);
    return list;
  };
  const auto strides = pair("strides", {1, 1}), dilations = pair("dilations", {1, 1});
  std::vector<std::int64_t> extra = pair("output_padding", {0, 0});
  std::vector<std::int64_t> pads = pair("pads", {0, 0, 0, 0});
  const std::string_view auto_pad = op.text("auto_pad", "NOTSET");
  const bool is_same = auto_pad.starts_with("SAME"), has_shape = op.has("output_shape");
  if (is_same || has_shape) {
    std::vector<std::int64_t> wanted = {map[0] * strides[0], map[1] * strides[1]};
    if (map[0] == Shape::none || map[1] == Shape::none)
      op.refuse("auto_pad {} and output_shape need the size of the map, which the file leaves open", auto_pad);
    if (has_shape) wanted = list_of_axes(op, "output_shape", {});
    if (wanted.size() != 2) op.refuse("attribute \"output_shape\" is {}; two sizes are allowed", to_string(wanted));
    for (std::size_t axis = 0; axis < 2; ++axis) {
      std::int64_t total = strides[axis] * (map[static_cast<std::ptrdiff_t>(axis)] - 1) + extra[axis] +
                           (kernel.size[axis] - 1) * dilations[axis] + 1 - wanted[axis];
      if (total < 0) extra[axis] -= total, total = 0;  // cells that no window reaches
      pads[axis] = auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
      pads[axis + 2] = total - pads[axis];
    }
  } else if (auto_pad == "VALID") {
    pads = {0, 0, 0, 0};
  }
  const std::vector<float> bias = bias_of(op, filters);
  // (channels, filters, height, width) -> (height, width, filters, channels)
  std::vector<Tensor> weights = {groups == 1 ? kernel.transposed({2, 3, 1, 0}) : ungrouped(op, kernel, groups)};
  if (!bias.empty()) weights.push_back(vector_tensor(bias));
  const auto size_of = [&](const std::vector<std::int64_t>& sizes) { return over_steps ? Size2(sizes[1]) : Size2{sizes[0], sizes[1]}; };
  const Conv2DTransposeOptions options{
      .strides = size_of(strides), .output_padding = size_of(extra), .dilation_rate = size_of(dilations), .use_bias = !bias.empty()};
  const Layer layer = over_steps ? Layer(Conv1DTranspose(filters, kernel.size[1], options)) : Conv2DTranspose(filters, size_of(kernel.size), options);
  SymbolicTensor output = op.call(layer, source.symbol, std::move(weights));
  const Pads1 columns{pads[1], pads[3]};
  if (std::any_of(pads.begin(), pads.end(), [](std::int64_t pad) { return pad != 0; }))
    output = op.call(over_steps ? Layer(Cropping1D(columns)) : Cropping2D({{pads[0], pads[2]}, columns}), output, {}, "crop");
  op.give(result_map(output));
}

// ---- poolings ----------------------------------------------------------------------------------------------------

namespace {

// The window on a map with `around` it, which counts as pads of the window.
OnnxWindow pool_window(const Operation& op, const Shape& map, const Pads2& around = 0) {
  const std::vector<std::int64_t> size = list_of_axes(op, "kernel_shape", {});
  if (size.size() != 2) op.refuse("attribute \"kernel_shape\" is {}, which does not fit the axes of the map", to_string(op.list("kernel_shape")));
  const auto grown = [](std::int64_t n, const Pads1& pads) { return n == Shape::none ? n : n + pads.before + pads.after; };
  OnnxWindow window = read_window(op, size, {grown(map[0], around.height), grown(map[1], around.width), map[2]});
  if (around == Pads2(0)) return window;
  window.form = PadForm::explicit_pads;
  window.height.before += around.height.before, window.height.after += around.height.after;
  window.width.before += around.width.before, window.width.after += around.width.after;
  return window;
}

Pooling2DOptions pooling_options(const OnnxWindow& window, Padding padding) {
  return {.strides = window.strides(), .padding = std::move(padding), .dilation_rate = window.dilation()};
}

// A pooling's windows must see something of the map.
void check_pads(const Operation& op, const OnnxWindow& window) {
  for (const WindowAxis& axis : {window.height, window.width})
    if (std::max(axis.before, axis.after + axis.beyond) >= axis.extent())
      op.refuse("a pad of {} is as large as the window; windows that see nothing of the map are not supported",
                std::max(axis.before, axis.after + axis.beyond));
}

Pads2 all_pads(const OnnxWindow& window) {
  return {{window.height.before, window.height.after + window.height.beyond},
          {window.width.before, window.width.after + window.width.beyond}};
}

}  // namespace

void import_max_pool(const Operation& op) {
  op.ignore({"storage_order"});
  if (op.node().outputs.size() > 1 && !op.node().outputs[1].empty() && op.network().is_read(op.node().outputs[1]))
    op.refuse("the places of the maxima, output 1, are not supported");
  const Activation source = op.map_or_steps(0);
  const OnnxWindow window = pool_window(op, map_shape(source), source.least);
  check_pads(op, window);
  SymbolicTensor input = source.symbol;
  Padding padding = std::string(window.padding());
  if (window.form == PadForm::explicit_pads) {
    // Zeros around values that are never negative change no maximum, and Keras has that layer.
    if (source.is_non_negative)
      input = op.call(zero_padding(all_pads(window), window.over_steps), input, {}, "pad");
    else
      padding = all_pads(window);
  }
  const Pooling2DOptions options = pooling_options(window, padding);
  const Layer layer = window.over_steps ? Layer(MaxPooling1D(window.width.size, options)) : MaxPooling2D(window.size(), options);
  Activation result = result_map(op.call(layer, input));
  result.is_non_negative = source.is_non_negative;
  op.give(std::move(result));
}

void import_average_pool(const Operation& op) {
  const bool counts_pads = op.integer("count_include_pad", 0) != 0;
  const Activation source = op.map_or_steps(0);
  const OnnxWindow window = pool_window(op, map_shape(source));
  if (!counts_pads) check_pads(op, window);
  SymbolicTensor input = source.symbol;
  Padding padding = std::string(window.padding());
  if (window.form == PadForm::explicit_pads) padding = all_pads(window);
  if (counts_pads && window.pads() != Pads2(0)) {
    input = op.call(zero_padding(window.pads(), window.over_steps), input, {}, "pad");
    padding = std::string("valid");
    // What ceil_mode adds counts nowhere.
    if (window.height.beyond + window.width.beyond > 0) padding = Pads2{{0, window.height.beyond}, {0, window.width.beyond}};
  }
  const Pooling2DOptions options = pooling_options(window, padding);
  const Layer layer = window.over_steps ? Layer(AveragePooling1D(window.width.size, options)) : AveragePooling2D(window.size(), options);
  Activation result = result_map(op.call(layer, input));
  result.is_non_negative = source.is_non_negative;
  op.give(std::move(result));
}

void import_global_max_pool(const Operation& op) {
  const Activation source = op.map_or_steps(0);
  const GlobalPooling2DOptions options{.keepdims = true};
  const Layer layer = op.is_over_steps() ? Layer(GlobalMaxPooling1D(options)) : GlobalMaxPooling2D(options);
  Activation result = result_map(op.call(layer, source.symbol));
  result.is_non_negative = source.is_non_negative;
  op.give(std::move(result));
}

void import_global_average_pool(const Operation& op) {
  const Activation source = op.map_or_steps(0);
  const GlobalPooling2DOptions options{.keepdims = true};
  const Layer layer = op.is_over_steps() ? Layer(GlobalAveragePooling1D(options)) : GlobalAveragePooling2D(options);
  Activation result = result_map(op.call(layer, source.symbol));
  result.is_non_negative = source.is_non_negative;
  op.give(std::move(result));
}

namespace {

std::int64_t norm_order(const Operation& op) {
  const std::int64_t p = op.integer("p", 2);
  if (p < 1) op.refuse("attribute \"p\" is {}; 1 or more is allowed", p);
  return p;
}

Layer reshape(const Shape& to) { return Reshape(Axes(Sizes(to.begin(), to.end()))); }

SymbolicTensor as_map(const Operation& op, const Activation& source) {
  return source.rank() == 2 ? op.call(reshape(map_shape(source)), source.symbol, {}, "row") : source.symbol;
}

void give_norm(const Operation& op, const Layer& layer, const SymbolicTensor& input) {
  const bool over_steps = op.is_over_steps();
  const SymbolicTensor norm = op.call(layer, input, {}, over_steps ? "norm" : "");
  Activation result = result_map(over_steps ? op.call(reshape(norm.shape().without_first()), norm) : norm);
  result.is_non_negative = true;
  op.give(std::move(result));
}

}  // namespace

void import_lp_pool(const Operation& op) {
  const auto p = static_cast<double>(norm_order(op));
  const Activation source = op.map_or_steps(0);
  OnnxWindow window = pool_window(op, map_shape(source));
  SymbolicTensor input = as_map(op, source);
  window.over_steps = false;  // linn has no norm over steps: they are a map of one row
  Padding padding = std::string(window.padding());
  // Zeros add nothing to a norm.
  if (window.form == PadForm::explicit_pads) input = op.call(ZeroPadding2D(all_pads(window)), input, {}, "pad");
  const LpPooling2DOptions options = {.p = p, .strides = window.strides(), .padding = std::move(padding), .dilation_rate = window.dilation()};
  give_norm(op, LpPooling2D(window.size(), options), input);
}

void import_global_lp_pool(const Operation& op) {
  const auto p = static_cast<double>(norm_order(op));
  give_norm(op, GlobalLpPooling2D({.p = p, .keepdims = true}), as_map(op, op.map_or_steps(0)));
}

}  // namespace linn::detail::formats::onnx
