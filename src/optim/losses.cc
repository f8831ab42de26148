#include "optim/losses.h"

#include <algorithm>

#include "optim/described.h"

namespace linn {
namespace detail::schema {

// ---- the options of each loss; Keras's names are in losses.inc ----

constexpr Absent loss_absent[] = {{"axis", "-1"}, {"name", ""}};
constexpr Range share = between(0, 1);

template <class F>
constexpr Field<F, Reduction> reduction() {
  return field("reduction", &F::reduction, "How the losses of rows become one number.");
}
template <class F>
constexpr Field<F, bool> from_logits(const char* help) {
  return field("from_logits", &F::from_logits, help);
}
constexpr const char* before_sigmoid = "Whether predictions are numbers before the sigmoid.";
constexpr const char* before_softmax = "Whether predictions are numbers before the softmax.";

// Fields and examples; by default the reduction alone.
template <class F>
struct LossOptions {
  static constexpr auto fields = all(reduction<F>());
  static constexpr Example examples[] = {{"{}"}, {R"({"reduction": "sum"})"}};
};

template <>
struct LossOptions<losses::Huber> {
  using F = losses::Huber;
  static constexpr auto fields = all(field("delta", &F::delta, above(0), "The difference where squares end."), reduction<F>());
  static constexpr Example examples[] = {{R"({"delta": 0.5})"}, {R"({"reduction": "mean_with_sample_weight"})"}};
};
template <>
struct LossOptions<losses::BinaryCrossentropy> {
  using F = losses::BinaryCrossentropy;
  static constexpr auto fields =
      all(from_logits<F>(before_sigmoid), field("label_smoothing", &F::label_smoothing, share, "Share of the target that becomes 1/2."), reduction<F>());
  static constexpr Example examples[] = {{"{}"}, {R"({"label_smoothing": 0.1})"}, {R"({"from_logits": true, "label_smoothing": 0.2})"}};
};
template <>
struct LossOptions<losses::BinaryFocalCrossentropy> {
  using F = losses::BinaryFocalCrossentropy;
  static constexpr auto fields = all(field("apply_class_balancing", &F::apply_class_balancing, "Whether targets weigh by alpha."),
                                     field("alpha", &F::alpha, share, "Weight of targets of 1; those of 0 weigh 1 - alpha."),
                                     field("gamma", &F::gamma, at_least(0), "How little what is right counts."), from_logits<F>(before_sigmoid),
                                     field("label_smoothing", &F::label_smoothing, share, "Share of the target that becomes 1/2."), reduction<F>());
  static constexpr Example examples[] = {{"{}"},
                                         {R"({"apply_class_balancing": true, "alpha": 0.4, "gamma": 1.5})"},
                                         {R"({"gamma": 0.0})"},
                                         {R"({"from_logits": true, "label_smoothing": 0.2})"}};
};
template <>
struct LossOptions<losses::CategoricalCrossentropy> {
  using F = losses::CategoricalCrossentropy;
  static constexpr auto fields = all(from_logits<F>(before_softmax),
                                     field("label_smoothing", &F::label_smoothing, share, "Share of the target spread over all classes."), reduction<F>());
  static constexpr Example examples[] = {{"{}"}, {R"({"label_smoothing": 0.1})"}, {R"({"from_logits": true, "label_smoothing": 0.2})"}};
};
template <>
struct LossOptions<losses::CategoricalFocalCrossentropy> {
  using F = losses::CategoricalFocalCrossentropy;
  static constexpr auto fields = all(field("alpha", &F::alpha, at_least(0), "Weight of the loss."),
                                     field("gamma", &F::gamma, at_least(0), "How little what is right counts."), from_logits<F>(before_softmax),
                                     field("label_smoothing", &F::label_smoothing, share, "Share of the target spread over all classes."), reduction<F>());
  static constexpr Example examples[] = {
      {"{}"}, {R"({"alpha": 0.5, "gamma": 1.5, "label_smoothing": 0.1})"}, {R"({"gamma": 0.0})"}, {R"({"from_logits": true, "label_smoothing": 0.2})"}};
};
template <>
struct LossOptions<losses::SparseCategoricalCrossentropy> {
  using F = losses::SparseCategoricalCrossentropy;
  static constexpr auto fields =
      all(from_logits<F>(before_softmax), field("ignore_class", &F::ignore_class, "The label of rows to leave out."), reduction<F>(),
          own("label_smoothing", &F::label_smoothing, share, "Share of the target spread over all classes."));
  static constexpr Example examples[] = {{"{}"},
                                         {R"({"from_logits": true})"},
                                         {R"({"ignore_class": 1})"},
                                         {R"({"ignore_class": 1, "reduction": "mean_with_sample_weight"})"},
                                         {R"({"from_logits": true, "ignore_class": -1, "label_smoothing": 0.2})"}};
};
template <>
struct LossOptions<losses::CategoricalGeneralizedCrossEntropy> {
  using F = losses::CategoricalGeneralizedCrossEntropy;
  static constexpr auto fields =
      all(field("q", &F::q, Range{.least = 0, .most = 1, .least_open = true, .most_open = true}, "Near 0 a crossentropy, near 1 an absolute error."), reduction<F>());
  static constexpr Example examples[] = {{"{}"}, {R"({"q": 0.2})"}};
};

template <class F>
constexpr Field<F, std::optional<Axes>> summed_axes() {
  return field("axis", &F::axis, "Axes whose elements are added up, 0 being the batch; none: all.");
}
template <class F>
std::string axes_fault(const F& loss) {
  return loss.axis && loss.axis->empty() ? "axis is an empty list; it must name an axis, or be left out for all" : "";
}
template <>
struct LossOptions<losses::Dice> {
  using F = losses::Dice;
  static constexpr auto fields = all(reduction<F>(), summed_axes<F>());
  static constexpr Example examples[] = {{"{}"}, {R"({"axis": [1]})"}, {R"({"axis": 0, "reduction": "sum"})"}};
  static std::string fault(const F& loss) { return axes_fault(loss); }
};
template <>
struct LossOptions<losses::Tversky> {
  using F = losses::Tversky;
  static constexpr auto fields = all(field("alpha", &F::alpha, at_least(0), "Weight of positives that were missed."),
                                     field("beta", &F::beta, at_least(0), "Weight of false alarms."), reduction<F>(), summed_axes<F>());
  static constexpr Example examples[] = {{"{}"}, {R"({"alpha": 0.2, "beta": 0.7, "axis": [-1]})"}};
  static std::string fault(const F& loss) { return axes_fault(loss); }
};
template <>
struct LossOptions<losses::Circle> {
  using F = losses::Circle;
  static constexpr auto fields = all(field("gamma", &F::gamma, above(0), "How steep the loss is."), field("margin", &F::margin, "How far apart labels are drawn."),
                                     field("remove_diagonal", &F::remove_diagonal, "Whether an image is no partner of itself."), reduction<F>());
  static constexpr Example examples[] = {{R"({"gamma": 2.0})"}, {R"({"gamma": 4.0, "margin": 0.2, "remove_diagonal": false})"}};
};

template <class F>
constexpr std::span<const Absent> absent_of_loss() {
  // An axis of its own is a field.
  if constexpr (requires(const F& loss) { loss.axis; }) return std::span(loss_absent).subspan(1);
  return loss_absent;
}

#define LINN_LOSS(loss, help_text, ...)                                          \
  template <>                                                                    \
  struct Schema<losses::loss> : LossOptions<losses::loss> {                      \
    static constexpr Info info{"keras.losses", #loss, {__VA_ARGS__}, help_text}; \
    static constexpr std::span<const Absent> absent = absent_of_loss<losses::loss>(); \
  };
#include "optim/losses.inc"
#undef LINN_LOSS

}  // namespace detail::schema

namespace {

using detail::optim::loss_rows;
using detail::schema::Kind;

// A loss with its options, which are checked here.
template <class F>
class Described : public LossDescription {
 public:
  explicit Described(const F& loss) : loss_(detail::schema::checked(loss, fmt::format("{}:", detail::schema::Schema<F>::info.name))) {}

  std::string_view class_name() const override { return detail::schema::Schema<F>::info.name; }
  std::string_view name() const override { return detail::schema::Schema<F>::info.aliases[0]; }
  detail::io::Json config() const override { return detail::schema::write(loss_); }
  Reduction reduction() const override { return loss_.reduction; }
  losses::Probabilities probabilities() const override {
    if constexpr (requires { F::probabilities; }) return F::probabilities;
    return losses::Probabilities::none;
  }
  bool from_logits() const override {
    if constexpr (requires { loss_.from_logits; }) return loss_.from_logits;
    return false;
  }
  bool takes_labels() const override { return detail::kernels::OfLabels<F>; }

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
      if (!this->loss_.from_logits && F::probabilities == losses::Probabilities::each) behind_sigmoid = detail::kernels::LossFunction::of(of_logits);
    }
    return detail::plan::row_loss(to, inputs, detail::kernels::LossFunction::of(this->loss_), behind_sigmoid);
  }
};

template <class F>
class CrossentropyLoss final : public Described<F> {
 public:
  using Described<F>::Described;
  static constexpr bool labels = std::is_same_v<F, losses::SparseCategoricalCrossentropy>;

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

// Dice and Tversky.
template <class F>
class OverlapLoss final : public Described<F> {
 public:
  using Described<F>::Described;

  bool spans_batch() const override { return !this->loss_.axis || std::ranges::any_of(this->loss_.axis->list(), [&](std::int64_t axis) { return axis == 0; }); }
  std::string fault(const Shape& output) const override {
    const auto rank = static_cast<std::int64_t>(output.rank()) + 1;
    if (!this->loss_.axis) return {};
    for (const std::int64_t axis : this->loss_.axis->list()) {
      if (axis < -rank || axis >= rank) return fmt::format("axis {} is none of the output's, which are 0 to {}", axis, rank - 1);
      if (axis == -rank) return fmt::format("axis {} is the batch axis; call it 0", axis);
    }
    return {};
  }
  detail::plan::Value lower(detail::plan::Lowering& to, const detail::plan::LossInputs& inputs) const override {
    const Shape& image = inputs.prediction.shape;
    if (const std::string wrong = fault(image); !wrong.empty()) throw ValueError(fmt::format("{}: {}", this->class_name(), wrong));
    detail::kernels::Overlap::Problem problem{.over_batch = spans_batch()};
    for (const std::int64_t size : image) problem.axes.push_back({.size = size, .summed = !this->loss_.axis});
    if (this->loss_.axis)
      for (const std::int64_t axis : this->loss_.axis->list())
        if (axis != 0) problem.axes[static_cast<std::size_t>(axis < 0 ? axis + static_cast<std::int64_t>(image.rank()) : axis - 1)].summed = true;
    if constexpr (requires { this->loss_.alpha; }) {
      problem.factor = 1, problem.of_both = 1 - this->loss_.alpha - this->loss_.beta;
      problem.of_target = this->loss_.alpha, problem.of_prediction = this->loss_.beta;
    }
    return detail::plan::overlap(to, inputs, problem);
  }
};

class CircleLoss final : public Described<losses::Circle> {
 public:
  using Described::Described;

  bool takes_labels() const override { return true; }
  bool labels_are_classes() const override { return false; }
  bool leaves_out_zeros() const override { return true; }
  std::string fault(const Shape& output) const override {
    return output.rank() == 1 ? "" : fmt::format("the output must be one vector an image; it is {}", output.to_string());
  }
  detail::plan::Value lower(detail::plan::Lowering& to, const detail::plan::LossInputs& inputs) const override {
    if (const std::string wrong = fault(inputs.prediction.shape); !wrong.empty()) throw ValueError(fmt::format("Circle: {}", wrong));
    return detail::plan::circle(
        to, inputs,
        {.width = inputs.prediction.shape[-1], .gamma = loss_.gamma, .margin = loss_.margin, .remove_diagonal = loss_.remove_diagonal});
  }
};

// A class of the user's, as functions of rows.
struct OwnRows {
  losses::Custom loss;
  template <class T>
  T row(std::span<const T> t, std::span<const T> p, T* slopes) const {
    return loss.row(t, 0, p, slopes);
  }
};
struct OwnLabels {
  losses::Custom loss;
  template <class T>
  T row(std::int64_t label, std::span<const T> p, T* slopes) const {
    return loss.row({}, label, p, slopes);
  }
};

class CustomLoss final : public LossDescription {
 public:
  explicit CustomLoss(const losses::Custom& loss) : loss_(loss) {
    if (name().empty()) throw ValueError("Custom: name is empty; messages and files need one");
    if (detail::schema::find_row(loss_rows(), name()) != nullptr)
      throw ValueError(fmt::format("Custom: name is \"{}\", which is a loss of linn's; a file would mean that one: give it another name", name()));
  }

  std::string_view class_name() const override { return loss_.options().name; }
  std::string_view name() const override { return loss_.options().name; }
  detail::io::Json config() const override { return {{"reduction", std::string(reduction().name())}}; }
  bool is_custom() const override { return true; }
  Reduction reduction() const override { return loss_.options().reduction; }
  bool takes_labels() const override { return loss_.takes_labels(); }
  detail::plan::Value lower(detail::plan::Lowering& to, const detail::plan::LossInputs& inputs) const override {
    using detail::kernels::LossFunction;
    return detail::plan::row_loss(to, inputs, takes_labels() ? LossFunction::of(OwnLabels{loss_}) : LossFunction::of(OwnRows{loss_}));
  }

 private:
  losses::Custom loss_;
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
std::shared_ptr<const LossDescription> described(const losses::Dice& loss) { return std::make_shared<OverlapLoss<losses::Dice>>(loss); }
std::shared_ptr<const LossDescription> described(const losses::Tversky& loss) { return std::make_shared<OverlapLoss<losses::Tversky>>(loss); }
std::shared_ptr<const LossDescription> described(const losses::Circle& loss) { return std::make_shared<CircleLoss>(loss); }
std::shared_ptr<const LossDescription> described(const losses::Custom& loss) { return std::make_shared<CustomLoss>(loss); }

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
template std::shared_ptr<const LossDescription> describe(const Custom&);
}  // namespace losses

Loss::Loss(const std::string& name)
    : Loss(detail::optim::row_named(Kind::loss, loss_rows(), name).read(detail::io::Json::object(), name)) {}
std::string Loss::name() const { return defined() ? std::string(description_->name()) : "none"; }
std::string_view Loss::class_name() const { return defined() ? description_->class_name() : "none"; }

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

namespace {

kernels::LossReduction reduction_of(const Loss& loss) {
  switch (loss.description().reduction().kind()) {
    case Reduction::sum: return kernels::LossReduction::sum;
    case Reduction::mean_with_sample_weight: return kernels::LossReduction::weighted_mean;
    case Reduction::sum_over_batch_size:
    case Reduction::mean: break;
  }
  return kernels::LossReduction::mean;
}

// Undefined where the mean over all rows is what the loss wants.
plan::Value share_of(plan::Lowering& to, const Loss& loss, const plan::LossInputs& inputs, plan::Value rows, plan::Value weight) {
  const kernels::LossShare::Problem problem{.reduction = reduction_of(loss),
                                            .rows = rows.shape.elements(),
                                            .ignored = loss.description().ignored_label(),
                                            .leaves_out_zeros = loss.description().leaves_out_zeros(),
                                            .once = loss.description().spans_batch()};
  const bool weighs = problem.reduction == kernels::LossReduction::weighted_mean && weight.defined();
  const bool is_mean = problem.reduction != kernels::LossReduction::sum && !weighs;
  if (is_mean && !problem.ignored && !problem.leaves_out_zeros) return {};
  return plan::loss_share(to, problem, inputs.target, rows, weight);
}

}  // namespace

plan::Value lower_sum(plan::Lowering& to, const Loss& loss, const plan::LossInputs& inputs, plan::Value weight, double factor) {
  const plan::Value rows = lower(to, loss, inputs);
  return plan::loss_sum(to, rows, weight, factor, share_of(to, loss, inputs, rows, weight));
}

std::int64_t rows_of(const Loss& loss, const Shape& output) {
  plan::Lowering to(plan::Purpose::inference);
  const bool labels = loss.description().takes_labels();
  const plan::Element element = labels ? plan::Element::i64 : plan::Element::real;
  const plan::LossInputs inputs{.prediction = to.value("prediction", output, plan::Extent::batch),
                                .target = to.value("target", labels ? Shape{output.elements() / output[-1]} : output, plan::Extent::batch, element)};
  return lower(to, loss, inputs).shape.elements();
}

io::Json to_json(const Loss& loss) {
  if (!loss.defined()) return nullptr;
  const io::Json options = loss.description().config();
  io::Json config = {{"name", loss.name()}};
  config.update(options);
  if (loss.description().is_custom()) {
    io::Json json = node("linn.custom_losses", loss.class_name(), config);
    json["registered_name"] = loss.name();
    return json;
  }
  if (options == Loss(loss.name()).description().config()) return loss.name();
  // Keras has no label smoothing for labels.
  const bool is_own = loss.description().takes_labels() && options.contains("label_smoothing");
  return is_own ? own_node("linn.losses", loss.class_name(), config) : node("keras.losses", loss.class_name(), config);
}

Loss loss_from_json(const io::Json& json, std::string_view where) {
  if (json.is_null()) return {};
  const Named loss = named(json, where);
  const schema::RowOf<Loss>& row = row_in_file(Kind::loss, loss_rows(), loss.name, where);
  if (loss.config == nullptr) return Loss(loss.name);
  const auto reduction = loss.config->find("reduction");
  if (reduction != loss.config->end() && (reduction->is_null() || io::is_text(*reduction, "none")))
    throw FormatError(fmt::format("{}: loss reduction is none, which gives a number for each row; training and evaluation need one number: "
                                  "\"sum_over_batch_size\", \"sum\" or \"mean_with_sample_weight\"", where));
  return row.read(*loss.config, std::string(where));
}

}  // namespace detail::optim
}  // namespace linn
