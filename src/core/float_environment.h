// Round to nearest, whatever the host program set: the same numbers everywhere. Denormals are on, but flushed to 0 in training.
#pragma once

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace linn::detail::core {

/// Rounding and denormals of a thread: the register MXCSR; elsewhere nothing.
using FloatMode = unsigned;
inline constexpr FloatMode default_float_mode = 0x1f80;
/// Results that are denormal become 0 (FTZ), and operands that are denormal count as 0 (DAZ).
inline constexpr FloatMode flushing_float_mode = default_float_mode | 0x8000U | 0x0040U;

inline FloatMode float_mode() {
#if defined(__x86_64__)
  return _mm_getcsr();
#else
  return default_float_mode;
#endif
}

inline void set_float_mode([[maybe_unused]] FloatMode mode) {
#if defined(__x86_64__)
  _mm_setcsr(mode);
#endif
}

/// The mode in which workers do the tasks of this thread: flushing where it is exactly that, else the default.
inline FloatMode float_mode_of_tasks() {
  constexpr FloatMode happened = 0x3f;  // exceptions that this thread has met
  return (float_mode() & ~happened) == flushing_float_mode ? flushing_float_mode : default_float_mode;
}

/// Sets a floating-point mode of this thread and puts the old one back at the end of its life.
class FloatEnvironment {
 public:
  explicit FloatEnvironment(FloatMode mode) : saved_(float_mode()) { set_float_mode(mode); }
  ~FloatEnvironment() { set_float_mode(saved_); }
  FloatEnvironment(const FloatEnvironment&) = delete;
  FloatEnvironment& operator=(const FloatEnvironment&) = delete;

 private:
  FloatMode saved_;
};

/// The default mode. Stands at every public entry that computes.
class DefaultFloatEnvironment : public FloatEnvironment {
 public:
  DefaultFloatEnvironment() : FloatEnvironment(default_float_mode) {}
};

}  // namespace linn::detail::core
