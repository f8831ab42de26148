// ConvPoolForward for any geometry, in float32 and in bfloat16. Computes a strip of the convolution's rows in scratch, and pools it while
// it is in the cache.
//
// Loop nest:  for each image, for each group of pooled rows whose strip fits 64 KiB (at least one row)
//               the direct convolution (direct.cc, depthwise.cc, direct_bf16.cc) of the rows in their windows
//               the pooling kernel on the strip
// Rows that belong to two groups are computed twice: (window - stride) rows for each group.
// Measured:   see docs/engine.md.
#include <algorithm>

#include "core/checked.h"
#include "kernels/conv/cost.h"
#include "kernels/conv/mark_no_gradient.h"
#include "kernels/conv/depthwise.h"
#include "kernels/conv/fused.h"
#include "kernels/conv/rows.h"
#include "kernels/implementation.h"
#include "kernels/pool/vector.h"

namespace linn::detail::kernels::conv {
namespace {

// Rows of the map in the windows of pooled rows [first, last).
Rows rows_seen(const Geometry& pool, std::int64_t first, std::int64_t last) {
  const std::int64_t begin = first * pool.stride_height - pool.pad_top;
  const std::int64_t end = (last - 1) * pool.stride_height - pool.pad_top + (pool.window_height - 1) * pool.dilation_height + 1;
  const std::int64_t clipped = std::clamp<std::int64_t>(begin, 0, pool.height);
  return {clipped, std::clamp<std::int64_t>(end, clipped, pool.height)};
}

// Pooled rows of a strip.
std::int64_t group_rows(const ConvPoolForward::Problem& problem) {
  const Geometry& pool = problem.pool;
  const std::int64_t reach = (pool.window_height - 1) * pool.dilation_height + 1;
  const std::int64_t rows = strip_elements / std::max<std::int64_t>(map_row(problem.conv), 1);
  return std::clamp<std::int64_t>((rows - reach) / pool.stride_height + 1, 1, pool.out_height);
}

std::int64_t strip_size(const ConvPoolForward::Problem& problem) {
  const Geometry& pool = problem.pool;
  const std::int64_t reach = (pool.window_height - 1) * pool.dilation_height + 1;
  return std::min(pool.height, (group_rows(problem) - 1) * pool.stride_height + reach) * map_row(problem.conv);
}

PoolForward::Problem strip_pool(const ConvPoolForward::Problem& problem, const Rows& rows, std::int64_t first, std::int64_t last) {
  PoolForward::Problem strip = {problem.pool, problem.kind, problem.argmax};
  Geometry& g = strip.geometry;
  g.pad_top += rows.begin - first * g.stride_height;
  g.height = rows.end - rows.begin;
  g.out_height = last - first;
  set_dense_src(g);
  return strip;
}

// The pooling implementation that would run without fusion, so that the bits are the same. The choice depends on the window, which is the
// same for a strip and for the whole map.
const Implementation<PoolForward>& pooling_of(const ConvPoolForward::Problem& problem) {
  return choose<PoolForward>({problem.pool, problem.kind, problem.argmax});
}

ConvForward::Problem conv_of(const ConvPoolForward::Problem& problem) { return {problem.conv, problem.bias, problem.activation}; }

template <class Conv>
bool accepts(const ConvPoolForward::Problem& problem) {
  return Conv::accepts(conv_of(problem)) && pool::Vector::accepts({problem.pool, problem.kind, problem.argmax});
}

template <class Conv>
std::int64_t scratch_of(const ConvPoolForward::Problem& problem) {
  return strip_size(problem) +
         std::max(Conv::scratch(conv_of(problem), 1), pooling_of(problem).scratch({problem.pool, problem.kind, problem.argmax}, 1));
}

template <class Conv>
void run(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args) {
  const Geometry &conv = problem.conv, &pool = problem.pool;
  const std::int64_t group = group_rows(problem), argmax_row = pool.out_width * pool.channels;
  float* strip = args.scratch;
  float* scratch = strip + strip_size(problem);
  const auto& pooling = pooling_of(problem);
  for (std::int64_t n = 0; n < args.images; ++n)
    for (std::int64_t first = 0; first < pool.out_height; first += group) {
      const std::int64_t last = std::min(first + group, pool.out_height);
      const Rows rows = rows_seen(pool, first, last);
      if (rows.end > rows.begin)
        Conv::run(rows_of(conv_of(problem), rows), {1, args.src + n * conv.src_image, args.kernel, args.packed, args.bias, strip, scratch});
      pooling.run(strip_pool(problem, rows, first, last),
                  {1, strip, args.dst + n * pool.dst_image + first * pool.dst_row,
                   problem.argmax ? args.argmax + (n * pool.out_height + first) * argmax_row : nullptr, nullptr, scratch});
      if (problem.argmax && problem.activation == Activation::relu)
        mark_no_gradient(strip_pool(problem, rows, first, last).geometry, args.dst + n * pool.dst_image + first * pool.dst_row,
                  args.argmax + (n * pool.out_height + first) * argmax_row);
    }
}

}  // namespace

std::int64_t strip_rows(const ConvPoolForward::Problem& problem) {
  const std::int64_t group = group_rows(problem), outputs = problem.pool.out_height;
  std::int64_t rows = 0;
  for (std::int64_t first = 0; first < outputs; first += group) {
    const Rows seen = rows_seen(problem.pool, first, std::min(first + group, outputs));
    rows += seen.end - seen.begin;
  }
  return rows;
}

bool Strip::accepts(const ConvPoolForward::Problem& problem) { return conv::accepts<DirectForward>(problem); }

std::int64_t Strip::scratch(const ConvPoolForward::Problem& problem, std::int64_t) { return scratch_of<DirectForward>(problem); }

void Strip::run(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args) { conv::run<DirectForward>(problem, args); }

bool Bf16Strip::accepts(const ConvPoolForward::Problem& problem) { return conv::accepts<Bf16Forward>(problem); }

std::int64_t Bf16Strip::scratch(const ConvPoolForward::Problem& problem, std::int64_t) { return scratch_of<Bf16Forward>(problem); }

std::int64_t Bf16Strip::packed(const ConvPoolForward::Problem& problem) { return Bf16Forward::packed(conv_of(problem)); }

void Bf16Strip::pack(const ConvPoolForward::Problem& problem, const float* kernel, float* packed) {
  Bf16Forward::pack(conv_of(problem), kernel, packed);
}

void Bf16Strip::run(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args) {
  conv::run<Bf16Forward>(problem, args);
}

}  // namespace linn::detail::kernels::conv
