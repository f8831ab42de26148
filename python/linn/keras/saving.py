"""Files, by Keras's names."""

from linn._names import attribute_of
from linn.keras.models import load_model, save_model

__all__ = ["load_model", "save_model"]
__getattr__ = attribute_of(__name__, globals())
