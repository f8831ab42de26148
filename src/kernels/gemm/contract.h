// The one product under convolution, its gradients and dense layers: a batch-reduce matrix product whose rows and terms
// are each a box of three nested indices with a stride a level.
#pragma once

#include <array>
#include <cstdint>
#include <limits>

namespace linn::detail::kernels {

/// Three nested indices, the last fastest.
using Box = std::array<std::int64_t, 3>;

/// c[row] [j] = epilogue(start + sum over terms in order of a[row, term] * b[term][j]) for 0 <= j < columns, where
///   row  = (r0, r1, r2) < rows:  a[row, term] = a[row . a_row + term . a_term],  c[row] = c + row . c_row;
///   term = (t0, t1, t2) < terms: b[term] = b + term . b_term.
/// Each output is one chain of multiply-adds in the order of the terms, in every tile and tail: its bits depend only on the instruction
/// set, the terms and the data. Strides may be negative. Any count may be 0; with no terms the result is `start`.
struct Contraction {
  Box rows = {1, 1, 1}, a_row = {}, c_row = {};
  Box terms = {1, 1, 1}, a_term = {}, b_term = {};
  std::int64_t columns = 0;
  /// In b, from a panel of 2 * core::lanes() columns to the next. 0: all columns lie side by side.
  std::int64_t b_panel = 0;
  /// The same product `products` times, these distances apart.
  std::int64_t products = 1, a_product = 0, b_product = 0, c_product = 0;
  const float* a = nullptr;
  const float* b = nullptr;
  float* c = nullptr;
  /// The chain starts from c itself if `add`, else from bias[j], else (null) from 0.
  bool add = false;
  const float* bias = nullptr;
  /// Results below 0 become 0, and those above `largest` become that. NaN stays.
  bool relu = false;
  float largest = std::numeric_limits<float>::infinity();
  /// Scratch of pack_size(terms) elements, or null. A panel of b whose rows are far apart is copied there densely.
  float* pack = nullptr;
};

/// Elements of Contraction::pack for this number of terms.
constexpr std::int64_t pack_size(std::int64_t terms) { return terms * 32; }

/// The function for the chosen instruction set. Get it once for each op call.
using Contract = void (*)(const Contraction&);
Contract contract_for_cpu();

}  // namespace linn::detail::kernels
