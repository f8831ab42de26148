#include "plan/ops/region_pool.h"

#include <algorithm>
#include <memory>

#include "core/random.h"
#include "kernels/pool/adaptive.h"
#include "kernels/region_pool/fractional.h"
#include "plan/ops/append.h"

namespace linn::detail::plan {
namespace {

using RegionProblem = kernels::RegionMaxForward::Problem;

// The gradient of maxima whose places are known, whatever their regions were: that of adaptive pooling. inputs {ddst, argmax}.
class RegionGradientOp final : public GradientOp<RegionGradientOp, kernels::AdaptivePoolInputGradient> {
 public:
  explicit RegionGradientOp(const RegionProblem& p)
      : GradientOp({p.height, p.width, p.channels, p.out_height, p.out_width, kernels::PoolKind::max}) {}

  std::string_view name() const override { return "region_max_pool2d_input_gradient"; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>(
        {.images = call.images, .ddst = call.in<T>(0), .argmax = call.in<std::int32_t>(1), .dsrc = call.out<T>(0), .scratch = nullptr});
  }
};

// Adds the op's argmax as its next output, and the gradient of its input.
void differentiate_maxima(Op& op, const RegionProblem& problem, Gradients& gradients) {
  const Value d = gradients.of(op.outputs[0]);
  if (!d.defined()) return;
  const Value argmax = gradients.to().value("argmax " + op.layer, op.outputs[0].shape, Extent::batch, Element::i32);
  op.outputs.push_back(argmax);
  gradients.give(op.inputs[0],
                 append(gradients.to(), std::make_unique<RegionGradientOp>(problem), {d, argmax}, {gradients.make(op.inputs[0])}));
}

// Where the borders of regions are written.
struct Borders {
  std::int32_t *first_row, *last_row, *first_column, *last_column;

  kernels::Regions rows() const { return {first_row, last_row}; }
  kernels::Regions columns() const { return {first_column, last_column}; }
};

void draw(const RegionProblem& p, const FractionalRegions& how, const core::Random& random, const Borders& to) {
  const kernels::FractionalAxis rows{p.height, p.out_height}, columns{p.width, p.out_width};
  if (how.pool_size.is_set()) {
    kernels::windows_of_one_size(rows, how.pool_size.height, random.uniform53(0), to.first_row, to.last_row);
    kernels::windows_of_one_size(columns, how.pool_size.width, random.uniform53(1), to.first_column, to.last_column);
    return;
  }
  if (how.pseudo_random) {
    kernels::pseudo_random_regions(rows, random.uniform53(0), to.first_row, to.last_row);
    kernels::pseudo_random_regions(columns, random.uniform53(1), to.first_column, to.last_column);
  } else {
    kernels::random_regions(rows, random, 0, to.first_row, to.last_row);
    kernels::random_regions(columns, random, static_cast<std::uint64_t>(rows.out), to.first_column, to.last_column);
  }
  if (!how.overlapping) return;
  kernels::overlap(rows, to.last_row);
  kernels::overlap(columns, to.last_column);
}

core::Random random_of_inference(const FractionalRegions& how) { return {how.seed, core::stream_of("fractional pooling at inference", 0)}; }

class FractionalMaxPoolOp final : public KernelOp<FractionalMaxPoolOp, kernels::RegionMaxForward> {
 public:
  FractionalMaxPoolOp(const RegionProblem& problem, const FractionalRegions& how, bool training, std::uint64_t stream)
      : KernelOp(problem), how_(how), training_(training), stream_(stream) {}

  std::string_view name() const override { return "fractional_max_pool2d"; }
  double flops(std::int64_t images) const override { return static_cast<double>(images * inputs[0].shape.elements()); }
  /// The borders of all regions.
  std::int64_t scratch(std::int64_t) const override { return 2 * (problem().out_height + problem().out_width); }
  void differentiate(Gradients& gradients) override { differentiate_maxima(*this, problem(), gradients); }

  template <class T>
  void compute(const Call& call) const {
    auto* at = static_cast<std::int32_t*>(call.scratch);
    const std::int64_t rows = problem().out_height, columns = problem().out_width;
    const Borders borders{at, at + rows, at + 2 * rows, at + 2 * rows + columns};
    draw(problem(), how_, random_of(call), borders);
    kernel_.run<T>({.images = call.images,
                    .rows = borders.rows(),
                    .columns = borders.columns(),
                    .src = call.in<T>(0),
                    .dst = call.out<T>(0),
                    .argmax = outputs.size() > 1 ? call.out<std::int32_t>(1) : nullptr,
                    .scratch = nullptr});
  }

 private:
  core::Random random_of(const Call& call) const {
    if (!training_) return random_of_inference(how_);
    return {call.step->seed ^ how_.seed,
            core::stream_of("fractional pooling", (stream_ << 40) + static_cast<std::uint64_t>(call.step->step))};
  }

  FractionalRegions how_;
  bool training_;
  std::uint64_t stream_;
};

// The windows of one axis that lie on the map.
void windows_on_map(std::int64_t size, std::int64_t out, std::int64_t window, std::int64_t stride, std::int64_t pad,
                    std::vector<std::int32_t>& first, std::vector<std::int32_t>& last) {
  for (std::int64_t i = 0; i < out; ++i) {
    first.push_back(static_cast<std::int32_t>(std::max<std::int64_t>(0, i * stride - pad)));
    last.push_back(static_cast<std::int32_t>(std::min(size, i * stride - pad + window)));
  }
}

// outputs {map, places, argmax (training)}.
class MaxPoolPlacesOp final : public KernelOp<MaxPoolPlacesOp, kernels::RegionMaxForward> {
 public:
  explicit MaxPoolPlacesOp(const kernels::Geometry& g) : KernelOp({g.height, g.width, g.channels, g.out_height, g.out_width}) {
    windows_on_map(g.height, g.out_height, g.window_height, g.stride_height, g.pad_top, regions_.first_row, regions_.last_row);
    windows_on_map(g.width, g.out_width, g.window_width, g.stride_width, g.pad_left, regions_.first_column, regions_.last_column);
  }

  std::string_view name() const override { return "max_pool2d_with_places"; }
  double flops(std::int64_t images) const override { return static_cast<double>(images * inputs[0].shape.elements()); }
  std::int64_t scratch(std::int64_t images) const override { return images * problem().dst_elements(); }
  void differentiate(Gradients& gradients) override { differentiate_maxima(*this, problem(), gradients); }

  template <class T>
  void compute(const Call& call) const {
    auto* argmax = outputs.size() > 2 ? call.out<std::int32_t>(2) : static_cast<std::int32_t*>(call.scratch);
    kernel_.run<T>({.images = call.images,
                    .rows = {regions_.first_row.data(), regions_.last_row.data()},
                    .columns = {regions_.first_column.data(), regions_.last_column.data()},
                    .src = call.in<T>(0),
                    .dst = call.out<T>(0),
                    .argmax = argmax,
                    .scratch = nullptr});
    std::transform(argmax, argmax + call.images * problem().dst_elements(), call.out<T>(1),
                   [](std::int32_t place) { return static_cast<T>(place); });
  }

 private:
  FixedRegions regions_;
};

// inputs {d, places}.
class UnpoolGradientOp final : public GradientOp<UnpoolGradientOp, kernels::UnpoolInputGradient> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "max_unpool2d_input_gradient"; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .ddst = call.in<T>(0), .places = call.in<T>(1), .dsrc = call.out<T>(0), .scratch = nullptr});
  }
};

// inputs {values, places}.
class UnpoolOp final : public KernelOp<UnpoolOp, kernels::UnpoolForward> {
 public:
  using KernelOp::KernelOp;

  std::string_view name() const override { return "max_unpool2d"; }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    gradients.give(inputs[0],
                   append(gradients.to(), std::make_unique<UnpoolGradientOp>(problem()), {d, inputs[1]}, {gradients.make(inputs[0])}));
  }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .src = call.in<T>(0), .places = call.in<T>(1), .dst = call.out<T>(0), .scratch = nullptr});
  }
};

}  // namespace

Value fractional_max_pool2d(Lowering& to, Value src, std::int64_t height, std::int64_t width, const FractionalRegions& regions) {
  const RegionProblem problem{src.shape[0], src.shape[1], src.shape[2], height, width};
  const Value output = to.value(to.layer(), {height, width, src.shape[2]}, Extent::batch);
  const std::uint64_t stream = to.training() ? to.next_stream() : 0;
  return append(to, std::make_unique<FractionalMaxPoolOp>(problem, regions, to.training(), stream), {src}, {output});
}

FixedRegions fractional_regions_of_inference(const RegionProblem& problem, const FractionalRegions& regions) {
  FixedRegions fixed;
  for (auto* rows : {&fixed.first_row, &fixed.last_row}) rows->resize(static_cast<std::size_t>(problem.out_height));
  for (auto* columns : {&fixed.first_column, &fixed.last_column}) columns->resize(static_cast<std::size_t>(problem.out_width));
  draw(problem, regions, random_of_inference(regions),
       {fixed.first_row.data(), fixed.last_row.data(), fixed.first_column.data(), fixed.last_column.data()});
  return fixed;
}

PooledPlaces max_pool2d_with_places(Lowering& to, Value src, const kernels::Geometry& geometry) {
  const Shape shape{geometry.out_height, geometry.out_width, geometry.channels};
  const PooledPlaces pooled{to.value(to.layer(), shape, Extent::batch), to.value("places " + to.layer(), shape, Extent::batch)};
  append(to, std::make_unique<MaxPoolPlacesOp>(geometry), {src}, {pooled.map, pooled.places});
  return pooled;
}

Value max_unpool2d(Lowering& to, Value values, Value places, std::int64_t height, std::int64_t width) {
  const std::int64_t channels = values.shape[2];
  const kernels::UnpoolForward::Problem problem{.cells = values.shape[0] * values.shape[1], .pixels = height * width, .channels = channels};
  const Value output = to.value(to.layer(), {height, width, channels}, Extent::batch);
  return append(to, std::make_unique<UnpoolOp>(problem), {values, places}, {output});
}

}  // namespace linn::detail::plan
