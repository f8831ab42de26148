#include "optim/losses.h"

#include "optim/described.h"

namespace linn {
namespace detail::schema {

// ---- the options of each loss; Keras's names are in losses.inc ----

constexpr Absent loss_absent[] = {{"axis", "-1"}, {"name", ""}};
constexpr Range share = between(0, 1);

// Fields and examples; by default none.
template <class F>
struct LossOptions : optim::NoOptions<F> {};

template <>
struct LossOptions<losses::Huber> {
  static constexpr auto fields = all(field("delta", &losses::Huber::delta, above(0), "The difference where squares end."));
  static constexpr Example examples[] = {{R"({"delta": 0.5})"}};
};
template <>
struct LossOptions<losses::BinaryCrossentropy> {
  using F = losses::BinaryCrossentropy;
  static constexpr auto fields = all(field("from_logits", &F::from_logits, "Whether predictions are numbers before the sigmoid."),
                                     field("label_smoothing", &F::label_smoothing, share, "Share of the target that becomes 1/2."));
  static constexpr Example examples[] = {{"{}"}, {R"({"label_smoothing": 0.1})"}, {R"({"from_logits": true, "label_smoothing": 0.2})"}};
};
template <>
struct LossOptions<losses::BinaryFocalCrossentropy> {
  using F = losses::BinaryFocalCrossentropy;
  static constexpr auto fields = all(field("apply_class_balancing", &F::apply_class_balancing, "Whether targets weigh by alpha."),
                                     field("alpha", &F::alpha, share, "Weight of targets of 1; those of 0 weigh 1 - alpha."),
                                     field("gamma", &F::gamma, at_least(0), "How little what is right counts."),
                                     field("from_logits", &F::from_logits, "Whether predictions are numbers before the sigmoid."),
                                     field("label_smoothing", &F::label_smoothing, share, "Share of the target that becomes 1/2."));
  static constexpr Example examples[] = {{"{}"},
                                         {R"({"apply_class_balancing": true, "alpha": 0.4, "gamma": 1.5})"},
                                         {R"({"gamma": 0.0})"},
                                         {R"({"from_logits": true, "label_smoothing": 0.2})"}};
};
template <>
struct LossOptions<losses::CategoricalCrossentropy> {
  using F = losses::CategoricalCrossentropy;
  static constexpr auto fields = all(field("from_logits", &F::from_logits, "Whether predictions are numbers before the softmax."),
                                     field("label_smoothing", &F::label_smoothing, share, "Share of the target spread over all classes."));
  static constexpr Example examples[] = {{"{}"}, {R"({"label_smoothing": 0.1})"}, {R"({"from_logits": true, "label_smoothing": 0.2})"}};
};
template <>
struct LossOptions<losses::SparseCategoricalCrossentropy> {
  using F = losses::SparseCategoricalCrossentropy;
  static constexpr auto fields = all(field("from_logits", &F::from_logits, "Whether predictions are numbers before the softmax."),
                                     field("ignore_class", &F::ignore_class, "The label of rows to leave out."),
                                     field("label_smoothing", &F::label_smoothing, share, "Share of the target spread over all classes."));
  static constexpr Example examples[] = {
      {"{}"}, {R"({"from_logits": true})"}, {R"({"ignore_class": 1})"}, {R"({"from_logits": true, "ignore_class": -1, "label_smoothing": 0.2})"}};
};

#define LINN_LOSS(loss, help_text, ...)                                          \
  template <>                                                                    \
  struct Schema<losses::loss> : LossOptions<losses::loss> {                      \
    static constexpr Info info{"keras.losses", #loss, {__VA_ARGS__}, help_text}; \
    static constexpr std::span<const Absent> absent = loss_absent;               \
  };
#include "optim/losses.inc"
#undef LINN_LOSS

}  // namespace detail::schema

namespace {

using detail::optim::loss_rows;
using detail::schema::Kind;

template <class F>
const detail::schema::Row& row_of() {
  static const detail::schema::Row& row = detail::optim::row_named(Kind::loss, loss_rows(), detail::schema::Schema<F>::info.name);
  return row;
}

// A loss with its options, which are checked here.
template <class F>
class Described : public LossDescription {
 public:
  explicit Described(const F& loss) : loss_(detail::schema::checked(loss, fmt::format("{}:", detail::schema::Schema<F>::info.name))) {}

  const detail::schema::Row& row() const override { return row_of<F>(); }
  detail::io::Json config() const override { return detail::schema::write(loss_); }

 protected:
  F loss_;
};

template <class F>
class FunctionLoss final : public Described<F> {
 public:
  using Described<F>::Described;

  detail::plan::Value lower(detail::plan::Lowering& to, const detail::plan::LossInputs& inputs) const override {
    std::optional<detail::kernels::LossFunction> behind_sigmoid;
    if constexpr (requires(F f) { f.from_logits; }) {
      F of_logits = this->loss_;
      of_logits.from_logits = true;
      if (!this->loss_.from_logits) behind_sigmoid = detail::kernels::LossFunction::of(of_logits);
    }
    return detail::plan::row_loss(to, inputs, detail::kernels::LossFunction::of(this->loss_), behind_sigmoid);
  }
};

template <class F>
class CrossentropyLoss final : public Described<F> {
 public:
  using Described<F>::Described;
  static constexpr bool labels = std::is_same_v<F, losses::SparseCategoricalCrossentropy>;

  // Keras 3.15 has no label_smoothing for labels, and refuses the name.
  detail::io::Json config() const override {
    detail::io::Json json = Described<F>::config();
    if (labels && this->loss_.label_smoothing == 0) json.erase("label_smoothing");
    return json;
  }
  bool takes_labels() const override { return labels; }
  std::optional<std::int64_t> ignored_label() const override {
    if constexpr (labels) return this->loss_.ignore_class;
    return std::nullopt;
  }
  detail::plan::Value lower(detail::plan::Lowering& to, const detail::plan::LossInputs& inputs) const override {
    using detail::kernels::Prediction;
    return detail::plan::crossentropy(to, inputs,
                              {.classes = inputs.prediction.shape[-1],
                               .prediction = this->loss_.from_logits ? Prediction::logits : Prediction::probabilities,
                               .smoothing = this->loss_.label_smoothing,
                               .ignored = ignored_label()});
  }
};

template <class F>
std::shared_ptr<const LossDescription> described(const F& loss) {
  return std::make_shared<FunctionLoss<F>>(loss);
}
std::shared_ptr<const LossDescription> described(const losses::CategoricalCrossentropy& loss) {
  return std::make_shared<CrossentropyLoss<losses::CategoricalCrossentropy>>(loss);
}
std::shared_ptr<const LossDescription> described(const losses::SparseCategoricalCrossentropy& loss) {
  return std::make_shared<CrossentropyLoss<losses::SparseCategoricalCrossentropy>>(loss);
}

template <class F>
Loss read(const detail::io::Json& config, const std::string& where) {
  return Loss(detail::schema::read<F>(config, where, &detail::optim::is_ignored));
}

}  // namespace

namespace losses {
template <class F>
std::shared_ptr<const LossDescription> describe(const F& loss) {
  return described(loss);
}
#define LINN_LOSS(name, ...) template std::shared_ptr<const LossDescription> describe(const name&);
#include "optim/losses.inc"
#undef LINN_LOSS
}  // namespace losses

Loss::Loss(const std::string& name)
    : Loss(detail::optim::row_named(Kind::loss, loss_rows(), name).read(detail::io::Json::object(), name)) {}
std::string Loss::name() const { return defined() ? std::string(description_->row().info.aliases[0]) : "none"; }
std::string_view Loss::class_name() const { return defined() ? description_->row().info.name : "none"; }

namespace detail::optim {

std::span<const schema::RowOf<Loss>> loss_rows() {
  static const schema::RowOf<Loss> rows[] = {
#define LINN_LOSS(name, ...) schema::make_row<losses::name>(Kind::loss, &read<losses::name>),
#include "optim/losses.inc"
#undef LINN_LOSS
  };
  return rows;
}

plan::Value lower(plan::Lowering& to, const Loss& loss, const plan::LossInputs& inputs) {
  to.set_layer(loss.name());
  return loss.description().lower(to, inputs);
}

plan::Value lower_sum(plan::Lowering& to, const Loss& loss, const plan::LossInputs& inputs, plan::Value weight, double factor) {
  const plan::Value rows = lower(to, loss, inputs);
  const std::optional<std::int64_t> ignored = loss.description().ignored_label();
  return plan::loss_sum(to, rows, weight, factor, ignored ? plan::share_of_others(to, inputs.target, *ignored) : plan::Value{});
}

io::Json to_json(const Loss& loss) {
  if (!loss.defined()) return nullptr;
  const io::Json options = loss.description().config();
  if (options == Loss(loss.name()).description().config()) return loss.name();
  io::Json config = {{"name", loss.name()}, {"reduction", "sum_over_batch_size"}};
  config.update(options);
  // Keras has no label smoothing for labels.
  const bool is_own = loss.description().takes_labels() && options.contains("label_smoothing");
  return is_own ? own_node("linn.losses", loss.class_name(), config) : node("keras.losses", loss.class_name(), config);
}

Loss loss_from_json(const io::Json& json, std::string_view where) {
  if (json.is_null()) return {};
  const Named loss = named(json, where);
  const schema::RowOf<Loss>& row = row_in_file(Kind::loss, loss_rows(), loss.name, where);
  if (loss.config == nullptr) return Loss(loss.name);
  io::Json config = *loss.config;
  const std::string reduction = io::string_field_or(config, "reduction", where, "sum_over_batch_size");
  if (reduction != "sum_over_batch_size" && reduction != "mean")
    throw FormatError(fmt::format("{}: loss reduction \"{}\" is not supported; \"sum_over_batch_size\" is", where, reduction));
  config.erase("reduction");
  return row.read(config, std::string(where));
}

}  // namespace detail::optim
}  // namespace linn
