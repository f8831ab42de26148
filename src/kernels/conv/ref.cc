// References of conv/conv.h: convolution and its two gradients by their definitions.
#include <algorithm>
#include <cassert>

#include "kernels/conv/conv.h"

namespace linn::detail::kernels {
namespace {

// Calls visit(output pixel, source pixel, tap) for each pair of an output pixel and a source pixel of its window inside the map. The
// loops run over images, output rows, output columns, window rows and window columns, the last fastest.
template <class Visit>
void for_each_pair(const Geometry& g, std::int64_t images, const Visit& visit) {
  for (std::int64_t n = 0; n < images; ++n)
    for (std::int64_t y = 0; y < g.out_height; ++y)
      for (std::int64_t x = 0; x < g.out_width; ++x)
        for (std::int64_t i = 0; i < g.window_height; ++i)
          for (std::int64_t j = 0; j < g.window_width; ++j) {
            const std::int64_t row = y * g.stride_height - g.pad_top + i * g.dilation_height;
            const std::int64_t column = x * g.stride_width - g.pad_left + j * g.dilation_width;
            if (row < 0 || row >= g.height || column < 0 || column >= g.width) continue;
            visit(n * g.dst_image + y * g.dst_row + x * g.dst_pixel, n * g.src_image + row * g.src_row + column * g.src_pixel,
                  i * g.window_width + j);
          }
}

// The channels that a call computes, of `count` in all.
Channels clipped(const Channels& channels, std::int64_t count) { return {channels.begin, std::min(channels.end, count)}; }

// Calls visit(o, first) for these output channels o and the first of the channels / groups source channels that it reads.
template <class Visit>
void for_each_output_channel(const Geometry& g, const Channels& channels, const Visit& visit) {
  for (std::int64_t o = channels.begin; o < channels.end; ++o) visit(o, o / (g.out_channels / g.groups) * (g.channels / g.groups));
}

// Calls visit(place, channel) for every element of these channels of a map.
template <class Visit>
void for_each_element(std::int64_t height, std::int64_t width, const Channels& channels, const Pitches& pitches, std::int64_t images,
                      const Visit& visit) {
  for (std::int64_t n = 0; n < images; ++n)
    for (std::int64_t y = 0; y < height; ++y)
      for (std::int64_t x = 0; x < width; ++x)
        for (std::int64_t c = channels.begin; c < channels.end; ++c) visit(n * pitches.image + y * pitches.row + x * pitches.pixel + c, c);
}

template <class T>
T activated(Activation activation, T value) {
  if (!cuts_below_zero(activation)) return value;
  if (value < 0) return 0;  // NaN stays
  return std::min(value, T(largest_result(activation)));
}

}  // namespace

template <class T>
void ConvForward::reference(const Problem& problem, const Args<T>& args) {
  const Geometry& g = problem.geometry;
  const std::int64_t depth = g.channels / g.groups;
  const Channels channels = clipped(args.channels, g.out_channels);
  const auto each_output = [&](const auto& visit) {
    for_each_element(g.out_height, g.out_width, channels, {g.dst_pixel, g.dst_row, g.dst_image}, args.images, visit);
  };
  assert(is_in_registers(problem.activation));
  each_output([&](std::int64_t at, std::int64_t o) { args.dst[at] = problem.bias ? args.bias[o] : T(0); });
  for_each_pair(g, args.images, [&](std::int64_t dst, std::int64_t src, std::int64_t tap) {
    for_each_output_channel(g, channels, [&](std::int64_t o, std::int64_t first) {
      for (std::int64_t c = 0; c < depth; ++c)
        args.dst[dst + o] += args.src[src + first + c] * args.kernel[(tap * depth + c) * g.out_channels + o];
    });
  });
  each_output([&](std::int64_t at, std::int64_t) { args.dst[at] = activated(problem.activation, args.dst[at]); });
}

template <class T>
void ConvInputGradient::reference(const Problem& problem, const Args<T>& args) {
  const Geometry& g = problem.geometry;
  const std::int64_t depth = g.channels / g.groups;
  const auto each_input = [&](const auto& visit) {
    for_each_element(g.height, g.width, {0, g.channels}, {g.src_pixel, g.src_row, g.src_image}, args.images, visit);
  };
  assert(is_in_registers(problem.activation));
  each_input([&](std::int64_t at, std::int64_t c) { args.dsrc[at] = problem.bias ? args.bias[c] : T(0); });
  for_each_pair(g, args.images, [&](std::int64_t dst, std::int64_t src, std::int64_t tap) {
    for_each_output_channel(g, {0, g.out_channels}, [&](std::int64_t o, std::int64_t first) {
      for (std::int64_t c = 0; c < depth; ++c)
        args.dsrc[src + first + c] += args.ddst[dst + o] * args.transposed_kernel[(tap * g.out_channels + o) * depth + c];
    });
  });
  each_input([&](std::int64_t at, std::int64_t) { args.dsrc[at] = activated(problem.activation, args.dsrc[at]); });
}

template <class T>
void ConvKernelGradient::reference(const Problem& g, const Args<T>& args) {
  const std::int64_t depth = g.channels / g.groups;
  const std::int64_t count = g.window_height * g.window_width * depth * g.out_channels;
  for (std::int64_t i = 0; i < count; ++i) args.dkernel[i] = 0;
  for_each_pair(g, args.images, [&](std::int64_t dst, std::int64_t src, std::int64_t tap) {
    for_each_output_channel(g, {0, g.out_channels}, [&](std::int64_t o, std::int64_t first) {
      for (std::int64_t c = 0; c < depth; ++c)
        args.dkernel[(tap * depth + c) * g.out_channels + o] += args.src[src + first + c] * args.ddst[dst + o];
    });
  });
}

template void ConvForward::reference(const Problem&, const Args<float>&);
template void ConvForward::reference(const Problem&, const Args<double>&);
template void ConvInputGradient::reference(const Problem&, const Args<float>&);
template void ConvInputGradient::reference(const Problem&, const Args<double>&);
template void ConvKernelGradient::reference(const Problem&, const Args<float>&);
template void ConvKernelGradient::reference(const Problem&, const Args<double>&);

}  // namespace linn::detail::kernels
