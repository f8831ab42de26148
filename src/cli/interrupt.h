// Ctrl-C, SIGTERM and SIGHUP: the first asks the training to stop after its step, the second leaves at once.
#pragma once

#include <string>

#include "linn/train.h"

namespace linn::cli {

/// Leaves at the first of them, with 128 and the number of the signal as exit code (130 for Ctrl-C): right while there is nothing to save. A SIGHUP
/// that was ignored when the program began, as nohup does, stays so.
void leave_on_interrupt();

/// From here on the first is only remembered (and says so on standard error), the second leaves.
void remember_interrupt();
bool interrupted();
/// 128 and the number of the signal that came; 130 where none did.
int interrupted_code();

/// Stops the training after the step in which the signal came; with a directory it pauses it there (Trainer::pause).
CallbackHandle stop_on_interrupt(std::string checkpoints = {});

}  // namespace linn::cli
