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

    def add(self, name, layer, *inputs, gradient=True, training=False):
        """Output and gradients for a drawn upstream gradient."""
        listed = len(inputs) > 1
        layer.build([x.shape for x in inputs] if listed else inputs[0].shape)
        layer.set_weights([
            w if w.dtype.kind == "i" else
            (self.rng.standard_normal(w.shape) * 0.5).astype(np.float32)
            for w in layer.get_weights()])
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
            "gradient": gradient})

    def write(self):
        save("graph_layers", self.tensors)
        save_cases("graph_layers.json", {
            "what": "layers; tensors of case N are N/input_0 and so on,"
                    " N/output, N/<weight>, and with gradient also N/upstream,"
                    " N/grad/input_0 and so on, N/grad/<weight>"}, self.cases)


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
            case("many", *[c.normal(2, 3, 2, 3) for _ in range(6)])
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
          *[c.normal(3, 2, 3, k % 4 + 1) for k in range(7)])
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


def main():
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(0)
    cases = Cases()
    merges(cases)
    arranged(cases)
    cases.write()


if __name__ == "__main__":
    main()
