#include "linn/layers/pyramid_pool.h"

#include <algorithm>

#include "layers/described.h"
#include "layers/window.h"
#include "plan/ops/adaptive_pool.h"
#include "plan/ops/section.h"

namespace linn {
namespace detail::layers {
namespace {

struct SpatialPyramidPooling2DConfig {
  Axes levels = {1, 2, 4};
  SpatialPyramidPooling2DOptions options = {};
};

}  // namespace
}  // namespace detail::layers

template <>
struct detail::schema::Schema<detail::layers::SpatialPyramidPooling2DConfig> {
  using C = detail::layers::SpatialPyramidPooling2DConfig;
  using O = SpatialPyramidPooling2DOptions;
  static constexpr Info info{.module = "linn.layers",
                             .name = "SpatialPyramidPooling2D",
                             .help = "Windows of several grids over the map as one row, of one length for all sizes."};
  static constexpr auto fields =
      all(field("levels", &C::levels, "Rows and columns of each grid."),
          nested(&C::options, field("pooling", &O::pooling, "What is taken of a window: \"max\" or \"average\"."),
                 detail::layers::data_format_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "s"})", "(5, 7, 2)"},
                                         {R"({"name": "s", "levels": [3, 1], "pooling": "average"})", "(4, 6, 3)"},
                                         {R"({"name": "s", "levels": [1]})", "(3, 4, 5)"}};

  static std::string fault(const C& c) {
    const std::vector<std::int64_t>& levels = c.levels.list();
    const bool fits =
        !levels.empty() && levels.size() <= 8 && std::all_of(levels.begin(), levels.end(), [](std::int64_t level) { return level >= 1; });
    return fits ? "" : "levels is " + Type<Axes>::text(c.levels) + "; one to eight numbers of 1 or more are allowed";
  }
};

namespace detail::layers {
namespace {

class PyramidDescription final : public Described<SpatialPyramidPooling2DConfig> {
 public:
  using Described::Described;

  Shape output_shape(const Shape& input, const std::string& where) const override {
    check_map(input, where);
    std::int64_t cells = 0;
    for (const std::int64_t level : config_.levels.list()) cells += level * level;
    return {cells * input[2]};
  }

  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    const kernels::PoolKind kind = is_max() ? kernels::PoolKind::max : kernels::PoolKind::average;
    std::vector<plan::Value> rows;
    for (const std::int64_t level : config_.levels.list())
      rows.push_back({plan::adaptive_pool2d(to, input, level, level, kind).id, {level * level * input.shape[2]}});
    return rows.size() == 1 ? rows[0] : plan::concatenate(to, rows, 0);
  }

  // A level above 1 has windows in fixed places; the mean of a whole map is summed in the order of places.
  OnMap on_map(std::span<const Shape> /*inputs*/) const override {
    const std::vector<std::int64_t>& levels = config_.levels.list();
    if (!is_max() || levels != std::vector<std::int64_t>{1}) return {};
    return {.kind = OnMap::global, .reduction = OnMap::maximum};
  }
  ActivationKind activation() const override { return ActivationKind::unchanged; }

 private:
  bool is_max() const { return config_.options.pooling.kind() == PyramidPooling::max; }
};

}  // namespace

LINN_LAYER_ROW(SpatialPyramidPooling2D, PyramidDescription)

}  // namespace detail::layers

SpatialPyramidPooling2D::SpatialPyramidPooling2D(Axes levels, SpatialPyramidPooling2DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::PyramidDescription>({std::move(levels), std::move(options)})) {}

}  // namespace linn
