#!/usr/bin/env python3
"""Write linn's golden values with Keras: the numbers the C++ tests compare with.

    python -m venv golden-venv
    golden-venv/bin/pip install keras tensorflow-cpu safetensors h5py
    golden-venv/bin/python make_golden.py [--data ../../data/mnist.npz]
                                          [--only nets layers losses optimizers summary fit]
                                          [--retrain]

The files beside this script were made with keras 3.15.1, tensorflow-cpu
2.21.0, safetensors 0.8.0, h5py 3.14.0, numpy 2.4.6 and rich 15.0.0 on
Python 3.11 (x86-64). README.md says what each file holds.

How the values are computed
  * Backend TensorFlow on one CPU thread, op determinism on, oneDNN off, no
    XLA except where Keras itself asks for it (grouped convolutions).
  * Everything that is compared closely is computed with Keras in float64 (the
    same layers with dtype="float64", the same float32 weights and inputs cast
    up) and rounded to float32 once, at the end. The same things are computed
    in plain float32 Keras too; how far the two lie apart is written to
    nets.json, so that a tolerance can be judged against Keras's own rounding.
  * Inputs and weights are float32 numbers, so nothing is lost in the files.
  * notebook_trained.safetensors is the result of one epoch of float32
    training, which another CPU does not repeat bit for bit; it is an input of
    the other files, so it is kept unless --retrain is given.
"""

import argparse
import json
import os
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import numpy as np
import tensorflow as tf

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)

import keras
from safetensors.numpy import load_file, save_file

HERE = os.path.dirname(os.path.abspath(__file__))
NOTEBOOK_BATCHES = 10
BATCH = 128


# ---------------------------------------------------------------- files

def path(*parts):
    return os.path.join(HERE, *parts)


def save(name, tensors):
    """Write name.safetensors, contiguous, floating point rounded to float32."""
    out = {}
    for key, value in tensors.items():
        value = np.asarray(value)
        if value.dtype == np.float64:
            value = value.astype(np.float32)
        elif value.dtype == np.int64:
            value = value.astype(np.int32)
        # ascontiguousarray would turn a scalar into one element of rank 1
        out[key] = value.copy(order="C")
    save_file(out, path(name + ".safetensors"))
    os.chmod(path(name + ".safetensors"), 0o644)
    back = load_file(path(name + ".safetensors"))
    assert back.keys() == out.keys()
    for key in out:
        assert back[key].shape == out[key].shape, key
        assert back[key].dtype == out[key].dtype, key
        assert np.array_equal(back[key], out[key],
                              equal_nan=out[key].dtype.kind == "f"), key
    print(f"  {name}.safetensors: {len(out)} tensors,"
          f" {os.path.getsize(path(name + '.safetensors')):,} bytes")


def save_json(name, value):
    text = json.dumps(value, indent=1, allow_nan=False)
    with open(path(name), "w", encoding="utf-8") as f:
        f.write(text + "\n")
    with open(path(name), encoding="utf-8") as f:
        assert json.load(f) == json.loads(text)
    print(f"  {name}: {os.path.getsize(path(name)):,} bytes")


# ---------------------------------------------------------------- models

def clean_config(value):
    """Drop shared_object_id: memory addresses, different in every run."""
    if isinstance(value, dict):
        return {k: clean_config(v) for k, v in value.items()
                if k != "shared_object_id"}
    if isinstance(value, (list, tuple)):
        return [clean_config(v) for v in value]
    return value


def model_config(model):
    """The {"module", "class_name": "Sequential", "config", ...} form."""
    config = clean_config(keras.saving.serialize_keras_object(model))
    config.pop("compile_config", None)
    return config


def twin(model, dtype):
    """The same Sequential, weights included, with every layer in `dtype`."""
    config = clean_config(model.get_config())
    config["dtype"] = dtype
    for layer in config["layers"]:
        layer["config"]["dtype"] = dtype
    other = keras.Sequential.from_config(config)
    if not other.built:
        other.build(model.input_shape)
    other.set_weights(model.get_weights())
    for v in other.variables:
        assert v.dtype == dtype, (v.path, v.dtype)
    return other


def names(model):
    """`<layer name>/<variable>` of every weight."""
    return [f"{layer.name}/{v.name}" for layer in model.layers
            for v in layer.weights]


def weights(model):
    return dict(zip(names(model), model.get_weights(), strict=True))


def set_weights(model, tensors):
    model.set_weights([tensors[n] for n in names(model)])


def relative(a, b):
    """Norm-wise distance of a from b."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    n = np.linalg.norm(b)
    return rounded(np.linalg.norm(a - b) / (n or 1))


def rounded(x):
    return float(f"{x:.1e}")


# ---------------------------------------------------------------- the two nets

def train_step(model, optimizer, dtype):
    loss_fn = keras.losses.SparseCategoricalCrossentropy(dtype=dtype)

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = loss_fn(y, model(x, training=True))
        variables = model.trainable_variables
        grads = tape.gradient(loss, [v.value for v in variables])
        optimizer.apply(grads, variables)
        return loss

    return step


def notebook_model():
    model = keras.models.load_model(path("notebook.keras"), compile=False)
    assert [l.name for l in model.layers] == [
        "conv2d", "max_pooling2d", "conv2d_1", "max_pooling2d_1", "flatten",
        "dense", "dense_1"], [l.name for l in model.layers]
    return model


def train_one_epoch(model, x, y):
    """Adam, batch 128, pixels/255, order from numpy's default_rng(0)."""
    step = train_step(model, keras.optimizers.Adam(), "float32")
    order = np.random.default_rng(0).permutation(len(x))
    for at in range(0, len(x), BATCH):
        rows = np.sort(order[at:at + BATCH])
        step(tf.constant(x[rows].astype(np.float32) / np.float32(255)),
             tf.constant(y[rows]))


def same_model():
    L = keras.layers
    model = keras.Sequential([
        keras.Input((28, 28, 1), name="input_layer"),
        L.Conv2D(8, 3, strides=2, padding="same", activation="relu",
                 name="conv2d"),
        L.MaxPooling2D(3, strides=2, padding="same", name="max_pooling2d"),
        L.Conv2D(12, 5, padding="same", activation="tanh", name="conv2d_1"),
        L.AveragePooling2D(3, strides=2, padding="same",
                           name="average_pooling2d"),
        L.Flatten(name="flatten"),
        L.Dense(20, activation="sigmoid", name="dense"),
        L.Dense(10, activation="softmax", name="dense_1"),
    ], name="same")
    # Glorot-uniform kernels as Keras draws them, but from numpy's generator;
    # biases uniform in +-0.1 instead of Keras's zeros, so that they count.
    rng = np.random.default_rng(3)
    drawn = []
    for w in model.get_weights():
        if w.ndim == 1:
            limit = 0.1
        else:
            field = int(np.prod(w.shape[:-2]))
            limit = np.sqrt(6 / (field * (w.shape[-2] + w.shape[-1])))
        drawn.append(rng.uniform(-limit, limit, w.shape).astype(np.float32))
    model.set_weights(drawn)
    return model


def expectations(model, test_x, batches):
    """Probabilities, loss and gradients: in float64, and the float32 drift."""
    result = {}
    for dtype in ("float32", "float64"):
        m = twin(model, dtype)
        out = {"probabilities": m(test_x.astype(dtype)).numpy()}
        x, y = batches[0]
        loss_fn = keras.losses.SparseCategoricalCrossentropy(dtype=dtype)
        with tf.GradientTape() as tape:
            loss = loss_fn(y, m(x.astype(dtype), training=True))
        grads = tape.gradient(loss, [v.value for v in m.trainable_variables])
        out["loss"] = loss.numpy()
        for name, g in zip(names(m), grads, strict=True):
            out["grad/" + name] = g.numpy()
        result[dtype] = out
    f32, f64 = result["float32"], result["float64"]
    drift = {"probabilities_max_abs": rounded(
        np.abs(f32["probabilities"] - f64["probabilities"]).max())}
    drift |= {k + "_relative": relative(f32[k], f64[k])
              for k in f64 if k != "probabilities"}
    return f64, drift


def ten_steps(model, make_optimizer, batches):
    result = {}
    for dtype in ("float32", "float64"):
        m = twin(model, dtype)
        step = train_step(m, make_optimizer(), dtype)
        losses = [step(tf.constant(x.astype(dtype)), tf.constant(y)).numpy()
                  for x, y in batches]
        result[dtype] = weights(m) | {"losses": np.array(losses)}
    f32, f64 = result["float32"], result["float64"]
    return f64, {k + "_relative": relative(f32[k], f64[k]) for k in f64}


def make_nets(args):
    with np.load(args.data) as data:
        train_x = data["x_train"].astype(np.float32)[..., None] / np.float32(255)
        test_x = data["x_test"][:256].astype(np.float32)[..., None] / np.float32(255)
        train_y = data["y_train"].astype(np.int64)
    batches = [(train_x[k * BATCH:(k + 1) * BATCH],
                train_y[k * BATCH:(k + 1) * BATCH])
               for k in range(NOTEBOOK_BATCHES)]
    optimizers = {
        "adam": lambda: keras.optimizers.Adam(),
        "sgd": lambda: keras.optimizers.SGD(learning_rate=0.01, momentum=0.9,
                                            nesterov=True)}
    drift = {}

    model = notebook_model()
    save_json("notebook_config.json", model_config(model))
    save("notebook_fresh", weights(model))
    if args.retrain or not os.path.exists(path("notebook_trained.safetensors")):
        with np.load(args.data) as data:
            train_one_epoch(model, data["x_train"][..., None], train_y)
        save("notebook_trained", weights(model))

    same = same_model()
    save_json("same_config.json", model_config(same))
    save("same_fresh", weights(same))

    for name, model, samples in (("notebook_fresh", model, 256),
                                 ("notebook_trained", model, 256),
                                 ("same", same, 64)):
        start = name if name != "same" else "same_fresh"
        set_weights(model, load_file(path(start + ".safetensors")))
        out, drift[name + "_expect"] = expectations(
            model, test_x[:samples], batches)
        save(name + "_expect", out)
        for which, make in optimizers.items():
            out, drift[f"{name}_{which}"] = ten_steps(model, make, batches)
            save(f"{name}_{which}", out)
    save_json("nets.json", {
        "what": "distance of Keras in float32 from Keras in float64, the"
                " values in the files; relative is norm-wise",
        "keras": keras.__version__, "tensorflow": tf.__version__,
        "numpy": np.__version__, "float32_drift": drift})


PARTS = {"nets": make_nets}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=path("..", "..", "data", "mnist.npz"))
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--retrain", action="store_true",
                        help="train notebook_trained.safetensors anew")
    args = parser.parse_args()
    tf.config.experimental.enable_op_determinism()
    for part in args.only:
        print(part)
        keras.utils.set_random_seed(0)
        PARTS[part](args)


if __name__ == "__main__":
    sys.exit(main())
