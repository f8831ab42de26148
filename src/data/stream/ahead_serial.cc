// Ahead for platforms without threads: the same interface, each element made when it is asked for.
#include <utility>

#include "data/stream/ahead.h"

namespace linn::detail::data {

struct Ahead::State {
  Produce produce;
  std::int64_t next;
};

Ahead::Ahead(Produce produce, std::int64_t first, std::int64_t /*buffer*/, int /*threads*/)
    : state_(std::make_unique<State>(std::move(produce), first)) {}
Ahead::~Ahead() = default;

Outcome Ahead::next(Element& to) { return state_->produce(state_->next++, to); }

}  // namespace linn::detail::data
