// Elements made ahead on background threads, handed over in order.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "data/stream/node.h"

namespace linn::detail::data {

enum class Outcome : std::uint8_t { element, left_out, end };

/// Makes what stands at index i. Called from several threads at once, where there are several.
using Produce = std::function<Outcome(std::int64_t i, Element& to)>;

/// Calls `produce` for first, first + 1, ... on threads of its own, at most `buffer` ahead of what was taken, and gives the results in this
/// order. Where linn is built without threads (LINN_THREADS=OFF), `next` makes each element itself.
class Ahead {
 public:
  /// `buffer` and `threads` are 1 or more. StateError when the system gives no thread.
  Ahead(Produce produce, std::int64_t first, std::int64_t buffer, int threads);
  /// Waits for elements that are being made; their results go.
  ~Ahead();
  Ahead(const Ahead&) = delete;
  Ahead& operator=(const Ahead&) = delete;

  /// The next result. Throws what `produce` threw for it. To be called no more after that or after `end`.
  Outcome next(Element& to);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace linn::detail::data
