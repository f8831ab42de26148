#include "core/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "core/checked.h"

namespace linn::detail::core {
namespace {

constexpr std::size_t cache_line = 64;
constexpr std::size_t page = std::size_t{4} << 10;
constexpr std::size_t huge_page = std::size_t{2} << 20;
constexpr std::size_t large = std::size_t{8} << 20;

std::size_t rounded(std::size_t bytes, std::size_t unit) {
  return static_cast<std::size_t>(round_up(std::max<std::int64_t>(static_cast<std::int64_t>(bytes), 1), static_cast<std::int64_t>(unit)));
}

// Unlike std::aligned_alloc, takes sizes that are no multiple of the alignment.
void* allocate_aligned(std::size_t alignment, std::size_t size) {
  void* memory = nullptr;
  return posix_memalign(&memory, alignment, size) == 0 ? memory : nullptr;
}

void* allocate_in_huge_pages(std::size_t size) {
  void* memory = allocate_aligned(huge_page, size);
  if (memory != nullptr) madvise(memory, size, MADV_HUGEPAGE);  // only advice: where it is refused, the pages are small ones
  return memory;
}

// Nobody has so much, and what is rounded up stays below 2^63.
bool is_too_large(std::size_t bytes) { return bytes > static_cast<std::size_t>(std::numeric_limits<std::ptrdiff_t>::max()) - huge_page; }

}  // namespace

void* allocate(std::size_t bytes) {
  if (is_too_large(bytes)) return nullptr;
  return bytes < large ? allocate_aligned(cache_line, rounded(bytes, cache_line)) : allocate_in_huge_pages(rounded(bytes, page));
}

void* allocate_huge(std::size_t bytes) { return is_too_large(bytes) ? nullptr : allocate_in_huge_pages(rounded(bytes, huge_page)); }

}  // namespace linn::detail::core
