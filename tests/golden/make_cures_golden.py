#!/usr/bin/env python3
"""Write the golden values of poolings that Keras lacks: low-pass filters made
from spectra and from the map, mixtures of phases, unpooling, pyramids, strips,
attention.

    peers-venv/bin/python make_cures_golden.py

It writes cures.json and cures.safetensors, with PyTorch 2 (CPU) in float64,
out of the papers' formulas and torch's own operators, and nothing of linn's.
Inputs and weights are float32 numbers, results are rounded to float32 once.
TensorFlow gives the regions of fractional pooling. New cases go to the end:
one in the middle redraws those behind it.
"""

import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).parent
rng = np.random.default_rng(41)
tensors, cases, regions = {}, [], []


def drawn(*shape, low=-1.0, high=1.0):
    return rng.uniform(low, high, shape).astype(np.float32)


def first(x):
    """(n, h, w, c) -> (n, c, h, w)"""
    return x.permute(0, 3, 1, 2)


def last(x):
    return x.permute(0, 2, 3, 1)


def add(name, class_name, config, inputs, weights, compute, training=True):
    """`weights` maps names to arrays, in linn's order; compute(inputs, weights)
    gives the outputs. With `training`, gradients of the first output too."""
    xs = [torch.tensor(x.astype(np.float64), requires_grad=True) for x in inputs]
    ws = {k: torch.tensor(w.astype(np.float64), requires_grad="moving" not in k)
          for k, w in weights.items()}
    outputs = compute(xs, ws)
    out = {f"output_{i}": y.detach().numpy() for i, y in enumerate(outputs)}
    if training:
        upstream = drawn(*outputs[0].shape)
        outputs[0].backward(torch.tensor(upstream.astype(np.float64)))
        out["upstream"] = upstream
        for i, x in enumerate(xs):
            out[f"grad/input_{i}"] = np.zeros(x.shape) if x.grad is None else x.grad.numpy()
        for k, w in ws.items():
            if w.requires_grad:
                out[f"grad/{k}"] = w.grad.numpy()
    out |= {f"input_{i}": x for i, x in enumerate(inputs)} | weights
    for key, value in out.items():
        tensors[f"{name}/{key}"] = np.ascontiguousarray(value, np.float32)
    cases.append({"name": name, "class_name": class_name, "config": config,
                  "input_shapes": [list(x.shape[1:]) for x in inputs],
                  "outputs": len(outputs), "training": training})


# ---- FLC -----------------------------------------------------------------


def kept(n, stride, hamming):
    """The weight of each frequency, in the order of fft."""
    k = np.abs(np.fft.fftfreq(n, 1 / n))
    edge = n / (2 * stride)
    weight = np.where(k < edge, 1.0, np.where(k == edge, 0.5, 0.0))
    if stride == 1:  # the one bin of frequency n / 2 stands for both signs
        weight[k == edge] = 1.0
    if hamming:
        weight = weight * np.sqrt(0.54 + 0.46 * np.cos(2 * np.pi * k / n))
    return torch.tensor(weight)


def flc(x, strides, hamming=False):
    spectrum = torch.fft.fft2(x, dim=(1, 2))
    spectrum = spectrum * kept(x.shape[1], strides[0], hamming)[:, None, None]
    spectrum = spectrum * kept(x.shape[2], strides[1], hamming)[:, None]
    return torch.fft.ifft2(spectrum, dim=(1, 2)).real[:, ::strides[0], ::strides[1]]


def crop_of_the_paper(x):
    """Even sizes, stride 2: the middle of the shifted spectrum."""
    h, w = x.shape[1:3]
    s = torch.fft.fftshift(torch.fft.fft2(x, dim=(1, 2), norm="forward"), dim=(1, 2))
    s = s[:, h // 4:h // 4 * 3, w // 4:w // 4 * 3]
    return torch.fft.ifft2(torch.fft.ifftshift(s, dim=(1, 2)), dim=(1, 2), norm="forward").real


def check_crop():
    """FLC as linn has it and as the paper's program has it differ in the one
    coefficient of the output where both axes have their highest frequency."""
    x = torch.tensor(drawn(2, 8, 12, 3).astype(np.float64))
    difference = torch.fft.fft2(flc(x, (2, 2)) - crop_of_the_paper(x), dim=(1, 2)).abs()
    difference[:, 2, 3] = 0
    assert difference.max() < 1e-12, difference.max()


def low_frequencies():
    check_crop()
    for n, (shape, strides, window) in enumerate((
            ((8, 6, 3), (2, 2), "none"), ((4, 10, 5), (2, 2), "hamming"), ((7, 9, 2), (2, 2), "none"),
            ((6, 9, 17), (3, 3), "none"), ((5, 8, 1), (1, 4), "hamming"), ((1, 2, 2), (2, 2), "none"),
            ((16, 14, 33), (2, 2), "none"))):
        add(f"flc_{n}", "FrequencyLowCutPooling2D", {"strides": strides, "window": window},
            [drawn(2, *shape)], {}, lambda x, w: [flc(x[0], strides, window == "hamming")])


# ---- DDAC ----------------------------------------------------------------

MODES = {"reflect": "reflect", "replicate": "replicate", "zero": "constant", "circular": "circular"}


def ddac(x, w, size, strides, groups, border, training, epsilon):
    n, height, width, channels = x.shape
    before, after = (size - 1) // 2, size // 2
    padded = F.pad(first(x), (before, after, before, after), mode=MODES[border])
    logits = F.conv2d(padded, w["kernel"].permute(3, 2, 0, 1), stride=strides)
    if training:
        mean, variance = logits.mean((0, 2, 3)), logits.var((0, 2, 3), unbiased=False)
    else:
        mean, variance = w["moving_mean"], w["moving_variance"]
    logits = last((logits - mean[:, None, None]) / torch.sqrt(variance + epsilon)[:, None, None])
    logits = logits * w["gamma"] + w["beta"]
    rows, columns = logits.shape[1:3]
    filters = torch.softmax(logits.reshape(n, rows, columns, groups, 1, size * size), -1)
    cells = F.unfold(padded, size, stride=strides)  # (n, c * size * size, pixels)
    cells = cells.reshape(n, groups, channels // groups, size * size, rows, columns).permute(0, 4, 5, 1, 2, 3)
    return (cells * filters).sum(-1).reshape(n, rows, columns, channels)


def adaptive_blurs():
    for n, (shape, size, strides, groups, border) in enumerate((
            ((6, 5, 8), 3, (2, 2), 4, "reflect"), ((4, 6, 3), 2, (1, 3), 1, "circular"),
            ((7, 7, 6), 4, (2, 2), 3, "zero"), ((5, 6, 34), 3, (3, 2), 2, "replicate"),
            ((8, 8, 5), 5, (2, 2), 5, "circular"))):
        for training in (True, False):
            logits = groups * size * size
            weights = {"kernel": drawn(size, size, shape[2], logits), "gamma": drawn(logits), "beta": drawn(logits),
                       "moving_mean": drawn(logits), "moving_variance": drawn(logits, low=0.5, high=2.0)}
            add(f"ddac_{n}_{'training' if training else 'inference'}", "AdaptiveBlurPooling2D",
                {"filter_size": size, "strides": strides, "groups": groups, "border": border, "epsilon": 1e-3},
                [drawn(3, *shape)], weights,
                lambda x, w: [ddac(x[0], w, size, strides, groups, border, training, 1e-3)], training)


# ---- TIPS ----------------------------------------------------------------


def tips(x, w, strides, regions):
    channels = x.shape[3]
    kernel = w["kernel"].permute(2, 3, 0, 1)
    padded = F.pad(first(x), (1, 1, 1, 1), mode="circular" if regions == "phases" else "constant")
    psi = torch.relu(F.conv2d(padded, kernel, groups=channels))
    phases = [first(x)[:, :, i::strides[0], j::strides[1]] for i in range(strides[0]) for j in range(strides[1])]
    if regions == "phases":
        means = [psi[:, :, i::strides[0], j::strides[1]].mean((2, 3)) for i in range(strides[0]) for j in range(strides[1])]
        means = torch.stack(means, -1)
    else:
        means = F.adaptive_avg_pool2d(psi, strides).flatten(2)
    tau = torch.softmax(means * w["scale"][:, None], -1)
    return last(sum(tau[:, :, k, None, None] * phase for k, phase in enumerate(phases)))


def mixtures():
    for n, (shape, strides) in enumerate((((4, 6, 3), (2, 2)), ((6, 4, 17), (3, 1)), ((2, 6, 5), (2, 3)))):
        for regions_of in ("phases", "quadrants"):
            add(f"tips_{n}_{regions_of}", "TranslationInvariantPolyphaseSampling2D",
                {"strides": strides, "regions": regions_of}, [drawn(3, *shape)],
                {"kernel": drawn(3, 3, shape[2], 1), "scale": drawn(shape[2], low=-3, high=3)},
                lambda x, w: [tips(x[0], w, strides, regions_of)])


# ---- unpooling -----------------------------------------------------------


def unpooling():
    for n, (shape, pool, strides) in enumerate((((4, 6, 3), (2, 2), (2, 2)), ((7, 5, 17), (3, 2), (2, 2)), ((5, 5, 2), (3, 3), (1, 2)))):
        def pooled(x, w):
            y, places = F.max_pool2d(first(x[0]), pool, strides, return_indices=True)
            return [last(y), last(places).double()]
        x = drawn(2, *shape)
        add(f"argmax_{n}", "MaxPoolingWithArgmax2D", {"pool_size": pool, "strides": strides}, [x], {}, pooled)
        places = tensors[f"argmax_{n}/output_1"]
        if strides != pool:
            continue  # places that windows share: torch keeps one of their values
        def back(x, w):
            return [last(F.max_unpool2d(first(x[0]), first(x[1]).long(), pool, strides, output_size=shape[:2]))]
        add(f"unpool_{n}", "MaxUnpooling2D", {"pool_size": pool, "strides": strides, "output_size": shape[:2]},
            [drawn(*places.shape), places], {}, back)


# ---- pyramids, strips, attention -----------------------------------------


def pyramid(x, levels, mean):
    pool = F.adaptive_avg_pool2d if mean else F.adaptive_max_pool2d
    return torch.cat([last(pool(first(x), level)).flatten(1) for level in levels], 1)


def strip(x, w):
    size = w["row_kernel"].shape[0]
    pads = ((size - 1) // 2, size // 2)
    means = first(x)
    rows = F.pad(means.mean(3, keepdim=True), (0, 0, *pads))
    rows = F.conv2d(rows, w["row_kernel"].permute(3, 2, 0, 1))
    columns = F.pad(means.mean(2, keepdim=True), (*pads, 0, 0))
    columns = F.conv2d(columns, w["column_kernel"].permute(3, 2, 0, 1))
    both = F.conv2d(rows + columns, w["kernel"].permute(3, 2, 0, 1), w["bias"])
    return x * last(torch.sigmoid(both))


def attention(x, w, gated):
    h = x.flatten(1, 2)
    hidden = torch.tanh(h @ w["kernel"])
    if gated:
        hidden = hidden * torch.sigmoid(h @ w["gate_kernel"])
    a = torch.softmax(hidden @ w["attention_kernel"], 1)
    return (a * h).sum(1)


def heads():
    for n, (shape, levels, pooling) in enumerate((((5, 7, 2), [1, 2, 4], "max"), ((6, 6, 17), [3, 1], "average"))):
        add(f"pyramid_{n}", "SpatialPyramidPooling2D", {"levels": levels, "pooling": pooling}, [drawn(2, *shape)], {},
            lambda x, w: [pyramid(x[0], levels, pooling == "average")])
    for n, (shape, size) in enumerate((((4, 5, 3), 3), ((6, 3, 17), 2))):
        c = shape[2]
        add(f"strip_{n}", "StripPooling2D", {"kernel_size": size}, [drawn(2, *shape)],
            {"row_kernel": drawn(size, 1, c, c), "column_kernel": drawn(1, size, c, c), "kernel": drawn(1, 1, c, c), "bias": drawn(c)},
            lambda x, w: [strip(x[0], w)])
    for gated in (False, True):
        weights = {"kernel": drawn(5, 7)} | ({"gate_kernel": drawn(5, 7)} if gated else {}) | {"attention_kernel": drawn(7, 1)}
        add(f"attention_{'gated' if gated else 'plain'}", "AttentionPooling2D", {"units": 7, "gated": gated}, [drawn(2, 4, 6, 5, low=-3, high=3)],
            weights, lambda x, w: [attention(x[0], w, gated)])


# ---- regions of fractional pooling ---------------------------------------


def keep_regions(name, x, y, dx, upstream, **notes):
    for key, value in (("input", x), ("output", y), ("upstream", upstream), ("grad", dx)):
        tensors[f"{name}/{key}"] = np.ascontiguousarray(value, np.float32)
    regions.append({"name": name, **notes})


def fractional_of_torch():
    """Windows of one size, from random samples that are given."""
    for n, (shape, out, pool) in enumerate((((7, 9, 3), (4, 5), (2, 3)), ((12, 5, 17), (5, 4), (3, 2)), ((6, 6, 1), (1, 6), (2, 1)))):
        samples = rng.uniform(0, 1, 2)
        x = torch.tensor(drawn(2, *shape).astype(np.float64), requires_grad=True)
        # (width, height) is torch's order of the samples
        drawn_samples = torch.tensor(samples[::-1].copy()).expand(2, shape[2], 2)
        y = last(F.fractional_max_pool2d(first(x), pool, output_size=out, _random_samples=drawn_samples))
        upstream = drawn(*y.shape)
        y.backward(torch.tensor(upstream.astype(np.float64)))
        keep_regions(f"torch_{n}", x.detach().numpy(), y.detach().numpy(), x.grad.numpy(), upstream,
                     pool=pool, samples=list(samples))


def fractional_of_tensorflow():
    """Regions between borders that TensorFlow drew."""
    import tensorflow as tf
    for n, (shape, ratio, pseudo, overlapping) in enumerate((
            ((7, 9, 3), (1.4, 1.7), True, False), ((12, 5, 17), (2.3, 1.2), False, True), ((9, 8, 2), (1.5, 1.5), True, True))):
        x = tf.constant(drawn(2, *shape).astype(np.float64))
        with tf.GradientTape() as tape:
            tape.watch(x)
            y, rows, columns = tf.nn.fractional_max_pool(x, [1.0, *ratio, 1.0], pseudo_random=pseudo, overlapping=overlapping, seed=5 + n)
        upstream = drawn(*y.shape)
        dx = tape.gradient(y, x, output_gradients=tf.constant(upstream.astype(np.float64)))
        keep_regions(f"tensorflow_{n}", x.numpy(), y.numpy(), dx.numpy(), upstream, overlapping=overlapping,
                     rows=rows.numpy().tolist(), columns=columns.numpy().tolist())


def main():
    torch.manual_seed(0)
    low_frequencies()
    adaptive_blurs()
    mixtures()
    unpooling()
    heads()
    fractional_of_torch()
    fractional_of_tensorflow()
    save_file(tensors, HERE / "cures.safetensors")
    text = json.dumps({"what": "layers: tensors of case N are N/input_0, N/output_0 and so on, N/<weight>, and with training N/upstream,"
                               " N/grad/input_0, N/grad/<weight>; regions: N/input, N/output, N/upstream, N/grad",
                       "torch": torch.__version__, "cases": cases, "regions": regions}, indent=1)
    (HERE / "cures.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
