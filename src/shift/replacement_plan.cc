#include "shift/replacement_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/checked.h"
#include "linn/error.h"
#include "linn/layers/reshape.h"
#include "shift/scores.h"

namespace linn::shift {
namespace {

using detail::io::Json;

// A Dense on a flattened map of at most this many cells becomes a convolution with its weights.
constexpr std::int64_t largest_kernel = 64;

Json size_pair(const Size2& size) { return Json::array({size.height, size.width}); }
std::string text(const Size2& size) { return fmt::format("{}x{}", size.height, size.width); }
bool is_one(const Size2& size) { return size == Size2(1, 1); }

// "MaxPooling2D 2x2, stride 2x2, valid": the options that may change.
std::string summary_of(const std::string& class_name, const Json& config, const OnMap& on) {
  std::string summary = class_name;
  Size2 window(1, 1);
  for (const char* key : {"pool_size", "kernel_size"})
    if (const auto found = config.find(key); found != config.end()) {
      window = Size2(found->at(0).get<std::int64_t>(), found->at(1).get<std::int64_t>());
      summary += " " + text(window);
    }
  if (config.contains("pool_size") && !is_one(on.dilation)) summary += ", dilation " + text(on.dilation);
  if (config.contains("filter_size")) summary += fmt::format(", filter {}", config["filter_size"].get<std::int64_t>());
  if (!is_one(on.strides)) summary += ", stride " + text(on.strides);
  if (config.contains("padding") && config["padding"].is_string() && !is_one(window)) summary += ", " + config["padding"].get<std::string>();
  if (config.contains("border")) summary += fmt::format(", border {}", config["border"].get<std::string>());
  if (const std::string pads = config.value("pads", "zhang"); pads != "zhang") summary += fmt::format(", pads {}", pads);
  return summary;
}

std::string summary_of(const NetworkCall& call) { return summary_of(call.class_name, call.config, call.on); }

bool blurs(const NetworkCall& call) { return call.on.reduction == OnMap::blur || call.on.reduction == OnMap::max_blur; }

bool has_weights(const NetworkCall& call) { return !call.layer->declare_variables(call.input_shapes).empty(); }

// A softmax is a function of all classes together: behind a Flatten it waits for the best place.
bool acts_on_rows(ActivationKind activation) { return activation == ActivationKind::softmax || activation == ActivationKind::log_softmax; }

// The normalization and the activation of the convolution that a waiting blur belongs to.
bool stays_before_blur(const NetworkCall& call) {
  return acts_on_cells(call.on) && call.inputs.size() == 1 && call.layer->activation() != ActivationKind::unchanged;
}

// Whether the model is a Sequential, which the new one shall be too.
bool is_chain(const Model& model) {
  return detail::io::is_text(detail::io::parse_json(model.to_json(), "model configuration")["class_name"], "Sequential");
}

[[noreturn]] void refuse(const NetworkCall& call) {
  throw ValueError(fmt::format(
      "[fix] no replacement is known for [{} '{}']; convolutions, poolings, Flatten with Dense, and layers that act on each cell alone have one",
      call.class_name, call.name));
}

}  // namespace

ReplacementPlan::ReplacementPlan(const Model& model, const FixOptions& options)
    : model_(model), options_(options), sampling_(row_of(options.with)), network_((check_classifier(model), network_of(model))),
      groups_(network_, sampling_.polyphase), input_(network_.input_shape), values_(network_.calls.size()) {
  check_options();
  if (options.canvas.is_set()) input_ = {options.canvas.height, options.canvas.width, input_[2]};
  for (const NetworkCall& call : network_.calls) {
    names_.insert(call.name);
    polyphase_ = polyphase_ || call.on.kind == OnMap::polyphase;
  }
  for (std::size_t call = 0; call < network_.calls.size(); ++call) polyphase_ = polyphase_ || groups_.of(call) != nullptr;
  check_sizes();
}

void ReplacementPlan::check_options() const {
  if (options_.filter_size < 2 || options_.filter_size > 7)
    throw ValueError(fmt::format("[fix] filter_size {} came; 2 to 7 is allowed", options_.filter_size));
  if (options_.canvas.is_set() && (options_.canvas.height < input_[0] || options_.canvas.width < input_[1]))
    throw ShapeError(fmt::format("[fix] a canvas of {} came; the model takes {}, and the canvas may not be smaller", text(options_.canvas),
                                 input_.to_string()));
}

// Phases of a circular map have equal sizes only where the strides divide the map. A blur needs no equal phases.
void ReplacementPlan::check_sizes() const {
  const Size2 strides = groups_.least_multiple();
  if ((!polyphase_ && !sampling_.divides) || (input_[0] % strides.height == 0 && input_[1] % strides.width == 0)) return;
  throw ShapeError(fmt::format(
      "[fix] inputs of {0}x{1} came; with strides of {2} in all, heights and widths must be multiples of them: else phases have "
      "unequal sizes and nothing is guaranteed; lay the images onto a canvas of {3}x{4}",
      input_[0], input_[1], text(strides), detail::core::round_up(input_[0], strides.height),
      detail::core::round_up(input_[1], strides.width)));
}

Model ReplacementPlan::build() {
  const SymbolicTensor image = Input(input_, {.name = model_.input_names().front()});
  image_ = image;
  for (std::size_t call = 0; call < network_.calls.size(); ++call) rebuild(call);
  NewValue out = with_blur(value_of(network_.output));
  if (out.flattened != nullptr) out = close_with_global_pooling(std::move(out));
  const ModelOptions options{.name = model_.name(), .seed = options_.seed};
  if (!is_chain(model_)) return Model(image, out.value, options);
  std::vector<Layer> chain = {Layer(image)};
  for (const Layer& layer : in_order_) chain.push_back(layer);
  return Sequential(chain, options);
}

// ---- the walk --------------------------------------------------------------------------------------------------------

ReplacementPlan::NewValue ReplacementPlan::value_of(Source source) const {
  if (source.call == Source::image) return {.value = *image_};
  return values_[source.call][static_cast<std::size_t>(source.output)];
}

std::vector<ReplacementPlan::NewValue> ReplacementPlan::inputs_of(std::size_t call) {
  std::vector<NewValue> inputs;
  for (const Source source : network_.calls[call].inputs) {
    if (source.call != Source::image) rebuild(source.call);
    inputs.push_back(value_of(source));
  }
  return inputs;
}

void ReplacementPlan::rebuild(std::size_t call) {
  if (!values_[call].empty()) return;
  if (const StrideGroup* group = groups_.of(call)) return rebuild_group(*group);
  values_[call] = replaced(call, inputs_of(call));
}

// All windows of the group at stride 1, then one polyphase layer on all their maps. No member reads what another one gives: its list of groups
// would hold the group already.
void ReplacementPlan::rebuild_group(const StrideGroup& group) {
  std::vector<NewValue> members;
  std::vector<SymbolicTensor> maps;
  std::vector<NewLayer> windows;
  for (const std::size_t member : group.members) {
    const NetworkCall& call = network_.calls[member];
    windows.push_back(circular(call, {1, 1}));
    NewValue in = inputs_of(member).front();
    in.value = apply(windows.back(), in.value);
    in.convolved = in.convolved || has_weights(call);
    maps.push_back(in.value);
    members.push_back(std::move(in));
  }
  const NetworkCall& first = network_.calls[group.members.front()];
  const NewLayer sampling = downsampling_for(first, first.output()[2]);
  const std::vector<SymbolicTensor> sampled = apply(sampling, maps);
  for (std::size_t i = 0; i < members.size(); ++i) {
    const NetworkCall& call = network_.calls[group.members[i]];
    members[i].value = sampled[i];
    values_[group.members[i]] = {members[i]};
    std::string after = summary_of(windows[i].class_name, windows[i].config, windows[i].on) + " + " +
                        summary_of(sampling.class_name, sampling.config, sampling.on);
    if (i > 0) after += fmt::format(", the phase of {}", network_.calls[group.members.front()].name);
    note(call, after);
  }
}

std::vector<ReplacementPlan::NewValue> ReplacementPlan::replaced(std::size_t index, std::vector<NewValue> inputs) {
  const NetworkCall& call = network_.calls[index];
  if (inputs.size() == 1 && call.outputs.size() == 1) return {replaced_one(index, std::move(inputs.front()))};
  return merged(call, std::move(inputs));
}

ReplacementPlan::NewValue ReplacementPlan::replaced_one(std::size_t index, NewValue in) {
  const NetworkCall& call = network_.calls[index];
  if (!stays_before_blur(call)) in = with_blur(std::move(in));
  if (in.flattened != nullptr) return behind_flatten(call, std::move(in));
  if (in.pooled) return keep(call, std::move(in));
  switch (call.on.kind) {
    case OnMap::elementwise:
    case OnMap::pointwise: {
      NewValue out = keep(call, std::move(in));
      return call.layer->activation() == ActivationKind::linear ? out : with_blur(std::move(out));
    }
    case OnMap::polyphase: return keep(call, std::move(in));
    case OnMap::window: return window(call, std::move(in));
    case OnMap::pad: replacements.push_back({call.name, call.class_name, "nothing: borders are circular"}); return in;
    case OnMap::flatten:
      in.flattened = &call;
      in.strides = groups_.strides_at(index);
      return in;
    case OnMap::global: {
      NewValue out = keep(call, with_exact_sampling(std::move(in), call.name));
      out.pooled = true;
      return out;
    }
    case OnMap::resize:
    case OnMap::opaque: break;
  }
  refuse(call);
}

// A call of several inputs or with several outputs.
std::vector<ReplacementPlan::NewValue> ReplacementPlan::merged(const NetworkCall& call, std::vector<NewValue> inputs) {
  std::vector<SymbolicTensor> values;
  NewValue all{.value = *image_, .pooled = true};
  for (NewValue& input : inputs) {
    input = with_blur(std::move(input));
    if (input.flattened != nullptr) input = close_with_global_pooling(std::move(input));
    values.push_back(input.value);
    all.pooled = all.pooled && input.pooled;
    all.convolved = all.convolved || input.convolved;
  }
  if (!all.pooled && !acts_on_cells(call.on) && call.on.kind != OnMap::polyphase) refuse(call);
  std::vector<NewValue> outputs;
  for (const SymbolicTensor& value : apply({.class_name = call.class_name, .config = call.config, .on = call.on}, values)) {
    all.value = value;
    outputs.push_back(all);
  }
  return outputs;
}

// ---- strides and borders ---------------------------------------------------------------------------------------------

// A window that keeps its stride, or leaves it to a low-pass filter.
ReplacementPlan::NewValue ReplacementPlan::window(const NetworkCall& call, NewValue in) {
  const bool weights = has_weights(call) && call.on.reduction == OnMap::weighted_sum;
  in.convolved = in.convolved || weights;
  if (is_one(call.on.strides) || blurs(call)) {
    const NewLayer now = circular(call, call.on.strides);
    in.value = apply(now, in.value);
    note(call, summary_of(now.class_name, now.config, now.on));
    return in;
  }
  NewLayer now = circular(call, {1, 1});
  if (options_.with.kind() == Downsampling::blur && call.on.reduction == OnMap::maximum && is_one(call.on.dilation)) {
    now = blurred(call, now);
    in.value = apply(now, in.value);
    note(call, summary_of(now.class_name, now.config, now.on));
    return in;
  }
  in.value = apply(now, in.value);
  const NewLayer blur = downsampling_for(call, in.value.shape()[2]);
  note(call, summary_of(now.class_name, now.config, now.on) + " + " + summary_of(blur.class_name, blur.config, blur.on));
  in.waiting = blur;
  // Zhang 2019: a blur comes behind the normalization and relu of its convolution. Blurred before, it would blur the layer's input.
  const bool waits = weights && call.layer->activation() == ActivationKind::linear;
  return waits ? in : with_blur(std::move(in));
}

// The layer with circular borders and these strides. Throws ValueError where its configuration has no such options.
ReplacementPlan::NewLayer ReplacementPlan::circular(const NetworkCall& call, const Size2& strides) const {
  Json config = call.config;
  if (config.contains("strides")) config["strides"] = size_pair(strides);
  if (config.contains("padding") && !(is_one(call.on.size) && !has_pads(call.on))) config["padding"] = "circular";
  config.erase("ceil_mode");  // circular pads leave nothing over at the end
  if (config.contains("border")) config["border"] = "circular";
  if (config.contains("pads")) config["pads"] = "zhang";
  const OnMap on = detail::layers::layer_from_config(call.class_name, config, call.name)->on_map(call.input_shapes);
  if (on.strides != strides || (!is_one(on.size) && on.fill != OnMap::circular))
    throw ValueError(
        fmt::format("[fix] [{} '{}'] has no circular form: its windows see the border ({})", call.class_name, call.name, call.on.border));
  return {.class_name = call.class_name, .config = std::move(config), .on = on};
}

// A circular pooling of maxima with a blur before its stride.
ReplacementPlan::NewLayer ReplacementPlan::blurred(const NetworkCall& call, const NewLayer& pooling) const {
  NewLayer both = {.class_name = "MaxBlurPooling2D", .config = pooling.config, .on = pooling.on};
  both.config["strides"] = size_pair(call.on.strides);
  both.config["filter_size"] = options_.filter_size;
  both.config["border"] = "circular";
  both.on.strides = call.on.strides;
  return both;
}

// The layer that takes over a window's strides on a map of so many channels.
ReplacementPlan::NewLayer ReplacementPlan::downsampling_for(const NetworkCall& call, std::int64_t channels) {
  NewLayer layer{.class_name = std::string(sampling_.class_name), .config = {}};
  layer.on = {.kind = sampling_.polyphase ? OnMap::polyphase : OnMap::window, .strides = call.on.strides};
  layer.config = {{"name", fresh_name(call.name + "_sampling")}, {"trainable", true}, {"strides", size_pair(call.on.strides)}};
  sampling_.configure(layer.config, options_, channels);
  samplings.insert(layer.name());
  return layer;
}

ReplacementPlan::NewValue ReplacementPlan::with_blur(NewValue in) {
  if (in.waiting) in.value = apply(*in.waiting, in.value);
  in.waiting.reset();
  return in;
}

// ---- heads -----------------------------------------------------------------------------------------------------------

// A layer between Flatten and Dense, or the Dense.
ReplacementPlan::NewValue ReplacementPlan::behind_flatten(const NetworkCall& call, NewValue in) {
  const Shape& map = in.flattened->input();
  const OnMap::Kind on_the_map = call.layer->on_map({&map, 1}).kind;
  if (on_the_map == OnMap::flatten) return in;
  if (on_the_map == OnMap::elementwise) return keep(call, std::move(in));
  if (const Json as_window = call.layer->as_window({map[0], map[1]}, call.name); !as_window.is_null() && becomes_convolution(map, in.strides))
    return convolve(call, std::move(in), as_window);
  return keep(call, close_with_global_pooling(std::move(in)));
}

// A window of the old map's size must be small and no larger than the circular map that it slides over.
bool ReplacementPlan::becomes_convolution(const Shape& map, const Size2& strides) const {
  return map[0] * map[1] <= largest_kernel && map[0] <= detail::core::ceil_div(input_[0], strides.height) &&
         map[1] <= detail::core::ceil_div(input_[1], strides.width);
}

// Row-major, a flattened map and a window of its size have their numbers in the same order.
ReplacementPlan::NewValue ReplacementPlan::convolve(const NetworkCall& dense, NewValue in, const Json& as_window) {
  const Shape map = in.flattened->input();
  const bool rows = acts_on_rows(dense.layer->activation());
  NewLayer convolution{.class_name = as_window["class_name"].get<std::string>(), .config = as_window["config"]};
  convolution.config["padding"] = "circular";
  if (rows) convolution.config["activation"] = "linear";
  in.value = apply(convolution, in.value);
  in = with_exact_sampling(std::move(in), dense.name);
  in.value = apply({.class_name = "GlobalMaxPooling2D", .config = {{"name", fresh_name(dense.name + "_best_place")}, {"trainable", true}}}, in.value);
  if (rows) {
    const Json& activation = dense.config["activation"];
    const std::string name = fresh_name(fmt::format("{}_{}", dense.name, activation.is_string() ? activation.get<std::string>() : "activation"));
    in.value = apply({.class_name = "Activation", .config = {{"name", name}, {"trainable", true}, {"activation", activation}}}, in.value);
  }
  replacements.push_back({in.flattened->name, in.flattened->class_name, "nothing"});
  replacements.push_back({dense.name, fmt::format("{} on {}x{}x{} numbers", dense.class_name, map[0], map[1], map[2]),
                          fmt::format("{} {}x{} with its weights, circular + GlobalMaxPooling2D", convolution.class_name, map[0], map[1])});
  in.flattened = nullptr;
  in.pooled = true;
  return in;
}

ReplacementPlan::NewValue ReplacementPlan::close_with_global_pooling(NewValue in) {
  const NetworkCall& flatten = *in.flattened;
  if (!in.convolved)
    throw ValueError(fmt::format("[fix] {} comes before any convolution: a global pooling would leave only the largest value of each channel of "
                                 "the image; put a Conv2D first",
                                 fmt::format("[{} '{}']", flatten.class_name, flatten.name)));
  in = with_exact_sampling(std::move(in), flatten.name);
  in.value = apply({.class_name = "GlobalMaxPooling2D", .config = {{"name", flatten.name}, {"trainable", true}}}, in.value);
  replacements.push_back({flatten.name, flatten.class_name, "GlobalMaxPooling2D"});
  in.flattened = nullptr;
  in.pooled = true;
  return in;
}

// Called before a global pooling. A network without strides has no polyphase layer yet. One of stride 1 costs little and restricts inference to
// kernels that round alike at all places.
ReplacementPlan::NewValue ReplacementPlan::with_exact_sampling(NewValue in, const std::string& before) {
  if (polyphase_ || !sampling_.polyphase) return in;
  polyphase_ = true;
  const Json config = {{"name", fresh_name("exact_sampling")}, {"trainable", true}, {"strides", size_pair({1, 1})}};
  in.value = apply({.class_name = "AdaptivePolyphaseSampling2D", .config = config}, in.value);
  replacements.push_back({before, "rounding that depends on places", "AdaptivePolyphaseSampling2D, stride 1x1 before it"});
  return in;
}

// ---- calls -----------------------------------------------------------------------------------------------------------

ReplacementPlan::NewValue ReplacementPlan::keep(const NetworkCall& call, NewValue in) {
  in.value = apply({.class_name = call.class_name, .config = call.config, .on = call.on}, in.value);
  return in;
}

SymbolicTensor ReplacementPlan::apply(const NewLayer& layer, const SymbolicTensor& input) { return apply(layer, std::vector{input}).front(); }

// A layer of the old network that is called several times is one layer in the new one too.
std::vector<SymbolicTensor> ReplacementPlan::apply(const NewLayer& layer, const std::vector<SymbolicTensor>& inputs) {
  const std::string name = layer.name();
  auto found = layers_.find(name);
  if (found == layers_.end()) {
    found = layers_.emplace(name, Layer(detail::layers::layer_from_config(layer.class_name, layer.config, name))).first;
    in_order_.push_back(found->second);
  }
  return found->second.call(inputs);
}

void ReplacementPlan::note(const NetworkCall& call, const std::string& after) {
  if (const std::string before = summary_of(call); before != after) replacements.push_back({call.name, before, after});
}

std::string ReplacementPlan::fresh_name(const std::string& wanted) {
  std::string name = wanted;
  for (int i = 1; !names_.insert(name).second; ++i) name = fmt::format("{}_{}", wanted, i);
  return name;
}

}  // namespace linn::shift
