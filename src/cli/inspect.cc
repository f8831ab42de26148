// linn inspect: what is inside a file of a model or of weights.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "cli/command.h"
#include "formats/inspect.h"

namespace linn::cli {
namespace {

struct InspectArguments {
  Common common;
  std::string file;
  bool values = false;
};

std::string cut(const std::string& text, std::size_t most) { return text.size() <= most ? text : text.substr(0, most - 3) + "..."; }

void print(const InspectArguments& options, const detail::formats::Inspection& inspection) {
  say(options.common, "{}: {}, {} bytes\n", detail::core::printable(options.file), inspection.kind,
      thousands(static_cast<std::int64_t>(inspection.bytes)));
  for (const auto& [name, value] : inspection.facts)
    say(options.common, "  {}: {}\n", detail::core::printable(name), detail::core::printable(cut(value, 200)));
  std::size_t width = 4, shape_width = 5;
  std::int64_t elements = 0;
  for (const detail::formats::InspectedTensor& tensor : inspection.tensors) {
    width = std::max(width, detail::core::printable(tensor.name).size());
    shape_width = std::max(shape_width, tensor.shape.to_string().size());
    elements += tensor.shape.elements();
  }
  say(options.common, "\n{:<{}}  {:<8}  {:<{}}{}\n", "name", width, "type", "shape", shape_width,
      options.values ? "       NaN       Inf         least          most     crc32" : "");
  for (const detail::formats::InspectedTensor& tensor : inspection.tensors) {
    say(options.common, "{:<{}}  {:<8}  {:<{}}", detail::core::printable(tensor.name), width, tensor.type, tensor.shape.to_string(),
        shape_width);
    if (tensor.values)
      say(options.common, " {:>9} {:>9} {:>13.6g} {:>13.6g}  {:08x}", tensor.values->nan, tensor.values->infinite, tensor.values->least,
          tensor.values->most, tensor.values->crc32);
    say(options.common, "\n");
  }
  say(options.common, "{} tensors, {} values\n", inspection.tensors.size(), thousands(elements));
}

detail::io::Json to_json(const detail::formats::Inspection& inspection, const std::string& file) {
  detail::io::Json event = {{"event", "inspect"}, {"file", file}, {"kind", inspection.kind}, {"bytes", inspection.bytes}};
  event["facts"] = detail::io::Json::object();
  for (const auto& [name, value] : inspection.facts) event["facts"][name] = value;
  event["tensors"] = detail::io::Json::array();
  for (const detail::formats::InspectedTensor& tensor : inspection.tensors) {
    detail::io::Json json = {
        {"name", tensor.name}, {"type", tensor.type}, {"shape", std::vector<std::int64_t>(tensor.shape.begin(), tensor.shape.end())}};
    if (tensor.values) {
      json["nan"] = tensor.values->nan;
      json["inf"] = tensor.values->infinite;
      json["least"] = number(tensor.values->least);
      json["most"] = number(tensor.values->most);
      json["crc32"] = fmt::format("{:08x}", tensor.values->crc32);
    }
    event["tensors"].push_back(std::move(json));
  }
  return event;
}

int run(const InspectArguments& options) {
  apply(options.common);
  const detail::formats::Inspection inspection = detail::formats::inspect(options.file, options.values);
  print(options, inspection);
  emit(options.common, to_json(inspection, options.file));
  return exit_ok;
}

}  // namespace

Action add_inspect(CLI::App& app) {
  auto options = std::make_shared<InspectArguments>();
  app.description("Say what is inside a file of a model or of weights: its tensors, their types and shapes.");
  add_text(app, "file", options->file, "a .keras, .h5, .weights.h5, .weights.json, .onnx, .safetensors or .npz file, or a model's directory")
      ->type_name("FILE")
      ->required();
  app.add_flag("--values", options->values, "read the values too: how many are NaN or infinite, the least, the most, a checksum");
  add_common(app, options->common);
  app.footer("Example:\n  linn inspect digits --values");
  return [options] { return run(*options); };
}

}  // namespace linn::cli
