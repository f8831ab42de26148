#!/usr/bin/env python3
"""Write convolutions.json and convolutions.safetensors: Conv2D with groups,
strides and large pads, DepthwiseConv2D, SeparableConv2D and Conv2DTranspose,
forward and backward, with Keras in float64.

    golden-venv/bin/python make_convolution_golden.py

Needs what make_golden.py needs, and takes its helpers. Each case is checked
against loops over taps in numpy before it is written.
"""

import keras
import numpy as np

from make_golden import (close, layer_config, pair, plain_conv, run_layer,
                         save, save_cases)

L = keras.layers


def word(v):
    return "x".join(map(str, v)) if isinstance(v, tuple) else str(v)


def plain_depthwise(x, kernel, bias, strides, padding, dilation, upstream):
    """One group a channel; the kernel's gradient in Keras's shape."""
    kh, kw, c, m = kernel.shape
    y, gx, gk, gb = plain_conv(x, kernel.reshape(kh, kw, 1, c * m), bias,
                               strides, padding, dilation, c, upstream)
    return y, gx, gk.reshape(kernel.shape), gb


def plain_separable(x, w, strides, padding, dilation, upstream):
    depthwise, pointwise = w["depthwise_kernel"], w["pointwise_kernel"]
    channels = depthwise.shape[2] * depthwise.shape[3]
    nothing = np.zeros((*upstream.shape[:3], channels))
    middle, _, _, _ = plain_depthwise(x, depthwise, 0, strides, padding,
                                      dilation, nothing)
    bias = w.get("bias", np.zeros(pointwise.shape[-1]))
    y = middle @ pointwise[0, 0] + bias
    gm = upstream @ pointwise[0, 0].T
    gp = np.einsum("nhwc,nhwf->cf", middle, upstream)[None, None]
    _, gx, gd, _ = plain_depthwise(x, depthwise, 0, strides, padding,
                                   dilation, gm)
    return y, gx, gd, gp, upstream.sum((0, 1, 2))


def plain_transpose(x, kernel, bias, size, strides, padding, dilation,
                    upstream):
    """The input gradient of a convolution of an image of `size`."""
    n, filters = x.shape[0], kernel.shape[2]
    image = np.zeros((n, *size, filters))
    _, y, _, _ = plain_conv(image, kernel, 0, strides, padding, dilation, 1, x)
    gx, _, gk, _ = plain_conv(upstream, kernel, 0, strides, padding, dilation,
                              1, x)
    return y + bias, gx, gk, upstream.sum((0, 1, 2))


def run_dilated_transpose(layer, x, rng):
    """TensorFlow has no dilated transposed convolution on the CPU: the same
    layer with zeros between the taps of its kernel."""
    d, kernel_size = layer.dilation_rate, layer.kernel_size
    spread = [(k - 1) * n + 1 for k, n in zip(kernel_size, d)]
    taps = (slice(None, None, d[0]), slice(None, None, d[1]))
    layer.build(x.shape)
    kernel, bias = [rng.standard_normal(w.shape).astype(np.float32) * 0.5
                    for w in layer.get_weights()]
    wide = np.zeros((*spread, *kernel.shape[2:]), np.float32)
    wide[taps] = kernel

    class Given:
        def standard_normal(self, shape):
            return given.pop(0) if given else rng.standard_normal(shape)

    given = [wide * 2, bias * 2]  # run_layer halves them
    twin = L.Conv2DTranspose(layer.filters, spread, padding=layer.padding,
                             dtype="float64")
    out = run_layer(twin, x, Given())
    assert np.array_equal(out["kernel"], wide)
    out["kernel"] = out["kernel"][taps]
    out["grad/kernel"] = out["grad/kernel"][taps]
    return out


def main():
    rng = np.random.default_rng(12)
    tensors, cases = {}, []

    def normal(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    def add(name, layer, x, run=run_layer):
        out = run(layer, x, rng)
        for key, value in ({"input": x} | out).items():
            tensors[f"{name}/{key}"] = value
        cases.append({"name": name, "class_name": layer.__class__.__name__,
                      "config": layer_config(layer),
                      "input_shape": list(x.shape),
                      "output_shape": list(out["output"].shape),
                      "gradient": True})
        return {k: np.asarray(v, np.float64) for k, v in out.items()}

    def compare(name, out, expected):
        for key, value in expected.items():
            if key in out:
                close(out[key], value, f"{name}: {key}")

    # Conv2D: kernel, strides, padding, dilation, groups, map, in, filters
    for k, s, p, d, g, hw, cin, f, more in (
            (1, 2, "same", 1, 1, (7, 9), 17, 5, {}),
            (1, 3, "valid", 1, 1, (8, 10), 5, 33, {}),
            (1, 2, "same", 1, 5, (9, 7), 15, 10, {}),
            (3, 2, "same", 1, 5, (9, 7), 15, 10, {}),
            (3, 3, "valid", 1, 3, (11, 10), 9, 12, {}),
            (3, (3, 2), "same", 1, 2, (8, 9), 6, 10, {"use_bias": False}),
            (3, 1, "same", 3, 4, (9, 8), 8, 12, {}),
            (3, 1, "same", 1, 8, (6, 7), 32, 32, {"activation": "relu"}),
            (3, 2, "same", 1, 17, (7, 8), 17, 17, {}),
            (3, 1, "valid", 2, 5, (9, 9), 5, 10, {}),
            (7, 1, "same", 1, 1, (9, 8), 3, 5, {}),
            (7, 2, "same", 1, 1, (13, 11), 3, 4, {}),
            (7, 3, "same", 1, 3, (10, 11), 3, 6, {}),
            (9, 1, "same", 1, 1, (7, 5), 1, 3, {}),
            (3, 1, "same", 4, 1, (9, 10), 3, 4, {}),
            (5, 1, "same", 3, 2, (8, 9), 4, 6, {}),
            ((8, 2), 1, "same", 1, 1, (9, 6), 2, 3, {})):
        name = (f"conv2d_k{word(k)}_s{word(s)}_{p}_d{word(d)}_g{g}"
                f"_{word(hw)}x{cin}_f{f}")
        layer = L.Conv2D(f, k, strides=s, padding=p, dilation_rate=d, groups=g,
                         dtype="float64", **more)
        x = normal(2, *hw, cin)
        out = add(name, layer, x)
        if "activation" in more:
            continue
        y, gx, gk, gb = plain_conv(
            x.astype(np.float64), out["kernel"], out.get("bias", np.zeros(f)),
            pair(s), p, pair(d), g, out["upstream"])
        compare(name, out, {"output": y, "grad/input": gx, "grad/kernel": gk,
                            "grad/bias": gb})

    # DepthwiseConv2D: kernel, strides, padding, dilation, map, in, multiplier.
    # TensorFlow has no depthwise strides that differ.
    for k, s, p, d, hw, cin, m, more in (
            (3, 1, "valid", 1, (7, 9), 1, 1, {}),
            (3, 1, "same", 1, (7, 9), 3, 1, {}),
            (3, 1, "same", 1, (6, 5), 5, 1, {"activation": "relu"}),
            (3, 1, "same", 1, (7, 12), 17, 1, {"use_bias": False}),
            (3, 1, "valid", 1, (5, 11), 33, 1, {"activation": "tanh"}),
            (3, 2, "same", 1, (7, 9), 17, 1, {}),
            (3, 2, "same", 1, (8, 10), 5, 1, {}),
            (3, 2, "valid", 1, (8, 11), 33, 1, {}),
            (3, 3, "same", 1, (10, 11), 3, 1, {}),
            (3, 1, "same", 2, (7, 9), 5, 1, {}),
            (3, 1, "valid", (1, 2), (7, 9), 17, 1, {}),
            (3, 1, "same", 4, (9, 7), 5, 1, {}),
            (3, 2, "same", 2, (9, 11), 5, 1, {}),
            (3, 2, "valid", 3, (11, 12), 3, 2, {}),
            (5, 1, "same", 1, (7, 9), 17, 1, {}),
            (5, 2, "same", 1, (9, 12), 5, 1, {}),
            (7, 1, "same", 1, (9, 8), 5, 1, {}),
            (7, 2, "same", 1, (12, 13), 3, 1, {}),
            (9, 1, "same", 1, (4, 5), 3, 1, {}),
            ((2, 3), 1, "same", 1, (7, 9), 5, 1, {}),
            ((1, 7), 1, "same", 1, (5, 9), 5, 1, {}),
            (1, 2, "same", 1, (7, 9), 5, 1, {}),
            (3, 1, "same", 1, (7, 9), 3, 2, {}),
            (3, 2, "same", 1, (7, 9), 17, 2, {}),
            (5, 1, "valid", 1, (7, 9), 5, 3, {}),
            (3, 1, "same", 1, (5, 6), 3, 17, {}),
            (3, 1, "same", 1, (5, 6), 1, 4, {})):
        name = (f"depthwise_k{word(k)}_s{word(s)}_{p}_d{word(d)}_m{m}"
                f"_{word(hw)}x{cin}")
        layer = L.DepthwiseConv2D(k, strides=s, padding=p, dilation_rate=d,
                                  depth_multiplier=m, dtype="float64", **more)
        x = normal(2, *hw, cin)
        out = add(name, layer, x)
        if "activation" in more:
            continue
        y, gx, gk, gb = plain_depthwise(
            x.astype(np.float64), out["kernel"],
            out.get("bias", np.zeros(cin * m)), pair(s), p, pair(d),
            out["upstream"])
        compare(name, out, {"output": y, "grad/input": gx, "grad/kernel": gk,
                            "grad/bias": gb})

    # SeparableConv2D
    for f, k, s, p, d, hw, cin, m, more in (
            (4, 3, 1, "valid", 1, (7, 9), 3, 1, {}),
            (5, 3, 1, "same", 1, (7, 9), 17, 1, {"use_bias": False}),
            (17, 3, 2, "same", 1, (7, 9), 5, 2, {}),
            (3, 5, 1, "same", 2, (9, 8), 5, 1, {}),
            (6, 3, 1, "same", 1, (6, 7), 4, 1, {"activation": "relu"}),
            (33, (2, 3), 3, "valid", 1, (10, 11), 3, 3, {}),
            (4, 7, 1, "same", 1, (8, 7), 1, 2, {})):
        name = (f"separable_f{f}_k{word(k)}_s{word(s)}_{p}_d{word(d)}_m{m}"
                f"_{word(hw)}x{cin}")
        layer = L.SeparableConv2D(f, k, strides=s, padding=p, dilation_rate=d,
                                  depth_multiplier=m, dtype="float64", **more)
        x = normal(2, *hw, cin)
        out = add(name, layer, x)
        if "activation" in more:
            continue
        y, gx, gd, gp, gb = plain_separable(x.astype(np.float64), out, pair(s),
                                            p, pair(d), out["upstream"])
        compare(name, out, {"output": y, "grad/input": gx,
                            "grad/depthwise_kernel": gd,
                            "grad/pointwise_kernel": gp, "grad/bias": gb})

    # Conv2DTranspose: ..., output_padding, ...
    for f, k, s, p, o, d, hw, cin, more in (
            (4, 3, 1, "valid", None, 1, (5, 6), 3, {}),
            (3, 3, 1, "same", None, 1, (5, 6), 5, {}),
            (5, 3, 2, "valid", None, 1, (5, 6), 3, {}),
            (17, 3, 2, "same", None, 1, (5, 6), 5, {}),
            (4, 3, 2, "same", 1, 1, (5, 6), 3, {}),
            (4, 3, 2, "same", 0, 1, (5, 6), 3, {}),
            (3, 4, 2, "same", None, 1, (5, 6), 3, {}),
            (3, 4, 2, "same", 1, 1, (5, 6), 3, {}),
            (3, 4, 2, "valid", 1, 1, (5, 6), 33, {"use_bias": False}),
            (3, 2, 3, "valid", None, 1, (4, 5), 2, {}),
            (3, 2, 3, "valid", (0, 2), 1, (4, 5), 2, {}),
            (3, 2, 3, "same", None, 1, (4, 5), 2, {"activation": "relu"}),
            (4, 5, 3, "same", (2, 1), 1, (4, 5), 2, {}),
            (4, (2, 3), (3, 2), "same", None, 1, (4, 5), 3, {}),
            (1, (5, 3), (1, 2), "valid", None, 1, (4, 5), 3, {}),
            (3, 7, 1, "same", None, 1, (6, 7), 3, {}),
            (3, 8, 2, "same", None, 1, (6, 7), 3, {}),
            (3, 9, 3, "same", None, 1, (3, 4), 2, {"activation": "tanh"}),
            (4, 3, 1, "valid", None, 2, (5, 6), 3, {}),
            (4, 3, 1, "same", None, (2, 3), (5, 6), 3, {}),
            (4, 3, 1, "same", None, 4, (6, 7), 2, {}),
            (5, 1, 2, "same", None, 1, (4, 5), 3, {}),
            (40, 3, 1, "same", None, 1, (8, 9), 36, {})):
        name = (f"transpose_f{f}_k{word(k)}_s{word(s)}_{p}_o{word(o)}"
                f"_d{word(d)}_{word(hw)}x{cin}")
        layer = L.Conv2DTranspose(f, k, strides=s, padding=p, output_padding=o,
                                  dilation_rate=d, dtype="float64", **more)
        x = normal(2, *hw, cin)
        run = run_layer if d == 1 else run_dilated_transpose
        out = add(name, layer, x, run)
        if "activation" in more:
            continue
        y, gx, gk, gb = plain_transpose(
            x.astype(np.float64), out["kernel"], out.get("bias", np.zeros(f)),
            out["output"].shape[1:3], pair(s), p, pair(d), out["upstream"])
        compare(name, out, {"output": y, "grad/input": gx, "grad/kernel": gk,
                            "grad/bias": gb})

    save("convolutions", tensors)
    save_cases("convolutions.json", {
        "what": "convolutions of every kind; tensors of case N are N/input,"
                " N/output, N/<weight>, N/upstream, N/grad/input,"
                " N/grad/<weight>"}, cases)


if __name__ == "__main__":
    main()
