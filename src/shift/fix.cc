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

// "MaxPooling2D 2x2, stride 2x2, valid": all that surgery may change.
std::string words(const NetworkLayer& layer) {
  std::string words = layer.class_name;
  if (layer.config.contains("pool_size") || layer.config.contains("kernel_size")) words += " " + text(layer.window());
  if (layer.config.contains("filter_size")) words += fmt::format(", filter {}", layer.config["filter_size"].get<std::int64_t>());
  if (!is_one(layer.strides())) words += ", stride " + text(layer.strides());
  if (layer.config.contains("padding") && !is_one(layer.window())) words += ", " + layer.padding();
  if (layer.config.contains("border")) words += fmt::format(", border {}", layer.border());
  if (const std::string pads = layer.config.value("pads", "zhang"); pads != "zhang") words += fmt::format(", pads {}", pads);
  return words;
}

// A softmax is a function of all classes together.
bool acts_on_rows(const std::string& activation) { return activation == "softmax" || activation == "log_softmax"; }

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
    const std::string& kind = layer.class_name;
    if (kind != "BatchNormalization" && kind != "Activation") add_waiting();
    if (flattened_ != nullptr) return behind_flatten(layer);
    if (pooled_) return keep(layer);
    convolved_ = convolved_ || kind == "Conv2D";
    if (kind == "Conv2D" || kind == "MaxPooling2D" || kind == "AveragePooling2D" || kind == "BlurPooling2D" || kind == "MaxBlurPooling2D")
      return windowed(layer);
    if (kind == "ZeroPadding2D") return changes.push_back({layer.name, kind, "nothing: the map is a ring"});
    if (kind == "Flatten") return flatten(layer);
    if (is_polyphase(kind)) count(layer.strides()), polyphase_ = true;
    if (is_global_pooling(kind)) close(layer.name);
    if (!is_polyphase(kind) && !is_global_pooling(kind) && !acts_on_pixels(kind))
      throw ValueError(
          fmt::format("[fix] no cure is known for [{} '{}']; convolutions, poolings, Flatten with Dense, and layers that treat each pixel "
                      "alone have one",
                      kind, layer.name));
    keep(layer);
  }

  // ---- strides and borders ----

  void windowed(const NetworkLayer& layer) {
    const bool blurs = layer.config.contains("border");
    NetworkLayer now = layer;
    if (now.config.contains("padding") && !is_one(now.window())) now.config["padding"] = "circular";
    if (blurs) now.config["border"] = "circular", now.config["pads"] = "zhang";
    count(layer.strides());
    if (is_one(layer.strides()) || (blurs && options_.with.kind() == Cure::blur)) {
      add(now);
      return note(layer, words(now));
    }
    if (layer.class_name == "MaxPooling2D" && options_.with.kind() == Cure::blur) {
      now = blurred(now);
      add(now);
      return note(layer, words(now));
    }
    now.config["strides"] = pair({1, 1});
    add(now);
    const NetworkLayer sampling = cure(layer);
    // A blur comes behind the normalization and relu of its convolution (Zhang 2019): blurred before, it would blur what the layer is given.
    if (layer.class_name == "Conv2D" && options_.with.kind() == Cure::blur && layer.config.value("activation", "linear") == "linear")
      waiting_ = sampling;
    else
      add(sampling);
    polyphase_ = polyphase_ || is_polyphase(sampling.class_name);
    note(layer, words(now) + " + " + words(sampling));
  }

  // A circular MaxPooling2D with a blur before its stride.
  NetworkLayer blurred(const NetworkLayer& pooling) const {
    NetworkLayer both = pooling;
    both.class_name = "MaxBlurPooling2D";
    both.config["filter_size"] = options_.filter_size;
    both.config["border"] = "circular";
    return both;
  }

  // What takes over a layer's strides.
  NetworkLayer cure(const NetworkLayer& layer) {
    NetworkLayer cure;
    cure.name = fresh_name(layer.name + "_sampling");
    cure.config = {{"name", cure.name}, {"trainable", true}, {"strides", pair(layer.strides())}};
    switch (options_.with.kind()) {
      case Cure::blur:
        cure.class_name = "BlurPooling2D";
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
    const std::string& kind = layer.class_name;
    if (kind == "Flatten") return;
    if (kind == "Dropout" || kind == "Rescaling") return keep(layer);
    const std::string activation = layer.config.value("activation", "linear");
    if (kind == "Activation" && !acts_on_rows(activation)) return keep(layer);
    if (kind == "Dense" && becomes_convolution(flattened_->input)) return convolve(layer, activation);
    close_with_global_pooling();
    keep(layer);
  }

  // Whether a window as large as the old map is small, and no larger than the ring that it now goes round.
  bool becomes_convolution(const Shape& map) const {
    return map[0] * map[1] <= largest_kernel && map[0] <= core::ceil_div(input_[0], strides_.height) &&
           map[1] <= core::ceil_div(input_[1], strides_.width);
  }

  // Row-major, a flattened map and a window of its size have their numbers in the same order.
  void convolve(const NetworkLayer& dense, const std::string& activation) {
    const Shape map = flattened_->input;
    const bool rows = acts_on_rows(activation);
    NetworkLayer convolution{.class_name = "Conv2D", .name = dense.name, .config = dense.config, .input = {}, .output = {}};
    convolution.config.erase("units");
    convolution.config["filters"] = dense.config["units"];
    convolution.config["kernel_size"] = pair({map[0], map[1]});
    convolution.config["padding"] = "circular";
    convolution.config["activation"] = rows ? "linear" : activation;
    add(convolution);
    close(dense.name);
    add("GlobalMaxPooling2D", {{"name", fresh_name(dense.name + "_best_place")}, {"trainable", true}});
    if (rows) add("Activation", {{"name", fresh_name(dense.name + "_" + activation)}, {"trainable", true}, {"activation", activation}});
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
    if (const std::string before = words(layer); before != after) changes.push_back({layer.name, before, after});
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
