"""Activation functions, by Keras's names: for `activation=`, and to call on symbolic values and arrays."""

import inspect
import json

from linn import _arrays, _linn, errors
from linn._names import attribute_of
from linn.keras import _described


class Function:
    """An activation function, with its arguments where it has some."""

    def __init__(self, row, arguments=()):
        self._row = row
        self._fields = {f["key"]: f for f in row["fields"]}
        self._given = dict(arguments)
        self.__name__ = row["name"]
        self.__doc__ = _described.docstring(row, False)
        parameters = [inspect.Parameter("x", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
        for field in row["fields"]:
            default = _described.default_of(field) if field["default"] else inspect.Parameter.empty
            parameters.append(inspect.Parameter(field["key"], inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default))
        self.__signature__ = inspect.Signature(parameters)

    def _node(self):
        if not self._given:
            return self.__name__
        node = {"module": "linn.activations", "class_name": self.__name__, "config": {k: _described.to_json(v) for k, v in self._given.items()}}
        return json.loads(_linn.normalized("activation", json.dumps(node)))

    def get_config(self):
        return dict(self._given)

    def with_arguments(self, **arguments):
        """The function with other arguments than its defaults, for `activation=`."""
        unknown = set(arguments) - set(self._fields)
        if unknown:
            raise errors.TypeError(f"{self.__name__} has no argument {sorted(unknown)[0]!r}; it has {', '.join(self._fields) or 'none'}")
        return Function(self._row, arguments)

    def __call__(self, x, *values, **arguments):
        from linn.keras import layers

        arguments = {**dict(zip(self._fields, values)), **arguments}
        layer = layers.Activation(self.with_arguments(**arguments) if arguments else self)
        if layers.is_symbolic(x):
            return layer(x)
        x = _arrays.array(x, "x")
        return layer(x) if x.ndim > 1 else layer(x.reshape(1, -1)).reshape(x.shape)

    def __eq__(self, other):
        return isinstance(other, Function) and self._node() == other._node()

    def __hash__(self):
        return hash(json.dumps(self._node(), sort_keys=True))

    def __repr__(self):
        return f"<activation {self.__name__}>"


_rows = {}
for _row in _described.rows("activation"):
    for _name in (_row["name"], *_row["aliases"]):
        _rows[_name] = globals()[_name] = Function(_row)


def get(identifier):
    """The function of a name; `linear` for None."""
    if identifier is None:
        return _rows["linear"]
    if isinstance(identifier, Function) or hasattr(identifier, "_engine"):
        return identifier
    if isinstance(identifier, str) and identifier in _rows:
        return _rows[identifier]
    if isinstance(identifier, dict):
        return _rows[identifier["class_name"]].with_arguments(**identifier.get("config", {}))
    _linn.normalized("activation", json.dumps(_described.to_json(identifier, "activation")))  # says what is wrong
    raise errors.ValueError(f"activation {identifier!r} is not known")


deserialize = get


def serialize(function):
    return function._node()


__getattr__ = attribute_of(__name__, globals())
