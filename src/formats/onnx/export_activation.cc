// Activation functions.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "formats/onnx/exporters.h"
#include "formats/onnx/weights.h"

namespace linn::detail::formats::onnx {
namespace {

using List = std::vector<std::int64_t>;

// Writes the nodes of one function; the last of them has the layer's own name.
class Function {
 public:
  Function(ExportedCall& call, std::string x, bool is_channels_first)
      : call_(call), x_(std::move(x)), is_channels_first_(is_channels_first) {}

  std::string write(const std::string& name, const io::Json& arguments) {
    static const std::map<std::string, std::string (Function::*)(const io::Json&), std::less<>> functions = {
        {"relu", &Function::relu},
        {"leaky_relu", &Function::leaky_relu},
        {"elu", &Function::elu},
        {"celu", &Function::celu},
        {"gelu", &Function::gelu},
        {"relu6", &Function::relu6},
        {"hard_sigmoid", &Function::hard_sigmoid},
        {"sparse_sigmoid", &Function::sparse_sigmoid},
        {"log_sigmoid", &Function::log_sigmoid},
        {"silu", &Function::silu},
        {"hard_tanh", &Function::hard_tanh},
        {"tanh_shrink", &Function::tanh_shrink},
        {"mish", &Function::mish},
        {"sparse_plus", &Function::sparse_plus},
        {"soft_shrink", &Function::soft_shrink},
        {"hard_shrink", &Function::hard_shrink},
        {"threshold", &Function::threshold},
        {"squareplus", &Function::squareplus},
        {"power", &Function::power},
        {"softmax", &Function::softmax},
        {"log_softmax", &Function::log_softmax},
        {"glu", &Function::glu}};
    static const std::map<std::string, const char*, std::less<>> plain = {
        {"linear", "Identity"},   {"selu", "Selu"},       {"softplus", "Softplus"},
        {"softsign", "Softsign"}, {"sigmoid", "Sigmoid"}, {"hard_silu", "HardSwish"},
        {"tanh", "Tanh"},         {"exponential", "Exp"}, {"log", "Log"}};
    if (const auto found = plain.find(name); found != plain.end()) return call_.node(found->second, {x_});
    const auto found = functions.find(name);
    if (found == functions.end()) throw NoOnnxForm(fmt::format("activation \"{}\" has no ONNX form", name));
    return (this->*found->second)(arguments);
  }

 private:
  std::string node(std::string_view op, const std::vector<std::string>& reads, std::string_view part = {},
                   const Attributes& attributes = {}) {
    return call_.node(op, reads, attributes, part);
  }
  std::string number(double value, std::string_view part) { return call_.number_value(value, part); }
  static double argument(const io::Json& arguments, const char* key, double otherwise) {
    return arguments.contains(key) && !arguments[key].is_null() ? arguments[key].get<double>() : otherwise;
  }
  std::string clip(const std::string& value, double low, double high, std::string_view part = {}) {
    return node("Clip", {value, number(low, "low"), number(high, "high")}, part);
  }

  std::string relu(const io::Json& a) {
    const double slope = argument(a, "negative_slope", 0), threshold = argument(a, "threshold", 0);
    const bool has_limit = a.contains("max_value") && !a["max_value"].is_null();
    const double limit = has_limit ? a["max_value"].get<double>() : 0;
    if (threshold == 0 && slope == 0) return has_limit ? clip(x_, 0, limit) : node("Relu", {x_});
    const std::string_view part = has_limit ? "unlimited" : "";
    std::string result;
    if (threshold == 0) {
      result = node("LeakyRelu", {x_}, part, {{"alpha", slope}});
    } else {
      const std::string at = number(threshold, "threshold");
      const std::string below = node("Mul", {node("Sub", {x_, at}, "distance"), number(slope, "slope")}, "below");
      result = node("Where", {node("Greater", {x_, at}, "is_above"), x_, below}, part);
    }
    return has_limit ? node("Min", {result, number(limit, "limit")}) : result;
  }
  std::string leaky_relu(const io::Json& a) { return node("LeakyRelu", {x_}, {}, {{"alpha", argument(a, "negative_slope", 0.2)}}); }
  std::string elu(const io::Json& a) { return node("Elu", {x_}, {}, {{"alpha", argument(a, "alpha", 1)}}); }
  std::string celu(const io::Json& a) { return node("Celu", {x_}, {}, {{"alpha", argument(a, "alpha", 1)}}); }
  std::string gelu(const io::Json& a) {
    const bool is_approximate = a.contains("approximate") && a["approximate"] == true;
    std::string inner;
    if (is_approximate) {
      const std::string cube = node("Mul", {node("Mul", {x_, x_}, "square"), x_}, "cube");
      const std::string sum = node("Add", {x_, node("Mul", {cube, number(0.044715, "share")}, "shared")}, "sum");
      inner = node("Tanh", {node("Mul", {sum, number(std::sqrt(2 / M_PI), "factor")}, "argument")}, "tanh");
    } else {
      inner = node("Erf", {node("Mul", {x_, number(std::sqrt(0.5), "root")}, "argument")}, "erf");
    }
    const std::string half = node("Mul", {node("Add", {inner, number(1, "one")}, "plus_one"), number(0.5, "half")}, "share_of_x");
    return node("Mul", {x_, half});
  }
  std::string relu6(const io::Json&) { return clip(x_, 0, 6); }
  std::string hard_tanh(const io::Json&) { return clip(x_, -1, 1); }
  std::string hard_sigmoid(const io::Json&) { return node("HardSigmoid", {x_}, {}, {{"alpha", 1.0 / 6}, {"beta", 0.5}}); }
  std::string sparse_sigmoid(const io::Json&) { return node("HardSigmoid", {x_}, {}, {{"alpha", 0.5}, {"beta", 0.5}}); }
  std::string log_sigmoid(const io::Json&) { return node("Neg", {node("Softplus", {node("Neg", {x_}, "negative")}, "softplus")}); }
  std::string silu(const io::Json&) { return node("Mul", {x_, node("Sigmoid", {x_}, "sigmoid")}); }
  std::string tanh_shrink(const io::Json&) { return node("Sub", {x_, node("Tanh", {x_}, "tanh")}); }
  std::string mish(const io::Json&) { return node("Mul", {x_, node("Tanh", {node("Softplus", {x_}, "softplus")}, "tanh")}); }
  // (clip(x) + 1)^2 / 4, plus what x has above 1.
  std::string sparse_plus(const io::Json&) {
    const std::string one = number(1, "one");
    const std::string middle = node("Add", {clip(x_, -1, 1, "middle"), one}, "plus_one");
    const std::string square = node("Mul", {node("Mul", {middle, middle}, "square"), number(0.25, "quarter")}, "squares");
    return node("Add", {square, node("Relu", {node("Sub", {x_, one}, "above")}, "above_one")});
  }
  std::string soft_shrink(const io::Json& a) {
    return node("Shrink", {x_}, {}, {{"lambd", argument(a, "threshold", 0.5)}, {"bias", argument(a, "threshold", 0.5)}});
  }
  std::string hard_shrink(const io::Json& a) { return node("Shrink", {x_}, {}, {{"lambd", argument(a, "threshold", 0.5)}, {"bias", 0.0}}); }
  std::string threshold(const io::Json& a) {
    return node("Where", {node("Greater", {x_, number(argument(a, "threshold", 0), "threshold")}, "is_above"), x_,
                          number(argument(a, "default_value", 0), "default")});
  }
  std::string power(const io::Json& a) {
    const double exponent = argument(a, "exponent", 2);
    if (exponent == 0.5) return node("Sqrt", {x_});
    if (exponent == -1) return node("Reciprocal", {x_});
    return node("Pow", {x_, number(exponent, "exponent")});
  }
  std::string squareplus(const io::Json& a) {
    const std::string root =
        node("Sqrt", {node("Add", {node("Mul", {x_, x_}, "square"), number(argument(a, "b", 4), "b")}, "sum")}, "root");
    return node("Mul", {node("Add", {x_, root}, "twice"), number(0.5, "half")});
  }

  // ONNX's axes for linn's.
  List axes(const io::Json& arguments) const {
    const auto rank = static_cast<std::int64_t>(call_.results[0].image.rank()) + 1;
    const io::Json listed = arguments.contains("axis") ? arguments["axis"] : io::Json(-1);
    List result;
    for (const io::Json& part : listed.is_array() ? listed : io::Json::array({listed})) {
      const std::int64_t axis = part.get<std::int64_t>() < 0 ? part.get<std::int64_t>() + rank : part.get<std::int64_t>();
      result.push_back(!is_channels_first_ ? axis : axis == 3 ? 1 : axis + 1);
    }
    std::sort(result.begin(), result.end());
    return result;
  }
  std::string softmax(const io::Json& a) {
    const List over = axes(a);
    if (over.size() == 1) return node("Softmax", {x_}, {}, {{"axis", over[0]}});
    const std::string exponentials = node("Exp", {shifted(over)}, "exponentials");
    return node("Div", {exponentials, sum_of(exponentials, over)});
  }
  std::string log_softmax(const io::Json& a) {
    const List over = axes(a);
    if (over.size() == 1) return node("LogSoftmax", {x_}, {}, {{"axis", over[0]}});
    const std::string values = shifted(over);
    return node("Sub", {values, node("Log", {sum_of(node("Exp", {values}, "exponentials"), over)}, "log")});
  }
  std::string shifted(const List& over) {
    return node("Sub", {x_, node("ReduceMax", {x_}, "largest", {{"axes", over}, {"keepdims", std::int64_t{1}}})}, "shifted");
  }
  std::string sum_of(const std::string& value, const List& over) {
    return node("ReduceSum", {value, call_.integers(over, "axes")}, "sum", {{"keepdims", std::int64_t{1}}});
  }
  std::string glu(const io::Json& a) {
    const List over = axes(a);
    const std::vector<std::string> halves = call_.writer.node("Split", {x_}, {{"axis", over[0]}}, call_.name + "/halves", 2);
    return node("Mul", {halves[0], node("Sigmoid", {halves[1]}, "gate")});
  }

  ExportedCall& call_;
  std::string x_;
  bool is_channels_first_;
};

// A function that sees one element at a time.
bool is_elementwise(const std::string& name) { return name != "softmax" && name != "log_softmax" && name != "glu" && name != "sparsemax"; }

struct Named {
  std::string name;
  io::Json arguments = io::Json::object();
};

// "relu", {"class_name": "gelu", "config": {...}}, or the layer class that has the arguments.
Named named(const io::Json& activation) {
  if (activation.is_null()) return {"linear"};
  if (activation.is_string()) return {activation.get<std::string>()};
  Named result{activation.at("class_name").get<std::string>()};
  if (activation.contains("config")) result.arguments = activation["config"];
  if (result.name == "ReLU") result.name = "relu";
  if (result.name == "LeakyReLU") result.name = "leaky_relu";
  if (result.name == "ELU") result.name = "elu";
  if (result.name == "Softmax") result.name = "softmax";
  return result;
}

void export_function(ExportedCall& call, const Named& function) {
  if (is_elementwise(function.name))
    return call.give_elementwise(
        [&](const std::string& value) { return Function(call, value, false).write(function.name, function.arguments); });
  if (call.is_map()) return call.give_first(Function(call, call.channels_first(), true).write(function.name, function.arguments));
  call.give_natural(Function(call, call.natural(), false).write(function.name, function.arguments));
}

}  // namespace

std::string activated(ExportedCall& call, const io::Json& activation, const std::string& value, bool is_channels_first) {
  const Named function = named(activation);
  return Function(call, value, is_channels_first).write(function.name, function.arguments);
}

void export_activation(ExportedCall& call) { export_function(call, named(call.config.at("activation"))); }
void export_relu_layer(ExportedCall& call) { export_function(call, {"relu", call.config}); }
void export_leaky_relu_layer(ExportedCall& call) { export_function(call, {"leaky_relu", call.config}); }
void export_elu_layer(ExportedCall& call) { export_function(call, {"elu", call.config}); }
void export_softmax_layer(ExportedCall& call) { export_function(call, {"softmax", call.config}); }

void export_prelu(ExportedCall& call) {
  const Tensor& alpha = call.weights[0];
  if (!call.is_map()) return call.give_natural(call.node("PRelu", {call.natural(), call.floats(alpha, "alpha")}));
  const std::size_t axes[] = {2, 0, 1};
  const Tensor slope = transposed_tensor(alpha.values<float>(), {alpha.shape().begin(), 3}, axes);
  call.give_first(call.node("PRelu", {call.channels_first(), call.floats(slope, "alpha")}));
}

}  // namespace linn::detail::formats::onnx
