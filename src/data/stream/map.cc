// Elements as a function makes them.
#include <utility>

#include "data/stream/node.h"

namespace linn::detail::data {
namespace {

using MapElement = linn::Dataset::PlacedMapFunction;

DatasetPosition position(std::uint64_t epoch, std::int64_t index) { return {.epoch = static_cast<std::int64_t>(epoch), .index = index}; }

class IndexedMap final : public IndexedNode {
 public:
  IndexedMap(IndexedPtr inner, MapElement function) : inner_(std::move(inner)), function_(std::move(function)) {}

  std::int64_t count() const override { return inner_->count(); }
  std::unique_ptr<const Pass> pass(std::uint64_t epoch) const override { return std::make_unique<MapPass>(inner_->pass(epoch), function_, epoch); }

 private:
  class MapPass final : public Pass {
   public:
    MapPass(std::unique_ptr<const Pass> inner, const MapElement& function, std::uint64_t epoch) : inner_(std::move(inner)), function_(function), epoch_(epoch) {}
    bool at(std::int64_t i, Element& to) const override {
      Element from;
      if (!inner_->at(i, from)) return false;
      to = function_(std::move(from), position(epoch_, i));
      return true;
    }

   private:
    std::unique_ptr<const Pass> inner_;
    const MapElement& function_;
    std::uint64_t epoch_;
  };

  IndexedPtr inner_;
  MapElement function_;
};

class StreamMap final : public StreamNode {
 public:
  StreamMap(StreamPtr inner, MapElement function) : inner_(std::move(inner)), function_(std::move(function)) {}

  std::int64_t cardinality() const override { return inner_->cardinality(); }
  std::unique_ptr<Stream> stream(std::uint64_t epoch) const override { return std::make_unique<MapStream>(inner_->stream(epoch), function_, epoch); }

 private:
  class MapStream final : public Stream {
   public:
    MapStream(std::unique_ptr<Stream> inner, const MapElement& function, std::uint64_t epoch) : inner_(std::move(inner)), function_(function), epoch_(epoch) {}
    bool next(Element& to) override {
      Element from;
      if (!inner_->next(from)) return false;
      to = function_(std::move(from), position(epoch_, index_++));
      return true;
    }

   private:
    std::unique_ptr<Stream> inner_;
    const MapElement& function_;
    std::uint64_t epoch_;
    std::int64_t index_ = 0;
  };

  StreamPtr inner_;
  MapElement function_;
};

}  // namespace

IndexedPtr map_node(IndexedPtr inner, MapElement function) { return std::make_shared<IndexedMap>(std::move(inner), std::move(function)); }
StreamPtr map_node(StreamPtr inner, MapElement function) { return std::make_shared<StreamMap>(std::move(inner), std::move(function)); }

}  // namespace linn::detail::data
