// Padding and its gradient, each form against the definition, walked step by step.
#pragma once

#include "kernels/elementwise_check.h"
#include "kernels/pad/pad.h"

namespace linn::detail::kernels::check {

using testing::untouched;

inline constexpr PadMode pad_modes[] = {PadMode::zero, PadMode::circular, PadMode::reflect, PadMode::replicate};

inline std::string describe(const PadForward::Problem& p) {
  static constexpr const char* names[] = {"zero", "circular", "reflect", "replicate"};
  return std::to_string(p.height) + "x" + std::to_string(p.width) + "x" + std::to_string(p.channels) + " " +
         names[static_cast<int>(p.mode)] + " " + std::to_string(p.pads.top) + " " + std::to_string(p.pads.bottom) + " " +
         std::to_string(p.pads.left) + " " + std::to_string(p.pads.right);
}

/// What stands at each position of the padded axis, -1 for zero: a walk from the map's first position to the left, and another from its
/// last one to the right, that goes on, jumps to the other end, turns back or stays.
inline std::vector<std::int64_t> walked(std::int64_t before, std::int64_t size, std::int64_t after, PadMode mode) {
  const auto walk = [&](std::int64_t position, std::int64_t direction, std::int64_t steps) {
    std::vector<std::int64_t> seen;
    for (; steps > 0; --steps) {
      const std::int64_t next = position + direction;
      if (next >= 0 && next < size)
        position = next;
      else if (mode == PadMode::circular)
        position = direction < 0 ? size - 1 : 0;
      else if (mode == PadMode::reflect && size > 1)
        direction = -direction, position += direction;
      seen.push_back(mode == PadMode::zero ? -1 : position);
    }
    return seen;
  };
  const std::vector<std::int64_t> left = walk(0, -1, before), right = walk(size - 1, 1, after);
  std::vector<std::int64_t> all(left.rbegin(), left.rend());
  for (std::int64_t i = 0; i < size; ++i) all.push_back(i);
  all.insert(all.end(), right.begin(), right.end());
  return all;
}

/// Calls f(position in dst, position in src) for each value that is no zero of the padding, in row-major order.
template <class F>
void for_each_shown(const PadForward::Problem& p, std::int64_t images, F&& f) {
  const auto rows = walked(p.pads.top, p.height, p.pads.bottom, p.mode), columns = walked(p.pads.left, p.width, p.pads.right, p.mode);
  std::size_t at = 0;
  for (std::int64_t image = 0; image < images; ++image)
    for (const std::int64_t y : rows)
      for (const std::int64_t x : columns)
        for (std::int64_t c = 0; c < p.channels; ++c, ++at)
          if (y >= 0 && x >= 0) f(at, static_cast<std::size_t>(((image * p.height + y) * p.width + x) * p.channels + c));
}

inline std::int64_t padded_size(const PadForward::Problem& p, std::int64_t images) {
  return images * (p.pads.top + p.height + p.pads.bottom) * (p.pads.left + p.width + p.pads.right) * p.channels;
}

inline void check_pad(const PadForward::Problem& p, std::int64_t images, Values values, unsigned seed) {
  SCOPED_TRACE(describe(p));
  const std::int64_t src_size = images * p.height * p.width * p.channels, dst_size = padded_size(p, images);
  const Buffer src(make(src_size, values, seed));
  Buffer shown(dst_size, 0.0f);
  for_each_shown(p, images, [&](std::size_t dst, std::size_t from) { shown.data()[dst] = src.data()[from]; });
  each_form<PadForward>(p, [&](const Implementation<PadForward>& form) {
    Buffer dst(dst_size, untouched), scratch(form.scratch(p, images), testing::unwritten);
    form.run(p, {images, src.data(), dst.data(), scratch.data()});
    ASSERT_EQ(testing::bits_that_differ(dst, shown), 0);
  });

  const std::vector<float> ddst = make(dst_size, Values::normal, seed + 1);
  std::vector<double> sums(static_cast<std::size_t>(src_size)), sizes(sums.size());
  for_each_shown(p, images, [&](std::size_t dst, std::size_t from) {
    sums[from] += static_cast<double>(ddst[dst]);
    sizes[from] += std::abs(static_cast<double>(ddst[dst]));
  });
  const Buffer guarded_ddst(ddst);
  Buffer reference(src_size, untouched);
  PadInputGradient::reference<float>(p, {images, guarded_ddst.data(), reference.data(), nullptr});
  each_form<PadInputGradient>(p, [&](const Implementation<PadInputGradient>& form) {
    Buffer dsrc(src_size, untouched), scratch(form.scratch(p, images), testing::unwritten);
    form.run(p, {images, guarded_ddst.data(), dsrc.data(), scratch.data()});
    ASSERT_EQ(testing::bits_that_differ(dsrc, reference), 0);
    ASSERT_TRUE(all_within(dsrc, sums, sizes, static_cast<double>(dst_size) / static_cast<double>(src_size) + 2));
  });
}

}  // namespace linn::detail::kernels::check
