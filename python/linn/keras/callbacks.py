"""Callbacks: those of the engine, and the base for your own."""

import collections
import inspect
import json
import math
import warnings

import numpy as np

from linn import _linn, errors
from linn._names import attribute_of

_HOOKS = (
    "on_train_begin on_train_end on_epoch_begin on_epoch_end on_train_batch_begin on_train_batch_end on_test_begin on_test_end "
    "on_test_batch_begin on_test_batch_end on_predict_begin on_predict_end on_predict_batch_begin on_predict_batch_end"
).split()


class Callback:
    """Base of callbacks in Python. Override what you need; `self.model` and `self.params` are set before the first call.

    `self.model.stop_training = True` ends the training after the step. An exception ends it at once and reaches the caller of fit.
    """

    def __init__(self):
        self.params = None
        self._model = None

    @property
    def model(self):
        return self._model

    def set_model(self, model):
        self._model = model

    def set_params(self, params):
        self.params = params

    def on_train_begin(self, logs=None):
        """Once, before the first step."""

    def on_train_end(self, logs=None):
        """Once, after the last step."""

    def on_epoch_begin(self, epoch, logs=None):
        """`epoch` counts from 0."""

    def on_epoch_end(self, epoch, logs=None):
        """`logs` holds the epoch's means, validation as val_..."""

    def on_train_batch_begin(self, batch, logs=None):
        """`batch` counts from 0 in each epoch."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch, logs=None):
        """`logs` holds the means of the epoch so far."""
        self.on_batch_end(batch, logs)

    def on_batch_begin(self, batch, logs=None):
        """Keras's other name of on_train_batch_begin."""

    def on_batch_end(self, batch, logs=None):
        """Keras's other name of on_train_batch_end."""

    def on_test_begin(self, logs=None):
        """Before evaluate, and before each validation of fit."""

    def on_test_end(self, logs=None):
        """After evaluate, and after each validation of fit."""

    def on_test_batch_begin(self, batch, logs=None):
        """Before each step of evaluate."""

    def on_test_batch_end(self, batch, logs=None):
        """After each step of evaluate."""

    def on_predict_begin(self, logs=None):
        """Before predict."""

    def on_predict_end(self, logs=None):
        """After predict."""

    def on_predict_batch_begin(self, batch, logs=None):
        """Before each batch of predict."""

    def on_predict_batch_end(self, batch, logs=None):
        """After each batch of predict."""

    def save_state(self):
        """What a checkpoint of BackupAndRestore keeps of it: what JSON can hold, or None for nothing."""
        return None

    def restore_state(self, state):
        """Called behind on_train_begin with what save_state gave, when training goes on from a checkpoint."""

    def _state_text(self):
        state = self.save_state()
        return None if state is None else json.dumps(state)

    def _restore_text(self, text):
        self.restore_state(json.loads(text))

    def _own_methods(self):
        # The engine calls what is overridden, so that a step costs nothing where nobody listens.
        def is_own(name):
            return name in self.__dict__ or getattr(type(self), name) is not getattr(Callback, name)

        own = [name for name in _HOOKS if is_own(name)]
        for short, name in (("on_batch_begin", "on_train_batch_begin"), ("on_batch_end", "on_train_batch_end")):
            if is_own(short) and name not in own:
                own.append(name)
        return own


def lists_joined(logs):
    """Logs in which "f1_score[0]", "f1_score[1]", ... are one array under "f1_score", as in Keras."""
    joined, parts = {}, {}
    for name, value in logs.items():
        if name.endswith("]"):
            base, _, place = name[:-1].rpartition("[")
            parts.setdefault(base, {})[int(place)] = value
        else:
            joined[name] = value
    for base, values in parts.items():
        joined[base] = np.array([values[i] for i in range(len(values))], np.float32)
    return joined


class History(Callback):
    """What fit returns: `epoch`, and `history`, a list of values for each name in the logs."""

    def __init__(self):
        super().__init__()
        self.epoch = []
        self.history = {}
        self._validation_freq = 1

    def on_train_begin(self, logs=None):
        self.epoch = []

    def on_epoch_end(self, epoch, logs=None):
        self.epoch.append(epoch)
        for name, value in lists_joined(logs or {}).items():
            self.history.setdefault(name, []).append(value)

    def save_state(self):
        return {"epoch": self.epoch, "history": {name: [np.asarray(value).tolist() for value in values] for name, values in self.history.items()}}

    def restore_state(self, state):
        self.epoch = state["epoch"]
        self.history = {name: [np.array(value, np.float32) if isinstance(value, list) else value for value in values] for name, values in state["history"].items()}

    def _value(self, name, i):
        values = self.history[name]
        if len(values) < len(self.epoch):  # validated at some epochs only
            at = [k for k, epoch in enumerate(self.epoch) if (epoch + 1) % self._validation_freq == 0]
            i = at.index(i) if i in at else len(values)
        return f"{np.mean(values[i]):.4f}" if i < len(values) else ""

    def __repr__(self):
        last = ", ".join(f"{name}={np.mean(values[-1]):.4f}" for name, values in self.history.items() if values)
        return f"<History of {len(self.epoch)} epochs: {last}>"

    def _repr_html_(self):
        names = list(self.history)
        head = "".join(f"<th>{name}</th>" for name in ["epoch", *names])
        lines = "".join(
            f"<tr><td>{epoch + 1}</td>" + "".join(f"<td>{self._value(n, i)}</td>" for n in names) + "</tr>"
            for i, epoch in enumerate(self.epoch)
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


class LambdaCallback(Callback):
    """Functions in place of methods: `LambdaCallback(on_epoch_end=lambda epoch, logs: print(logs))`."""

    def __init__(self, **hooks):
        super().__init__()
        for name, function in hooks.items():
            if name.startswith("on_") and name not in _HOOKS and name not in ("on_batch_begin", "on_batch_end"):
                raise errors.TypeError(f"LambdaCallback has no hook {name!r}; it has {', '.join(_HOOKS)}")
            if function is not None:
                setattr(self, name, function)


class LearningRateScheduler(Callback):
    """`schedule(epoch, rate)`, or `schedule(epoch)`, gives the learning rate of each epoch."""

    def __init__(self, schedule, verbose=0):
        super().__init__()
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch, logs=None):
        rate = self._rate(epoch, float(self.model.optimizer.learning_rate))
        if not isinstance(rate, (int, float)) and not hasattr(rate, "__float__"):
            raise errors.ValueError(f"LearningRateScheduler: schedule gave {rate!r}; it must give a number")
        self.model.optimizer.learning_rate = float(rate)
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1}: LearningRateScheduler setting learning rate to {float(rate)}.")

    def on_epoch_end(self, epoch, logs=None):
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)

    def _rate(self, epoch, rate):
        try:
            inspect.signature(self.schedule).bind(epoch, rate)
        except TypeError:
            return self.schedule(epoch)
        except ValueError:  # a function without a signature
            pass
        return self.schedule(epoch, rate)


class ReduceLROnPlateau(Callback):
    """Multiplies the learning rate by `factor` when a number has not improved for `patience` epochs.

    Args:
        monitor: Name in the logs.
        factor: Below 1.
        patience: Epochs without an improvement.
        verbose: 1 says when the rate changes.
        mode: "min", "max", or "auto": by the name.
        min_delta: What counts as an improvement.
        cooldown: Epochs after a change in which nothing is counted.
        min_lr: The rate never falls below it.
    """

    def __init__(self, monitor="val_loss", factor=0.1, patience=10, verbose=0, mode="auto", min_delta=0.0001, cooldown=0, min_lr=0.0, **kwargs):
        super().__init__()
        if kwargs:
            raise errors.TypeError(f"ReduceLROnPlateau got an unexpected keyword argument {sorted(kwargs)[0]!r}")
        if factor >= 1.0:
            raise errors.ValueError(f"ReduceLROnPlateau: factor is {factor}; it must be below 1")
        if mode not in ("auto", "min", "max"):
            raise errors.ValueError(f'ReduceLROnPlateau: mode is {mode!r}; it may be "auto", "min" or "max"')
        self.monitor, self.factor, self.patience, self.verbose = monitor, factor, patience, verbose
        self.mode, self.min_delta, self.cooldown, self.min_lr = mode, abs(min_delta), cooldown, min_lr
        self._reset()

    def _reset(self):
        self.best, self.wait, self.cooldown_counter = None, 0, 0

    def on_train_begin(self, logs=None):
        self._reset()

    def save_state(self):
        return [self.best, self.wait, self.cooldown_counter]

    def restore_state(self, state):
        self.best, self.wait, self.cooldown_counter = state

    def in_cooldown(self):
        return self.cooldown_counter > 0

    def _is_better(self, value):
        if self.best is None:
            return True
        rises = self.mode == "max" or (self.mode == "auto" and any(part in self.monitor for part in ("acc", "precision", "recall", "auc", "f1")))
        return value - self.min_delta > self.best if rises else value + self.min_delta < self.best

    def on_epoch_end(self, epoch, logs=None):
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        value = logs.get(self.monitor)
        if value is None:
            warnings.warn(f"ReduceLROnPlateau: the logs hold no {self.monitor}; they hold {', '.join(logs)}", stacklevel=2)
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self._is_better(value):
            self.best, self.wait = value, 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience:
                self._reduce(epoch)

    def _reduce(self, epoch):
        rate = float(self.model.optimizer.learning_rate)
        if rate <= self.min_lr:
            return
        rate = max(rate * self.factor, self.min_lr)
        self.model.optimizer.learning_rate = rate
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {rate}.")
        self.cooldown_counter, self.wait = self.cooldown, 0


class TerminateOnNaN(Callback):
    """Ends the training when the loss is no number or infinite; with raise_error=True by a RuntimeError."""

    def __init__(self, raise_error=False):
        super().__init__()
        self.raise_error = raise_error

    def on_train_batch_end(self, batch, logs=None):
        loss = (logs or {}).get("loss", 0.0)
        if math.isfinite(loss):
            return
        if self.raise_error:
            raise errors.StateError(f"TerminateOnNaN: the loss of batch {batch} is {loss}")
        print(f"\nBatch {batch}: Invalid loss, terminating training")
        self.model.stop_training = True


class _Native(Callback):
    # A callback of the engine: `_engine` is what runs.
    _engine = None


class EarlyStopping(_Native):
    """Stops when a number has not improved for `patience` epochs.

    Args:
        monitor: Name in the logs.
        min_delta: What counts as an improvement.
        patience: Epochs without one.
        verbose: 1 says when it stops.
        mode: "min", "max", or "auto": by the name.
        baseline: Patience starts anew only with values better than this.
        restore_best_weights: Whether the model gets the weights of its best epoch.
        start_from_epoch: Epochs before it counts.
    """

    def __init__(
        self, monitor="val_loss", min_delta=0, patience=0, verbose=0, mode="auto", baseline=None, restore_best_weights=False, start_from_epoch=0
    ):
        super().__init__()
        self.monitor, self.patience = monitor, patience
        self._engine = _linn.early_stopping(
            monitor, float(min_delta), int(patience), int(verbose), mode, None if baseline is None else float(baseline), restore_best_weights, start_from_epoch
        )

    stopped_epoch = property(lambda self: max(self._engine.stopped_at()[0], 0), doc="The epoch after which it stopped; 0: it did not.")
    best_epoch = property(lambda self: self._engine.stopped_at()[1])


class ModelCheckpoint(_Native):
    """Saves the model, or its weights, after each epoch or after each that is the best so far.

    Args:
        filepath: "{epoch}" and "{val_loss:.2f}" are filled in. The end of the name decides the kind of file.
        monitor, mode: As of EarlyStopping, for save_best_only.
        verbose: 1 says when it saves.
        save_best_only: Whether only improvements are saved.
        save_weights_only: The weights in place of the model.
        save_freq: "epoch", or a number of steps.
        initial_value_threshold: What the first model that is saved must be better than.
    """

    def __init__(
        self,
        filepath,
        monitor="val_loss",
        verbose=0,
        save_best_only=False,
        save_weights_only=False,
        mode="auto",
        save_freq="epoch",
        initial_value_threshold=None,
    ):
        super().__init__()
        if save_freq != "epoch" and not isinstance(save_freq, int):
            raise errors.ValueError(f'save_freq is {save_freq!r}; "epoch" or a number of steps is allowed')
        self.filepath = str(filepath)
        steps = None if save_freq == "epoch" else save_freq
        threshold = None if initial_value_threshold is None else float(initial_value_threshold)
        self._engine = _linn.model_checkpoint(self.filepath, monitor, int(verbose), save_best_only, save_weights_only, mode, steps, threshold)


class BackupAndRestore(_Native):
    """Writes checkpoints, and goes on from the last one when a training begins and the directory holds one, wherever in an epoch it ended: the weights at
    the end are, bit for bit, those of a training that was never interrupted (Keras goes on with the next epoch, and its data come in another order).

    Args:
        backup_dir: The directory.
        save_freq: "epoch", or a number of steps.
        double_checkpoint: Also at the end of each epoch, with a number of steps.
        delete_checkpoint: Whether the checkpoints go when training has come to its end.
        every_seconds: In place of save_freq: after so many seconds, at the end of a step.

    Batches from a generator begin anew when training goes on; data that are to go on within an epoch are arrays.
    """

    def __init__(self, backup_dir, save_freq="epoch", double_checkpoint=False, delete_checkpoint=True, every_seconds=0):
        super().__init__()
        if save_freq != "epoch" and not isinstance(save_freq, int):
            raise errors.ValueError(f'BackupAndRestore: save_freq is {save_freq!r}; "epoch" or a number of steps is allowed')
        steps = None if save_freq == "epoch" else save_freq
        self._engine = _linn.backup_and_restore(str(backup_dir), steps, bool(double_checkpoint), bool(delete_checkpoint), float(every_seconds))


class CSVLogger(_Native):
    """Writes one line an epoch to a file.

    Args:
        filename: The file.
        separator: Between the numbers.
        append: Whether lines are added to a file that is there.
    """

    def __init__(self, filename, separator=",", append=False):
        super().__init__()
        self._engine = _linn.csv_logger(str(filename), separator, append)


class SwapEMAWeights(Callback):
    """With an optimizer that has use_ema: evaluates and predicts with the moving averages of the weights, and trains on with the weights.

    Args:
        swap_on_epoch: Also at the end of each epoch, so that callbacks behind this one, such as ModelCheckpoint, see the averages.
    """

    def __init__(self, swap_on_epoch=False):
        super().__init__()
        self.swap_on_epoch = swap_on_epoch
        self._averages_shown = False

    def save_state(self):
        return self._averages_shown

    def restore_state(self, state):
        self._averages_shown = state

    def _show_averages(self, show):
        if self._averages_shown != show:
            (self.model._trainer or self.model._engine).swap_ema_weights()
            self._averages_shown = show

    def on_epoch_begin(self, epoch, logs=None):
        if self.swap_on_epoch:
            self._show_averages(False)

    def on_epoch_end(self, epoch, logs=None):
        if not self.swap_on_epoch:
            return
        self._show_averages(True)
        # The end of fit makes the averages the weights: behind the last epoch both must be the averages.
        if epoch == self.params["epochs"] - 1:
            self.model._trainer.set_ema_weights()

    def on_train_end(self, logs=None):
        self._averages_shown = False

    def on_test_begin(self, logs=None):
        self._show_averages(True)

    def on_test_end(self, logs=None):
        self._show_averages(False)

    def on_predict_begin(self, logs=None):
        self._show_averages(True)

    def on_predict_end(self, logs=None):
        self._show_averages(False)


class TensorBoard(_Native):
    """Writes numbers for TensorBoard into `log_dir`/train and `log_dir`/validation, under Keras's names.

    Args:
        log_dir: The directory.
        write_steps_per_second: Whether the speed is written too.
        update_freq: "epoch", "batch", or a number of steps between the means so far.

    Graphs are not written: `write_graph` says nothing. Histograms and pictures of weights, profiles and embeddings are refused.
    """

    def __init__(
        self,
        log_dir="logs",
        histogram_freq=0,
        write_graph=True,
        write_images=False,
        write_steps_per_second=False,
        update_freq="epoch",
        profile_batch=0,
        embeddings_freq=0,
        embeddings_metadata=None,
    ):
        super().__init__()
        absent = {
            "histogram_freq": histogram_freq,
            "write_images": write_images,
            "profile_batch": profile_batch,
            "embeddings_freq": embeddings_freq,
            "embeddings_metadata": embeddings_metadata,
        }
        for name, value in absent.items():
            if value:
                raise errors.ValueError(f"TensorBoard: {name} is {value!r}; linn writes numbers alone: leave it out")
        steps = {"epoch": 0, "batch": 1}.get(update_freq, update_freq)
        if not isinstance(steps, int) or (steps < 1 and update_freq != "epoch"):
            raise errors.ValueError(f'TensorBoard: update_freq is {update_freq!r}; it may be "epoch", "batch" or 1 or more steps')
        self.log_dir, self.update_freq = str(log_dir), update_freq
        self._engine = _linn.tensor_board(self.log_dir, bool(write_steps_per_second), steps)


class CallbackList:
    """Several callbacks as one, to call by hand."""

    def __init__(self, callbacks=None, model=None, **params):
        self.callbacks = list(callbacks or [])
        for callback in self.callbacks:
            callback.set_model(model)
            callback.set_params(params)

    def __getattr__(self, name):
        if name not in _HOOKS:
            raise AttributeError(name)

        def call(*args, **kwargs):
            for callback in self.callbacks:
                getattr(callback, name)(*args, **kwargs)

        return call


def engine_list(callbacks, model, params):
    """What the engine calls, in the order given."""
    if callbacks is None:
        return []
    if isinstance(callbacks, CallbackList):
        callbacks = callbacks.callbacks
    if not isinstance(callbacks, collections.abc.Iterable):
        callbacks = [callbacks]
    handles = []
    for callback in callbacks:
        if not isinstance(callback, Callback):
            raise errors.TypeError(f"callbacks: {callback!r} is no keras.callbacks.Callback")
        callback.set_model(model)
        callback.set_params(params)
        handles.append(callback._engine if isinstance(callback, _Native) else callback)
    return handles


__getattr__ = attribute_of(__name__, globals())
