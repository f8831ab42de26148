#include "linn/fix.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "core/checked.h"
#include "io/json.h"
#include "linn/certificate.h"
#include "linn/error.h"
#include "shift/border.h"
#include "shift/network.h"
#include "shift/scores.h"

namespace linn::shift {
namespace {

using io::Json;

Json pair(const Size2& size) { return Json::array({size.height, size.width}); }
std::string text(const Size2& size) { return fmt::format("{}x{}", size.height, size.width); }
bool is_one(const Size2& size) { return size == Size2(1, 1); }

// A Dense on a flattened map of no more pixels than this becomes a convolution with its weights.
constexpr std::int64_t largest_kernel = 64;

// "MaxPooling2D 2x2, stride 2x2, valid": the options that may change.
std::string summary_of(const NetworkLayer& layer) {
  std::string summary = layer.class_name;
  Size2 window(1, 1);
  for (const char* key : {"pool_size", "kernel_size"})
    if (const auto found = layer.config.find(key); found != layer.config.end()) {
      window = Size2(found->at(0).get<std::int64_t>(), found->at(1).get<std::int64_t>());
      summary += " " + text(window);
    }
  if (layer.config.contains("filter_size")) summary += fmt::format(", filter {}", layer.config["filter_size"].get<std::int64_t>());
  if (!is_one(layer.on.strides)) summary += ", stride " + text(layer.on.strides);
  if (layer.config.contains("padding") && !is_one(window)) summary += ", " + layer.config["padding"].get<std::string>();
  if (layer.config.contains("border")) summary += fmt::format(", border {}", layer.config["border"].get<std::string>());
  if (const std::string pads = layer.config.value("pads", "zhang"); pads != "zhang") summary += fmt::format(", pads {}", pads);
  return summary;
}

bool blurs(const NetworkLayer& layer) { return layer.on.reduction == OnMap::blur || layer.on.reduction == OnMap::max_blur; }

bool has_weights(const NetworkLayer& layer) { return !layer.layer->declare_variables({&layer.input, 1}).empty(); }

// The layer with circular borders and these strides. Throws ValueError where its configuration has no such options.
NetworkLayer circular(const NetworkLayer& layer, const Size2& strides) {
  io::Json config = layer.config;
  if (config.contains("strides")) config["strides"] = pair(strides);
  if (config.contains("padding") && !(is_one(layer.on.size) && !has_pads(layer.on))) config["padding"] = "circular";
  if (config.contains("border")) config["border"] = "circular";
  if (config.contains("pads")) config["pads"] = "zhang";
  NetworkLayer changed = layer_from(layer.class_name, config, layer.input);
  if (changed.on.strides != strides || (!is_one(changed.on.size) && changed.on.fill != OnMap::circular))
    throw ValueError(fmt::format("[fix] [{} '{}'] has no circular form: its windows see the border ({})", layer.class_name, layer.name,
                                 layer.on.border));
  return changed;
}

// A softmax is a function of all classes together: behind a Flatten it waits for the best place.
bool acts_on_rows(ActivationKind activation) { return activation == ActivationKind::softmax || activation == ActivationKind::log_softmax; }

// Walks the old network once and writes the new one beside it.
class Surgery {
 public:
  Surgery(const Sequential& model, const FixOptions& options) : options_(options), old_(layers_of(model)), input_(model.input_shape()) {
    check_classifier(model);
    if (options.filter_size < 2 || options.filter_size > 7)
      throw ValueError(fmt::format("[fix] filter_size {} came; 2 to 7 is allowed", options.filter_size));
    if (options.canvas.is_set()) {
      if (options.canvas.height < input_[0] || options.canvas.width < input_[1])
        throw ShapeError(fmt::format("[fix] a canvas of {} came; the model takes {}, and the canvas may not be smaller",
                                     text(options.canvas), input_.to_string()));
      input_ = {options.canvas.height, options.canvas.width, input_[2]};
    }
    for (const NetworkLayer& layer : old_) names_.insert(layer.name);
  }

  void operate() {
    for (const NetworkLayer& layer : old_) treat(layer);
    add_waiting();
    if (flattened_ != nullptr) close_with_global_pooling();
    check_sizes();
  }

  const Shape& input() const { return input_; }
  Json take_layers() { return std::move(layers_); }

  std::vector<Change> changes;

 private:
  void treat(const NetworkLayer& layer) {
    if (!stays_before_blur(layer)) add_waiting();
    if (flattened_ != nullptr) return behind_flatten(layer);
    if (pooled_) return keep(layer);
    switch (layer.on.kind) {
      case OnMap::elementwise:
      case OnMap::pointwise: break;
      case OnMap::window: convolved_ = convolved_ || has_weights(layer); return windowed(layer);
      case OnMap::pad: return changes.push_back({layer.name, layer.class_name, "nothing: the map is a ring"});
      case OnMap::flatten: return flatten(layer);
      case OnMap::polyphase:
        count(layer.on.strides);
        polyphase_ = true;
        break;
      case OnMap::global: close(layer.name); break;
      case OnMap::resize:
      case OnMap::opaque:
        throw ValueError(
            fmt::format("[fix] no cure is known for [{} '{}']; convolutions, poolings, Flatten with Dense, and layers that treat each pixel "
                        "alone have one",
                        layer.class_name, layer.name));
    }
    keep(layer);
    if (waiting_ && layer.layer->activation() != ActivationKind::linear) add_waiting();
  }

  // The normalization and the activation of the convolution that the waiting blur belongs to.
  bool stays_before_blur(const NetworkLayer& layer) const {
    const ActivationKind activation = layer.layer->activation();
    return acts_on_cells(layer.on) && activation != ActivationKind::unchanged;
  }

  // ---- strides and borders ----

  void windowed(const NetworkLayer& layer) {
    const bool blur = options_.with.kind() == Cure::blur;
    count(layer.on.strides);
    if (is_one(layer.on.strides) || (blurs(layer) && blur)) {
      const NetworkLayer now = circular(layer, layer.on.strides);
      add(now);
      return note(layer, summary_of(now));
    }
    NetworkLayer now = circular(layer, {1, 1});
    if (layer.on.reduction == OnMap::maximum && blur) {
      now = blurred(layer, now);
      add(now);
      return note(layer, summary_of(now));
    }
    add(now);
    const NetworkLayer sampling = cure(layer);
    // A blur comes behind the normalization and relu of its convolution (Zhang 2019): blurred before, it would blur what the layer is given.
    if (has_weights(layer) && blur && layer.layer->activation() == ActivationKind::linear)
      waiting_ = sampling;
    else
      add(sampling);
    polyphase_ = polyphase_ || sampling.on.kind == OnMap::polyphase;
    note(layer, summary_of(now) + " + " + summary_of(sampling));
  }

  // A circular pooling of maxima with a blur before its stride.
  NetworkLayer blurred(const NetworkLayer& layer, const NetworkLayer& pooling) const {
    Json config = pooling.config;
    config["strides"] = pair(layer.on.strides);
    config["filter_size"] = options_.filter_size;
    config["border"] = "circular";
    return layer_from("MaxBlurPooling2D", config, pooling.input);
  }

  // The layer that takes over a layer's strides.
  NetworkLayer cure(const NetworkLayer& layer) {
    NetworkLayer cure;
    cure.name = fresh_name(layer.name + "_sampling");
    cure.on = {.kind = OnMap::polyphase, .strides = layer.on.strides};
    cure.config = {{"name", cure.name}, {"trainable", true}, {"strides", pair(layer.on.strides)}};
    switch (options_.with.kind()) {
      case Cure::blur:
        cure.class_name = "BlurPooling2D";
        cure.on.kind = OnMap::window;
        cure.config["filter_size"] = options_.filter_size;
        cure.config["border"] = "circular";
        break;
      case Cure::aps: cure.class_name = "AdaptivePolyphaseSampling2D"; break;
      case Cure::lps:
        cure.class_name = "LearnablePolyphaseSampling2D";
        cure.config["anneal_steps"] = options_.anneal_steps;
        break;
    }
    return cure;
  }

  void add_waiting() {
    if (waiting_) add(*waiting_);
    waiting_.reset();
  }

  void count(const Size2& strides) {
    const auto height = core::checked_mul(strides_.height, strides.height), width = core::checked_mul(strides_.width, strides.width);
    if (!height || !width) throw ValueError("[fix] the product of all strides is too large to count");
    strides_ = {*height, *width};
  }

  // ---- the head ----

  void flatten(const NetworkLayer& layer) {
    if (layer.input.rank() != 3) return keep(layer);  // flat already
    flattened_ = &layer;
  }

  // What comes between Flatten and Dense, and the Dense.
  void behind_flatten(const NetworkLayer& layer) {
    const Shape& map = flattened_->input;
    const OnMap::Kind on_the_map = layer.layer->on_map({&map, 1}).kind;
    if (on_the_map == OnMap::flatten) return;
    if (on_the_map == OnMap::elementwise) return keep(layer);
    if (const Json window = layer.layer->as_window({map[0], map[1]}, layer.name); !window.is_null() && becomes_convolution(map))
      return convolve(layer, window);
    close_with_global_pooling();
    keep(layer);
  }

  // Whether a window as large as the old map is small, and no larger than the ring that it now goes round.
  bool becomes_convolution(const Shape& map) const {
    return map[0] * map[1] <= largest_kernel && map[0] <= core::ceil_div(input_[0], strides_.height) &&
           map[1] <= core::ceil_div(input_[1], strides_.width);
  }

  // Row-major, a flattened map and a window of its size have their numbers in the same order.
  void convolve(const NetworkLayer& dense, const Json& window) {
    const Shape map = flattened_->input;
    const bool rows = acts_on_rows(dense.layer->activation());
    Json config = window["config"];
    config["padding"] = "circular";
    if (rows) config["activation"] = "linear";
    add(window["class_name"].get<std::string>(), config);
    close(dense.name);
    add("GlobalMaxPooling2D", {{"name", fresh_name(dense.name + "_best_place")}, {"trainable", true}});
    if (rows) {
      const Json& activation = dense.config["activation"];
      const std::string name = fresh_name(fmt::format("{}_{}", dense.name, activation.is_string() ? activation.get<std::string>() : "activation"));
      add("Activation", {{"name", name}, {"trainable", true}, {"activation", activation}});
    }
    changes.push_back({flattened_->name, "Flatten", "nothing"});
    changes.push_back({dense.name, fmt::format("Dense on {}x{}x{} numbers", map[0], map[1], map[2]),
                       fmt::format("Conv2D {}x{} with its weights, circular + GlobalMaxPooling2D", map[0], map[1])});
    flattened_ = nullptr;
  }

  void close_with_global_pooling() {
    if (!convolved_)
      throw ValueError(fmt::format("[fix] [Flatten '{}'] comes before any convolution: the largest value of each channel of the image itself is all that a global pooling would "
                                   "leave; put a Conv2D first",
                                   flattened_->name));
    close(flattened_->name);
    add("GlobalMaxPooling2D", {{"name", flattened_->name}, {"trainable", true}});
    changes.push_back({flattened_->name, "Flatten", "GlobalMaxPooling2D"});
    flattened_ = nullptr;
  }

  // A global pooling follows. A network without strides has chosen no phase; choosing the only one of stride 1 costs little and makes
  // inference leave out kernels that round otherwise at another place.
  void close(const std::string& layer) {
    pooled_ = true;
    if (polyphase_ || options_.with.kind() == Cure::blur) return;
    add("AdaptivePolyphaseSampling2D", {{"name", fresh_name("exact_sampling")}, {"trainable", true}, {"strides", pair({1, 1})}});
    changes.push_back({layer, "rounding that depends on places", "AdaptivePolyphaseSampling2D, stride 1x1 before it"});
    polyphase_ = true;
  }

  // ---- what all do ----

  void add(std::string_view class_name, Json config) {
    layers_.push_back(
        {{"module", "keras.layers"}, {"class_name", class_name}, {"config", std::move(config)}, {"registered_name", nullptr}});
  }
  void add(const NetworkLayer& layer) { add(layer.class_name, layer.config); }
  void keep(const NetworkLayer& layer) { add(layer); }
  void note(const NetworkLayer& layer, const std::string& after) {
    if (const std::string before = summary_of(layer); before != after) changes.push_back({layer.name, before, after});
  }

  std::string fresh_name(const std::string& wanted) {
    std::string name = wanted;
    for (int i = 1; !names_.insert(name).second; ++i) name = fmt::format("{}_{}", wanted, i);
    return name;
  }

  // A ring of a size that no stride divides has a seam, over which no choice of phase moves. A blur promises nothing there either way.
  void check_sizes() const {
    if (!polyphase_ || (input_[0] % strides_.height == 0 && input_[1] % strides_.width == 0)) return;
    const std::int64_t height = core::ceil_div(input_[0], strides_.height) * strides_.height,
                       width = core::ceil_div(input_[1], strides_.width) * strides_.width;
    throw ShapeError(
        fmt::format("[fix] inputs of {0}x{1} came; with strides of {2} in all, heights and widths must be multiples of them, for a map "
                    "that a stride does not "
                    "divide has a seam where it closes, and nothing would be guaranteed; lay the images onto a canvas of {3}x{4} (canvas = "
                    "{{{3}, {4}}}, --canvas {3}x{4})",
                    input_[0], input_[1], text(strides_), height, width));
  }

  const FixOptions& options_;
  std::vector<NetworkLayer> old_;
  Shape input_;
  std::set<std::string> names_;  // of layers, old and new
  Json layers_ = Json::array();
  Size2 strides_ = {1, 1};                   // all together
  bool polyphase_ = false;                   // the new network chooses phases
  std::optional<NetworkLayer> waiting_;        // a blur that comes behind the next layers that treat each pixel alone
  bool convolved_ = false;                     // a convolution has come
  const NetworkLayer* flattened_ = nullptr;  // a Flatten whose Dense has not come yet
  bool pooled_ = false;                      // a global pooling has come: nothing behind it knows places
};

Json new_config(const Sequential& model, Surgery& surgery) {
  Json json = io::parse_json(model.to_json(), "model configuration");
  Json input = Json::array({nullptr});
  for (const std::int64_t size : surgery.input()) input.push_back(size);
  Json& config = json["config"];
  Json layers = Json::array();
  Json first = config["layers"][0];
  first["config"]["batch_shape"] = input;
  layers.push_back(std::move(first));
  for (Json& layer : surgery.take_layers()) layers.push_back(std::move(layer));
  config["layers"] = std::move(layers);
  config["build_input_shape"] = input;
  json.erase("compile_config");
  return json;
}

// Values go by name; a Dense's to the convolution that it became.
void move_weights(const Sequential& from, Fixed& to) {
  std::map<std::string, Tensor> old;
  for (auto& [name, value] : from.named_weights()) old.emplace(name, value);
  auto weights = to.model.named_weights();
  for (auto& [name, value] : weights) {
    const auto found = old.find(name);
    const bool fits = found != old.end() && found->second.elements() == value.elements() && found->second.shape()[-1] == value.shape()[-1];
    if (fits) value = found->second.reshape(value.shape());
    (fits ? to.kept : to.fresh).push_back(name);
  }
  to.model.set_named_weights(weights);
}

void check_task(const Sequential& before, const Sequential& after) {
  if (before.output_shape() == after.output_shape()) return;
  throw ValueError(
      fmt::format("[fix] the model's {} values are places of its last map, of which {} would be left; let it end with Dense(classes)",
                  before.output_shape().elements(), after.output_shape().elements()));
}

std::string nothing_to_mend(const Sequential& model, const Cure& with) {
  const std::optional<std::string> reason = why_not_invariant(model);
  if (!reason) return "[fix] nothing in this model depends on where the image lies; there is nothing to mend";
  return fmt::format("[fix] there is nothing left to mend with {}: {}", with.name(), *reason);
}

}  // namespace

Cure::Cure(const std::string& name) : kind_(static_cast<Kind>(name_among("cure", name, names))) {}

Fixed fix(const Sequential& model, const FixOptions& options) {
  Surgery surgery(model, options);
  surgery.operate();
  if (surgery.changes.empty()) throw ValueError(nothing_to_mend(model, options.with));
  Fixed fixed{.model = Sequential::from_json(new_config(model, surgery).dump(), {.seed = options.seed}),
              .changes = std::move(surgery.changes),
              .kept = {},
              .fresh = {}};
  check_task(model, fixed.model);
  fixed.model.metadata() = model.metadata();
  move_weights(model, fixed);
  return fixed;
}

}  // namespace linn::shift
