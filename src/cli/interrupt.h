// Ctrl-C: the first asks the training to stop after its step, the second leaves at once.
#pragma once

#include "linn/train.h"

namespace linn::cli {

/// Leaves with exit code 130 at the first Ctrl-C: right while there is nothing to save.
void leave_on_interrupt();

/// From here on the first Ctrl-C is only remembered (and says so on standard error), the second leaves with exit code 130.
void remember_interrupt();
bool interrupted();

/// Stops the training after the step in which Ctrl-C came.
CallbackHandle stop_on_interrupt();

}  // namespace linn::cli
