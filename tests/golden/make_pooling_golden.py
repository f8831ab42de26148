#!/usr/bin/env python3
"""Write pooling.json and pooling.safetensors: poolings and paddings that Keras lacks, computed by PyTorch in double.

    golden-venv/bin/python make_pooling_golden.py

Needs torch, numpy and safetensors. Where PyTorch has the layer (lp_pool2d, max_pool2d, avg_pool2d, Conv2d with padding_mode) it computes it;
elsewhere the formula of the paper does, on windows that this script cuts out. Gradients are autograd's, for the upstream gradient `up`.
For each case CASE: CASE/x, CASE/w0 ..., CASE/up, CASE/y, CASE/dx, CASE/dw0 ..., channels last, float32 inputs and results of double.
New cases go to the end: one in the middle redraws those behind it.
"""

import json
import math
import os

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
IMAGES = 3
random = np.random.default_rng(11)
cases, tensors = [], {}


def pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def padded(x, config, size, outside):
    """The map with its padding, as (N, C, H, W). Cells that a pooling leaves out hold `outside`."""
    padding = config.get("padding", "valid")
    strides, dilation = pair(config.get("strides", size)), pair(config.get("dilation_rate", 1))
    mode = "constant"
    if padding == "valid":
        pads = ((0, 0), (0, 0))
    elif isinstance(padding, str):
        pads = []
        for n, k, s, d in zip(x.shape[2:], size, strides, dilation):
            total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
            pads.append((total // 2, total - total // 2))
        mode = "constant" if padding == "same" else padding
    elif isinstance(padding, dict):
        pads, mode = padding["pads"], padding["border"]
    else:
        pads = padding
    (top, bottom), (left, right) = pads
    kwargs = {"value": outside} if mode == "constant" else {}
    return F.pad(x, (left, right, top, bottom), mode=mode, **kwargs)


def windows(x, config):
    """(N, C, cells, H', W') of values and of whether each is inside the map (or a filled pad)."""
    size = pair(config.get("pool_size", 2))
    strides, dilation = pair(config.get("strides", size)), pair(config.get("dilation_rate", 1))
    nan = float("nan")
    map_ = padded(x, config, size, nan)
    padding = config.get("padding", "valid")
    after = (padding[0][1], padding[1][1]) if isinstance(padding, list) else (0, 0)
    outs = []
    for axis in (0, 1):
        n, reach = map_.shape[2 + axis], (size[axis] - 1) * dilation[axis] + 1
        out = (n - reach) // strides[axis] + 1
        if config.get("ceil_mode"):
            out = -(-(n - reach) // strides[axis]) + 1
            if (out - 1) * strides[axis] >= n - after[axis]:
                out -= 1
        outs.append(out)
    needed = [(outs[a] - 1) * strides[a] + (size[a] - 1) * dilation[a] + 1 for a in (0, 1)]
    map_ = F.pad(map_, (0, max(0, needed[1] - map_.shape[3]), 0, max(0, needed[0] - map_.shape[2])), value=nan)
    cells = []
    for i in range(size[0]):
        for j in range(size[1]):
            rows = slice(i * dilation[0], i * dilation[0] + (outs[0] - 1) * strides[0] + 1, strides[0])
            columns = slice(j * dilation[1], j * dilation[1] + (outs[1] - 1) * strides[1] + 1, strides[1])
            cells.append(map_[:, :, rows, columns])
    stacked = torch.stack(cells, dim=2)
    inside = ~torch.isnan(stacked)
    return torch.where(inside, stacked, torch.zeros((), dtype=stacked.dtype)), inside


def per_channel(w):
    """(1) or (channels) against (N, C, H', W')."""
    return w.reshape(1, -1, 1, 1)


def lp(x, config, weights):
    p = config.get("p", 2.0)
    if not set(config) & {"padding", "ceil_mode", "dilation_rate"} and pair(config.get("strides", 1))[0] > 0:
        return F.lp_pool2d(x, p, pair(config.get("pool_size", 2)), pair(config.get("strides", config.get("pool_size", 2))))
    v, inside = windows(x, config)
    return torch.where(inside, v.abs() ** p, 0.0).sum(2) ** (1 / p)


def global_lp(x, config, weights):
    p = config.get("p", 2.0)
    return F.lp_pool2d(x, p, x.shape[2:])[:, :, 0, 0] if p % 2 == 0 else (x.abs() ** p).sum((2, 3)) ** (1 / p)


def generalized_mean(x, config, weights):
    v, inside = windows(x, config)
    p = per_channel(weights[0])
    powers = torch.where(inside, v.clamp(min=config.get("epsilon", 1e-6)) ** p.unsqueeze(2), 0.0)
    return (powers.sum(2) / inside.sum(2)) ** (1 / p)


def global_generalized_mean(x, config, weights):
    p = weights[0].reshape(1, -1)
    return (x.clamp(min=config.get("epsilon", 1e-6)) ** p.reshape(1, -1, 1, 1)).mean((2, 3)) ** (1 / p)


def soft(x, config, weights):
    v, inside = windows(x, config)
    w = torch.softmax(torch.where(inside, v, -math.inf), dim=2)
    return (w * v).sum(2)


def expected(x, config, weights):
    v, inside = windows(x, config)
    r = torch.where(inside, v.clamp(min=0), 0.0)
    total = r.sum(2)
    return torch.where(total > 0, (r * v).sum(2) / torch.where(total > 0, total, 1.0), 0.0)


def extremes(x, config):
    v, inside = windows(x, config)
    return torch.where(inside, v, -math.inf).amax(2), torch.where(inside, v, 0.0).sum(2) / inside.sum(2), v, inside


def mixed(x, config, weights):
    largest, mean, _, _ = extremes(x, config)
    a = per_channel(weights[0]) if weights else config.get("alpha", 0.5)
    return a * largest + (1 - a) * mean


def gated(x, config, weights):
    largest, mean, v, inside = extremes(x, config)
    gate = weights[0].reshape(-1, weights[0].shape[2]).T.reshape(1, weights[0].shape[2], -1, 1, 1)  # (1, channels or 1, cells, 1, 1)
    g = torch.sigmoid((gate * torch.where(inside, v, 0.0)).sum(2))
    return g * largest + (1 - g) * mean


def maximum(x, config, weights):
    size, strides = pair(config["pool_size"]), pair(config.get("strides", config["pool_size"]))
    dilation, ceil = pair(config.get("dilation_rate", 1)), config.get("ceil_mode", False)
    padding = config.get("padding", "valid")
    if isinstance(padding, list) and all(a == b for a, b in padding):
        return F.max_pool2d(x, size, strides, [a for a, _ in padding], dilation, ceil)
    if padding == "valid" or not isinstance(padding, list):
        return F.max_pool2d(padded(x, config, size, -math.inf), size, strides, 0, dilation, ceil)
    v, inside = windows(x, config)
    return torch.where(inside, v, -math.inf).amax(2)


def mean(x, config, weights):
    size, strides = pair(config["pool_size"]), pair(config.get("strides", config["pool_size"]))
    padding = config.get("padding", "valid")
    if isinstance(padding, list) and all(a == b for a, b in padding) and "dilation_rate" not in config:
        return F.avg_pool2d(x, size, strides, [a for a, _ in padding], config.get("ceil_mode", False), count_include_pad=False)
    v, inside = windows(x, config)
    return torch.where(inside, v, 0.0).sum(2) / inside.sum(2)


def convolution(x, config, weights):
    """torch.nn.Conv2d where it has the padding, else conv2d on torch's pad."""
    kernel, bias = weights
    strides, dilation = pair(config.get("strides", 1)), pair(config.get("dilation_rate", 1))
    depthwise = "filters" not in config
    if depthwise:
        weight = kernel.permute(2, 3, 0, 1).reshape(-1, 1, *kernel.shape[:2])
        groups = x.shape[1]
    else:
        weight, groups = kernel.permute(3, 2, 0, 1), config.get("groups", 1)
    padding = config["padding"]
    if isinstance(padding, dict) and all(a == b for a, b in padding["pads"]):
        layer = torch.nn.Conv2d(x.shape[1], weight.shape[0], weight.shape[2:], strides, [a for a, _ in padding["pads"]], dilation, groups, True,
                                padding["border"], dtype=torch.float64)
        del layer.weight, layer.bias
        layer.weight, layer.bias = weight, bias
        return layer(x)
    config = dict(config, strides=strides)
    return F.conv2d(padded(x, config, pair(config["kernel_size"]), 0.0), weight, bias, strides, 0, dilation, groups)


def case(class_name, config, shape, function, weight_shapes=(), low=-1.0, high=1.0, weight_low=-1.0):
    name = f"{len(cases)}_{class_name}"
    x = random.uniform(low, high, (IMAGES, *shape)).astype(np.float32)
    weights = [random.uniform(weight_low, 2.0, s).astype(np.float32) for s in weight_shapes]
    variables = [torch.tensor(w, dtype=torch.float64, requires_grad=True) for w in weights]
    leaf = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    y = function(leaf.permute(0, 3, 1, 2), config, variables)
    last = y.permute(0, 2, 3, 1) if y.dim() == 4 else y
    up = random.uniform(-1, 1, last.shape).astype(np.float32)
    gradients = torch.autograd.grad((last * torch.tensor(up, dtype=torch.float64)).sum(), [leaf, *variables])
    named = {"x": x, "up": up, "y": last.detach().numpy(), "dx": gradients[0].numpy()}
    for i, weight in enumerate(weights):
        named[f"w{i}"], named[f"dw{i}"] = weight, gradients[i + 1].numpy()
    assert all(np.isfinite(value).all() for value in named.values()), name
    for key, value in named.items():
        tensors[f"{name}/{key}"] = np.ascontiguousarray(value, dtype=np.float32)
    cases.append({"name": name, "class_name": class_name, "config": config, "image": list(shape)})


both = {"pads": [[1, 1], [2, 2]], "border": "reflect"}
odd = {"pads": [[2, 0], [1, 3]], "border": "replicate"}
# ---- maximum and mean: ceil_mode, dilation, filled pads ----
for name, function in (("MaxPooling2D", maximum), ("AveragePooling2D", mean)):
    case(name, {"pool_size": [3, 2], "strides": [2, 3], "ceil_mode": True}, (8, 9, 5), function)
    case(name, {"pool_size": [3, 3], "strides": [2, 2], "padding": [[1, 1], [1, 1]], "ceil_mode": True}, (8, 7, 5), function)
    case(name, {"pool_size": [2, 2], "strides": [3, 3], "padding": [[1, 1], [1, 1]], "ceil_mode": True}, (6, 7, 3), function)  # no window in the pads
    case(name, {"pool_size": [3, 2], "strides": [2, 2], "dilation_rate": [2, 3], "ceil_mode": True}, (10, 9, 3), function)
    case(name, {"pool_size": [3, 3], "strides": [2, 2], "padding": both}, (6, 7, 4), function)
    case(name, {"pool_size": [3, 3], "strides": [1, 2], "padding": odd}, (6, 7, 4), function)
    case(name, {"pool_size": [3, 3], "strides": [2, 2], "padding": "reflect"}, (6, 7, 4), function)
    case(name, {"pool_size": [3, 3], "strides": [2, 2], "padding": "replicate", "dilation_rate": [1, 2]}, (6, 7, 4), function)
    case(name, {"pool_size": [3, 3], "strides": [2, 2], "padding": {"pads": [[1, 1], [1, 1]], "border": "circular"}}, (6, 8, 4), function)
# ---- convolutions ----
for border in ("circular", "reflect", "replicate"):
    case("Conv2D", {"filters": 4, "kernel_size": [3, 3], "strides": [2, 1], "padding": {"pads": [[1, 1], [2, 2]], "border": border}}, (6, 7, 3), convolution,
         [(3, 3, 3, 4), (4,)])
    case("DepthwiseConv2D", {"kernel_size": [3, 5], "depth_multiplier": 2, "padding": {"pads": [[1, 1], [2, 2]], "border": border}}, (6, 7, 3), convolution,
         [(3, 5, 3, 2), (6,)])
    case("Conv2D", {"filters": 4, "kernel_size": [3, 2], "dilation_rate": [1, 2], "groups": 2, "padding": border}, (6, 7, 4), convolution, [(3, 2, 2, 4), (4,)])
# ---- the new poolings ----
ceil = {"pool_size": [3, 3], "strides": [2, 2], "padding": [[1, 1], [1, 0]], "ceil_mode": True}
filled = {"pool_size": [3, 2], "strides": [2, 1], "padding": "reflect", "dilation_rate": [1, 2]}
case("LpPooling2D", {"pool_size": [2, 2]}, (6, 7, 21), lp)
case("LpPooling2D", {"pool_size": [3, 2], "strides": [1, 2], "p": 1.0}, (6, 7, 5), lp, low=0.1)
case("LpPooling2D", {"pool_size": [3, 3], "strides": [2, 2], "p": 2.5}, (7, 7, 5), lp, low=0.1)
case("LpPooling2D", {"pool_size": [3, 3], "strides": [2, 2], "p": 4.0}, (7, 7, 5), lp)
case("LpPooling2D", dict(ceil, p=3.0), (7, 8, 5), lp)
case("LpPooling2D", dict(filled, p=1.7), (7, 8, 5), lp)
case("GlobalLpPooling2D", {"p": 2.0}, (5, 6, 9), global_lp)
case("GlobalLpPooling2D", {"p": 3.3}, (5, 6, 9), global_lp)
for channels, config in ((1, {}), (5, {"per_channel": True})):
    for window in ({"pool_size": [2, 2]}, ceil, filled):
        case("GeneralizedMeanPooling2D", dict(window, **config, epsilon=0.05), (7, 8, 5), generalized_mean, [(channels,)], weight_low=0.5)
    case("GlobalGeneralizedMeanPooling2D", dict(config), (5, 6, 5), global_generalized_mean, [(channels,)], low=0.1, weight_low=0.5)
for window in ({"pool_size": [2, 2]}, ceil, filled):
    case("SoftPooling2D", window, (7, 8, 5), soft, low=-4, high=4)
    case("StochasticPooling2D", window, (7, 8, 5), expected)
    case("MixedPooling2D", dict(window, alpha=0.3), (7, 8, 5), mixed)
    case("MixedPooling2D", dict(window, learned=True), (7, 8, 5), mixed, [(1,)])
    case("MixedPooling2D", dict(window, learned=True, per_channel=True), (7, 8, 5), mixed, [(5,)])
    size = window["pool_size"]
    case("GatedPooling2D", window, (7, 8, 5), gated, [(*size, 1)])
    case("GatedPooling2D", dict(window, per_channel=True), (7, 8, 5), gated, [(*size, 5)])

with open(os.path.join(HERE, "pooling.json"), "w") as file:
    json.dump({"cases": cases}, file, indent=1)
    file.write("\n")
save_file(tensors, os.path.join(HERE, "pooling.safetensors"))
print(len(cases), "cases")
