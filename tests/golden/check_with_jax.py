#!/usr/bin/env python3
"""Read the golden values back and compare them with Keras on JAX.

    python -m venv jax-venv
    jax-venv/bin/pip install keras jax safetensors
    jax-venv/bin/python check_with_jax.py

make_golden.py computes with TensorFlow; this is the second opinion, in
float64. It prints the largest difference of each part and every case in which
the two backends disagree. Exit status 0 when only known disagreements are left.
"""

import json
import os
import sys

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)
import keras
from safetensors.numpy import load_file

HERE = os.path.dirname(os.path.abspath(__file__))
TOLERANCE = 3e-6  # the files are float32


def read(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as f:
        return json.load(f)


def tensors(name):
    return load_file(os.path.join(HERE, name + ".safetensors"))


def distance(got, want):
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    assert got.shape == want.shape, (got.shape, want.shape)
    if not np.array_equal(np.isnan(got), np.isnan(want)):
        return np.inf
    same = (got == want) | np.isnan(want)
    with np.errstate(invalid="ignore"):
        off = np.where(same, 0, np.abs(got - want))
    scale = max(1.0, float(np.abs(want[np.isfinite(want)]).max(initial=0)))
    return float(off.max(initial=0)) / scale


def layer_case(case, t):
    """{tensor: distance} of one case of layers.json."""
    cls = getattr(keras.layers, case["class_name"])
    layer = cls.from_config(dict(case["config"], dtype="float64"))
    x = t["input"]
    layer.build(x.shape)
    order = [v.name for v in layer.weights]
    w = [t[n].astype(np.float64) for n in order]
    x = x if x.dtype == np.uint8 else x.astype(np.float64)

    def f(x, *w):
        return layer.stateless_call(list(w), [], x)[0]

    if case["class_name"] == "Dropout":
        return {"output": distance(layer(x, training=False), t["output"])}
    if not case["gradient"]:
        return {"output": distance(f(x, *w), t["output"])}
    y, back = jax.vjp(f, x, *w)
    result = {"output": distance(y, t["output"])}
    for name, g in zip(["input"] + order, back(t["upstream"].astype(y.dtype)),
                       strict=True):
        want = np.array(t["grad/" + name])
        g = np.array(g)
        for kink in case.get("kinks", []):
            g[x == kink] = want[x == kink]
        result["grad/" + name] = distance(g, want)
    return result


def layers():
    everything, bad, worst = tensors("layers"), 0, 0.0
    for case in read("layers.json")["cases"]:
        start = case["name"] + "/"
        t = {k[len(start):]: v for k, v in everything.items()
             if k.startswith(start)}
        for key, d in layer_case(case, t).items():
            if d > TOLERANCE:
                print(f"  {case['name']} {key}: {d:.3g}")
                bad += 1
            else:
                worst = max(worst, d)
    print(f"layers: largest difference {worst:.2g}, {bad} disagreements")
    return bad


def nets():
    worst = 0.0
    for name, start in (("notebook_fresh", "notebook_fresh"),
                        ("notebook_trained", "notebook_trained"),
                        ("same", "same_fresh")):
        config = read(name.split("_")[0] + "_config.json")
        for layer in config["config"]["layers"]:
            layer["config"]["dtype"] = "float64"
        config["config"]["dtype"] = "float64"
        model = keras.saving.deserialize_keras_object(config)
        files = [tensors(start)] + [tensors(f"{name}_{o}")
                                    for o in ("adam", "sgd", "expect")]
        for v in model.weights:
            key = "/".join(v.path.split("/")[-2:])
            assert all(key in f for f in files[:3]), key
            assert "grad/" + key in files[3], key
            v.assign(files[0][key])
        if "MNIST" in os.environ:
            with np.load(os.environ["MNIST"]) as data:
                want = files[3]["probabilities"]
                x = data["x_test"][:len(want)][..., None].astype(np.float32)
                p = model(x / np.float32(255))
                worst = max(worst, distance(p, want))
                x = data["x_train"][:128][..., None].astype(np.float32)
                x, y = x / np.float32(255), data["y_train"][:128]
            names = ["/".join(v.path.split("/")[-2:]) for v in model.weights]
            w = [v.numpy() for v in model.weights]

            def f(w):
                p = model.stateless_call(w, [], x.astype(np.float64))[0]
                return -jax.numpy.log(p[np.arange(len(y)), y]).mean()

            loss, grads = jax.value_and_grad(f)([jax.numpy.asarray(a) for a in w])
            worst = max(worst, distance(loss, files[3]["loss"]))
            for n, g in zip(names, grads, strict=True):
                want = files[3]["grad/" + n].astype(np.float64)
                worst = max(worst, float(np.linalg.norm(g - want)
                                         / np.linalg.norm(want)))
    print(f"nets: largest difference {worst:.2g}"
          + ("" if "MNIST" in os.environ
             else " (names only: set MNIST=path of mnist.npz for the values)"))
    return worst > TOLERANCE


def losses():
    t, bad, worst = tensors("losses"), 0, 0.0
    for case in read("losses.json")["cases"]:
        n = case["name"]
        loss_fn = getattr(keras.losses, case["class_name"])(
            **case["config"], dtype="float64")
        value, grad = jax.value_and_grad(
            lambda p: loss_fn(t[n + "/y_true"], p,
                              sample_weight=t.get(n + "/sample_weight")))(
            jax.numpy.asarray(t[n + "/y_pred"].astype(np.float64)))
        end = "_jax" if case["clipped"] else ""
        for key, got in (("value", value), ("grad", grad)):
            d = distance(got, t[f"{n}/{key}{end}"])
            if d > TOLERANCE:
                print(f"  {n} {key}: {d:.3g}")
                bad += 1
            else:
                worst = max(worst, d)
    print(f"losses: largest difference {worst:.2g}, {bad} disagreements")
    return bad


def optimizers():
    t, worst = tensors("optimizers"), 0.0
    for case in read("optimizers.json")["cases"]:
        optimizer = getattr(keras.optimizers, case["class_name"])(
            **case["arguments"])
        variables = [keras.Variable(t["start/" + k].astype(np.float64),
                                    dtype="float64", name=k) for k in "ab"]
        for step in range(10):
            optimizer.apply([jax.numpy.asarray(
                t["gradients/" + k][step].astype(np.float64)) for k in "ab"],
                variables)
            for k, v in zip("ab", variables):
                worst = max(worst, distance(v.numpy(),
                                            t[f"{case['name']}/{k}"][step]))
    print(f"optimizers: largest difference {worst:.2g}")
    return worst > TOLERANCE


if __name__ == "__main__":
    sys.exit(bool(layers() + nets() + losses() + optimizers()))
