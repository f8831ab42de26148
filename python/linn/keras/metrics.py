"""Metrics, by Keras's names. Each is its arguments; the engine computes it."""

import numpy as np

from linn._names import attribute_of
from linn.keras import _described
from linn.keras.losses import measured


class Metric(_described.Described):
    """Base of the metrics. As an argument of compile, or by hand: update_state, result, reset_state."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._seen = []

    def update_state(self, y_true, y_pred, sample_weight=None):
        self._seen.append((np.asarray(y_true), np.asarray(y_pred), sample_weight))

    def result(self):
        """The metric of everything since the last reset_state, a float."""
        if not self._seen:
            return 0.0
        targets, predictions, weights = zip(*self._seen)
        weight = None if weights[0] is None else np.concatenate([np.ravel(w) for w in weights])
        return measured("metric", self._node(), np.concatenate(targets), np.concatenate(predictions), weight)

    def reset_state(self):
        self._seen = []

    def __call__(self, y_true, y_pred, sample_weight=None):
        self.update_state(y_true, y_pred, sample_weight)
        return self.result()


_classes = _described.make_classes("metric", Metric, __name__)
globals().update(_classes)
get, deserialize, serialize = _described.getter("metric", _classes)

__getattr__ = attribute_of(__name__, globals())
