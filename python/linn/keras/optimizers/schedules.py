"""Learning rates that change from step to step, by Keras's names."""

import json

from linn import _linn
from linn._names import attribute_of
from linn.keras import _described


class LearningRateSchedule(_described.Described):
    """Base of the schedules. `schedule(step)` gives the rate of a step, counted from 0. Where a number of steps is 0, the schedule takes all steps of each
    fit; Keras does not have this."""

    def __call__(self, step):
        return _linn.rate_at(json.dumps(self._node()), int(step))


_classes = _described.make_classes("schedule", LearningRateSchedule, __name__)
globals().update(_classes)
_, deserialize, serialize = _described.getter("schedule", _classes)

__getattr__ = attribute_of(__name__, globals())
