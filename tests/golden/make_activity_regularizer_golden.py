#!/usr/bin/env python3
"""Write activity_regularizer.json and .safetensors: networks whose layers have an activity_regularizer, by Keras (network_steps.py).

    golden-venv/bin/python make_activity_regularizer_golden.py

Needs what make_golden.py needs. Keras divides the penalty of an output by the images of the batch (Layer.__call__), and counts frozen
layers too.
"""

import tensorflow as tf

from network_steps import Networks, keras

L, R = keras.layers, keras.regularizers


def chain(*layers):
    return keras.Sequential(list(layers))


def dense(n):
    n.add("dense", chain(
        L.Input((4,)), L.Dense(5, activation="tanh", kernel_regularizer=R.L2(0.02), activity_regularizer=R.L1L2(0.03, 0.05)),
        L.Dense(3, activity_regularizer="l2")))
    n.add("softmax", chain(
        L.Input((2, 4)), L.Dense(5, activation="softmax", activity_regularizer=R.L1L2(0.1, 0.4)), L.Flatten(), L.Dense(2)))
    n.add("einsum_dense", chain(
        L.Input((3, 4)), L.EinsumDense("abc,cd->abd", (3, 5), bias_axes="d", activation="relu", activity_regularizer=R.L1(0.04)),
        L.Flatten(), L.Dense(2)))


def maps(n):
    n.add("conv2d", chain(L.Input((6, 5, 2)), L.Conv2D(4, 3, activation="relu", activity_regularizer=R.L2(0.02)),
                          L.Conv2D(3, 2, strides=2, padding="same", activity_regularizer=R.L1(0.01)), L.Flatten(), L.Dense(2)))
    n.add("depthwise_conv2d", chain(
        L.Input((6, 5, 3)), L.DepthwiseConv2D(3, depth_multiplier=2, activation="tanh", activity_regularizer=R.L1L2(0.01, 0.03)),
        L.MaxPooling2D(2), L.Flatten(), L.Dense(2)))
    n.add("separable_conv2d", chain(L.Input((6, 5, 3)), L.SeparableConv2D(4, 3, activation="relu", depthwise_regularizer=R.L1(0.01),
                                                                          activity_regularizer=R.L2(0.05)), L.Flatten(), L.Dense(2)))
    n.add("conv2d_transpose", chain(
        L.Input((3, 4, 2)), L.Conv2DTranspose(3, 3, strides=2, activation="sigmoid", activity_regularizer=R.L1L2(0.01, 0.02)),
        L.Flatten(), L.Dense(2)))


def rows(n):
    n.add("steps", chain(
        L.Input((8, 2)), L.Conv1D(4, 3, padding="causal", activation="relu", activity_regularizer=R.L2(0.02)),
        L.SeparableConv1D(3, 3, activity_regularizer=R.L1(0.01)), L.DepthwiseConv1D(3, activation="tanh", activity_regularizer=R.L2(0.03)),
        L.Conv1DTranspose(3, 3, strides=2, activity_regularizer=R.L1L2(0.01, 0.01)), L.Flatten(), L.Dense(2)))


def orthogonal(n):
    for mode in ("rows", "columns"):
        penalty = R.OrthogonalRegularizer(0.3, mode)
        penalty.factor = tf.constant(0.3, "float64")  # Keras keeps it as float32, which it does not multiply with float64
        model = chain(L.Input((4,)), L.Dense(5, activation="tanh", activity_regularizer=penalty), L.Dense(3))
        n.add(f"orthogonal_{mode}", model, images=6, batch=4)


def graphs(n):
    """A layer that is called twice adds its penalty twice; one that is frozen adds it too."""
    twice = L.Dense(4, activation="tanh", activity_regularizer=R.L2(0.05), name="twice")
    frozen = L.Dense(4, activity_regularizer=R.L1(0.02), name="frozen")
    frozen.trainable = False
    x = L.Input((4,), name="x")
    penalized = L.ActivityRegularization(0.01, 0.02, name="penalty")(frozen(twice(twice(x))))
    n.add("shared_and_frozen", keras.Model(x, L.Dense(2, name="last")(penalized)))


networks = Networks(41)
for family in (dense, maps, rows, orthogonal, graphs):
    family(networks)
networks.write("activity_regularizer", "networks whose layers have an activity_regularizer; network_steps.py says what the tensors are")
