// Iteration over the rows and terms of a product: three nested indices, and pointers to the rows of the next tile.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/gemm/contract.h"

namespace linn::detail::kernels {

/// Joins neighbouring levels whose elements follow at one constant stride. Gives fewer and longer inner loops in the same order.
inline void join_levels(Box& count, Box& s, Box& t) {
  for (int pass = 0; pass < 2; ++pass)
    for (std::size_t level = 2; level > 0; --level) {
      const std::size_t outer = level - 1;
      const bool joins =
          count[outer] == 1 || count[level] == 1 || (s[outer] == count[level] * s[level] && t[outer] == count[level] * t[level]);
      if (!joins) continue;
      if (count[level] == 1) s[level] = s[outer], t[level] = t[outer];
      count[level] *= count[outer];
      count[outer] = 1;
    }
}

/// Iterates over the rows (r0, r1, r2) < rows, r2 fastest. Row r of a is at a + r . a_row, of c at c + r . c_row.
/// kMost: the largest number of rows that are taken at a time. kWide: vectors hold four addresses or more.
template <class A, int kMost, bool kWide>
class RowWalk {
 public:
  static constexpr int most = kMost;

  RowWalk(const Box& rows, const Box& a_row, const Box& c_row) : rows_(rows), a_row_(a_row), c_row_(c_row) {
    for (int r = 0; r < kMost; ++r) a_offset_[r] = r * a_row[2], c_offset_[r] = r * c_row[2];
#if defined(__GNUC__)
    // Hidden from the optimizer, which would add up the pitches row by row in each `take`: 6 % of a product of 9 terms. Vectors of two
    // addresses are not quicker than that.
    if constexpr (kWide) asm("" : "+m"(a_offset_), "+m"(c_offset_));
#endif
  }

  /// Lets the first row be at a and c.
  void start(const A* a, float* c) { a_ = a, c_ = c, at_ = {}; }

  /// Writes pointers to the next `count` rows. Further pointers, up to `kMost`, are undefined.
  void take(const A** a, float** c, std::int64_t count) {
    if (at_[2] + count <= rows_[2]) {
      // A loop of constant length without branches becomes a few vector instructions. One row at a time would cost a tenth of a small
      // product.
      for (int r = 0; r < kMost; ++r) a[r] = a_ + a_offset_[r], c[r] = c_ + c_offset_[r];
      step(count);
      return;
    }
    for (std::int64_t r = 0; r < count; ++r) {
      a[r] = a_, c[r] = c_;
      step(1);
    }
  }

 private:
  // Advances by `count` rows, at most to the end of the innermost level.
  void step(std::int64_t count) {
    a_ += count * a_row_[2], c_ += count * c_row_[2], at_[2] += count;
    for (std::size_t level = 2; level > 0 && at_[level] == rows_[level]; --level) {
      a_ += a_row_[level - 1] - rows_[level] * a_row_[level], c_ += c_row_[level - 1] - rows_[level] * c_row_[level];
      at_[level] = 0, ++at_[level - 1];
    }
  }

  Box rows_, a_row_, c_row_, at_ = {};
  const A* a_ = nullptr;
  float* c_ = nullptr;
  std::int64_t a_offset_[kMost], c_offset_[kMost];
};

}  // namespace linn::detail::kernels
