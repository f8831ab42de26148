"""Keras's interface on linn's engine.

    from linn import keras

    model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Conv2D(32, 3, activation="relu"), keras.layers.Flatten(), keras.layers.Dense(10)])

Names, order, defaults and meaning are Keras 3's. What is not there raises AttributeError with the nearest name that is.
"""

from linn._names import attribute_of as _attribute_of
from linn.keras import (  # noqa: F401
    activations,
    applications,
    backend,
    callbacks,
    config,
    constraints,
    datasets,
    initializers,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    regularizers,
    saving,
    utils,
)
from linn.keras.callbacks import Callback  # noqa: F401
from linn.keras.constraints import Constraint  # noqa: F401
from linn.keras.initializers import Initializer  # noqa: F401
from linn.keras.layers import Input, InputLayer, KerasTensor, Layer, Variable  # noqa: F401
from linn.keras.losses import Loss  # noqa: F401
from linn.keras.metrics import Metric  # noqa: F401
from linn.keras.models import Functional, Model, Sequential  # noqa: F401
from linn.keras.optimizers import Optimizer  # noqa: F401
from linn.keras.regularizers import Regularizer  # noqa: F401

# The version of Keras whose names and meaning these are.
__version__ = "3.15.1"

__getattr__ = _attribute_of(__name__, globals())
