// PhaseChoice: the phase with the largest score; ties are decided by the contents.
//
// A tie is decided by sorting all circular rotations of all tied phases, by prefix doubling as in the construction of suffix arrays:
//   1. rank the pixels;
//   2. from the ranks of two runs `step` pixels apart follow the ranks of runs of 2 * step pixels, until a run is as long as a row;
//   3. likewise for blocks of rows, until a block is as high as a phase.
// Different ranks stay different in later steps. The search ends as soon as all pixels of the smallest rank lie in one phase.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/polyphase/polyphase.h"

namespace linn::detail::kernels {
namespace {

/// Whether a score is larger; NaN is larger than all numbers.
template <class T>
bool beats(T score, T best) {
  return score > best || (std::isnan(score) && !std::isnan(best));
}

template <class T>
bool ties(T score, T best) {
  return score == best || (std::isnan(score) && std::isnan(best));
}

/// The tied phases of one map. Their pixels are numbered one phase after the other.
template <class T>
class Tie {
 public:
  Tie(const Phases& phases, const T* src, void* scratch) : p_(phases), src_(src) {
    const std::int64_t all = p_.height * p_.width;
    tied_ = static_cast<std::int32_t*>(scratch), rank_ = tied_ + all, second_ = rank_ + all, order_ = second_ + all;
  }

  /// Adds a phase unless an equal one is there already.
  void add(std::int64_t phase) {
    for (std::int64_t t = 0; t < count_; ++t)
      if (equal(tied_[t], phase)) return;
    tied_[count_++] = static_cast<std::int32_t>(phase);
  }

  /// The phase that has the smallest rotation.
  std::int32_t smallest() {
    if (count_ == 1) return tied_[0];
    rank_pixels();
    for (std::int64_t step = 1; step < p_.columns() && !decided(); step *= 2) rank_pairs(0, step);
    for (std::int64_t step = 1; step < p_.rows() && !decided(); step *= 2) rank_pairs(step, 0);
    return tied_[order_[0] / phase_pixels()];
  }

 private:
  std::int64_t phase_pixels() const { return p_.rows() * p_.columns(); }
  std::int64_t pixels() const { return count_ * phase_pixels(); }
  const T* pixel(std::int64_t phase, std::int64_t y, std::int64_t x) const { return src_ + p_.pixel(phase, y, x); }
  int compare(const T* a, const T* b) const { return std::memcmp(a, b, static_cast<std::size_t>(p_.channels) * sizeof(T)); }

  bool equal(std::int64_t a, std::int64_t b) const {
    for (std::int64_t y = 0; y < p_.rows(); ++y)
      for (std::int64_t x = 0; x < p_.columns(); ++x)
        if (compare(pixel(a, y, x), pixel(b, y, x)) != 0) return false;
    return true;
  }

  /// Calls f(number of the pixel, phase, row, column) for all pixels in the order of their numbers.
  template <class F>
  void for_each_pixel(const F& f) const {
    std::int64_t i = 0;
    for (std::int64_t t = 0; t < count_; ++t)
      for (std::int64_t y = 0; y < p_.rows(); ++y)
        for (std::int64_t x = 0; x < p_.columns(); ++x) f(i++, t, y, x);
  }

  /// Sorts all pixels by compare(a, b); equal pixels by number.
  template <class Compare>
  void sort(const Compare& compare_pixels) {
    for (std::int64_t i = 0; i < pixels(); ++i) order_[i] = static_cast<std::int32_t>(i);
    std::sort(order_, order_ + pixels(), [&](std::int32_t a, std::int32_t b) {
      const int difference = compare_pixels(a, b);
      return difference != 0 ? difference < 0 : a < b;
    });
  }

  /// Ranks the pixels by their bytes.
  void rank_pixels() {
    // Place of each pixel in the map, in pixels.
    for_each_pixel([&](std::int64_t i, std::int64_t t, std::int64_t y, std::int64_t x) {
      second_[i] = static_cast<std::int32_t>(p_.pixel(tied_[t], y, x) / p_.channels);
    });
    const auto compare_pixels = [&](std::int32_t a, std::int32_t b) {
      return compare(src_ + second_[a] * p_.channels, src_ + second_[b] * p_.channels);
    };
    sort(compare_pixels);
    std::int32_t number = 0;
    for (std::int64_t i = 0; i < pixels(); ++i) {
      if (i > 0 && compare_pixels(order_[i - 1], order_[i]) != 0) ++number;
      rank_[order_[i]] = number;
    }
  }

  /// Ranks the pixels by (rank, rank of the pixel `down` rows below and `right` columns to the right in the same phase, circularly).
  void rank_pairs(std::int64_t down, std::int64_t right) {
    for_each_pixel([&](std::int64_t i, std::int64_t t, std::int64_t y, std::int64_t x) {
      const std::int64_t row = y + down < p_.rows() ? y + down : y + down - p_.rows();
      const std::int64_t column = x + right < p_.columns() ? x + right : x + right - p_.columns();
      second_[i] = rank_[t * phase_pixels() + row * p_.columns() + column];
    });
    sort([&](std::int32_t a, std::int32_t b) { return rank_[a] != rank_[b] ? rank_[a] - rank_[b] : second_[a] - second_[b]; });
    std::int32_t number = 0, before = rank_[order_[0]];
    for (std::int64_t i = 0; i < pixels(); ++i) {
      const std::int32_t rank = rank_[order_[i]];
      if (i > 0 && (rank != before || second_[order_[i]] != second_[order_[i - 1]])) ++number;
      before = rank;
      rank_[order_[i]] = number;
    }
  }

  /// Whether all pixels of the smallest rank, which come first in order_, lie in one phase.
  bool decided() const {
    std::int64_t last = 0;
    while (last + 1 < pixels() && rank_[order_[last + 1]] == 0) ++last;
    return order_[0] / phase_pixels() == order_[last] / phase_pixels();
  }

  Phases p_;
  const T* src_;
  std::int64_t count_ = 0;
  std::int32_t* tied_;    // phases
  std::int32_t* rank_;    // of each pixel
  std::int32_t* second_;  // of each pixel: the second number that a sort compares
  std::int32_t* order_;   // pixels, the smallest first
};

}  // namespace

template <class T>
void PhaseChoice::reference(const Problem& p, const Args<T>& args) {
  for (std::int64_t n = 0; n < args.images; ++n) {
    const T* scores = args.scores + n * p.count();
    std::int64_t best = 0, tied = 1;
    for (std::int64_t k = 1; k < p.count(); ++k) {
      if (ties(scores[k], scores[best])) ++tied;
      if (beats(scores[k], scores[best])) best = k, tied = 1;
    }
    args.phase[n] = static_cast<std::int32_t>(best);
    if (tied == 1) continue;
    Tie<T> tie(p, args.src + n * p.map(), args.scratch);
    for (std::int64_t k = best; k < p.count(); ++k)
      if (ties(scores[k], scores[best])) tie.add(k);
    args.phase[n] = tie.smallest();
  }
}

template void PhaseChoice::reference(const Problem&, const Args<float>&);
template void PhaseChoice::reference(const Problem&, const Args<double>&);

}  // namespace linn::detail::kernels
