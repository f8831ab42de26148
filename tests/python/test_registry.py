"""Names, signatures, docstrings and configurations of what the package makes from the engine's tables."""

import inspect
import re

import golden
import numpy as np
import pytest

from linn import keras
from linn.keras import _described

MODULES = {
    "layer": keras.layers,
    "loss": keras.losses,
    "metric": keras.metrics,
    "optimizer": keras.optimizers,
    "initializer": keras.initializers,
    "regularizer": keras.regularizers,
    "constraint": keras.constraints,
    "schedule": keras.optimizers.schedules,
}


def _rows():
    return [(kind, row) for kind in MODULES for row in _described.rows(kind)]


def _keras_signatures():
    # "C keras.layers.Dense ( units, activation=None, ..., **kwargs )"
    found = {}
    for line in (golden.FOLDER / "keras_signatures.txt").read_text().splitlines():
        match = re.match(r"\w (\S+) \( ?(.*?) ?\)$", line.strip())
        if match:
            for name in match[1].split("|"):
                found[name] = [part.split("=")[0].strip() for part in re.split(r", (?![^(\[]*[)\]])", match[2]) if part]
    return found


SIGNATURES = _keras_signatures()


@pytest.mark.parametrize("kind, row", _rows(), ids=lambda v: v if isinstance(v, str) else v["name"])
def test_signature_and_docstring(kind, row):
    made = getattr(MODULES[kind], row["name"])
    signature = inspect.signature(made)
    if row["name"] == "InputLayer":  # with Keras's own arguments, written by hand
        return
    assert made.__doc__.startswith(row["help"]) and "Raises:" in made.__doc__
    assert made.__module__.startswith("linn.keras.")
    for field in row["fields"]:
        if field["role"] in ("option", "own", "axis"):
            assert field["key"] in signature.parameters and f"{field['key']}:" in made.__doc__
    theirs = SIGNATURES.get(f"{row['module']}.{row['name']}")
    if theirs is None:
        return
    ours = [name for name in signature.parameters if name != "kwargs"]
    own = {f["key"] for f in row["fields"] if f["role"] == "own"}
    shared = [name for name in theirs if name in ours]
    assert [name for name in ours if name in theirs] == shared, "another order than Keras's"
    by_name_alone = {"activity_regularizer"} if "**kwargs" in theirs else set()  # Keras's EinsumDense
    assert [name for name in ours if name not in theirs and name not in own | by_name_alone] == []


def test_there_are_signatures_to_compare_with():
    named = [row["name"] for kind, row in _rows() if f"{row['module']}.{row['name']}" in SIGNATURES]
    assert len(named) > 40


@pytest.mark.parametrize("call, error, text", [
    (lambda: keras.layers.Dense(), TypeError, "units"),
    (lambda: keras.layers.Dense(3, unit=4), TypeError, "unexpected keyword argument 'unit'; did you mean units"),
    (lambda: keras.layers.Dense(3, units=4), TypeError, "multiple values"),
    (lambda: keras.layers.Dense(0), ValueError, "units is 0; it must be 1 or more"),
    (lambda: keras.layers.Dense("3"), ValueError, "units"),
    (lambda: keras.layers.Conv2D(3, 3, padding="vaild"), ValueError, "did you mean \"valid\""),
    (lambda: keras.layers.Dense(3, activation="rleu"), ValueError, "did you mean \"relu\""),
    (lambda: keras.layers.Dense(3, activation=lambda x: x), TypeError, "function of Python"),
    (lambda: keras.layers.Dense(*range(30)), TypeError, "positional"),
    (lambda: keras.losses.Huber(delta=-1), ValueError, "delta"),
    (lambda: keras.optimizers.Adam(learning_rat=1), TypeError, "learning_rate"),
    (lambda: keras.layers.Layer(), TypeError, "written in Python"),
    (lambda: type("Mine", (keras.Model,), {"call": lambda self, x: x})(), TypeError, "cannot run in linn's engine"),
    (lambda: keras.Input(5), ValueError, "a tuple is allowed"),
    (lambda: keras.models.model_from_json("nope"), ValueError, "no JSON"),
    (lambda: keras.layers.LSTM, AttributeError, "keras.layers has no LSTM"),
])
def test_errors(call, error, text):
    with pytest.raises(error) as caught:
        call()
    assert text in str(caught.value)


def test_a_class_stands_for_an_object_with_its_defaults():
    made = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    made.compile(keras.optimizers.Adam, keras.losses.MeanSquaredError, metrics=[keras.metrics.MeanAbsoluteError])
    assert made.metrics_names == ["loss", "mean_absolute_error"]
    with pytest.raises(TypeError, match="epochs is '3'"):
        made.fit(np.ones((1, 2)), np.ones((1, 1)), epochs="3")


def test_layers_know_their_arguments_and_variables():
    layer = keras.layers.Conv2D(8, (3, 5), strides=2, name="c")
    assert (layer.filters, layer.kernel_size, layer.strides, layer.name, layer.built) == (8, (3, 5), (2, 2), "c", False)
    assert layer(keras.Input((9, 9, 3))).shape == (None, 4, 3, 8)
    assert [v.path for v in layer.weights] == ["c/kernel", "c/bias"] and layer.kernel.shape == (3, 5, 3, 8)
    layer.bias.assign(np.arange(8))
    np.testing.assert_array_equal(layer.get_weights()[1], np.arange(8))


def test_a_layer_computes_arrays_with_its_weights():
    layer = keras.layers.Dense(2)
    x = np.ones((3, 4), np.float32)
    y = layer(x)
    np.testing.assert_allclose(y, x @ layer.get_weights()[0], rtol=1e-6)
    assert y.dtype == np.float32


def test_names_count_as_in_keras():
    keras.utils.clear_session()
    assert [keras.layers.Dense(1).name, keras.layers.Dense(1).name, keras.layers.MaxPooling2D().name] == ["dense", "dense_1", "max_pooling2d"]


def test_nested_models_are_the_same_object():
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)], name="inner")
    outer = keras.Sequential([inner, keras.layers.Dense(2)])
    assert outer.layers[0] is inner and outer.layers[0].layers[0] is inner.layers[0]


def test_seeds():
    def weights():
        keras.utils.set_random_seed(5)
        return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]).get_weights()[0]

    np.testing.assert_array_equal(weights(), weights())


def test_built_in_networks():
    import linn

    assert linn.models.resnet20().count_params() == 274042
    assert linn.models.lenet5(input_shape=(32, 32, 3), classes=4).output_shape == (None, 4)
    assert keras.applications.MobileNetV2(weights=None).count_params() == 3538984
    small = keras.applications.ResNet50(weights=None, include_top=False, pooling="avg", input_shape=(32, 32, 3))
    assert small.output_shape == (None, 2048) and small.get_layer("conv1_conv").filters == 64
    with pytest.raises(ValueError, match="downloads nothing"):
        keras.applications.ResNet50(weights="imagenet")
    with pytest.raises(AttributeError, match="did you mean mobilenet_v2"):
        linn.models.mobilenet_v3


def test_activity_regularizers():
    layer = keras.layers.Dense(3, activity_regularizer=keras.regularizers.L1L2(l1=0.1, l2=0.2))
    assert layer.activity_regularizer["class_name"] == "L1L2" and keras.layers.Dense(3).activity_regularizer is None
    plain, penalized = (
        keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, kernel_initializer="ones", activity_regularizer=penalty)]) for penalty in (None, keras.regularizers.L1(0.5))
    )
    x, y = np.array([[1.0, 2.0], [3.0, 4.0]]), np.zeros((2, 2))
    for model in (plain, penalized):
        model.compile("sgd", "mse")
    # Outputs 3, 3, 7, 7: half of their sum, divided by two images.
    assert penalized.evaluate(x, y, verbose=0) == pytest.approx(plain.evaluate(x, y, verbose=0) + 0.5 * 20 / 2)


def test_spectral_normalization():
    layer = keras.layers.SpectralNormalization(keras.layers.Dense(3, activation="relu"), power_iterations=20)
    model = keras.Sequential([keras.Input((4,)), layer])
    assert [v.path.split("/")[-1] for v in model.weights] == ["kernel", "vector_u", "bias"]
    assert (layer.layer.units, layer.power_iterations, layer.vector_u.shape) == (3, 20, (1, 3))
    model.compile(keras.optimizers.SGD(1e-30), "mse")
    model.train_on_batch(np.ones((2, 4)), np.zeros((2, 3)))
    assert np.linalg.norm(np.asarray(layer.kernel), 2) == pytest.approx(1, abs=0.02)
    again = keras.models.model_from_json(model.to_json())
    assert again.layers[0].layer.activation == "relu" and again.to_json() == model.to_json()
    with pytest.raises(ValueError, match="power_iterations is 0; it must be 1 or more"):
        keras.layers.SpectralNormalization(keras.layers.Dense(3), power_iterations=0)
    with pytest.raises(ValueError, match="has no variable"):
        keras.layers.SpectralNormalization(keras.layers.Flatten())(keras.Input((4, 4)))
    used = keras.layers.Dense(3)
    used(keras.Input((4,)))
    with pytest.raises(ValueError, match="give a layer that was not called"):
        keras.layers.SpectralNormalization(used)
    with pytest.raises(ValueError, match="a layer is allowed"):
        keras.layers.SpectralNormalization(3)
