"""Models: the classes, and the functions that load and copy them."""

from linn._names import attribute_of
from linn.keras._clone import clone_model
from linn.keras._model import Model, Sequential, load_model, model_from_json, save_model

Functional = Model

__all__ = ["Functional", "Model", "Sequential", "clone_model", "load_model", "model_from_json", "save_model"]
__getattr__ = attribute_of(__name__, globals())
