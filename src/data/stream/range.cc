// A stretch of each pass, and passes one after the other.
#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "core/checked.h"
#include "data/stream/node.h"

namespace linn::detail::data {
namespace {

// a * b for counts of 0 or more; `endless` where that is too much.
std::int64_t times(std::int64_t a, std::int64_t b) { return core::checked_mul(a, b).value_or(endless); }

class IndexedRange final : public IndexedNode {
 public:
  IndexedRange(IndexedPtr inner, std::int64_t first, std::int64_t most) : inner_(std::move(inner)), first_(first), most_(most) {}

  std::int64_t count() const override {
    const std::int64_t all = inner_->count();
    return std::min(all == endless ? endless : std::max<std::int64_t>(all - first_, 0), most_);
  }
  std::unique_ptr<const Pass> pass(std::uint64_t epoch) const override { return std::make_unique<RangePass>(inner_->pass(epoch), first_); }

 private:
  class RangePass final : public Pass {
   public:
    RangePass(std::unique_ptr<const Pass> inner, std::int64_t first) : inner_(std::move(inner)), first_(first) {}
    bool at(std::int64_t i, Element& to) const override { return inner_->at(first_ + i, to); }

   private:
    std::unique_ptr<const Pass> inner_;
    std::int64_t first_;
  };

  IndexedPtr inner_;
  std::int64_t first_, most_;
};

class StreamRange final : public StreamNode {
 public:
  StreamRange(StreamPtr inner, std::int64_t first, std::int64_t most) : inner_(std::move(inner)), first_(first), most_(most) {}

  std::int64_t cardinality() const override {
    const std::int64_t all = inner_->cardinality();
    if (all == linn::Dataset::unknown) return most_ == 0 ? 0 : linn::Dataset::unknown;
    if (all == linn::Dataset::infinite) return most_ == endless ? linn::Dataset::infinite : most_;
    return std::min(std::max<std::int64_t>(all - first_, 0), most_);
  }
  std::unique_ptr<Stream> stream(std::uint64_t epoch) const override { return std::make_unique<RangeStream>(inner_->stream(epoch), first_, most_); }

 private:
  class RangeStream final : public Stream {
   public:
    RangeStream(std::unique_ptr<Stream> inner, std::int64_t first, std::int64_t most) : inner_(std::move(inner)), first_(first), left_(most) {}
    bool next(Element& to) override {
      if (left_ == 0) return false;
      for (; first_ > 0; --first_)
        if (Element passed_over; !inner_->next(passed_over)) left_ = first_ = 0;
      if (left_ == 0 || !inner_->next(to)) return false;
      if (left_ != endless) --left_;
      return true;
    }

   private:
    std::unique_ptr<Stream> inner_;
    std::int64_t first_, left_;
  };

  StreamPtr inner_;
  std::int64_t first_, most_;
};

class IndexedRepeat final : public IndexedNode {
 public:
  IndexedRepeat(IndexedPtr inner, std::int64_t repetitions) : inner_(std::move(inner)), repetitions_(repetitions) {}

  std::int64_t count() const override {
    const std::int64_t each = inner_->count();
    if (each == 0) return 0;
    return repetitions_ == linn::Dataset::infinite ? endless : times(each, repetitions_);
  }
  std::unique_ptr<const Pass> pass(std::uint64_t epoch) const override { return std::make_unique<RepeatPass>(*this, epoch); }

 private:
  class RepeatPass final : public Pass {
   public:
    RepeatPass(const IndexedRepeat& node, std::uint64_t epoch) : node_(node), epoch_(epoch), each_(node.inner_->count()) {}
    bool at(std::int64_t i, Element& to) const override { return inner_pass(i / each_)->at(i % each_, to); }

   private:
    // Threads that work ahead are in a few repetitions at a time. One that was closed too early is made again.
    static constexpr std::size_t most_open = 4;

    std::shared_ptr<const Pass> inner_pass(std::int64_t k) const {
      const std::lock_guard lock(mutex_);
      std::shared_ptr<const Pass>& pass = open_[k];
      if (!pass) pass = node_.inner_->pass(inner_epoch(epoch_, static_cast<std::uint64_t>(k), node_.repetitions_));
      const std::shared_ptr<const Pass> result = pass;
      if (open_.size() > most_open) open_.erase(open_.begin());
      return result;
    }

    const IndexedRepeat& node_;
    std::uint64_t epoch_;
    std::int64_t each_;
    mutable std::mutex mutex_;
    mutable std::map<std::int64_t, std::shared_ptr<const Pass>> open_;
  };

  IndexedPtr inner_;
  std::int64_t repetitions_;
};

class StreamRepeat final : public StreamNode {
 public:
  StreamRepeat(StreamPtr inner, std::int64_t repetitions) : inner_(std::move(inner)), repetitions_(repetitions) {}

  std::int64_t cardinality() const override {
    const std::int64_t each = inner_->cardinality();
    if (each == 0 || each == linn::Dataset::infinite || repetitions_ == 0) return repetitions_ == 0 ? 0 : each;
    if (repetitions_ == linn::Dataset::infinite) return linn::Dataset::infinite;
    return each == linn::Dataset::unknown ? each : times(each, repetitions_);
  }
  std::unique_ptr<Stream> stream(std::uint64_t epoch) const override { return std::make_unique<RepeatStream>(*inner_, repetitions_, epoch); }

 private:
  class RepeatStream final : public Stream {
   public:
    RepeatStream(const StreamNode& inner, std::int64_t repetitions, std::uint64_t epoch) : inner_(inner), repetitions_(repetitions), epoch_(epoch) {}
    bool next(Element& to) override {
      while (k_ != repetitions_) {
        if (!stream_) stream_ = inner_.stream(inner_epoch(epoch_, static_cast<std::uint64_t>(k_), repetitions_)), given_ = 0;
        if (stream_->next(to)) {
          ++given_;
          return true;
        }
        if (given_ == 0) break;  // a pass without elements: there would be no end to them
        stream_.reset();
        ++k_;
      }
      k_ = repetitions_;
      return false;
    }

   private:
    const StreamNode& inner_;
    std::int64_t repetitions_;
    std::uint64_t epoch_;
    std::int64_t k_ = 0, given_ = 0;
    std::unique_ptr<Stream> stream_;
  };

  StreamPtr inner_;
  std::int64_t repetitions_;
};

}  // namespace

IndexedPtr range_node(IndexedPtr inner, std::int64_t first, std::int64_t most) { return std::make_shared<IndexedRange>(std::move(inner), first, most); }
StreamPtr range_node(StreamPtr inner, std::int64_t first, std::int64_t most) { return std::make_shared<StreamRange>(std::move(inner), first, most); }
IndexedPtr repeat_node(IndexedPtr inner, std::int64_t repetitions) { return std::make_shared<IndexedRepeat>(std::move(inner), repetitions); }
StreamPtr repeat_node(StreamPtr inner, std::int64_t repetitions) { return std::make_shared<StreamRepeat>(std::move(inner), repetitions); }

}  // namespace linn::detail::data
