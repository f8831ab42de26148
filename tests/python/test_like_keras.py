"""What Keras's own tests found (tests/python/keras_suite.py), kept here in short."""

import pickle

import numpy as np
import pytest

from linn import errors, keras
from linn.keras import layers


def _two_inputs():
    a, b = keras.Input((3,), name="first"), keras.Input((3,), name="second")
    sum_ = layers.Dense(2, name="sum")(a + b)
    return keras.Model({"a": a, "b": b}, {"sum": sum_, "rest": (a, 2 * b - 1)})


X = {"a": np.ones((4, 3), np.float32), "b": np.full((4, 3), 2, np.float32)}


def test_layers_are_built_as_in_keras():
    assert layers.MaxPooling2D(2).built and layers.ReLU().built
    assert not layers.Dense(2).built and not layers.Add().built and not layers.Normalization().built
    added = layers.Add()
    added.build([(None, 3), (None, 3)])
    assert added.built


def test_config_has_tuples():
    config = layers.ZeroPadding2D(((1, 2), (3, 4))).get_config()
    assert config["padding"] == ((1, 2), (3, 4))
    assert layers.Conv2D(4, 3).get_config()["kernel_size"] == (3, 3)
    assert layers.Dense(2, use_bias=False).bias is None


@pytest.mark.parametrize("make", [lambda: layers.LeakyReLU(None), lambda: layers.ReLU(threshold=None), lambda: keras.Input((3,), sparse=True)])
def test_what_would_be_ignored_is_refused(make):
    with pytest.raises(ValueError):
        make()


def test_losses_by_row_reduction_and_weights():
    t, p = np.array([[1.0, 2], [3, 5]]), np.array([[1.0, 0], [0, 1]])
    rows = ((t - p) ** 2).mean(-1)
    np.testing.assert_allclose(keras.losses.mean_squared_error(t, p), rows)
    mse = keras.losses.MeanSquaredError
    assert mse()(t, p) == pytest.approx(rows.mean())
    assert mse(reduction="sum")(t, p) == pytest.approx(rows.sum())
    np.testing.assert_allclose(mse(reduction=None)(t, p, sample_weight=[1, 2]), rows * [1, 2])
    assert mse()(t, p, sample_weight=[[1], [2]]) == pytest.approx((rows * [1, 2]).mean())
    assert mse(reduction="mean_with_sample_weight")(t, p, sample_weight=[1, 2]) == pytest.approx(np.average(rows, weights=[1, 2]))
    assert mse(name="mine").get_config() == {"name": "mine", "reduction": "sum_over_batch_size"}
    assert keras.losses.get("mse") is keras.losses.mean_squared_error
    with pytest.raises(ValueError, match="reduction"):
        mse(reduction="max")


def test_metrics_weigh_samples():
    t, p = np.array([[1.0, 2], [3, 5]]), np.array([[1.0, 0], [0, 1]])
    rows = ((t - p) ** 2).mean(-1)
    metric = keras.metrics.MeanSquaredError()
    metric.update_state(t, p, sample_weight=[1, 3])
    assert metric.result() == pytest.approx(np.average(rows, weights=[1, 3]))
    root = keras.metrics.RootMeanSquaredError()
    assert root([1, 2, 4], [1, 1, 2], sample_weight=[1, 2, 1]) == pytest.approx(np.sqrt((0 + 2 + 4) / 4))
    assert keras.metrics.Precision()([0, 1], [1, 1], sample_weight=[1, 2]) == pytest.approx(2 / 3)


def test_structures_of_inputs_and_outputs(tmp_path):
    model = _two_inputs()
    given = model.predict(X)
    assert set(given) == {"sum", "rest"} and isinstance(given["rest"], tuple)
    np.testing.assert_allclose(given["rest"][1], 2 * X["b"] - 1)
    config = keras.Model.from_config(model.get_config())
    config.set_weights(model.get_weights())
    for other in (config, keras.models.model_from_json(model.to_json()), pickle.loads(pickle.dumps(model)), keras.models.clone_model(model)):
        other.set_weights(model.get_weights())
        np.testing.assert_allclose(other.predict(X)["sum"], given["sum"])
    with pytest.warns(UserWarning, match="'c' is not used"):
        model.predict({**X, "c": X["a"]})
    with pytest.raises(ValueError, match="lacks 'b'"):
        model.predict({"a": X["a"]})


def test_dict_outputs_are_trained_by_their_keys():
    value = keras.Input((3,))
    model = keras.Model(value, {"p": layers.Dense(1)(value), "q": layers.Dense(2)(value)})
    model.compile("sgd", loss={"p": "mse", "q": ["mae"]}, loss_weights={"p": 1.0, "q": 2.0})
    x = np.ones((8, 3), np.float32)
    history = model.fit(x, {"q": np.zeros((8, 2)), "p": np.zeros((8, 1))}, verbose=0)
    assert np.isfinite(history.history["loss"][0])
    with pytest.raises(ValueError, match="'r'"):
        model.compile("sgd", loss={"r": "mse"})


def test_sequential_before_it_is_built():
    model = keras.Sequential([layers.Dense(2)])
    assert not hasattr(model, "inputs") and model.compute_output_shape((None, 3)) == (None, 2)
    for other in (pickle.loads(pickle.dumps(model)), keras.models.clone_model(model), keras.Sequential.from_config(model.get_config())):
        assert isinstance(other, keras.Sequential) and not other.built
        other.add(layers.Dense(1))
        assert other(np.ones((2, 3), np.float32)).shape == (2, 1)
    with pytest.raises(ValueError, match="no layers"):
        keras.Sequential()(np.ones((2, 3)))
    built = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    with pytest.raises(ValueError, match="built for"):
        built.build((None, 4))


def test_fit_of_a_generator_builds():
    model = keras.Sequential([layers.Dense(2)])
    model.compile("sgd", "mse")
    batches = iter([(np.ones((4, 3), np.float32), np.zeros((4, 2), np.float32))] * 3)
    assert len(model.fit(batches, steps_per_epoch=3, verbose=0).history["loss"]) == 1
    assert next(batches, None) is None  # the batch that built the model was trained on too


def test_models_inside_keep_their_layers(tmp_path):
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(4, name="deep")], name="inner")
    outer = keras.Sequential([inner, layers.Dense(1)])
    assert outer.built
    outer.save(tmp_path / "outer.keras")
    for model in (outer, keras.models.load_model(tmp_path / "outer.keras")):
        assert model.get_layer("inner").get_layer("deep").kernel.shape == (3, 4)


def test_clone_with_functions():
    value = keras.Input((3,))
    dense = layers.Dense(3, name="twice")
    model = keras.Model(value, layers.Add(name="add")([dense(dense(value)), value]))

    def renamed(layer):
        return type(layer).from_config({**layer.get_config(), "name": layer.name + "_new"})

    clone = keras.models.clone_model(model, clone_function=renamed)
    clone.set_weights(model.get_weights())
    np.testing.assert_allclose(clone.predict(X["a"]), model.predict(X["a"]))
    assert [layer.name for layer in clone.layers[1:]] == ["twice_new", "add_new"]
    shared = keras.models.clone_model(model, clone_function=lambda layer: layer)
    assert shared.get_layer("twice") is dense
    dropped = keras.models.clone_model(model, call_function=lambda layer, x: layers.Dropout(0.5)(layer(x)))
    assert sum(isinstance(layer, layers.Dropout) for layer in dropped.layers) == 3


def test_learning_rates():
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1)])
    x, y = np.ones((4, 1), np.float32), np.ones((4, 1), np.float32)
    model.compile(keras.optimizers.SGD(0.5), "mse")
    history = model.fit(x, y, epochs=2, verbose=0, callbacks=[keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (1 + epoch))])
    np.testing.assert_allclose(history.history["learning_rate"], [0.1, 0.05], rtol=1e-6)
    model.optimizer.learning_rate.assign(0.25)
    assert model.optimizer.learning_rate == model.optimizer.learning_rate.value == 0.25
    plateau = keras.callbacks.ReduceLROnPlateau(monitor="loss", factor=0.1, patience=1, min_delta=100, min_lr=0.01)
    model.fit(x, y, epochs=4, verbose=0, callbacks=[plateau])
    assert model.optimizer.learning_rate == pytest.approx(0.01)


def test_terminate_on_nan():
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = np.ones((8, 1), np.float32), np.full((8, 1), np.inf, np.float32)
    model.fit(x, y, epochs=3, batch_size=2, verbose=0, callbacks=[keras.callbacks.TerminateOnNaN()])
    assert model.stop_training
    with pytest.raises(RuntimeError, match="batch 0"):
        model.fit(x, y, batch_size=2, verbose=0, callbacks=[keras.callbacks.TerminateOnNaN(raise_error=True)])


def test_a_step_with_nan_changes_nothing():
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, name="out")])
    model.compile(keras.optimizers.SGD(1e30), "mse")
    x, y = np.ones((8, 1), np.float32), np.zeros((8, 1), np.float32)
    with pytest.raises(ArithmeticError, match="epoch 1, step .*learning rate 1e\\+30") as caught:
        model.fit(x, y, epochs=3, batch_size=2, verbose=0)
    assert isinstance(caught.value, errors.NonFiniteError)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    x[5] = np.nan
    with pytest.raises(errors.DataError, match="x: sample 5 holds a value that is NaN"):
        model.fit(x, y, verbose=0)
    with pytest.raises(errors.NonFiniteError, match="x: sample 5"):
        model.train_on_batch(x, y)
    assert np.isnan(model.fit(x, y, verbose=0, on_nan="ignore").history["loss"][0])
    with pytest.raises(MemoryError, match="fit needs"):
        model.fit(np.ones((8, 1), np.float32), y, verbose=0, memory_limit=100)


def test_activation_functions_of_one_axis():
    numbers = np.array([-1.0, 0, 2], np.float32)
    np.testing.assert_allclose(keras.activations.softmax(numbers), np.exp(numbers) / np.exp(numbers).sum(), rtol=1e-6)
    np.testing.assert_allclose(keras.activations.threshold(numbers, 1.0, 7.0), [7, 7, 2])
