// ConvForward and ConvInputGradient in the direct form, without a padded copy (walk.h).
//
// Loop nest:  [for each part of the output channels whose weights stay in the L2 cache, where that saves reading]
//             for each chunk of images that fits the L2 cache, for each run of rows, for each run of columns, for each group
//               the tiles of gemm/contract.inc: rows = pixels of all images of the chunk, in one list;
//               terms = (tap row, tap column, channel), the last two joined where neighbours lie side by side
// Registers:  see gemm/contract.inc.
// Measured:   (Zen 4, one core, fraction of the multiply-add loop) 3x3 32->32 on 13x13: forward 92-96 %, input gradient 88-92 %;
//             128->128 same on 7x7: 92, 94 %. 3x3 1->32: 64 %, where 26 stores and maxima follow only 234 multiply-adds.
//             Down to few channels (the input gradient of a first layer) lanes stay empty: 5 % for 1, 15 % for 3.
#include "kernels/conv/direct.h"

#include "kernels/conv/cost.h"
#include "kernels/conv/walk.h"
#include "kernels/gemm/contract.h"

namespace linn::detail::kernels::conv {
namespace {

// Output channels of one pass over the maps. All, unless the weights do not stay in the L2 cache and reading them for every run of rows and
// columns would cost more than reading the maps once for each part of the weights that does stay.
template <class Way>
std::int64_t columns_of_pass(const Way& walk, std::int64_t images) {
  const std::int64_t terms = walk.taps * walk.depth, weights = terms * walk.columns, fit = core::cpu().l2_bytes / (2 * static_cast<std::int64_t>(sizeof(float)));
  if (walk.groups > 1 || weights <= fit) return walk.columns;
  std::int64_t runs = 0, column_runs = 0;
  walk.each_run_of_columns([&](const Run&) { ++column_runs; });
  walk.each_run_of_rows([&](const Run&) { runs += column_runs; });
  runs *= core::ceil_div(images, walk.images_of_chunk(images));
  const std::int64_t columns = std::max(fit / terms / walk.panel(), std::int64_t{1}) * walk.panel();
  const std::int64_t maps = images * walk.rows * walk.row_elements;
  return core::ceil_div(walk.columns, columns) * maps + weights < runs * weights + maps ? columns : walk.columns;
}

template <class Way>
void run_walk(const Way& walk, std::int64_t images, Contraction x, const Channels& channels = {}) {
  const Contract contract = contract_for_cpu();
  const float *a = x.a, *b = x.b, *bias = x.bias;
  float* c = x.c;
  const std::int64_t chunk = walk.images_of_chunk(images), pass = columns_of_pass(walk, images);
  const std::int64_t panel = walk.panel_size == 0 ? walk.panel() : walk.panel_size;
  x.b_panel = walk.panel_size;
  const std::int64_t end = std::min(channels.end, walk.columns);
  for (std::int64_t first = channels.begin; first < end; first += pass)
    for (std::int64_t n = 0; n < images; n += chunk)
      walk.each_run_of_rows([&](const Run& y) {
        walk.each_run_of_columns([&](const Run& z) {
          x.columns = std::min(pass, end - first);
          x.rows = {std::min(chunk, images - n), y.count, z.count};
          x.a_row = {walk.read.image, y.read_per_position * walk.read.row, z.read_per_position * walk.read.pixel};
          x.c_row = {walk.written.image, y.step * walk.written.row, z.step * walk.written.pixel};
          x.terms = {y.taps, z.taps, walk.depth};
          x.a_term = {y.read_per_tap * walk.read.row, z.read_per_tap * walk.read.pixel, 1};
          x.b_term = {y.tap_step * walk.window_width * walk.tap_size, z.tap_step * walk.tap_size, walk.depth_size};
          for (std::int64_t g = 0; g < walk.groups; ++g) {
            x.a = a + n * walk.read.image + y.read * walk.read.row + z.read * walk.read.pixel + g * walk.depth;
            x.b = b + (y.tap * walk.window_width + z.tap) * walk.tap_size + g * walk.group_size + first / walk.panel() * panel;
            x.c = c + n * walk.written.image + y.first * walk.written.row + z.first * walk.written.pixel + g * walk.columns + first;
            x.bias = bias == nullptr ? nullptr : bias + g * walk.columns + first;
            contract(x);
          }
        });
      });
}

void run_forward(const ForwardWalk& walk, const ConvForward::Problem& problem, const ConvForward::Args<float>& args, const float* weights,
                 float* pack) {
  run_walk(walk, args.images,
           {.a = args.src,
            .b = weights,
            .c = args.dst,
            .bias = problem.bias ? args.bias : nullptr,
            .relu = cuts_below_zero(problem.activation),
            .largest = largest_result(problem.activation),
            .pack = pack},
           args.channels);
}

}  // namespace

bool Forward::supports(const ConvForward::Problem& problem) {
  return is_in_registers(problem.activation);
}

// Measured with few input channels: an output costs as much as 10 products more with AVX-512, and as 4.5 with half as many lanes, as sums
// are short. Elsewhere that does not weigh.
double Forward::cost(const ConvForward::Problem& problem) {
  const Geometry& g = problem.geometry;
  const double products = direct_cost(g, g.out_channels / g.groups);
  if (g.groups != 1 || g.channels > 4) return products;
  return products + (core::lanes() == 16 ? 10 : 4.5) * static_cast<double>(map_size(g));
}

std::int64_t Forward::scratch(const ConvForward::Problem& problem, std::int64_t) {
  const Geometry& g = problem.geometry;
  return pack_size(g.window_height * g.window_width * (g.channels / g.groups));
}

std::int64_t Forward::packed(const ConvForward::Problem& problem) { return ForwardWalk(problem.geometry).packed_size(); }

void Forward::pack(const ConvForward::Problem& problem, const float* kernel, float* packed) { ForwardWalk(problem.geometry).pack(kernel, packed); }

std::int64_t Forward::channel_step(const ConvForward::Problem& problem) {
  return ForwardWalk(problem.geometry).packs() && problem.geometry.groups == 1 ? ForwardWalk::panel() : 0;
}

void Forward::run(const ConvForward::Problem& problem, const ConvForward::Args<float>& args) {
  ForwardWalk walk(problem.geometry);
  if (!walk.packs()) return run_forward(walk, problem, args, args.kernel, args.scratch);
  walk.use_packed();
  run_forward(walk, problem, args, args.packed, args.scratch);
}

void Forward::run_unpacked(const ConvForward::Problem& problem, const ConvForward::Args<float>& args) {
  run_forward(ForwardWalk(problem.geometry), problem, args, args.kernel, nullptr);
}

bool InputGradient::supports(const Problem& problem) { return is_in_registers(problem.activation); }

double InputGradient::cost(const Problem& problem) { return direct_cost(problem.geometry, problem.geometry.channels / problem.geometry.groups); }

std::int64_t InputGradient::scratch(const Problem& problem, std::int64_t) {
  const Geometry& g = problem.geometry;
  return pack_size(g.window_height * g.window_width * (g.out_channels / g.groups));
}

std::int64_t InputGradient::packed(const Problem& problem) { return BackwardWalk(problem.geometry).packed_size(); }

void InputGradient::pack(const Problem& problem, const float* transposed_kernel, float* packed) {
  BackwardWalk(problem.geometry).pack(transposed_kernel, packed);
}

void InputGradient::run(const Problem& problem, const ConvInputGradient::Args<float>& args) {
  BackwardWalk walk(problem.geometry);
  const bool packs = walk.packs();
  if (packs) walk.use_packed();
  run_walk(walk, args.images,
           {.a = args.ddst,
            .b = packs ? args.packed : args.transposed_kernel,
            .c = args.dsrc,
            .bias = problem.bias ? args.bias : nullptr,
            .relu = cuts_below_zero(problem.activation),
            .largest = largest_result(problem.activation),
            .pack = args.scratch});
}

}  // namespace linn::detail::kernels::conv
