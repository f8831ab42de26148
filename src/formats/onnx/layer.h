// One call of a layer, as the function that exports its class sees it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/onnx/write.h"
#include "graph/graph.h"
#include "io/json.h"
#include "linn/error.h"
#include "linn/types.h"

namespace linn::detail::formats::onnx {

/// A value of the network under the names that it has in the file so far; the other forms are made when they are asked for.
struct ExportedValue {
  Shape image = {};                 // Shape::none where a size is open
  std::string natural = {};         // (N, ...) as linn has it
  std::string channels_first = {};  // of a map: (N, C, H, W)
  std::string scattered = {};       // of a row: a map (C, H, W) flattened, whose order in linn is (H, W, C)
  Shape scattered_map = {};         // that map, (H, W, C)
};

/// Thrown by an exporting function for options that have no ONNX form; the text says which.
class NoOnnxForm : public ValueError {
 public:
  using ValueError::ValueError;
};

class ExportedCall {
 public:
  ExportedCall(ModelWriter& to, std::string layer, io::Json settings, std::vector<ExportedValue*> inputs, std::vector<Tensor> variables,
               const std::vector<Shape>& outputs)
      : writer(to), name(std::move(layer)), config(std::move(settings)), weights(std::move(variables)), inputs_(std::move(inputs)) {
    for (const Shape& image : outputs) results.push_back({.image = image});
  }

  ModelWriter& writer;
  std::string name;
  io::Json config;
  std::vector<Tensor> weights;  // in linn's order
  std::vector<ExportedValue> results;

  std::size_t input_count() const { return inputs_.size(); }
  const Shape& image(std::size_t i = 0) const { return inputs_[i]->image; }
  bool is_map(std::size_t i = 0) const { return image(i).rank() == 3; }
  std::string natural(std::size_t i = 0);
  std::string channels_first(std::size_t i = 0);
  const ExportedValue& input(std::size_t i = 0) const { return *inputs_[i]; }

  // ---- options
  std::int64_t integer(const char* key) const { return config.at(key).get<std::int64_t>(); }
  double number(const char* key) const { return config.at(key).get<double>(); }
  bool flag(const char* key) const { return config.at(key).get<bool>(); }
  std::string text(const char* key) const { return config.at(key).get<std::string>(); }
  Size2 size(const char* key) const { return {config.at(key)[0].get<std::int64_t>(), config.at(key)[1].get<std::int64_t>()}; }

  // ---- writing; `part` tells the nodes of one layer apart, the last one has none
  std::string node(std::string_view op, const std::vector<std::string>& reads, const Attributes& attributes = {},
                   std::string_view part = {});
  std::string floats(const Tensor& values, std::string_view part);
  std::string number_value(double value, std::string_view part);
  std::string integers(const std::vector<std::int64_t>& values, std::string_view part);
  /// A result: a map in (N, C, H, W), or any value as linn has it.
  void give_first(std::string value, std::size_t i = 0) { results[i].channels_first = std::move(value); }
  void give_natural(std::string value, std::size_t i = 0) { results[i].natural = std::move(value); }
  /// A function of each element alone, in whatever order they lie: `make` writes it for a value.
  template <class Make>
  void give_elementwise(Make make) {
    ExportedValue& from = *inputs_[0];
    if (!from.scattered.empty() && from.natural.empty()) {
      results[0].scattered = make(from.scattered);
      results[0].scattered_map = from.scattered_map;
    } else if (is_map() && !from.channels_first.empty()) {
      give_first(make(from.channels_first));
    } else {
      give_natural(make(natural()));
    }
  }

 private:
  std::vector<ExportedValue*> inputs_;
};

/// As linn has it, or (N, C, H, W); the node that makes it is written once.
std::string natural_form(ModelWriter& writer, ExportedValue& value, const std::string& name);
std::string channels_first_form(ModelWriter& writer, ExportedValue& value, const std::string& name);

/// The activation of a configuration, "relu" or {"class_name", "config"}, applied to a value whose channels are on ONNX's axis `channels`.
/// Axes of softmax and its like count as linn counts them.
std::string activated(ExportedCall& call, const io::Json& activation, const std::string& value, bool is_channels_first);

/// The exporting function of each class; null where there is none.
using ExportFunction = void (*)(ExportedCall&);
ExportFunction find_exporter(std::string_view class_name);

}  // namespace linn::detail::formats::onnx
