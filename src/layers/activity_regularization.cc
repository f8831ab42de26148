#include "linn/layers/activity_regularization.h"

#include "layers/described.h"

namespace linn {
namespace detail::layers {
namespace {

struct ActivityRegularizationConfig {
  ActivityRegularizationOptions options = {};
};

}  // namespace
}  // namespace detail::layers

template <>
struct detail::schema::Schema<detail::layers::ActivityRegularizationConfig> {
  using C = detail::layers::ActivityRegularizationConfig;
  using O = ActivityRegularizationOptions;
  static constexpr Info info{
      .module = "keras.layers", .name = "ActivityRegularization", .help = "Adds a penalty on the values that pass to the loss; leaves them as they are."};
  static constexpr auto fields = all(nested(&C::options, field("l1", &O::l1, at_least(0), "Factor of the sum of magnitudes."),
                                            field("l2", &O::l2, at_least(0), "Factor of the sum of squares."), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "a", "l1": 0.01, "l2": 0.02})", "(3, 4)"}};
};

namespace detail::layers {
namespace {

class ActivityRegularizationDescription final : public Described<ActivityRegularizationConfig> {
 public:
  using Described::Described;
  OnMap on_map(std::span<const Shape> /*inputs*/) const override { return {.kind = OnMap::elementwise}; }
  ActivationKind activation() const override { return ActivationKind::unchanged; }
  Shape output_shape(const Shape& input, const std::string& /*where*/) const override { return input; }
  Regularizer activity_regularizer() const override { return regularizers::L1L2{.l1 = config_.options.l1, .l2 = config_.options.l2}; }
  plan::Value lower(plan::Lowering& /*to*/, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    return input;
  }
};

}  // namespace

LINN_LAYER_ROW(ActivityRegularization, ActivityRegularizationDescription)

}  // namespace detail::layers

ActivityRegularization::ActivityRegularization(ActivityRegularizationOptions options)
    : Layer(detail::layers::make_layer<detail::layers::ActivityRegularizationDescription>({std::move(options)})) {}

}  // namespace linn
