#!/usr/bin/env python3
"""Write steps.json and steps.safetensors: the layers over steps (steps,
channels), forward and backward, with Keras in float64.

    golden-venv/bin/python make_steps_golden.py

Needs what make_golden.py needs, and takes the helpers of
make_graph_layers_golden.py. Results are rounded to float32 once.
"""

from make_golden import save, save_cases
from make_graph_layers_golden import Cases, L

WHAT = ("layers over steps; tensors of case N are N/input_0, N/output,"
        " N/<weight>, N/upstream, N/grad/input_0, N/grad/<weight>; single:"
        " computed by TensorFlow in float32")


def convolutions(c):
    for k, s, p, d, g, n, cin, f, more in (
            (3, 1, "valid", 1, 1, 9, 3, 5, {}),
            (3, 1, "same", 1, 1, 7, 1, 1, {}),
            (4, 2, "same", 1, 1, 10, 5, 7, {}),
            (5, 3, "same", 1, 1, 11, 17, 6, {"activation": "relu"}),
            (2, 1, "same", 1, 1, 1, 3, 4, {}),
            (1, 1, "valid", 1, 1, 1, 1, 1, {}),
            (1, 2, "valid", 1, 1, 7, 5, 33, {"use_bias": False}),
            (3, 1, "valid", 3, 1, 12, 3, 4, {}),
            (4, 1, "same", 2, 1, 9, 3, 4, {"activation": "tanh"}),
            (3, 1, "causal", 1, 1, 6, 3, 4, {}),
            (3, 1, "causal", 4, 1, 6, 2, 4, {}),
            (5, 2, "causal", 1, 1, 9, 3, 4, {"activation": "relu"}),
            (4, 3, "causal", 1, 1, 10, 1, 3, {"use_bias": False}),
            (2, 1, "causal", 1, 1, 1, 3, 4, {}),
            (3, 1, "same", 1, 2, 9, 6, 4, {}),
            (3, 2, "valid", 1, 5, 11, 15, 10, {}),
            (3, 1, "causal", 2, 3, 7, 6, 9, {}),
            (7, 1, "same", 1, 17, 9, 17, 17, {}),
            (9, 1, "valid", 1, 1, 9, 2, 3, {})):
        c.add(f"conv1d_k{k}_s{s}_{p}_d{d}_g{g}_{n}x{cin}_f{f}",
              L.Conv1D(f, k, strides=s, padding=p, dilation_rate=d, groups=g,
                       dtype="float64", **more), c.normal(2, n, cin))
    c.add("conv1d_softmax", L.Conv1D(3, 2, activation="softmax",
                                     dtype="float64"), c.normal(2, 6, 4))
    c.add("conv1d_softmax_of_steps",
          L.Conv1D(3, 2, activation=L.Softmax(axis=1, dtype="float64"),
                   use_bias=False, dtype="float64"),
          c.normal(2, 6, 4))
    for k, s, p, m, d, n, cin, more in (
            (3, 1, "valid", 1, 1, 9, 3, {}),
            (4, 1, "same", 2, 1, 7, 5, {}),
            (3, 2, "same", 1, 1, 8, 17, {"activation": "relu"}),
            (5, 3, "valid", 3, 1, 11, 2, {"use_bias": False}),
            (3, 1, "same", 1, 2, 9, 5, {}),
            (2, 1, "valid", 4, 1, 5, 1, {}),
            (3, 1, "same", 1, 1, 1, 3, {})):
        c.add(f"depthwise1d_k{k}_s{s}_{p}_m{m}_d{d}_{n}x{cin}",
              L.DepthwiseConv1D(k, strides=s, padding=p, depth_multiplier=m,
                                dilation_rate=d, dtype="float64", **more),
              c.normal(2, n, cin))
    for f, k, s, p, m, d, n, cin, more in (
            (4, 3, 1, "valid", 1, 1, 9, 3, {}),
            (5, 4, 2, "same", 2, 1, 10, 5, {}),
            (17, 3, 1, "same", 1, 2, 9, 4, {"use_bias": False}),
            (3, 5, 3, "valid", 3, 1, 12, 1, {"activation": "tanh"}),
            (2, 1, 1, "same", 1, 1, 1, 3, {})):
        c.add(f"separable1d_f{f}_k{k}_s{s}_{p}_m{m}_d{d}_{n}x{cin}",
              L.SeparableConv1D(f, k, strides=s, padding=p, depth_multiplier=m,
                                dilation_rate=d, dtype="float64", **more),
              c.normal(2, n, cin))
    for f, k, s, p, o, n, cin, more in (
            (4, 3, 1, "valid", None, 5, 3, {}),
            (3, 3, 2, "same", None, 5, 5, {}),
            (3, 4, 2, "same", 1, 6, 3, {}),
            (2, 2, 3, "valid", None, 4, 2, {"activation": "relu"}),
            (2, 2, 3, "valid", 2, 4, 2, {"use_bias": False}),
            (5, 5, 3, "same", 2, 3, 1, {}),
            (1, 3, 2, "same", 0, 5, 3, {}),
            (4, 3, 2, "valid", None, 1, 3, {})):
        c.add(f"transpose1d_f{f}_k{k}_s{s}_{p}_o{o}_{n}x{cin}",
              L.Conv1DTranspose(f, k, strides=s, padding=p, output_padding=o,
                                dtype="float64", **more), c.normal(2, n, cin))


def poolings(c):
    for word, cls in (("max", L.MaxPooling1D), ("average", L.AveragePooling1D)):
        for k, s, p, n, channels in (
                (2, None, "valid", 7, 3), (3, None, "same", 7, 5),
                (3, 1, "same", 9, 1), (2, 3, "valid", 11, 17),
                (4, 2, "same", 9, 33), (1, None, "valid", 1, 1),
                (3, 2, "same", 1, 3), (5, 5, "valid", 5, 2)):
            c.add(f"{word}1d_k{k}_s{s}_{p}_{n}x{channels}",
                  cls(k, strides=s, padding=p, dtype="float64"),
                  c.normal(2, n, channels))
        c.add(f"{word}1d_ties", cls(3, strides=2, dtype="float64"),
              c.ties(2, 9, 3))
    for word, cls in (("max", L.GlobalMaxPooling1D),
                      ("average", L.GlobalAveragePooling1D)):
        for n, channels, keeps in ((7, 3, False), (9, 17, True), (1, 1, False),
                                   (2, 33, False)):
            c.add(f"global_{word}1d_{n}x{channels}_{keeps}",
                  cls(keepdims=keeps, dtype="float64"),
                  c.normal(2, n, channels))
    c.add("global_max1d_ties", L.GlobalMaxPooling1D(dtype="float64"),
          c.ties(2, 7, 3))
    for word, cls in (("max", L.AdaptiveMaxPooling1D),
                      ("average", L.AdaptiveAveragePooling1D)):
        for o, n, channels in ((3, 7, 2), (2, 6, 5), (1, 5, 1), (5, 5, 3),
                               (4, 3, 17)):
            c.add(f"adaptive_{word}1d_{o}_{n}x{channels}",
                  cls(o, dtype="float64"), c.normal(2, n, channels))


def arranged(c):
    for padding in (1, 0, (1, 3), (0, 2)):
        c.add(f"zero_padding1d_{padding}",
              L.ZeroPadding1D(padding, dtype="float64"), c.normal(2, 4, 3))
    for cropping in (1, 0, (1, 2), (3, 0)):
        c.add(f"cropping1d_{cropping}", L.Cropping1D(cropping, dtype="float64"),
              c.normal(2, 5, 3))
    for size, n, channels in ((2, 5, 3), (3, 4, 17), (1, 2, 2), (4, 1, 1)):
        c.add(f"up_sampling1d_{size}_{n}x{channels}",
              L.UpSampling1D(size, dtype="float64"), c.normal(2, n, channels))
    c.add("spatial_dropout1d", L.SpatialDropout1D(0.4, dtype="float64"),
          c.normal(2, 4, 3), gradient=False)


def of_any_rank(c):
    """Layers that are not of maps alone, on steps of channels."""
    for layer in (L.LayerNormalization(dtype="float64"),
                  L.GroupNormalization(2, dtype="float64"),
                  L.Rescaling(0.5, 1.0, dtype="float64"),
                  L.ReLU(max_value=2.0, dtype="float64"),
                  L.Dense(5, activation="tanh", dtype="float64"),
                  L.Activation("silu", dtype="float64"),
                  L.PReLU(shared_axes=[1], dtype="float64"),
                  L.Dropout(0.3, dtype="float64"),
                  L.Flatten(dtype="float64")):
        c.add(f"steps_{type(layer).__name__.lower()}", layer, c.normal(3, 7, 4),
              gradient=not isinstance(layer, L.Dropout))


def main():
    c = Cases()
    convolutions(c)
    poolings(c)
    arranged(c)
    of_any_rank(c)
    save("steps", c.tensors)
    save_cases("steps.json", {"what": WHAT}, c.cases)


if __name__ == "__main__":
    main()
