#!/usr/bin/env python3
"""Let Keras read the configurations that linn wrote, and compare what the
models compute with what Keras computed before linn read them.

    ninja -C build/release write_networks
    mkdir NETWORKS && build/release/tests/write_networks NETWORKS
    golden-venv/bin/python tests/golden/check_configs.py NETWORKS

Needs what make_golden.py needs. linn read the configurations of graph.json
(Keras 3) and keras2.json (tf.keras 2). Keras also reads what linn writes for
the examples of its layers, and must write the same arguments itself. Exit
status 0 when all agree.
"""

import json
import os
import sys

import numpy as np
from safetensors.numpy import load_file

import formula
from make_golden import clean_config, keras, path
from make_graph_golden import as_list, make_model

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "..", "python"))
import keras_layers  # noqa: E402,F401  functions with arguments


def check(folder, file, case, tensors):
    with open(f"{folder}/{file}_{case['name']}.json", encoding="utf-8") as f:
        model = make_model(json.load(f), "float64")
    assert [[v.name, list(v.shape)] for v in model.weights] == case["weights"]
    x = [formula.values([case.get("batch", 3)] + shape, 10_000 + 100 * i, -1, 1)
         .astype(np.float64) for i, shape in enumerate(case["inputs"])]
    y = model(x if len(x) > 1 else x[0])
    for i, value in enumerate(as_list(y)):
        want = tensors[f"{case['name']}/output_{i}"]
        assert value.shape == want.shape, (value.shape, want.shape)
        np.testing.assert_allclose(value, want, rtol=1e-5, atol=1e-6)
    print(f"  {file} {case['name']}: {len(case['weights'])} variables agree")


def is_of_linn(layer):
    """Whether Keras has no such layer or padding."""
    return (not hasattr(keras.layers, layer["class_name"])
            or layer["config"].get("padding") in ("circular", "full"))


def check_layers(folder):
    with open(f"{folder}/layers.json", encoding="utf-8") as f:
        layers = [layer for layer in json.load(f) if not is_of_linn(layer)]
    for layer in layers:
        read = getattr(keras.layers, layer["class_name"]).from_config(
            layer["config"])
        again = json.loads(json.dumps(clean_config(read.get_config())))
        for key, value in layer["config"].items():
            if key in again and key != "dtype":
                assert same(value, again[key]), (layer, key, again[key])
    print(f"  {len(layers)} examples of layers agree")


def same(a, b):
    """Keras writes more of an initializer and a number for a list of one, and
    names the module of a registered function by its file."""
    if isinstance(a, dict) and isinstance(b, str):
        return a["class_name"] == b
    if isinstance(a, dict) and isinstance(b, dict):
        return all(same(v, b[k]) for k, v in a.items()
                   if k in b and k != "module")
    if isinstance(a, list) != isinstance(b, list):
        return same(*(v if isinstance(v, list) else [v] for v in (a, b)))
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b or (isinstance(a, float) and np.isclose(a, b))


def main():
    check_layers(sys.argv[1])
    for file in ("graph", "keras2"):
        with open(path(file + ".json"), encoding="utf-8") as f:
            cases = json.load(f)["cases"]
        tensors = load_file(path(file + ".safetensors"))
        for case in cases:
            if "model" in case:
                check(sys.argv[1], file, case, tensors)


if __name__ == "__main__":
    main()
