#!/usr/bin/env python3
"""Write the golden values of BatchNormalization with Keras.

    python -m venv norm-venv
    norm-venv/bin/pip install keras jax safetensors
    norm-venv/bin/python make_norm_golden.py [--data ../../data/mnist.npz]

The files beside this script, norm.json, norm*.safetensors and norm_summary*.txt,
were made with keras 3.15.1 and jax 0.10.2 on Python 3.11 (x86-64). Keras runs
on JAX in float64; inputs and weights are float32 numbers, results are rounded
to float32 once. README.md says what each file holds.
"""

import argparse
import json
import os

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["COLUMNS"] = "80"

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)
import keras
from keras.src.backend.common import dtypes
from safetensors.numpy import save_file

# On JAX, Keras turns float64 into float32 wherever two types meet, as in this
# layer and in losses. Here float64 stays what it is.
dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"

HERE = os.path.dirname(os.path.abspath(__file__))
L = keras.layers
BATCH, STEPS = 64, 10


def path(name):
    return os.path.join(HERE, name)


def save(name, tensors):
    """Write name.safetensors, rounded to float32."""
    out = {k: np.array(v, np.float32, order="C") for k, v in tensors.items()}
    save_file(out, path(name + ".safetensors"))
    os.chmod(path(name + ".safetensors"), 0o644)
    print(f"  {name}.safetensors: {len(out)} tensors,"
          f" {os.path.getsize(path(name + '.safetensors')):,} bytes")


def clean(config):
    if isinstance(config, dict):
        return {k: clean(v) for k, v in config.items()
                if k != "shared_object_id"}
    return [clean(v) for v in config] if isinstance(config, list) else config


# ---------------------------------------------------------------- one layer

def layer_case(name, tensors, rng, shape, config, mean=0.0, deviation=1.0,
               training=True, steps=3):
    """Output, gradients and moving statistics of the first batch, and the
    moving statistics after `steps` batches."""
    layer = L.BatchNormalization(**config, dtype="float64")
    layer.build(shape)
    start = {"gamma": rng.uniform(0.5, 1.5, shape[-1]),
             "beta": rng.uniform(-1, 1, shape[-1]),
             "moving_mean": rng.uniform(-1, 1, shape[-1]) + mean,
             "moving_variance": rng.uniform(0.5, 2, shape[-1])}
    for v in layer.weights:
        v.assign(start[v.name].astype(np.float32))
        tensors[f"{name}/{v.name}"] = v.numpy()
    batches = [(mean + deviation * rng.standard_normal(shape)).astype(np.float32)
               for _ in range(steps)]
    x = batches[0].astype(np.float64)
    fixed = [v.numpy() for v in layer.non_trainable_variables]

    def f(x, w):
        y, after = layer.stateless_call(w, fixed, x, training=training)
        return y, after

    w = [v.numpy() for v in layer.trainable_variables]
    y, back, after = jax.vjp(f, x, w, has_aux=True)
    upstream = rng.standard_normal(shape).astype(np.float32)
    dx, dw = back(upstream.astype(np.float64))
    tensors |= {f"{name}/input": batches[0], f"{name}/output": y,
                f"{name}/upstream": upstream, f"{name}/grad/input": dx}
    for v, g in zip(layer.trainable_variables, dw, strict=True):
        tensors[f"{name}/grad/{v.name}"] = g
    for i, batch in enumerate(batches[1:]):
        tensors[f"{name}/input_{i + 1}"] = batch
    for batch in batches:
        layer(batch.astype(np.float64), training=training)
    for v in layer.non_trainable_variables:
        tensors[f"{name}/after/{v.name}"] = v.numpy()
    config = {k: v for k, v in clean(layer.get_config()).items()
              if k not in ("name", "dtype")}
    return {"name": name, "training": training, "steps": steps,
            "config": config}


def make_layers(tensors):
    rng = np.random.default_rng(17)
    return [layer_case(name, tensors, rng, shape, config, **more)
            for name, shape, config, more in (
                ("map", (11, 5, 4, 3), {}, {}),
                ("map_inference", (3, 5, 4, 3), {}, {"training": False}),
                ("row", (9, 6), {"momentum": 0.9, "epsilon": 1e-5}, {}),
                ("row_inference", (4, 6), {}, {"training": False}),
                ("one_axis_more", (5, 4, 7), {"axis": 2, "momentum": 0.5}, {}),
                ("no_center", (8, 3, 3, 2), {"center": False}, {}),
                ("no_scale", (8, 3, 3, 2), {"scale": False}, {}),
                ("neither", (8, 3, 3, 2), {"center": False, "scale": False}, {}),
                ("frozen", (6, 3, 3, 2), {"trainable": False}, {}),
                ("one_number_a_channel", (1, 5), {}, {}),
                ("large_mean", (17, 6, 5, 4), {"epsilon": 1e-7},
                 {"mean": 3000.0, "deviation": 0.05}),
                ("wide", (10, 2, 3, 19), {}, {"steps": 1}))]


# ---------------------------------------------------------------- a net

def net(dtype="float64"):
    """The three orders of convolution, normalization, relu and pooling that
    people write, and a normalization of rows. No bias before a normalization:
    its gradient is 0 (behind relu too, in a channel that relu lets pass), and
    Adam would make steps of the rounding errors."""
    model = keras.Sequential([
        keras.Input((28, 28, 1), name="input_layer"),
        L.Conv2D(6, 3, use_bias=False, name="conv2d"),
        L.BatchNormalization(name="batch_normalization"),
        L.Activation("relu", name="activation"),
        L.MaxPooling2D(name="max_pooling2d"),
        L.Conv2D(8, 3, padding="same", use_bias=False, name="conv2d_1"),
        L.MaxPooling2D(name="max_pooling2d_1"),
        L.BatchNormalization(momentum=0.9, name="batch_normalization_1"),
        L.Activation("relu", name="activation_1"),
        L.Conv2D(9, 3, activation="relu", use_bias=False, name="conv2d_2"),
        L.MaxPooling2D(name="max_pooling2d_2"),
        L.Flatten(name="flatten"),
        L.Dense(12, use_bias=False, name="dense"),
        L.BatchNormalization(scale=False, momentum=0.8,
                             name="batch_normalization_2"),
        L.Activation("relu", name="activation_2"),
        L.Dense(10, name="dense_1"),
    ], name="norm")
    rng = np.random.default_rng(19)
    for v in model.variables:
        if len(v.shape) > 1:
            limit = np.sqrt(6 / (np.prod(v.shape[:-1]) + v.shape[-1]))
            v.assign(rng.uniform(-limit, limit, v.shape).astype(np.float32))
        elif "variance" in v.name or v.name == "gamma":
            v.assign(rng.uniform(0.5, 1.5, v.shape).astype(np.float32))
        else:
            v.assign(rng.uniform(-0.1, 0.1, v.shape).astype(np.float32))
    config = clean(model.get_config())
    config["dtype"] = dtype
    for layer in config["layers"]:
        layer["config"]["dtype"] = dtype
    other = keras.Sequential.from_config(config)
    other.set_weights(model.get_weights())
    return other


def named(model):
    return {f"{layer.name}/{v.name}": v.numpy()
            for layer in model.layers for v in layer.weights}


def loss_of(model, x, y):
    def f(trainable, fixed):
        logits, fixed = model.stateless_call(trainable, fixed, x, training=True)
        loss = keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, dtype=logits.dtype.name)(y, logits)
        return loss, fixed
    return jax.value_and_grad(f, has_aux=True)


def variables_of(model):
    return ([v.value for v in model.trainable_variables],
            [v.value for v in model.non_trainable_variables])


def ten_steps(model, optimizer, x, y, tests):
    optimizer.build(model.trainable_variables)
    losses = []
    for k in range(STEPS):
        rows = slice(k * BATCH, (k + 1) * BATCH)
        (loss, fixed), grads = loss_of(model, x[rows], y[rows])(
            *variables_of(model))
        optimizer.apply(grads, model.trainable_variables)
        for v, value in zip(model.non_trainable_variables, fixed, strict=True):
            v.assign(value)
        losses.append(loss)
    return named(model) | {"losses": np.array(losses),
                           "logits": model(tests, training=False)}


def drift(float32, float64):
    """How far Keras in float32 is from the values in the file, norm-wise."""
    def relative(a, b):
        a, b = np.asarray(a, np.float64), np.asarray(b)
        return float(f"{np.linalg.norm(a - b) / np.linalg.norm(b):.1e}")
    return {k: relative(float32[k], float64[k]) for k in float64}


def make_net(data):
    x = data["x_train"][:BATCH * STEPS, ..., None].astype(np.float32)
    x /= np.float32(255)
    y = data["y_train"][:BATCH * STEPS].astype(np.int32)
    tests = data["x_test"][:32, ..., None].astype(np.float32) / np.float32(255)
    x64, tests64 = x.astype(np.float64), tests.astype(np.float64)
    model = net()
    save("norm_fresh", named(model))
    expect = {"logits": model(tests64, training=False)}
    (_, _), grads = loss_of(model, x64[:BATCH], y[:BATCH])(*variables_of(model))
    for v, g in zip(model.trainable_variables, grads, strict=True):
        expect["grad/" + "/".join(v.path.split("/")[-2:])] = g
    save("norm_expect", expect)
    drifts = {}
    for name, optimizer in (
            ("adam", lambda: keras.optimizers.Adam()),
            ("sgd", lambda: keras.optimizers.SGD(0.01, momentum=0.9,
                                                 nesterov=True))):
        float64 = ten_steps(net(), optimizer(), x64, y, tests64)
        float32 = ten_steps(net("float32"), optimizer(), x, y, tests)
        save("norm_" + name, float64)
        drifts[name] = drift(float32, float64)
    return drifts


def make_summary():
    model = net("float32")
    for name, arguments in (("norm_summary", {}),
                            ("norm_summary_trainable", {"show_trainable": True})):
        text = []
        model.summary(print_fn=lambda s, **_: text.append(s), **arguments)
        with open(path(name + ".txt"), "w", encoding="utf-8") as f:
            f.write("".join(text))
    return {"module": "keras", "class_name": "Sequential",
            "config": clean(model.get_config())}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=path("../../data/mnist.npz"))
    args = parser.parse_args()
    tensors = {}
    cases = make_layers(tensors)
    save("norm", tensors)
    with np.load(args.data) as data:
        drifts = make_net(data)
    config = make_summary()
    lines = ",\n  ".join(json.dumps(c) for c in cases)
    with open(path("norm.json"), "w", encoding="utf-8") as f:
        f.write('{\n "what": "norm.safetensors: of case N the variables N/gamma'
                ' and so on, N/input, N/output, N/upstream, N/grad/*, and'
                ' N/after/moving_* after that batch and N/input_1, ...",\n'
                f' "float32_drift": {json.dumps(drifts)},\n'
                f' "model": {json.dumps(config)},\n "cases": [\n  {lines}\n ]\n}}\n')


if __name__ == "__main__":
    main()
