"""The package against numbers that Keras wrote: every layer, histories of fit, summaries."""

import json

import golden
import numpy as np
import pytest

from linn import keras

LAYER_FILES = ("layers", "convolutions", "graph_layers", "activations")


def _layer_cases():
    for file in LAYER_FILES:
        for case in golden.cases(file)["cases"]:
            yield pytest.param(file, case, id=f"{file}-{case['name']}")


_tensors = {}


def _of(file):
    if file not in _tensors:
        _tensors[file] = golden.tensors(file)
    return _tensors[file]


@pytest.mark.parametrize("file, case", list(_layer_cases()))
def test_layer(file, case):
    t = _of(file)
    name = case["name"]
    keys = [k for k in t if k.startswith(f"{name}/input")]
    inputs = [t[k] for k in sorted(keys, key=lambda k: int(k.rpartition("_")[2]) if "_" in k.rpartition("/")[2] else 0)]
    made = getattr(keras.layers, case["class_name"])
    layer = made.from_config({k: v for k, v in case["config"].items() if k != "name"})
    values = [keras.Input(x.shape[1:]) for x in inputs]
    output = layer(values[0] if len(values) == 1 else values)
    expected = t[f"{name}/output"]
    assert output.shape == (None, *expected.shape[1:])
    model = keras.Model(values, output)
    weights = [t[f"{name}/{v.name}"] for v in layer.weights if f"{name}/{v.name}" in t]
    if weights:
        layer.set_weights(weights)
    got = model.predict(inputs if len(inputs) > 1 else inputs[0], accuracy="exact")
    assert got.dtype == np.float32
    finite = np.abs(expected[np.isfinite(expected)])
    scale = max(1.0, float(finite.max(initial=0)))
    np.testing.assert_allclose(got / scale, expected / scale, rtol=0, atol=2e-5 if case.get("single") else 5e-6)


def _one_hot(labels):
    return keras.utils.to_categorical(labels, 4).astype(np.float32)


@pytest.mark.parametrize("case", golden.cases("fit")["cases"], ids=lambda c: c["name"])
def test_fit(case):
    everything, t = golden.cases("fit"), golden.tensors("fit")

    def y(name):
        labels = t["data/y"].reshape(-1, 1) if name == "column" else t[f"data/{name}"]
        return _one_hot(labels) if case["labels"] == "one_hot" else labels

    def value(key, given):
        if key == "validation_data":
            names = list(given)
            return (t[f"data/{names[0]}"], y(names[1]), *(t[f"data/{n}"] for n in names[2:]))
        if key == "class_weight":
            return {int(c): w for c, w in given.items()}
        return t[f"data/{given}"] if isinstance(given, str) and key == "sample_weight" else given

    model = keras.models.model_from_json(json.dumps(everything["models"][case["model"]]))
    model.set_weights([t[f"{case['model']}/{v.path}"] for v in model.weights])
    loss = keras.losses.get(case["loss"])
    model.compile(optimizer=keras.optimizers.deserialize(case["optimizer"]), loss=loss, metrics=case["metrics"])
    options = {k: value(k, v) for k, v in case["fit"].items()}
    callbacks = [getattr(keras.callbacks, c["class_name"])(**c["config"]) for c in case.get("callbacks", [])]
    history = model.fit(t["data/x"], y(case["y"]), shuffle=False, verbose=0, callbacks=callbacks, **options)
    assert history.epoch == case["epoch"]
    assert list(sorted(history.history)) == list(sorted(case["history"]))
    for key, values in case["history"].items():
        np.testing.assert_allclose(history.history[key], values, rtol=3e-4, atol=3e-6)
    predicted = model.predict(t["data/val_x"])
    np.testing.assert_allclose(predicted, t[f"{case['name']}/predict"], rtol=1e-3, atol=1e-4 * max(1, np.abs(predicted).max()))


def _notebook():
    layers = keras.layers
    model = keras.Sequential()
    model.add(layers.Conv2D(32, kernel_size=(3, 3), padding="valid", activation="relu", input_shape=(28, 28, 1)))
    model.add(layers.MaxPooling2D(pool_size=(2, 2), strides=2, padding="valid"))
    model.add(layers.Conv2D(32, kernel_size=(3, 3), padding="valid", activation="relu"))
    model.add(layers.MaxPooling2D(pool_size=(2, 2), strides=2, padding="valid"))
    model.add(layers.Flatten())
    model.add(layers.Dense(128, activation="relu"))
    model.add(layers.Dense(10, activation="softmax"))
    return model


@pytest.mark.parametrize("file, columns, options", [
    ("notebook_80", 80, {}),
    ("notebook_line_100", 200, {"line_length": 100}),
    ("notebook_trainable", 80, {"show_trainable": True}),
    ("notebook_layer_range", 80, {"layer_range": ["conv2d_1", "flatten"]}),
])
def test_summary(file, columns, options, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    keras.utils.clear_session()
    _notebook().summary(**options)
    assert capsys.readouterr().out == (golden.FOLDER / "summary" / f"{file}.txt").read_text()


def test_file_of_keras():
    model = keras.models.load_model(golden.FOLDER / "notebook.keras")
    assert isinstance(model, keras.Sequential) and len(model.layers) == 7
    t = golden.tensors("notebook_fresh_expect")
    assert model.count_params() == 113386 and t


def _mnist():
    data = np.load(golden.FOLDER.parent.parent / "data" / "mnist.npz")
    return data["x_train"].astype(np.float32) / np.float32(255), data["y_train"], data["x_test"].astype(np.float32) / np.float32(255)


def _norm_of_difference(a, b):
    return np.linalg.norm(a.astype(np.float64) - b) / np.linalg.norm(b.astype(np.float64))


@pytest.mark.parametrize("name, optimizer", [
    ("adam", lambda: keras.optimizers.Adam()),
    ("sgd", lambda: keras.optimizers.SGD(learning_rate=0.01, momentum=0.9, nesterov=True)),
])
def test_ten_steps(name, optimizer):
    x, y, x_test = _mnist()
    model = keras.models.model_from_json((golden.FOLDER / "notebook_config.json").read_text())
    model.load_weights(golden.FOLDER / "notebook_fresh.safetensors")
    np.testing.assert_allclose(model.predict(x_test[:256]), golden.tensors("notebook_fresh_expect")["probabilities"], rtol=0, atol=5e-6)
    expected = golden.tensors(f"notebook_fresh_{name}")
    model.compile(optimizer(), "sparse_categorical_crossentropy", metrics=["accuracy"])
    for step in range(10):
        rows = slice(128 * step, 128 * (step + 1))
        loss, _ = model.train_on_batch(x[rows], y[rows])
        assert loss == pytest.approx(expected["losses"][step], rel=1e-4)
    for variable in model.weights:
        assert _norm_of_difference(variable.numpy(), expected[variable.path]) < 1e-4
