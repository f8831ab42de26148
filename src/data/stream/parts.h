// The tensors of an element in one row, whatever names they have.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "data/stream/node.h"
#include "linn/tensors.h"

namespace linn::detail::data {

/// How many tensors x, y and sample_weight have, and their names. Two elements that can be stacked have one structure.
struct Structure {
  struct Part {
    std::size_t count = 0;
    std::vector<std::string> names = {};  // empty where the tensors have none
    friend bool operator==(const Part&, const Part&) = default;
  };
  Part x, y, sample_weight;

  friend bool operator==(const Structure&, const Structure&) = default;
  /// "x, y" or "x[0], x[1], y[\"a\"]": the name of tensor i, for messages.
  std::string name_of(std::size_t i) const;
  std::string to_string() const;
};

Structure structure_of(const Element& element);
/// The tensors of x, y and sample_weight in this order. Handles: no number is copied.
std::vector<Tensor> tensors_of(const Element& element);
/// The inverse.
Element element_of(const Structure& structure, const std::vector<Tensor>& tensors);

}  // namespace linn::detail::data
