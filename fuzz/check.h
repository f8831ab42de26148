// What the fuzz targets share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>

#include "linn/error.h"

namespace linn::fuzz {

inline std::span<const std::byte> bytes_of(const std::uint8_t* data, std::size_t size) {
  return std::as_bytes(std::span(data, size));
}

/// Stops the fuzzer: an invariant does not hold.
inline void check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "invariant broken: %s\n", what);
  std::abort();
}

/// Runs `load`; a linn::Error is a fine answer to any input, every other exception ends the run.
template <class Load>
void accept_errors(Load&& load) {
  try {
    load();
  } catch (const Error& error) {
    check(error.what()[0] != '\0', "an error has a text");
  }
}

}  // namespace linn::fuzz
