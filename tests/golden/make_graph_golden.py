#!/usr/bin/env python3
"""Write the golden values of whole networks with Keras: the built-in ones, and
small ones with branches, shared layers, several inputs and outputs.

    ninja -C build/release write_networks
    mkdir NETWORKS && build/release/tests/write_networks NETWORKS
    golden-venv/bin/python tests/golden/make_graph_golden.py NETWORKS

Needs what make_golden.py needs, whose helpers it uses. It writes graph.json
and graph.safetensors; README.md says what they hold. Keras makes the built-in
networks from the configurations that linn wrote into NETWORKS, so the script
also shows that Keras reads them. Everything is computed in float64 and rounded
to float32 once. Weights, inputs and labels follow from formula.py. What Keras
itself loses in float32 is printed and kept as "drift".
"""

import argparse
import json
import re
import zlib

import numpy as np
from safetensors.numpy import load_file

import formula
from make_golden import (clean_config, keras, path, rounded, save, save_cases,
                         tf)

SGD = {"class_name": "SGD", "config": {"learning_rate": 0.01}}


def optimizers(factor):
    """Adam, and SGD with Nesterov's momentum, at small rates: with large ones
    rounding errors grow from step to step until nobody agrees, in float64
    either."""
    return {"adam": {"class_name": "Adam", "config": {
                "learning_rate": 1e-4 * factor}},
            "sgd": {"class_name": "SGD", "config": {
                "learning_rate": 1e-3 * factor, "momentum": 0.9,
                "nesterov": True}}}


# ---------------------------------------------------------------- models

def with_dtype(value, dtype):
    """A configuration whose layers and values are all of this type."""
    if isinstance(value, dict):
        return {k: dtype if k == "dtype" and v is not None
                else with_dtype(v, dtype) for k, v in value.items()}
    if isinstance(value, list):
        return [with_dtype(v, dtype) for v in value]
    return value


def make_model(config, dtype, gamma=1.0):
    """With the weights of formula.py. Losses, metrics and optimizers take
    their type from floatx."""
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    model = keras.models.model_from_json(json.dumps(with_dtype(config, dtype)))
    formula.set_weights(model, gamma)
    return model


def compile_model(model, optimizer, compiled):
    model.compile(optimizer=getattr(keras.optimizers, optimizer["class_name"])(
        **optimizer["config"]), jit_compile=False, **compiled)


# ---------------------------------------------------------------- a case

class Case:
    """A network and its data. A target is a number of classes, or the shape
    of one. Inputs of step k are from stream first_stream + k, targets from
    10,000 streams behind."""

    def __init__(self, name, config, targets, batch, compiled,
                 first_stream=10_000, gamma=1.0):
        self.name, self.config, self.batch = name, config, batch
        self.targets, self.compiled = targets, compiled
        self.first_stream, self.gamma = first_stream, gamma
        model = make_model(config, "float32")
        self.shapes = [list(x.shape[1:]) for x in model.inputs]

    def data(self, step):
        first = self.first_stream + step
        x = [formula.values([self.batch] + shape, first + 100 * i, -1, 1)
             for i, shape in enumerate(self.shapes)]
        first += 10_000
        y = [formula.labels(self.batch, first + 100 * i, target)
             if isinstance(target, int) else
             formula.values([self.batch] + target, first + 100 * i, -1, 1)
             for i, target in enumerate(self.targets)]
        return x, y

    def compute(self, dtype, optimizers, steps):
        """Tensors, and the logs of each step."""
        x, y = self.data(0)
        x = [v.astype(dtype) for v in x]
        model = make_model(self.config, dtype, self.gamma)
        compile_model(model, SGD, self.compiled)
        out = {}
        for i, value in enumerate(as_list(model(x if len(x) > 1 else x[0]))):
            out[f"output_{i}"] = value.numpy()
        out |= self.gradients(model, x, y)
        logs = {}
        for word, optimizer in optimizers.items():
            out |= self.train(dtype, word, optimizer, steps, logs)
        return out, logs

    def rounded_gradients(self):
        """Gradients in float32 for eight inputs that are off by a rounding:
        what is summed in another order rounds as much."""
        x, y = self.data(0)
        model = make_model(self.config, "float32", self.gamma)
        compile_model(model, SGD, self.compiled)
        rng = np.random.default_rng(1)
        for _ in range(8):
            yield self.gradients(model, [
                v * (1 + rng.choice([-1, 0, 1], v.shape).astype(np.float32)
                     * np.float32(2.0 ** -23)) for v in x], y)

    def gradients(self, model, x, y):
        x = [tf.constant(v) for v in x]
        with tf.GradientTape() as tape:
            predicted = model(x if len(x) > 1 else x[0], training=True)
            loss = model.compute_loss(x, y if len(y) > 1 else y[0], predicted,
                                      training=True)
        grads = tape.gradient(loss, [v.value for v in model.trainable_weights],
                              unconnected_gradients="zero")
        index = {id(v): i for i, v in enumerate(model.weights)}
        return {f"grad/{index[id(v)]}": tf.convert_to_tensor(g).numpy()
                for v, g in zip(model.trainable_weights, grads, strict=True)}

    def train(self, dtype, word, optimizer, steps, logs):
        model = make_model(self.config, dtype, self.gamma)
        compile_model(model, optimizer, self.compiled)
        before = model.get_weights()
        logs[word] = []
        for step in range(steps):
            x, y = self.data(step)
            model.reset_metrics()
            got = model.train_on_batch(
                [v.astype(dtype) for v in x] if len(x) > 1 else
                x[0].astype(dtype), y if len(y) > 1 else y[0],
                return_dict=True)
            logs[word].append({k: float(v) for k, v in got.items()})
        return {f"{word}/{i}": after - was for i, (after, was) in
                enumerate(zip(model.get_weights(), before, strict=True))}


def as_list(value):
    return list(value) if isinstance(value, (list, tuple)) else [value]


def drift_of(got, want, logs, wanted):
    """How far float32 is from float64: outputs and losses by the largest
    difference, gradients and moved weights by the norm of all together."""
    drift = {"output": 0.0, "loss": 0.0, "gradient": 0.0, "moved": 0.0}
    apart, norm = {}, {}
    for key, value in want.items():
        kind = key.split("/")[0]
        if kind.startswith("output"):
            drift["output"] = max(drift["output"],
                                  np.abs(got[key] - value).max())
            continue
        apart[kind] = apart.get(kind, 0) + np.sum((got[key] - value) ** 2)
        norm[kind] = norm.get(kind, 0) + np.sum(value ** 2)
    for kind in norm:
        key = "gradient" if kind == "grad" else "moved"
        drift[key] = max(drift[key], np.sqrt(apart[kind] / norm[kind]))
    for word, steps in wanted.items():
        for have, step in zip(logs[word], steps, strict=True):
            drift["loss"] = max(drift["loss"],
                                *(abs(have[k] - step[k]) / abs(step[k])
                                  for k in step if k.endswith("loss")))
    return {k: rounded(v) for k, v in drift.items()}


# What is promised. Where Keras itself loses more in float32, four times that:
# an activation that crosses relu's kink by rounding changes gradients at once.
PROMISED = {"gradient": 1e-5, "loss": 1e-4, "moved": 1e-3}


def bounds_of(drift):
    bounds = {k: max(v, 4 * drift[k]) for k, v in PROMISED.items()}
    if drift["gradient"] > PROMISED["gradient"]:
        bounds["moved"] = max(bounds["moved"], bounds["gradient"])
    return bounds


ROUNDOFF = 2.0 ** -24  # of float32


def rounding_of(layer, x, y):
    """How far one layer's float32 result may be from the exact one for the
    same inputs: n roundings of at most ROUNDOFF for a sum of n terms, whatever
    its order, relative to the sum of magnitudes."""
    kind = layer.__class__.__name__
    if kind in ("Conv2D", "DepthwiseConv2D", "Dense"):
        weights = layer.get_weights()
        terms = weights[0].size // weights[0].shape[-1] + 1
        if kind == "DepthwiseConv2D":
            terms = weights[0].shape[0] * weights[0].shape[1] + 1
        layer.set_weights([np.abs(w) for w in weights])
        activation, layer.activation = layer.activation, None
        magnitude = layer(np.abs(x[0])).numpy()
        layer.activation = activation
        layer.set_weights(weights)
        return terms * ROUNDOFF * magnitude
    if kind == "BatchNormalization":
        gamma, beta, mean, variance = layer.get_weights()
        scale = np.abs(gamma) / np.sqrt(variance + layer.epsilon)
        return 4 * ROUNDOFF * (scale * (np.abs(x[0]) + np.abs(mean))
                               + np.abs(beta))
    if kind == "GlobalAveragePooling2D":
        terms = x[0].shape[1] * x[0].shape[2]
        return terms * ROUNDOFF * np.abs(x[0]).mean(axis=(1, 2))
    if kind == "Add":
        return ROUNDOFF * np.abs(y)
    assert kind in ("InputLayer", "Activation", "ReLU", "ZeroPadding2D"), kind
    return 0 * y


def a_priori_bound(model, x):
    """A bound of the logarithms of float32's probabilities, to first order:
    each layer's roundings times the slope of the result there."""
    last = model.layers[-1]
    assert last.activation is keras.activations.softmax
    last.activation = keras.activations.linear
    wanted = [layer.output for layer in model.layers]
    inner = keras.Model(model.inputs, wanted)
    with tf.GradientTape(persistent=True) as tape:
        x = tf.constant(x.astype(np.float64))
        tape.watch(x)
        values = inner(x)
        classes = [v[:, k] for v in [tf.nn.log_softmax(values[-1])]
                   for k in range(v.shape[1])]
    by_tensor = {id(t): v.numpy() for t, v in zip(wanted, values)}
    by_tensor[id(model.inputs[0])] = x.numpy()
    roundings = [rounding_of(layer, [by_tensor[id(t)] for t in
                                     as_list(layer.input)], v.numpy())
                 for layer, v in zip(model.layers, values)]
    bound = []
    for log in classes:
        slopes = tape.gradient(log, values, unconnected_gradients="zero")
        parts = [(np.abs(s.numpy()) * r).reshape(len(x), -1).sum(1)
                 for s, r in zip(slopes, roundings)]
        # exp, sum and division of the softmax itself
        own = (len(classes) + 8 + np.abs(values[-1]).max(1)) * ROUNDOFF
        bound.append(sum(parts) + own)
    return np.stack(bound, 1)


class Golden:
    """All cases; those of other names than `only` are taken from the files."""

    def __init__(self, only):
        self.cases, self.tensors, self.only, self.old = [], {}, only, {}
        if only:
            with open(path("graph.json"), encoding="utf-8") as f:
                self.old = {c["name"]: c for c in json.load(f)["cases"]}
            self.old_tensors = load_file(path("graph.safetensors"))

    def wants(self, name):
        return not self.only or name in self.only

    def add(self, case, optimizers, steps, a_priori, **notes):
        if not self.wants(case.name):
            self.cases.append(self.old[case.name])
            self.tensors |= {k: v for k, v in self.old_tensors.items()
                             if k.startswith(case.name + "/")}
            return
        out, logs = case.compute("float64", optimizers, steps)
        single, single_logs = case.compute("float32", optimizers, steps)
        drift = drift_of(single, out, single_logs, logs)
        wanted = {k: v for k, v in out.items() if k.startswith("grad/")}
        drift["gradient"] = max(drift["gradient"], *(
            drift_of(g, wanted, {}, {})["gradient"]
            for g in case.rounded_gradients()))
        if a_priori:
            out["bound"] = a_priori_bound(
                make_model(case.config, "float64", case.gamma),
                case.data(0)[0][0])
            allowed = np.abs(np.log(out["output_0"]) - np.log(
                single["output_0"].astype(np.float64))) / out["bound"]
            print(f"  Keras in float32 takes {allowed.max():.2g} of the bound,"
                  f" which is up to {out['bound'].max():.2g}")
        for key, value in out.items():
            whole = key.startswith(("output", "bound"))
            self.tensors[f"{case.name}/{key}"] = (
                value if whole else formula.sketch(value))
        model = make_model(case.config, "float32")
        self.cases.append({
            "name": case.name, "batch": case.batch, "inputs": case.shapes,
            "targets": case.targets, "first_stream": case.first_stream,
            "gamma": case.gamma,
            "compile": case.compiled,
            "weights": [[v.name, list(v.shape)] for v in model.weights],
            "optimizers": optimizers, "logs": logs, "drift": drift,
            "bounds": {"output": 1e-5} | bounds_of(drift)} | notes)
        print(f"  {case.name}: {drift}", flush=True)

    def write(self):
        keras.config.set_floatx("float32")
        save("graph", self.tensors)
        save_cases("graph.json", {
            "what": "networks; weights, inputs and labels follow from"
                    " formula.py. Of case N the tensors are N/output_0 and so"
                    " on, and sketches: N/grad/I of weight I, N/adam/I how"
                    " far it moved in all steps with Adam."},
            self.cases)


# ---------------------------------------------------------------- built in

APPLICATIONS = {"resnet50": keras.applications.ResNet50,
                "mobilenet_v2": keras.applications.MobileNetV2}


def compare_with_application(config, make):
    """The same layers under the same names and in the same order, with the
    same arguments, connections and weights, and the same outputs."""
    keras.backend.clear_session()
    ours = make_model(config, "float64")
    theirs = make(weights=None, input_shape=ours.input_shape[1:],
                  classes=ours.output_shape[1])
    assert ours.name == theirs.name, (ours.name, theirs.name)
    pairs = list(zip(ours.get_config()["layers"],
                     theirs.get_config()["layers"], strict=True))
    for a, b in pairs:
        if a["class_name"] == "InputLayer":
            continue
        assert a["name"] == b["name"], (a["name"], b["name"])
        assert a["class_name"] == b["class_name"], (a["name"], b["class_name"])
        for key, value in b["config"].items():
            if key == "axis":  # the last one of a map
                value = -1 if value == 3 else value
            assert key == "dtype" or clean_config(
                a["config"][key]) == clean_config(value), (a["name"], key)
        assert sources(a) == sources(b), a["name"]
    assert [(v.path, v.shape) for v in ours.weights] == [
        (v.path, v.shape) for v in theirs.weights]
    formula.set_weights(theirs)
    x = formula.values([2, *ours.input_shape[1:]], 10_000, -1, 1)
    x = x.astype(np.float64)
    assert ours(x).shape == theirs(x).shape
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-9)


def sources(layer):
    """The layers that a layer reads; an input has any name."""
    text = json.dumps(layer["inbound_nodes"], default=str)
    return [n if "input" not in n else "input" for n in re.findall(
        r'keras_history.: .*?\["(.*?)"', text)] or text.count("history")


def built_in(folder, golden):
    compiled = {"loss": "sparse_categorical_crossentropy",
                "metrics": ["accuracy"]}
    for name, batch, factor, steps, first_stream, gamma in (
            ("lenet5", 9, 1, 2, 10_000, 1), ("all_cnn", 9, 1, 2, 10_000, 1),
            ("vgg_small", 9, 1, 2, 10_000, 1),
            ("resnet20", 4, 1, 10, 10_037, 1),
            ("resnet32", 4, 1, 2, 10_000, 0.5),
            ("resnet56", 4, 1, 2, 10_000, 0.5),
            ("resnet50", 3, 0.01, 2, 10_000, 0.5),
            ("mobilenet_v2", 8, 0.01, 10, 10_000, 1)):
        with open(f"{folder}/{name}.json", encoding="utf-8") as f:
            text = f.read()
        case = Case(name, json.loads(text), [10], batch, compiled, first_stream,
                    gamma)
        chosen = optimizers(factor)
        if steps < 10:
            del chosen["adam"]
        if golden.wants(name) and name in APPLICATIONS:
            compare_with_application(json.loads(text), APPLICATIONS[name])
        golden.add(case, chosen, steps, steps == 10,
                   checksum=zlib.crc32(text.encode()))


# ---------------------------------------------------------------- small graphs

L = keras.layers


def image(*shape, name=None):
    return keras.Input(shape, name=name)


def residual():
    x = L.Conv2D(6, 3, padding="same", use_bias=False)(i := image(9, 8, 3))
    y = L.ReLU()(L.BatchNormalization()(x))
    z = L.Add()([x, L.Conv2D(6, 3, padding="same")(y)])
    return keras.Model(i, L.Dense(5, activation="softmax")(
        L.GlobalAveragePooling2D()(z)))


def shared():
    """Each shared layer is called twice, with a normalization between."""
    conv = L.Conv2D(4, 3, padding="same", name="conv")
    norm = L.BatchNormalization(name="norm", momentum=0.9)
    dense = L.Dense(7, name="units", activation="tanh")
    x = norm(conv(i := image(7, 6, 4)))
    y = norm(conv(L.Activation("relu")(x)))
    a, b = dense(L.Flatten()(x)), dense(L.Flatten()(y))
    return keras.Model(i, L.Dense(2)(L.Concatenate()([a, b, dense(
        L.Flatten()(i))])))


def several():
    a, b = image(6, 6, 2, name="picture"), image(3, name="numbers")
    x = L.Concatenate()([L.Flatten()(L.Conv2D(3, 3, activation="relu")(a)), b])
    x = L.Dense(9, activation="relu", name="hidden")(x)
    kind = L.Dense(4, activation="softmax", name="kind")(x)
    size = L.Dense(2, name="size")(L.Concatenate()([x, kind]))
    return keras.Model([a, b], [kind, size, x], name="several")


def nested():
    """A model called twice, with a model and a Sequential in it."""
    i = image(6, 6, 3)
    deepest = keras.Model(i, L.LeakyReLU(0.2)(L.BatchNormalization()(i)),
                          name="deepest")
    chain = keras.Sequential([image(6, 6, 3), L.Conv2D(3, 3, padding="same"),
                              L.Activation("tanh")], name="chain")
    j = image(6, 6, 3)
    block = keras.Model(j, L.Add()([j, chain(deepest(j))]), name="block")
    x = block(block(k := image(6, 6, 3)))
    return keras.Model(k, L.Dense(3, activation="softmax")(L.Flatten()(x)),
                       name="outer")


def several_inside():
    """A model of two inputs and two outputs as a layer."""
    a, b = image(5, 4, 2), image(5, 4, 2)
    c = L.Conv2D(2, 3, padding="same", name="c")
    inner = keras.Model([a, b], [L.Subtract()([c(a), b]),
                                 L.Maximum()([c(b), a])], name="pair")
    i, j = image(5, 4, 2), image(5, 4, 2)
    x, y = inner([i, j])
    u, v = inner([y, x])  # counted from 1 where it is an output
    out = L.Minimum()([L.Average()([x, v]), L.Multiply()([y, u])])
    return keras.Model([i, j], [L.Flatten()(out), L.GlobalMaxPooling2D()(u),
                                y])


def frozen():
    """A convolution, a normalization and a model that are not trained."""
    i = image(6, 6, 3)
    base = keras.Model(i, L.ReLU()(L.BatchNormalization()(
        L.Conv2D(4, 3, padding="same")(i))), name="base")
    base.trainable = False
    conv = L.Conv2D(4, 3, padding="same", name="conv", trainable=False)
    norm = L.BatchNormalization(name="norm", trainable=False)
    x = norm(conv(base(j := image(6, 6, 3))))
    x = L.BatchNormalization()(L.Conv2D(5, 3, activation="relu")(x))
    return keras.Model(j, L.Dense(4, activation="softmax")(L.Flatten()(x)))


def u_net():
    x = L.Conv2D(5, 3, padding="same", activation="relu")(i := image(8, 8, 2))
    y = L.Conv2D(6, 3, padding="same", activation="elu")(L.MaxPooling2D()(x))
    y = L.DepthwiseConv2D(3, padding="same", dilation_rate=2)(y)
    up = L.Conv2DTranspose(5, 3, strides=2, padding="same")(y)
    flat = L.UpSampling2D(2, interpolation="nearest")(y)
    z = L.Concatenate()([x, up, flat])
    z = L.SeparableConv2D(4, 3, padding="same", activation="silu")(z)
    return keras.Model(i, L.Conv2D(3, 1)(z), name="u_net")


def attention():
    """Channels weighed by what the whole map holds, several norms."""
    x = L.Conv2D(8, 3, groups=2, activation="gelu")(i := image(8, 7, 4))
    x = L.GroupNormalization(4)(x)
    s = L.GlobalAveragePooling2D(keepdims=True)(x)
    s = L.Conv2D(4, 1, activation="relu")(s)
    s = L.Conv2D(8, 1, activation="sigmoid")(s)
    x = L.Multiply()([x, s])
    x = L.LayerNormalization()(L.PReLU(shared_axes=[1, 2])(x))
    x = L.ZeroPadding2D(((0, 1), (1, 0)))(L.Cropping2D(((1, 0), (0, 1)))(x))
    x = L.Reshape((4, -1))(L.Permute((3, 1, 2))(L.AveragePooling2D(
        2, padding="same")(x)))
    return keras.Model(i, L.Dense(3, activation="softmax")(L.Flatten()(x)))


def regularized():
    regular = keras.regularizers
    conv = L.Conv2D(4, 3, padding="same", kernel_regularizer=regular.L1L2(
        0.01, 0.02), bias_regularizer=regular.L2(0.03), name="conv")
    x = L.Softmax(name="weights")(conv(conv(i := image(6, 5, 4))))
    return keras.Model(i, L.Dense(2, kernel_regularizer=regular.L1(0.005))(
        L.Flatten()(x)))


LABELS = {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}
SMALL = [
    (residual, [5], LABELS),
    (shared, [[2]], {"loss": "mse", "metrics": ["mae"]}),
    (several, [4, [2], [9]], {
        "loss": {"kind": "sparse_categorical_crossentropy", "size": "mse",
                 "hidden": None},
        "loss_weights": {"kind": 1.5, "size": 0.25, "hidden": None},
        "metrics": {"kind": ["accuracy"], "size": ["mae", "mse"]}}),
    (nested, [3], LABELS),
    (several_inside, [[40], [2], [5, 4, 2]], {
        "loss": ["mse", "huber", "mae"], "loss_weights": [0.5, 2.0, 1.0]}),
    (frozen, [4], LABELS),
    (u_net, [[8, 8, 3]], {"loss": "mae"}),
    (attention, [3], LABELS),
    (regularized, [[2]], {"loss": "log_cosh"})]


def small_graphs(golden):
    for make, targets, compiled in SMALL:
        keras.backend.clear_session()
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
        config = clean_config(json.loads(make().to_json()))
        golden.add(Case(make.__name__, config, targets, 11, compiled),
                   optimizers(1), 10, False, model=config)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", help="folder of configurations")
    parser.add_argument("--only", nargs="+", metavar="CASE",
                        help="leave the others as they are in the files")
    arguments = parser.parse_args()
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(0)
    golden = Golden(arguments.only)
    small_graphs(golden)
    built_in(arguments.networks, golden)
    golden.write()


if __name__ == "__main__":
    main()
