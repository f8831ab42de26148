"""Models."""

import json
import operator
import os
import sys
import warnings
import zipfile

import numpy as np

from linn import _arrays, _linn, errors
from linn._names import attribute_of
from linn.keras import _batches, _described, _state, _structure, callbacks as _callbacks, layers as _layers, optimizers as _optimizers

_VERBOSE = {0: 0, 1: 1, 2: 2, False: 0, True: 1}


def _verbose(level):
    """0, 1 or 2. "auto" is a bar where the line can be drawn over again, else a line an epoch."""
    if level == "auto":
        return 1 if _shows_bars() else 2
    if level not in _VERBOSE:
        raise errors.ValueError(f'verbose is {level!r}; it may be 0 (nothing), 1 (a bar), 2 (a line an epoch) or "auto"')
    return _VERBOSE[level]


def _shows_bars():
    if sys.stdout is None:
        return False
    return "ipykernel" in sys.modules or getattr(sys.stdout, "isatty", lambda: False)()


def _print(text):
    sys.stdout.write(text)
    sys.stdout.flush()


def _path(path, call):
    path = os.fspath(path)
    if not os.path.exists(path):
        raise FileNotFoundError(2, f"{call}: there is no such file", path)
    return path


def _list(value):
    return list(value) if isinstance(value, (list, tuple)) else [value]


class Model(_layers.HasWeights):
    """A network of layers from inputs to outputs.

        inputs = keras.Input((32, 32, 3))
        x = layers.Conv2D(16, 3, padding="same", activation="relu")(inputs)
        outputs = layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling2D()(x))
        model = keras.Model(inputs, outputs)

    Args:
        inputs: A value of `keras.Input`, or a list, tuple or dict of them, nested as you like. A value in the middle of a network leaves out what lies before it.
        outputs: A symbolic value, or a nest of them: what the model gives has the same form.
        name: By default "functional" and a number.

    Raises:
        ValueError: an output that needs an input that is not given, names given twice, shapes that do not fit.
    """

    _trainer = None
    stop_training = False
    _input_structure = _output_structure = None
    _has_warned = False

    def __init__(self, inputs=None, outputs=None, name=None, trainable=True, **kwargs):
        if type(self).call is not Model.call:
            raise errors.TypeError(
                f"{type(self).__name__}: a model whose call() is Python cannot run in linn's engine; wire it from layers: keras.Model(inputs, outputs)"
            )
        if kwargs:
            raise errors.TypeError(f"{type(self).__name__} got an unexpected keyword argument {sorted(kwargs)[0]!r}")
        if inputs is None or outputs is None:
            raise errors.ValueError("a Model needs inputs and outputs: keras.Model(inputs, outputs)")
        flat = [_structure.leaves(inputs), _structure.leaves(outputs)]
        for what, values in zip(("inputs", "outputs"), flat):
            for value in values:
                if not isinstance(value, _layers.KerasTensor):
                    raise errors.ValueError(f"{what}: {type(value).__name__} came; a value of keras.Input or of a layer that was called is allowed")
        engine = _linn.Model(flat[0], flat[1], name or _state.auto_name("functional"), _state.next_seed(), _state.dtype_policy())
        self._set_engine(engine)
        self._input_structure, self._output_structure = _structure.of(inputs), _structure.of(outputs)
        self._kept = self.layers
        if not trainable:
            self.trainable = False

    def call(self, inputs):
        raise NotImplementedError

    def _set_engine(self, engine):
        self._engine = engine
        self._loss = self._metrics = self._optimizer = None
        self._is_trainable = True
        self.history = None
        self._kept = []  # so that models inside stay the objects that they were

    @classmethod
    def _of(cls, engine):
        # A model that the engine made.
        node = json.loads(engine.to_json(-1))
        made = Sequential if node["class_name"] == "Sequential" else Model
        model = made.__new__(made)
        model._set_engine(_linn.as_sequential(engine) if made is Sequential else engine)
        if made is Model and engine.built:
            model._input_structure, model._output_structure = ([None] * n if n > 1 else None for n in (len(engine.inputs()), len(engine.outputs())))
        compiled = node.get("compile_config") or {}
        if compiled:
            model._loss, model._metrics = compiled.get("loss"), compiled.get("metrics")
            model._set_optimizer(_optimizers.get(compiled["optimizer"]) if isinstance(compiled["optimizer"], str) else _optimizers.deserialize(compiled["optimizer"]))
        return model

    # ---- what it is ----

    name = property(lambda self: self._engine.name)
    built = property(lambda self: self._engine.built)
    compiled = property(lambda self: self._engine.compiled)
    dtype = compute_dtype = variable_dtype = property(lambda self: "float32")

    @property
    def layers(self):
        """In Keras's order; of a Sequential without its Input."""
        return [_layers.wrap(layer) for layer in self._engine.layers()]

    def get_layer(self, name=None, index=None):
        """The layer of this name or at this place. ValueError, with a guess at what was meant, when there is none."""
        if (name is None) == (index is None):
            raise errors.ValueError("get_layer: give a name or an index")
        return _layers.wrap(self._engine.get_layer(name) if name is not None else self._engine.get_layer_at(index))

    inputs = property(lambda self: self._engine.inputs(), doc="The values that the model begins with.")
    outputs = property(lambda self: self._engine.outputs(), doc="The values that the model ends with.")
    input_names = property(lambda self: self._engine.input_names())
    output_names = property(lambda self: self._engine.output_names())

    input = property(lambda self: _structure.packed(self._input_structure, self.inputs), doc="The inputs, in the form in which they were given.")
    output = property(lambda self: self._packed(self.outputs), doc="The outputs, in the form in which they were given.")

    @property
    def input_shape(self):
        shapes = [value.shape for value in self.inputs]
        return shapes[0] if len(shapes) == 1 else shapes

    def compute_output_shape(self, input_shape):
        """(None, ...) for (None, ...), or of several inputs and outputs a list."""
        several = bool(input_shape) and isinstance(input_shape[0], (list, tuple))
        values = self._engine.call([_linn.input(tuple(s[1:]), "") for s in (input_shape if several else [input_shape])], True)
        return self._packed([(input_shape[0] if not several else None, *value.shape[1:]) for value in values])

    @property
    def output_shape(self):
        shapes = [value.shape for value in self.outputs]
        return shapes[0] if len(shapes) == 1 else shapes

    @property
    def trainable(self):
        return self._is_trainable

    @trainable.setter
    def trainable(self, value):
        self._is_trainable = bool(value)
        self._engine.set_trainable(bool(value))

    @property
    def weights(self):
        """All variables, in Keras's order."""
        found, seen = [], set()
        for layer in self.layers:
            for variable in layer.weights:
                key = (id(variable._layer), variable._index)
                if key not in seen:
                    seen.add(key)
                    found.append(variable)
        return found

    def _need_weights(self):
        pass

    @property
    def dtype_policy(self):
        return self._engine.dtype_policy

    @dtype_policy.setter
    def dtype_policy(self, policy):
        self._engine.dtype_policy = str(policy)

    def __repr__(self):
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"

    def _repr_html_(self):
        import html

        return f"<pre>{html.escape(self._summary_text())}</pre>"

    def _summary_text(self, line_length=None, positions=None, expand_nested=False, show_trainable=False, layer_range=None):
        if line_length is None and _shows_bars() and "ipykernel" not in sys.modules:
            import shutil

            line_length = min(88, shutil.get_terminal_size().columns - 4)
        pair = None if layer_range is None else tuple(layer_range)
        return self._engine.summary(line_length or 0, list(positions or []), expand_nested, show_trainable, pair)

    def summary(self, line_length=None, positions=None, print_fn=None, expand_nested=False, show_trainable=False, layer_range=None):
        """Prints the layers with shapes and numbers of parameters, as Keras does.

        Args:
            line_length: Characters of a line.
            positions: Where the columns end, as shares of the line.
            print_fn: Called with the text in place of print.
            expand_nested: Whether the layers of inner models are shown.
            show_trainable: Whether a column says what is trained.
            layer_range: Names of the first and the last layer.
        """
        text = self._summary_text(line_length, positions, expand_nested, show_trainable, layer_range)
        if print_fn is not None:
            print_fn(text)
        else:
            _print(text)

    def __call__(self, inputs, training=None, mask=None):
        """Of symbolic values symbolic values: the model as a layer. Of arrays float32 arrays, as `predict`."""
        values = _structure.leaves(inputs)
        if values and all(isinstance(value, _layers.KerasTensor) for value in values):
            _layers._wrapped[self._engine.as_layer().key] = self
            return self._packed(self._engine.call(self._symbolic(inputs), training is not False))
        if training:
            raise errors.StateError(f"{self.name}: a model that is called with arrays computes as in inference; training=True counts in fit alone")
        return self.predict_on_batch(inputs)

    # ---- structures of inputs and outputs ----

    def _take_structures(self, config):
        # Of a configuration: what the engine reads as lists of values.
        if type(self) is Model and isinstance(config, dict) and all(key in config for key in _ENDS):
            self._input_structure, self._output_structure = (_places(config[key])[1] for key in _ENDS)

    def _packed(self, outputs):
        return _structure.packed(self._output_structure, outputs)

    def _ordered(self, x, what):
        # Values of a nest in the order of the inputs; a dict by the names of inputs stays one.
        structure = self._input_structure
        if isinstance(x, dict) and not isinstance(structure, dict):
            return x
        if _structure.is_plain(structure) and not isinstance(x, dict):
            return x
        if isinstance(structure, dict) and not self._has_warned:
            unused = sorted(set(x) - set(structure)) if isinstance(x, dict) else []
            if unused or isinstance(x, (list, tuple)):
                self._has_warned = True
                why = f"{', '.join(map(repr, unused))} is not used" if unused else f"a list came, and counts in the order {', '.join(sorted(structure))}"
                warnings.warn(f"The structure of `inputs` doesn't match the expected structure: {self.name}: {why}", stacklevel=4)
        return _structure.leaves_like(structure, x, what)

    def _symbolic(self, x):
        x = self._ordered(x, "inputs")
        if isinstance(x, dict):
            x = [x[name] for name in self.input_names]
        return _list(x)

    def _arrays_of(self, x, what="x"):
        x = self._ordered(x, what)
        if isinstance(x, list) and not _structure.is_plain(self._input_structure):
            x = [_arrays.array(part, f"{what}[{i}]") for i, part in enumerate(x)]
            return x[0] if len(x) == 1 else x
        return _arrays.arrays(x, what)

    def _by_output(self, value, what):
        # What is given by the keys of a dict of outputs, in the order of the outputs.
        structure = self._output_structure
        if not isinstance(value, dict) or not isinstance(structure, dict) or "class_name" in value or set(value) <= set(self.output_names):
            return value
        unknown = sorted(set(value) - set(structure))
        if unknown:
            raise errors.ValueError(f"{what} names the output {unknown[0]!r}; the outputs are {', '.join(map(repr, structure))}")
        return [value.get(key) for key in sorted(structure)]

    # ---- training ----

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

        Returns:
            A History: `history.history["loss"]` is a list with a value for each epoch.

        Raises:
            RuntimeError: fit before compile.
            ValueError, TypeError: data that do not fit; the text names the array and the sample.
        """
        options = {
            "batch_size": _whole("batch_size", batch_size, 32),
            "epochs": _whole("epochs", epochs, 1),
            "verbose": _verbose(verbose),
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
            "print_fn": _print,
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
        if source is not None and len(history.epoch) < options["epochs"] - options["initial_epoch"] and not self.stop_training and not _has_stopper(callbacks):
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
            logs = self._engine.evaluate_batches(source.next, source.steps, _verbose(verbose), _whole("steps", steps, 0), accuracy, self, handles, _print)
        else:
            x, y, weight = self._arrays_of(x), _arrays.arrays(self._by_output(y, "y"), "y"), _arrays.arrays(sample_weight, "sample_weight")
            self._build_for(_given(x, "evaluate"))
            logs = self._engine.evaluate(x, y, weight, _whole("batch_size", batch_size, 32), _verbose(verbose), _whole("steps", steps, 0), accuracy, self, handles, _print)
        return self._results(logs, return_dict)

    def _results(self, logs, return_dict):
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

    def _on_batch(self, training, x, y, sample_weight, class_weight, return_dict):
        x, y, weight = self._arrays_of(x), _arrays.arrays(self._by_output(y, "y"), "y"), _arrays.arrays(sample_weight, "sample_weight")
        self._build_for(_given(x, "train_on_batch" if training else "test_on_batch"))
        return self._results(self._engine.on_batch(training, x, y, weight, _class_weight(class_weight), "fast"), return_dict)

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False):
        """One step on one batch; the loss and metrics of that batch."""
        return self._on_batch(True, x, y, sample_weight, class_weight, return_dict)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):
        """The loss and metrics of one batch."""
        return self._on_batch(False, x, y, sample_weight, None, return_dict)

    def layer_outputs(self, x):
        """What leaves every layer, a dict of float32 arrays by the layers' names. Keras does not have it."""
        return dict(self._engine.layer_outputs(self._arrays_of(x)))

    # ---- files ----

    def save(self, filepath, overwrite=True, **kwargs):
        """Writes the model with its weights and what it was compiled with. ".keras" and ".h5" are Keras's files, ".onnx" is ONNX, ".safetensors",
        and any other name is a directory. The old file stays until the new one is whole."""
        path = os.fspath(filepath)
        if not overwrite and os.path.exists(path):
            raise errors.ValueError(f"save: {path} is there already, and overwrite is False")
        self._engine.save(path)

    def export(self, filepath, format="onnx", verbose=None, input_signature=None, **kwargs):
        """Writes an ONNX file."""
        if format != "onnx":
            raise errors.ValueError(f'export: format is {format!r}; "onnx" is supported')
        path = os.fspath(filepath)
        self._engine.save(path if path.endswith(".onnx") else path + ".onnx")

    def save_weights(self, filepath, overwrite=True, max_shard_size=None, layout="keras"):
        """Writes the weights: ".weights.h5", ".weights.json" (in files of max_shard_size GB), ".h5", ".npz" or safetensors."""
        path = os.fspath(filepath)
        if not overwrite and os.path.exists(path):
            raise errors.ValueError(f"save_weights: {path} is there already, and overwrite is False")
        self._engine.save_weights(path, layout, int((max_shard_size or 5) * 2**30))

    def load_weights(self, filepath, skip_mismatch=False, by_name=False, **kwargs):
        """Takes weights from any of these, or from a model's file. ValueError, listing everything that does not fit, and then nothing is changed.

        Returns:
            A report: `loaded`, the names of what was set, and `problems`, what skip_mismatch left out.
        """
        return self._engine.load_weights(_path(filepath, "load_weights"), by_name, skip_mismatch)

    def to_json(self, **kwargs):
        """The configuration as JSON text."""
        indent = kwargs.get("indent")
        if _structure.is_plain(self._input_structure) and _structure.is_plain(self._output_structure):
            return self._engine.to_json(-1 if indent is None else int(indent))
        return json.dumps(self._node(), indent=indent)

    def get_config(self):
        return self._node()["config"]

    def _node(self):
        node = json.loads(self._engine.to_json(-1))
        for key, structure in zip(_ENDS, (self._input_structure, self._output_structure)):
            if not _structure.is_plain(structure):
                node["config"][key] = _structure.packed(structure, _places(node["config"][key])[0])
        return node

    @classmethod
    def from_config(cls, config, custom_objects=None):
        name = "Sequential" if cls is Sequential else "Functional"
        return _from_node({"module": "keras", "class_name": name, "config": config, "registered_name": name})

    def __reduce__(self):
        if not self.built:
            return model_from_json, (self.to_json(),)
        return _unpickled, (self._saved(), self._input_structure, self._output_structure)

    def _saved(self):
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.keras")
            self._engine.save(path)
            with open(path, "rb") as file:
                return file.read()


def _unpickled(saved, inputs=None, outputs=None):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.keras")
        with open(path, "wb") as file:
            file.write(saved)
        model = load_model(path)
    model._input_structure, model._output_structure = inputs, outputs
    return model


_ENDS = ("input_layers", "output_layers")


def _places(nest):
    """Of input_layers or output_layers in a configuration: the places, ["dense", 0, 0], in order, and their structure."""
    places = []

    def walk(part):
        if isinstance(part, dict):
            by_key = {key: walk(part[key]) for key in sorted(part)}
            return {key: by_key[key] for key in part}
        if part and isinstance(part[0], str):
            places.append(list(part))
            return None
        return type(part)(map(walk, part))

    structure = walk(nest)
    return places, structure


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


def _has_stopper(callbacks):
    return any(isinstance(c, _callbacks.EarlyStopping) for c in (callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]))


class Sequential(Model):
    """A chain of layers.

        model = keras.Sequential([keras.Input((28, 28, 1)), layers.Conv2D(32, 3, activation="relu"), layers.Flatten(), layers.Dense(10)])

    Args:
        layers: The layers, the first of which may be an Input.
        name: By default "sequential" and a number.
    """

    def __init__(self, layers=None, trainable=True, name=None):
        if type(self).call is not Model.call:
            Model.__init__(self)  # says why not
        self._set_engine(_linn.Sequential(name or _state.auto_name("sequential"), _state.next_seed(), _state.dtype_policy()))
        self._is_trainable = bool(trainable)
        for layer in layers or []:
            self.add(layer)

    def add(self, layer, rebuild=True):
        """Appends a layer. ValueError for a name that is there already and for shapes that do not fit."""
        if isinstance(layer, _layers.KerasTensor):
            self._engine.add(layer._layer)
        elif isinstance(layer, Model):
            if not self._engine.layers() and not self._engine.built and layer.built and len(layer.inputs) == 1:
                self._engine.add(_layers.Input(batch_shape=layer.input_shape)._layer)
            handle = layer._engine.as_layer()
            _layers._wrapped[handle.key] = layer
            self._engine.add(handle)
            self._kept.append(layer)
        elif isinstance(layer, _layers.Layer):
            self._engine.add(layer._engine)
        else:
            raise errors.ValueError(f"add: {layer!r} came; a layer of keras.layers or a model is allowed")
        if not self._is_trainable:
            self._engine.set_trainable(False)

    def pop(self, rebuild=True):
        """Removes the last layer and returns it."""
        layers = self.layers
        self._engine.pop()
        return layers[-1]

    def build(self, input_shape=None):
        """Fixes the shape of the inputs, (None, height, width, channels), and makes the variables."""
        if input_shape is None:
            raise errors.ValueError("build: input_shape is missing")
        if self.built and tuple(input_shape[1:]) != self.input_shape[1:]:
            raise errors.ValueError(f"build: {self.name} is built for inputs of shape {self.input_shape}; {tuple(input_shape)} came")
        self._engine.build(tuple(input_shape[1:]))

    def _ends(self, what):
        if not self.built:
            raise AttributeError(f"{self.name} has no {what} yet, because it does not know the shape of its input; begin with an Input, or call build")
        return getattr(self._engine, what)()

    inputs = property(lambda self: self._ends("inputs"), doc="The value that the model begins with, in a list.")
    outputs = property(lambda self: self._ends("outputs"), doc="The value that the model ends with, in a list.")

    def compute_output_shape(self, input_shape):
        """(None, ...) for (None, ...)."""
        for layer in self.layers:
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape

    def _build_for(self, x):
        if not self._engine.layers():
            raise errors.ValueError(f"{self.name} has no layers; add some before it is called")
        if not self._engine.built and isinstance(x, np.ndarray) and x.ndim > 0:
            self._engine.build(x.shape[1:])


class NestedModel(_layers.Layer):
    """A model inside a model that was loaded from a file: a layer with all of its variables."""

    def __init__(self, handle):
        self._attach(handle)

    @property
    def layers(self):
        """The layers in it, as of the model itself."""
        return [_layers.wrap(layer) for layer in self._engine.inner_layers()]

    def get_layer(self, name=None, index=None):
        """The layer of this name or at this place."""
        layers = self.layers
        if index is not None:
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        raise errors.ValueError(f"get_layer: {self.name} has no layer {name!r}; it has {', '.join(layer.name for layer in layers)}")

    @classmethod
    def from_config(cls, config):
        return (Sequential if "layers" in config and "input_layers" not in config else Model).from_config(config)

    __repr__ = lambda self: f"<{self._engine.class_name} name={self.name}, built=True>"  # noqa: E731


Functional = Model


def load_model(filepath, custom_objects=None, compile=True, safe_mode=True):
    """The model in a .keras, .h5, .onnx or .safetensors file, a model's directory, or a configuration (.json). A file runs no code.

    Args:
        filepath: The file.
        custom_objects: Must be empty: a class in Python cannot run in linn's engine.
        compile: False leaves out what it was compiled with.

    Raises:
        FileNotFoundError; ValueError for bytes that are not what they claim to be: the text says where.
    """
    if custom_objects:
        raise errors.ValueError("load_model: custom_objects are classes in Python, which cannot run in linn's engine")
    path = _path(filepath, "load_model")
    model = Model._of(_linn.load_model(path))
    model._take_structures(_config_in(path))
    if not compile:
        model = Model._of(_linn.model_from_json(_without_compile(model), 0, _state.dtype_policy()))._with_weights_of(model)
    return model


def _without_compile(model):
    node = model._node()
    node.pop("compile_config", None)
    return json.dumps(node)


def _with_weights_of(self, other):
    self.set_weights(other.get_weights())
    return self


Model._with_weights_of = _with_weights_of
del _with_weights_of


def save_model(model, filepath, overwrite=True, **kwargs):
    """`model.save(filepath)`."""
    model.save(filepath, overwrite=overwrite)


def model_from_json(json_string, custom_objects=None):
    """A model, with new weights, from `to_json()`."""
    try:
        node = json.loads(json_string)
    except ValueError as error:
        raise errors.FormatError(f"model_from_json: the text is no JSON: {error}") from None
    return _from_node(node)


def _from_node(node):
    flat = node
    if isinstance(node, dict) and isinstance(node.get("config"), dict):
        flat = {**node, "config": {k: _places(v)[0] if k in _ENDS else v for k, v in node["config"].items()}}
    model = Model._of(_linn.model_from_json(json.dumps(flat), _state.next_seed(), _state.dtype_policy()))
    model._take_structures(node.get("config"))
    return model


def _config_in(path):
    # The configuration in a .keras file.
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as file:
        return json.loads(file.read("config.json")).get("config") if "config.json" in file.namelist() else None


def clone_model(model, input_tensors=None, clone_function=None, call_function=None, recursive=False):
    """The same network with new weights. With none of the other arguments it is compiled as the model is.

    Args:
        model: A model.
        input_tensors: Values of `keras.Input` in place of the inputs, in their form.
        clone_function: `clone_function(layer)` gives what takes a layer's place: a new layer, or the layer itself, to share its weights.
        call_function: `call_function(layer, inputs)` gives the layer's output. Not for Sequential.
        recursive: Whether models inside the model are cloned in the same way.
    """
    if input_tensors is None and clone_function is None and call_function is None and not recursive:
        return _from_node(model._node())
    made = {}

    def clone(layer):
        if layer.name not in made:
            if recursive and isinstance(layer, Model):
                made[layer.name] = clone_model(layer, None, clone_function, None if isinstance(layer, Sequential) else call_function, True)
            else:
                made[layer.name] = (clone_function or _anew)(layer)
        return made[layer.name]

    if isinstance(model, Sequential):
        if call_function is not None:
            raise errors.ValueError("clone_model: call_function is for models that are no Sequential")
        inputs = [_structure.leaves(input_tensors)[0]] if input_tensors is not None else [_input_like(v) for v in model.inputs] if model.built else []
        return Sequential([*inputs, *(clone(layer) for layer in model.layers)], name=model.name)
    if input_tensors is None:
        inputs = [_input_like(value) for value in model.inputs]
    else:
        if isinstance(input_tensors, dict) != isinstance(model._input_structure, dict):
            raise errors.ValueError("clone_model: input_tensors must have the form of model.input")
        inputs = _structure.leaves_like(model._input_structure, input_tensors, "input_tensors")
    outputs = _wired_anew(model, inputs, clone, call_function or (lambda layer, value, **options: layer(value, **options)))
    return Model(_structure.packed(model._input_structure, inputs), model._packed(outputs), name=model.name)


def _anew(layer):
    return type(layer).from_config(layer.get_config())


def _input_like(value):
    return _layers.Input(batch_shape=value.shape, name=value.name)


def _wired_anew(model, inputs, layer_of, call):
    # The outputs of a network of other layers that is wired as the model is. `values` holds what each call gave, by its place.
    config = model._node()["config"]
    values = dict(zip(map(tuple, _places(config["input_layers"])[0]), inputs))

    def value_at(part):
        if isinstance(part, list):
            return [value_at(inner) for inner in part]
        return values[tuple(part["config"]["keras_history"])]

    waiting = [(entry["name"], i, node) for entry in config["layers"] for i, node in enumerate(entry["inbound_nodes"])]
    while waiting:
        name, i, node = waiting.pop(0)
        try:
            value = value_at(node["args"][0])
        except KeyError:  # a call that another one still has to feed
            waiting.append((name, i, node))
            continue
        options = {key: node["kwargs"][key] for key in ("training",) if node["kwargs"].get(key) is not None}
        for k, output in enumerate(_structure.leaves(call(layer_of(model.get_layer(name)), value, **options))):
            values[name, i, k] = output
    return [values[tuple(place)] for place in _places(config["output_layers"])[0]]


__getattr__ = attribute_of(__name__, globals())
