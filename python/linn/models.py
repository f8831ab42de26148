"""Networks that people know, with first weights that are drawn anew: trained weights are not part of linn.

    model = linn.models.resnet20()                                 for the images and classes that it was published for
    model = linn.models.resnet20(input_shape=(64, 64, 3), classes=2)
"""

from linn import _linn
from linn._names import attribute_of
from linn.keras import _state
from linn.keras.models import Model


def _maker(name, about, shape, published):
    def make(input_shape=shape, classes=published):
        return Model._of(_linn.built_in_network(name, tuple(input_shape), int(classes), _state.next_seed(), _state.dtype_policy()))

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"""{about}

    Args:
        input_shape: Of one image, (height, width, channels). Default {shape}.
        classes: Default {published}.

    Raises:
        ValueError: less than two classes, images that are too small.
    """
    return make


for _entry in _linn.built_in_networks():
    globals()[_entry[0]] = _maker(*_entry)

__getattr__ = attribute_of(__name__, globals())
