"""What is global in Keras: numbers in names, and the seed of the next model."""

import itertools
import re
import threading

_lock = threading.Lock()
_counts = {}
_seeds = itertools.count()
_policy = "float32"


def snake_case(name):
    """As Keras names layers: `Conv2D` is conv2d, `MaxPooling2D` is max_pooling2d."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def auto_name(prefix):
    """`conv2d`, then `conv2d_1`, ..."""
    with _lock:
        count = _counts.get(prefix, 0)
        _counts[prefix] = count + 1
    return prefix if count == 0 else f"{prefix}_{count}"


def clear_names():
    with _lock:
        _counts.clear()


def next_seed():
    """Each model draws from a seed of its own; the same program draws the same numbers each time it runs."""
    return next(_seeds)


def set_seed(seed):
    global _seeds
    _seeds = itertools.count(int(seed) & 0xFFFFFFFFFFFF)


def dtype_policy():
    return _policy


def set_dtype_policy(policy):
    global _policy
    _policy = str(policy)
