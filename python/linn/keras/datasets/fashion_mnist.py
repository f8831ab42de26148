"""Fashion-MNIST: 60,000 and 10,000 grey pictures of clothes of 28 x 28 (Xiao, Rasul and Vollgraf 2017)."""

import gzip
import os

import numpy as np

from linn.keras.datasets import _files

_FILES = ("train-labels-idx1-ubyte.gz", "train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz")


def load_data(path="fashion-mnist"):
    """((x_train, y_train), (x_test, y_test)), uint8, from the four .gz files in ~/.keras/datasets/fashion-mnist or a folder."""
    folder = _files.find(path, ["fashion-mnist"], "fashion_mnist", "https://github.com/zalandoresearch/fashion-mnist")
    arrays = []
    for name in _FILES:
        with gzip.open(os.path.join(folder, name), "rb") as file:
            head = 8 if "labels" in name else 16
            arrays.append(np.frombuffer(file.read(), np.uint8, offset=head))
    y_train, x_train, y_test, x_test = arrays
    return (x_train.reshape(-1, 28, 28), y_train), (x_test.reshape(-1, 28, 28), y_test)
