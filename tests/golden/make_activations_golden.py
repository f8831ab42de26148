#!/usr/bin/env python3
"""Write the golden values of Keras's activation functions, with their arguments.

    pip install keras tensorflow-cpu safetensors
    python make_activations_golden.py

activations.json and activations.safetensors were made with keras 3.15.1 on
TensorFlow 2.21. The functions run in float64 on float32 numbers; results are
rounded to float32 once. The layout is that of layers.json: one Activation
layer a case, whose configuration holds the function as Keras writes it, or,
where Keras cannot write a function with arguments, as linn does.
"""
import json
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf
from safetensors.numpy import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
A, L = keras.activations, keras.layers


def by_class(layer):
    """A function as Keras writes it inside another layer."""
    node = L.Activation(layer).get_config()["activation"]
    node["config"].pop("name", None)
    node["config"]["dtype"] = "float32"
    return node


def by_name(name, **arguments):
    return {"module": "keras.activations", "class_name": name, "config": arguments, "registered_name": None}


def own(name, **arguments):
    """A function that linn has and Keras has not."""
    return {"module": "linn.activations", "class_name": name, "config": arguments, "registered_name": f"linn>{name}"}


def sparsemax(x, axis=-1):
    """By the definition of Martins and Astudillo. That of keras 3.15.1 takes a wrong threshold where two or more values are kept, and its
    rows do not sum to 1 (keras issue 23425, mended since)."""
    rows = tf.experimental.numpy.moveaxis(x, axis, -1)
    ordered = tf.sort(rows, axis=-1, direction="DESCENDING")
    number = tf.range(1, rows.shape[-1] + 1, dtype=rows.dtype)
    kept = 1 + number * ordered > tf.cumsum(ordered, axis=-1)
    count = tf.reduce_sum(tf.cast(kept, rows.dtype), axis=-1, keepdims=True)
    threshold = (tf.reduce_sum(tf.where(kept, ordered, 0.0), axis=-1, keepdims=True) - 1) / count
    return tf.experimental.numpy.moveaxis(tf.maximum(rows - threshold, 0.0), -1, axis)


PLAIN = ["linear", "relu", "relu6", "leaky_relu", "elu", "selu", "softplus", "softsign", "sigmoid", "hard_sigmoid", "silu", "hard_silu", "gelu",
         "tanh", "exponential", "mish", "log_sigmoid", "softmax", "log_softmax", "celu", "glu", "hard_tanh", "hard_shrink", "soft_shrink",
         "tanh_shrink", "squareplus", "sparse_plus", "sparse_sigmoid"]
CASES = [(name, name, getattr(A, name)) for name in PLAIN]
for slope, most, threshold in ((0.25, None, 0.0), (0.0, 1.5, 0.0), (0.0, None, 0.5), (0.125, 2.0, 0.75), (0.0, 6.0, 0.0)):
    arguments = dict(negative_slope=slope, max_value=most, threshold=threshold)
    CASES.append((f"relu_{slope}_{most}_{threshold}", by_class(L.ReLU(**arguments)), lambda x, a=arguments: A.relu(x, **a)))
CASES += [
    ("leaky_relu_0.375", by_class(L.LeakyReLU(negative_slope=0.375)), lambda x: A.leaky_relu(x, 0.375)),
    ("elu_0.5", by_class(L.ELU(alpha=0.5)), lambda x: A.elu(x, 0.5)),
    ("softmax_layer", by_class(L.Softmax()), A.softmax),
    ("celu_2", by_name("celu", alpha=2.0), lambda x: A.celu(x, 2.0)),
    ("gelu_approximate", by_name("gelu", approximate=True), lambda x: A.gelu(x, approximate=True)),
    ("hard_shrink_1", by_name("hard_shrink", threshold=1.0), lambda x: A.hard_shrink(x, 1.0)),
    ("soft_shrink_1", by_name("soft_shrink", threshold=1.0), lambda x: A.soft_shrink(x, 1.0)),
    ("squareplus_0.5", by_name("squareplus", b=0.5), lambda x: A.squareplus(x, 0.5)),
    ("threshold_0.5", by_name("threshold", threshold=0.5, default_value=-1.25), lambda x: A.threshold(x, 0.5, -1.25)),
    ("sparsemax", "sparsemax", sparsemax),
    ("sparsemax_1", by_name("sparsemax", axis=1), lambda x: sparsemax(x, 1)),
    ("softmax_1", by_name("softmax", axis=1), lambda x: A.softmax(x, axis=1)),
    ("log_softmax_1", by_name("log_softmax", axis=1), lambda x: A.log_softmax(x, axis=1)),
    ("power", own("power"), lambda x: x * x),
    ("power_3", own("power", exponent=3.0), lambda x: x * x * x),
    ("power_0.5", own("power", exponent=0.5), tf.sqrt),
    ("power_-1", own("power", exponent=-1.0), lambda x: 1 / x),
    ("log", own("log"), tf.math.log),
]
POSITIVE = {"power_0.5", "power_-1", "log"}  # functions of positive numbers


def main():
    rng = np.random.default_rng(12)
    tensors, cases = {}, []
    for name, config, function in CASES:
        # Both tails and the kinks' neighbourhood; 12 columns: several vectors and a rest.
        x = np.concatenate([rng.normal(0, 3, (2, 3, 12)), rng.normal(0, 0.8, (1, 3, 12))]).astype(np.float32)
        if name in POSITIVE:
            x = np.abs(x) + np.float32(0.05)
        at = tf.constant(x, tf.float64)
        with tf.GradientTape() as tape:
            tape.watch(at)
            y = function(at)
        upstream = rng.normal(0, 1, y.shape).astype(np.float32)
        gradient = tape.gradient(y, at, output_gradients=tf.constant(upstream, tf.float64))
        for key, value in dict(input=x, output=y, upstream=upstream).items():
            tensors[f"{name}/{key}"] = np.array(value, np.float32, order="C")
        tensors[f"{name}/grad/input"] = np.array(gradient, np.float32, order="C")
        cases.append(dict(name=name, class_name="Activation", config=dict(activation=config), input_shape=list(x.shape), output_shape=list(y.shape),
                          gradient=True))
    save_file(tensors, os.path.join(HERE, "activations.safetensors"))
    with open(os.path.join(HERE, "activations.json"), "w") as file:
        json.dump({"what": "activation functions, in the layout of layers.json", "cases": cases}, file, indent=0)
        file.write("\n")
    print(len(cases), "cases")


main()
