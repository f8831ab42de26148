"""The shift lab from Python."""

import json

import numpy as np
import pytest

import linn
from linn import keras

RNG = np.random.default_rng(3)
X = np.pad(RNG.random((24, 4, 4, 1), np.float32), ((0, 0), (4, 4), (4, 4), (0, 0)))
Y = np.arange(24) % 3


def model():
    layers = keras.layers
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [keras.Input((12, 12, 1)), layers.Conv2D(4, 3, padding="same", activation="relu"), layers.MaxPooling2D(), layers.GlobalAveragePooling2D(), layers.Dense(3, activation="softmax")]
    )


@pytest.fixture(scope="module")
def report():
    return linn.shift(model(), X, Y, radius=3)


def test_measures_are_what_numpy_counts(report):
    classes, labels = report.predicted, Y[:, None, None]
    right = classes == labels
    assert report.accuracy == pytest.approx(right[:, 3, 3].mean())
    assert report.mean_accuracy == pytest.approx(right.mean())
    assert report.worst_case_accuracy == pytest.approx(right.all(axis=(1, 2)).mean())
    assert report.flip_rate == pytest.approx((classes != classes[:, 3:4, 3:4]).any(axis=(1, 2)).mean())
    np.testing.assert_allclose(report.map, right.mean(axis=0))
    assert report.accuracy.low <= report.accuracy <= report.accuracy.high
    moved = np.zeros_like(X)
    moved[:, 2:, :-1] = X[:, :-2, 1:]
    np.testing.assert_array_equal(model().predict(moved, accuracy="exact").argmax(1), classes[:, 5, 2])


def test_tables_and_texts(report, tmp_path):
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(report.table())
    assert list(table["radius"]) == [0, 1, 2, 3] and "worst_case_accuracy" in table
    assert "%" in report.verdict and report.verdict in repr(report) and report.explanation
    for kind in ("html", "csv", "json", "png"):
        report.save(tmp_path / f"report.{kind}")
        assert (tmp_path / f"report.{kind}").stat().st_size > 100
    assert json.loads((tmp_path / "report.json").read_text())["images"] == 24
    assert "iframe" in report._repr_html_()
    with pytest.raises(ValueError, match="are known"):
        report.save(tmp_path / "report.doc")
    with pytest.raises(AttributeError, match="accuracy"):
        report.acuracy


def test_plot(report):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    assert "shift" in report.plot().get_xlabel()


def test_fix_makes_a_network_that_circular_shifts_leave_alone():
    fixed = linn.fix(model())
    assert fixed.replacements and "AdaptivePolyphaseSampling2D" in repr(fixed)
    report = linn.shift(fixed.model, X, Y, radius=3, border="circular")
    assert report.is_invariant and report.consistency == 1
    rolled = fixed.model.predict(np.roll(X, (1, 2), axis=(1, 2)))
    np.testing.assert_array_equal(rolled, fixed.model.predict(X))


def test_files_and_models_of_others(tmp_path, report):
    made = model()
    for name in ("m.keras", "m.onnx"):
        made.save(tmp_path / name)
        assert linn.shift(tmp_path / name, X, Y, radius=1).accuracy == pytest.approx(float(report.accuracy))

    class Theirs:  # the shape of a model of Keras
        __module__ = "keras.src.models.sequential"

        def save(self, path):
            made.save(path)

    assert linn.shift(Theirs(), X, Y, radius=1).radius == 1
    with pytest.raises(TypeError, match="a model"):
        linn.shift(3, X)


def test_profile():
    report = linn.profile(model(), batch_size=8, steps=2)
    assert report.images_per_second > 0 and {"op", "layer", "seconds"} <= set(report.ops[0])
    assert "images/s" in repr(report)


@pytest.mark.parametrize("change, error", [({"radius": 40}, ValueError), ({"radius": -1}, ValueError), ({"border": "nowhere"}, ValueError), ({"x": X[:, :, :, 0:0]}, ValueError), ({"y": Y + 5}, ValueError)])
def test_bad_input(change, error):
    with pytest.raises(error):
        linn.shift(**{"model": model(), "x": X, "y": Y, "radius": 1, **change})
