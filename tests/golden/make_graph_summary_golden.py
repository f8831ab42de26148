#!/usr/bin/env python3
"""Write what model.summary() prints for networks with branches, with Keras.

    golden-venv/bin/python make_graph_summary_golden.py

Needs what make_golden.py needs, whose helpers it uses. It writes
summary_graph/*.txt and summary_graph/index.json, made with keras 3.15.1,
tensorflow-cpu 2.21.0 and rich 15.0.0.
"""

import json
import os

import numpy as np

import make_graph_golden as graphs
from make_golden import clean_config, keras, path, save_cases

L = keras.layers
COUNTED = {"class_name": "Adam", "config": {}}


def wide():
    """Names that wrap, a layer that reads many, inputs without layers."""
    a = keras.Input((8, 8, 1), name="an_image_with_a_very_long_name_indeed")
    b, c = keras.Input((8, 8, 1), name="b"), keras.Input((2,), name="unused_c")
    many = [L.Conv2D(1, k, padding="same", name=f"branch_of_size_{k}")(
        a if k % 2 else b) for k in range(1, 7)]
    x = L.Concatenate(name="all_branches_of_all_sizes_in_one_map")(many)
    x = L.Flatten()(L.Conv2D(300, 8, name="畳み込み層")(x))
    return keras.Model([a, b, c], [L.Dense(3, name="one")(x), c, L.Dense(
        20_000, name="two")(L.Concatenate(name="joined")([x, c]))],
        name="wide")


def chain_of_models():
    """A Sequential whose layers are models."""
    def branch(name):
        i = keras.Input((6, 6, 3))
        return keras.Model(i, L.Add()([L.Conv2D(3, 1)(i), i]), name=name)
    chain = keras.Sequential([keras.Input((6, 6, 3)), L.ReLU(),
                              branch("inner_branch")], name="inner_chain")
    return keras.Sequential([keras.Input((6, 6, 3)), branch("branch"), chain,
                             L.Flatten(), L.Dense(2)], name="chain_of_models")


def chain_as_functional():
    """Functional, but without branches: Keras names the connections too."""
    x = L.Conv2D(4, 3)(i := keras.Input((8, 8, 3)))
    return keras.Model(i, L.Dense(2)(L.GlobalMaxPooling2D()(x)),
                       name="chain_as_functional")


def open_sizes():
    i = keras.Input((None, None, 3))
    x = L.Conv2D(4, 3, padding="same")(i)
    return keras.Model(i, L.Add()([x, L.Conv2D(4, 1)(i)]), name="open_sizes")


CASES = [
    (graphs.residual, [
        {}, {"columns": 120}, {"columns": 200}, {"columns": 200, "line_length":
                                                 150},
        {"columns": 60}, {"columns": 200, "line_length": 97,
                          "show_trainable": True},
        {"columns": 200, "line_length": 120, "positions": [0.4, 0.6, 0.8, 1.0]},
        {"columns": 160, "show_trainable": True,
         "positions": [0.25, 0.5, 0.75, 1.0]},
        {"columns": 120, "layer_range": ["conv2d", "add"]},
        {"columns": 120, "layer_range": ["re", "conv2d_1"]},
        {"columns": 120, "fitted_with": COUNTED}]),
    (graphs.shared, [{}, {"columns": 130, "show_trainable": True}]),
    (graphs.several, [{}, {"columns": 110}]),
    (graphs.nested, [
        {}, {"columns": 120}, {"columns": 120, "expand_nested": True},
        {"columns": 200, "expand_nested": True, "show_trainable": True},
        {"expand_nested": True},
        {"columns": 120, "expand_nested": True,
         "layer_range": ["block", "flatten"]},
        {"columns": 200, "expand_nested": True, "line_length": 101,
         "positions": [0.35, 0.6, 0.7, 1.0]}]),
    (graphs.several_inside, [{"columns": 120}, {"columns": 120,
                                                "expand_nested": True}]),
    (graphs.frozen, [{"columns": 120, "show_trainable": True},
                     {"columns": 120, "show_trainable": True,
                      "expand_nested": True},
                     {"columns": 120, "fitted_with": COUNTED}]),
    (graphs.u_net, [{"columns": 120}]),
    (graphs.attention, [{"columns": 100}]),
    (wide, [{}, {"columns": 120}, {"columns": 50}]),
    (chain_of_models, [{}, {"expand_nested": True},
                       {"columns": 120, "expand_nested": True,
                        "show_trainable": True}]),
    (chain_as_functional, [{}, {"columns": 120}]),
    (open_sizes, [{"columns": 120}])]


def case(make, number, columns=80, fitted_with=None, **arguments):
    keras.backend.clear_session()
    model = make()
    for key in ("COLUMNS", "LINES"):
        os.environ.pop(key, None)
    os.environ["COLUMNS"] = str(columns)
    if fitted_with:
        model.compile(getattr(keras.optimizers, fitted_with["class_name"])(),
                      "mse", jit_compile=False)
        x = np.zeros((4,) + model.input_shape[1:], np.float32)
        y = np.zeros((4,) + model.output_shape[1:], np.float32)
        model.fit(x, y, batch_size=4, verbose=0)
    text = []
    model.summary(print_fn=lambda s, **_: text.append(s), **arguments)
    file = f"{make.__name__}_{number}.txt"
    with open(path("summary_graph", file), "w", encoding="utf-8",
              newline="\n") as f:
        f.write("".join(text))
    config = clean_config(json.loads(model.to_json()))
    config.pop("compile_config", None)
    return {"name": f"{make.__name__}_{number}", "file": file,
            "columns": columns, "arguments": arguments,
            "fitted_with": fitted_with, "model": config}


def main():
    os.makedirs(path("summary_graph"), exist_ok=True)
    cases = [case(make, number, **dict(arguments))
             for make, lists in CASES for number, arguments in enumerate(lists)]
    for entry in cases:  # a configuration once, at its first case
        first = next(c for c in cases if c.get("model") == entry["model"])
        if first is not entry:
            entry["model_of"] = first["name"]
    for entry in cases:
        if "model_of" in entry:
            del entry["model"]
    save_cases("summary_graph/index.json", {
        "what": "model.summary() as plain text, as in summary/index.json;"
                " model_of: the model of another case"}, cases)


if __name__ == "__main__":
    main()
