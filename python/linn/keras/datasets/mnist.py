"""MNIST: 60,000 and 10,000 grey digits of 28 x 28 (LeCun, Cortes and Burges)."""

import numpy as np

from linn.keras.datasets import _files


def load_data(path="mnist.npz"):
    """((x_train, y_train), (x_test, y_test)), uint8, from ~/.keras/datasets, the working folder, or a path. FileNotFoundError says where to put it."""
    found = _files.find(path, ["mnist.npz"], "mnist", "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz")
    with np.load(found, allow_pickle=False) as data:
        return (data["x_train"], data["y_train"]), (data["x_test"], data["y_test"])
