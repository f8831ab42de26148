"""linn: convolutional networks on CPUs, and what pooling does to translation.

    from linn import keras                 Keras's interface
    import linn.as_keras                   the same under the names keras and tensorflow.keras, for programs that import those
    linn.shift(model, x, y)                what every shift of the images does to the predictions
    linn.fix(model)                        the same network without what makes it depend on shifts
    linn.profile(model)                    where the time goes
    linn.models.resnet20()                 networks that people know
"""

from linn import errors  # noqa: F401
from linn._linn import set_threads, threads  # noqa: F401
from linn.errors import Error  # noqa: F401

__version__ = "0.1.0"

_LAZY = {"shift": "lab", "fix": "lab", "profile": "lab", "ShiftReport": "lab", "load_model": "keras.models"}
_MODULES = ("keras", "lab", "models", "as_keras")


def __getattr__(name):
    import importlib

    if name in _LAZY:
        return getattr(importlib.import_module(f"linn.{_LAZY[name]}"), name)
    if name in _MODULES and name != "as_keras":
        return importlib.import_module(f"linn.{name}")
    from linn._names import missing

    raise missing("linn", name, [*_LAZY, *_MODULES, *globals()])


def __dir__():
    return sorted([*(n for n in globals() if not n.startswith("_")), *_LAZY, "keras", "models", "__version__"])
