"""Regularizers, by Keras's names."""

import numpy as np

from linn import _arrays, errors
from linn._names import attribute_of
from linn.keras import _described


def _orthogonal(x, factor, mode):
    rows = x if mode == "rows" else x.T
    if rows.ndim != 2:
        raise errors.ValueError(f"OrthogonalRegularizer: x has shape {x.shape}; an array of 2 axes is allowed")
    rows = rows / np.maximum(np.sqrt(np.square(rows).sum(axis=1, keepdims=True)), 1e-7)
    count = len(rows)
    cosines = np.abs(rows @ rows.T) * (1 - np.eye(count))
    return float(factor * cosines.sum() / (count * (count - 1)))


class Regularizer(_described.Described):
    """Base of the regularizers. `regularizer(x)` gives what is added to the loss for an array of weights, a float."""

    def __call__(self, x):
        x = np.asarray(_arrays.array(x, "x"), np.float64)
        config = self.get_config()
        if "factor" in config:
            return _orthogonal(x, **config)
        return float(config.get("l1", 0.0) * np.abs(x).sum() + config.get("l2", 0.0) * np.square(x).sum())


_classes = _described.make_classes("regularizer", Regularizer, __name__)
globals().update(_classes)
get, deserialize, serialize = _described.getter("regularizer", _classes)

for _name, _made in _described.functions_of("regularizer", _classes).items():
    globals().setdefault(_name, _made)

__getattr__ = attribute_of(__name__, globals())
