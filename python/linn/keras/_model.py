"""Model and Sequential, and their files."""

import json
import os
import sys
import warnings
import zipfile

import numpy as np

from linn import _arrays, _linn, errors
from linn.keras import _state, _structure, layers as _layers, optimizers as _optimizers
from linn.keras._terminal import shows_bars, write
from linn.keras._training import Trains

def _path(path, call):
    path = os.fspath(path)
    if not os.path.exists(path):
        raise errors.FileNotFoundError(2, f"{call}: there is no such file", path)
    return path


def _list(value):
    return list(value) if isinstance(value, (list, tuple)) else [value]


class Model(Trains, _layers.HasWeights):
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
        if line_length is None and shows_bars() and "ipykernel" not in sys.modules:
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
            write(text)

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

    # ---- files ----

    def save(self, filepath, overwrite=True, include_optimizer=True, **kwargs):
        """Writes the model with its weights, what it was compiled with and how far its optimizer has come (include_optimizer). ".keras" and ".h5" are Keras's files, ".onnx" is ONNX, ".safetensors",
        and any other name is a directory. The old file stays until the new one is whole."""
        path = os.fspath(filepath)
        if not overwrite and os.path.exists(path):
            raise errors.ValueError(f"save: {path} is there already, and overwrite is False")
        self._engine.save(path, bool(include_optimizer))

    def export(self, filepath, format="onnx", verbose=None, input_signature=None, **kwargs):
        """Writes an ONNX file."""
        if format != "onnx":
            raise errors.ValueError(f'export: format is {format!r}; "onnx" is supported')
        path = os.fspath(filepath)
        self._engine.save(path if path.endswith(".onnx") else path + ".onnx", False)

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
        weights = model.get_weights()
        model = Model._of(_linn.model_from_json(_without_compile(model), 0, _state.dtype_policy()))
        model.set_weights(weights)
    return model


def _without_compile(model):
    node = model._node()
    node.pop("compile_config", None)
    return json.dumps(node)


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
