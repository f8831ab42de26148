#pragma once

namespace linn::tests {

// Whether this program runs under a sanitizer that slows it many times and has an allocator of its own.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif

}  // namespace linn::tests
