// Samples along the first axis of tensors.
#include <fmt/format.h>

#include <utility>

#include "data/stream/node.h"
#include "data/stream/parts.h"
#include "linn/error.h"

namespace linn::detail::data {
namespace {

class TensorsNode final : public IndexedNode {
 public:
  TensorsNode(Structure structure, std::vector<Tensor> tensors) : structure_(std::move(structure)), tensors_(std::move(tensors)) {}

  std::int64_t count() const override { return tensors_[0].shape()[0]; }
  std::unique_ptr<const Pass> pass(std::uint64_t /*epoch*/) const override { return std::make_unique<TensorsPass>(*this); }

 private:
  class TensorsPass final : public Pass {
   public:
    explicit TensorsPass(const TensorsNode& node) : node_(node) {}
    bool at(std::int64_t i, Element& to) const override {
      std::vector<Tensor> rows;
      rows.reserve(node_.tensors_.size());
      for (const Tensor& tensor : node_.tensors_) rows.push_back(tensor.rows(i, i + 1).reshape(tensor.shape().without_first()));
      to = element_of(node_.structure_, rows);
      return true;
    }

   private:
    const TensorsNode& node_;
  };

  Structure structure_;
  std::vector<Tensor> tensors_;
};

}  // namespace

IndexedPtr tensors_node(const Tensors& x, const Tensors& y, const Tensors& sample_weight) {
  const Element all{.x = x, .y = y, .sample_weight = sample_weight};
  const Structure structure = structure_of(all);
  std::vector<Tensor> tensors = tensors_of(all);
  if (!x.defined()) throw DataError("from_tensors: x is empty; give at least one tensor of samples");
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::string name = structure.name_of(i);
    if (!tensors[i].defined()) throw DataError(fmt::format("from_tensors: {} is empty: it was never given a shape or values", name));
    const Shape& shape = tensors[i].shape();
    if (shape.empty()) throw DataError(fmt::format("from_tensors: {} is a single number; samples lie along the first axis", name));
    if (shape[0] == 0) throw DataError(fmt::format("from_tensors: {} holds no samples: its shape is {}", name, shape.to_string()));
    if (shape[0] != tensors[0].shape()[0])
      throw DataError(fmt::format("from_tensors: {} holds {} samples, but {} holds {}", structure.name_of(0), tensors[0].shape()[0], name, shape[0]));
  }
  return std::make_shared<TensorsNode>(structure, std::move(tensors));
}

}  // namespace linn::detail::data
