#include "linn/layers/fractional_pool.h"

#include <fmt/format.h>

#include "layers/described.h"
#include "layers/window.h"
#include "linn/error.h"
#include "plan/ops/region_pool.h"

namespace linn {
namespace detail::layers {
namespace {

struct FractionalMaxPooling2DConfig {
  FractionalMaxPooling2DOptions options = {};
};

}  // namespace
}  // namespace detail::layers

template <>
struct detail::schema::Schema<detail::layers::FractionalMaxPooling2DConfig> {
  using C = detail::layers::FractionalMaxPooling2DConfig;
  using O = FractionalMaxPooling2DOptions;
  static constexpr Info info{.module = "linn.layers",
                             .name = "FractionalMaxPooling2D",
                             .help = "The largest value of each of a grid of regions whose borders are drawn anew for each step."};
  static constexpr auto fields = all(nested(
      &C::options,  //
      field("pooling_ratio", &O::pooling_ratio, at_least(1), "How many times smaller the output is along each axis."),
      field("output_size", &O::output_size, at_least(1), "Height and width of the output, in place of pooling_ratio."),
      field("pool_size", &O::pool_size, at_least(1), "Height and width of every region; by default the paper's, which differ."),
      field("pseudo_random", &O::pseudo_random, "Whether one number decides about all borders of an axis; else each increment is drawn."),
      field("overlapping", &O::overlapping, "Whether neighbouring regions share the cells at their border."),
      detail::layers::data_format_field<O>(), field("seed", &O::seed, "Seed of the borders, besides the model's."),
      detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {
      {R"({"name": "f"})", "(7, 6, 2)"},
      {R"({"name": "f", "pooling_ratio": 2.5, "pseudo_random": false, "overlapping": true, "seed": 4})", "(8, 11, 3)"},
      {R"({"name": "f", "output_size": [3, 5], "overlapping": true})", "(7, 6, 2)"},
      {R"({"name": "f", "output_size": [4, 2], "pool_size": [2, 3], "seed": 1})", "(7, 9, 2)"}};

  static std::string fault(const C& c) {
    if (!c.options.pool_size.is_set() || (c.options.pseudo_random && !c.options.overlapping)) return {};
    return "pool_size gives all regions one size: pseudo_random must stay true and overlapping false";
  }
};

namespace detail::layers {
namespace {

class FractionalDescription final : public Described<FractionalMaxPooling2DConfig> {
 public:
  using Described::Described;

  Shape output_shape(const Shape& input, const std::string& where) const override {
    check_map(input, where);
    const FractionalMaxPooling2DOptions& o = config_.options;
    const auto size = [&](std::int64_t n, std::int64_t wanted, std::int64_t pool) {
      if (n == Shape::none) return wanted > 0 ? wanted : Shape::none;
      const auto out = wanted > 0 ? wanted : static_cast<std::int64_t>(static_cast<double>(n) / o.pooling_ratio);
      if (out < 1 || out > n)
        throw ShapeError(fmt::format("{} makes {} cells out of {} of input {}; 1 to {} can be made", where, out, n, input.to_string(), n));
      if (pool > n)
        throw ShapeError(fmt::format("{} pool_size {} is larger than input {}", where, to_string(o.pool_size), input.to_string()));
      return out;
    };
    return {size(input[0], o.output_size.height, o.pool_size.height), size(input[1], o.output_size.width, o.pool_size.width), input[2]};
  }

  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    const FractionalMaxPooling2DOptions& o = config_.options;
    const Shape output = output_shape(input.shape, where());
    return plan::fractional_max_pool2d(
        to, input, output[0], output[1],
        {.pool_size = o.pool_size, .pseudo_random = o.pseudo_random, .overlapping = o.overlapping, .seed = o.seed.value_or(0)});
  }

  OnMap on_map(std::span<const Shape> /*inputs*/) const override { return {.kind = OnMap::resize}; }
  ActivationKind activation() const override { return ActivationKind::unchanged; }
};

}  // namespace

LINN_LAYER_ROW(FractionalMaxPooling2D, FractionalDescription)

}  // namespace detail::layers

FractionalMaxPooling2D::FractionalMaxPooling2D(FractionalMaxPooling2DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::FractionalDescription>({std::move(options)})) {}

}  // namespace linn
