// Direct convolution and its input gradient, both without a padded copy: along each axis the positions whose windows touch
// the same taps form a run (see taps.h), and each pair of a row run and a column run is one contraction over just those taps.
// The input gradient with stride s is s * s such convolutions, one for each remainder of the position by the stride.
//
// Loop nest:  for each chunk of images that fits the L2 cache, for each run of rows, for each run of columns, for each group
//               the tiles of gemm/contract.cc: rows = pixels of all images of the chunk, in one list;
//               terms = (tap row, tap column, channel), the last two joined where neighbours lie side by side
// Registers:  see gemm/contract.cc.
// Measured:   (Zen 4, one core, fraction of the multiply-add loop) 3x3 32->32 on 13x13: forward 92-96 %, input gradient 88-92 %;
//             128->128 same on 7x7: 92, 94 %. 3x3 1->32: 64 %, where 26 stores and maxima follow only 234 multiply-adds.
//             Down to few channels (the input gradient of a first layer) lanes stay empty: 5 % for 1, 15 % for 3.
#include "kernels/conv/direct.h"

#include "kernels/conv/taps.h"
#include "kernels/gemm/contract.h"

namespace linn::kernels::conv {
namespace {

// Elements of the map that is read, kept in the L2 cache while panels of output channels go over them: 128 KiB.
constexpr std::int64_t chunk_elements = 32768;

Axis rows_of(const Geometry& g) { return {g.height, g.window_height, g.stride_height, g.dilation_height, g.pad_top, g.out_height}; }
Axis columns_of(const Geometry& g) { return {g.width, g.window_width, g.stride_width, g.dilation_width, g.pad_left, g.out_width}; }

struct Map {
  std::int64_t pixel, row, image;
};

// One contraction for each chunk, run of rows, run of columns and group. `read` is the map under the windows, `written` the
// other; kernel is [taps][depth][all columns], of which group g takes depth x columns.
struct Walk {
  Map read, written;
  std::int64_t images, image_elements;
  std::int64_t groups;
  std::int64_t depth, columns;         // of a group
  std::int64_t window_width;
  std::int64_t tap_size, depth_size;   // from a tap, a channel to the next in the kernel
  std::int64_t group_size;             // from a group to the next in the kernel
};

// `row_runs` and `column_runs` visit the runs of an axis.
template <class Rows, class Columns>
void run_walk(const Walk& walk, const Rows& row_runs, const Columns& column_runs, Contraction x) {
  const Contract contract = contract_for_cpu();
  const float *a = x.a, *b = x.b, *bias = x.bias;
  float* c = x.c;
  const std::int64_t chunk = std::clamp<std::int64_t>(chunk_elements / std::max<std::int64_t>(walk.image_elements, 1), 1, std::max<std::int64_t>(walk.images, 1));
  x.columns = walk.columns;
  for (std::int64_t n = 0; n < walk.images; n += chunk)
    row_runs([&](const Run& y) {
      column_runs([&](const Run& z) {
        x.rows = {std::min(chunk, walk.images - n), y.count, z.count};
        x.a_row = {walk.read.image, y.other_per_position * walk.read.row, z.other_per_position * walk.read.pixel};
        x.c_row = {walk.written.image, y.step * walk.written.row, z.step * walk.written.pixel};
        x.terms = {y.taps, z.taps, walk.depth};
        x.a_term = {y.other_per_tap * walk.read.row, z.other_per_tap * walk.read.pixel, 1};
        x.b_term = {y.tap_step * walk.window_width * walk.tap_size, z.tap_step * walk.tap_size, walk.depth_size};
        for (std::int64_t g = 0; g < walk.groups; ++g) {
          x.a = a + n * walk.read.image + y.other * walk.read.row + z.other * walk.read.pixel + g * walk.depth;
          x.b = b + (y.tap * walk.window_width + z.tap) * walk.tap_size + g * walk.group_size;
          x.c = c + n * walk.written.image + y.first * walk.written.row + z.first * walk.written.pixel + g * walk.columns;
          x.bias = bias == nullptr ? nullptr : bias + g * walk.columns;
          contract(x);
        }
      });
    });
}

// Rows of a run, so that what its windows read stays in the chunk.
std::int64_t most_rows(std::int64_t row_elements) { return std::max<std::int64_t>(chunk_elements / std::max<std::int64_t>(row_elements, 1), 1); }

}  // namespace

bool Forward::accepts(const ConvForward::Problem& problem) {
  return is_linear_or_relu(problem.activation);
}

std::int64_t Forward::scratch(const ConvForward::Problem& problem, std::int64_t) {
  const Geometry& g = problem.geometry;
  return pack_size(g.window_height * g.window_width * (g.channels / g.groups));
}

void Forward::run(const ConvForward::Problem& problem, const ConvForward::Args<float>& args) {
  const Geometry& g = problem.geometry;
  const std::int64_t depth = g.channels / g.groups, columns = g.out_channels / g.groups;
  const Walk walk = {{g.src_pixel, g.src_row, g.src_image}, {g.dst_pixel, g.dst_row, g.dst_image}, args.images,
                     g.height * g.width * g.channels, g.groups, depth, columns, g.window_width,
                     depth * g.out_channels, g.out_channels, columns};
  const auto row_runs = [&](const auto& visit) { forward_runs(rows_of(g), most_rows(g.stride_height * g.width * g.channels), visit); };
  const auto column_runs = [&](const auto& visit) { forward_runs(columns_of(g), g.out_width, visit); };
  run_walk(walk, row_runs, column_runs,
           {.a = args.src, .b = args.kernel, .c = args.dst, .bias = problem.bias ? args.bias : nullptr,
            .relu = problem.activation == Activation::relu, .pack = args.scratch});
}

std::int64_t InputGradient::scratch(const Geometry& g, std::int64_t) {
  return pack_size(g.window_height * g.window_width * (g.out_channels / g.groups));
}

void InputGradient::run(const Geometry& g, const ConvInputGradient::Args<float>& args) {
  const std::int64_t depth = g.out_channels / g.groups, columns = g.channels / g.groups;
  const Walk walk = {{g.dst_pixel, g.dst_row, g.dst_image}, {g.src_pixel, g.src_row, g.src_image}, args.images,
                     g.out_height * g.out_width * g.out_channels, g.groups, depth, columns, g.window_width,
                     g.out_channels * columns, columns, depth * columns};
  const auto row_runs = [&](const auto& visit) { backward_runs(rows_of(g), most_rows(g.out_width * g.out_channels), visit); };
  const auto column_runs = [&](const auto& visit) { backward_runs(columns_of(g), g.width, visit); };
  run_walk(walk, row_runs, column_runs,
           {.a = args.ddst, .b = args.transposed_kernel, .c = args.dsrc, .pack = args.scratch});
}

}  // namespace linn::kernels::conv
