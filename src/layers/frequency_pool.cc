#include "linn/layers/frequency_pool.h"

#include "kernels/ring_filter/ring_filter.h"
#include "layers/described.h"
#include "layers/window.h"
#include "plan/ops/ring_filter.h"

namespace linn {
namespace detail::layers {
namespace {

struct FrequencyLowCutPooling2DConfig {
  FrequencyLowCutPooling2DOptions options = {};
};

}  // namespace
}  // namespace detail::layers

template <>
struct detail::schema::Schema<detail::layers::FrequencyLowCutPooling2DConfig> {
  using C = detail::layers::FrequencyLowCutPooling2DConfig;
  using O = FrequencyLowCutPooling2DOptions;
  static constexpr Info info{.module = "linn.layers",
                             .name = "FrequencyLowCutPooling2D",
                             .help = "FLC: the low frequencies of the map, of which every stride-th pixel is kept."};
  static constexpr auto fields =
      all(nested(&C::options,  //
                 field("strides", &O::strides, at_least(1), "Pixels from one output to the next."),
                 field("window", &O::window, "What the kept frequencies are multiplied by: \"none\" or \"hamming\"."),
                 detail::layers::data_format_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "f"})", "(8, 6, 2)"},
                                         {R"({"name": "f", "window": "hamming"})", "(4, 10, 3)"},
                                         {R"({"name": "f", "strides": [1, 3]})", "(4, 7, 2)"},
                                         {R"({"name": "f", "strides": [3, 2], "window": "hamming"})", "(5, 9, 1)"}};
};

namespace detail::layers {
namespace {

class FrequencyLowCutDescription final : public Described<FrequencyLowCutPooling2DConfig> {
 public:
  using Described::Described;

  Shape output_shape(const Shape& input, const std::string& where) const override {
    check_map(input, where);
    const auto kept = [](std::int64_t size, std::int64_t stride) { return size == Shape::none ? size : (size + stride - 1) / stride; };
    return {kept(input[0], config_.options.strides.height), kept(input[1], config_.options.strides.width), input[2]};
  }

  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    const FrequencyLowCutPooling2DOptions& o = config_.options;
    const bool hamming = o.window.kind() == SpectralWindow::hamming;
    return plan::ring_filter2d(to, input, kernels::low_frequencies(input.shape[0], o.strides.height, hamming),
                               kernels::low_frequencies(input.shape[1], o.strides.width, hamming));
  }

  OnMap on_map(std::span<const Shape> inputs) const override { return whole_ring(inputs[0], config_.options.strides, OnMap::blur); }
  ActivationKind activation() const override { return ActivationKind::linear; }
};

}  // namespace

LINN_LAYER_ROW(FrequencyLowCutPooling2D, FrequencyLowCutDescription)

}  // namespace detail::layers

FrequencyLowCutPooling2D::FrequencyLowCutPooling2D(FrequencyLowCutPooling2DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::FrequencyLowCutDescription>({std::move(options)})) {}

}  // namespace linn
