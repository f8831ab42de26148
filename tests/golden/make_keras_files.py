#!/usr/bin/env python3
"""Writes tests/formats/data/keras/: models as Keras 3 and tf_keras 2 save them, for tests/formats/keras_files_test.cc.

    KERAS_BACKEND=tensorflow python tests/golden/make_keras_files.py

Made with Keras 3.15.1, tf_keras 2.21.0 and tensorflow-cpu 2.21.0. Beside NAME.keras, NAME.h5 and NAME.weights.h5 lies NAME.npz: inputs x0, ...,
targets t0, ..., the model's outputs y0, ..., and its outputs z0, ... after three further steps on all of the data. Models were trained for
three steps before they were saved.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tf_keras  # noqa: E402

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "formats", "data", "keras")
ROWS = 6


def cnn(kit):
    L = kit.layers
    model = kit.Sequential([kit.Input((6, 6, 1)), L.Conv2D(3, 3, strides=2, use_bias=False), L.BatchNormalization(), L.ReLU(), L.Dropout(0.25), L.Flatten(),
                            L.Dense(3, activation="softmax")])
    model.compile(kit.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def residual(kit):
    L = kit.layers
    i = kit.Input((3, 3, 2))
    inner = kit.Model(i, L.Add()([L.Conv2D(2, 3, padding="same", activation="tanh")(i), i]), name="inner")
    j, shared = kit.Input((3, 3, 2)), L.Conv2D(2, 1, activation="tanh", name="shared")
    x = L.Concatenate()([inner(shared(j)), shared(inner(j))])
    model = kit.Model(j, L.Dense(3)(L.GlobalAveragePooling2D()(x)))
    model.compile(kit.optimizers.SGD(0.05, momentum=0.0 if kit is tf_keras else 0.9), "mse")
    return model


def two_outputs(kit):
    L = kit.layers
    i = kit.Input((5,))
    x = L.Dense(4, activation="tanh")(i)
    model = kit.Model(i, [L.Dense(3, activation="softmax", name="kind")(x), L.Dense(2, name="place")(x)])
    model.compile(kit.optimizers.Adam(0.01), loss=["sparse_categorical_crossentropy", "mse"], loss_weights=[1.0, 0.5])
    return model


def normalization(kit):
    L = kit.layers
    normal = L.Normalization()
    normal.adapt(np.random.default_rng(1).normal(2, 3, (40, 2, 2, 2)).astype("float32"))
    model = kit.Sequential([kit.Input((2, 2, 2)), normal, L.Flatten(), L.Dense(3)])
    model.compile(kit.optimizers.RMSprop(0.001), "mse")
    return model


def frozen(kit):
    L = kit.layers
    inner = kit.Sequential([kit.Input((4,)), L.Dense(4, activation="tanh"), L.BatchNormalization()], name="inner")
    inner.trainable = False
    model = kit.Sequential([kit.Input((4,)), inner, L.Dense(4, activation="tanh", trainable=False), L.BatchNormalization(scale=False), L.Dense(3)])
    model.compile(kit.optimizers.AdamW(0.01), "mse")
    return model


def spectral(kit):
    L = kit.layers
    model = kit.Sequential([kit.Input((6, 6, 2)), L.SpectralNormalization(L.Conv2D(3, 3, activation="relu", activity_regularizer="l2")),
                            L.Flatten(), L.SpectralNormalization(L.Dense(4, use_bias=False), power_iterations=3), L.Dense(3)])
    model.compile(kit.optimizers.Adam(0.01), "mse")
    return model


def data_for(name, inputs, labels, targets):
    random = np.random.default_rng(len(name))
    data = {"x0": random.uniform(0, 1, (ROWS, *inputs)).astype("float32")}
    for i, target in enumerate(targets):
        data[f"t{i}"] = random.integers(0, 3, ROWS).astype("int32") if target == labels else random.uniform(0, 1, (ROWS, *target)).astype("float32")
    return data


def steps(model, data):
    targets = [value for key, value in data.items() if key[0] == "t"]
    for _ in range(3):
        model.train_on_batch(data["x0"], targets if len(targets) > 1 else targets[0])


def outputs(model, data, letter):
    found = model(data["x0"], training=False)
    return {f"{letter}{i}": np.asarray(value) for i, value in enumerate(found if isinstance(found, (list, tuple)) else [found])}


def write(name, kit, build, endings, inputs, targets):
    kit.utils.set_random_seed(3)
    data = data_for(name, inputs, "labels", targets)
    model = build(kit)
    model.run_eagerly = True
    steps(model, data)
    for ending in endings:
        path = os.path.join(FOLDER, name + ending)
        model.save_weights(path) if ending == ".weights.h5" else model.save(path)
    data.update(outputs(model, data, "y"))
    steps(model, data)
    data.update(outputs(model, data, "z"))
    np.savez_compressed(os.path.join(FOLDER, name + ".npz"), **data)


def main():
    os.makedirs(FOLDER, exist_ok=True)
    write("cnn", keras, cnn, (".keras",), (6, 6, 1), ("labels",))
    write("residual", keras, residual, (".keras",), (3, 3, 2), ((3,),))
    write("two_outputs", keras, two_outputs, (".keras", ".h5"), (5,), ("labels", (2,)))
    write("normalization", keras, normalization, (".keras", ".weights.h5"), (2, 2, 2), ((3,),))
    write("frozen", keras, frozen, (".keras",), (4,), ((3,),))
    write("spectral", keras, spectral, (".keras", ".h5"), (6, 6, 2), ((3,),))
    write("keras2_residual", tf_keras, residual, (".h5",), (3, 3, 2), ((3,),))


if __name__ == "__main__":
    main()
