// Another order: whole for indexed data, within a window for data that can only be read in order.
#include <cstddef>
#include <utility>
#include <vector>

#include "core/random.h"
#include "data/stream/node.h"

namespace linn::detail::data {
namespace {

// The epoch whose order pass `epoch` has.
std::uint64_t order_epoch(const ShuffleOptions& options, std::uint64_t epoch) { return options.reshuffle_each_iteration ? epoch : 0; }

// The stream of Model::fit's own shuffle: the same seed and pass give the same order there.
class IndexedShuffle final : public IndexedNode {
 public:
  IndexedShuffle(IndexedPtr inner, const ShuffleOptions& options) : inner_(std::move(inner)), options_(options) {}

  std::int64_t count() const override { return inner_->count(); }
  std::unique_ptr<const Pass> pass(std::uint64_t epoch) const override {
    return std::make_unique<ShuffledPass>(inner_->pass(epoch),
                                          core::permutation(count(), options_.seed, core::stream_of("shuffle", order_epoch(options_, epoch))));
  }

 private:
  class ShuffledPass final : public Pass {
   public:
    ShuffledPass(std::unique_ptr<const Pass> inner, std::vector<std::int64_t> order) : inner_(std::move(inner)), order_(std::move(order)) {}
    bool at(std::int64_t i, Element& to) const override { return inner_->at(order_[static_cast<std::size_t>(i)], to); }

   private:
    std::unique_ptr<const Pass> inner_;
    std::vector<std::int64_t> order_;
  };

  IndexedPtr inner_;
  ShuffleOptions options_;
};

class WindowShuffle final : public StreamNode {
 public:
  WindowShuffle(StreamPtr inner, const ShuffleOptions& options) : inner_(std::move(inner)), options_(options) {}

  std::int64_t cardinality() const override { return inner_->cardinality(); }
  std::unique_ptr<Stream> stream(std::uint64_t epoch) const override {
    return std::make_unique<Window>(inner_->stream(epoch), static_cast<std::size_t>(options_.buffer_size),
                                    core::Random(options_.seed, core::stream_of("shuffle window", order_epoch(options_, epoch))));
  }

 private:
  class Window final : public Stream {
   public:
    Window(std::unique_ptr<Stream> inner, std::size_t size, core::Random random) : inner_(std::move(inner)), size_(size), random_(random) {}
    bool next(Element& to) override {
      while (!over_ && window_.size() < size_) {
        Element element;
        if (inner_->next(element))
          window_.push_back(std::move(element));
        else
          over_ = true;
      }
      if (window_.empty()) return false;
      const auto drawn = static_cast<std::size_t>(random_.below(window_.size(), draws_++));
      to = std::move(window_[drawn]);
      if (drawn + 1 < window_.size()) window_[drawn] = std::move(window_.back());
      window_.pop_back();
      return true;
    }

   private:
    std::unique_ptr<Stream> inner_;
    std::size_t size_;
    core::Random random_;
    std::uint64_t draws_ = 0;
    std::vector<Element> window_;
    bool over_ = false;
  };

  StreamPtr inner_;
  ShuffleOptions options_;
};

}  // namespace

IndexedPtr shuffle_node(IndexedPtr inner, const ShuffleOptions& options) { return std::make_shared<IndexedShuffle>(std::move(inner), options); }
StreamPtr shuffle_node(StreamPtr inner, const ShuffleOptions& options) { return std::make_shared<WindowShuffle>(std::move(inner), options); }

}  // namespace linn::detail::data
