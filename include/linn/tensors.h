// room: core
// Several tensors at once: the inputs, targets and weights of samples.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "linn/tensor.h"

namespace linn {

/// One tensor; or several, in the order of a model's inputs or outputs; or several by the names of inputs or outputs.
class Tensors {
 public:
  /// None.
  Tensors() = default;
  Tensors(const Tensor& tensor) : list_{tensor} {}
  Tensors(std::vector<Tensor> list) : list_(std::move(list)) {}
  Tensors(std::initializer_list<Tensor> list) : list_(list) {}
  Tensors(std::map<std::string, Tensor> named) : named_(std::move(named)) {}

  bool defined() const;
  std::size_t size() const { return list_.size() + named_.size(); }
  bool is_named() const { return !named_.empty(); }
  /// In the order of `names`; undefined tensors where there is nothing of that name. ValueError for another number of tensors or a name that
  /// is not among `names`; `what` ("x", "y") begins its message.
  std::vector<Tensor> in_order(const std::vector<std::string>& names, const char* what) const;

  /// The tensors without names; empty where they have names.
  const std::vector<Tensor>& list() const { return list_; }
  /// The tensors with names; empty where they have none.
  const std::map<std::string, Tensor>& named() const { return named_; }

 private:
  std::vector<Tensor> list_;
  std::map<std::string, Tensor> named_;
};

/// Inputs, targets and weights of some samples, along the first axis of each tensor.
struct Batch {
  Tensors x = {};
  Tensors y = {};
  Tensors sample_weight = {};
};

}  // namespace linn
