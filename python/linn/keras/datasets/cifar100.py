"""CIFAR-100: 50,000 and 10,000 colour photographs of 32 x 32 in 100 classes (Krizhevsky 2009)."""

import os

from linn import errors
from linn.keras.datasets import _cifar, _files


def load_data(label_mode="fine", path="cifar-100-python"):
    """((x_train, y_train), (x_test, y_test)): uint8 (n, 32, 32, 3) and (n, 1). label_mode "fine" has 100 classes, "coarse" 20."""
    if label_mode not in ("fine", "coarse"):
        raise errors.ValueError(f'label_mode is {label_mode!r}; it may be "fine" or "coarse"')
    folder = _files.find(path, ["cifar-100-python", "cifar-100-python-target/cifar-100-python"], "cifar100", "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz")
    return tuple(_cifar.load_batch(os.path.join(folder, part), f"{label_mode}_labels") for part in ("train", "test"))
