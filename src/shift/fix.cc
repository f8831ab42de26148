#include "linn/fix.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <utility>

#include "core/did_you_mean.h"
#include "io/json.h"
#include "linn/error.h"
#include "shift/network.h"

namespace linn::shift {
namespace {

using io::Json;

Json pair(const Size2& size) { return Json::array({size.height, size.width}); }
std::string text(const Size2& size) { return fmt::format("{}x{}", size.height, size.width); }
bool is_one(const Size2& size) { return size == Size2(1, 1); }

// A Dense on a flattened map of no more pixels than this becomes a convolution with its weights.
constexpr std::int64_t largest_kernel = 64;

// Walks the old network once and writes the new one beside it.
class Surgery {
 public:
  Surgery(const Sequential& model, const FixOptions& options) : options_(options), old_(layers_of(model)), input_(model.input_shape()) {
    if (input_.rank() != 3)
      throw ShapeError(fmt::format("[fix] the model takes {}; images (height, width, channels) are needed", input_.to_string()));
    if (options.filter_size < 2 || options.filter_size > 7)
      throw ValueError(fmt::format("[fix] filter_size {} came; 2 to 7 is allowed", options.filter_size));
    if (options.canvas.is_set()) {
      if (options.canvas.height < input_[0] || options.canvas.width < input_[1])
        throw ShapeError(fmt::format("[fix] a canvas of {} came; the model takes {}, and the canvas may not be smaller", text(options.canvas), input_.to_string()));
      input_ = {options.canvas.height, options.canvas.width, input_[2]};
    }
  }

  void operate() {
    for (const NetworkLayer& layer : old_) treat(layer);
    if (flattened_ != nullptr) close_with_global_pooling();
    if (changes.empty()) throw ValueError("[fix] nothing in this model depends on where the image lies; there is nothing to mend");
    check_sizes();
  }

  const Shape& input() const { return input_; }
  Json take_layers() { return std::move(layers_); }

  std::vector<Change> changes;

 private:
  void treat(const NetworkLayer& layer) {
    const std::string& kind = layer.class_name;
    if (flattened_ != nullptr) return behind_flatten(layer);
    if (pooled_) return keep(layer);
    if (kind == "Conv2D") return convolution(layer);
    if (kind == "MaxPooling2D" || kind == "AveragePooling2D") return pooling(layer);
    if (kind == "ZeroPadding2D") return changed(layer, "ZeroPadding2D", "nothing: the map is a ring");
    if (kind == "BlurPooling2D" || kind == "MaxBlurPooling2D") return blur(layer);
    if (is_global_pooling(kind)) {
      pooled_ = true;
      return keep(layer);
    }
    if (kind == "Flatten") return flatten(layer);
    static constexpr std::array<std::string_view, 5> harmless = {"Activation", "BatchNormalization", "Dropout", "Rescaling", "Dense"};
    if (is_polyphase(kind) || std::find(harmless.begin(), harmless.end(), kind) != harmless.end()) return keep(layer);
    throw ValueError(fmt::format("[fix] no cure is known for [{} '{}']; convolutions, poolings, Flatten with Dense, and layers that treat each pixel alone have one",
                                 kind, layer.name));
  }

  // ---- strides and borders ----

  void convolution(const NetworkLayer& layer) {
    Json config = layer.config;
    std::string after = fmt::format("Conv2D {}", text(layer.window()));
    std::string before = after;
    if (!is_one(layer.window()) && layer.padding() != "circular") {
      before += ", " + layer.padding();
      after += ", circular";
      config["padding"] = "circular";
    }
    if (is_one(layer.strides())) {
      add("Conv2D", config);
    } else {
      before += ", stride " + text(layer.strides());
      after += ", stride 1 + " + cure(layer.strides());
      config["strides"] = pair({1, 1});
      add("Conv2D", config);
      add_cure(layer.name, layer.strides());
    }
    note(layer, before, after);
  }

  void pooling(const NetworkLayer& layer) {
    const bool max = layer.class_name == "MaxPooling2D", blurs = options_.with.kind() == Cure::blur;
    const std::string before = fmt::format("{} {}, stride {}, {}", layer.class_name, text(layer.window()), text(layer.strides()), layer.padding());
    Json config = layer.config;
    config["padding"] = "circular";
    if (is_one(layer.strides())) {
      add(layer.class_name, config);
      return note(layer, before, fmt::format("{} {}, stride 1x1, circular", layer.class_name, text(layer.window())));
    }
    if (blurs && max) {
      add("MaxBlurPooling2D", {{"name", layer.name},
                               {"trainable", true},
                               {"pool_size", pair(layer.window())},
                               {"filter_size", options_.filter_size},
                               {"strides", pair(layer.strides())},
                               {"border", "circular"}});
      count(layer.strides());
      return note(layer, before, fmt::format("MaxBlurPooling2D {}, filter {}, stride {}, circular", text(layer.window()), options_.filter_size, text(layer.strides())));
    }
    config["strides"] = pair({1, 1});
    add(layer.class_name, config);
    add_cure(layer.name, layer.strides());
    note(layer, before, fmt::format("{} {}, stride 1x1, circular + {}", layer.class_name, text(layer.window()), cure(layer.strides())));
  }

  // A blur there is already: with polyphase cures its stride goes to them, behind the blur.
  void blur(const NetworkLayer& layer) {
    Json config = layer.config;
    config["border"] = "circular";
    const std::string before = fmt::format("{} stride {}, {}", layer.class_name, text(layer.strides()), layer.border());
    if (options_.with.kind() == Cure::blur || is_one(layer.strides())) {
      count(layer.strides());
      add(layer.class_name, config);
      return note(layer, before, fmt::format("{} stride {}, circular", layer.class_name, text(layer.strides())));
    }
    config["strides"] = pair({1, 1});
    add(layer.class_name, config);
    add_cure(layer.name, layer.strides());
    note(layer, before, fmt::format("{} stride 1x1, circular + {}", layer.class_name, cure(layer.strides())));
  }

  std::string_view cure_class() const {
    switch (options_.with.kind()) {
      case Cure::blur: return "BlurPooling2D";
      case Cure::aps: return "AdaptivePolyphaseSampling2D";
      case Cure::lps: return "LearnablePolyphaseSampling2D";
    }
    return "";
  }
  std::string cure(const Size2& strides) const { return fmt::format("{} {}", cure_class(), text(strides)); }

  void add_cure(const std::string& name, const Size2& strides) {
    Json config = {{"name", name + "_sampling"}, {"trainable", true}, {"strides", pair(strides)}};
    if (options_.with.kind() == Cure::blur) config["filter_size"] = options_.filter_size, config["border"] = "circular";
    add(cure_class(), config);
    count(strides);
  }

  void count(const Size2& strides) { strides_ = {strides_.height * strides.height, strides_.width * strides.width}; }

  // ---- the head ----

  void flatten(const NetworkLayer& layer) {
    if (layer.input.rank() != 3) return keep(layer);  // flat already
    flattened_ = &layer;
  }

  // What comes between Flatten and Dense, and the Dense.
  void behind_flatten(const NetworkLayer& layer) {
    if (layer.class_name == "Dropout") return keep(layer);
    const Shape map = flattened_->input;
    if (layer.class_name != "Dense" || map[0] * map[1] > largest_kernel) {
      close_with_global_pooling();
      return keep(layer);
    }
    // Row-major, a flattened map and a window of its size have their numbers in the same order.
    const std::string activation = layer.config.value("activation", "linear");
    const bool rows = activation == "softmax" || activation == "log_softmax";  // functions of all classes together
    Json config = {{"name", layer.name},
                   {"trainable", layer.config.value("trainable", true)},
                   {"filters", layer.config["units"]},
                   {"kernel_size", pair({map[0], map[1]})},
                   {"padding", "circular"},
                   {"activation", rows ? "linear" : activation},
                   {"use_bias", layer.config.value("use_bias", true)}};
    add("Conv2D", config);
    add("GlobalMaxPooling2D", {{"name", layer.name + "_best_place"}, {"trainable", true}});
    if (rows) add("Activation", {{"name", layer.name + "_" + activation}, {"trainable", true}, {"activation", activation}});
    changes.push_back({flattened_->name, "Flatten", "nothing"});
    changes.push_back({layer.name, fmt::format("Dense on {}x{}x{} numbers", map[0], map[1], map[2]),
                       fmt::format("Conv2D {}x{} with its weights, circular + GlobalMaxPooling2D", map[0], map[1])});
    pooled_ = true;
    flattened_ = nullptr;
  }

  void close_with_global_pooling() {
    add("GlobalMaxPooling2D", {{"name", flattened_->name}, {"trainable", true}});
    changes.push_back({flattened_->name, "Flatten", "GlobalMaxPooling2D"});
    pooled_ = true;
    flattened_ = nullptr;
  }

  // ---- what all do ----

  void add(std::string_view class_name, Json config) {
    layers_.push_back({{"module", "keras.layers"}, {"class_name", class_name}, {"config", std::move(config)}, {"registered_name", nullptr}});
  }
  void keep(const NetworkLayer& layer) { add(layer.class_name, layer.config); }
  void note(const NetworkLayer& layer, const std::string& before, const std::string& after) {
    if (before != after) changes.push_back({layer.name, before, after});
  }
  void changed(const NetworkLayer& layer, const std::string& before, const std::string& after) { changes.push_back({layer.name, before, after}); }

  // A ring of a size that no stride divides has a seam.
  void check_sizes() const {
    if (input_[0] % strides_.height == 0 && input_[1] % strides_.width == 0) return;
    const auto next = [](std::int64_t size, std::int64_t stride) { return (size + stride - 1) / stride * stride; };
    throw ShapeError(fmt::format(
        "[fix] inputs of {}x{} are no multiple of all strides together, {}: a map of an odd size has a seam where it closes, and no choice of "
        "phase moves over it; a canvas of {}x{} has none (canvas, --canvas)",
        input_[0], input_[1], text(strides_), next(input_[0], strides_.height), next(input_[1], strides_.width)));
  }

  const FixOptions& options_;
  std::vector<NetworkLayer> old_;
  Shape input_;
  Json layers_ = Json::array();
  Size2 strides_ = {1, 1};                     // all cures' together
  const NetworkLayer* flattened_ = nullptr;  // a Flatten whose Dense has not come yet
  bool pooled_ = false;                        // a global pooling has come: nothing behind it knows places
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

}  // namespace

Cure::Cure(const std::string& name) {
  const auto* found = std::find(std::begin(names), std::end(names), name);
  if (found == std::end(names))
    throw ValueError(fmt::format("cure \"{}\" came; \"blur\", \"aps\" and \"lps\" are allowed{}", name, core::did_you_mean(name, names)));
  kind_ = static_cast<Kind>(found - std::begin(names));
}

Fixed fix(const Sequential& model, const FixOptions& options) {
  Surgery surgery(model, options);
  surgery.operate();
  Fixed fixed{.model = Sequential::from_json(new_config(model, surgery).dump(), {.seed = options.seed}), .changes = std::move(surgery.changes), .kept = {}, .fresh = {}};
  fixed.model.metadata() = model.metadata();
  move_weights(model, fixed);
  return fixed;
}

}  // namespace linn::shift
