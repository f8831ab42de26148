// Round to nearest, denormals on, whatever the host program set: the same numbers everywhere.
#pragma once

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace linn::detail::core {

/// Sets the default floating-point mode of this thread and puts the old one back at the end of its life.
/// Stands at every public entry that computes.
class DefaultFloatEnvironment {
 public:
#if defined(__x86_64__)
  DefaultFloatEnvironment() : saved_(_mm_getcsr()) { _mm_setcsr(0x1f80); }
  ~DefaultFloatEnvironment() { _mm_setcsr(saved_); }
#else
  DefaultFloatEnvironment() = default;
  ~DefaultFloatEnvironment() = default;
#endif
  DefaultFloatEnvironment(const DefaultFloatEnvironment&) = delete;
  DefaultFloatEnvironment& operator=(const DefaultFloatEnvironment&) = delete;

#if defined(__x86_64__)
 private:
  unsigned saved_;
#endif
};

}  // namespace linn::detail::core
