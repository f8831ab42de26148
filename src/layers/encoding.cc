#include "linn/layers/encoding.h"

#include <fmt/format.h>

#include <vector>

#include "layers/described.h"
#include "linn/error.h"
#include "plan/ops/encode.h"

namespace linn {
namespace detail::layers {
namespace {

struct CategoryEncodingConfig {
  std::int64_t num_tokens = 1;
  CategoryEncodingOptions options = {};
};

}  // namespace
}  // namespace detail::layers

template <>
struct detail::schema::Schema<detail::layers::CategoryEncodingConfig> {
  using C = detail::layers::CategoryEncodingConfig;
  using O = CategoryEncodingOptions;
  static constexpr Info info{.module = "keras.layers", .name = "CategoryEncoding", .help = "Whole numbers as rows of ones and zeros."};
  static constexpr auto fields = all(required("num_tokens", &C::num_tokens, at_least(1), "Numbers go from 0 to num_tokens - 1."),
                                     nested(&C::options, field("output_mode", &O::output_mode, "\"multi_hot\", \"one_hot\" or \"count\"."),
                                            detail::layers::common_fields<O>()));
  static constexpr Absent absent[] = {{"sparse", "false"}};
  static constexpr Example examples[] = {{R"({"name": "e", "num_tokens": 4})", "(3)"},
                                         {R"({"name": "e", "num_tokens": 3, "output_mode": "one_hot"})", "(2)"},
                                         {R"({"name": "e", "num_tokens": 3, "output_mode": "count"})", "(4)"}};
};

namespace detail::layers {
namespace {

class CategoryEncodingDescription final : public Described<CategoryEncodingConfig> {
 public:
  using Described::Described;

  Shape output_shape(const Shape& input, const std::string& where) const override {
    if (!is_one_hot() && input.rank() != 1)
      throw ShapeError(fmt::format("{} output_mode \"{}\" needs a row of numbers; {} came", where, config_.options.output_mode.name(), input.to_string()));
    if (input.empty() || (is_one_hot() && input[-1] != 1 && input.rank() == Shape::max_rank))
      throw ShapeError(fmt::format("{} needs an input of 1 to {} axes besides the batch axis; {} came", where, Shape::max_rank - 1, input.to_string()));
    std::vector<std::int64_t> sizes(input.begin(), input.end());
    if (!is_one_hot() || sizes.back() == 1) sizes.pop_back();
    sizes.push_back(config_.num_tokens);
    return Shape(std::span<const std::int64_t>(sizes));
  }
  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    const bool counts = config_.options.output_mode.kind() == EncodingMode::count;
    return plan::encode(to, input, is_one_hot() ? 1 : input.shape[-1], config_.num_tokens, counts, output_shape(input.shape, where()));
  }

 private:
  bool is_one_hot() const { return config_.options.output_mode.kind() == EncodingMode::one_hot; }
};

}  // namespace

LINN_LAYER_ROW(CategoryEncoding, CategoryEncodingDescription)

}  // namespace detail::layers

CategoryEncoding::CategoryEncoding(std::int64_t num_tokens, CategoryEncodingOptions options)
    : Layer(detail::layers::make_layer<detail::layers::CategoryEncodingDescription>({num_tokens, std::move(options)})) {}

}  // namespace linn
