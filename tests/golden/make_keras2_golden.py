#!/usr/bin/env python3
"""Write configurations as tf.keras 2 wrote them, and what those models compute.

    python -m venv keras2-venv
    keras2-venv/bin/pip install tf_keras tensorflow-cpu safetensors
    keras2-venv/bin/python make_keras2_golden.py

Writes keras2.json (the configurations, word for word, and the variables' names
and shapes) and keras2.safetensors (outputs), made with tf_keras 2.21.0 and
tensorflow-cpu 2.21.0. tf_keras runs in float64; weights and inputs follow from
formula.py. The configurations then say float32, as a user's do.
"""

import json
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import numpy as np
import tensorflow as tf
import tf_keras as keras
from safetensors.numpy import save_file

import formula

HERE = os.path.dirname(os.path.abspath(__file__))
L = keras.layers


def sequential():
    return keras.Sequential([
        L.Conv2D(4, 3, activation="relu", input_shape=(9, 8, 2)),
        L.MaxPooling2D(), L.BatchNormalization(), L.Dropout(0.5), L.Flatten(),
        L.Dense(3, activation="softmax")])


def with_input():
    return keras.Sequential([keras.Input((7, 7, 1), name="digits"),
                             L.ZeroPadding2D(1), L.Conv2D(3, 3, strides=2),
                             L.LeakyReLU(), L.GlobalAveragePooling2D()])


def built_later():
    """No Input and no input_shape: the configuration says what it was built
    with."""
    model = keras.Sequential([L.Conv2D(3, 3), L.Flatten(), L.Dense(2)])
    model.build((None, 6, 5, 2))
    return model


def residual():
    i = keras.Input((8, 8, 3))
    x = L.Conv2D(4, 3, padding="same", use_bias=False)(i)
    y = L.ReLU(6.0)(L.BatchNormalization()(x))
    y = L.DepthwiseConv2D(3, padding="same")(y)
    z = L.add([x, L.SeparableConv2D(4, 3, padding="same")(y)])
    return keras.Model(i, L.Dense(5, activation="softmax")(
        L.GlobalAveragePooling2D()(z)))


def shared():
    a, b = keras.Input((6, 6, 2), name="a"), keras.Input((6, 6, 2), name="b")
    conv, norm = L.Conv2D(3, 3, name="conv"), L.BatchNormalization(name="norm")
    x, y = norm(conv(a)), norm(conv(b))
    dense = L.Dense(4, activation="tanh", name="dense")
    u, v = dense(L.Flatten()(x)), dense(L.Flatten()(y))
    return keras.Model([a, b], [L.Dense(2, name="last")(L.concatenate([u, v])),
                                L.subtract([x, y])])


def nested():
    """Models in models, called twice: a call of a model counts from 1 here."""
    i = keras.Input((6, 6, 3))
    chain = keras.Sequential([keras.Input((6, 6, 3)),
                              L.Conv2D(3, 3, padding="same"),
                              L.BatchNormalization()], name="chain")
    later = keras.Sequential([L.Conv2D(3, 1), L.Activation("elu")],
                             name="later")
    block = keras.Model(i, [L.Add()([chain(i), i]), later(i)], name="block")
    j = keras.Input((6, 6, 3))
    a, b = block(j)
    c, d = block(a)
    return keras.Model(j, [L.Dense(2)(L.Flatten()(L.Concatenate()(
        [b, c, d]))), a])


def inference():
    """A call with training=False, and frozen layers."""
    i = keras.Input((5, 5, 2))
    base = keras.Model(i, L.BatchNormalization()(L.Conv2D(3, 3)(i)),
                       name="base")
    base.trainable = False
    j = keras.Input((5, 5, 2))
    return keras.Model(j, L.Dense(2)(L.Flatten()(base(j, training=False))))


def fine_tuning():
    """A model that is trained, but computes as in inference, as a layer and a
    model that are called with training=False."""
    i = keras.Input((5, 5, 2))
    base = keras.Model(i, L.BatchNormalization()(L.Conv2D(3, 3)(i)),
                       name="base")
    j = keras.Input((5, 5, 2))
    x = L.BatchNormalization()(L.Activation("tanh")(base(j, training=False)),
                               training=False)
    x = L.BatchNormalization()(x)
    return keras.Model(j, L.Dense(2)(L.Flatten()(x)))


def layers():
    """Every other class, each as tf.keras writes it."""
    i = keras.Input((8, 8, 4))
    maps = [
        L.Conv2DTranspose(3, 3, strides=2, padding="same")(i),
        L.Conv2D(4, 3, groups=2, dilation_rate=2, activation="swish",
                 kernel_regularizer=keras.regularizers.L2(0.01))(i),
        L.SeparableConv2D(3, 3, depth_multiplier=2)(i),
        L.DepthwiseConv2D(3, strides=2, depth_multiplier=2)(i),
        L.AveragePooling2D(3, strides=2, padding="same")(i),
        L.MaxPooling2D(2, padding="same")(i),
        L.UpSampling2D((2, 3))(i),
        L.Resizing(5, 9, interpolation="nearest")(i),
        L.Cropping2D(((1, 0), (2, 1)))(i), L.ZeroPadding2D((1, 2))(i),
        L.Permute((3, 1, 2))(i), L.Reshape((4, -1, 8))(i),
        L.SpatialDropout2D(0.3)(i), L.GaussianNoise(0.1)(i),
        L.Rescaling(0.5, offset=0.1)(i), L.Identity()(i),
        L.ReLU(max_value=1.0, negative_slope=0.1, threshold=0.2)(i),
        L.LeakyReLU(alpha=0.1)(i), L.PReLU(shared_axes=[1, 2])(i),
        L.ELU(alpha=0.5)(i), L.Softmax(axis=-1)(i),
        L.Activation("gelu")(i), L.Activation("selu")(i), L.Activation(tf.nn.relu6)(i),
        L.LayerNormalization()(i), L.GroupNormalization(2)(i),
        L.BatchNormalization(momentum=0.9, center=False)(i),
        L.Multiply()([i, i]), L.Average()([i, i]), L.Maximum()([i, i]),
        L.Minimum()([i, i])]
    rows = [L.GlobalMaxPooling2D(keepdims=True)(i),
            L.GlobalAveragePooling2D()(i), L.Dense(3, use_bias=False)(i)]
    return keras.Model(i, maps + rows)


def float32(config):
    if isinstance(config, dict):
        return {k: "float32" if k == "dtype" else float32(v)
                for k, v in config.items()}
    return [float32(v) for v in config] if isinstance(config, list) else config


def variable_name(variable):
    """Keras 3 calls DepthwiseConv2D's kernel so; SeparableConv2D has two."""
    layer, name = variable.name.split(":")[0].split("/")[-2:]
    return "kernel" if layer.startswith("depthwise") and name.endswith(
        "kernel") else name


def train(model, x, tensors):
    """Three steps of SGD; the weights after them."""
    model.compile(keras.optimizers.legacy.SGD(0.1), "mse")
    y = formula.values([len(x), 2], 20_000, -1, 1)
    for _ in range(3):
        model.train_on_batch(x.astype(np.float64), y.astype(np.float64))
    for i, value in enumerate(model.get_weights()):
        tensors[f"fine_tuning/after/{i}"] = value.astype(np.float32)


def main():
    keras.backend.set_floatx("float64")
    cases, tensors = [], {}
    for make in (sequential, with_input, built_later, residual, shared, nested,
                 inference, fine_tuning,
                 layers):
        keras.backend.clear_session()
        model = make()
        config = float32(json.loads(model.to_json()))
        model.set_weights([
            formula.weight(variable_name(v), v.shape, i)
            for i, v in enumerate(model.weights)])
        x = [formula.values([3] + list(t.shape[1:]), 10_000 + 100 * i, -1, 1)
             for i, t in enumerate(model.inputs)]
        y = model([v.astype(np.float64) for v in x] if len(x) > 1 else
                  x[0].astype(np.float64))
        for i, value in enumerate(y if isinstance(y, list) else [y]):
            tensors[f"{make.__name__}/output_{i}"] = value.numpy().astype(
                np.float32)
        if make is fine_tuning:
            train(model, x[0], tensors)
        cases.append({"name": make.__name__, "model": config,
                      "inputs": [list(v.shape[1:]) for v in x],
                      "weights": [[variable_name(v), list(v.shape)]
                                  for v in model.weights],
                      "parameters": int(model.count_params())})
    lines = ",\n".join(json.dumps(case) for case in cases)
    with open(os.path.join(HERE, "keras2.json"), "w", encoding="utf-8") as f:
        f.write('{"keras": "tf_keras 2.21.0",\n"cases": [\n' + lines + "\n]}\n")
    save_file(tensors, os.path.join(HERE, "keras2.safetensors"))


if __name__ == "__main__":
    main()
