// The roofline for profiles: highest arithmetic rate and bandwidths, measured on this machine at its present load.
#pragma once

namespace linn::detail::plan {

/// Rates of one thread while all threads of the pool run the same loop.
struct Roofline {
  double flops = 0;             // floating-point operations per second of multiply-adds on registers
  double cache_bandwidth = 0;   // bytes read and written per second, copying between two arrays of a quarter of the L2 cache each
  double memory_bandwidth = 0;  // the same for arrays that together are four times as large as the L3 cache
};

/// Measures each number for a twentieth of a second: the best of many short rounds, because other processes use the machine too.
Roofline measure_roofline();

}  // namespace linn::detail::plan
