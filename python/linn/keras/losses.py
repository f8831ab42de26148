"""Losses, by Keras's names. Each is its arguments; the engine computes it."""

import json

import numpy as np

from linn import _arrays, _linn, errors
from linn._names import attribute_of
from linn.keras import _described


def _meter(node, y_pred):
    """Gives the value of a loss for some rows of targets, predictions and weights, by the engine's evaluate."""
    value = _linn.input(y_pred.shape[1:], "")
    out = _linn.make_layer("Identity", json.dumps({"name": "y"})).call([value], True)
    model = _linn.Model([value], out, "", 0, "float32")
    model.compile(json.dumps({"optimizer": "sgd", "loss": node, "loss_weights": None, "metrics": []}))
    return lambda t, p, weight=None: model.on_batch(False, p, t, weight, {}, "exact", "ignore")["loss"]


def measured(node, y_true, y_pred, sample_weight=None):
    """The value of a loss of all samples, a float."""
    t, p = targets_and_predictions(y_true, y_pred)
    return _meter(node, p)(t, p, sample_weight)


def measured_rows(node, y_true, y_pred):
    """The value of a loss of each row, the last axis: float32, of the shape without that axis."""
    t, p = targets_and_predictions(y_true, y_pred)
    shape = p.shape[:-1]
    rows = p.reshape(-1, p.shape[-1])
    t = t.reshape(len(rows), -1) if t.ndim == p.ndim else t.reshape(-1)
    if not len(rows):
        return np.zeros(shape, np.float32)
    measure = _meter(node, rows)
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


_REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none", None)
# Losses whose rows hang on more than a row.
_OF_BATCH = {"Dice", "Tversky", "Circle"}


class Loss(_described.Described):
    """Base of the losses. `loss(y_true, y_pred, sample_weight=None)` gives one number, as `reduction` says; `loss.call` one value for each row.

    `reduction` is "sum_over_batch_size", "sum", "mean", "mean_with_sample_weight" or None. fit and evaluate need one number, and refuse None.
    """

    def __init__(self, *args, **kwargs):
        given = self._arguments.bind(args, kwargs) if self._arguments else kwargs
        self.reduction = given.pop("reduction", _REDUCTIONS[0])
        if self.reduction not in _REDUCTIONS:
            raise errors.ValueError(f"{type(self).__name__}: reduction is {self.reduction!r}; {', '.join(map(repr, _REDUCTIONS))} are allowed")
        if self.reduction not in (None, "none", _REDUCTIONS[0]):
            given["reduction"] = self.reduction
        super().__init__(**given)

    def get_config(self):
        name = self._given.get("name") or _names[type(self).__name__]
        return {**super().get_config(), "name": name, "reduction": self.reduction}

    def _node(self):
        if self.reduction not in (None, "none"):
            return self._written
        return {"module": "keras.losses", "class_name": self._row["name"], "config": self.get_config(), "registered_name": None}

    def call(self, y_true, y_pred):
        """The loss of each row, the last axis: float32, of the shape without that axis. Of a loss of the whole batch its one number."""
        if self._row["name"] in _OF_BATCH:
            if self._row["name"] == "Circle" or self.get_config().get("axis") is not None:
                raise errors.ValueError(f"{self._row['name']}: a value for each row is not supported; call the loss itself, which gives one number")
            return np.float32(measured(self._written, y_true, y_pred))
        return measured_rows(self._written, y_true, y_pred)

    def __call__(self, y_true, y_pred, sample_weight=None):
        if self._row["name"] in _OF_BATCH and self.reduction not in (None, "none"):
            weight = None if sample_weight is None else _arrays.array(sample_weight, "sample_weight")
            return measured(self._written, y_true, y_pred, weight)
        if sample_weight is None and self.reduction in ("sum_over_batch_size", "mean", "mean_with_sample_weight"):
            return measured(self._written, y_true, y_pred)
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
