"""Losses, by Keras's names. Each is its arguments; the engine computes it."""

import json

import numpy as np

from linn import _arrays, _linn, errors
from linn._names import attribute_of
from linn.keras import _described


def _meter(kind, node, y_true, y_pred):
    """Gives the value of a loss or metric for some rows of targets, predictions and weights, by the engine's evaluate."""
    value = _linn.input(y_pred.shape[1:], "")
    out = _linn.make_layer("Identity", json.dumps({"name": "y"})).call([value], True)
    model = _linn.Model([value], out, "", 0, "float32")
    loss, metrics = (node, []) if kind == "loss" else (_loss_beside(y_true, y_pred), [node])
    model.compile(json.dumps({"optimizer": "sgd", "loss": loss, "loss_weights": None, "metrics": metrics}))

    def measure(t, p, weight=None):
        logs = model.on_batch(False, p, t, weight, {}, "exact")
        return logs["loss"] if kind == "loss" else next(v for k, v in logs.items() if k != "loss")

    return measure


def measured(kind, node, y_true, y_pred):
    """The value of a loss or metric of all samples, a float."""
    t, p = targets_and_predictions(y_true, y_pred)
    return _meter(kind, node, t, p)(t, p)


def measured_rows(kind, node, y_true, y_pred):
    """The value of a loss or metric of each row, the last axis: float32, of the shape without that axis."""
    t, p = targets_and_predictions(y_true, y_pred)
    shape = p.shape[:-1]
    rows = p.reshape(-1, p.shape[-1])
    if t.ndim == p.ndim:
        t = t.reshape(len(rows), -1)
    else:
        t = t.reshape(-1)
    if not len(rows):
        return np.zeros(shape, np.float32)
    measure = _meter(kind, node, t, rows)
    return np.array([measure(t[i : i + 1], rows[i : i + 1]) for i in range(len(rows))], np.float32).reshape(shape)


def targets_and_predictions(y_true, y_pred):
    """Arrays of the same rank, as Keras makes them: an axis of size 1 that only one of them has at its end is added to the other or left out."""
    p = np.ascontiguousarray(_arrays.array(y_pred, "y_pred"), np.float32)
    t = _arrays.array(y_true, "y_true")
    if p.ndim == t.ndim + 1 and p.shape[-1] == 1:
        t, p = (t[..., None], p) if t.ndim == 1 else (t, p[..., 0])
    elif t.ndim == p.ndim + 1 and t.shape[-1] == 1:
        t, p = (t, p[..., None]) if p.ndim == 1 else (t[..., 0], p)
    return np.ascontiguousarray(t), np.ascontiguousarray(p)


def weighted(values, sample_weight):
    """Values times their weights, and the weights in the shape of the values."""
    weight = np.asarray(_arrays.array(sample_weight, "sample_weight"), np.float32)
    if weight.ndim == values.ndim + 1 and weight.shape[-1] == 1:
        weight = weight[..., 0]
    weight = weight.reshape(weight.shape + (1,) * (values.ndim - weight.ndim))
    try:
        weight = np.broadcast_to(weight, values.shape)
    except ValueError:
        raise errors.ShapeError(f"sample_weight has shape {weight.shape}; the values that it weighs have {values.shape}") from None
    return values * weight, weight


def _loss_beside(t, p):
    # A metric of labels wants a loss that takes labels.
    labels = t.ndim < p.ndim or t.shape != p.shape
    return "sparse_categorical_crossentropy" if labels else "mean_squared_error"


_REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none", None)


class Loss(_described.Described):
    """Base of the losses. `loss(y_true, y_pred, sample_weight=None)` gives their mean, or what `reduction` says; `loss.call` one value for each row.

    `reduction` counts where a loss is called by hand: "sum_over_batch_size", "sum", "mean", "mean_with_sample_weight" or None. fit and evaluate
    take means, and refuse a loss with another reduction.
    """

    def __init__(self, *args, **kwargs):
        reduction = kwargs.pop("reduction", _REDUCTIONS[0])
        if reduction not in _REDUCTIONS:
            raise errors.ValueError(f"{type(self).__name__}: reduction is {reduction!r}; {', '.join(map(repr, _REDUCTIONS))} are allowed")
        super().__init__(*args, **kwargs)
        self.reduction = reduction

    def get_config(self):
        name = self._given.get("name") or _names[type(self).__name__]
        return {**super().get_config(), "name": name, "reduction": self.reduction}

    def _node(self):
        if self.reduction in ("sum_over_batch_size", "mean"):
            return self._written
        return {"module": "keras.losses", "class_name": self._row["name"], "config": self.get_config(), "registered_name": None}

    def call(self, y_true, y_pred):
        """The loss of each row, the last axis: float32, of the shape without that axis."""
        return measured_rows("loss", self._written, y_true, y_pred)

    def __call__(self, y_true, y_pred, sample_weight=None):
        if sample_weight is None and self.reduction in ("sum_over_batch_size", "mean", "mean_with_sample_weight"):
            return measured("loss", self._written, y_true, y_pred)
        values = self.call(y_true, y_pred)
        count = float(values.size)
        if sample_weight is not None:
            values, weight = weighted(values, sample_weight)
            count = float(weight.sum()) if self.reduction == "mean_with_sample_weight" else count
        if self.reduction in (None, "none"):
            return values
        total = float(values.sum(dtype="float64"))
        return total if self.reduction == "sum" else total / count if count else 0.0


_classes = _described.make_classes("loss", Loss, __name__)
globals().update(_classes)
_names = {row["name"]: row["aliases"][0] for row in _described.rows("loss")}
_get, deserialize, _ = _described.getter("loss", _classes)


def get(identifier):
    """A loss from a loss, its configuration, or its name: "MeanSquaredError" is an object, "mean_squared_error" or "mse" the function."""
    if callable(identifier) and hasattr(identifier, "_node"):
        return identifier
    found = _get(identifier)
    return _functions[type(found)] if isinstance(identifier, str) and identifier not in _names else found


def serialize(loss):
    return {"module": "keras.losses", "class_name": loss._row["name"], "config": loss.get_config(), "registered_name": None}



def _function(name, made):
    def loss(y_true, y_pred, **kwargs):
        return made(**kwargs).call(y_true, y_pred)

    loss.__name__ = loss.__qualname__ = name
    loss.__doc__ = f"The loss of each row, the last axis: `{made.__name__}(**kwargs).call(y_true, y_pred)`. As an argument of compile: its name."
    loss._node = lambda: name
    return loss


_functions = {made: _function(_names[name], made) for name, made in _classes.items() if name in _names}
for _name, _made in _described.functions_of("loss", _classes).items():
    if not _name[:1].isupper():
        globals()[_name] = _functions[_made]

__getattr__ = attribute_of(__name__, globals())
