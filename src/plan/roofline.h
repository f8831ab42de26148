// The roofline that profiles are read against, measured on the machine as it is now.
#pragma once

namespace linn::plan {

/// What one thread reaches while all threads of the pool do the same.
struct Roofline {
  double flops = 0;             // floating-point operations a second, in multiply-adds on registers
  double cache_bandwidth = 0;   // bytes a second, read and written, copying between arrays of a quarter of the L2 cache each
  double memory_bandwidth = 0;  // the same between arrays that together are four times as large as the L3 cache
};

/// The best of many short rounds of each, a twentieth of a second a number.
Roofline measure_roofline();

}  // namespace linn::plan
