#include "data/stream/parts.h"

#include <fmt/format.h>

#include <array>
#include <map>

namespace linn::detail::data {
namespace {

Structure::Part part_of(const Tensors& tensors) {
  Structure::Part part{.count = tensors.size(), .names = {}};
  for (const auto& [name, tensor] : tensors.named()) part.names.push_back(name);
  return part;
}

void append(const Tensors& tensors, std::vector<Tensor>& to) {
  to.insert(to.end(), tensors.list().begin(), tensors.list().end());
  for (const auto& [name, tensor] : tensors.named()) to.push_back(tensor);
}

Tensors tensors_from(const Structure::Part& part, const std::vector<Tensor>& tensors, std::size_t& at) {
  if (part.names.empty()) {
    std::vector<Tensor> list;
    for (std::size_t i = 0; i < part.count; ++i) list.push_back(tensors[at++]);
    return list;
  }
  std::map<std::string, Tensor> named;
  for (const std::string& name : part.names) named.emplace(name, tensors[at++]);
  return named;
}

}  // namespace

std::string Structure::name_of(std::size_t i) const {
  for (const auto& [what, part] : {std::pair<const char*, const Part*>{"x", &x}, {"y", &y}, {"sample_weight", &sample_weight}}) {
    if (i >= part->count) {
      i -= part->count;
      continue;
    }
    if (!part->names.empty()) return fmt::format("{}[\"{}\"]", what, part->names[i]);
    return part->count == 1 ? what : fmt::format("{}[{}]", what, i);
  }
  return "";
}

std::string Structure::to_string() const {
  std::string text;
  for (std::size_t i = 0; i < x.count + y.count + sample_weight.count; ++i) text += (i > 0 ? ", " : "") + name_of(i);
  return text.empty() ? "no tensors" : text;
}

Structure structure_of(const Element& element) {
  return {.x = part_of(element.x), .y = part_of(element.y), .sample_weight = part_of(element.sample_weight)};
}

std::vector<Tensor> tensors_of(const Element& element) {
  std::vector<Tensor> tensors;
  tensors.reserve(element.x.size() + element.y.size() + element.sample_weight.size());
  for (const Tensors* part : std::array{&element.x, &element.y, &element.sample_weight}) append(*part, tensors);
  return tensors;
}

Element element_of(const Structure& structure, const std::vector<Tensor>& tensors) {
  std::size_t at = 0;
  Element element;
  element.x = tensors_from(structure.x, tensors, at);
  element.y = tensors_from(structure.y, tensors, at);
  element.sample_weight = tensors_from(structure.sample_weight, tensors, at);
  return element;
}

}  // namespace linn::detail::data
