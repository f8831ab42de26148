#!/usr/bin/env python3
"""Write the golden values of layers of several inputs, and of the layers that
make_golden.py does not know yet, with Keras.

    golden-venv/bin/python make_graph_layers_golden.py

Needs what make_golden.py needs, whose helpers it uses. It writes
graph_layers.json and graph_layers.safetensors, made with keras 3.15.1 and
tensorflow-cpu 2.21.0. Keras runs in float64; inputs and weights are float32
numbers, results are rounded to float32 once.
"""

import numpy as np

from make_golden import keras, layer_config, save, save_cases, tf

L = keras.layers


class Cases:
    def __init__(self):
        self.rng = np.random.default_rng(23)
        self.tensors, self.cases = {}, []

    def normal(self, *shape):
        return self.rng.standard_normal(shape).astype(np.float32)

    def ties(self, *shape):
        return self.rng.integers(-2, 3, shape).astype(np.float32)

    def add(self, name, layer, *inputs, gradient=True, training=False,
            **notes):
        """Output and gradients for a drawn upstream gradient."""
        listed = len(inputs) > 1
        layer.build([x.shape for x in inputs] if listed else inputs[0].shape)
        drawn = []
        for v in layer.weights:
            w = (self.rng.standard_normal(v.shape) * 0.5).astype(np.float32)
            if v.name == "variance":
                w = np.abs(w) + np.float32(0.1)
            drawn.append(v.numpy() if v.name == "count" else w)
        layer.set_weights(drawn)
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()
        out = {v.name: v.numpy() for v in layer.weights}
        xs = [tf.constant(x.astype(np.float64)) for x in inputs]
        with tf.GradientTape() as tape:
            tape.watch(xs)
            y = layer(xs if listed else xs[0], training=training)
        out["output"] = y.numpy()
        if gradient:
            upstream = self.rng.standard_normal(y.shape).astype(np.float32)
            weights = layer.trainable_weights
            dxs, dws = tape.gradient(
                y, [xs, [v.value for v in weights]],
                output_gradients=tf.constant(upstream.astype(np.float64)),
                unconnected_gradients=tf.UnconnectedGradients.ZERO)
            out["upstream"] = upstream
            for i, g in enumerate(dxs):
                out[f"grad/input_{i}"] = g.numpy()
            for v, g in zip(weights, dws, strict=True):
                out["grad/" + v.name] = g.numpy()
        for i, x in enumerate(inputs):
            out[f"input_{i}"] = x
        for key, value in out.items():
            self.tensors[f"{name}/{key}"] = value
        self.cases.append({
            "name": name, "class_name": layer.__class__.__name__,
            "config": layer_config(layer), "input_shapes": [list(x.shape[1:]) for x in inputs],
            "gradient": gradient} | notes)

    def write(self):
        save("graph_layers", self.tensors)
        save_cases("graph_layers.json", {
            "what": "layers; tensors of case N are N/input_0 and so on,"
                    " N/output, N/<weight>, and with gradient also N/upstream,"
                    " N/grad/input_0 and so on, N/grad/<weight>; single:"
                    " computed by TensorFlow in float32"}, self.cases)


def merges(c):
    for cls in (L.Add, L.Subtract, L.Multiply, L.Average, L.Maximum,
                L.Minimum):
        def case(what, *inputs):
            c.add(f"{cls.__name__.lower()}_{what}", cls(dtype="float64"),
                  *inputs)
        for channels in (1, 3, 5, 17, 33):
            case(f"two_{channels}", c.normal(3, 4, 5, channels),
                 c.normal(3, 4, 5, channels))
        case("ties", c.ties(2, 3, 5, 3), c.ties(2, 3, 5, 3))
        case("channels", c.normal(2, 3, 4, 17), c.normal(2, 1, 1, 17))
        case("channels_first", c.normal(2, 1, 1, 5), c.normal(2, 3, 4, 5))
        case("pixels", c.normal(2, 3, 4, 17), c.normal(2, 3, 4, 1))
        case("both", c.normal(2, 3, 1, 5), c.normal(2, 1, 4, 1))
        case("rank", c.normal(2, 3, 4, 5), c.normal(2, 5))
        if cls is not L.Subtract:
            case("three", c.ties(2, 4, 3, 5), c.ties(2, 4, 3, 5),
                 c.ties(2, 4, 3, 5))
            case("three_broadcast", c.ties(2, 1, 1, 5), c.ties(2, 4, 3, 5),
                 c.ties(2, 4, 3, 1))
            case("many", *[c.normal(2, 3, 2, 3) for _ in range(12)])
    for axis, sizes in ((-1, (1, 3, 5, 17, 33)), (3, (5, 5)), (1, (2, 1, 4)),
                        (2, (3, 1)), (-2, (1, 2))):
        def part(size):
            shape = [2, 3, 4, 5]
            shape[axis] = size
            return c.normal(*shape)
        word = str(axis).replace("-", "minus")
        c.add(f"concatenate_{word}_of_{len(sizes)}",
              L.Concatenate(axis=axis, dtype="float64"),
              *[part(size) for size in sizes])
    c.add("concatenate_many", L.Concatenate(dtype="float64"),
          *[c.normal(3, 2, 3, k % 4 + 1) for k in range(13)])
    c.add("concatenate_rows", L.Concatenate(dtype="float64"), c.normal(3, 4),
          c.normal(3, 7))


def arranged(c):
    for target in ((3, 4, 5), (-1,), (5, -1), (2, -1, 3), (60, 1)):
        word = "x".join(str(size).replace("-1", "open") for size in target)
        c.add(f"reshape_{word}", L.Reshape(target, dtype="float64"),
              c.normal(2, 4, 5, 3))
    for dims in ((2, 1, 3), (1, 2, 3), (3, 1, 2), (2, 3, 1), (3, 2, 1),
                 (1, 3, 2)):
        word = "".join(map(str, dims))
        c.add(f"permute_{word}", L.Permute(dims, dtype="float64"),
              c.normal(2, 4, 5, 17))
    c.add("permute_21", L.Permute((2, 1), dtype="float64"), c.normal(3, 4, 33))
    for word, cropping in (("none", 0), ("one", 1), ("pair", (1, 2)),
                           ("all", ((1, 2), (0, 3))), ("top", ((2, 0), (0, 0)))):
        for channels in (1, 3, 17):
            c.add(f"cropping_{word}_{channels}",
                  L.Cropping2D(cropping, dtype="float64"),
                  c.normal(2, 6, 7, channels))
    c.add("identity", L.Identity(dtype="float64"), c.normal(2, 3, 3))


def activations(c):
    x = np.concatenate([np.linspace(-8, 8, 33), [
        1e-4, -1e-4, 0.3, -0.3, 0.75, -0.75, 1.25, -1.25, 2.7, -2.7, 5.9]])
    x = x.astype(np.float32).reshape(4, 11)
    for word, config in (
            ("plain", {}), ("six", {"max_value": 6.0}),
            ("limit", {"max_value": 2.0}), ("slope", {"negative_slope": 0.25}),
            ("threshold", {"threshold": 1.25}),
            ("limit_slope", {"max_value": 2.0, "negative_slope": 0.25}),
            ("all", {"max_value": 5.0, "negative_slope": 0.1,
                     "threshold": 1.0})):
        c.add(f"relu_{word}", L.ReLU(**config, dtype="float64"), x)
    for slope in (0.3, 0.0, 1.5):
        c.add(f"leaky_relu_{slope}",
              L.LeakyReLU(negative_slope=slope, dtype="float64"), x)
    for alpha in (1.0, 0.5, 2.0):
        c.add(f"elu_{alpha}", L.ELU(alpha=alpha, dtype="float64"), x)
    for word, axes in (("none", None), ("map", [1, 2]), ("rows", [1]),
                       ("all", [1, 2, 3]), ("channels", [3])):
        for channels in (1, 3, 5, 17, 33):
            c.add(f"prelu_{word}_{channels}",
                  L.PReLU(shared_axes=axes, dtype="float64"),
                  c.normal(3, 4, 5, channels))
    c.add("prelu_zeros", L.PReLU(dtype="float64"), c.ties(3, 7))
    for word, axis in (("last", -1), ("first", 1), ("middle", 2),
                       ("minus2", -2), ("two", (1, 2)), ("ends", (1, 3))):
        c.add(f"softmax_{word}", L.Softmax(axis=axis, dtype="float64"),
              c.normal(2, 3, 4, 5))


def norms(c):
    for channels in (1, 2, 3, 5, 17, 33):
        c.add(f"layer_norm_{channels}", L.LayerNormalization(dtype="float64"),
              c.normal(3, 4, 5, channels))
    for word, config in (
            ("map", {"axis": [1, 2, 3]}), ("rows", {"axis": 1}),
            ("columns", {"axis": -2}), ("ends", {"axis": [1, 3]}),
            ("last_two", {"axis": [-1, -2], "epsilon": 1e-5}),
            ("no_center", {"center": False}), ("no_scale", {"scale": False}),
            ("neither", {"center": False, "scale": False})):
        c.add(f"layer_norm_{word}",
              L.LayerNormalization(**config, dtype="float64"),
              c.normal(3, 4, 5, 6))
    c.add("layer_norm_row", L.LayerNormalization(dtype="float64"),
          c.normal(9, 33))
    for channels, groups in ((1, 1), (3, 3), (5, 1), (6, 2), (34, 17),
                             (33, -1), (32, 4), (64, 32)):
        word = str(groups).replace("-", "minus")
        c.add(f"group_norm_{channels}_{word}",
              L.GroupNormalization(groups, dtype="float64"),
              c.normal(3, 4, 5, channels))
    for word, config in (("axis", {"groups": 2, "axis": 1}),
                         ("no_scale", {"groups": 3, "scale": False}),
                         ("neither", {"groups": 2, "center": False,
                                      "scale": False, "epsilon": 1e-5})):
        c.add(f"group_norm_{word}",
              L.GroupNormalization(**config, dtype="float64"),
              c.normal(3, 4, 5, 6))
    c.add("group_norm_row", L.GroupNormalization(3, dtype="float64"),
          c.normal(5, 12))


def resized(c):
    """TensorFlow resizes bilinearly in float32, whatever it is given."""
    for channels in (1, 3, 17):
        for size in (2, (3, 1), (2, 5)):
            word = "x".join(map(str, size if isinstance(size, tuple)
                                else (size, size)))
            c.add(f"up_sampling_{word}_{channels}",
                  L.UpSampling2D(size, dtype="float64"),
                  c.normal(2, 3, 4, channels))
            c.add(f"up_sampling_bilinear_{word}_{channels}",
                  L.UpSampling2D(size, interpolation="bilinear",
                                 dtype="float64"),
                  c.normal(2, 3, 4, channels), single=True)
    for how in ("nearest", "bilinear"):
        for height, width in ((7, 5), (3, 9), (12, 14), (1, 1), (6, 7),
                              (11, 23)):
            c.add(f"resizing_{how}_{height}x{width}",
                  L.Resizing(height, width, interpolation=how,
                             dtype="float64"),
                  c.normal(2, 6, 7, 3), single=True)
        for word in ("crop", "pad"):
            for height, width in ((5, 5), (4, 9), (9, 4), (3, 2)):
                c.add(f"resizing_{how}_{word}_{height}x{width}",
                      L.Resizing(height, width, interpolation=how,
                                 **{word + "_to_aspect_ratio": True},
                                 fill_value=0.5, dtype="float64"),
                      c.normal(2, 8, 5, 3), single=True)
    for cls, word in ((L.AdaptiveMaxPooling2D, "max"),
                      (L.AdaptiveAveragePooling2D, "average")):
        for channels in (1, 3, 5, 17, 33):
            c.add(f"adaptive_{word}_2x3_{channels}",
                  cls((2, 3), dtype="float64"), c.normal(2, 5, 7, channels))
        for size in ((1, 1), (5, 7), (3, 7), (4, 2)):
            c.add(f"adaptive_{word}_{size[0]}x{size[1]}",
                  cls(size, dtype="float64"), c.normal(2, 5, 7, 3))
            # TensorFlow's gradient of a maximum over a whole axis holds
            # values that nobody computed: its own memory.
            if word == "max" and size == (1, 1):
                c.cases[-1]["gradient"] = False
                for key in ("upstream", "grad/input_0"):
                    del c.tensors[f"adaptive_{word}_1x1/{key}"]
        c.add(f"adaptive_{word}_ties", cls((3, 4), dtype="float64"),
              c.ties(2, 7, 9, 3))


def noises(c):
    c.add("spatial_dropout", L.SpatialDropout2D(0.25, dtype="float64"),
          c.normal(2, 3, 4, 5), gradient=False)
    c.add("gaussian_noise", L.GaussianNoise(0.25, dtype="float64"),
          c.normal(2, 3, 4), gradient=False)


def normalizations(c):
    """Keras keeps the statistics in float32."""
    for word, config in (
            ("channels", {}), ("invert", {"invert": True}),
            ("rows", {"axis": 1}), ("two", {"axis": (1, 3)}),
            ("all", {"axis": None}),
            ("given", {"mean": [0.5, -1.0, 2.0], "variance": [4.0, 0.5, 1.0]}),
            ("given_scalar", {"axis": None, "mean": 0.5, "variance": 2.0,
                              "invert": True})):
        c.add(f"normalization_{word}", L.Normalization(**config,
                                                       dtype="float64"),
              c.normal(2, 4, 5, 3), single=True)


def main():
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(0)
    cases = Cases()
    merges(cases)
    arranged(cases)
    activations(cases)
    norms(cases)
    resized(cases)
    noises(cases)
    normalizations(cases)
    cases.write()


if __name__ == "__main__":
    main()
