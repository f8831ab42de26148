// Direct kernel gradient: dkernel[tap, channel][o] = sum over output pixels of src * ddst.
//
// Loop nest:  for each chunk of images or rows of an image (zero-padded copy if there is padding), for each group
//               the tiles of gemm/contract.inc: rows = (tap row, tap column, channel), up to 13 of them in registers, whatever
//               taps they belong to, so that a first layer of one channel has 9 rows for a 3x3 window;
//               terms = (image, output row, output column); chunks after the first go on from the sums in dkernel
// Registers:  see gemm/contract.inc.
// Measured:   (Zen 4, one core, fraction of the multiply-add loop) 3x3 on 13x13, 32->32: 92 %; 1->32 on 28x28: 95 %;
//             same 32->64 on 14x14: 85 %; same 128->128 on 7x7: 77 % (padding's zeros are computed but not counted).
#include <algorithm>

#include "core/checked.h"
#include "core/cpu.h"
#include "kernels/conv/cost.h"
#include "kernels/conv/direct.h"
#include "kernels/conv/padding.h"
#include "kernels/gemm/contract.h"

namespace linn::detail::kernels::conv {
namespace {

// Images of a chunk. Their maps (about 32 KiB of ddst and src) stay in the cache while all tiles read them, but a chunk has enough pixels
// to be worth loading and storing the sums of a tile.
std::int64_t chunk_of(const Geometry& g, std::int64_t images) {
  const std::int64_t pixels = g.out_height * g.out_width;
  const std::int64_t elements = padded_image(g) + pixels * g.out_channels;
  return std::clamp<std::int64_t>(std::max(8192 / elements, core::ceil_div(256, pixels)), 1, std::max<std::int64_t>(images, 1));
}

// Output rows of a chunk of one image: all if they stay in half of the L2 cache, else as many as stay in an eighth, while all tiles read them.
std::int64_t rows_of_chunk(const Geometry& g) {
  const std::int64_t row = (g.out_width * g.out_channels + g.stride_height * padded_row(g)) * static_cast<std::int64_t>(sizeof(float));
  if (g.out_height * row <= core::cpu().l2_bytes / 2) return std::max<std::int64_t>(g.out_height, 1);
  return core::ceil_div(g.out_height, core::ceil_div(g.out_height * row, core::cpu().l2_bytes / 8));
}

}  // namespace

double KernelGradient::cost(const Geometry& g) {
  return products_cost(static_cast<double>(g.out_height * g.out_width * kernel_size(g)), g, g.out_channels / g.groups);
}

std::int64_t KernelGradient::scratch(const Geometry& g, std::int64_t images) { return padded(g) ? chunk_of(g, images) * padded_image(g) : 0; }

void KernelGradient::run(const Geometry& g, const ConvKernelGradient::Args<float>& args) {
  const Contract contract = contract_for_cpu();
  const std::int64_t depth = g.channels / g.groups, columns = g.out_channels / g.groups, chunk = chunk_of(g, args.images);
  const std::int64_t rows = chunk > 1 ? g.out_height : rows_of_chunk(g);
  const bool copy = padded(g);
  const std::int64_t pixel = copy ? g.channels : g.src_pixel, row = copy ? padded_row(g) : g.src_row;
  const std::int64_t image = copy ? padded_image(g) : g.src_image;
  for (std::int64_t n = 0; n < args.images; n += chunk) {
    const std::int64_t images = std::min(chunk, args.images - n);
    const float* src = args.src + n * g.src_image;
    if (copy) {
      pad(g, images, src, args.scratch);
      src = args.scratch;
    }
    for (std::int64_t y = 0; y < g.out_height; y += rows)
      for (std::int64_t group = 0; group < g.groups; ++group)
        contract({.rows = {g.window_height, g.window_width, depth},
                  .a_row = {g.dilation_height * row, g.dilation_width * pixel, 1},
                  .c_row = {g.window_width * depth * g.out_channels, depth * g.out_channels, g.out_channels},
                  .terms = {images, std::min(rows, g.out_height - y), g.out_width},
                  .a_term = {image, g.stride_height * row, g.stride_width * pixel},
                  .b_term = {g.dst_image, g.dst_row, g.dst_pixel},
                  .columns = columns,
                  .a = src + y * g.stride_height * row + group * depth,
                  .b = args.ddst + n * g.dst_image + y * g.dst_row + group * columns,
                  .c = args.dkernel + group * columns,
                  .add = n > 0 || y > 0});
  }
}

}  // namespace linn::detail::kernels::conv
