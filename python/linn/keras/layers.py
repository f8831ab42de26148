"""Layers: Keras's, and those of linn for translation (BlurPooling2D, AdaptivePolyphaseSampling2D, ...)."""

import json
import weakref

import numpy as np

from linn import _arrays, _linn, errors
from linn.keras import _batches, _described, _state
from linn._names import attribute_of

KerasTensor = _linn.KerasTensor
KerasTensor.__doc__ = "A value of a network that is being wired: a shape without numbers. `Input` makes the first, calling a layer the others."
KerasTensor.shape = property(lambda self: (None, *self._image_shape), doc="With None for the batch axis and for sizes that are left open.")
KerasTensor.ndim = property(lambda self: len(self._image_shape) + 1)
KerasTensor.dtype = property(lambda self: "float32")
KerasTensor.name = property(lambda self: wrap(self._layer).name)
KerasTensor.__repr__ = lambda self: f"<KerasTensor shape={self.shape}, dtype=float32, name={self.name}>"
KerasTensor.__module__ = "linn.keras"

KerasTensor.__array_ufunc__ = None  # so that numbers of numpy let KerasTensor compute


def _operator(layer, line):
    # Of two values a layer, of a value and a number n the layer Rescaling: line(n) is its scale and offset.
    def compute(self, other):
        if isinstance(other, KerasTensor):
            return _classes[layer]()([self, other])
        if not isinstance(other, (int, float, np.number)):
            return NotImplemented
        scale, offset = line(float(other))
        return _classes["Rescaling"](scale=scale, offset=offset)(self)

    return compute


KerasTensor.__add__ = KerasTensor.__radd__ = _operator("Add", lambda n: (1.0, n))
KerasTensor.__sub__ = _operator("Subtract", lambda n: (1.0, -n))
KerasTensor.__rsub__ = _operator("Subtract", lambda n: (-1.0, n))
KerasTensor.__mul__ = KerasTensor.__rmul__ = _operator("Multiply", lambda n: (n, 0.0))

_wrapped = weakref.WeakValueDictionary()  # by the engine's layer: one object of Python for each


def wrap(handle):
    """The Python object of a layer of the engine."""
    known = _wrapped.get(handle.key)
    if known is not None:
        return known
    if handle.is_model:
        return NestedModel(handle)
    made = _classes[handle.class_name]
    layer = made.__new__(made)
    layer._attach(handle)
    return layer


def is_symbolic(value):
    if isinstance(value, (list, tuple)):
        return bool(value) and all(isinstance(part, KerasTensor) for part in value)
    return isinstance(value, KerasTensor)


def _batched(shape):
    return (None, *shape)


class Variable:
    """A weight of a layer, by its place there. `numpy()` copies its numbers, `assign` changes them."""

    def __init__(self, layer, index, name, shape, trainable):
        self._layer, self._index = layer, index
        self.name, self.shape, self.trainable = name, tuple(shape), trainable
        self.dtype = "float32"

    @property
    def path(self):
        return f"{self._layer.name}/{self.name}"

    @property
    def ndim(self):
        return len(self.shape)

    def numpy(self):
        return self._layer.get_weights()[self._index]

    value = property(lambda self: self.numpy())

    def assign(self, value):
        weights = self._layer.get_weights()
        weights[self._index] = np.broadcast_to(np.asarray(value, np.float32), self.shape)
        self._layer.set_weights(weights)

    def __array__(self, dtype=None, copy=None):
        numbers = self.numpy()
        return numbers if dtype is None else numbers.astype(dtype)

    def __repr__(self):
        return f"<Variable path={self.path}, shape={self.shape}, dtype=float32>"


class HasWeights:
    """What layers and models share."""

    @property
    def trainable_weights(self):
        return [v for v in self.weights if v.trainable]

    @property
    def non_trainable_weights(self):
        return [v for v in self.weights if not v.trainable]

    variables = property(lambda self: self.weights)
    trainable_variables = property(lambda self: self.trainable_weights)
    non_trainable_variables = property(lambda self: self.non_trainable_weights)

    def get_weights(self):
        """Copies of all variables, a list of float32 arrays in Keras's order."""
        self._need_weights()
        return self._engine.get_weights()

    def set_weights(self, weights):
        """Gives the variables these numbers. ValueError, listing everything that does not fit, and then nothing is changed."""
        self._need_weights()
        self._engine.set_weights([_arrays.array(w, f"weights[{i}]") for i, w in enumerate(weights)])

    def count_params(self):
        self._need_weights()
        return self._engine.count_params()


class Layer(HasWeights):
    """Base of all layers: a class, its arguments, a name, and, once it was called or built, its variables.

    linn computes without Python, so a class of your own cannot be a layer. Build from the layers that are there; models nest.
    """

    _row = None
    _arguments = None
    _makes_variables = False
    _called = None  # what the last call took and gave
    _draw_seed, _draw_calls = None, 0  # of an augmentation layer that is called on arrays
    _saw_input = False

    def __init__(self, *args, **kwargs):
        if self._row is None:
            raise errors.TypeError(
                f"{type(self).__name__}: a layer written in Python cannot run in linn's engine; build it from the layers of keras.layers, as a Model or Sequential"
            )
        given = self._arguments.bind(args, kwargs)
        given["name"] = given.get("name") or _state.auto_name(_state.snake_case(type(self).__name__))
        shape = given.pop("input_shape", None)
        if shape is not None:
            given["batch_input_shape"] = [None, *(shape if isinstance(shape, (list, tuple)) else (shape,))]
        where = f"{type(self).__name__}"
        for field in self._arguments.fields:
            if field["key"] in given and given[field["key"]] is None and isinstance(_described.default_of(field), (int, float)):
                raise errors.ValueError(f"{where}: {field['key']} is None; {field['allowed'] or 'a number'} is allowed")
        config = {k: _described.to_json(v, f"{where}: {k}") for k, v in given.items() if v is not None}
        self._attach(_linn.make_layer(self._row["name"], json.dumps(config)))

    def _attach(self, handle):
        self._engine = handle
        _wrapped[handle.key] = self

    # ---- what it is ----

    @property
    def name(self):
        return self._engine.name

    @property
    def trainable(self):
        """Whether training changes the variables. What counts is the value when `compile` is called."""
        return self._engine.trainable

    @trainable.setter
    def trainable(self, value):
        self._engine.trainable = bool(value)

    @property
    def built(self):
        """Whether its variables are made or will be at first need. A layer that has none is built from the start."""
        return self._engine.has_variables or self._saw_input or self._was_called() or not (self._makes_variables or self._engine.waits_for_input)

    def _was_called(self):
        try:
            self._engine.input
        except Exception:
            return False
        return True

    dtype = compute_dtype = variable_dtype = dtype_policy = property(lambda self: "float32")

    def get_config(self):
        """The arguments, by name, as Keras writes them."""
        config = {"name": self.name, "trainable": self.trainable, **json.loads(self._engine.config())}
        return {key: _as_keras_holds(key, value) for key, value in config.items()}

    @classmethod
    def from_config(cls, config):
        return cls(**{k: v for k, v in config.items() if k in cls._arguments.known})

    def __getattr__(self, name):
        # Arguments (layer.filters) and variables (layer.kernel).
        if name.startswith("_"):
            raise AttributeError(name)
        for i, variable in enumerate(self._engine.variables()):
            if variable[0] == name:
                return self.weights[i]
        config = self.get_config()
        if name in config:
            return config[name]
        if name in _VARIABLE_IF and config.get(_VARIABLE_IF[name]) is False:
            return None
        if name in self._row["absent"]:
            return None
        from linn._names import missing

        known = [n for n in dir(type(self)) if not n.startswith("_")] + list(config)
        raise missing(type(self).__name__, name, known)

    def __repr__(self):
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"

    # ---- shapes and calls ----

    def compute_output_shape(self, input_shape):
        """(None, ...) for (None, ...). ValueError for a shape that does not fit."""
        if input_shape and isinstance(input_shape[0], (list, tuple)):
            value = self._engine.call([_linn.input(tuple(s[1:]), "") for s in input_shape], True)[0]
            return _batched(value._image_shape)
        return (input_shape[0], *self._engine.compute_output_shape(tuple(input_shape[1:])))

    def __call__(self, inputs, *more, training=None, **kwargs):
        """Of symbolic values a symbolic value: a step of a network. Of arrays (n, ...) a float32 array, computed as in inference."""
        kwargs.pop("mask", None)
        if more or kwargs:
            raise errors.TypeError(f"{self.name}: one value, or a list of them, can be given; {len(more) + len(kwargs)} more came")
        self._saw_input = True
        if is_symbolic(inputs):
            inputs = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
            values = self._engine.call(inputs, training is not False)
            self._called = (inputs, values)
            return values[0] if len(values) == 1 else values
        return self._compute(inputs, training)

    def _node(self):
        return {"class_name": self._row["name"], "config": {**json.loads(self._engine.config()), "name": self.name}}

    def _compute(self, inputs, training):
        if self._row["name"].startswith("Random") or self._row["name"] in _AUGMENTING:
            if training is not False:  # Keras's default is to augment
                return self._augment(inputs)
            if isinstance(inputs, dict):
                return {**inputs, "images": self._compute(inputs["images"], False)}
        if training:
            raise errors.StateError(f"{self.name}: outside of a model a layer computes as in inference; training=True counts in fit alone")
        several = isinstance(inputs, (list, tuple)) and len(inputs) > 0 and all(np.ndim(part) > 0 for part in inputs) and not np.isscalar(inputs[0])
        arrays = [_arrays.array(part, f"inputs[{i}]") for i, part in enumerate(inputs)] if several and self._takes_several() else [_arrays.array(inputs, "inputs")]
        for part in arrays:
            if part.ndim < 1:
                raise errors.ShapeError(f"{self.name}: an array of shape {part.shape} came; the first axis counts the images")
        values = [_linn.input(part.shape[1:], "") for part in arrays]
        outputs = _linn.Model(values, self._engine.call(values, True), "", 0, "float32").predict_one_batch(arrays, max(1, len(arrays[0])))
        return outputs[0] if len(outputs) == 1 else outputs

    def _augment(self, inputs):
        """What the layer makes of images (n, height, width, channels), or of one, while a model is trained; each call draws anew.

        A dict with "images" comes back as one; its "labels", one-hot rows, are mixed by MixUp and CutMix.
        """
        batch = inputs if isinstance(inputs, dict) else {"images": inputs}
        unknown = sorted(set(batch) - {"images", "labels"})
        if unknown or "images" not in batch:
            raise errors.ValueError(f"{self.name}: \"images\" and \"labels\" are taken; {', '.join(map(repr, batch))} came")
        images = _arrays.array(batch["images"], "images")
        is_one = images.ndim == 3
        if is_one:
            images = images[None]
        if self._draw_seed is None:
            self._draw_seed = _state.next_seed()
        self._draw_calls += 1
        draws = (self._draw_seed, self._draw_calls - 1)
        if "labels" in batch:
            images, labels = _linn.augment_with_targets(self._engine, images, _arrays.array(batch["labels"], "labels"), *draws)
            return {"images": images[0] if is_one else images, "labels": labels}
        images = _linn.augment(self._engine, images, *draws)
        images = images[0] if is_one else images
        return {"images": images} if isinstance(inputs, dict) else images

    def _takes_several(self):
        return self._row["name"] in _MERGING

    supports_masking = False

    def compute_mask(self, inputs, previous_mask=None):
        """None: linn has no masks."""
        if previous_mask is not None and any(mask is not None for mask in (previous_mask if isinstance(previous_mask, list) else [previous_mask])):
            raise errors.TypeError(f"{self.name}: a mask came; linn has no masks")

    def build(self, input_shape):
        """Makes the variables, for inputs of shape (None, ...)."""
        shapes = input_shape if input_shape and isinstance(input_shape[0], (list, tuple)) else [input_shape]
        values = [_linn.input(tuple(s[1:]), "") for s in shapes]
        _linn.Model(values, self._engine.call(values, True), "", _state.next_seed(), "float32")
        self._saw_input = True

    def _need_weights(self):
        # Keras makes a layer's variables when it is called; the engine when a model is made of it.
        if not self._engine.has_variables and self._called is not None:
            _linn.Model(*self._called, "", _state.next_seed(), "float32")

    input = property(lambda self: self._engine.input, doc="What its only call takes.")
    output = property(lambda self: self._engine.output, doc="What its only call gives.")

    @property
    def weights(self):
        """The variables, in Keras's order."""
        self._need_weights()
        return [Variable(self, i, name, shape, now) for i, (name, shape, _, now) in enumerate(self._engine.variables())]


def _as_keras_holds(key, value):
    # Shapes and sizes are tuples, axes lists.
    if isinstance(value, list) and key != "axis":
        return tuple(_as_keras_holds(key, part) for part in value)
    return value


# Variables that are None where an argument leaves them out.
_VARIABLE_IF = {"bias": "use_bias", "beta": "center", "gamma": "scale"}

class NestedModel(Layer):
    """A model inside a model that was loaded from a file: a layer with all of its variables."""

    def __init__(self, handle):
        self._attach(handle)

    @property
    def layers(self):
        """The layers in it, as of the model itself."""
        return [wrap(layer) for layer in self._engine.inner_layers()]

    def get_layer(self, name=None, index=None):
        """The layer of this name or at this place."""
        layers = self.layers
        if index is not None:
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        raise errors.ValueError(f"get_layer: {self.name} has no layer {name!r}; it has {', '.join(layer.name for layer in layers)}")

    __repr__ = lambda self: f"<{self._engine.class_name} name={self.name}, built=True>"  # noqa: E731


# Beside those whose names begin with Random.
_AUGMENTING = {"CutMix", "MixUp", "AugMix", "RandAugment", "Solarization", "Equalization", "Pipeline"}
_MERGING = {"Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "MaxUnpooling2D"}

_classes = _described.make_classes("layer", Layer, "linn.keras.layers")
for _made in _classes.values():
    _made._makes_variables = any(key.endswith("_initializer") for key in _made._arguments.order)
_BY_HAND = {"InputLayer", "Normalization", "Pipeline", "SpectralNormalization"}
globals().update({name: made for name, made in _classes.items() if name not in _BY_HAND})


class Normalization(_classes["Normalization"]):
    __doc__ = _classes["Normalization"].__doc__
    _makes_variables = True

    def adapt(self, data):
        """Takes mean and variance from data with the batch axis first, or from what gives batches x, (x, y), all of which are held in memory.

        Before the layer is part of a model: a model that has it keeps what it has.
        """
        data = _all_batches(data)
        if self._saw_input and self.weights:
            axes = [self.axis] if isinstance(self.axis, int) else self.axis
            sizes = tuple(data.shape[axis] for axis in axes)
            if sizes != self.weights[0].shape:
                raise errors.ValueError(f"{self.name}: adapt: data of shape {data.shape} came; the layer is built for {self.weights[0].shape} along axis {self.axis}")
        self._attach(self._engine.adapted(data))
        self.build((None, *data.shape[1:]))


def _all_batches(data):
    if isinstance(data, list) and data and all(isinstance(batch, tuple) or getattr(batch, "ndim", 0) > 1 for batch in data):
        batches = [_arrays.array(batch[0] if isinstance(batch, tuple) else batch, "data") for batch in data]
    elif _batches.is_source(data):
        source = _batches.Source(data, "data", needs_targets=False)
        batches = []
        while not (source.steps and len(batches) == source.steps) and (batch := source.next()) is not None:
            batches.append(batch[0])
    else:
        return _arrays.array(data, "data")
    if not batches:
        raise errors.ValueError("adapt: the data hold no batch")
    if len({batch.shape[1:] for batch in batches}) > 1 or batches[0].ndim < 1:
        raise errors.ShapeError(f"adapt: batches of shapes {sorted({batch.shape for batch in batches})} came; all but the first size must agree")
    return np.concatenate(batches)


class Pipeline(_classes["Pipeline"]):
    __doc__ = _classes["Pipeline"].__doc__

    def __init__(self, layers, name=None):
        super().__init__(layers, name=name)
        self._layers = list(layers)

    @property
    def layers(self):
        """The layers in it."""
        return getattr(self, "_layers", None) or [_classes[node["class_name"]].from_config(node["config"]) for node in json.loads(self._engine.config())["layers"]]


class SpectralNormalization(_classes["SpectralNormalization"]):
    __doc__ = _classes["SpectralNormalization"].__doc__
    _makes_variables = True

    def __init__(self, layer, power_iterations=1, **kwargs):
        if not isinstance(layer, (Layer, dict)):
            raise errors.ValueError(f"SpectralNormalization: layer is a {type(layer).__name__}; a layer is allowed")
        if isinstance(layer, Layer) and (layer._engine.has_variables or layer._was_called()):
            raise errors.ValueError(f"SpectralNormalization: layer {layer.name} was called already; give a layer that was not called")
        super().__init__(layer, power_iterations, **kwargs)
        self._layer = layer

    @property
    def layer(self):
        """The layer in it, for its arguments. Its variables are this layer's: kernel, vector_u and, where it has one, bias."""
        given = getattr(self, "_layer", None)
        if isinstance(given, Layer):
            return given
        node = json.loads(self._engine.config())["layer"]
        self._layer = _classes[node["class_name"].removeprefix("linn>")].from_config(node["config"])
        return self._layer


SpectralNormalization.__signature__ = _classes["SpectralNormalization"].__signature__
_classes["SpectralNormalization"] = SpectralNormalization
Pipeline.__signature__ = _classes["Pipeline"].__signature__
_classes["Pipeline"] = Pipeline
Normalization.__signature__ = _classes["Normalization"].__signature__
_classes["Normalization"] = Normalization


class InputLayer(_classes["InputLayer"]):
    """The shape of the inputs of a model."""

    def __init__(self, shape=None, batch_size=None, dtype=None, sparse=None, ragged=None, batch_shape=None, input_tensor=None, optional=False, name=None, **kwargs):
        for what, value in (("sparse", sparse), ("ragged", ragged), ("optional", optional), ("input_tensor", input_tensor)):
            if value is not None and value is not False:
                raise errors.ValueError(f"InputLayer: {what} is not supported")
        if batch_shape is not None and (shape is not None or batch_size is not None):
            raise errors.ValueError("InputLayer: batch_shape is given with shape or batch_size; give one of them")
        if batch_shape is None:
            shape = kwargs.pop("input_shape", shape)
            if shape is None:
                raise errors.ValueError("InputLayer needs a shape, of one image: (28, 28, 1)")
            batch_shape = (None, *shape) if isinstance(shape, (tuple, list)) else shape
        if not isinstance(batch_shape, (tuple, list)) or not batch_shape:
            raise errors.ValueError(f"InputLayer: shape is {batch_shape!r}; a tuple is allowed, of one image: (28, 28, 1)")
        super().__init__(batch_shape=[None, *batch_shape[1:]], name=name)


_classes["InputLayer"] = InputLayer


def Input(shape=None, batch_size=None, dtype=None, sparse=None, ragged=None, batch_shape=None, name=None, tensor=None, optional=False):
    """The value that a model begins with.

    Args:
        shape: Of one image, without the batch axis: (28, 28, 1). None for a height or width that is left open.
        batch_size: Not kept: any number of images fits.
        name: By default "input_layer" and a number.

    Returns:
        A KerasTensor.
    """
    layer = InputLayer(shape, batch_size, dtype, sparse, ragged, batch_shape, tensor, optional, name)
    value = layer._engine.input_value()
    _keep[id(value)] = layer
    weakref.finalize(value, _keep.pop, id(value), None) if _is_weakly_referable(value) else None
    return value


_keep = {}


def _is_weakly_referable(value):
    try:
        weakref.ref(value)
        return True
    except TypeError:
        return False


def _functional(name, made):
    def merge(inputs, **kwargs):
        return made(**kwargs)(inputs)

    merge.__name__ = merge.__qualname__ = name
    merge.__doc__ = f"`{made.__name__}(**kwargs)(inputs)`."
    return merge


for _name in _MERGING:
    globals()[_name.lower()] = _functional(_name.lower(), _classes[_name])
del _name


def deserialize(config, custom_objects=None):
    """A layer from {"class_name": ..., "config": ...}."""
    if config["class_name"] not in _classes:
        _linn.make_layer(config["class_name"], "{}")  # says that it is not there
    return _classes[config["class_name"]].from_config(config["config"])


def serialize(layer):
    return {"module": layer._row["module"], "class_name": layer._row["name"], "config": layer.get_config(), "registered_name": None}


__all__ = sorted(n for n in globals() if not n.startswith("_") and n[:1].isupper())
__getattr__ = attribute_of(__name__, globals())
