"""Losses, by Keras's names. Each is its arguments; the engine computes it."""

import json

import numpy as np

from linn import _arrays, _linn
from linn._names import attribute_of
from linn.keras import _described


def measured(kind, node, y_true, y_pred, sample_weight=None):
    """What the engine's evaluate says of a loss or metric for these predictions."""
    p = np.asarray(_arrays.array(y_pred, "y_pred"), np.float32)
    t = _arrays.array(y_true, "y_true")
    value = _linn.input(p.shape[1:], "")
    out = _linn.make_layer("Identity", json.dumps({"name": "y"})).call([value], True)
    model = _linn.Model([value], out, "", 0, "float32")
    loss, metrics = (node, []) if kind == "loss" else (_loss_beside(t, p), [node])
    model.compile(json.dumps({"optimizer": "sgd", "loss": loss, "loss_weights": None, "metrics": metrics}))
    weight = None if sample_weight is None else _arrays.array(sample_weight, "sample_weight")
    logs = model.on_batch(False, np.ascontiguousarray(p), t, weight, {}, "exact")
    return logs["loss"] if kind == "loss" else next(v for k, v in logs.items() if k != "loss")


def _loss_beside(t, p):
    # A metric of labels wants a loss that takes labels.
    labels = t.ndim < p.ndim or t.shape != p.shape
    return "sparse_categorical_crossentropy" if labels else "mean_squared_error"


class Loss(_described.Described):
    """Base of the losses. `loss(y_true, y_pred)` gives the mean over the samples, a float."""

    def __call__(self, y_true, y_pred, sample_weight=None):
        return measured("loss", self._node(), y_true, y_pred, sample_weight)


_classes = _described.make_classes("loss", Loss, __name__)
globals().update(_classes)
get, deserialize, serialize = _described.getter("loss", _classes)


def _function(name, made):
    def loss(y_true, y_pred, **kwargs):
        return made(**kwargs)(y_true, y_pred)

    loss.__name__ = loss.__qualname__ = name
    loss.__doc__ = f"`{made.__name__}(**kwargs)(y_true, y_pred)`. As an argument of compile: its name."
    loss._node = lambda: name
    return loss


for _name, _made in _described.functions_of("loss", _classes).items():
    if not _name[:1].isupper():
        globals()[_name] = _function(_name, _made)

__getattr__ = attribute_of(__name__, globals())
