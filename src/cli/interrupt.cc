#include "cli/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string_view>

#include "cli/command.h"

namespace linn::cli {
namespace {

std::atomic<int> interrupts = 0;
static_assert(std::atomic<int>::is_always_lock_free);

// Handlers may call nothing that takes a lock or memory: write and _exit only.
void tell(std::string_view text) {
  if (::write(STDERR_FILENO, text.data(), text.size()) < 0) return;
}

extern "C" void linn_leave(int) {
  tell("\nlinn: interrupted\n");
  ::_exit(exit_interrupted);
}

extern "C" void linn_remember(int) {
  if (interrupts.fetch_add(1) > 0) ::_exit(exit_interrupted);
  tell("\nlinn: interrupted; finishing this step (Ctrl-C again leaves at once)\n");
}

void install(void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, nullptr);
}

class Stop : public Callback {
 public:
  void on_batch_end(Trainer& trainer, const Logs& /*logs*/) override {
    if (interrupted()) trainer.stop();
  }
};

}  // namespace

void leave_on_interrupt() { install(linn_leave); }

void remember_interrupt() { install(linn_remember); }

bool interrupted() { return interrupts.load() > 0; }

CallbackHandle stop_on_interrupt() { return std::make_shared<Stop>(); }

}  // namespace linn::cli
