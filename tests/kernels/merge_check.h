// Merges and their gradients, each form against the definition, coordinate by coordinate.
#pragma once

#include "kernels/elementwise_check.h"
#include "kernels/merge/merge.h"

namespace linn::detail::kernels::check {

using testing::untouched;

inline constexpr MergeKind merge_kinds[] = {MergeKind::add,     MergeKind::subtract, MergeKind::multiply,
                                            MergeKind::average, MergeKind::maximum,  MergeKind::minimum};

struct MergeCase {
  MergeKind kind = MergeKind::add;
  std::vector<Shape> shapes;  // of the inputs' images
  std::int64_t images = 1;
  Values values = Values::normal;
};

inline std::string describe(const MergeCase& c) {
  std::string text = "kind " + std::to_string(static_cast<int>(c.kind)) + " images " + std::to_string(c.images);
  for (const Shape& shape : c.shapes) text += " " + shape.to_string();
  return text;
}

/// Where element `at` of an image of `output` lies in an image of `input`.
inline std::int64_t met(const Shape& output, const Shape& input, std::int64_t at) {
  std::int64_t offset = 0, stride = 1;
  for (std::size_t back = 1; back <= output.rank(); ++back) {
    const auto axis = -static_cast<std::ptrdiff_t>(back);
    const std::int64_t position = at % output[axis];
    at /= output[axis];
    if (back > input.rank()) continue;
    if (input[axis] != 1) offset += position * stride;
    stride *= input[axis];
  }
  return offset;
}

inline std::vector<Buffer> merge_inputs(const MergeCase& c, unsigned seed) {
  std::vector<Buffer> buffers;
  for (const Shape& shape : c.shapes) buffers.emplace_back(make(c.images * shape.elements(), c.values, seed++));
  return buffers;
}

inline std::vector<const void*> pointers_to(const std::vector<Buffer>& buffers) {
  std::vector<const void*> pointers;
  for (const Buffer& buffer : buffers) pointers.push_back(buffer.data());
  return pointers;
}

/// The values that meet in one element of the output.
inline std::vector<float> meeting(const MergeCase& c, const std::vector<Buffer>& inputs, const Shape& output, std::int64_t at) {
  const std::int64_t image = at / output.elements();
  std::vector<float> values;
  for (std::size_t k = 0; k < inputs.size(); ++k)
    values.push_back(inputs[k][image * c.shapes[k].elements() + met(output, c.shapes[k], at % output.elements())]);
  return values;
}

inline float merged(MergeKind kind, const std::vector<float>& x) {
  float result = x[0];
  for (std::size_t k = 1; k < x.size(); ++k) {
    if (kind == MergeKind::add || kind == MergeKind::average) result += x[k];
    if (kind == MergeKind::subtract) result -= x[k];
    if (kind == MergeKind::multiply) result *= x[k];
    if (kind == MergeKind::maximum && !std::isnan(result) && !(result > x[k])) result = x[k];
    if (kind == MergeKind::minimum && !std::isnan(result) && !(result < x[k])) result = x[k];
  }
  return kind == MergeKind::average ? result / static_cast<float>(x.size()) : result;
}

/// d merged / d x[input] times d, for finite x.
inline double merge_slope(MergeKind kind, const std::vector<float>& x, std::size_t input, double d) {
  if (kind == MergeKind::subtract && input == 1) return -d;
  if (kind == MergeKind::average) return d / static_cast<double>(x.size());
  if (kind == MergeKind::multiply)
    for (std::size_t k = 0; k < x.size(); ++k) d *= k == input ? 1.0 : static_cast<double>(x[k]);
  const bool maximum = kind == MergeKind::maximum;
  if (maximum || kind == MergeKind::minimum) {
    const auto best = maximum ? std::max_element(x.begin(), x.end()) : std::min_element(x.begin(), x.end());
    return best - x.begin() == static_cast<std::ptrdiff_t>(input) ? d : 0;
  }
  return d;
}

inline void check_merge_gradient(const MergeCase& c, const std::vector<Buffer>& inputs, const Shape& output, std::size_t input, unsigned seed) {
  SCOPED_TRACE("gradient of input " + std::to_string(input));
  const std::vector<const void*> src = pointers_to(inputs);
  const Buffer ddst(make(c.images * output.elements(), Values::normal, seed));
  const std::int64_t size = inputs[input].size(), elements = c.shapes[input].elements();
  std::vector<double> sums(static_cast<std::size_t>(size)), sizes(sums.size());
  for (std::int64_t at = 0; at < ddst.size(); ++at) {
    const double term = merge_slope(c.kind, meeting(c, inputs, output, at), input, static_cast<double>(ddst[at]));
    const std::int64_t to = at / output.elements() * elements + met(output, c.shapes[input], at % output.elements());
    sums[static_cast<std::size_t>(to)] += term;
    sizes[static_cast<std::size_t>(to)] += std::abs(term);
  }
  const MergeGradient::Problem problem{c.kind, resolve_broadcast(c.shapes), static_cast<std::int64_t>(input)};
  const double roundings = static_cast<double>(output.elements() / elements) + static_cast<double>(inputs.size()) + 1;
  each_form<MergeGradient>(problem, [&](const Implementation<MergeGradient>& form) {
    Buffer dsrc(size, untouched), scratch(form.scratch(problem, c.images), testing::unwritten);
    form.run(problem, {c.images, src.data(), ddst.data(), dsrc.data(), scratch.data()});
    ASSERT_TRUE(all_within(dsrc, sums, sizes, roundings));
  });
}

inline void check_merge(const MergeCase& c, unsigned seed) {
  SCOPED_TRACE(describe(c));
  const std::optional<Shape> output = broadcast_shape(c.shapes);
  ASSERT_TRUE(output);
  const std::vector<Buffer> inputs = merge_inputs(c, seed);
  const std::vector<const void*> src = pointers_to(inputs);
  Buffer expected(c.images * output->elements());
  for (std::int64_t at = 0; at < expected.size(); ++at) expected[at] = merged(c.kind, meeting(c, inputs, *output, at));
  const Merge::Problem problem{c.kind, resolve_broadcast(c.shapes)};
  each_form<Merge>(problem, [&](const Implementation<Merge>& form) {
    Buffer dst(expected.size(), untouched), scratch(form.scratch(problem, c.images), testing::unwritten);
    form.run(problem, {c.images, src.data(), dst.data(), scratch.data()});
    ASSERT_TRUE(all_same(dst, expected));
  });
  if (c.values == Values::hostile) return;
  for (std::size_t input = 0; input < inputs.size(); ++input) check_merge_gradient(c, inputs, *output, input, seed + 100);
}

}  // namespace linn::detail::kernels::check
