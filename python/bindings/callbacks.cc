#include "bindings/callbacks.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

#include "bindings/bindings.h"
#include "linn/error.h"

namespace linn::python {
namespace {

constexpr auto check_signals_every = std::chrono::milliseconds(50);

/// A callback that the library has itself.
struct Native {
  CallbackHandle callback;
};

nb::dict to_dict(const Logs& logs) {
  nb::dict dict;
  for (const auto& [name, value] : logs) dict[nb::str(name.c_str(), name.size())] = value;
  return dict;
}

// The logs of one event, as the callbacks of Python see them one after the other: what one adds, the next one finds.
struct SharedLogs {
  nb::object dict;

  void forget() {
    if (!dict.is_valid()) return;
    const nb::gil_scoped_acquire hold;
    dict.reset();
  }
};

// First in line: Python may be interrupted from the keyboard only where it is asked.
class Signals final : public Callback {
 public:
  Signals(nb::object model, Pending pending, std::shared_ptr<SharedLogs> logs)
      : model_(std::move(model)), pending_(std::move(pending)), logs_(std::move(logs)) {}
  ~Signals() override { release(); }
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  void on_train_begin(Trainer& trainer) override {
    const nb::gil_scoped_acquire hold;
    model_.attr("_trainer") = nb::cast(&trainer, nb::rv_policy::reference);
    model_.attr("stop_training") = false;
  }
  void on_batch_end(Trainer& /*trainer*/, const Logs& /*logs*/) override { check(); }
  void on_epoch_end(Trainer& /*trainer*/, const Logs& /*logs*/) override { check(); }
  void on_train_end(Trainer& /*trainer*/, const Logs& /*logs*/) override { logs_->forget(); }
  void on_test_batch_end(std::int64_t /*batch*/, const Logs& /*logs*/) override { check(); }
  void on_test_end(const Logs& /*logs*/) override { logs_->forget(); }
  void on_predict_batch_end(std::int64_t /*batch*/) override { check(); }

 private:
  void check() {
    logs_->forget();
    if (*pending_) std::rethrow_exception(std::exchange(*pending_, nullptr));
    const auto now = std::chrono::steady_clock::now();
    if (now - last_ < check_signals_every) return;
    last_ = now;
    const nb::gil_scoped_acquire hold;
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
  }
  void release() {
    logs_->forget();
    const nb::gil_scoped_acquire hold;
    model_.reset();
  }

  nb::object model_;
  Pending pending_;
  std::shared_ptr<SharedLogs> logs_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// An object with Keras's methods. Those of batches are called only where its class has its own.
class PythonCallback final : public Callback {
 public:
  PythonCallback(nb::object callback, nb::object model, std::shared_ptr<SharedLogs> logs)
      : callback_(std::move(callback)), model_(std::move(model)), logs_(std::move(logs)) {
    for (const nb::handle name : nb::cast<nb::object>(callback_.attr("_own_methods")()))
      own_.push_back(nb::cast<std::string>(name));
  }
  ~PythonCallback() override {
    const nb::gil_scoped_acquire hold;
    callback_.reset();
    model_.reset();
  }
  PythonCallback(const PythonCallback&) = delete;
  PythonCallback& operator=(const PythonCallback&) = delete;

  void on_train_begin(Trainer& trainer) override { call("on_train_begin", &trainer); }
  void on_train_end(Trainer& trainer, const Logs& logs) override { call("on_train_end", &trainer, std::nullopt, &logs); }
  void on_epoch_begin(Trainer& trainer) override { call("on_epoch_begin", &trainer, trainer.epoch()); }
  void on_epoch_end(Trainer& trainer, const Logs& logs) override { call("on_epoch_end", &trainer, trainer.epoch(), &logs); }
  void on_train_batch_begin(Trainer& trainer) override { call("on_train_batch_begin", &trainer, trainer.step()); }
  // The step has been counted by now; Keras calls it by the number it had at its beginning.
  void on_train_batch_end(Trainer& trainer, const Logs& logs) override { call("on_train_batch_end", &trainer, trainer.step() - 1, &logs); }
  void on_test_begin() override { call("on_test_begin", nullptr); }
  void on_test_end(const Logs& logs) override { call("on_test_end", nullptr, std::nullopt, &logs); }
  void on_test_batch_begin(std::int64_t batch) override { call("on_test_batch_begin", nullptr, batch); }
  void on_test_batch_end(std::int64_t batch, const Logs& logs) override { call("on_test_batch_end", nullptr, batch, &logs); }
  void on_predict_begin() override { call("on_predict_begin", nullptr); }
  void on_predict_end() override { call("on_predict_end", nullptr); }
  void on_predict_batch_begin(std::int64_t batch) override { call("on_predict_batch_begin", nullptr, batch); }
  void on_predict_batch_end(std::int64_t batch) override { call("on_predict_batch_end", nullptr, batch); }

  CallbackState state() const override {
    const nb::gil_scoped_acquire hold;
    const nb::object text = callback_.attr("_state_text")();
    if (text.is_none()) return {};
    return {.texts = {{nb::cast<std::string>(nb::str(nb::type_name(callback_.type()))), nb::cast<std::string>(text)}}};
  }
  void restore(const CallbackState& state) override {
    const nb::gil_scoped_acquire hold;
    const auto found = state.texts.find(nb::cast<std::string>(nb::str(nb::type_name(callback_.type()))));
    if (found != state.texts.end()) callback_.attr("_restore_text")(found->second);
  }

 private:
  void call(const char* method, Trainer* trainer, std::optional<std::int64_t> number = {}, const Logs* logs = nullptr) {
    bool is_own = false;
    for (const std::string& name : own_) is_own = is_own || name == method;
    if (!is_own) return;
    const nb::gil_scoped_acquire hold;
    if (logs != nullptr && !logs_->dict.is_valid()) logs_->dict = to_dict(*logs);
    const nb::object said = logs == nullptr ? nb::object(nb::dict()) : logs_->dict;
    if (number)
      callback_.attr(method)(*number, said);
    else
      callback_.attr(method)(said);
    if (trainer != nullptr && nb::cast<bool>(nb::bool_(model_.attr("stop_training")))) trainer->stop();
  }

  nb::object callback_;
  nb::object model_;
  std::shared_ptr<SharedLogs> logs_;
  std::vector<std::string> own_;
};

Native early_stopping(const std::string& monitor, double min_delta, std::int64_t patience, int verbose, const std::string& mode, std::optional<double> baseline,
                      bool restore_best_weights, std::int64_t start_from_epoch) {
  return {callbacks::EarlyStopping({.monitor = monitor,
                                    .min_delta = min_delta,
                                    .patience = patience,
                                    .verbose = verbose,
                                    .mode = mode,
                                    .baseline = baseline,
                                    .restore_best_weights = restore_best_weights,
                                    .start_from_epoch = start_from_epoch})};
}

Native model_checkpoint(const std::string& path, const std::string& monitor, int verbose, bool save_best_only, bool save_weights_only, const std::string& mode,
                        std::optional<std::int64_t> save_freq, std::optional<double> initial_value_threshold) {
  return {callbacks::ModelCheckpoint(path, {.monitor = monitor,
                                            .verbose = verbose,
                                            .save_best_only = save_best_only,
                                            .save_weights_only = save_weights_only,
                                            .mode = mode,
                                            .save_freq = save_freq ? SaveFrequency(*save_freq) : SaveFrequency("epoch"),
                                            .initial_value_threshold = initial_value_threshold})};
}

Native backup_and_restore(const std::string& directory, std::optional<std::int64_t> save_freq, bool double_checkpoint, bool delete_checkpoint, double every_seconds) {
  return {callbacks::BackupAndRestore(directory, {.save_freq = save_freq ? SaveFrequency(*save_freq) : SaveFrequency("epoch"),
                                                  .double_checkpoint = double_checkpoint,
                                                  .delete_checkpoint = delete_checkpoint,
                                                  .every_seconds = every_seconds})};
}

Native csv_logger(const std::string& path, const std::string& separator, bool append) {
  return {callbacks::CSVLogger(path, {.separator = separator, .append = append})};
}

Native tensor_board(const std::string& log_dir, bool write_steps_per_second, std::int64_t update_steps) {
  const callbacks::UpdateFrequency frequency = update_steps == 0 ? callbacks::UpdateFrequency("epoch") : callbacks::UpdateFrequency(update_steps);
  return {std::make_shared<callbacks::TensorBoard>(log_dir, callbacks::TensorBoardOptions{.write_steps_per_second = write_steps_per_second, .update_freq = frequency})};
}

// The numbers of an EarlyStopping, for its attributes.
nb::tuple stopped_at(const Native& native) {
  const auto* stopping = dynamic_cast<const callbacks::EarlyStopping*>(&*native.callback);
  if (stopping == nullptr) throw StateError("the callback is no EarlyStopping");
  return nb::make_tuple(stopping->stopped_epoch(), stopping->best_epoch());
}

}  // namespace

std::function<void(const std::string&)> print_function(const nb::object& function, const Pending& pending) {
  if (function.is_none()) return {};
  const std::shared_ptr<nb::object> held(new nb::object(function), [](nb::object* object) {
    const nb::gil_scoped_acquire hold;
    delete object;
  });
  return [held, pending](const std::string& text) {
    const nb::gil_scoped_acquire hold;
    try {
      (*held)(text);
    } catch (...) {
      if (!*pending) *pending = std::current_exception();
    }
  };
}

std::vector<CallbackHandle> callback_handles(const nb::object& model, const nb::list& callbacks, const Pending& pending) {
  const auto logs = std::make_shared<SharedLogs>();
  std::vector<CallbackHandle> handles = {std::make_shared<Signals>(model, pending, logs)};
  for (const nb::handle callback : callbacks) {
    Native* native = nullptr;
    if (nb::try_cast<Native*>(callback, native) && native != nullptr)
      handles.push_back(native->callback);
    else
      handles.emplace_back(std::make_shared<PythonCallback>(nb::borrow(callback), model, logs));
  }
  return handles;
}

void bind_callbacks(nb::module_& module) {
  nb::class_<Native>(module, "NativeCallback").def("stopped_at", &stopped_at);
  module.def("early_stopping", &early_stopping, nb::arg("monitor"), nb::arg("min_delta"), nb::arg("patience"), nb::arg("verbose"), nb::arg("mode"),
             nb::arg("baseline").none(), nb::arg("restore_best_weights"), nb::arg("start_from_epoch"));
  module.def("model_checkpoint", &model_checkpoint, nb::arg("path"), nb::arg("monitor"), nb::arg("verbose"), nb::arg("save_best_only"),
             nb::arg("save_weights_only"), nb::arg("mode"), nb::arg("save_freq").none(), nb::arg("initial_value_threshold").none());
  module.def("backup_and_restore", &backup_and_restore, nb::arg("directory"), nb::arg("save_freq").none(), nb::arg("double_checkpoint"),
             nb::arg("delete_checkpoint"), nb::arg("every_seconds"));
  module.def("csv_logger", &csv_logger);
  module.def("tensor_board", &tensor_board);
  nb::class_<Trainer>(module, "Trainer")
      .def_prop_rw("learning_rate", &Trainer::learning_rate, &Trainer::set_learning_rate)
      .def("swap_ema_weights", &Trainer::swap_ema_weights)
      .def("set_ema_weights", &Trainer::set_ema_weights)
      .def_prop_ro("total_steps", &Trainer::total_steps)
      .def_prop_ro("epochs", &Trainer::epochs)
      .def_prop_ro("steps_per_epoch", &Trainer::steps_per_epoch)
      .def("save", &Trainer::save)
      .def("save_weights", &Trainer::save_weights);
}

}  // namespace linn::python
