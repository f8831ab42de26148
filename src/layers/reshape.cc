#include "linn/layers/reshape.h"

#include <fmt/format.h>

#include "layers/config.h"
#include "layers/registry.h"
#include "linn/error.h"

namespace linn {
namespace layers {
namespace {

class FlattenDescription final : public Described<FlattenConfig> {
 public:
  using Described::Described;
  std::string_view class_name() const override { return "Flatten"; }
  bool waits_for_input() const override { return true; }
  Shape output_shape(const Shape& input, const std::string& /*where*/) const override { return {input.elements()}; }
  plan::Value lower(plan::Lowering& /*to*/, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    return {input.id, {input.shape.elements()}};  // the same memory, seen as one row
  }
  OnMap on_map(std::span<const Shape> inputs) const override {
    return {.kind = inputs[0].rank() == 1 ? OnMap::elementwise : OnMap::flatten};
  }
  ActivationKind activation() const override { return ActivationKind::unchanged; }
};

class InputDescription final : public OneToOne {
 public:
  explicit InputDescription(InputLayerConfig config) : config_(std::move(config)) {
    for (const std::int64_t size : config_.shape)
      if (size < 1)
        throw ValueError(fmt::format("{} shape is {}; every size must be 1 or more", place_of("input_layer", config_.options.name), config_.shape.to_string()));
  }

  std::string_view class_name() const override { return "InputLayer"; }
  const std::string& name() const override { return config_.options.name; }
  bool trainable() const override { return true; }
  const Shape& input_shape() const override { return config_.shape; }
  io::Json config(const std::string& name) const override {
    ConfigWriter writer(name);
    describe(config_, writer);
    return writer.take();
  }
  Shape output_shape(const Shape& input, const std::string& /*where*/) const override { return input; }
  plan::Value lower(plan::Lowering& /*to*/, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override { return input; }
  OnMap on_map(std::span<const Shape> /*inputs*/) const override { return {.kind = OnMap::elementwise}; }
  ActivationKind activation() const override { return ActivationKind::unchanged; }

 private:
  InputLayerConfig config_;
};

}  // namespace

template <>
DescriptionPtr read_layer<Flatten>(const io::Json& config, const std::string& where) {
  return std::make_shared<FlattenDescription>(read_config<FlattenConfig>(config, where));
}
template <>
DescriptionPtr read_layer<InputLayer>(const io::Json& config, const std::string& where) {
  return std::make_shared<InputDescription>(read_config<InputLayerConfig>(config, where));
}

}  // namespace layers

Flatten::Flatten(FlattenOptions options) : Layer(std::make_shared<layers::FlattenDescription>(FlattenConfig{std::move(options)})) {}
InputLayer::InputLayer(Shape shape, InputLayerOptions options)
    : Layer(std::make_shared<layers::InputDescription>(InputLayerConfig{shape, std::move(options)})) {}

}  // namespace linn
