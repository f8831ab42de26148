// Elements of the first pass, kept in memory.
#include <fmt/format.h>

#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "core/memory.h"
#include "data/stream/node.h"
#include "data/stream/parts.h"
#include "io/file.h"
#include "linn/error.h"

namespace linn::detail::data {
namespace {

// A tensor of `count` tensors like this one. Its memory is not touched, so that the system hands it out as rows are written.
Tensor rows_like(const Tensor& tensor, std::int64_t count) {
  auto memory = std::make_shared<core::Bytes>();
  memory->resize(std::max<std::size_t>(tensor.bytes() * static_cast<std::size_t>(count), 1));
  std::byte* first = memory->data();
  return Tensor::over(first, tensor.shape().with_first(count), tensor.dtype(), std::move(memory));
}

// Elements of the first one's structure, shapes and types lie in one tensor for each part; others by themselves.
class IndexedCache final : public IndexedNode {
 public:
  explicit IndexedCache(IndexedPtr inner)
      : inner_(std::move(inner)), count_(inner_->count()), pass_(inner_->pass(0)), state_(std::make_unique<std::atomic<State>[]>(static_cast<std::size_t>(count_))) {}

  std::int64_t count() const override { return count_; }
  std::unique_ptr<const Pass> pass(std::uint64_t /*epoch*/) const override { return std::make_unique<CachePass>(*this); }

 private:
  enum class State : std::uint8_t { unknown, being_written, row, alone, left_out };

  struct Rows {
    Structure structure;
    std::vector<Tensor> tensors;
  };

  class CachePass final : public Pass {
   public:
    explicit CachePass(const IndexedCache& node) : node_(node) {}
    bool at(std::int64_t i, Element& to) const override { return node_.at(i, to); }

   private:
    const IndexedCache& node_;
  };

  bool at(std::int64_t i, Element& to) const {
    std::atomic<State>& state = state_[static_cast<std::size_t>(i)];
    switch (state.load(std::memory_order_acquire)) {
      case State::row: to = kept_row(i); return true;
      case State::left_out: return false;
      case State::alone: {
        const std::lock_guard lock(mutex_);
        to = alone_.at(i);
        return true;
      }
      case State::unknown:
      case State::being_written: break;
    }
    const bool made = pass_->at(i, to);
    // Of two threads that made the same element one keeps it.
    State expected = State::unknown;
    if (state.compare_exchange_strong(expected, State::being_written)) state.store(made ? keep(i, to, state) : State::left_out, std::memory_order_release);
    return made;
  }

  Element kept_row(std::int64_t i) const {
    std::vector<Tensor> tensors;
    tensors.reserve(rows_->tensors.size());
    for (const Tensor& all : rows_->tensors) tensors.push_back(all.defined() ? all.rows(i, i + 1).reshape(all.shape().without_first()) : Tensor());
    return element_of(rows_->structure, tensors);
  }

  State keep(std::int64_t i, const Element& element, std::atomic<State>& state) const {
    const std::vector<Tensor> tensors = tensors_of(element);
    try {
      const std::lock_guard lock(mutex_);
      if (!rows_) rows_ = make_rows(element, tensors);
      if (!fits(structure_of(element), tensors)) {
        alone_.emplace(i, element);
        return State::alone;
      }
    } catch (...) {
      state.store(State::unknown);
      throw;
    }
    for (std::size_t k = 0; k < tensors.size(); ++k)
      if (tensors[k].defined() && tensors[k].bytes() > 0)
        std::memcpy(static_cast<std::byte*>(rows_->tensors[k].raw()) + static_cast<std::size_t>(i) * tensors[k].bytes(), tensors[k].raw(), tensors[k].bytes());
    return State::row;
  }

  std::optional<Rows> make_rows(const Element& element, const std::vector<Tensor>& tensors) const {
    std::size_t each = 0;
    for (const Tensor& tensor : tensors) each += tensor.defined() ? tensor.bytes() : 0;
    const std::uint64_t memory = io::machine_memory();
    if (each > 0 && static_cast<std::uint64_t>(count_) > memory / each)
      throw MemoryError(fmt::format("cache: {} elements of {} bytes need {:.1f} GiB in memory, this machine has {:.1f} GiB; without cache() they are made anew in each pass",
                                    count_, each, static_cast<double>(count_) * static_cast<double>(each) / (1 << 30), static_cast<double>(memory) / (1 << 30)));
    Rows rows{.structure = structure_of(element), .tensors = {}};
    try {
      for (const Tensor& tensor : tensors) rows.tensors.push_back(tensor.defined() ? rows_like(tensor, count_) : Tensor());
    } catch (const std::bad_alloc&) {
      throw MemoryError(fmt::format("cache: {} elements of {} bytes, for which there is not enough memory", count_, each));
    }
    return rows;
  }

  bool fits(const Structure& structure, const std::vector<Tensor>& tensors) const {
    if (structure != rows_->structure) return false;
    for (std::size_t k = 0; k < tensors.size(); ++k) {
      const Tensor& all = rows_->tensors[k];
      if (tensors[k].defined() != all.defined()) return false;
      if (all.defined() && (tensors[k].dtype() != all.dtype() || tensors[k].shape() != all.shape().without_first())) return false;
    }
    return true;
  }

  IndexedPtr inner_;
  std::int64_t count_;
  std::unique_ptr<const Pass> pass_;
  std::unique_ptr<std::atomic<State>[]> state_;
  mutable std::mutex mutex_;
  mutable std::optional<Rows> rows_;  // set once, before the first state `row`
  mutable std::map<std::int64_t, Element> alone_;
};

class StreamCache final : public StreamNode {
 public:
  explicit StreamCache(StreamPtr inner) : inner_(std::move(inner)) {}

  std::int64_t cardinality() const override { return inner_->cardinality(); }
  std::unique_ptr<Stream> stream(std::uint64_t /*epoch*/) const override {
    const std::lock_guard lock(mutex_);
    if (kept_) return std::make_unique<Replay>(kept_);
    return std::make_unique<Recording>(*this);
  }

 private:
  using Elements = std::vector<Element>;

  class Replay final : public Stream {
   public:
    explicit Replay(std::shared_ptr<const Elements> elements) : elements_(std::move(elements)) {}
    bool next(Element& to) override {
      if (at_ == elements_->size()) return false;
      to = (*elements_)[at_++];
      return true;
    }

   private:
    std::shared_ptr<const Elements> elements_;
    std::size_t at_ = 0;
  };

  class Recording final : public Stream {
   public:
    explicit Recording(const StreamCache& node) : node_(node), inner_(node.inner_->stream(0)) {}
    bool next(Element& to) override {
      if (!inner_->next(to)) {
        node_.keep(std::move(elements_));
        elements_ = {};
        return false;
      }
      for (const Tensor& tensor : tensors_of(to)) bytes_ += tensor.defined() ? tensor.bytes() : 0;
      if (bytes_ > io::machine_memory())
        throw MemoryError(fmt::format("cache: the first {} elements have {} bytes, this machine has {} bytes of memory; without cache() they are made anew in each pass",
                                      elements_.size() + 1, bytes_, io::machine_memory()));
      elements_.push_back(to);
      return true;
    }

   private:
    const StreamCache& node_;
    std::unique_ptr<Stream> inner_;
    Elements elements_;
    std::uint64_t bytes_ = 0;
  };

  void keep(Elements&& elements) const {
    const std::lock_guard lock(mutex_);
    if (!kept_) kept_ = std::make_shared<const Elements>(std::move(elements));
  }

  StreamPtr inner_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const Elements> kept_;
};

}  // namespace

IndexedPtr cache_node(IndexedPtr inner) { return std::make_shared<IndexedCache>(std::move(inner)); }
StreamPtr cache_node(StreamPtr inner) { return std::make_shared<StreamCache>(std::move(inner)); }

}  // namespace linn::detail::data
