"""What models do with data: compile, fit, evaluate, predict."""

import inspect
import json
import operator
import warnings

import numpy as np

from linn import _arrays, errors
from linn.keras import _batches, _described, callbacks as _callbacks, optimizers as _optimizers
from linn.keras._terminal import verbose_level, write


class Trains:
    """The part of a Model that computes. `_engine` is the engine's model; `_arrays_of`, `_by_output` and `_packed` bring values into its form."""

    _trainer = None
    stop_training = False

    @property
    def optimizer(self):
        return self._optimizer

    @property
    def loss(self):
        return self._loss

    def _set_optimizer(self, optimizer):
        self._optimizer = optimizer
        optimizer._attach(self)

    def compile(
        self,
        optimizer="rmsprop",
        loss=None,
        loss_weights=None,
        metrics=None,
        weighted_metrics=None,
        run_eagerly=False,
        steps_per_execution=1,
        jit_compile="auto",
        auto_scale_loss=True,
    ):
        """What fit and evaluate do. Takes note of which layers are frozen.

        Args:
            optimizer: A name or an object of keras.optimizers.
            loss: A name or an object of keras.losses; with several outputs a list, or a dict by the names of outputs.
            loss_weights: The factor of each output's loss, a list or a dict.
            metrics: A list of names or objects of keras.metrics; with several outputs a list of lists, or a dict.
            run_eagerly, steps_per_execution, jit_compile, auto_scale_loss: Taken, and without effect: the engine has one way to run.

        Raises:
            ValueError: a name that is not known, or what does not fit the outputs.
            TypeError: a function of Python as a loss or metric.
        """
        if weighted_metrics:
            raise errors.ValueError("compile: weighted_metrics are not supported; give metrics, which count every sample alike")
        optimizer = _optimizers.get(optimizer)
        text = json.dumps(
            {
                "optimizer": optimizer._node(),
                "loss": _described.to_json(_unwrapped(self._by_output(loss, "compile: loss")), "compile: loss"),
                "loss_weights": _described.to_json(self._by_output(loss_weights, "compile: loss_weights"), "compile: loss_weights"),
                "metrics": _described.to_json(self._by_output(metrics, "compile: metrics"), "compile: metrics"),
            }
        )
        self._engine.compile(text)
        self._loss, self._metrics = loss, metrics
        self._set_optimizer(optimizer)

    def _validation(self, data):
        if data is None:
            return {"validation_data": (None, None, None), "validation_batches": None, "validation_batches_steps": 0}
        if _batches.is_source(data):
            source = _batches.Source(data, "validation_data", inputs=self._arrays_of)
            return {"validation_data": (None, None, None), "validation_batches": source.next, "validation_batches_steps": source.steps}
        if not isinstance(data, (tuple, list)) or not 2 <= len(data) <= 3:
            raise errors.ValueError("validation_data must be (x, y), (x, y, sample_weight), or give batches")
        x, y, *weight = data
        parts = [self._arrays_of(x, "validation_data, x"), _arrays.arrays(self._by_output(y, "validation_data, y"), "validation_data, y")]
        parts += [_arrays.arrays(w, "validation_data, sample_weight") for w in weight]
        return {"validation_data": tuple(parts + [None] * (3 - len(parts))), "validation_batches": None, "validation_batches_steps": 0}

    @property
    def metrics_names(self):
        """The names of what evaluate gives, in order."""
        return self._engine.metrics_names()

    def _build_for(self, x):
        pass  # a functional model is built

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=True,
        class_weight=None,
        sample_weight=None,
        initial_epoch=0,
        steps_per_epoch=None,
        validation_steps=None,
        validation_batch_size=None,
        validation_freq=1,
        accuracy="fast",
        on_nan="raise",
        memory_limit=0,
        augment=None,
    ):
        """Trains the model.

        Args:
            x: Inputs: an array (n, ...), a list or dict of them, or what gives batches (x, y) or (x, y, sample_weight): a generator, a
                keras.utils.PyDataset, a data loader.
            y: Targets: labels (n,) for the sparse losses, else the output's shape.
            batch_size: 32 by default.
            epochs: Passes through the data; of a generator, rounds of `steps_per_epoch` batches.
            verbose: 0 nothing, 1 a bar, 2 a line an epoch, "auto" a bar where one can be drawn.
            callbacks: A list of keras.callbacks.
            validation_split: The last share of the samples, kept for validation.
            validation_data: (x, y), (x, y, sample_weight), or what gives batches.
            shuffle: Whether each pass has another order.
            class_weight: Weights by class; 1 for those not named.
            sample_weight: A weight for each sample.
            initial_epoch: The number of the first epoch.
            steps_per_epoch: Steps after which an epoch ends.
            validation_steps, validation_batch_size, validation_freq: Of the validation.
            accuracy: "fast", or "exact" for the arithmetic of the definitions.
            on_nan: "raise" stops a step whose loss, gradients or weights are NaN or infinite before it changes anything, with a
                linn.errors.NonFiniteError that says where they arose; "ignore" goes on, as Keras does, also with a TerminateOnNaN.
            memory_limit: Bytes that the training may take; 0: what the process may have.
            augment: A layer such as keras.layers.RandomFlip(), or a keras.layers.Pipeline of several: changes the images at random, in training
                alone, by the model's seed, the epoch and the image's number. It must keep their shape.

        Returns:
            A History: `history.history["loss"]` is a list with a value for each epoch.

        Raises:
            RuntimeError: fit before compile.
            ValueError, TypeError: data that do not fit; the text names the array and the sample.
        """
        options = {
            "batch_size": _whole("batch_size", batch_size, 32),
            "epochs": _whole("epochs", epochs, 1),
            "verbose": verbose_level(verbose),
            "validation_split": float(validation_split or 0.0),
            "shuffle": bool(shuffle),
            "class_weight": _class_weight(class_weight),
            "sample_weight": _arrays.arrays(sample_weight, "sample_weight"),
            "initial_epoch": _whole("initial_epoch", initial_epoch, 0),
            "steps_per_epoch": _whole("steps_per_epoch", steps_per_epoch, 0),
            "validation_steps": _whole("validation_steps", validation_steps, 0),
            "validation_batch_size": _whole("validation_batch_size", validation_batch_size, 0),
            "validation_freq": _whole("validation_freq", validation_freq, 1),
            "accuracy": accuracy,
            "on_nan": "ignore" if _has(callbacks, _callbacks.TerminateOnNaN) else on_nan,
            "memory_limit": _whole("memory_limit", memory_limit, 0),
            "augment": _augmentation(augment),
            "print_fn": write,
            **self._validation(validation_data),
        }
        source = None
        if _batches.is_source(x):
            if y is not None:
                raise errors.ValueError("fit: y is given although x gives batches; the targets come with them")
            source = _batches.Source(x, "x", shuffle=bool(shuffle), inputs=self._arrays_of)
            if not self.built:
                self._build_for(source.peek()[0])
            steps = options["steps_per_epoch"] or source.steps or None
        else:
            x = self._arrays_of(x)
            y = _arrays.arrays(self._by_output(y, "y"), "y")
            self._build_for(_given(x, "fit"))
            steps = options["steps_per_epoch"] or -(-_count(x) // max(1, options["batch_size"]))
        params = {"verbose": options["verbose"], "epochs": options["epochs"], "steps": steps}
        if self._trainer is not None:
            raise errors.StateError(f"fit: {self.name} is being trained already; a callback, or another thread, cannot train it at the same time")
        history = _callbacks.History()
        history.set_model(self)
        history.set_params(params)
        history._validation_freq = options["validation_freq"]
        self.history = history
        self.stop_training = False
        handles = [*_callbacks.engine_list(callbacks, self, params), history]
        try:
            if source is None:
                self._engine.fit(x, y, self, handles, options)
            else:
                self._engine.fit_batches(source.next, source.steps, self, handles, options)
        finally:
            self._trainer = None
        if source is not None and len(history.epoch) < options["epochs"] - options["initial_epoch"] and not self.stop_training and not _has(callbacks, _callbacks.EarlyStopping):
            warnings.warn("fit: the data ended before all epochs were done; a generator must give steps_per_epoch * epochs batches", stacklevel=2)
        return history

    def evaluate(
        self, x=None, y=None, batch_size=None, verbose="auto", sample_weight=None, steps=None, callbacks=None, return_dict=False, accuracy="fast"
    ):
        """The loss and the metrics over all samples: a number, a list in the order of `metrics_names`, or, with return_dict, a dict."""
        handles = _callbacks.engine_list(callbacks, self, {"verbose": verbose})
        if _batches.is_source(x):
            source = _batches.Source(x, "x", inputs=self._arrays_of)
            if not self.built:
                self._build_for(source.peek()[0])
            logs = self._engine.evaluate_batches(source.next, source.steps, verbose_level(verbose), _whole("steps", steps, 0), accuracy, self, handles, write)
        else:
            x, y, weight = self._arrays_of(x), _arrays.arrays(self._by_output(y, "y"), "y"), _arrays.arrays(sample_weight, "sample_weight")
            self._build_for(_given(x, "evaluate"))
            logs = self._engine.evaluate(x, y, weight, _whole("batch_size", batch_size, 32), verbose_level(verbose), _whole("steps", steps, 0), accuracy, self, handles, write)
        return self._results(logs, return_dict)

    def _results(self, logs, return_dict):
        logs = _callbacks.lists_joined(logs)
        if return_dict:
            return logs
        values = [logs[name] for name in self.metrics_names if name in logs]
        return values[0] if len(values) == 1 else values

    def predict(self, x, batch_size=None, verbose="auto", steps=None, callbacks=None, accuracy="fast"):
        """What the model gives: float32 (n, ...), or a list of such for several outputs. Draws no bar.

        Args:
            x: Inputs, or what gives batches of them.
            batch_size: Images computed at once, 32 by default; changes speed and memory, never a result.
            steps: Batches, of what gives them.
            callbacks: A list of keras.callbacks.
        """
        if type(x) is not np.ndarray and _batches.is_source(x):
            return self._predict_batches(x, steps, accuracy)
        x = _arrays.array(x) if type(x) is np.ndarray and self._input_structure is None else self._arrays_of(x)
        if not self._engine.built:
            self._build_for(_given(x, "predict"))
        size = _whole("batch_size", batch_size, 32)
        if callbacks is None and accuracy == "fast" and _count(_given(x, "predict")) <= size:
            outputs = self._engine.predict_one_batch(x, size)
        else:
            handles = _callbacks.engine_list(callbacks, self, {"verbose": verbose})
            outputs = self._engine.predict(x, size, accuracy, False, self, handles)
        return self._packed(outputs)

    def _predict_batches(self, data, steps, accuracy):
        source = _batches.Source(data, "x", needs_targets=False, inputs=self._arrays_of)
        parts = []
        while not (steps and len(parts) == steps) and not (source.steps and len(parts) == source.steps):
            batch = source.next()
            if batch is None:
                break
            self._build_for(batch[0])
            parts.append(self._engine.predict(batch[0], _count(batch[0]), accuracy, False, self, []))
        if not parts:
            raise errors.ValueError("predict: the data hold no batch")
        outputs = [np.concatenate(output) for output in zip(*parts)]
        return self._packed(outputs)

    def predict_on_batch(self, x):
        x = _given(self._arrays_of(x), "predict_on_batch")
        self._build_for(x)
        outputs = self._engine.predict_one_batch(x, max(1, _count(x)))
        return self._packed(outputs)

    def _on_batch(self, training, x, y, sample_weight, class_weight, return_dict, on_nan="ignore"):
        x, y, weight = self._arrays_of(x), _arrays.arrays(self._by_output(y, "y"), "y"), _arrays.arrays(sample_weight, "sample_weight")
        self._build_for(_given(x, "train_on_batch" if training else "test_on_batch"))
        return self._results(self._engine.on_batch(training, x, y, weight, _class_weight(class_weight), "fast", on_nan), return_dict)

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False, on_nan="raise"):
        """One step on one batch; the loss and metrics of that batch. `on_nan` as of fit."""
        return self._on_batch(True, x, y, sample_weight, class_weight, return_dict, on_nan)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):
        """The loss and metrics of one batch."""
        return self._on_batch(False, x, y, sample_weight, None, return_dict)

    def layer_outputs(self, x):
        """What leaves every layer, a dict of float32 arrays by the layers' names. Keras does not have it."""
        return dict(self._engine.layer_outputs(self._arrays_of(x)))


def _given(x, call):
    if x is None or (isinstance(x, (dict, list)) and not x):
        raise errors.ValueError(f"{call}: x is missing")
    return x


def _unwrapped(losses):
    # Keras takes a loss in a list of one for the loss.
    def one(loss):
        return loss[0] if isinstance(loss, (list, tuple)) and len(loss) == 1 else loss

    if isinstance(losses, dict):
        return {name: one(loss) for name, loss in losses.items()} if "class_name" not in losses else losses
    return [one(loss) for loss in losses] if isinstance(losses, (list, tuple)) else losses


def _count(x):
    _given(x, "x")
    first = next(iter(x.values())) if isinstance(x, dict) else x[0] if isinstance(x, list) else x
    return first.shape[0] if first.ndim else 0


def _whole(name, value, otherwise):
    """A whole number that was given, or None."""
    if value is None:
        return otherwise
    try:
        return operator.index(value)
    except TypeError:
        raise errors.TypeError(f"{name} is {value!r}; a whole number is allowed") from None


def _class_weight(weights):
    if weights is None:
        return {}
    if not isinstance(weights, dict):
        raise errors.TypeError(f"class_weight is a {type(weights).__name__}; a dict from class to weight is allowed")
    return {int(c): float(w) for c, w in weights.items()}


def _augmentation(layer):
    if layer is not None and not hasattr(layer, "_engine"):
        raise errors.TypeError(f"augment is a {type(layer).__name__}; a layer of images is allowed, such as keras.layers.RandomFlip()")
    return None if layer is None else layer._engine


def _has(callbacks, kind):
    return any(isinstance(c, kind) for c in (callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]))


for _method in vars(Trains).values():
    if inspect.isfunction(_method):  # so Python names it in the message about a wrong argument
        _method.__qualname__ = _method.__qualname__.replace("Trains.", "Model.")
del _method
