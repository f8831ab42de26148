"""Optimizers, by Keras's names."""

import weakref

import numpy as np

from linn._names import attribute_of
from linn.keras import _described
from linn.keras.optimizers import schedules


class Rate(float):
    """A learning rate: a float with what Keras's variable has."""

    def __new__(cls, rate, optimizer):
        made = super().__new__(cls, rate)
        made._optimizer = optimizer
        return made

    value = property(np.float32)

    def numpy(self):
        return np.float32(self)

    def assign(self, rate):
        self._optimizer.learning_rate = rate


class Optimizer(_described.Described):
    """Base of the optimizers. `learning_rate` may be read and set while and after a model trains with it."""

    _model = None

    def _attach(self, model):
        self._model = weakref.ref(model)

    def _trained(self):
        return self._model() if self._model is not None else None

    @property
    def learning_rate(self):
        """The rate of the next step."""
        rate = self._rate()
        return Rate(rate, self) if isinstance(rate, (int, float)) else rate

    def _rate(self):
        model = self._trained()
        if model is not None and model._trainer is not None:
            return model._trainer.learning_rate
        if model is not None and model.built:
            return model._engine.learning_rate
        given = self._given.get("learning_rate", self._written["config"]["learning_rate"])
        return given

    @learning_rate.setter
    def learning_rate(self, rate):
        model = self._trained()
        if model is not None and model._trainer is not None:
            model._trainer.learning_rate = float(rate)
        elif model is not None and model.built:
            model._engine.learning_rate = float(rate)
        self._given["learning_rate"] = float(rate)
        self._written["config"]["learning_rate"] = float(rate)

    lr = learning_rate

    @property
    def iterations(self):
        """Steps that were taken."""
        model = self._trained()
        return model._engine.steps if model is not None and model.built else 0


_classes = _described.make_classes("optimizer", Optimizer, __name__)
globals().update(_classes)
_get, deserialize, serialize = _described.getter("optimizer", _classes)


def get(identifier):
    """An optimizer from an optimizer, its name, or its configuration."""
    if isinstance(identifier, str):
        for name, made in _classes.items():
            if name.lower() == identifier.lower():
                return made()
    return _get(identifier)


__getattr__ = attribute_of(__name__, globals())
