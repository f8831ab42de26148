"""Initializers, by Keras's names."""

import json

from linn import _linn
from linn._names import attribute_of
from linn.keras import _described, _state


class Initializer(_described.Described):
    """Base of the initializers. `initializer(shape)` gives first values, a float32 array."""

    def __call__(self, shape, dtype=None):
        return _linn.first_values(json.dumps(self._node()), tuple(shape), _state.next_seed())


_classes = _described.make_classes("initializer", Initializer, __name__)
globals().update(_classes)
get, deserialize, serialize = _described.getter("initializer", _classes)

for _name, _made in _described.functions_of("initializer", _classes).items():
    globals().setdefault(_name, _made)

__getattr__ = attribute_of(__name__, globals())
