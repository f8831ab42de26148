"""Batches from what a person gives: generators, sequences, data loaders."""

import numpy as np

from linn import _arrays, errors


def is_source(x):
    """Whether x gives batches, and is no array, list or dict of arrays."""
    if x is None or isinstance(x, (np.ndarray, list, tuple, dict, str, bytes, int, float)) or hasattr(x, "__array__") or hasattr(x, "__dlpack__"):
        return False
    return hasattr(x, "__next__") or hasattr(x, "__iter__") or (hasattr(x, "__getitem__") and hasattr(x, "__len__"))


class Source:
    """`next()` gives (x, y, sample_weight) as arrays, and None where the data end; after that it begins anew, where it can."""

    def __init__(self, data, what="x", shuffle=False, needs_targets=True, inputs=_arrays.arrays):
        self.what, self.needs_targets, self.inputs = what, needs_targets, inputs
        self.ahead = None
        self.data, self.shuffle = data, shuffle
        self.is_indexed = hasattr(data, "__getitem__") and hasattr(data, "__len__")
        self.is_generator = hasattr(data, "__next__")
        self.steps = _length(data)
        self.given = 0  # in this pass
        self.iterator = None
        self.order = None

    def peek(self):
        """The next batch, which stays the next one."""
        if self.ahead is None:
            self.ahead = self.next()
        if self.ahead is None:
            raise errors.ValueError(f"{self.what} gave no batch")
        return self.ahead

    def next(self):
        if self.ahead is not None:
            batch, self.ahead = self.ahead, None
            return batch
        if self.iterator is None or (self.steps and self.given == self.steps and not self.is_generator):
            self._begin()
        try:
            batch = next(self.iterator)
        except StopIteration:
            self.iterator = None
            return None
        self.given += 1
        return self._parts(batch)

    def _begin(self):
        if self.is_indexed:
            if self.given and hasattr(self.data, "on_epoch_end"):
                self.data.on_epoch_end()
            self.steps = _length(self.data)
            order = np.arange(self.steps)
            if self.shuffle:
                np.random.shuffle(order)
            self.iterator = (self.data[int(i)] for i in order)
        else:
            self.iterator = iter(self.data)
        self.given = 0

    def _parts(self, batch):
        if not isinstance(batch, (tuple, list)) or (isinstance(batch, list) and len(batch) > 3):
            batch = (batch,)
        if not 1 <= len(batch) <= 3:
            raise errors.ValueError(f"{self.what} gave a batch of {len(batch)} parts; (x, y) or (x, y, sample_weight) is allowed")
        names = [f"{self.what}, batch {self.given}, {name}" for name in ("x", "y", "sample_weight")]
        parts = [(self.inputs if i == 0 else _arrays.arrays)(part, names[i]) for i, part in enumerate(batch)]
        parts += [None] * (3 - len(parts))
        if self.needs_targets and parts[1] is None:
            raise errors.ValueError(f"{self.what} gave a batch without targets; (x, y) or (x, y, sample_weight) is allowed")
        return tuple(parts)


def _length(data):
    try:
        length = len(data)
    except (TypeError, NotImplementedError):
        return 0
    if length == 0:
        raise errors.ValueError("the data hold no batch: their length is 0")
    return int(length)
