#!/usr/bin/env python3
"""The poolings that PyTorch has and Keras lacks, linn's beside PyTorch's: microseconds of a batch, forward and backward, in alternating rounds.

    PYTHONPATH=build/release/python build/peers-venv/bin/python bench/poolings_torch.py [THREADS] [ROUNDS]

Maps of 56x56x64, 32 images, float32. Of linn the ops of the layer as `linn profile` counts them, of PyTorch the calls of the function on channels-last and
on contiguous memory, whichever is quicker; the best of all rounds.
"""

import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

import linn
from linn import keras

THREADS = int(sys.argv[1]) if len(sys.argv) > 1 else 2
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 7
BATCH, SIDE, CHANNELS = 32, 56, 64
L = keras.layers


def unpooled(x):
    """The maxima back in their places."""
    values, places = L.MaxPoolingWithArgmax2D(2, name="it_pool")(x)
    return L.MaxUnpooling2D(2, name="it")([values, places])


def torch_unpooled(x):
    values, places = F.max_pool2d(x, 2, return_indices=True)
    return F.max_unpool2d(values, places, 2)


# name, linn's layer, PyTorch's function
POOLINGS = [
    ("Lp, p = 2, 2x2/2", L.LpPooling2D(2, p=2.0, name="it"), lambda x: F.lp_pool2d(x, 2.0, 2)),
    ("Lp, p = 3, 3x3/2", L.LpPooling2D(3, p=3.0, strides=2, name="it"), lambda x: F.lp_pool2d(x, 3.0, 3, 2)),
    ("fractional maximum 2x2, ratio 0.7", L.FractionalMaxPooling2D(1 / 0.7, pool_size=2, name="it"), lambda x: F.fractional_max_pool2d(x, 2, output_ratio=(0.7, 0.7))),
    ("maximum with places, and back, 2x2/2", unpooled, torch_unpooled),
    ("adaptive maximum 7x7", L.AdaptiveMaxPooling2D(7, name="it"), lambda x: F.adaptive_max_pool2d(x, 7)),
    ("adaptive average 7x7", L.AdaptiveAveragePooling2D(7, name="it"), lambda x: F.adaptive_avg_pool2d(x, 7)),
    ("adaptive maximum 5x5", L.AdaptiveMaxPooling2D(5, name="it"), lambda x: F.adaptive_max_pool2d(x, 5)),
    ("adaptive average 5x5", L.AdaptiveAveragePooling2D(5, name="it"), lambda x: F.adaptive_avg_pool2d(x, 5)),
    ("maximum 3x3/2, dilation 2", L.MaxPooling2D(3, strides=2, dilation_rate=2, name="it"), lambda x: F.max_pool2d(x, 3, 2, dilation=2)),
    ("maximum 3x3/2, ceil_mode", L.MaxPooling2D(3, strides=2, ceil_mode=True, name="it"), lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True)),
    ("average 3x3/2, ceil_mode", L.AveragePooling2D(3, strides=2, ceil_mode=True, name="it"), lambda x: F.avg_pool2d(x, 3, 2, ceil_mode=True, count_include_pad=False)),
]


def network(layer):
    """A map that a convolution and a pooling make, so that neither joins the layer, and its gradient is wanted."""
    image = keras.Input((SIDE, SIDE, 2))
    x = L.MaxPooling2D(2, strides=1, padding="same")(L.Conv2D(CHANNELS, 1)(image))
    x = L.GlobalAveragePooling2D()(layer(x))
    model = keras.Model(image, L.Dense(10, activation="softmax")(x))
    model.compile(optimizer="sgd", loss="sparse_categorical_crossentropy")
    return model


def linn_times(model):
    """Microseconds of the ops of the layer: (inference, forward and backward in training)."""
    times = []
    for training in (False, True):
        report = linn.profile(model, training=training, batch_size=BATCH, steps=3)
        ops = [op for op in report.ops if op["layer"] in ("it", "it_pool")]
        assert ops, report
        times.append(1e6 * sum(op["seconds"] for op in ops) / report.threads / report.steps)
    return times


def clock(call):
    start = time.perf_counter()
    for _ in range(3):
        call()
    return 1e6 * (time.perf_counter() - start) / 3


def torch_times(pooling, x):
    with torch.no_grad():
        forward = clock(lambda: pooling(x))
    y = pooling(x.requires_grad_())
    given = torch.ones_like(y)
    both = clock(lambda: torch.autograd.grad(pooling(x), x, given))
    return forward, both


def main():
    linn.set_threads(THREADS)
    torch.set_num_threads(THREADS)
    values = np.random.default_rng(1).random((BATCH, CHANNELS, SIDE, SIDE), np.float32)
    forms = [torch.tensor(values), torch.tensor(values).to(memory_format=torch.channels_last)]
    print(f"{BATCH} images {SIDE}x{SIDE}x{CHANNELS}, {THREADS} threads, PyTorch {torch.__version__}, best of {ROUNDS} rounds")
    print("| pooling | linn us | PyTorch us | PyTorch / linn | linn us, training | PyTorch us, with gradient | PyTorch / linn |\n|---|---|---|---|---|---|---|")
    for name, layer, function in POOLINGS:
        model = network(layer)
        best = [float("inf")] * 4
        for _ in range(ROUNDS):
            times = linn_times(model)
            for form in forms:
                best[2:] = [min(a, b) for a, b in zip(best[2:], torch_times(function, form.clone()))]
            best[:2] = [min(a, b) for a, b in zip(best[:2], times)]
        print(f"| {name} | {best[0]:.0f} | {best[2]:.0f} | {best[2] / best[0]:.2f} | {best[1]:.0f} | {best[3]:.0f} | {best[3] / best[1]:.2f} |", flush=True)


main()
