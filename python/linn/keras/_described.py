"""Classes made from the tables of the engine: names, arguments, defaults and docstrings are its own."""

import ast
import inspect
import json
import keyword
import re

import numpy as np

from linn import _linn, errors

_EVERY_LAYER = ("name", "trainable", "dtype", "autocast")


def rows(kind):
    return _linn.rows(kind)


def to_json(value, where="argument"):
    """A value as it stands in a configuration."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [to_json(part, where) for part in value]
    if isinstance(value, dict):
        return {str(key): to_json(part, where) for key, part in value.items()}
    if isinstance(value, type) and hasattr(value, "_row"):
        value = value()
    if hasattr(value, "_node"):
        return value._node()
    if callable(value):
        name = getattr(value, "__name__", type(value).__name__)
        raise errors.TypeError(
            f"{where} is a function of Python ({name}); linn computes without Python. Give a name or an object of linn.keras, such as 'relu' or losses.Huber()"
        )
    raise errors.TypeError(f"{where} is a {type(value).__name__}; a number, a text, a list or an object of linn.keras is allowed")


def default_of(field):
    try:
        return ast.literal_eval(field["default"])
    except (ValueError, SyntaxError):
        return field["default"]


class Arguments:
    """The arguments of a described class, in order."""

    def __init__(self, row):
        self.name = row["name"]
        self.fields = [f for f in row["fields"] if f["role"] not in ("trainable", "input_shape") and not (f["role"] == "name" and row["kind"] == "layer")]
        self.order = [f["key"] for f in self.fields]
        self.known = set(self.order) | {f["key"] for f in row["fields"]} | set(row["absent"])
        if row["kind"] == "layer":
            self.known |= {*_EVERY_LAYER, "input_shape", "batch_input_shape", "activity_regularizer"}
        else:
            self.known |= {"dtype", "name"} | ({"reduction"} if row["kind"] == "loss" else set())

    def bind(self, args, kwargs):
        """What was given, by name. TypeError as Python raises it."""
        if len(args) > len(self.order):
            raise errors.TypeError(f"{self.name} takes {len(self.order)} positional arguments ({', '.join(self.order)}), but {len(args)} were given")
        given = dict(zip(self.order, args))
        for key, value in kwargs.items():
            if key in given:
                raise errors.TypeError(f"{self.name} got multiple values for argument '{key}'")
            if key not in self.known:
                from linn._names import missing

                text = str(missing(self.name, key, self.known)).replace(f"has no {key}", f"got an unexpected keyword argument '{key}'")
                raise errors.TypeError(text)
            given[key] = value
        lacking = [f["key"] for f in self.fields if not f["default"] and f["key"] not in given]
        if lacking:
            raise errors.TypeError(f"{self.name} missing required argument{'s' if len(lacking) > 1 else ''}: {', '.join(map(repr, lacking))}")
        return given

    def signature(self, is_layer):
        parameters = []
        for field in self.fields:
            if keyword.iskeyword(field["key"]):
                continue
            default = default_of(field) if field["default"] else inspect.Parameter.empty
            parameters.append(inspect.Parameter(field["key"], inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default))
        # Python shows no parameter without a default behind one with a default; the order is Keras's.
        seen_default = False
        for i, parameter in enumerate(parameters):
            if parameter.default is not inspect.Parameter.empty:
                seen_default = True
            elif seen_default:
                parameters[i] = parameter.replace(default=_REQUIRED)
        if is_layer:
            parameters.append(inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD))
        return inspect.Signature(parameters)


class _Required:
    def __repr__(self):
        return "required"


_REQUIRED = _Required()


def _example(row):
    # "Dense(units=5): (None, 7) -> (None, 5)", from the first example of the table.
    config, inputs = row["examples"][0]
    shapes = [ast.literal_eval(part) for part in re.findall(r"\([^)]*\)", inputs)]
    shapes = [shape if isinstance(shape, tuple) else (shape,) for shape in shapes]
    given = json.loads(config)
    values = [_linn.input(shape, "") for shape in shapes]
    output = _linn.make_layer(row["name"], config).call(values, True)[0]._image_shape if row["name"] != "InputLayer" else shapes[0]
    batched = ", ".join(str((None, *shape)) for shape in shapes)
    arguments = ", ".join(f"{k}={tuple(v) if isinstance(v, list) else v!r}" for k, v in given.items() if k not in _EVERY_LAYER)
    return f"Shapes:\n    {row['name']}({arguments}): {batched} -> {(None, *output)}"


def docstring(row, is_layer):
    text = row["help"]
    if not row["module"].startswith("keras"):
        text += "\n\nKeras does not have it."
    arguments = [f for f in row["fields"] if f["role"] not in ("name", "trainable", "input_shape")]
    lines = []
    for field in arguments:
        allowed = f" ({field['allowed']})" if field["allowed"] else ""
        default = f" Default {field['default']}." if field["default"] else " Required."
        lines.append(f"    {field['key']}: {field['help']}{allowed}{default}")
    if is_layer:
        lines.append("    name: The layer's name; by default its class and a number.")
        lines.append("    trainable: Whether training changes the variables. Default True.")
        lines.append("    input_shape: Shape of one image, for the first layer of a Sequential.")
    if is_layer and row["examples"]:
        text += "\n\n" + _example(row)
    if lines:
        text += "\n\nArgs:\n" + "\n".join(lines)
    text += "\n\nRaises:\n    ValueError: an argument outside its allowed values; the text names it.\n    TypeError: an argument that is missing or unknown."
    return text


class Described:
    """A loss, metric, optimizer, initializer or regularizer: a class of the engine's tables with its arguments."""

    _row = None
    _arguments = None
    _kind = ""

    def __init__(self, *args, **kwargs):
        if self._row is None:
            raise errors.TypeError(f"{type(self).__name__} is a base class; linn computes without Python, so classes of your own cannot take its place")
        given = self._arguments.bind(args, kwargs)
        # None stands for the default, but where the default is a number it is a value: Muon(weight_decay=None) has no decay.
        defaults = {f["key"]: default_of(f) for f in self._row["fields"] if f["default"]}
        self._given = {k: v for k, v in given.items() if k != "dtype" and (v is not None or defaults.get(k) is not None)}
        text = json.dumps({"module": self._row["module"], "class_name": self._row["name"], "config": self._json(), "registered_name": None})
        self._written = json.loads(_linn.normalized(self._kind, text))

    def _json(self):
        return {key: to_json(value, f"{self._row['name']}: {key}") for key, value in self._given.items()}

    def _node(self):
        return self._written

    @property
    def name(self):
        return self._given.get("name") or self.get_config().get("name")

    def get_config(self):
        """The arguments, by name."""
        if isinstance(self._written, dict):
            return dict(self._written["config"])
        return {f["key"]: default_of(f) for f in self._row["fields"]}  # a name stands for the defaults

    def __getattr__(self, name):
        # Arguments: initializer.stddev.
        if name.startswith("_"):
            raise AttributeError(name)
        config = self.get_config()
        if name in config:
            return config[name]
        from linn._names import missing

        raise missing(type(self).__name__, name, [n for n in dir(type(self)) if not n.startswith("_")] + list(config))

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def __repr__(self):
        given = ", ".join(f"{k}={v!r}" for k, v in self._given.items())
        return f"{type(self).__name__}({given})"


def make_classes(kind, base, module):
    """Classes by name and alias, for a module's namespace."""
    namespace = {}
    for row in rows(kind):
        row["kind"] = kind
        name = row["name"]
        arguments = Arguments(row)
        is_layer = kind == "layer"
        members = {
            "_row": row,
            "_arguments": arguments,
            "_kind": kind,
            "__doc__": docstring(row, is_layer),
            "__signature__": arguments.signature(is_layer),
            "__module__": module,
        }
        made = type(name, (base,), members)
        namespace[name] = made
        for alias in row["aliases"]:
            if alias[:1].isupper():
                namespace.setdefault(alias, made)
    return namespace


def functions_of(kind, classes):
    """Keras's snake_case names, as `get` takes them."""
    names = {}
    for row in rows(kind):
        for alias in (row["name"], *row["aliases"]):
            names[alias] = classes[row["name"]]
    return names


def getter(kind, classes):
    """Keras's `get(identifier)` of a module."""
    known = functions_of(kind, classes)

    def get(identifier):
        if identifier is None or isinstance(identifier, Described):
            return identifier
        if isinstance(identifier, type) and issubclass(identifier, Described):
            return identifier()
        if isinstance(identifier, dict):
            return deserialize(identifier)
        if identifier in known:
            return known[identifier]()
        _linn.normalized(kind, json.dumps(to_json(identifier, kind)))  # says what is wrong
        raise errors.ValueError(f"{kind} {identifier!r} is not known")

    def deserialize(config, custom_objects=None):
        if isinstance(config, str):
            return get(config)
        return known[config["class_name"]].from_config(config["config"])

    def serialize(thing):
        return thing._node()

    return get, deserialize, serialize
