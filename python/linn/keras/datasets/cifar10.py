"""CIFAR-10: 50,000 and 10,000 colour photographs of 32 x 32 (Krizhevsky 2009)."""

import os

import numpy as np

from linn.keras.datasets import _cifar, _files


def load_data(path="cifar-10-batches-py"):
    """((x_train, y_train), (x_test, y_test)): uint8 (n, 32, 32, 3) and (n, 1), from the folder in ~/.keras/datasets or a path.

    The files are pickles; of these, bytes, lists, texts and numpy arrays are read, and nothing in them is run.
    """
    folder = _files.find(path, ["cifar-10-batches-py", "cifar-10-batches-py-target/cifar-10-batches-py"], "cifar10", "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz")
    parts = [_cifar.load_batch(os.path.join(folder, f"data_batch_{i}"), "labels") for i in range(1, 6)]
    x_train, y_train = (np.concatenate(p) for p in zip(*parts))
    return (x_train, y_train), _cifar.load_batch(os.path.join(folder, "test_batch"), "labels")
