"""Settings, by Keras's names."""

from linn._names import attribute_of
from linn.keras import _state
from linn.keras.backend import backend, epsilon, floatx, image_data_format


def set_dtype_policy(policy):
    """ "float32" or "mixed_bfloat16", of the models that are made from here on."""
    _state.set_dtype_policy(policy)


def dtype_policy():
    return _state.dtype_policy()


__all__ = ["backend", "dtype_policy", "epsilon", "floatx", "image_data_format", "set_dtype_policy"]
__getattr__ = attribute_of(__name__, globals())
