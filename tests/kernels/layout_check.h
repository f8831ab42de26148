// Moves: each form against the definition.
#pragma once

#include "kernels/elementwise_check.h"
#include "kernels/layout/layout.h"

namespace linn::detail::kernels::check {

using testing::untouched;

inline void check_copy_map(const CopyMap::Problem& p, std::int64_t images, unsigned seed) {
  SCOPED_TRACE(std::to_string(p.height) + " x " + std::to_string(p.width) + " x " + std::to_string(p.channels) + ", images " + std::to_string(images));
  const Buffer src(make(images * p.src.image, Values::hostile, seed));
  Buffer expected(images * p.dst.image, untouched);
  for (std::int64_t n = 0; n < images; ++n)
    for (std::int64_t y = 0; y < p.height; ++y)
      for (std::int64_t x = 0; x < p.width; ++x)
        std::copy_n(src.data() + n * p.src.image + y * p.src.row + x * p.src.pixel, p.channels,
                    expected.data() + n * p.dst.image + y * p.dst.row + x * p.dst.pixel);
  each_form<CopyMap>(p, [&](const Implementation<CopyMap>& form) {
    Buffer dst(images * p.dst.image, untouched);
    form.run(p, {images, src.data(), dst.data(), nullptr});
    ASSERT_EQ(testing::bits_that_differ(dst, expected), 0);
  });
}

inline void check_permute(const Permute::Problem& p, std::int64_t images, unsigned seed) {
  SCOPED_TRACE(p.src.to_string() + " in order " + p.order.to_string() + ", images " + std::to_string(images));
  const std::int64_t elements = p.src.elements();
  const Shape out = permuted(p);
  const Buffer src(make(images * elements, Values::normal, seed));
  Buffer expected(src.size());
  std::vector<std::int64_t> index(p.src.rank());
  for (std::int64_t at = 0; at < src.size(); ++at) {  // along src
    std::int64_t rest = at % elements;
    for (std::size_t axis = index.size(); axis-- > 0; rest /= p.src[static_cast<std::ptrdiff_t>(axis)])
      index[axis] = rest % p.src[static_cast<std::ptrdiff_t>(axis)];
    std::int64_t to = 0;
    for (std::size_t k = 0; k < index.size(); ++k)
      to = to * out[static_cast<std::ptrdiff_t>(k)] + index[static_cast<std::size_t>(p.order[static_cast<std::ptrdiff_t>(k)])];
    expected[at / elements * elements + to] = src[at];
  }
  each_form<Permute>(p, [&](const Implementation<Permute>& form) {
    Buffer dst(src.size(), untouched), back(src.size(), untouched);
    form.run(p, {images, src.data(), dst.data(), nullptr});
    ASSERT_EQ(testing::bits_that_differ(dst, expected), 0);
    form.run({out, inverse_order(p.order)}, {images, dst.data(), back.data(), nullptr});
    ASSERT_EQ(testing::bits_that_differ(back, src), 0);
  });
}

}  // namespace linn::detail::kernels::check
