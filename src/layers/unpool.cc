#include "linn/layers/unpool.h"

#include <fmt/format.h>

#include "layers/described.h"
#include "layers/window.h"
#include "linn/error.h"
#include "plan/ops/region_pool.h"

namespace linn {
namespace detail::layers {
namespace {

struct MaxPoolingWithArgmax2DConfig {
  Size2 pool_size = {2, 2};
  MaxPoolingWithArgmax2DOptions options = {};
};

struct MaxUnpooling2DConfig {
  Size2 pool_size = {2, 2};
  MaxUnpooling2DOptions options = {};
};

}  // namespace
}  // namespace detail::layers

template <>
struct detail::schema::Schema<detail::layers::MaxPoolingWithArgmax2DConfig> : detail::layers::PoolSchema<detail::layers::MaxPoolingWithArgmax2DConfig> {
  using C = detail::layers::MaxPoolingWithArgmax2DConfig;
  using O = MaxPoolingWithArgmax2DOptions;
  static constexpr Info info{.module = "linn.layers",
                             .name = "MaxPoolingWithArgmax2D",
                             .help = "The largest value of each window, and as a second output its place in the map."};
  static constexpr auto fields =
      all(field("pool_size", &C::pool_size, at_least(1), "Height and width of the window."),
          nested(&C::options,  //
                 field("strides", &O::strides, at_least(1), "Pixels from one window to the next; by default the window's size."),
                 field("padding", &O::padding, "\"valid\", \"same\", or numbers of rows and columns."),
                 detail::layers::data_format_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "p"})", "(4, 6, 2)"},
                                         {R"({"name": "p", "pool_size": [3, 2], "strides": [2, 1], "padding": "same"})", "(5, 4, 3)"},
                                         {R"({"name": "p", "pool_size": [2, 3], "padding": [[1, 0], [1, 1]]})", "(5, 4, 2)"}};

  static std::string fault(const C& c) {
    if (const std::string fault = detail::layers::PoolSchema<C>::fault(c); !fault.empty()) return fault;
    // Places count from the corner of the map, not of its pads.
    if (!detail::layers::is_filled(c.options.padding)) return {};
    return fmt::format("padding is {}: \"valid\", \"same\" or numbers are allowed", Type<Padding>::text(c.options.padding));
  }
};

template <>
struct detail::schema::Schema<detail::layers::MaxUnpooling2DConfig> {
  using C = detail::layers::MaxUnpooling2DConfig;
  using O = MaxUnpooling2DOptions;
  static constexpr Info info{
      .module = "linn.layers", .name = "MaxUnpooling2D", .help = "Values put back at the places that a max pooling gave."};
  static constexpr auto fields =
      all(field("pool_size", &C::pool_size, at_least(1), "The window of the pooling."),
          nested(&C::options,  //
                 field("strides", &O::strides, at_least(1), "The strides of the pooling; by default the window's size."),
                 field("output_size", &O::output_size, at_least(1),
                       "Height and width of the map that was pooled; by default what windows without a rest have."),
                 detail::layers::data_format_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {
      {R"({"name": "u"})", "(2, 3, 2), (2, 3, 2)"},
      {R"({"name": "u", "pool_size": [3, 2], "strides": [2, 2], "output_size": [6, 5]})", "(2, 2, 3), (2, 2, 3)"}};

  static void complete(C& c) { detail::layers::PoolSchema<C>::complete(c); }
};

namespace detail::layers {
namespace {

class MaxPoolingWithArgmaxDescription final : public Described<MaxPoolingWithArgmax2DConfig, LayerDescription> {
 public:
  using Described::Described;

  std::vector<Shape> infer_shapes(std::span<const Shape> inputs, const std::string& where) const override {
    if (inputs.size() != 1) throw ShapeError(fmt::format("{} takes one map; {} inputs came", where, inputs.size()));
    const kernels::Geometry g = window(inputs[0], where).geometry;
    return {2, Shape{g.out_height, g.out_width, g.out_channels}};
  }

  std::vector<plan::Value> lower_call(plan::Lowering& to, std::span<const plan::Value> inputs,
                                      std::span<const plan::Value> /*variables*/) const override {
    const plan::PooledPlaces pooled = plan::max_pool2d_with_places(to, inputs[0], window(inputs[0].shape, where()).geometry);
    return {pooled.map, pooled.places};
  }

  // The maxima are a window's; the places are not, they count from the map's corner. So nothing is said of the two together.
  OnMap on_map(std::span<const Shape> /*inputs*/) const override { return {}; }

 private:
  ResolvedWindow window(const Shape& input, const std::string& where) const {
    check_map(input, where);
    return resolve_window({"pool_size", config_.pool_size, config_.options.strides, {1, 1}, config_.options.padding}, input, input[2], 1,
                          where);
  }
};

class MaxUnpoolingDescription final : public Described<MaxUnpooling2DConfig, LayerDescription> {
 public:
  using Described::Described;

  std::vector<Shape> infer_shapes(std::span<const Shape> inputs, const std::string& where) const override {
    if (inputs.size() != 2 || inputs[0] != inputs[1])
      throw ShapeError(fmt::format(
          "{} takes values and their places, two maps of one shape, as MaxPoolingWithArgmax2D gives them; {} came", where,
          inputs.size() == 2 ? inputs[0].to_string() + " and " + inputs[1].to_string() : fmt::format("{} inputs", inputs.size())));
    check_map(inputs[0], where);
    const MaxUnpooling2DOptions& o = config_.options;
    if (o.output_size.is_set()) return {{o.output_size.height, o.output_size.width, inputs[0][2]}};
    const auto size = [](std::int64_t n, std::int64_t stride, std::int64_t pool) { return n == Shape::none ? n : (n - 1) * stride + pool; };
    return {{size(inputs[0][0], o.strides.height, config_.pool_size.height), size(inputs[0][1], o.strides.width, config_.pool_size.width),
             inputs[0][2]}};
  }

  std::vector<plan::Value> lower_call(plan::Lowering& to, std::span<const plan::Value> inputs,
                                      std::span<const plan::Value> /*variables*/) const override {
    const std::vector<Shape> shapes = {inputs[0].shape, inputs[1].shape};
    const Shape output = infer_shapes(shapes, where()).front();
    return {plan::max_unpool2d(to, inputs[0], inputs[1], output[0], output[1])};
  }

  OnMap on_map(std::span<const Shape> /*inputs*/) const override { return {.kind = OnMap::resize}; }
};

}  // namespace

LINN_LAYER_ROW(MaxPoolingWithArgmax2D, MaxPoolingWithArgmaxDescription)
LINN_LAYER_ROW(MaxUnpooling2D, MaxUnpoolingDescription)

}  // namespace detail::layers

MaxPoolingWithArgmax2D::MaxPoolingWithArgmax2D(Size2 pool_size, MaxPoolingWithArgmax2DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::MaxPoolingWithArgmaxDescription>({pool_size, std::move(options)})) {}
MaxUnpooling2D::MaxUnpooling2D(Size2 pool_size, MaxUnpooling2DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::MaxUnpoolingDescription>({pool_size, std::move(options)})) {}

}  // namespace linn
