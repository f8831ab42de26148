// The output of a broadcast in pieces that stay in the L1 cache, with the inputs of each piece as arrays. Included once for each target.
//
// A piece is a part of a row (the last axis) or several rows that follow each other. In the second case an input that is repeated along one
// of the two last axes is written out for the whole piece: a vector of channels once for all pieces of an image, a number for each pixel
// anew for each piece. So loops are long however few channels there are.
#if defined(LINN_MERGE_PIECES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LINN_MERGE_PIECES_INL_H
#undef LINN_MERGE_PIECES_INL_H
#else
#define LINN_MERGE_PIECES_INL_H
#endif

#include <algorithm>
#include <array>
#include <cstdint>

#include "kernels/eltwise/for_each-inl.h"
#include "kernels/merge/merge.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::merge {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using eltwise::HWY_NAMESPACE::Copy;
using eltwise::HWY_NAMESPACE::for_each;

inline constexpr std::int64_t piece = 2048;  // elements

/// An input of a piece: consecutive elements, or one element that is repeated.
struct Operand {
  const float* at;
  bool repeated;
};

template <bool repeated, class D>
HWY_INLINE hn::Vec<D> load(D d, const float* src, std::int64_t i) {
  if constexpr (repeated) return hn::Set(d, *src);
  return hn::LoadU(d, src + i);
}

/// Each element of dst = *src.
struct Repeat {
  const float* src;
  float* dst;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    hn::StoreU(hn::Set(d, *src), d, dst + i);
  }
};

/// dst += the sum of the rows, row by row.
struct AddRows {
  const float* src;
  float* dst;
  std::int64_t rows, width;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    auto sum = hn::LoadU(d, dst + i);
    for (std::int64_t r = 0; r < rows; ++r) sum = hn::Add(sum, hn::LoadU(d, src + r * width + i));
    hn::StoreU(sum, d, dst + i);
  }
};

/// The sum of an array, in lanes.
HWY_INLINE float sum_of(const float* term, std::int64_t count) {
  const hn::ScalableTag<float> d;
  constexpr std::int64_t lanes = hn::MaxLanes(d);
  auto sums = hn::Zero(d);
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) sums = hn::Add(sums, hn::LoadU(d, term + i));
  float sum = hn::GetLane(hn::SumOfLanes(d, sums));
  for (; i < count; ++i) sum += term[i];
  return sum;
}

class Pieces {
 public:
  /// `shared`: an input has one image for all images of the output.
  explicit Pieces(const Broadcast& broadcast, bool shared = false)
      : broadcast_(broadcast),
        joined_(broadcast.dense() && !shared),
        rank_(broadcast.sizes.rank()),
        width_(broadcast.sizes[-1]),
        height_(rank_ > 1 ? broadcast.sizes[-2] : 1) {}

  /// Calls f(output offset, count) for each piece of all images.
  template <class F>
  HWY_INLINE void for_each_piece(std::int64_t images, const F& f) {
    if (broadcast_.output_elements() == 0) return;
    if (joined_) {
      const std::int64_t count = images * broadcast_.output_elements();
      for (start_ = 0; start_ < count; start_ += piece) f(start_, std::min(piece, count - start_));
      return;
    }
    const std::int64_t most = std::max(std::int64_t{1}, piece / width_), plane = height_ * width_;
    for (image_ = 0; image_ < images; ++image_) {
      at_ = {};
      for (std::int64_t output = image_ * broadcast_.output_elements(), end = output + broadcast_.output_elements(); output < end;
           output += plane) {
        for (row_ = 0; row_ < height_; row_ += rows_) {
          rows_ = std::min(most, height_ - row_);
          for (start_ = 0; start_ < width_; start_ += piece) f(output + row_ * width_ + start_, rows_ * std::min(piece, width_ - start_));
        }
        next_plane();
      }
    }
  }

  /// Offset of the piece's first element in an input, whose images are `image` elements apart.
  HWY_INLINE std::int64_t offset(std::int64_t input, std::int64_t image) const {
    if (joined_) return start_;
    const Shape& strides = strides_of(input);
    std::int64_t result = image_ * image + row_ * row_stride(input) + start_ * strides[-1];
    for (std::size_t axis = 0; axis + 2 < rank_; ++axis) result += at_[axis] * strides[static_cast<std::ptrdiff_t>(axis)];
    return result;
  }
  HWY_INLINE std::int64_t offset(std::int64_t input) const { return offset(input, broadcast_.elements[static_cast<std::size_t>(input)]); }

  /// The piece's elements of the input at `from` (the offset's). Written out, if need be, in one of two buffers: the operand stays valid
  /// until that buffer is used for another input or piece.
  HWY_INLINE Operand operand(std::int64_t input, const float* from, int buffer) {
    if (joined_) return {from, false};
    const std::int64_t step = strides_of(input)[-1], row_step = row_stride(input);
    if (rows_ == 1) return {from, step == 0};
    if (step == 0 && row_step == 0) return {from, true};
    if (step == 1 && row_step == width_) return {from, false};
    Buffer& out = buffers_[buffer];
    if (step == 0) {
      for (std::int64_t r = 0; r < rows_; ++r) for_each(width_, Repeat{from + r * row_step, out.values + r * width_});
      out.from = nullptr;
    } else if (out.from != from || out.rows < rows_) {
      for (std::int64_t r = 0; r < rows_; ++r) for_each(width_, Copy{from, out.values + r * width_});
      out.from = from, out.rows = rows_;
    }
    return {out.values, false};
  }

  /// Adds the piece's terms to the elements of the input at `to`, in row-major order.
  HWY_INLINE void add(std::int64_t input, const float* terms, std::int64_t count, float* to) const {
    const std::int64_t width = count / rows_, step = strides_of(input)[-1], row_step = row_stride(input);
    if (step == 0)
      for (std::int64_t r = 0; r < rows_; ++r) to[r * row_step] += sum_of(terms + r * width, width);
    else if (row_step == 0)
      for_each(width, AddRows{terms, to, rows_, width});
    else
      for_each(count, AddRows{terms, to, 1, count});
  }

 private:
  struct Buffer {
    const float* from = nullptr;
    std::int64_t rows = 0;
    alignas(64) float values[piece];
  };

  const Shape& strides_of(std::int64_t input) const { return broadcast_.strides[static_cast<std::size_t>(input)]; }
  std::int64_t row_stride(std::int64_t input) const { return rank_ > 1 ? strides_of(input)[-2] : 0; }

  void next_plane() {
    for (std::size_t axis = rank_ < 2 ? 0 : rank_ - 2; axis-- > 0;) {
      if (++at_[axis] < broadcast_.sizes[static_cast<std::ptrdiff_t>(axis)]) return;
      at_[axis] = 0;
    }
  }

  const Broadcast& broadcast_;
  const bool joined_;  // all images are one run
  const std::size_t rank_;
  const std::int64_t width_, height_;               // of a plane: the two last axes
  std::array<std::int64_t, Shape::max_rank> at_{};  // the plane
  std::int64_t image_ = 0, row_ = 0, start_ = 0, rows_ = 1;
  Buffer buffers_[2];
};

}  // namespace HWY_NAMESPACE
}  // namespace linn::detail::kernels::merge
HWY_AFTER_NAMESPACE();

#endif
