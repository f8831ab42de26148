#include "linn/layers/strip_pool.h"

#include "layers/described.h"
#include "layers/window.h"
#include "plan/ops/adaptive_pool.h"
#include "plan/ops/conv.h"
#include "plan/ops/eltwise.h"
#include "plan/ops/merge.h"

namespace linn {
namespace detail::layers {
namespace {

struct StripPooling2DConfig {
  std::int64_t kernel_size = 3;
  StripPooling2DOptions options = {};
};

}  // namespace
}  // namespace detail::layers

template <>
struct detail::schema::Schema<detail::layers::StripPooling2DConfig> {
  using C = detail::layers::StripPooling2DConfig;
  using O = StripPooling2DOptions;
  static constexpr Info info{.module = "linn.layers",
                             .name = "StripPooling2D",
                             .help = "The map times a gate that is made from the means of its rows and columns."};
  static constexpr auto fields =
      all(field("kernel_size", &C::kernel_size, at_least(1), "Rows, and columns, that a convolution of the means sees."),
          nested(&C::options, detail::layers::data_format_field<O>(),
                 field("kernel_initializer", &O::kernel_initializer, "First values of the kernels."),
                 field("bias_initializer", &O::bias_initializer, "First values of the bias."), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "s"})", "(4, 5, 3)"}, {R"({"name": "s", "kernel_size": 2})", "(3, 4, 2)"}};
};

namespace detail::layers {
namespace {

class StripDescription final : public Described<StripPooling2DConfig> {
 public:
  using Described::Described;

  bool waits_for_input() const override { return true; }

  Shape output_shape(const Shape& input, const std::string& where) const override {
    check_map(input, where);
    return input;
  }

  std::vector<VariableSpec> variables(const Shape& input) const override {
    const std::int64_t k = config_.kernel_size, channels = input[2];
    const Initializer& kernel = config_.options.kernel_initializer;
    return {{"row_kernel", {k, 1, channels, channels}, kernel},
            {"column_kernel", {1, k, channels, channels}, kernel},
            {"kernel", {1, 1, channels, channels}, kernel},
            {"bias", {channels}, config_.options.bias_initializer}};
  }

  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& variables) const override {
    const std::int64_t height = input.shape[0], width = input.shape[1];
    const plan::Value rows = plan::adaptive_pool2d(to, input, height, 1, kernels::PoolKind::average),
                      columns = plan::adaptive_pool2d(to, input, 1, width, kernels::PoolKind::average);
    const plan::Value means[] = {convolved(to, rows, variables[0], {}), convolved(to, columns, variables[1], {})};
    const plan::Value both = convolved(to, plan::merge(to, kernels::MergeKind::add, means), variables[2], variables[3]);
    const plan::Value gated[] = {input, plan::activation(to, both, kernels::Activation::sigmoid)};
    return plan::merge(to, kernels::MergeKind::multiply, gated);
  }

  // Each pixel sees its row and column to the border, and zeros beyond it.
  OnMap on_map(std::span<const Shape> inputs) const override {
    const std::int64_t height = inputs[0][0], width = inputs[0][1];
    return {.kind = OnMap::window,
            .size = {2 * height - 1, 2 * width - 1},
            .pads = {Pads1(height - 1), Pads1(width - 1)},
            .border = "the means of rows and columns end there"};
  }

 private:
  // "same": zeros around.
  plan::Value convolved(plan::Lowering& to, plan::Value input, plan::Value kernel, plan::Value bias) const {
    const WindowSpec window{"kernel_size", {kernel.shape[0], kernel.shape[1]}, {1, 1}, {1, 1}, "same"};
    return plan::conv2d(to, input, kernel, bias, resolve_window(window, input.shape, kernel.shape[3], 1, where()).geometry);
  }
};

}  // namespace

LINN_LAYER_ROW(StripPooling2D, StripDescription)

}  // namespace detail::layers

StripPooling2D::StripPooling2D(std::int64_t kernel_size, StripPooling2DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::StripDescription>({kernel_size, std::move(options)})) {}

}  // namespace linn
