"""Data sets that people keep in ~/.keras/datasets. Nothing is downloaded."""

from linn._names import attribute_of

_NAMES = ("mnist", "fashion_mnist", "cifar10", "cifar100")
_missing = attribute_of(__name__, dict.fromkeys(_NAMES))


def __getattr__(name):
    if name in _NAMES:
        import importlib

        return importlib.import_module(f"{__name__}.{name}")
    return _missing(name)


def __dir__():
    return list(_NAMES)
