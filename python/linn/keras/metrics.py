"""Metrics, by Keras's names. Each is its arguments; the engine computes it."""

import numpy as np

from linn import errors
from linn._names import attribute_of
from linn.keras import _described
from linn.keras.losses import measured, measured_rows, targets_and_predictions, weighted


# Metrics that are no mean of one value for each row, so that weights would change how they are counted.
_COUNTS = {"Precision", "Recall"}


class Metric(_described.Described):
    """Base of the metrics. As an argument of compile, or by hand: update_state, result, reset_state."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._seen = []

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds predictions. `sample_weight` has one number for each sample, or for each row of the last axis."""
        if sample_weight is not None and self._row["name"] in _COUNTS:
            raise errors.ValueError(f"{type(self).__name__}: sample_weight is not supported")
        t, p = targets_and_predictions(y_true, y_pred)
        if p.ndim == 1 and t.ndim == 1:
            config = self.get_config()
            is_row = config.get("top_k") is not None or "k" in config
            t, p = (t[None], p[None]) if is_row else (t[:, None], p[:, None])
        weight = None
        if sample_weight is not None:
            _, weight = weighted(np.zeros(p.shape[:-1], np.float32), sample_weight)
        self._seen.append((t, p, weight))

    def result(self):
        """The metric of everything since the last reset_state, a float."""
        if not self._seen:
            return 0.0
        targets, predictions, weights = zip(*self._seen)
        if all(weight is None for weight in weights):
            return measured("metric", self._node(), _joined(targets), _joined(predictions))
        values = np.concatenate([np.ravel(measured_rows("metric", self._node(), t, p)) for t, p in zip(targets, predictions)])
        weight = np.concatenate([np.ones(p.shape[:-1]).ravel() if w is None else np.ravel(w) for p, w in zip(predictions, weights)])
        is_root = self._row["name"] == "RootMeanSquaredError"
        total = float(weight.sum())
        mean = float((weight * (values**2 if is_root else values)).sum() / total) if total else 0.0
        return mean**0.5 if is_root else mean

    def reset_state(self):
        self._seen = []

    def __call__(self, y_true, y_pred, sample_weight=None):
        self.update_state(y_true, y_pred, sample_weight)
        return self.result()


def _joined(parts):
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


_classes = _described.make_classes("metric", Metric, __name__)
globals().update(_classes)
get, deserialize, serialize = _described.getter("metric", _classes)

__getattr__ = attribute_of(__name__, globals())
