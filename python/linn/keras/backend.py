"""The little of Keras's backend that means something here."""

from linn._names import attribute_of
from linn.keras.utils import clear_session


def backend():
    """The name of what computes."""
    return "linn"


def floatx():
    return "float32"


def epsilon():
    return 1e-7


def image_data_format():
    return "channels_last"


__all__ = ["backend", "clear_session", "epsilon", "floatx", "image_data_format"]
__getattr__ = attribute_of(__name__, globals())
