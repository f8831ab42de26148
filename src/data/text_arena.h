// Many short texts without an allocation for each.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace linn::detail::data {

/// Texts one behind the other in blocks of memory, which stay where they are.
class TextArena {
 public:
  /// A copy of `a` and `b` as one text; lives as long as the arena.
  std::string_view put(std::string_view a, std::string_view b) {
    const std::size_t size = a.size() + b.size();
    if (size > left_) grow(size);
    char* to = next_;
    std::memcpy(to, a.data(), a.size());
    std::memcpy(to + a.size(), b.data(), b.size());
    next_ += size, left_ -= size;
    return {to, size};
  }

 private:
  void grow(std::size_t size) {
    left_ = std::max<std::size_t>(size, std::size_t{1} << 18);
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(left_));
    next_ = blocks_.back().get();
  }

  std::vector<std::unique_ptr<char[]>> blocks_;
  char* next_ = nullptr;
  std::size_t left_ = 0;
};

}  // namespace linn::detail::data
