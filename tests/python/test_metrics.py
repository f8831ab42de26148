"""Losses, metrics and TensorBoard of the package, by hand and in compile; numbers by numpy."""

import numpy as np
import pytest

from linn import keras

losses, metrics = keras.losses, keras.metrics
T = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 0]], "float32")
P = np.array([[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.5, 0.3, 0.2], [0.2, 0.7, 0.1]], "float32")


def test_metrics_of_several_updates_and_weights():
    auc = metrics.AUC()
    auc.update_state([0, 0, 1, 1], [0, 0.5, 0.3, 0.9])
    assert auc.result() == pytest.approx(0.75)
    auc.reset_state()
    auc.update_state([0, 0, 1, 1], [0, 0.5, 0.3, 0.9], sample_weight=[1, 0, 0, 1])
    assert auc.result() == pytest.approx(1.0)
    precision = metrics.Precision(thresholds=[0.0, 0.55])
    for t, p in zip(T, P):
        precision.update_state(t[None], p[None])
    np.testing.assert_allclose(precision.result(), [1 / 3, 1.0], rtol=1e-6)


def test_lists_are_arrays():
    f1 = metrics.F1Score()
    f1.update_state(T, P)
    np.testing.assert_allclose(f1.result(), [2 / 3, 1, 0], atol=1e-6)
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Activation("linear")])
    model.compile("sgd", "mse", metrics=[metrics.F1Score(), "mae"])
    values = model.evaluate(P, T, verbose=0)
    np.testing.assert_allclose(values[1], [2 / 3, 1, 0], atol=1e-6)
    assert values[2] == pytest.approx(np.abs(T - P).mean())
    assert set(model.evaluate(P, T, verbose=0, return_dict=True)) == {"loss", "f1_score", "mae"}


def test_dice_and_circle():
    wanted = 1 - 2 * (T * P).sum() / (T.sum() + P.sum())
    assert losses.Dice()(T, P) == pytest.approx(wanted, rel=1e-5)
    assert losses.dice(T, P) == pytest.approx(wanted, rel=1e-5)
    assert losses.Circle(gamma=2.0)([0, 0, 1, 1], P / np.linalg.norm(P, axis=1, keepdims=True)) > 0
    with pytest.raises(ValueError, match="number for each row"):
        keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(3)]).compile("sgd", losses.Huber(reduction=None))


def test_confusion_matrix():
    np.testing.assert_array_equal(metrics.confusion_matrix([0, 1, 2, 1], P), [[1, 0, 0], [0, 2, 0], [1, 0, 0]])


def test_tensorboard(tmp_path):
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(3)])
    model.compile("sgd", "mse")
    model.fit(P, T, epochs=2, verbose=0, validation_data=(P, T), callbacks=[keras.callbacks.TensorBoard(tmp_path, update_freq="batch")])
    for folder in ("train", "validation"):
        (file,) = (tmp_path / folder).glob("events.out.tfevents.*")
        assert b"epoch_loss" in file.read_bytes()
    with pytest.raises(ValueError, match="histogram_freq"):
        keras.callbacks.TensorBoard(tmp_path, histogram_freq=1)
