"""Metrics, by Keras's names. Each is its arguments; the engine computes it."""

import json

import numpy as np

from linn import _arrays, _linn, errors
from linn._names import attribute_of
from linn.keras import _described
from linn.keras.losses import targets_and_predictions


class Metric(_described.Described):
    """Base of the metrics. As an argument of compile, or by hand: update_state, result, reset_state."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._state = _linn.MetricState(json.dumps(self._node()))

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds predictions. `sample_weight` has one number for each sample, or for each row of the last axis."""
        t, p = targets_and_predictions(y_true, y_pred)
        config = self.get_config()
        if p.ndim == 1 and t.ndim == 1 and (config.get("top_k") is not None or "k" in config):
            t, p = t[None], p[None]  # one row
        weight = None
        if sample_weight is not None:
            weight = np.ascontiguousarray(_arrays.array(sample_weight, "sample_weight"), np.float32)
            if weight.ndim == 0:
                weight = np.full(p.shape[:1], weight, np.float32)
        self._state.update_state(t, p, weight)

    def result(self):
        """The metric of everything since the last reset_state: a float, or an array where it has several numbers."""
        results = self._state.results()
        return results[0] if len(results) == 1 else np.array(results, np.float32)

    def reset_state(self):
        self._state.reset_state()

    def __call__(self, y_true, y_pred, sample_weight=None):
        self.update_state(y_true, y_pred, sample_weight)
        return self.result()


def confusion_matrix(labels, predictions, num_classes=None):
    """How often each class (rows) was taken for each (columns): int64 (classes, classes). Predictions are classes, or scores (n, classes).

    Keras does not have it.
    """
    if num_classes is not None and num_classes < 1:
        raise errors.ValueError(f"confusion_matrix: num_classes is {num_classes}; it must be 1 or more")
    return _linn.confusion_counts(_arrays.array(labels, "labels"), _arrays.array(predictions, "predictions"), num_classes or 0)


_classes = _described.make_classes("metric", Metric, __name__)
globals().update(_classes)
get, deserialize, serialize = _described.getter("metric", _classes)

__getattr__ = attribute_of(__name__, globals())
