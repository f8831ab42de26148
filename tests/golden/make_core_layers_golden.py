#!/usr/bin/env python3
"""Write core_layers.json and core_layers.safetensors: repeated vectors,
products of two inputs and by equation, normalizations of rows, encodings,
dropouts in inference, and layers with data_format="channels_first", with
Keras in float64.

    golden-venv/bin/python make_core_layers_golden.py

Needs what make_golden.py needs, and takes the helpers of
make_graph_layers_golden.py. Results are rounded to float32 once.

TensorFlow convolves and pools channels_last alone on a CPU: of a layer with
"channels_first" Keras computes the twin with "channels_last", and numpy moves
the axes of its input, its output and their gradients.
"""

import numpy as np

from make_golden import save, save_cases
from make_graph_layers_golden import Cases, L


def arranged(c):
    for n, features in ((1, 3), (4, 5), (7, 1), (3, 33)):
        c.add(f"repeat_vector_{n}_{features}", L.RepeatVector(n, dtype="float64"),
              c.normal(3, features))


def products(c):
    for normalize in (False, True):
        def dot(word, axes, a, b):
            c.add(f"dot_{word}_{normalize}", L.Dot(axes, normalize=normalize, dtype="float64"), a, b)
        dot("rows", 1, c.normal(3, 5), c.normal(3, 5))
        dot("last", -1, c.normal(2, 3, 4), c.normal(2, 5, 4))
        dot("matrix", (2, 1), c.normal(2, 3, 4), c.normal(2, 4, 5))
        dot("columns", 1, c.normal(2, 4, 3), c.normal(2, 4, 2))
        dot("row_matrix", (1, 2), c.normal(2, 4), c.normal(2, 3, 4))
    c.add("dot_one", L.Dot(1, dtype="float64"), c.normal(2, 1), c.normal(2, 1))
    for word, equation, shape, out, more in (
            ("rows", "ab,bc->ac", (5,), 4, {"bias_axes": "c"}),
            ("steps", "abc,cd->abd", (3, 5), (None, 4), {"bias_axes": "d", "activation": "tanh"}),
            ("heads", "abc,cde->abde", (3, 4), (None, 2, 5), {"bias_axes": "de"}),
            ("joined", "abcd,cde->abe", (3, 2, 4), (None, 6), {"bias_axes": "e"}),
            ("first", "abc,bd->acd", (5, 3), (3, 4), {}),
            ("turned", "abc,cd->adb", (3, 4), (2, 3), {"bias_axes": "d"}),
            ("swapped", "abcd,dce->abe", (2, 3, 4), (2, 5), {}),
            ("dots", "...x,xy->...y", (3, 2, 5), 4, {"bias_axes": "y"}),
            ("dots_row", "...x,xy->...y", (1,), 1, {})):
        c.add(f"einsum_{word}", L.EinsumDense(equation, out, dtype="float64", **more), c.normal(2, *shape))


def norms(c):
    for axis, shape in ((-1, (4, 5, 17)), ([1, 2], (4, 3, 5)), (1, (6, 3)), ([1, 2, 3], (3, 2, 4)), (-1, (400,))):
        word = str(axis).replace(" ", "")
        size = "x".join(map(str, shape))
        c.add(f"unit_{word}_{size}", L.UnitNormalization(axis, dtype="float64"), c.normal(3, *shape))
        if axis == -1:  # with others Keras does not shape its scale for the product
            c.add(f"rms_{word}_{size}", L.RMSNormalization(axis, dtype="float64"), c.normal(3, *shape))
    # A row of one number is 1 or -1, and its gradient a rounding error.
    for cls in (L.UnitNormalization, L.RMSNormalization):
        c.add(f"{cls.__name__.lower()}_of_one", cls(dtype="float64"), c.normal(3, 1), gradient=False)
    c.add("rms_epsilon", L.RMSNormalization(epsilon=0.5, dtype="float64"), c.normal(3, 4, 7))


def encodings(c):
    for mode in ("multi_hot", "one_hot", "count"):
        for tokens, shape in ((4, (3,)), (1, (2,)), (5, (8,)), (3, (1,))):
            x = c.rng.integers(0, tokens, (3, *shape)).astype(np.float32)
            size = "x".join(map(str, shape))
            c.add(f"encoding_{mode}_{tokens}_{size}", L.CategoryEncoding(tokens, mode, dtype="float64"), x,
                  gradient=False)
    for shape in ((2, 3), (3, 1)):
        c.add(f"encoding_one_hot_{shape[1]}", L.CategoryEncoding(4, "one_hot", dtype="float64"),
              c.rng.integers(0, 4, (3, *shape)).astype(np.float32), gradient=False)


def dropouts(c):
    for layer in (L.GaussianDropout(0.4, dtype="float64"), L.AlphaDropout(0.4, dtype="float64"),
                  L.AlphaDropout(0.2, noise_shape=(None, 1, 3), dtype="float64"),
                  L.Dropout(0.2, noise_shape=(None, 4, 1), dtype="float64")):
        c.add(f"inference_{len(c.cases)}", layer, c.normal(2, 4, 3), gradient=False)


def axes_of_batch_norm(c):
    for axis, shape in ((1, (3, 4, 5)), (2, (3, 4, 5)), (1, (3, 4)), (-2, (3, 4))):
        layer = L.BatchNormalization(axis=axis, dtype="float64")
        c.add(f"batch_norm_{axis}_{len(shape)}", layer, c.normal(4, *shape), training=True)


def channels_first(c):
    def add(word, layer, *shape, **more):
        name = f"first_{word}"
        c.add(name, layer, c.normal(2, *shape), **more)
        c.cases[-1]["config"]["data_format"] = "channels_first"
        c.cases[-1]["input_shapes"] = [[shape[-1], *shape[:-1]]]
        rank = len(shape) + 1
        for key in ("input_0", "grad/input_0", "output", "upstream"):
            value = c.tensors.get(f"{name}/{key}")
            if value is not None and value.ndim == rank:
                c.tensors[f"{name}/{key}"] = np.ascontiguousarray(np.moveaxis(value, -1, 1))

    add("conv2d", L.Conv2D(5, 3, strides=2, padding="same", activation="relu", dtype="float64"), 7, 6, 3)
    add("conv1d", L.Conv1D(5, 3, padding="causal", activation="tanh", dtype="float64"), 7, 3)
    add("depthwise", L.DepthwiseConv2D(3, depth_multiplier=2, dtype="float64"), 6, 5, 3)
    add("depthwise1d", L.DepthwiseConv1D(3, dtype="float64"), 6, 4)
    add("separable", L.SeparableConv2D(4, 3, padding="same", dtype="float64"), 6, 5, 3)
    add("separable1d", L.SeparableConv1D(4, 3, dtype="float64"), 6, 3)
    add("transpose", L.Conv2DTranspose(4, 3, strides=2, padding="same", dtype="float64"), 4, 5, 3)
    add("transpose1d", L.Conv1DTranspose(4, 3, strides=2, dtype="float64"), 5, 3)
    for two, one in ((L.MaxPooling2D, L.MaxPooling1D), (L.AveragePooling2D, L.AveragePooling1D)):
        add(two.__name__.lower(), two(3, strides=2, padding="same", dtype="float64"), 7, 6, 5)
        add(one.__name__.lower(), one(2, dtype="float64"), 7, 3)
    for two, one in ((L.GlobalMaxPooling2D, L.GlobalMaxPooling1D), (L.GlobalAveragePooling2D, L.GlobalAveragePooling1D)):
        for keeps in (False, True):
            add(f"{two.__name__.lower()}_{keeps}", two(keepdims=keeps, dtype="float64"), 4, 5, 3)
            add(f"{one.__name__.lower()}_{keeps}", one(keepdims=keeps, dtype="float64"), 6, 3)
    for two, one in ((L.AdaptiveMaxPooling2D, L.AdaptiveMaxPooling1D), (L.AdaptiveAveragePooling2D, L.AdaptiveAveragePooling1D)):
        add(two.__name__.lower(), two((2, 3), dtype="float64"), 5, 7, 2)
        add(one.__name__.lower(), one(3, dtype="float64"), 7, 2)
    add("zero_padding2d", L.ZeroPadding2D(((1, 2), (0, 3)), dtype="float64"), 3, 4, 2)
    add("zero_padding1d", L.ZeroPadding1D((1, 2), dtype="float64"), 4, 2)
    add("cropping2d", L.Cropping2D(((1, 2), (0, 1)), dtype="float64"), 5, 4, 2)
    add("up_sampling2d", L.UpSampling2D((2, 3), dtype="float64"), 3, 4, 2)
    add("spatial_dropout2d", L.SpatialDropout2D(0.4, dtype="float64"), 3, 4, 2, gradient=False)
    c.add("first_flatten", L.Flatten("channels_first", dtype="float64"), c.normal(2, 3, 4, 5))


def penalties(c):
    c.add("activity_regularization", L.ActivityRegularization(0.01, 0.02, dtype="float64"), c.normal(3, 4, 5))


def main():
    c = Cases()
    for part in (arranged, products, norms, encodings, dropouts, axes_of_batch_norm, channels_first, penalties):
        part(c)
    save("core_layers", c.tensors)
    save_cases("core_layers.json", {
        "what": "layers; tensors of case N are N/input_0 and so on, N/output, N/<weight>, and with gradient also N/upstream,"
                " N/grad/input_0 and so on, N/grad/<weight>"}, c.cases)


if __name__ == "__main__":
    main()
