"""Constraints, by Keras's names."""

import numpy as np

from linn import _arrays
from linn._names import attribute_of
from linn.keras import _described


class Constraint(_described.Described):
    """Base of the constraints. `constraint(w)` gives an array of weights as it is after the constraint."""

    def __call__(self, w):
        w = np.asarray(_arrays.array(w, "w"), np.float32)
        config = self.get_config()
        if "axis" not in config:
            return np.maximum(w, 0)
        axis = config["axis"]
        norms = np.sqrt(np.square(w).sum(axis=tuple(axis) if isinstance(axis, list) else axis, keepdims=True))
        if "max_value" not in config:
            wanted = 1.0
        else:
            rate = config.get("rate", 1.0)
            wanted = rate * np.clip(norms, config.get("min_value", 0.0), config["max_value"]) + (1 - rate) * norms
        return w * np.float32(wanted / (1e-7 + norms))


_classes = _described.make_classes("constraint", Constraint, __name__)
globals().update(_classes)
get, deserialize, serialize = _described.getter("constraint", _classes)

for _name, _made in _described.functions_of("constraint", _classes).items():
    globals().setdefault(_name, _made)

__getattr__ = attribute_of(__name__, globals())
