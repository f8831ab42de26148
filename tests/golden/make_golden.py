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


# ---------------------------------------------------------------- layers

def save_cases(name, head, cases):
    """JSON with one case a line, so that a change shows as one line."""
    head = json.dumps(head, indent=1, allow_nan=False)[:-2]
    lines = ",\n  ".join(json.dumps(c, allow_nan=False) for c in cases)
    with open(path(name), "w", encoding="utf-8") as f:
        f.write(head + ',\n "cases": [\n  ' + lines + "\n ]\n}\n")
    with open(path(name), encoding="utf-8") as f:
        assert json.load(f)["cases"] == json.loads(json.dumps(cases))
    seen = [c["name"] for c in cases]
    assert len(set(seen)) == len(seen)
    print(f"  {name}: {len(cases)} cases,"
          f" {os.path.getsize(path(name)):,} bytes")


def pair(v):
    return (v, v) if isinstance(v, int) else tuple(v)


def windows(n, k, s, d, padding):
    """Output length and the padding before the first element."""
    span = (k - 1) * d + 1
    if padding == "valid":
        return (n - span) // s + 1, 0
    out = -(-n // s)
    return out, max((out - 1) * s + span - n, 0) // 2


def plain_conv(x, kernel, bias, strides, padding, dilation, groups, upstream):
    """Conv2D and its gradients as loops over taps, in float64."""
    n, h, w, _ = x.shape
    kh, kw, cg, filters = kernel.shape
    (sh, sw), (dh, dw) = strides, dilation
    oh, top = windows(h, kh, sh, dh, padding)
    ow, left = windows(w, kw, sw, dw, padding)
    ph, pw = (oh - 1) * sh + (kh - 1) * dh + 1, (ow - 1) * sw + (kw - 1) * dw + 1
    padded = np.zeros((n, max(ph, top + h), max(pw, left + w), x.shape[3]))
    padded[:, top:top + h, left:left + w] = x
    y = np.zeros((n, oh, ow, filters)) + bias
    gx, gk = np.zeros_like(padded), np.zeros_like(kernel)
    fg = filters // groups
    for g in range(groups):
        ci, co = slice(g * cg, (g + 1) * cg), slice(g * fg, (g + 1) * fg)
        for a in range(kh):
            for b in range(kw):
                at = (slice(None), slice(a * dh, a * dh + (oh - 1) * sh + 1, sh),
                      slice(b * dw, b * dw + (ow - 1) * sw + 1, sw), ci)
                y[..., co] += padded[at] @ kernel[a, b, :, co]
                gk[a, b, :, co] = np.einsum("nhwc,nhwf->cf", padded[at],
                                            upstream[..., co])
                gx[at] += upstream[..., co] @ kernel[a, b, :, co].T
    return y, gx[:, top:top + h, left:left + w], gk, upstream.sum((0, 1, 2))


def plain_pool(x, kind, pool, strides, padding, upstream):
    """Pooling: NaN propagates, the first maximum in row-major order takes the
    gradient, the average counts valid cells only."""
    n, h, w, c = x.shape
    (kh, kw), (sh, sw) = pool, strides
    oh, top = windows(h, kh, sh, 1, padding)
    ow, left = windows(w, kw, sw, 1, padding)
    y, gx = np.zeros((n, oh, ow, c)), np.zeros_like(x)
    for i in range(oh):
        a0, a1 = max(i * sh - top, 0), min(i * sh - top + kh, h)
        for j in range(ow):
            b0, b1 = max(j * sw - left, 0), min(j * sw - left + kw, w)
            win = x[:, a0:a1, b0:b1].reshape(n, -1, c)
            g = upstream[:, i, j] if upstream is not None else np.zeros((n, c))
            if kind == "max":
                y[:, i, j] = win.max(1)
                share = np.zeros_like(win)
                np.put_along_axis(share, win.argmax(1)[:, None], g[:, None], 1)
            else:
                y[:, i, j] = win.mean(1)
                share = np.repeat(g[:, None], win.shape[1], 1) / win.shape[1]
            gx[:, a0:a1, b0:b1] += share.reshape(n, a1 - a0, b1 - b0, c)
    return y, gx


LAYER_KEYS = ("name", "trainable", "dtype")


def layer_config(layer):
    config = clean_config(layer.get_config())
    return {k: v for k, v in config.items() if k not in LAYER_KEYS}


def run_layer(layer, x, rng, gradient=True):
    """Output and gradients of a float64 layer for a drawn upstream gradient;
    weights are drawn here too, all of them float32 numbers."""
    layer.build(x.shape)
    layer.set_weights([rng.standard_normal(w.shape).astype(np.float32) * 0.5
                       for w in layer.get_weights()])
    out = {v.name: v.numpy() for v in layer.weights}
    x64 = tf.constant(x.astype(np.float64) if x.dtype.kind == "f" else x)
    with tf.GradientTape() as tape:
        tape.watch(x64)
        y = layer(x64, training=False)
    out["output"] = y.numpy()
    if gradient:
        upstream = rng.standard_normal(y.shape).astype(np.float32)
        watched = [x64] + [v.value for v in layer.trainable_weights]
        grads = tape.gradient(y, watched, output_gradients=tf.constant(
            upstream.astype(np.float64)))
        out["upstream"] = upstream
        keys = ["input"] + [v.name for v in layer.trainable_weights]
        for key, g in zip(keys, grads, strict=True):
            out["grad/" + key] = g.numpy()
    return out


def close(a, b, what):
    assert np.asarray(a).shape == np.asarray(b).shape, what
    assert np.allclose(a, b, rtol=1e-10, atol=1e-10), what


def make_layers(args):
    L = keras.layers
    rng = np.random.default_rng(5)
    tensors, cases = {}, []

    def normal(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    def add(name, layer, x, gradient=True, **notes):
        out = run_layer(layer, x, rng, gradient)
        for key, value in ({"input": x} | out).items():
            tensors[f"{name}/{key}"] = value
        cases.append({"name": name, "class_name": layer.__class__.__name__,
                      "config": layer_config(layer),
                      "input_shape": list(x.shape),
                      "output_shape": list(out["output"].shape),
                      "gradient": gradient} | notes)
        return out

    # Conv2D: kernel, strides, padding, dilation, groups, map, in, filters, ...
    for k, s, p, d, g, hw, cin, f, more in (
            (1, 1, "valid", 1, 1, (7, 9), 3, 4, {}),
            (1, 2, "same", 1, 1, (7, 9), 4, 3, {}),
            (1, 2, "valid", 1, 1, (8, 9), 4, 3, {"use_bias": False}),
            (1, (1, 2), "same", 1, 2, (7, 8), 4, 6, {}),
            ((2, 3), 1, "valid", 1, 1, (7, 9), 1, 4, {"activation": "relu"}),
            ((2, 3), 1, "same", 1, 1, (7, 9), 3, 6, {}),
            ((2, 3), 2, "same", 1, 1, (7, 9), 3, 4, {}),
            ((2, 3), (1, 2), "valid", 1, 2, (7, 9), 6, 4, {}),
            ((2, 3), 1, "same", 2, 1, (7, 9), 4, 3, {}),
            (3, 1, "valid", 1, 1, (7, 9), 1, 6, {}),
            (3, 1, "same", 1, 1, (7, 9), 3, 4, {"activation": "tanh"}),
            (3, 2, "valid", 1, 1, (7, 9), 4, 3, {}),
            (3, 2, "same", 1, 1, (7, 9), 3, 4, {}),
            (3, 2, "same", 1, 1, (8, 10), 3, 4, {}),
            (3, (1, 2), "same", 1, 1, (8, 9), 6, 1, {}),
            (3, 1, "valid", 2, 1, (7, 9), 3, 4, {}),
            (3, 1, "same", 2, 1, (7, 9), 4, 4, {"use_bias": False}),
            (3, 1, "same", (1, 2), 1, (7, 9), 3, 4, {}),
            (3, 1, "valid", 1, 2, (7, 9), 4, 6, {}),
            (3, 2, "same", 1, 2, (7, 9), 6, 4, {}),
            (3, 1, "same", 2, 2, (7, 9), 6, 4, {}),
            (3, 1, "same", 1, 6, (5, 7), 6, 6, {}),
            (5, 1, "valid", 1, 1, (7, 9), 3, 4, {}),
            (5, 1, "same", 1, 1, (7, 9), 1, 6, {}),
            (5, 2, "same", 1, 1, (7, 9), 4, 3, {"activation": "sigmoid"}),
            (5, 3, "same", 1, 1, (7, 9), 3, 3, {}),
            (5, 1, "same", 2, 1, (7, 9), 3, 4, {}),
            (5, 1, "same", 1, 1, (2, 3), 3, 4, {})):
        def word(v):
            return "x".join(map(str, v)) if isinstance(v, tuple) else str(v)
        name = (f"conv2d_k{word(k)}_s{word(s)}_{p}_d{word(d)}_g{g}"
                f"_{hw[0]}x{hw[1]}x{cin}_f{f}")
        x = normal(2, *hw, cin)
        layer = L.Conv2D(f, k, strides=s, padding=p, dilation_rate=d, groups=g,
                         dtype="float64", **more)
        out = add(name, layer, x)
        if "activation" not in more:
            y, gx, gk, gb = plain_conv(
                x.astype(np.float64), out["kernel"],
                out.get("bias", np.zeros(f)), pair(s), p, pair(d), g,
                out["upstream"].astype(np.float64))
            close(out["output"], y, name)
            close(out["grad/input"], gx, name)
            close(out["grad/kernel"], gk, name)
            if "bias" in out:
                close(out["grad/bias"], gb, name)

    # MaxPooling2D and AveragePooling2D
    for kind, cls in (("max", L.MaxPooling2D), ("average", L.AveragePooling2D)):
        def pool_case(name, x, pool, strides, p, **notes):
            layer = cls(pool, strides=strides, padding=p, dtype="float64")
            out = add(name, layer, x, **notes)
            if notes.get("gradient", True):
                y, gx = plain_pool(x.astype(np.float64), kind, pair(pool),
                                   pair(strides or pool), p,
                                   out["upstream"].astype(np.float64))
                close(out["output"], y, name)
                close(out["grad/input"], gx, name)

        for pool in (2, 3, (2, 3)):
            for s in (None, 1, 2, 3):
                for p in ("valid", "same"):
                    w = "x".join(map(str, pair(pool)))
                    name = f"{kind}_pool{w}_s{s or 'none'}_{p}"
                    pool_case(name, normal(2, 7, 9, 3), pool, s, p)
                    if kind == "max":
                        ties = rng.integers(-2, 3, (2, 7, 9, 3))
                        pool_case(name + "_ties", ties.astype(np.float32),
                                  pool, s, p, ties=True)
        pool_case(f"{kind}_pool3x3_s1x2_same_11x5", normal(1, 11, 5, 4),
                  3, (1, 2), "same")
        pool_case(f"{kind}_pool5x5_s1_same_on_3x3", normal(2, 3, 3, 2),
                  5, 1, "same")
        pool_case(f"{kind}_pool4x4_s3_same_all_negative",
                  -1 - np.abs(normal(2, 7, 9, 2)), 4, 3, "same")
        pool_case(f"{kind}_pool2x2_snone_valid_constant",
                  np.full((1, 6, 6, 2), 3, np.float32), 2, None, "valid",
                  ties=True)

    # Not-a-number and minus infinity: forward only. TensorFlow's CPU kernel is
    # not trusted here (its own answer is kept as tf_output): the output is
    # what Keras gives with JAX, checked by check_with_jax.py.
    for what, value in (("nan", np.nan), ("minus_inf", -np.inf)):
        for p in ("valid", "same"):
            x = normal(2, 7, 9, 2)
            if what == "nan":
                x[0, 0, 0, 0] = x[0, 3, 4, 1] = x[1, 6, 8, 0] = value
                x[1, 2:4, 2:5, 1] = value
                x[0, 5, 1, 0], x[0, 5, 2, 0] = -np.inf, value
            else:
                x[0, 0:4, 0:5, 0] = x[1, :, :, 1] = x[1, 5:, 6:, 0] = value
            layer = L.MaxPooling2D(3, strides=2, padding=p)
            tf_output = layer(x).numpy()
            y, _ = plain_pool(x, "max", (3, 3), (2, 2), p, None)
            name = f"max_pool3x3_s2_{p}_{what}"
            tensors |= {f"{name}/input": x, f"{name}/output": y,
                        f"{name}/tf_output": tf_output}
            same = np.array_equal(tf_output, y.astype(np.float32),
                                  equal_nan=True)
            cases.append({"name": name, "class_name": "MaxPooling2D",
                          "config": layer_config(layer),
                          "input_shape": list(x.shape),
                          "output_shape": list(y.shape), "gradient": False,
                          "tensorflow_agrees": same})

    # Global pooling. The gradient of a maximum that several cells share:
    # TensorFlow and JAX give each an equal part.
    for keepdims in (False, True):
        w = "_keepdims" if keepdims else ""
        for cls in (L.GlobalMaxPooling2D, L.GlobalAveragePooling2D):
            kind = "max" if cls is L.GlobalMaxPooling2D else "average"
            add(f"global_{kind}{w}", cls(keepdims=keepdims, dtype="float64"),
                normal(2, 7, 9, 3))
    ties = rng.integers(-2, 3, (2, 5, 7, 3)).astype(np.float32)
    add("global_max_ties", L.GlobalMaxPooling2D(dtype="float64"), ties,
        ties=True, note="the gradient is divided equally among equal maxima")

    # Activations. `kinks`: inputs where the slope is a convention.
    x = np.concatenate([np.linspace(-8, 8, 33), [
        1e-4, -1e-4, 0.3, -0.3, 0.75, -0.75, 1.25, -1.25, 2.7, -2.7, 5.9]])
    x = x.astype(np.float32).reshape(4, 11)
    kinks = {"relu": [0], "relu6": [0, 6], "leaky_relu": [0], "elu": [],
             "selu": [0], "hard_sigmoid": [-3, 3], "hard_silu": [-3, 3]}
    for a in ("linear", "relu", "relu6", "leaky_relu", "elu", "selu",
              "softplus", "softsign", "sigmoid", "hard_sigmoid", "silu",
              "hard_silu", "gelu", "tanh", "exponential", "mish",
              "log_sigmoid", "softmax", "log_softmax"):
        add(f"activation_{a}", L.Activation(a, dtype="float64"), x,
            kinks=kinks.get(a, []))

    # Dense, Rescaling, Flatten, Dropout
    add("dense_7_relu", L.Dense(7, activation="relu", dtype="float64"),
        normal(5, 6))
    add("dense_4_no_bias", L.Dense(4, use_bias=False, dtype="float64"),
        normal(3, 9))
    add("dense_10_softmax", L.Dense(10, activation="softmax", dtype="float64"),
        normal(5, 17))
    add("dense_4_rank3", L.Dense(4, activation="tanh", dtype="float64"),
        normal(2, 3, 5))
    add("dense_3_rank4", L.Dense(3, dtype="float64"), normal(2, 3, 4, 5))
    add("rescaling_255", L.Rescaling(1 / 255, dtype="float64"),
        rng.integers(0, 256, (2, 5, 5, 1)).astype(np.float32))
    add("rescaling_uint8", L.Rescaling(1 / 255, dtype="float64"),
        rng.integers(0, 256, (2, 5, 5, 3)).astype(np.uint8), gradient=False)
    add("rescaling_offset", L.Rescaling(1 / 127.5, offset=-1.0, dtype="float64"),
        rng.integers(0, 256, (2, 5, 5, 3)).astype(np.float32))
    add("flatten_rank4", L.Flatten(dtype="float64"), normal(2, 3, 4, 5))
    add("flatten_rank3", L.Flatten(dtype="float64"), normal(3, 4, 2))
    add("flatten_rank2", L.Flatten(dtype="float64"), normal(3, 4))
    add("flatten_rank1", L.Flatten(dtype="float64"), normal(3))
    add("dropout_inference", L.Dropout(0.25, seed=7, dtype="float64"),
        normal(3, 4), gradient=False,
        note="training=False: the identity; in training, kept values are"
             " divided by 1-rate")

    save("layers", tensors)
    save_cases("layers.json", {
        "what": "single layers; tensors of case N are N/input, N/output,"
                " N/<weight>, and with gradient also N/upstream,"
                " N/grad/input, N/grad/<weight>"}, cases)


# ---------------------------------------------------------------- losses

def make_losses(args):
    K = keras.losses
    rng = np.random.default_rng(11)
    n, c = 6, 5
    logits = (rng.standard_normal((n, c)) * 2).astype(np.float32)
    probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    unscaled = (probs * rng.uniform(0.5, 2, (n, 1))).astype(np.float32)
    labels = rng.integers(0, c, n).astype(np.int32)
    one_hot = np.eye(c, dtype=np.float32)[labels]
    soft = rng.dirichlet(np.ones(c), n).astype(np.float32)
    weight = np.array([1, 0.5, 0, 2, 1.5, 0.25], np.float32)
    values = rng.standard_normal((n, c)).astype(np.float32)
    targets = rng.standard_normal((n, c)).astype(np.float32)
    edge = np.array([[0, 1, 0, 0, 0], [1, 0, 0, 0, 0], [0.5, 0.5, 0, 0, 0],
                     [1e-9, 1 - 1e-9, 0, 0, 0], [0.2, 0.2, 0.2, 0.2, 0.2],
                     [1e-6, 0.25, 0.25, 0.25, 0.25]], np.float32)
    edge_labels = np.array([1, 1, 0, 0, 4, 0], np.int32)
    edge_one_hot = np.eye(c, dtype=np.float32)[edge_labels]

    sparse, cat = K.SparseCategoricalCrossentropy, K.CategoricalCrossentropy
    tensors, cases = {}, []
    for name, cls, config, y_true, y_pred, clipped in (
            ("sparse_probs", sparse, {}, labels, probs, False),
            ("sparse_column", sparse, {}, labels[:, None], probs, False),
            ("sparse_unscaled", sparse, {}, labels, unscaled, False),
            ("sparse_logits", sparse, {"from_logits": True}, labels, logits, False),
            ("sparse_logits_large", sparse, {"from_logits": True}, labels,
             logits * 40, False),
            ("sparse_clipped", sparse, {}, edge_labels, edge, True),
            ("categorical_probs", cat, {}, one_hot, probs, False),
            ("categorical_unscaled", cat, {}, one_hot, unscaled, False),
            ("categorical_soft", cat, {}, soft, probs, False),
            ("categorical_smooth", cat, {"label_smoothing": 0.1}, one_hot,
             probs, False),
            ("categorical_logits", cat, {"from_logits": True}, one_hot, logits,
             False),
            ("categorical_logits_smooth", cat,
             {"from_logits": True, "label_smoothing": 0.1}, one_hot, logits,
             False),
            ("categorical_clipped", cat, {}, edge_one_hot, edge, True),
            ("mse", K.MeanSquaredError, {}, targets, values, False),
            ("mse_one_hot", K.MeanSquaredError, {}, one_hot, probs, False),
            ("mse_rank4", K.MeanSquaredError, {},
             rng.standard_normal((n, 2, 3, 2)).astype(np.float32),
             rng.standard_normal((n, 2, 3, 2)).astype(np.float32), False),
            ("mse_sum", K.MeanSquaredError, {"reduction": "sum"}, targets,
             values, False),
            ("mse_mean_with_sample_weight", K.MeanSquaredError,
             {"reduction": "mean_with_sample_weight"}, targets, values, False),
            ("sparse_sum", sparse, {"reduction": "sum"}, labels, probs, False)):
        for w in (None, weight):
            case = name + ("" if w is None else "_weighted")
            y_pred32 = y_pred.astype(np.float32)
            pred = tf.constant(y_pred32.astype(np.float64))
            sample_weight = w
            if w is not None and name == "mse_rank4":
                sample_weight = w[:, None, None]
            loss_fn = cls(**config, dtype="float64")
            with tf.GradientTape() as tape:
                tape.watch(pred)
                loss = loss_fn(y_true, pred, sample_weight=None if w is None
                               else sample_weight.astype(np.float64))
            out = {"y_true": y_true, "y_pred": y_pred32, "value": loss.numpy(),
                   "grad": tape.gradient(loss, pred).numpy()}
            if w is not None:
                out["sample_weight"] = sample_weight
            if clipped:
                # Keras on JAX and PyTorch: p /= sum(p), clip, -log, slope 0
                # where clipped. TensorFlow on sparse labels: clip, then
                # divide by the sum.
                p = y_pred32.astype(np.float64)
                total = p.sum(1, keepdims=True)
                q = p / total
                c64 = np.clip(q, 1e-7, 1 - 1e-7)
                share = (np.ones(n) if w is None else w.astype(np.float64)) / n
                hot = edge_one_hot.astype(np.float64)
                out["value_jax"] = (share * -(hot * np.log(c64)).sum(1)).sum()
                dq = -share[:, None] * hot / c64 * (q == c64)
                out["grad_jax"] = dq / total - (dq * q).sum(1, keepdims=True) / total
            tensors |= {f"{case}/{k}": v for k, v in out.items()}
            cases.append({"name": case, "class_name": cls.__name__,
                          "config": {"from_logits": False} | config
                          if cls is not K.MeanSquaredError else config,
                          "weighted": w is not None, "clipped": clipped})
    save("losses", tensors)
    save_cases("losses.json", {
        "what": "losses.safetensors: N/y_true N/y_pred [N/sample_weight]"
                " N/value N/grad (with respect to y_pred); reduction is"
                " sum_over_batch_size unless the config says otherwise; where"
                " clipped, N/value_jax and N/grad_jax hold what Keras gives"
                " with JAX, N/value and N/grad what it gives with TensorFlow",
        "epsilon": keras.config.epsilon()}, cases)


# ---------------------------------------------------------------- optimizers

def make_optimizers(args):
    O = keras.optimizers
    rng = np.random.default_rng(13)
    start = {"a": rng.standard_normal((2, 3)).astype(np.float32),
             "b": np.array([0.0, 1.0, -0.5], np.float32)}
    grads = {"a": rng.standard_normal((10, 2, 3)).astype(np.float32),
             "b": (rng.standard_normal((10, 3)) * [1e-4, 1, 30]).astype(np.float32)}
    grads["a"][3:6, 0, 0] = 0
    grads["a"][:, 1, 2] = 0
    grads["a"][5] = 0
    tensors = {"start/" + k: v for k, v in start.items()}
    tensors |= {"gradients/" + k: v for k, v in grads.items()}
    cases = []
    for name, cls, config in (
            ("sgd", O.SGD, {}),
            ("sgd_momentum", O.SGD, {"momentum": 0.9}),
            ("sgd_nesterov", O.SGD, {"momentum": 0.9, "nesterov": True}),
            ("sgd_clipvalue", O.SGD, {"clipvalue": 0.5}),
            ("sgd_clipnorm", O.SGD, {"momentum": 0.9, "clipnorm": 1.0}),
            ("sgd_global_clipnorm", O.SGD, {"global_clipnorm": 1.0}),
            ("sgd_weight_decay", O.SGD, {"weight_decay": 0.01}),
            ("adam", O.Adam, {}),
            ("adam_fast", O.Adam, {"learning_rate": 0.05, "beta_1": 0.8,
                                   "beta_2": 0.95, "epsilon": 1e-3}),
            ("adam_amsgrad", O.Adam, {"amsgrad": True}),
            ("adam_clipnorm", O.Adam, {"clipnorm": 1.0}),
            ("adam_weight_decay", O.Adam, {"weight_decay": 0.01}),
            ("adamw", O.AdamW, {}),
            ("rmsprop", O.RMSprop, {}),
            ("rmsprop_momentum", O.RMSprop, {"momentum": 0.9}),
            ("rmsprop_centered", O.RMSprop, {"centered": True}),
            ("rmsprop_centered_momentum", O.RMSprop,
             {"centered": True, "momentum": 0.9, "rho": 0.8})):
        optimizer = cls(**config)
        variables = [keras.Variable(v.astype(np.float64), dtype="float64",
                                    name=k) for k, v in start.items()]
        trace = {k: [] for k in start}
        for step in range(10):
            optimizer.apply([tf.constant(grads[k][step].astype(np.float64))
                             for k in start], variables)
            for k, v in zip(start, variables):
                trace[k].append(v.numpy())
        tensors |= {f"{name}/{k}": np.array(v) for k, v in trace.items()}
        for v in optimizer.variables:
            tensors[f"{name}/state/{v.name}"] = v.numpy()
        full = {k: v for k, v in optimizer.get_config().items() if k != "name"}
        full["learning_rate"] = float(full["learning_rate"])
        cases.append({"name": name, "class_name": cls.__name__,
                      "arguments": config, "config": full,
                      "state": [v.name for v in optimizer.variables]})
    save("optimizers", tensors)
    save_cases("optimizers.json", {
        "what": "optimizers.safetensors: two variables a [2,3] and b [3] begin"
                " at start/a, start/b and get gradients/a[k], gradients/b[k]"
                " in step k; N/a and N/b hold the values after each of the ten"
                " steps, N/state/* the optimizer's own variables after the"
                " last. Variables are float64, the learning rate is the"
                " float32 number, as always in Keras"}, cases)


# ---------------------------------------------------------------- summaries

def make_summary(args):
    # rich draws the table; on an output that is not UTF-8 it would use ASCII.
    assert sys.stdout.encoding.lower() == "utf-8", "set PYTHONIOENCODING=utf-8"
    L = keras.layers
    os.makedirs(path("summary"), exist_ok=True)
    index = []

    with open(path("notebook_config.json"), encoding="utf-8") as f:
        notebook_config = json.load(f)

    def notebook():
        return keras.saving.deserialize_keras_object(notebook_config)

    def small(*layers, name="small", shape=(8, 8, 1)):
        return keras.Sequential(([keras.Input(shape, name="input_layer")]
                                 if shape else []) + list(layers), name=name)

    def case(file, model, columns=80, fit=None, note=None, **arguments):
        for key in ("COLUMNS", "LINES"):
            os.environ.pop(key, None)
        os.environ["COLUMNS"] = str(columns)
        if fit:
            model.compile(optimizer=fit["class"](**fit["config"]),
                          loss="sparse_categorical_crossentropy",
                          metrics=["accuracy"], jit_compile=False)
            x = np.zeros((4,) + model.input_shape[1:], np.float32)
            model.fit(x, np.zeros(4, np.int64), batch_size=4, verbose=0)
        text = []
        model.summary(print_fn=lambda s, **_: text.append(s), **arguments)
        text = "".join(text)
        with open(path("summary", file), "w", encoding="utf-8", newline="\n") as f:
            f.write(text)
        with open(path("summary", file), encoding="utf-8", newline="") as f:
            assert f.read() == text
        entry = {"name": file.removesuffix(".txt"), "file": file,
                 "columns": columns, "arguments": arguments,
                 "built": bool(model.built), "fitted_with": None}
        if fit:
            entry["fitted_with"] = {"class_name": fit["class"].__name__,
                                    "config": fit["config"]}
        if note:
            entry["note"] = note
        config = model_config(model)
        if config == notebook_config:
            entry["model_file"] = "notebook_config.json"
        else:
            entry["model"] = config
        index.append(entry)

    adam = {"class": keras.optimizers.Adam, "config": {}}
    case("notebook_80.txt", notebook())
    case("notebook_default_120_columns.txt", notebook(), columns=120)
    case("notebook_default_92_columns.txt", notebook(), columns=92)
    case("notebook_default_60_columns.txt", notebook(), columns=60)
    for n in (60, 100, 120):
        case(f"notebook_line_{n}.txt", notebook(), columns=200, line_length=n)
    for n in range(40, 131):
        if n % 7 == 0:
            case(f"notebook_line_{n}.txt", notebook(), columns=200,
                 line_length=n)
    case("notebook_positions.txt", notebook(), columns=200, line_length=90,
         positions=[0.5, 0.75, 1.0])
    case("notebook_adam.txt", notebook(), fit=adam)
    case("notebook_sgd.txt", notebook(), fit={
        "class": keras.optimizers.SGD, "config": {}},
        note="SGD without momentum holds only the step count and the rate")
    case("notebook_sgd_momentum.txt", notebook(), fit={
        "class": keras.optimizers.SGD,
        "config": {"momentum": 0.9, "nesterov": True}})
    case("notebook_adam_amsgrad.txt", notebook(), fit={
        "class": keras.optimizers.Adam, "config": {"amsgrad": True}})
    case("notebook_trainable.txt", notebook(), show_trainable=True)
    case("notebook_trainable_120_columns.txt", notebook(), columns=120,
         show_trainable=True)
    case("notebook_layer_range.txt", notebook(),
         layer_range=["conv2d_1", "flatten"])
    unbuilt = small(
        L.Conv2D(32, 3, activation="relu", name="conv2d"),
        L.MaxPooling2D(name="max_pooling2d"), L.Flatten(name="flatten"),
        L.Dropout(0.5, name="dropout"), L.Dense(10, name="dense"),
        name="sequential", shape=None)
    case("unbuilt.txt", unbuilt)
    case("unbuilt_trainable.txt", unbuilt, show_trainable=True)
    case("empty.txt", keras.Sequential(name="sequential"))
    case("input_only.txt", small(shape=(28, 28, 1), name="sequential"))
    long_names = small(
        L.Conv2D(4, 3, name="a_convolution_with_quite_a_long_name"),
        L.MaxPooling2D(name="first_pooling_layer_wraps"),
        L.AveragePooling2D(2, name="second_pooling_".ljust(31, "x")),
        L.Flatten(name="one_single_word_that_is_much_longer_than_its_cell"),
        L.Dense(100000, name="wide"),
        L.Dense(12, name="two words and then some more words in the name"),
        name="a_model_whose_own_name_is_so_long_that_it_does_not_fit_into_"
             "the_line_of_eighty_columns_and_wraps")
    case("long_names.txt", long_names)
    case("long_names_line_60.txt", long_names, columns=200, line_length=60)
    case("long_names_line_44.txt", long_names, columns=200, line_length=44)
    case("long_names_trainable.txt", long_names, show_trainable=True)
    case("brackets.txt", small(L.Dense(3, name="dense[0]"),
                               L.Dense(3, name="[bold]dense"),
                               L.Dense(3, name="back\\[slash]"),
                               name="[red]model", shape=(4,)),
         note="names that look like rich markup are printed as they are")
    case("wide_characters.txt", small(L.Dense(3, name="畳み込み層"),
                                      L.Dense(3, name="façade_é"),
                                      L.Dense(3, name="畳み込み層" * 5),
                                      name="模型", shape=(4,)),
         note="East Asian wide characters take two columns")
    case("dropout_global.txt", small(
        L.Rescaling(1 / 255, name="rescaling"),
        L.Conv2D(16, 3, padding="same", activation="relu", name="conv2d"),
        L.Dropout(0.25, name="dropout"),
        L.Conv2D(1500, 3, name="conv2d_1"),
        L.Activation("relu", name="activation"),
        L.GlobalMaxPooling2D(name="global_max_pooling2d"),
        L.Dense(10, activation="softmax", name="dense"), name="sequential_1",
        shape=(28, 28, 3)),
        note="Dropout counts no parameters: its seed state is not a weight")
    case("global_average_keepdims.txt", small(
        L.Conv2D(8, 3, name="conv2d"),
        L.GlobalAveragePooling2D(keepdims=True, name="global_average_pooling2d"),
        L.Flatten(name="flatten"), L.Dense(2, name="dense")))
    case("fixed_batch.txt", keras.Sequential([
        keras.Input(batch_shape=(32, 8, 8, 1), name="input_layer"),
        L.Conv2D(4, 3, name="conv2d"), L.Flatten(name="flatten"),
        L.Dense(3, name="dense")], name="fixed"))

    def frozen():
        model = small(
            L.Conv2D(8, 3, activation="relu", name="conv2d"),
            L.MaxPooling2D(name="max_pooling2d"), L.Flatten(name="flatten"),
            L.Dense(20, activation="relu", name="dense"),
            L.Dense(10, activation="softmax", name="dense_1"), name="frozen")
        model.layers[0].trainable = False
        return model

    case("frozen.txt", frozen())
    case("frozen_trainable.txt", frozen(), show_trainable=True)
    case("frozen_adam.txt", frozen(), fit=adam)
    all_frozen = frozen()
    all_frozen.trainable = False
    case("all_frozen_trainable.txt", all_frozen, show_trainable=True)
    case("megabytes.txt", small(
        L.Dense(3000, name="dense"), L.Dense(20000, name="dense_1"),
        name="large", shape=(1000,)))
    save_cases("summary/index.json", {
        "what": "model.summary() as plain text, one file a case; columns is"
                " the width of the console, arguments those of summary()."
                " fitted_with: compiled with this optimizer and"
                " sparse_categorical_crossentropy, then fitted one batch."
                " model, or model_file beside the folder: the Sequential"},
        index)


# ---------------------------------------------------------------- fit

def make_fit(args):
    L = keras.layers
    rng = np.random.default_rng(17)
    n, classes = 23, 4
    x = rng.standard_normal((n, 6, 7, 2)).astype(np.float32)
    y = rng.integers(0, classes, n).astype(np.int32)
    y[:classes] = range(classes)
    val_x = rng.standard_normal((9, 6, 7, 2)).astype(np.float32)
    val_y = rng.integers(0, classes, 9).astype(np.int32)
    weight = rng.uniform(0, 2, n).astype(np.float32)
    weight[4] = 0
    val_weight = rng.uniform(0, 2, 9).astype(np.float32)
    data = {"x": x, "y": y, "sample_weight": weight, "val_x": val_x,
            "val_y": val_y, "val_sample_weight": val_weight,
            "binary_y": (y % 2).astype(np.float32)[:, None]}
    tensors = {"data/" + k: v for k, v in data.items()}

    def model_of(kind):
        head = {"softmax": L.Dense(classes, activation="softmax", name="dense"),
                "logits": L.Dense(classes, name="dense"),
                "sigmoid": L.Dense(1, activation="sigmoid", name="dense")}[kind]
        return keras.Sequential([
            keras.Input((6, 7, 2), name="input_layer"),
            L.Conv2D(3, 3, activation="relu", name="conv2d"),
            L.MaxPooling2D(2, padding="same", name="max_pooling2d"),
            L.Flatten(name="flatten"), head], name=kind)

    models, starts = {}, {}
    for kind in ("softmax", "logits", "sigmoid"):
        model = model_of(kind)
        models[kind] = model_config(model)
        starts[kind] = {k: (rng.standard_normal(v.shape) * 0.4).astype(np.float32)
                        for k, v in weights(model).items()}
        tensors |= {f"{kind}/{k}": v for k, v in starts[kind].items()}

    one_hot = np.eye(classes, dtype=np.float32)
    sparse = {"class_name": "SparseCategoricalCrossentropy", "config": {}}
    sgd = {"class_name": "SGD", "config": {"learning_rate": 0.1}}
    nesterov = {"class_name": "SGD", "config": {
        "learning_rate": 0.05, "momentum": 0.9, "nesterov": True}}
    adam = {"class_name": "Adam", "config": {"learning_rate": 0.01}}
    smooth = {"class_name": "CategoricalCrossentropy",
              "config": {"label_smoothing": 0.1}}
    early = {"class_name": "EarlyStopping", "config": {
        "monitor": "val_loss", "patience": 2, "restore_best_weights": True}}
    base = {"model": "softmax", "loss": sparse, "optimizer": sgd,
            "metrics": ["accuracy"], "labels": "sparse", "y": "y",
            "fit": {"batch_size": 8, "epochs": 3}}

    def variant(name, fit=None, **changes):
        case = {"name": name} | base | changes
        case["fit"] = {"batch_size": 8, "epochs": 3} | (fit or {})
        return case

    cases = [
        variant("plain"),
        variant("default_batch", {"batch_size": None}),
        variant("one_sample_left", {"batch_size": 11}),
        variant("batch_of_one", {"batch_size": 1}),
        variant("no_metrics", metrics=None),
        variant("nesterov", optimizer=nesterov),
        variant("adam", optimizer=adam),
        variant("column_labels", y="column"),
        variant("sample_weight", {"sample_weight": "sample_weight"}),
        variant("class_weight", {"class_weight": {"0": 2.0, "2": 0.5, "3": 0.0}}),
        variant("validation_data", {"validation_data": ["val_x", "val_y"]}),
        variant("validation_data_weighted", {"validation_data": [
            "val_x", "val_y", "val_sample_weight"], "class_weight": {"1": 3.0}}),
        variant("validation_batch_size", {
            "validation_data": ["val_x", "val_y"], "validation_batch_size": 4}),
        variant("validation_split", {"validation_split": 0.3}),
        variant("validation_split_weighted", {
            "validation_split": 0.25, "sample_weight": "sample_weight"}),
        variant("validation_split_class_weight", {
            "validation_split": 0.25, "class_weight": {"0": 2.0, "1": 0.5}}),
        variant("validation_freq", {"validation_data": ["val_x", "val_y"],
                                    "validation_freq": 2, "epochs": 4}),
        variant("initial_epoch", {"initial_epoch": 1}),
        variant("steps_per_epoch", {"steps_per_epoch": 2, "epochs": 2}),
        variant("label_smoothing", {"validation_split": 0.2}, loss=smooth,
                labels="one_hot"),
        variant("one_hot_weighted", {"sample_weight": "sample_weight"},
                loss={"class_name": "CategoricalCrossentropy", "config": {}},
                labels="one_hot"),
        variant("one_hot_class_weight", {"class_weight": {"0": 2.0, "2": 0.5}},
                loss=smooth, labels="one_hot"),
        variant("mse", {"sample_weight": "sample_weight"}, labels="one_hot",
                loss={"class_name": "MeanSquaredError", "config": {}}),
        variant("from_logits", {"validation_split": 0.3}, model="logits",
                optimizer=adam, loss={
                    "class_name": "SparseCategoricalCrossentropy",
                    "config": {"from_logits": True}}),
        variant("binary_accuracy", {"validation_split": 0.3}, model="sigmoid",
                y="binary_y", labels="as they are",
                loss={"class_name": "MeanSquaredError", "config": {}}),
        variant("sum_reduction", {"sample_weight": "sample_weight"}, loss={
            "class_name": "SparseCategoricalCrossentropy",
            "config": {"reduction": "sum"}},
            optimizer={"class_name": "SGD", "config": {"learning_rate": 0.01}}),
        variant("early_stopping", {"validation_data": ["val_x", "val_y"],
                                   "epochs": 12}, optimizer=nesterov,
                callbacks=[early]),
    ]
    for case in cases:
        model = model_of(case["model"])
        set_weights(model, starts[case["model"]])
        model.compile(
            optimizer=getattr(keras.optimizers, case["optimizer"]["class_name"])(
                **case["optimizer"]["config"]),
            loss=getattr(keras.losses, case["loss"]["class_name"])(
                **case["loss"]["config"]),
            metrics=case["metrics"], jit_compile=False)

        def labels(a):
            if case["labels"] == "one_hot":
                return one_hot[a]
            return a[:, None] if case["y"] == "column" else a

        y_train = data["binary_y"] if case["y"] == "binary_y" else labels(y)
        call = dict(case["fit"])
        if "sample_weight" in call:
            call["sample_weight"] = data[call["sample_weight"]]
        if "class_weight" in call:
            call["class_weight"] = {int(k): v for k, v in
                                    call["class_weight"].items()}
        if "validation_data" in call:
            vx, vy, *vw = call["validation_data"]
            call["validation_data"] = (data[vx], labels(data[vy]),
                                       *[data[w] for w in vw])
        if "callbacks" in case:
            call["callbacks"] = [keras.callbacks.EarlyStopping(**c["config"])
                                 for c in case["callbacks"]]
        history = model.fit(x, y_train, shuffle=False, verbose=0, **call)
        case["history"] = {k: [float(v) for v in vs]
                           for k, vs in history.history.items()}
        case["epoch"] = list(history.epoch)
        if "callbacks" in case:
            case["stopped_epoch"] = call["callbacks"][0].stopped_epoch
            case["best_epoch"] = call["callbacks"][0].best_epoch
        if case["model"] != "sigmoid":
            def as_list(v):
                return np.atleast_1d(v).astype(float).tolist()
            case["evaluate"] = as_list(model.evaluate(
                val_x, labels(val_y), batch_size=4, verbose=0))
            case["evaluate_weighted"] = as_list(model.evaluate(
                val_x, labels(val_y), batch_size=4, verbose=0,
                sample_weight=val_weight))
        tensors |= {f"{case['name']}/after/{k}": v
                    for k, v in weights(model).items()}
        tensors[f"{case['name']}/predict"] = model.predict(val_x, verbose=0)

    # train_on_batch and test_on_batch: [loss, accuracy] of that batch alone.
    model = model_of("softmax")
    set_weights(model, starts["softmax"])
    model.compile(optimizer=keras.optimizers.SGD(0.1), jit_compile=False,
                  loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    on_batch = {"train_on_batch": [], "test_on_batch": []}
    for at in (0, 8, 16):
        r = model.train_on_batch(x[at:at + 8], y[at:at + 8])
        on_batch["train_on_batch"].append([float(v) for v in r])
    model.reset_metrics()
    for at in (0, 4):
        r = model.test_on_batch(val_x[at:at + 4], val_y[at:at + 4])
        on_batch["test_on_batch"].append([float(v) for v in r])

    # What Keras refuses.
    refused = []
    for name, call in (
            ("class_weight and sample_weight", {"class_weight": {0: 1.0},
                                                "sample_weight": weight}),
            ("validation_split 0.99", {"validation_split": 0.99}),
            ("validation_split 0.01", {"validation_split": 0.01}),
            ("validation_split 1.0", {"validation_split": 1.0}),
            ("short y", {"y": y[:5]}),
            ("short sample_weight", {"sample_weight": weight[:5]}),
            ("5 rows where the model says 6, same size after pooling",
             {"x": x[:, :5]}),
            ("3 rows where the model says 6", {"x": x[:, :3]}),
            ("1 channel where the model says 2", {"x": x[..., :1]}),
            ("label 4 of 4 classes", {"y": np.full(n, 4)})):
        try:
            model.fit(**({"x": x, "y": y, "verbose": 0} | call))
            refused.append({"what": name, "raises": None})
        except Exception as e:
            refused.append({"what": name, "raises": type(e).__name__,
                            "message": str(e).splitlines()[0][:300]})
    save("fit", tensors)
    save_cases("fit.json", {
        "what": "histories of fit(x, y, shuffle=False) in float32, epoch by"
                " epoch. fit.safetensors: data/*, the weights every model"
                " starts from as <model>/<weight>, and for case N the weights"
                " afterwards N/after/<weight> and N/predict of val_x. A name"
                " in fit (sample_weight, validation_data) means data/<name>."
                " y: which labels; labels one_hot: turned into 4 columns;"
                " evaluate is of val_x in batches of 4: [loss, accuracy],"
                " evaluate_weighted the same with val_sample_weight",
        "models": models, "on_batch": on_batch, "refused": refused}, cases)


PARTS = {"nets": make_nets, "layers": make_layers, "losses": make_losses,
         "optimizers": make_optimizers, "summary": make_summary,
         "fit": make_fit}


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
