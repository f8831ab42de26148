// ConvForward and ConvInputGradient in the direct form in bfloat16. Unlike direct.cc, the rows that a run of rows reads are first rounded
// into scratch, and the terms of a tap are taken two at a time.
//
// Loop nest:  for each chunk of images, for each run of rows: round the rows that it reads
//               for each run of columns, for each group
//                 the tiles of gemm/contract.inc: rows = pixels of all images of the chunk; pairs = (tap row, tap column, two channels)
// Registers:  see gemm/contract.inc.
// Bound:      |error| <= (2^-7 + c eps) sum |a b|.
// Measured:   see docs/decisions/bfloat16.md.
#include <algorithm>

#include "kernels/conv/direct.h"
#include "kernels/conv/round_map.h"
#include "kernels/conv/walk.h"
#include "kernels/gemm/bf16.h"

namespace linn::detail::kernels::conv {
namespace {

std::int64_t band_size(const Walk& walk, std::int64_t images) {
  return walk.images_of_chunk(images) * walk.most_rows_read * walk.row_elements;
}

std::int64_t packed_group(const Walk& walk) { return packed_bf16(walk.taps, walk.depth, walk.columns); }

std::int64_t packed_floats(const Walk& walk) { return floats_of_bf16(walk.groups * packed_group(walk)); }

void pack_groups(const Walk& walk, const float* kernel, float* packed) {
  for (std::int64_t g = 0; g < walk.groups; ++g)
    pack_bf16(kernel + g * walk.group_size, {walk.taps, walk.depth, walk.columns, walk.tap_size, walk.depth_size},
              reinterpret_cast<Bf16*>(packed) + g * packed_group(walk));
}

// The rows of a map that a run of rows reads, rounded.
struct Band {
  std::int64_t first = 0, rows = 0;
};

Band band_of(const Run& y) {
  if (y.taps == 0) return {};
  const std::int64_t reach = (y.taps - 1) * y.read_per_tap;
  return {y.read + std::min<std::int64_t>(reach, 0), (y.count - 1) * y.read_per_position + std::abs(reach) + 1};
}

// c, bias and relu come in x.
template <class Way>
void run_walk(const Way& walk, std::int64_t images, const float* read, const float* packed, float* scratch, Bf16Contraction x) {
  auto* band = reinterpret_cast<Bf16*>(scratch);
  const std::int64_t chunk = walk.images_of_chunk(images), pixel = walk.row_elements / walk.row_pixels, row = walk.row_elements;
  const std::int64_t tap = (walk.depth + 1) / 2 * bf16_pair;
  float* c = x.c;
  const float* bias = x.bias;
  x.columns = walk.columns, x.b_vector = walk.taps * tap, x.odd = walk.depth % 2 != 0;
  for (std::int64_t n = 0; n < images; n += chunk)
    walk.each_run_of_rows([&](const Run& y) {
      const Band rows = band_of(y);
      const std::int64_t taken = std::min(chunk, images - n), image = rows.rows * row;
      for (std::int64_t i = 0; i < taken; ++i)
        round_rows(read + (n + i) * walk.read.image + rows.first * walk.read.row, walk.read.row, walk.read.pixel, rows.rows,
                   walk.row_pixels, pixel, band + i * image);
      walk.each_run_of_columns([&](const Run& z) {
        x.rows = {taken, y.count, z.count};
        x.a_row = {image, y.read_per_position * row, z.read_per_position * pixel};
        x.c_row = {walk.written.image, y.step * walk.written.row, z.step * walk.written.pixel};
        x.pairs = {y.taps, z.taps, (walk.depth + 1) / 2};
        x.a_pair = {y.read_per_tap * row, z.read_per_tap * pixel, 2};
        x.b_pair = {y.tap_step * walk.window_width * tap, z.tap_step * tap, bf16_pair};
        for (std::int64_t g = 0; g < walk.groups; ++g) {
          x.a = band + (y.read - rows.first) * row + z.read * pixel + g * walk.depth;
          x.b = reinterpret_cast<const Bf16*>(packed) + g * packed_group(walk) + (y.tap * walk.window_width + z.tap) * tap;
          x.c = c + n * walk.written.image + y.first * walk.written.row + z.first * walk.written.pixel + g * walk.columns;
          x.bias = bias == nullptr ? nullptr : bias + g * walk.columns;
          contract_bf16(x);
        }
      });
    });
}

// Whether a convolution takes at least a tenth less time in this form than in the direct form in float32. The cost is counted in
// multiply-adds of a vector of output channels:
//   1 for two terms (float32: 1 for each term); 3/4 more for a single term in two vectors;
//   6 for rounding a vector of the map that is read; 8 for writing a vector of the other map.
bool pays(const Walk& walk, std::int64_t pairs_of_pixels, std::int64_t pixels_written) {
  const std::int64_t of_group = core::ceil_div(walk.columns, bf16_columns), vectors = walk.groups * of_group;
  const std::int64_t alone = walk.depth % 2 * walk.groups * core::ceil_div(of_group, std::int64_t{2});
  const std::int64_t written = 8 * pixels_written * vectors, rounded = 6 * walk.rows * core::ceil_div(walk.row_elements, bf16_columns);
  const std::int64_t exact = pairs_of_pixels * vectors * walk.depth + written;
  const std::int64_t taken = pairs_of_pixels * (vectors * ((walk.depth + 1) / 2) * 4 + alone * 3) / 4 + written + rounded;
  return 10 * exact >= 11 * taken;
}

}  // namespace

bool Bf16Forward::supports(const ConvForward::Problem& problem) {
  return Forward::supports(problem) &&
         pays(ForwardWalk(problem.geometry), pairs(problem.geometry), problem.geometry.out_height * problem.geometry.out_width);
}

double Bf16Forward::cost(const ConvForward::Problem& problem) { return static_cast<double>(products(problem.geometry)) / 2; }

std::int64_t Bf16Forward::scratch(const ConvForward::Problem& problem, std::int64_t images) {
  return floats_of_bf16(band_size(ForwardWalk(problem.geometry), images));
}

std::int64_t Bf16Forward::packed(const ConvForward::Problem& problem) { return packed_floats(ForwardWalk(problem.geometry)); }

void Bf16Forward::pack(const ConvForward::Problem& problem, const float* kernel, float* packed) {
  pack_groups(ForwardWalk(problem.geometry), kernel, packed);
}

void Bf16Forward::run(const ConvForward::Problem& problem, const ConvForward::Args<float>& args) {
  run_walk(ForwardWalk(problem.geometry), args.images, args.src, args.packed, args.scratch,
           {.c = args.dst, .bias = problem.bias ? args.bias : nullptr, .relu = cuts_below_zero(problem.activation),
            .largest = largest_result(problem.activation)});
}

bool Bf16InputGradient::supports(const Problem& problem) {
  const Geometry& g = problem.geometry;
  return InputGradient::supports(problem) && pays(BackwardWalk(g), pairs(g), g.height * g.width);
}

double Bf16InputGradient::cost(const Problem& problem) { return static_cast<double>(products(problem.geometry)) / 2; }

std::int64_t Bf16InputGradient::scratch(const Problem& problem, std::int64_t images) {
  return floats_of_bf16(band_size(BackwardWalk(problem.geometry), images));
}

std::int64_t Bf16InputGradient::packed(const Problem& problem) { return packed_floats(BackwardWalk(problem.geometry)); }

void Bf16InputGradient::pack(const Problem& problem, const float* transposed_kernel, float* packed) {
  pack_groups(BackwardWalk(problem.geometry), transposed_kernel, packed);
}

void Bf16InputGradient::run(const Problem& problem, const ConvInputGradient::Args<float>& args) {
  run_walk(BackwardWalk(problem.geometry), args.images, args.ddst, args.packed, args.scratch,
           {.c = args.dsrc, .bias = problem.bias ? args.bias : nullptr, .relu = cuts_below_zero(problem.activation),
            .largest = largest_result(problem.activation)});
}

}  // namespace linn::detail::kernels::conv
