// Elements from a function.
#include <utility>

#include "data/stream/node.h"
#include "linn/error.h"

namespace linn::detail::data {
namespace {

class GeneratorNode final : public StreamNode {
 public:
  GeneratorNode(std::function<linn::Dataset::Generator(std::int64_t)> begin, std::int64_t cardinality) : begin_(std::move(begin)), cardinality_(cardinality) {}

  std::int64_t cardinality() const override { return cardinality_; }
  std::unique_ptr<Stream> stream(std::uint64_t epoch) const override {
    linn::Dataset::Generator next = begin_(static_cast<std::int64_t>(epoch));
    if (!next) throw ValueError("from_generator: the function that begins a pass gave no function");
    return std::make_unique<Given>(std::move(next), cardinality_);
  }

 private:
  class Given final : public Stream {
   public:
    Given(linn::Dataset::Generator next, std::int64_t most) : next_(std::move(next)), most_(most) {}
    bool next(Element& to) override {
      if (given_ == most_) return false;
      to = {};
      if (!next_(to)) {
        given_ = most_;
        return false;
      }
      if (most_ != linn::Dataset::unknown) ++given_;
      return true;
    }

   private:
    linn::Dataset::Generator next_;
    std::int64_t most_;
    std::int64_t given_ = 0;
  };

  std::function<linn::Dataset::Generator(std::int64_t)> begin_;
  std::int64_t cardinality_;
};

}  // namespace

StreamPtr generator_node(std::function<linn::Dataset::Generator(std::int64_t)> begin, std::int64_t cardinality) {
  return std::make_shared<GeneratorNode>(std::move(begin), cardinality);
}

}  // namespace linn::detail::data
