#!/usr/bin/env python3
"""Write spectral.json and spectral.safetensors: networks with SpectralNormalization, by Keras (network_steps.py).

    golden-venv/bin/python make_spectral_golden.py

Needs what make_golden.py needs.
"""

from network_steps import Networks, keras

L, R = keras.layers, keras.regularizers
S = L.SpectralNormalization


def chain(*layers):
    return keras.Sequential(list(layers))


def wrapped(n):
    n.add("conv2d_dense", chain(
        L.Input((6, 5, 2)), S(L.Conv2D(4, 3, activation="relu")), L.Flatten(), S(L.Dense(5, activation="tanh"), power_iterations=3),
        L.Dense(2)), gradient=False)
    n.add("more_maps", chain(
        L.Input((5, 4, 3)), S(L.DepthwiseConv2D(3, depth_multiplier=2)),
        S(L.Conv2DTranspose(3, 3, strides=2, use_bias=False), power_iterations=2), L.Flatten(), L.Dense(2)), gradient=False)
    n.add("steps", chain(
        L.Input((8, 2)), S(L.Conv1D(4, 3, activation="relu")), S(L.DepthwiseConv1D(2)), S(L.Conv1DTranspose(3, 3, strides=2)),
        S(L.EinsumDense("abc,cd->abd", (11, 3), bias_axes="d")), L.Flatten(), L.Dense(2)), gradient=False)


def bounds(n):
    """Penalties of kernel and output, a constraint, a frozen wrapper, a kernel of zeros, and a call that is always one of inference."""
    frozen = S(L.Dense(4), name="frozen")
    frozen.trainable = False
    n.add("bounds", chain(L.Input((4,)), S(L.Dense(5, activation="tanh", kernel_regularizer=R.L2(0.05), activity_regularizer=R.L1(0.02),
                                                   kernel_constraint=keras.constraints.MaxNorm(0.3))), frozen, L.Dense(2)), gradient=False)
    n.add("zeros", chain(L.Input((4,)), S(L.Dense(5)), L.Dense(2)), gradient=False, zeros=(0,))
    x = L.Input((4,), name="x")
    n.add("inference_call", keras.Model(x, L.Dense(2, name="last")(S(L.Dense(3), name="normalized")(x, training=False))), gradient=False)


networks = Networks(43)
wrapped(networks)
bounds(networks)
networks.write("spectral", "networks with SpectralNormalization; network_steps.py says what the tensors are")
