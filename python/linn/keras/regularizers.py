"""Regularizers, by Keras's names."""

from linn._names import attribute_of
from linn.keras import _described


class Regularizer(_described.Described):
    """Base of the regularizers."""


_classes = _described.make_classes("regularizer", Regularizer, __name__)
globals().update(_classes)
get, deserialize, serialize = _described.getter("regularizer", _classes)

for _name, _made in _described.functions_of("regularizer", _classes).items():
    globals().setdefault(_name, _made)

__getattr__ = attribute_of(__name__, globals())
