#include "linn/layers/reshape.h"

#include <fmt/format.h>

#include "layers/described.h"
#include "layers/layer_object.h"
#include "linn/error.h"

namespace linn {
namespace detail::layers {
namespace {

struct FlattenConfig {
  FlattenOptions options = {};
};

struct InputLayerConfig {
  Shape shape = {};  // of one image
  InputLayerOptions options = {};
};

}  // namespace
}  // namespace detail::layers

template <>
struct detail::schema::Schema<detail::layers::FlattenConfig> {
  using C = detail::layers::FlattenConfig;
  using O = FlattenOptions;
  static constexpr Info info{.module = "keras.layers", .name = "Flatten", .help = "All values of an image in one row."};
  static constexpr auto fields = all(nested(&C::options, detail::layers::data_format_field<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "f"})", "(2, 3, 4)"}};
};

template <>
struct detail::schema::Schema<detail::layers::InputLayerConfig> {
  using C = detail::layers::InputLayerConfig;
  using O = InputLayerOptions;
  static constexpr Info info{.module = "keras.layers", .name = "InputLayer", .help = "The shape of one image of the input."};
  static constexpr auto fields =
      all(required("batch_shape", &C::shape, "The shape, with the batch axis in front.").called_before("batch_input_shape"),
          nested(&C::options, Field<O, std::string>{"name", &O::name, {}, "The input's name.", false, Role::name}));
  // Numbers of any type are taken as they come.
  static constexpr Absent absent[] = {{"dtype", ""},     {"sparse", "false"}, {"ragged", "false"}, {"optional", "false"},
                                      {"shape"},         {"batch_size"},      {"input_tensor"}};
  static constexpr Example examples[] = {{R"({"batch_shape": [null, 28, 28, 1], "name": "pixels"})", "(28, 28, 1)"}};
};

namespace detail::layers {
namespace {

class FlattenDescription final : public Described<FlattenConfig> {
 public:
  using Described::Described;
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

class InputDescription final : public Described<InputLayerConfig> {
 public:
  using Described::Described;
  io::Json config(const std::string& name) const override {
    io::Json json = schema::write(config_);
    json.update({{"dtype", "float32"}, {"sparse", false}, {"name", name}});
    return json;
  }
  Shape output_shape(const Shape& input, const std::string& /*where*/) const override { return input; }
  plan::Value lower(plan::Lowering& /*to*/, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override { return input; }
  OnMap on_map(std::span<const Shape> /*inputs*/) const override { return {.kind = OnMap::elementwise}; }
  ActivationKind activation() const override { return ActivationKind::unchanged; }
};

}  // namespace

LINN_LAYER_ROW(Flatten, FlattenDescription)
LINN_LAYER_ROW(InputLayer, InputDescription)

}  // namespace detail::layers

Flatten::Flatten(FlattenOptions options) : Layer(detail::layers::make_layer<detail::layers::FlattenDescription>({std::move(options)})) {}
InputLayer::InputLayer(Shape shape, InputLayerOptions options)
    : Layer(detail::layers::make_layer<detail::layers::InputDescription>({shape, std::move(options)})) {}
SymbolicTensor Input(Shape shape, InputLayerOptions options) { return detail::call_input(InputLayer(shape, std::move(options)).object()); }

}  // namespace linn
