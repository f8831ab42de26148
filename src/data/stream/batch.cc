// Several elements as one.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "core/checked.h"
#include "data/stream/node.h"
#include "data/stream/parts.h"
#include "linn/error.h"

namespace linn::detail::data {
namespace {

// Stacks elements along a new first axis. They are given one by one, so that an element's memory goes before the next is made.
class Stack {
 public:
  explicit Stack(std::int64_t most) : most_(most) {}

  std::int64_t count() const { return count_; }

  void add(const Element& element, std::int64_t index) {
    const std::vector<Tensor> tensors = tensors_of(element);
    if (count_ == 0)
      begin(element, tensors, index);
    else
      check(element, tensors, index);
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (!tensors[i].defined()) continue;
      const std::size_t bytes = tensors[i].bytes();
      if (bytes > 0) std::memcpy(static_cast<std::byte*>(stacked_[i].raw()) + static_cast<std::size_t>(count_) * bytes, tensors[i].raw(), bytes);
    }
    ++count_;
  }

  Element take() {
    for (Tensor& tensor : stacked_)
      if (tensor.defined() && count_ < most_) tensor = tensor.rows(0, count_);
    return element_of(structure_, stacked_);
  }

 private:
  void begin(const Element& element, const std::vector<Tensor>& tensors, std::int64_t index) {
    structure_ = structure_of(element);
    first_ = index;
    for (const Tensor& tensor : tensors)
      stacked_.push_back(tensor.defined() ? Tensor(tensor.shape().with_first(most_), tensor.dtype()) : Tensor());
  }

  void check(const Element& element, const std::vector<Tensor>& tensors, std::int64_t index) const {
    if (const Structure structure = structure_of(element); structure != structure_)
      throw DataError(fmt::format("batch: element {} has {}, but element {} of its batch has {}; elements of a batch have one structure", index,
                                  structure.to_string(), first_, structure_.to_string()));
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      const auto text = [](const Tensor& tensor, const Shape& shape) { return fmt::format("{} {}", name_of(tensor.dtype()), shape.to_string()); };
      if (tensors[i].defined() != stacked_[i].defined())
        throw DataError(fmt::format("batch: {} is empty in one of the elements {} and {}, but not in the other", structure_.name_of(i), first_, index));
      if (!tensors[i].defined()) continue;
      const Shape expected = stacked_[i].shape().without_first();
      if (tensors[i].shape() != expected || tensors[i].dtype() != stacked_[i].dtype())
        throw DataError(fmt::format("batch: {} of element {} is {}, but that of element {} in its batch is {}; elements of a batch have one shape and type",
                                    structure_.name_of(i), index, text(tensors[i], tensors[i].shape()), first_, text(stacked_[i], expected)));
    }
  }

  std::int64_t most_;
  std::int64_t count_ = 0;
  std::int64_t first_ = 0;  // the index of the first element
  Structure structure_;
  std::vector<Tensor> stacked_;
};

class IndexedBatch final : public IndexedNode {
 public:
  IndexedBatch(IndexedPtr inner, std::int64_t size, bool drop_remainder) : inner_(std::move(inner)), size_(size), drop_remainder_(drop_remainder) {}

  std::int64_t count() const override {
    const std::int64_t all = inner_->count();
    if (all == endless) return endless;
    return drop_remainder_ ? all / size_ : all / size_ + (all % size_ > 0 ? 1 : 0);
  }
  std::unique_ptr<const Pass> pass(std::uint64_t epoch) const override { return std::make_unique<BatchPass>(inner_->pass(epoch), size_, inner_->count()); }

 private:
  class BatchPass final : public Pass {
   public:
    BatchPass(std::unique_ptr<const Pass> inner, std::int64_t size, std::int64_t all) : inner_(std::move(inner)), size_(size), all_(all) {}
    bool at(std::int64_t i, Element& to) const override {
      const std::int64_t first = i * size_;
      const std::int64_t last = first + std::min(size_, all_ - first);
      Stack stack(last - first);
      for (std::int64_t k = first; k < last; ++k)
        if (Element element; inner_->at(k, element)) stack.add(element, k);
      if (stack.count() == 0) return false;
      to = stack.take();
      return true;
    }

   private:
    std::unique_ptr<const Pass> inner_;
    std::int64_t size_, all_;
  };

  IndexedPtr inner_;
  std::int64_t size_;
  bool drop_remainder_;
};

class StreamBatch final : public StreamNode {
 public:
  StreamBatch(StreamPtr inner, std::int64_t size, bool drop_remainder) : inner_(std::move(inner)), size_(size), drop_remainder_(drop_remainder) {}

  std::int64_t cardinality() const override {
    const std::int64_t all = inner_->cardinality();
    if (all < 0) return all;
    return drop_remainder_ ? all / size_ : all / size_ + (all % size_ > 0 ? 1 : 0);
  }
  std::unique_ptr<Stream> stream(std::uint64_t epoch) const override { return std::make_unique<BatchStream>(inner_->stream(epoch), size_, drop_remainder_); }

 private:
  class BatchStream final : public Stream {
   public:
    BatchStream(std::unique_ptr<Stream> inner, std::int64_t size, bool drop_remainder) : inner_(std::move(inner)), size_(size), drop_remainder_(drop_remainder) {}
    bool next(Element& to) override {
      if (over_) return false;
      Stack stack(size_);
      while (stack.count() < size_) {
        Element element;
        if (!inner_->next(element)) {
          over_ = true;
          break;
        }
        stack.add(element, index_++);
      }
      if (stack.count() == 0 || (stack.count() < size_ && drop_remainder_)) return false;
      to = stack.take();
      return true;
    }

   private:
    std::unique_ptr<Stream> inner_;
    std::int64_t size_;
    bool drop_remainder_;
    bool over_ = false;
    std::int64_t index_ = 0;
  };

  StreamPtr inner_;
  std::int64_t size_;
  bool drop_remainder_;
};

}  // namespace

IndexedPtr batch_node(IndexedPtr inner, std::int64_t size, bool drop_remainder) { return std::make_shared<IndexedBatch>(std::move(inner), size, drop_remainder); }
StreamPtr batch_node(StreamPtr inner, std::int64_t size, bool drop_remainder) { return std::make_shared<StreamBatch>(std::move(inner), size, drop_remainder); }

}  // namespace linn::detail::data
