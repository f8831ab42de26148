#include "data/stream/ahead.h"

#include <fmt/format.h>

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "core/float_environment.h"
#include "linn/error.h"

namespace linn::detail::data {

struct Ahead::State {
  struct Slot {
    bool ready = false;
    Outcome outcome = Outcome::end;
    Element element;
    std::exception_ptr failure;
  };

  State(Produce function, std::int64_t first, std::int64_t buffer)
      : produce(std::move(function)), slots(static_cast<std::size_t>(buffer)), claimed(first), taken(first) {}

  Slot& slot(std::int64_t i) { return slots[static_cast<std::size_t>(i) % slots.size()]; }
  bool may_claim() const { return !over && claimed - taken < static_cast<std::int64_t>(slots.size()); }

  void work() {
    const core::DefaultFloatEnvironment environment;  // a thread inherits its maker's rounding mode
    std::unique_lock lock(mutex);
    while (true) {
      room.wait(lock, [&] { return stop || may_claim(); });
      if (stop) return;
      const std::int64_t i = claimed++;
      lock.unlock();
      Slot made = make(i);
      lock.lock();
      over = over || made.failure || made.outcome == Outcome::end;
      slot(i) = std::move(made);
      if (i == taken) ready.notify_one();
    }
  }

  Slot make(std::int64_t i) {
    Slot made{.ready = true, .outcome = Outcome::end, .element = {}, .failure = {}};
    try {
      made.outcome = produce(i, made.element);
    } catch (...) {
      made.failure = std::current_exception();
    }
    return made;
  }

  void dismiss() {
    {
      const std::lock_guard lock(mutex);
      stop = true;
    }
    room.notify_all();
    for (std::thread& thread : threads) thread.join();
  }

  Produce produce;
  std::mutex mutex;
  std::condition_variable room, ready;
  std::vector<Slot> slots;
  std::int64_t claimed, taken;  // the next index to be made, and to be handed over
  bool over = false;            // an end or a failure came: nothing more is begun
  bool stop = false;
  std::vector<std::thread> threads;
};

Ahead::Ahead(Produce produce, std::int64_t first, std::int64_t buffer, int threads)
    : state_(std::make_unique<State>(std::move(produce), first, buffer)) {
  try {
    for (int i = 0; i < threads; ++i) state_->threads.emplace_back([s = state_.get()] { s->work(); });
  } catch (const std::system_error& error) {
    if (!state_->threads.empty()) return;  // fewer will do
    throw StateError(fmt::format("prefetch: the system gave no background thread: {}", error.what()));
  }
}

Ahead::~Ahead() { state_->dismiss(); }

Outcome Ahead::next(Element& to) {
  State& s = *state_;
  std::unique_lock lock(s.mutex);
  State::Slot& slot = s.slot(s.taken);
  s.ready.wait(lock, [&] { return slot.ready; });
  State::Slot made = std::exchange(slot, {});
  ++s.taken;
  lock.unlock();
  s.room.notify_one();
  if (made.failure) std::rethrow_exception(made.failure);
  to = std::move(made.element);
  return made.outcome;
}

}  // namespace linn::detail::data
