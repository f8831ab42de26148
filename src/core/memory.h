// Memory for large arrays: aligned, and in huge pages where the system has them.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

namespace linn::detail::core {

/// At least `bytes` bytes, not set to anything, for std::free; null where there are not enough. Aligned to 64 bytes, a cache line. From
/// 8 MiB on in huge pages, as by allocate_huge, but without the rest of the last one.
void* allocate(std::size_t bytes);

/// The same for any size, aligned to 2 MiB, with the advice to use huge pages for all of it: the system hands out and clears 2 MiB at a time
/// in place of 4 KiB, and the processor's table of pages holds more.
void* allocate_huge(std::size_t bytes);

/// An allocator for vectors over `allocate` whose `resize` leaves new elements unset.
template <class T>
struct UnsetAllocator {
  static_assert(std::is_trivial_v<T>);
  using value_type = T;

  UnsetAllocator() = default;
  template <class U>
  UnsetAllocator(const UnsetAllocator<U>&) {}  // NOLINT(google-explicit-constructor): as the standard wants it

  T* allocate(std::size_t count) {
    if (count > static_cast<std::size_t>(-1) / 2 / sizeof(T)) throw std::bad_alloc();
    void* memory = core::allocate(count * sizeof(T));
    if (memory == nullptr) throw std::bad_alloc();
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t) { std::free(memory); }
  template <class U>
  void construct(U* place) {
    ::new (static_cast<void*>(place)) U;
  }
  template <class U, class... Args>
  void construct(U* place, Args&&... args) {
    ::new (static_cast<void*>(place)) U(std::forward<Args>(args)...);
  }
  bool operator==(const UnsetAllocator&) const { return true; }
};

/// The bytes of a file or of an archive's member.
using Bytes = std::vector<std::byte, UnsetAllocator<std::byte>>;

}  // namespace linn::detail::core
