"""Learning rates that change from step to step."""

import inspect

from linn._names import attribute_of
from linn.keras import _described

class LearningRateSchedule:
    """Base of the schedules."""

class OneCycle(LearningRateSchedule):
    """Linear up to `max_learning_rate`, then linear down. Keras does not have it.

    Args:
        max_learning_rate: The largest rate.
        total_steps: Steps of the cycle; 0: all steps of each fit.
        warmup: Share of the steps in which the rate rises.
        div_factor: The largest rate divided by the first.
        final_div_factor: The first rate divided by the last.
    """

    def __init__(self, max_learning_rate=0.01, total_steps=0, warmup=0.3, div_factor=25.0, final_div_factor=1e4):
        self._config = {
            "max_learning_rate": max_learning_rate,
            "total_steps": total_steps,
            "warmup": warmup,
            "div_factor": div_factor,
            "final_div_factor": final_div_factor,
        }

    def _node(self):
        return {"module": "linn.optimizers.schedules", "class_name": "OneCycle", "config": _described.to_json(self._config), "registered_name": "linn>OneCycle"}

    def get_config(self):
        return dict(self._config)

    @classmethod
    def from_config(cls, config):
        return cls(**config)

del inspect
__getattr__ = attribute_of(__name__, globals())
