// Whether numbers are numbers: the guard of a training step.
#pragma once

#include <cstdint>
#include <string_view>

namespace linn::detail::kernels {

/// *finite = 1 if no element is NaN, infinite or, of a double, too large for a float, else 0.
struct Finite {
  static constexpr std::string_view name = "finite";
  struct Problem {};
  template <class T>
  struct Args {
    std::int64_t count;
    const T* src;
    std::int32_t* finite;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

}  // namespace linn::detail::kernels
