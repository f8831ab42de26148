#pragma once

#include "core/limits.h"

namespace linn::detail::core {

/// LINN_THREADS, or usable_cpus. Throws ValueError for a bad LINN_THREADS.
int default_threads();

/// CPUs that this process may use, 1 to 1024: those of its affinity, and no more than the quota of its control group, rounded up.
int usable_cpus(const ControlGroupFiles& files = {});

/// Throws ValueError, naming `what`, unless 1 <= threads <= 1024.
void check_threads(int threads, const char* what);

}  // namespace linn::detail::core
