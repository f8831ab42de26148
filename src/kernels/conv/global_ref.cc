// References of conv/global.h. Forward: convolution, then global pooling. Gradients: winner by winner.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/conv/conv.h"
#include "kernels/conv/global.h"
#include "kernels/conv/ref_taps.h"

namespace linn::detail::kernels {
namespace {

template <class T>
bool is_winner(T value, T best) {
  return value == best || (std::isnan(value) && std::isnan(best));
}

// Calls visit(o, share of the gradient, output row, column) for the winners of an image.
template <class T, class Visit>
void for_each_winner(const Geometry& g, const T* ddst, const std::uint8_t* winners, const Visit& visit) {
  const auto holds = [&](std::int64_t pixel, std::int64_t o) { return (winners[pixel * winner_bytes(g) + o / 8] >> (o % 8) & 1) != 0; };
  const std::int64_t pixels = g.out_height * g.out_width;
  std::vector<std::int64_t> ties(static_cast<std::size_t>(g.out_channels));
  for (std::int64_t pixel = 0; pixel < pixels; ++pixel)
    for (std::int64_t o = 0; o < g.out_channels; ++o) ties[static_cast<std::size_t>(o)] += holds(pixel, o) ? 1 : 0;
  for (std::int64_t pixel = 0; pixel < pixels; ++pixel)
    for (std::int64_t o = 0; o < g.out_channels; ++o)
      if (holds(pixel, o) && ddst[o] != T(0)) visit(o, ddst[o] / static_cast<T>(ties[static_cast<std::size_t>(o)]), pixel / g.out_width, pixel % g.out_width);
}

}  // namespace

template <class T>
void ConvGlobalPoolForward::reference(const Problem& problem, const Args<T>& args) {
  Geometry conv = problem.conv;
  set_dense_dst(conv);
  const std::int64_t pixels = conv.out_height * conv.out_width, channels = conv.out_channels;
  std::vector<T> map(static_cast<std::size_t>(conv.dst_image)), pooled(static_cast<std::size_t>(channels));
  for (std::int64_t n = 0; n < args.images; ++n) {
    T* dst = args.dst + n * channels;
    ConvForward::reference<T>({conv, problem.bias, problem.activation},
                              {1, args.src + n * conv.src_image, args.kernel, nullptr, args.bias, map.data(), nullptr, args.channels});
    GlobalPoolForward::reference<T>({pixels, channels, problem.kind}, {1, map.data(), pooled.data(), nullptr});
    for (std::int64_t o = args.channels.begin; o < std::min(args.channels.end, channels); ++o) dst[o] = pooled[static_cast<std::size_t>(o)];
    if (!problem.winners) continue;
    std::uint8_t* winners = args.winners + n * winners_size(conv);
    std::fill_n(winners, winners_size(conv), std::uint8_t{0});
    for (std::int64_t pixel = 0; pixel < pixels; ++pixel)
      for (std::int64_t o = 0; o < channels; ++o) {
        const bool lives = problem.activation != Activation::relu || dst[o] > T(0);
        if (lives && is_winner(map[static_cast<std::size_t>(pixel * channels + o)], dst[o]))
          winners[pixel * winner_bytes(conv) + o / 8] |= static_cast<std::uint8_t>(1 << (o % 8));
      }
  }
}

template <class T>
void ConvGlobalPoolKernelGradient::reference(const Problem& g, const Args<T>& args) {
  const std::int64_t size = g.window_height * g.window_width * g.channels;
  std::fill_n(args.dkernel, g.out_channels * size, T(0));
  if (args.dbias != nullptr) std::fill_n(args.dbias, g.out_channels, T(0));
  std::vector<char> won(static_cast<std::size_t>(g.out_channels));
  for (std::int64_t n = 0; n < args.images; ++n) {
    std::fill(won.begin(), won.end(), char{0});
    for_each_winner(g, args.ddst + n * g.out_channels, args.winners + n * winners_size(g), [&](std::int64_t o, T share, std::int64_t row, std::int64_t column) {
      won[static_cast<std::size_t>(o)] = 1;
      for_each_tap(g, row, column, [&](std::int64_t tap, std::int64_t src) {
        for (std::int64_t c = 0; c < g.channels; ++c) args.dkernel[o * size + tap * g.channels + c] += share * args.src[n * g.src_image + src + c];
      });
    });
    for (std::int64_t o = 0; args.dbias != nullptr && o < g.out_channels; ++o)
      if (won[static_cast<std::size_t>(o)] != 0) args.dbias[o] += args.ddst[n * g.out_channels + o];
  }
}

template <class T>
void ConvGlobalPoolInputGradient::reference(const Problem& g, const Args<T>& args) {
  for (std::int64_t n = 0; n < args.images; ++n) {
    T* dsrc = args.dsrc + n * g.src_image;
    for (std::int64_t h = 0; h < g.height; ++h)
      for (std::int64_t w = 0; w < g.width; ++w) std::fill_n(dsrc + h * g.src_row + w * g.src_pixel, g.channels, T(0));
    for_each_winner(g, args.ddst + n * g.out_channels, args.winners + n * winners_size(g), [&](std::int64_t o, T share, std::int64_t row, std::int64_t column) {
      for_each_tap(g, row, column, [&](std::int64_t tap, std::int64_t src) {
        for (std::int64_t c = 0; c < g.channels; ++c) dsrc[src + c] += share * args.kernel[(tap * g.channels + c) * g.out_channels + o];
      });
    });
  }
}

template void ConvGlobalPoolForward::reference(const Problem&, const Args<float>&);
template void ConvGlobalPoolForward::reference(const Problem&, const Args<double>&);
template void ConvGlobalPoolKernelGradient::reference(const Problem&, const Args<float>&);
template void ConvGlobalPoolKernelGradient::reference(const Problem&, const Args<double>&);
template void ConvGlobalPoolInputGradient::reference(const Problem&, const Args<float>&);
template void ConvGlobalPoolInputGradient::reference(const Problem&, const Args<double>&);

}  // namespace linn::detail::kernels
