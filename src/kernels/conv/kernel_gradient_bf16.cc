// ConvKernelGradient in the direct form in bfloat16: dkernel[tap, channel][o] = sum over output pixels of src * ddst. A pair of terms is
// one pixel of two images.
//
// Loop nest:  for each chunk of pairs of images, or of rows of one pair, for each group
//               round both and lay the two images' elements side by side: src with its padding written out, 16 channels a plane
//               for each tap: the tiles of gemm/contract.inc: rows = (plane, channel); pairs = (pair of images, output row and output
//                 column that meet the map); chunks after the first go on from the sums in dkernel
//               for the channels that fill no plane: the same with rows = (tap row, tap column, channel)
// Registers:  see gemm/contract.inc.
// Bound:      |error| <= (2^-7 + c eps) sum |a b|. An odd last image has zeros beside it.
// Measured:   see docs/decisions/bfloat16.md.
#include <algorithm>

#include "core/checked.h"
#include "kernels/conv/direct.h"
#include "kernels/conv/round_map.h"
#include "kernels/conv/taps.h"
#include "kernels/gemm/bf16.h"

namespace linn::detail::kernels::conv {
namespace {

// Layout in scratch of one group's src [plane][pair of images][row][column][channel][2] and ddst [plane][pair of
// images][row][column][16][2], for a chunk of pairs of images and of output rows.
struct Chunk {
  Chunk(const Geometry& g, std::int64_t images)
      : depth(g.channels / g.groups),
        columns(g.out_channels / g.groups),
        pixel(2 * std::min(depth, bf16_columns)),
        row(((g.out_width - 1) * g.stride_width + (g.window_width - 1) * g.dilation_width + 1) * pixel) {
    const std::int64_t all = std::max<std::int64_t>(core::ceil_div(images, 2), 1);
    const auto elements = [&](std::int64_t some) {
      return planes() * rows_read(g, some) * row + vectors() * some * g.out_width * bf16_pair;
    };
    if (elements(g.out_height) <= most_elements) {
      const std::int64_t fit = std::max(most_elements / elements(g.out_height), core::ceil_div(least_pairs, g.out_height * g.out_width));
      pairs = std::min(all, fit);
      rows = g.out_height;
    } else {
      const std::int64_t of_row = std::max<std::int64_t>(elements(2) - elements(1), 1);
      const std::int64_t fit = std::max<std::int64_t>((most_elements - elements(1)) / of_row + 1, 1);
      rows = core::ceil_div(g.out_height, core::ceil_div(g.out_height, fit));  // bands of about one size
    }
    src_image = rows_read(g, rows) * row;
    src_plane = pairs * src_image + bf16_pair;  // the last pixel is written as a whole vector
    ddst_vector = pairs * rows * g.out_width * bf16_pair;
  }

  static std::int64_t rows_read(const Geometry& g, std::int64_t some) {
    return (some - 1) * g.stride_height + (g.window_height - 1) * g.dilation_height + 1;
  }
  std::int64_t planes() const { return core::ceil_div(depth, bf16_columns); }
  std::int64_t vectors() const { return core::ceil_div(columns, bf16_columns); }
  std::int64_t scratch() const { return floats_of_bf16(planes() * src_plane + vectors() * ddst_vector); }

  std::int64_t depth, columns;  // of a group
  std::int64_t pixel, row;      // of src, from one to the next
  std::int64_t pairs = 1, rows = 1;
  std::int64_t src_image, src_plane, ddst_vector;

 private:
  static constexpr std::int64_t most_elements = 262144;  // 512 KiB; as quick as 1, 2 and 4 MiB
  static constexpr std::int64_t least_pairs = 128;       // pixels: so many are worth reading and writing the sums once more
};

// The maps of a pair of images; the second may be absent.
struct MapPair {
  const float* first;
  const float* second;
};

MapPair maps_of(const float* maps, std::int64_t image, std::int64_t n, std::int64_t images) {
  return {maps + n * image, n + 1 < images ? maps + (n + 1) * image : nullptr};
}

void lay_out(const MapPair& maps, std::int64_t at, std::int64_t pixels, std::int64_t pixel, std::int64_t channels, Bf16* to,
             std::int64_t to_pixel, std::int64_t to_plane) {
  interleave_bf16(maps.first + at, maps.second == nullptr ? nullptr : maps.second + at, {pixels, pixel, channels}, to, to_pixel, to_plane);
}

// The source rows in the windows of output rows [first, first + rows), with zeros outside the map.
void lay_out_src(const Geometry& g, const Chunk& chunk, const MapPair& maps, std::int64_t group, std::int64_t first, std::int64_t rows,
                 Bf16* to) {
  const std::int64_t pixels = chunk.row / chunk.pixel;
  const std::int64_t left = std::clamp<std::int64_t>(g.pad_left, 0, pixels),
                     inside = std::clamp<std::int64_t>(g.width + g.pad_left, left, pixels) - left;
  for (std::int64_t r = 0; r < Chunk::rows_read(g, rows); ++r, to += chunk.row) {
    const std::int64_t y = first * g.stride_height - g.pad_top + r;
    const bool in_map = y >= 0 && y < g.height;
    const std::int64_t filled = in_map ? inside : 0;
    for (std::int64_t p = 0; p < chunk.planes(); ++p) std::fill_n(to + p * chunk.src_plane, left * chunk.pixel, Bf16{0});
    if (in_map)
      lay_out(maps, y * g.src_row + std::max<std::int64_t>(-g.pad_left, 0) * g.src_pixel + group * chunk.depth, inside, g.src_pixel,
              chunk.depth, to + left * chunk.pixel, chunk.pixel, chunk.src_plane);
    for (std::int64_t p = 0; p < chunk.planes(); ++p)
      std::fill_n(to + p * chunk.src_plane + (left + filled) * chunk.pixel, chunk.row - (left + filled) * chunk.pixel, Bf16{0});
  }
}

void lay_out_ddst(const Geometry& g, const Chunk& chunk, const MapPair& maps, std::int64_t group, std::int64_t first, std::int64_t rows,
                  Bf16* to) {
  for (std::int64_t y = first; y < first + rows; ++y, to += g.out_width * bf16_pair)
    lay_out(maps, y * g.dst_row + group * chunk.columns, g.out_width, g.dst_pixel, chunk.columns, to, bf16_pair, chunk.ddst_vector);
}

// Outputs begin, begin + 1, ...
struct Span {
  std::int64_t begin, count;
};

// The outputs in [first, end) for which this tap lies inside the map.
Span seen_through(const Axis& a, std::int64_t tap, std::int64_t first, std::int64_t end) {
  const std::int64_t start = a.pad - tap * a.dilation;  // positions before the map at output 0
  const std::int64_t last = a.size - 1 + start;
  const std::int64_t begin = std::clamp<std::int64_t>(start > 0 ? core::ceil_div(start, a.stride) : 0, first, end);
  return {begin, std::clamp<std::int64_t>(last < 0 ? 0 : last / a.stride + 1, begin, end) - begin};
}

// The packed data of one chunk and group.
struct Laid {
  const Bf16* src;
  const Bf16* ddst;
  std::int64_t pairs, first, rows;
  bool add;  // adds to the sums of earlier chunks
};

// The product that sums over outputs y and x for the tap (i, j). The caller sets its rows.
Bf16Contraction sums_of(const Geometry& g, const Chunk& chunk, const Laid& laid, std::int64_t i, std::int64_t j, const Span& y,
                        const Span& x, float* dkernel) {
  const std::int64_t line = g.out_width * bf16_pair, row = (y.begin - laid.first) * g.stride_height + i * g.dilation_height;
  return {.pairs = {laid.pairs, y.count, x.count},
          .a_pair = {chunk.src_image, g.stride_height * chunk.row, g.stride_width * chunk.pixel},
          .b_pair = {chunk.rows * line, line, bf16_pair},
          .columns = chunk.columns,
          .b_vector = chunk.ddst_vector,
          .a = laid.src + row * chunk.row + (x.begin * g.stride_width + j * g.dilation_width) * chunk.pixel,
          .b = laid.ddst + (y.begin - laid.first) * line + x.begin * bf16_pair,
          .c = dkernel + (i * g.window_width + j) * chunk.depth * g.out_channels,
          .add = laid.add};
}

// Whole planes of channels: for each tap only the outputs where it lies inside the map.
void add_up_planes(const Geometry& g, const Chunk& chunk, const Laid& laid, float* dkernel) {
  const std::int64_t whole = chunk.depth / bf16_columns;
  if (whole == 0) return;
  for (std::int64_t i = 0; i < g.window_height; ++i)
    for (std::int64_t j = 0; j < g.window_width; ++j) {
      Bf16Contraction x = sums_of(g, chunk, laid, i, j, seen_through(rows_of(g), i, laid.first, laid.first + laid.rows),
                                  seen_through(columns_of(g), j, 0, g.out_width), dkernel);
      x.rows = {1, whole, bf16_columns};
      x.a_row = {0, chunk.src_plane, 2};
      x.c_row = {0, bf16_columns * g.out_channels, g.out_channels};
      contract_bf16(x);
    }
}

// The remaining channels: all taps in one product, with the zeros of the padding, because a single tap would have few rows.
void add_up_rest(const Geometry& g, const Chunk& chunk, const Laid& laid, float* dkernel) {
  const std::int64_t whole = chunk.depth / bf16_columns;
  Bf16Contraction x = sums_of(g, chunk, laid, 0, 0, {laid.first, laid.rows}, {0, g.out_width}, dkernel);
  x.rows = {g.window_height, g.window_width, chunk.depth % bf16_columns};
  x.a_row = {g.dilation_height * chunk.row, g.dilation_width * chunk.pixel, 2};
  x.c_row = {g.window_width * chunk.depth * g.out_channels, chunk.depth * g.out_channels, g.out_channels};
  x.a += whole * chunk.src_plane;
  x.c += whole * bf16_columns * g.out_channels;
  contract_bf16(x);
}

}  // namespace

// Whether it takes a tenth less time than float32's direct form, by a model of both in multiply-adds of a vector of output channels: one
// for two images instead of one for each, eight for laying out a vector of either map, and five for what a sum costs besides its terms. A
// call is taken to have 8 images, as a full shard has.
bool Bf16KernelGradient::supports(const Geometry& g) {
  const Chunk chunk(g, 8);
  const std::int64_t pixels = g.out_height * g.out_width, sums = g.window_height * g.window_width * chunk.depth * chunk.vectors();
  const std::int64_t laid_out = 8 * (g.height * g.width * chunk.planes() + pixels * chunk.vectors());
  return 10 * (pixels + 5) * sums >= 11 * ((pixels + 10) * sums / 2 + laid_out);
}

double Bf16KernelGradient::cost(const Geometry& g) { return static_cast<double>(products(g)) / 2; }

std::int64_t Bf16KernelGradient::scratch(const Geometry& g, std::int64_t images) { return Chunk(g, images).scratch(); }

void Bf16KernelGradient::run(const Geometry& g, const ConvKernelGradient::Args<float>& args) {
  const Chunk chunk(g, args.images);
  auto* src = reinterpret_cast<Bf16*>(args.scratch);
  Bf16* ddst = src + chunk.planes() * chunk.src_plane;
  for (std::int64_t n = 0; n < args.images; n += 2 * chunk.pairs)
    for (std::int64_t first = 0; first < g.out_height; first += chunk.rows)
      for (std::int64_t group = 0; group < g.groups; ++group) {
        const std::int64_t pairs = std::min(chunk.pairs, core::ceil_div(args.images - n, 2)),
                           rows = std::min(chunk.rows, g.out_height - first);
        for (std::int64_t m = 0; m < pairs; ++m) {
          lay_out_src(g, chunk, maps_of(args.src, g.src_image, n + 2 * m, args.images), group, first, rows, src + m * chunk.src_image);
          lay_out_ddst(g, chunk, maps_of(args.ddst, g.dst_image, n + 2 * m, args.images), group, first, rows,
                       ddst + m * chunk.rows * g.out_width * bf16_pair);
        }
        const Laid laid = {src, ddst, pairs, first, rows, n > 0 || first > 0};
        add_up_planes(g, chunk, laid, args.dkernel + group * chunk.columns);
        add_up_rest(g, chunk, laid, args.dkernel + group * chunk.columns);
      }
}

}  // namespace linn::detail::kernels::conv
