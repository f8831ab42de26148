"""`import linn.as_keras` first: from there on `keras`, `tensorflow` and `tensorflow.keras` mean linn in this process.

    import linn.as_keras
    from tensorflow import keras
    from keras.layers import Conv2D, MaxPooling2D

It does not matter whether the real ones are installed. ImportError where one of them was imported before.
"""

import importlib
import importlib.abc
import importlib.machinery
import sys
import types

import numpy as _np

from linn import keras as _keras
from linn._names import attribute_of as _attribute_of

_ROOTS = ("keras", "tensorflow", "tf_keras")


def _loaded():
    return [name for name in _ROOTS if name in sys.modules and not getattr(sys.modules[name], "__linn__", False)]


def _target_of(name):
    """The name of linn's module that a module name stands for, or None."""
    for prefix in ("tensorflow.python.keras", "tensorflow.keras", "tf_keras", "keras"):
        if name == prefix or name.startswith(prefix + "."):
            return "linn.keras" + name[len(prefix) :]
    return None


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, fullname, path=None, target=None):
        if fullname.partition(".")[0] not in _ROOTS:
            return None
        target_name = _target_of(fullname)
        if target_name is not None:
            try:
                importlib.import_module(target_name)
            except ModuleNotFoundError as error:
                if error.name is not None and error.name.startswith("linn"):
                    raise ModuleNotFoundError(f"linn has no module {fullname}; it has {', '.join(_public_modules())}", name=fullname) from None
                raise
        elif fullname != "tensorflow":
            raise ModuleNotFoundError(f"linn stands for tensorflow here, and has no {fullname}; it has tensorflow.keras", name=fullname)
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec):
        target_name = _target_of(spec.name)
        if target_name is not None:
            return _Alias(spec.name, sys.modules[target_name])
        return _tensorflow()

    def exec_module(self, module):
        pass


class _Alias(types.ModuleType):
    """A module under another name."""

    __linn__ = True

    def __init__(self, name, module):
        super().__init__(name, module.__doc__)
        self.__dict__["_module"] = module

    def __getattr__(self, name):
        return getattr(self._module, name)

    def __setattr__(self, name, value):
        super().__setattr__(name, value)

    def __dir__(self):
        return dir(self._module)


def _public_modules():
    return sorted(f"keras.{name}" for name in vars(_keras) if isinstance(getattr(_keras, name), types.ModuleType) and not name.startswith("_"))


def _tensorflow():
    module = types.ModuleType("tensorflow", "linn in place of TensorFlow: tensorflow.keras alone.")
    module.__linn__ = True
    module.__version__ = "2.21.0"
    for name in ("float32", "float64", "int32", "int64", "uint8"):
        setattr(module, name, getattr(_np, name))
    missing = _attribute_of("tensorflow", {"keras": None})

    def get(name):
        if name == "keras":
            return importlib.import_module("tensorflow.keras")
        return missing(name)

    module.__getattr__ = get
    return module


def _install():
    before = _loaded()
    if before:
        raise ImportError(
            f"linn.as_keras: {', '.join(before)} was imported before; write `import linn.as_keras` above the first import of it (in a notebook: restart the kernel first)"
        )
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


_install()
