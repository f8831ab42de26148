"""Small helpers, by Keras's names."""

import random

import numpy as np

from linn import errors
from linn._names import attribute_of
from linn.keras import _state


def to_categorical(x, num_classes=None):
    """One-hot rows, float64, of labels: (n,) or (n, 1) to (n, num_classes)."""
    labels = np.array(x, dtype="int64")
    shape = labels.shape[:-1] if labels.ndim > 1 and labels.shape[-1] == 1 else labels.shape
    labels = labels.reshape(-1)
    count = num_classes or (int(labels.max()) + 1 if labels.size else 0)
    if labels.size and (labels.min() < 0 or labels.max() >= count):
        raise errors.ValueError(f"to_categorical: labels go from {labels.min()} to {labels.max()}; {count} classes are 0 to {count - 1}")
    rows = np.zeros((labels.shape[0], count))
    rows[np.arange(labels.shape[0]), labels] = 1
    return rows.reshape(shape + (count,))


def normalize(x, axis=-1, order=2):
    """x divided by its norm along an axis."""
    x = np.asarray(x, dtype="float64") if np.asarray(x).dtype.kind in "iub" else np.asarray(x)
    norm = np.atleast_1d(np.linalg.norm(x, order, axis))
    norm[norm == 0] = 1
    return x / np.expand_dims(norm, axis)


def set_random_seed(seed):
    """Seeds Python's and numpy's random numbers, and those of the models that are made from here on."""
    if not isinstance(seed, (int, np.integer)):
        raise errors.ValueError(f"set_random_seed: {seed!r}; a whole number is allowed")
    random.seed(int(seed))
    np.random.seed(int(seed) % 2**32)
    _state.set_seed(seed)


def clear_session(free_memory=True):
    """Numbers in the names of layers and models begin anew."""
    _state.clear_names()


class PyDataset:
    """Base of data that are made batch by batch: override `__getitem__(index)` and `__len__`."""

    def __init__(self, workers=1, use_multiprocessing=False, max_queue_size=10):
        self.workers, self.use_multiprocessing, self.max_queue_size = workers, use_multiprocessing, max_queue_size

    def __getitem__(self, index):
        raise NotImplementedError

    def __len__(self):
        raise NotImplementedError

    @property
    def num_batches(self):
        return len(self)

    def on_epoch_end(self):
        """Called between two passes."""


Sequence = PyDataset

__getattr__ = attribute_of(__name__, globals())
