#include "cli/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string_view>
#include <utility>

#include "cli/command.h"

namespace linn::cli {
namespace {

std::atomic<int> interrupts = 0, last_signal = SIGINT;
static_assert(std::atomic<int>::is_always_lock_free);

// Handlers may call nothing that takes a lock or memory: write and _exit only.
void tell(std::string_view text) {
  if (::write(STDERR_FILENO, text.data(), text.size()) < 0) return;
}

extern "C" void linn_leave(int signal) {
  tell("\nlinn: interrupted\n");
  ::_exit(signal_exit_code + signal);
}

extern "C" void linn_remember(int signal) {
  last_signal = signal;
  if (interrupts.fetch_add(1) > 0) ::_exit(signal_exit_code + signal);
  tell("\nlinn: interrupted; finishing this step (again leaves at once)\n");
}

void install(void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction old {};
    const bool ignored = ::sigaction(signal, nullptr, &old) == 0 && old.sa_handler == SIG_IGN;
    if (!ignored) ::sigaction(signal, &action, nullptr);
  }
}

class Stop : public Callback {
 public:
  explicit Stop(std::string checkpoints) : checkpoints_(std::move(checkpoints)) {}
  void on_batch_end(Trainer& trainer, const Logs& /*logs*/) override {
    if (!interrupted()) return;
    if (checkpoints_.empty())
      trainer.stop();
    else
      trainer.pause(checkpoints_);
  }

 private:
  std::string checkpoints_;
};

}  // namespace

void leave_on_interrupt() { install(linn_leave); }

void remember_interrupt() { install(linn_remember); }

bool interrupted() { return interrupts.load() > 0; }

int interrupted_code() { return signal_exit_code + last_signal.load(); }

CallbackHandle stop_on_interrupt(std::string checkpoints) { return std::make_shared<Stop>(std::move(checkpoints)); }

}  // namespace linn::cli
