"""The errors that linn raises. Each is also the exception of Python that a Keras user expects in that place."""

import builtins


class Error(Exception):
    """Base of everything that linn raises on purpose. The text says where, what came, what is allowed and what to do."""


class ShapeError(Error, builtins.ValueError):
    """Shapes that do not fit each other, a layer or a model."""


class ValueError(Error, builtins.ValueError):
    """An argument outside its allowed values, an unknown name."""


class TypeError(Error, builtins.TypeError):
    """An argument of another type than is allowed."""


class StateError(Error, builtins.RuntimeError):
    """A call at the wrong time: fit before compile, weights before a model is built."""


class DataError(Error, builtins.ValueError):
    """Data that make no sense: label 10 of 10 classes, images and labels of different counts."""


class FormatError(Error, builtins.ValueError):
    """Bytes that are not the format they claim to be."""


class IoError(Error, builtins.OSError):
    """The operating system refused to open, read, write or rename."""


class FileNotFoundError(IoError, builtins.FileNotFoundError):
    """A file that is not there."""


class NonFiniteError(Error, ArithmeticError):
    """A loss, a gradient or a weight became NaN or infinite in a training step. The text says where first, and what to try."""


class MemoryError(Error, builtins.MemoryError):
    """More memory than there is."""
