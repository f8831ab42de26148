#pragma once

namespace linn::detail::core {

/// LINN_THREADS, or the number of CPUs this process may use. Throws ValueError for a bad LINN_THREADS.
int default_threads();

/// Throws ValueError, naming `what`, unless 1 <= threads <= 1024.
void check_threads(int threads, const char* what);

}  // namespace linn::detail::core
