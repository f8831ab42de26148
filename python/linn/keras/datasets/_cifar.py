"""The files of CIFAR, which are pickles."""

import io
import pickle

import numpy as np

from linn import errors


class _Harmless(pickle.Unpickler):
    # A pickle may name any function to be called; these are the ones that a numpy array needs.
    def find_class(self, module, name):
        if (module, name) in (("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct")):
            return np.empty(0).__reduce__()[0]
        if (module, name) == ("numpy", "ndarray"):
            return np.ndarray
        if (module, name) == ("numpy", "dtype"):
            return np.dtype
        raise errors.FormatError(f"the file wants {module}.{name} to be called, which no file of CIFAR does")


def load_batch(path, labels):
    """Images (n, 32, 32, 3) and labels (n, 1), uint8."""
    with open(path, "rb") as file:
        content = _Harmless(io.BytesIO(file.read()), encoding="bytes").load()
    content = {k.decode() if isinstance(k, bytes) else k: v for k, v in content.items()}
    images = np.asarray(content["data"], np.uint8).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), np.asarray(content[labels], np.uint8).reshape(-1, 1)
