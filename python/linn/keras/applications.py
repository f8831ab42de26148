"""Networks of Keras Applications, without trained weights: `model.load_weights` takes those that Keras saved."""

from linn import _linn, errors
from linn._names import attribute_of
from linn.keras import _state
from linn.keras.models import Model


def _application(network, include_top, weights, input_tensor, input_shape, pooling, classes, activation, alpha, name):
    if weights is not None:
        raise errors.ValueError(f"{network}: weights is {weights!r}; linn downloads nothing: give weights=None, then load_weights with a file that Keras saved")
    if input_tensor is not None:
        raise errors.ValueError(f"{network}: input_tensor is not supported; call the model on it: {network}(weights=None, ...)(input_tensor)")
    shape = tuple(input_shape or ())
    engine = _linn.application(
        network, shape, bool(include_top), pooling or "", int(classes), activation or "linear", float(alpha), name or "", _state.next_seed(), _state.dtype_policy()
    )
    return Model._of(engine)


def ResNet50(
    include_top=True, weights="imagenet", input_tensor=None, input_shape=None, pooling=None, classes=1000, classifier_activation="softmax", name=None
):
    """He et al. 2016: Keras's layers under Keras's names. `weights` must be None."""
    return _application("resnet50", include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation, 1.0, name)


def MobileNetV2(
    input_shape=None, alpha=1.0, include_top=True, weights="imagenet", input_tensor=None, pooling=None, classes=1000, classifier_activation="softmax", name=None
):
    """Sandler et al. 2018: Keras's layers under Keras's names. `weights` must be None."""
    return _application("mobilenet_v2", include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation, alpha, name)


__getattr__ = attribute_of(__name__, globals())
