#!/usr/bin/env python3
"""Exchanges model files between linn and Keras 3, in both directions, and compares tensors, outputs and training.

    ninja -C build/release write_files
    KERAS_BACKEND=tensorflow python tests/keras/check_files.py build/release/tests/write_files [--only TEXT] [--markdown FILE] [--keep DIR]

A case is a network. What is done with it:

1. linn builds it, changes all weights a little, writes a.keras, a.h5, a.weights.h5, a.weights.json (in shards) and the legacy a_weights.h5, trains
   ten steps, writes a10.keras, trains ten more.
2. Keras loads each file: tensors are equal bit for bit, outputs agree. It trains ten steps from a.keras and ten from a10.keras, which agree with
   linn's. It writes b.keras, b.h5, b.weights.h5 and b.weights.json behind its first ten steps, and trains ten more.
3. linn loads each: tensors bit for bit, outputs, ten further steps, and the configuration that linn wrote in 1.

Networks that Keras makes (tf_keras too, for files of Keras 2) begin at the end of 2.

Bounds, set beforehand: outputs 1e-5 of the largest; weights after ten steps 1e-4 of the norm of all weights, and 1e-2 of the way that they
went in these steps, which tells a wrong step from a small one. Exits with 1 where something fails.
"""

import argparse
import inspect
import json
import logging
import os
import subprocess
import sys
import tempfile
import traceback
import warnings

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np  # noqa: E402
import keras  # noqa: E402

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python"))
import keras_layers  # noqa: E402,F401

OUTPUT_BOUND = 1e-5
WEIGHT_BOUND = 1e-4
WAY_BOUND = 1e-2
STEPS, BATCH, ROWS = 10, 4, 8

FILES_OF_KERAS = ("b.keras", "b.h5", "b.weights.h5", "b.weights.json")


# ---- what this version of Keras lacks --------------------------------------------------------------------------------

# Shards came with Keras 3.10.
HAS_SHARDS = "max_shard_size" in inspect.signature(keras.Model.save_weights).parameters
NOTES = []  # what is left out of all cases
if not HAS_SHARDS:
    NOTES.append("no .weights.json in this Keras")
    FILES_OF_KERAS = tuple(name for name in FILES_OF_KERAS if name != "b.weights.json")


def reads_single_end():
    """Whether "input_layers" may be ["in", 0, 0], as Keras writes it today: Keras before 3.4 reads nothing but a list of such lists."""
    ends = keras.Input((1,), name="in")
    config = keras.Model(ends, keras.layers.Flatten(name="out")(ends)).get_config()
    try:
        keras.Model.from_config({**config, "input_layers": ["in", 0, 0], "output_layers": ["out", 0, 0]})
    except (AssertionError, TypeError):
        return False
    return True


def read_single_ends():
    """Lets Keras before 3.4 read functional models of one input or output, so that the rest of their files is checked."""
    from keras.src.models import functional as module

    inner = module.functional_from_config

    def functional_from_config(cls, config, *args, **kwargs):
        lists = {key: [config[key]] for key in ("input_layers", "output_layers") if isinstance(config[key], list) and isinstance(config[key][0], str)}
        return inner(cls, {**config, **lists}, *args, **kwargs)

    module.functional_from_config = functional_from_config


if not reads_single_end():
    NOTES.append('this Keras reads no functional model of one input or output as linn and later versions write it, "input_layers": ["in", 0, 0]: here it is given [["in", 0, 0]]')
    read_single_ends()


def refuses(make):
    """Whether Keras itself does not do this."""
    try:
        make()
    except (TypeError, ValueError):
        return True
    return False


def lacking_activation(name, arguments):
    """As `lacks`. Keras 3.3 and 3.8 write an activation that is a layer (ReLU with a slope), and do not read it again."""
    if name in ("log", "power") or (name == "sparsemax" and arguments):
        return None  # keras_layers.py computes it without keras.activations
    if not hasattr(keras.activations, name):
        return f"no keras.activations.{name}"
    class_name = {"relu": "ReLU", "leaky_relu": "LeakyReLU", "elu": "ELU", "softmax": "Softmax"}.get(name)
    if arguments and class_name:
        written = keras.activations.serialize(getattr(keras.layers, class_name)(**arguments))
        if refuses(lambda: keras.activations.get(written)):
            return f"keras.activations.get does not read what keras.activations.serialize makes of keras.layers.{class_name}"
    return None


def lacking_layer(class_name, config):
    """As `lacks`."""
    if not hasattr(keras.layers, class_name) and not hasattr(keras_layers, class_name):
        return f"no keras.layers.{class_name}"
    if isinstance(config.get("activation"), str) and lacking_activation(config["activation"], {}):
        return lacking_activation(config["activation"], {})
    if 0 in (config.get("output_padding") or []) and refuses(lambda: keras.layers.Conv2DTranspose(1, 2, strides=2, output_padding=(1, 0))):
        return "no output_padding of 0"
    strided_and_dilated = max(config.get("strides") or [1]) > 1 and max(config.get("dilation_rate") or [1]) > 1
    if strided_and_dilated and class_name == "DepthwiseConv2D" and refuses(lambda: keras.layers.DepthwiseConv2D(3, strides=2, dilation_rate=2)):
        return "no DepthwiseConv2D with strides and a dilation rate"
    return None


def lacks(kind, class_name, config):
    """What this version of Keras lacks to read a file with this part; None where it lacks nothing."""
    if kind == "layer":
        return lacking_layer(class_name, config)
    if kind == "activation":
        return lacking_activation(class_name, config)
    return None if hasattr(getattr(keras, kind), class_name) else f"no keras.{kind}.{class_name}"


def other_initializer_name(class_name):
    """The name by which Keras writes this initializer where it is another one and Keras reads no other: OrthogonalInitializer up to 3.6."""
    name = getattr(keras.initializers, class_name).__name__
    written = {"module": "keras.initializers", "registered_name": None, **node(class_name)}
    return name if name != class_name and refuses(lambda: keras.initializers.get(written)) else None


def keeps_output_padding():
    """Whether Conv2DTranspose writes its output_padding, which Keras forgot up to 3.12."""
    return "output_padding" in keras.layers.Conv2DTranspose(1, 2, strides=2, output_padding=1).get_config()


def finishes_normalization():
    """Whether a Normalization is ready when an .h5 file was read: Keras up to 3.5 reads mean and variance, and goes on computing with
    0 and 1."""
    from keras.src.legacy.saving import legacy_h5_format

    return "finalize_state" in inspect.getsource(legacy_h5_format)


def has_equal_paths(optimizer):
    """Whether variables of an optimizer have the same path, with which Keras cannot write .h5: Adagrad before 3.10."""
    paths = [variable.path for variable in optimizer.variables] if isinstance(optimizer, keras.optimizers.Optimizer) else []
    return len(set(paths)) < len(paths)


# ---- networks as configurations --------------------------------------------------------------------------------------


def tensor(layer, call=0, output=0):
    return {"class_name": "__keras_tensor__", "config": {"shape": [None], "dtype": "float32", "keras_history": [layer, call, output]}}


def layer(class_name, name, sources=(), calls=None, **config):
    """A node of a functional model. `sources`: names, or (name, call, output)."""

    def call(inputs):
        values = [tensor(*source) if isinstance(source, tuple) else tensor(source) for source in inputs]
        return {"args": values if len(values) == 1 else [values], "kwargs": {}}

    calls = calls if calls is not None else ([sources] if sources else [])
    return {"class_name": class_name, "config": {"name": name, **config}, "name": name, "inbound_nodes": [call(inputs) for inputs in calls]}


def input_layer(name, shape):
    return layer("InputLayer", name, batch_shape=[None, *shape], dtype="float32")


def functional(layers, inputs, outputs, name="net", compile=None):
    ends = lambda names: [list(end) if isinstance(end, tuple) else [end, 0, 0] for end in names]  # noqa: E731
    json_model = {"class_name": "Functional", "config": {"name": name, "trainable": True, "layers": layers, "input_layers": ends(inputs), "output_layers": ends(outputs)}}
    if compile is not None:
        json_model["compile_config"] = compile
    return json_model


def node(class_name, config=None):
    return {"class_name": class_name, "config": config or {}}


def sgd(rate=0.01, **config):
    return node("SGD", {"learning_rate": rate, "momentum": 0.9, **config})


def targets_of(class_name):
    if class_name.startswith("Sparse"):
        return "labels"
    return "signs" if "Hinge" in class_name and class_name != "CategoricalHinge" else "one hot"


def activation_for(class_name, config):
    if config.get("from_logits"):
        return "linear"
    return "sigmoid" if class_name.startswith("Binary") else "softmax"


def compiled(loss="mean_squared_error", optimizer=None, **rest):
    return {"optimizer": optimizer or sgd(), "loss": loss, "metrics": None, **rest}


class Case:
    """A network to exchange. `inputs`: shapes of one image. `targets`: shapes of y, or "labels"."""

    def __init__(self, name, model, inputs, targets=((3,),), train=True, why=None, make=None, evaluate=False, bound=OUTPUT_BOUND,
                 files=FILES_OF_KERAS):
        self.name, self.model, self.inputs, self.targets = name, model, inputs, targets
        self.train, self.why = train, why  # why there is no training
        self.make, self.evaluate, self.files = make, evaluate, files
        self.bound = bound  # of outputs
        self.results = {}
        self.known = None  # a difference that is known
        self.lacks = None  # what this version of Keras lacks: the case is left out

    def data(self):
        random = np.random.default_rng(sum(map(ord, self.name)))
        arrays = {f"x{i}": random.uniform(0, 1, (ROWS, *shape)).astype("float32") for i, shape in enumerate(self.inputs)}
        for i, shape in enumerate(self.targets):
            if shape == "labels":
                arrays[f"y{i}"] = random.integers(0, 3, ROWS).astype("int32")
            elif shape == "one hot":
                arrays[f"y{i}"] = np.eye(3, dtype="float32")[random.integers(0, 3, ROWS)]
            elif shape == "signs":
                arrays[f"y{i}"] = random.choice([-1.0, 1.0], (ROWS, 3)).astype("float32")
            else:
                arrays[f"y{i}"] = random.uniform(0, 1, (ROWS, *shape)).astype("float32")
        return arrays

    def put(self, column, fault):
        """Notes a result: None is good."""
        self.results.setdefault(column, [])
        if fault:
            self.results[column].append(fault)

    @property
    def failed(self):
        return any(self.results.values())


# ---- comparisons ---------------------------------------------------------------------------------------------------


def same_bits(expected, found):
    if len(expected) != len(found):
        return f"{len(expected)} tensors, {len(found)} came"
    for i, (a, b) in enumerate(zip(expected, found)):
        a, b = np.asarray(a), np.asarray(b)
        if a.shape != b.shape:
            return f"tensor {i}: {a.shape}, {b.shape} came"
        if a.dtype.kind == "f" and a.astype("float32").tobytes() != b.astype("float32").tobytes():
            return f"tensor {i} {a.shape}: apart by {np.abs(a - b).max():.2g}"
        if a.dtype.kind != "f" and not np.array_equal(a, b):
            return f"tensor {i} {a.shape}: {a} and {b}"
    return None


def outputs_agree(expected, found, bound=OUTPUT_BOUND):
    if len(expected) != len(found):
        return f"{len(expected)} outputs, {len(found)} came"
    for a, b in zip(expected, found):
        if a.shape != b.shape:
            return f"output {a.shape}, {b.shape} came"
        apart = np.abs(a - b).max() / max(np.abs(a).max(), 1e-30)
        if not apart <= bound:
            return f"outputs apart by {apart:.2g}"
    return None


def norm(tensors):
    return float(np.sqrt(sum(np.sum(np.square(np.asarray(t, "float64"))) for t in tensors)))


def steps_agree(before, expected, found):
    if [np.shape(a) for a in expected] != [np.shape(b) for b in found]:
        return "other shapes"
    apart = norm([np.asarray(a, "float64") - b for a, b in zip(expected, found)])
    way = norm([np.asarray(a, "float64") - b for a, b in zip(expected, before)])
    if not apart <= WEIGHT_BOUND * norm(expected):
        return f"weights apart by {apart / norm(expected):.2g}"
    if not apart <= max(WAY_BOUND * way, 1e-7 * norm(expected)):
        return f"steps apart by {apart / max(way, 1e-30):.2g} of their way"
    return None


# ---- the two sides -------------------------------------------------------------------------------------------------


class Linn:
    def __init__(self, program, folder):
        self.program, self.folder = program, folder

    def run(self, requests, label):
        """The answers by name, and what linn said on stderr by name."""
        path = os.path.join(self.folder, f"{label}.json")
        with open(path, "w") as file:
            json.dump(requests, file)
        done = subprocess.run([self.program, path], capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"write_files ended with {done.returncode}: {done.stderr[-2000:]}")
        answers = {answer["name"]: answer for answer in map(json.loads, done.stdout.splitlines())}
        said, current = {}, None
        for line in done.stderr.splitlines():
            if line.startswith("# "):
                current = line[2:]
            else:
                said.setdefault(current, []).append(line)
        for name, lines in said.items():
            if name in answers:
                answers[name]["said"] = " ".join(lines)
        return answers

    def examples(self):
        return json.loads(subprocess.run([self.program, "--examples"], capture_output=True, text=True, check=True).stdout)


def tensors_in(path, prefix):
    with np.load(path) as arrays:
        return [arrays[f"{prefix}{i}"] for i in range(len([name for name in arrays.files if name[: len(prefix)] == prefix]))]


def keras_outputs(model, data):
    x = [data[name] for name in sorted(data) if name.startswith("x")]
    outputs = model(x if len(x) > 1 else x[0], training=False)
    outputs = outputs if isinstance(outputs, (list, tuple)) else list(outputs.values()) if isinstance(outputs, dict) else [outputs]
    return [np.asarray(output, "float32") for output in outputs]


def names_of_outputs(model):
    """For a model of outputs with names, else None. A Sequential that nobody called has no output in Keras 3.3."""
    try:
        return list(model.output) if isinstance(model.output, dict) else None
    except (AttributeError, ValueError):
        return None


def keras_train(model, data):
    model.run_eagerly = True
    names = names_of_outputs(model)
    count = {letter: len([name for name in data if name[0] == letter]) for letter in "xy"}
    for step in range(STEPS):
        first = step * BATCH % ROWS
        part = {letter: [data[f"{letter}{i}"][first : first + BATCH] for i in range(count[letter])] for letter in "xy"}
        x, y = (part[letter] if count[letter] > 1 else part[letter][0] for letter in "xy")
        model.train_on_batch(x, dict(zip(names, y)) if names else y)


def weights_of(model):
    return [np.array(value) for value in model.get_weights()]


def reason(message):
    """The line of an exception's message that says why. Keras puts the message of the first exception at the end of that of the last one."""
    lines = message.rsplit("Exception encountered: ", 1)[-1].strip().splitlines()
    return lines[-1 if "Arguments" in message else 0] if lines else "no message"


def attempt(case, column, action):
    """What an action gives; an exception is noted as the case's failure."""
    try:
        return action()
    except Exception as error:  # a failure of this case; the others go on
        if os.environ.get("CHECK_FILES_TRACE"):
            traceback.print_exc()
        case.put(column, f"{type(error).__name__}: {reason(str(error))[:200]}")
        return None


# ---- the three parts -----------------------------------------------------------------------------------------------


def first_requests(case, at):
    train = [{"do": "train", "steps": STEPS, "batch": BATCH}]
    actions = [{"do": "perturb"}, {"do": "weights", "as": "w"}, {"do": "predict", "as": "o"}, {"do": "save", "path": at("a.keras")}]
    if case.evaluate:
        actions.append({"do": "evaluate"})
    actions.append({"do": "save_weights", "path": at("a.weights.h5")})
    shard = 20_000 if "network" not in case.model else 1 << 24
    actions.append({"do": "save_weights", "path": at("a.weights.json"), "shard": shard})
    actions += [{"do": "save", "path": at("a.h5")}, {"do": "save_weights", "path": at("a_weights.h5")}]
    if case.train:
        actions += train + [{"do": "weights", "as": "v"}, {"do": "save", "path": at("a10.keras")}, *train, {"do": "weights", "as": "u"}]
    return [{"name": case.name, "model": case.model, "data": at("data.npz"), "out": at("a.npz"), "actions": actions}]


def keras_reads(case, at, data, answer):
    """Part 2, linn's files in Keras. The model after ten steps, or None."""
    if "error" in answer:
        case.put("linn writes", answer["error"])
        return None
    case.put("linn writes", answer.get("said"))
    expected, outputs = tensors_in(at("a.npz"), "w"), tensors_in(at("a.npz"), "o")

    def loaded(name, column):
        model = keras.models.load_model(at(name))
        case.put(column, same_bits(expected, weights_of(model)))
        case.put(column, outputs_agree(outputs, keras_outputs(model, data)))
        return model

    model = attempt(case, "Keras reads .keras", lambda: loaded("a.keras", "Keras reads .keras"))
    attempt(case, "Keras reads .h5", lambda: loaded("a.h5", "Keras reads .h5"))
    if model is None:
        return None

    def weights_alone(name, column):
        model.set_weights([np.zeros_like(value) for value in expected])
        model.load_weights(at(name))
        case.put(column, same_bits(expected, weights_of(model)))

    for name, column in (("a_weights.h5", "Keras reads .h5"), ("a.weights.json", "Keras reads .weights.json"), ("a.weights.h5", "Keras reads .weights.h5")):
        if name == "a.weights.json" and not HAS_SHARDS:
            continue
        attempt(case, column, lambda: weights_alone(name, column))  # noqa: B023  called at once
    if case.evaluate:

        def evaluated():
            model.run_eagerly = True
            count = len(case.targets)
            x, y = data["x0"], [data[f"y{i}"] for i in range(count)]
            logs = model.evaluate(x, y if count > 1 else y[0], verbose=0, return_dict=True, batch_size=BATCH)
            for key, value in answer["logs"].items():
                if key not in logs or abs(logs[key] - value) > 1e-5 * max(1, abs(value)):
                    case.put("evaluate", f"{key}: linn {value}, Keras {logs}")

        case.put("evaluate", None)
        attempt(case, "evaluate", evaluated)
    if case.train:

        def trained():
            keras_train(model, data)
            case.put("ten steps of Keras", steps_agree(expected, tensors_in(at("a.npz"), "v"), weights_of(model)))
            later = keras.models.load_model(at("a10.keras"))
            before = tensors_in(at("a.npz"), "v")
            case.put("ten steps of Keras", same_bits(before, weights_of(later)))
            keras_train(later, data)
            case.put("ten steps of Keras", steps_agree(before, tensors_in(at("a.npz"), "u"), weights_of(later)))

        attempt(case, "ten steps of Keras", trained)
    return model


def keras_writes(case, at, data, model):
    """Part 2, Keras's files. What linn has to find in them."""

    def write():
        if has_equal_paths(getattr(model, "optimizer", None)) and "b.h5" in case.files:
            case.files = tuple(name for name in case.files if name != "b.h5")
            case.known = "this Keras gives variables of the optimizer one name, with which it cannot write .h5"
        for name in case.files:
            if name == "b.weights.json":
                model.save_weights(at(name), max_shard_size=max(1e-4, max([v.nbytes for v in weights_of(model)] + [4000]) * 2.5 / 2**30))
            elif name == "b.weights.h5":
                model.save_weights(at(name))
            else:
                model.save(at(name))
        found = {"weights": weights_of(model), "outputs": keras_outputs(model, data)}
        if case.train:
            keras_train(model, data)
            found["later"] = weights_of(model)
        return found

    return attempt(case, "Keras writes", write)


def last_requests(case, at, config, state):
    requests = []
    look = [{"do": "weights", "as": "w"}, {"do": "predict", "as": "o"}]
    train = [{"do": "train", "steps": STEPS, "batch": BATCH}, {"do": "weights", "as": "v"}] if case.train else []
    for name in case.files:
        whole = name in ("b.keras", "b.h5")
        if not whole and config is None:
            continue
        actions = look + train if whole else [{"do": "load_weights", "path": at(name)}] + look
        requests.append({"name": f"{case.name} {name}", "model": at(name) if whole else config, "data": at("data.npz"), "out": at(f"{name}.npz"), "actions": actions})
    return requests


def linn_reads(case, at, state, answers):
    for name in FILES_OF_KERAS:
        answer = answers.get(f"{case.name} {name}")
        if answer is None:
            continue
        column = f"linn reads .{name.split('.', 1)[1]}"
        if "error" in answer:
            case.put(column, answer["error"])
            continue
        case.put(column, answer.get("said"))
        case.put(column, same_bits(state["weights"], tensors_in(at(f"{name}.npz"), "w")))
        case.put(column, outputs_agree(state["outputs"], tensors_in(at(f"{name}.npz"), "o"), case.bound))
        if case.train and name in ("b.keras", "b.h5"):
            case.put("ten steps of linn", steps_agree(state["weights"], state["later"], tensors_in(at(f"{name}.npz"), "v")))
        if name == "b.keras" and case.model is not None and "first" in state:
            before, after = plain_config(state["first"]), plain_config(answer["config"])
            case.put("configuration", None if before == after else "another configuration: " + first_difference(before, after))


def plain_config(value, key=""):
    """A configuration without the ways in which Keras writes the same: an axis as a list, numbers as float32, groups=-1 as their number."""
    if isinstance(value, dict):
        return {name: plain_config(part, name) for name, part in value.items() if name != "groups"}
    if isinstance(value, list):
        return plain_config(value[0]) if key == "axis" and len(value) == 1 else [plain_config(part) for part in value]
    return float(np.float32(value)) if isinstance(value, float) else value


def first_difference(a, b, place=""):
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted({*a, *b}):
            if a.get(key) != b.get(key) or (key in a) != (key in b):
                return first_difference(a.get(key), b.get(key), f"{place}.{key}")
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (one, other) in enumerate(zip(a, b)):
            if one != other:
                return first_difference(one, other, f"{place}[{i}]")
    return f"{place}: {json.dumps(a)[:120]} became {json.dumps(b)[:120]}"


# ---- cases ---------------------------------------------------------------------------------------------------------


def shapes_of(text):
    return [tuple(int(size) for size in part.replace("(", "").split(",") if size.strip()) for part in text.split(")") if part.strip()]


def around(class_name, config, shapes, activation=False):
    """A layer between inputs and Flatten and Dense."""
    names = [f"in{i}" for i in range(len(shapes))]
    config = {key: value for key, value in config.items() if key != "name"}
    layers = [input_layer(name, shape) for name, shape in zip(names, shapes)]
    layers += [layer(class_name, "tested", names, **config), layer("Flatten", "flat", ["tested"]), layer("Dense", "end", ["flat"], units=3)]
    return functional(layers, names, ["end"], compile=compiled())


def layer_cases(examples):
    cases, numbers = [], {}
    for example in examples["layers"]:
        class_name, config = example["class_name"], example["config"]
        number = numbers[class_name] = numbers.get(class_name, -1) + 1
        shapes = shapes_of(example["inputs"])
        name = f"layer {class_name} {number}"
        random = config.get("rate", 0) > 0 or config.get("stddev", 0) > 0 or class_name in ("LearnablePolyphaseSampling2D", "FractionalMaxPooling2D")
        if class_name == "InputLayer":
            cases.append(Case(name, functional([layer("InputLayer", config["name"], batch_shape=config["batch_shape"]), layer("Flatten", "f", [config["name"]]),
                                                layer("Dense", "end", ["f"], units=3)], [config["name"]], ["end"], compile=compiled()), shapes))
            continue
        case = Case(name, around(class_name, config, shapes), shapes, train=not random, why="random in training" if random else None)
        case.lacks = lacks("layer", class_name, config)
        cases.append(case)
    maps = [(4, 6, 2), (4, 6, 3)]
    for class_name in ("AdaptivePolyphaseSampling2D", "LearnablePolyphaseSampling2D"):
        layers = [input_layer("in0", maps[0]), input_layer("in1", maps[1]), layer(class_name, "tested", ["in0", "in1"]),
                  layer("Concatenate", "both", [("tested", 0, 0), ("tested", 0, 1)]), layer("Flatten", "flat", ["both"]), layer("Dense", "end", ["flat"], units=3)]
        random = class_name.startswith("Learn")
        cases.append(Case(f"layer {class_name} of two maps", functional(layers, ["in0", "in1"], ["end"], compile=compiled()), maps, train=not random,
                          why="random in training" if random else None))
    return cases


def small_cnn(compile, **dense):
    layers = [input_layer("in", (6, 6, 2)), layer("Conv2D", "conv", ["in"], filters=4, kernel_size=[3, 3], activation="tanh"), layer("BatchNormalization", "norm", ["conv"]),
              layer("AveragePooling2D", "pool", ["norm"], pool_size=[2, 2]), layer("Flatten", "flat", ["pool"]), layer("Dense", "end", ["flat"], units=3, **dense)]
    return functional(layers, ["in"], ["end"], compile=compile)


def numbered(examples, kind):
    """The examples of a kind, each with the name of its case: the number is that of the class's example."""
    numbers = {}
    for example in examples[kind]:
        class_name = example["class_name"]
        numbers[class_name] = numbers.get(class_name, -1) + 1
        one = {"losses": "loss"}.get(kind, kind.removesuffix("s"))
        yield f"{one} {class_name} {numbers[class_name]}", class_name, example["config"]


def part_cases(examples):
    cases = []

    def add(kind, class_name, config, case):
        case.lacks = lacks(kind, class_name, config)
        cases.append(case)

    for name, class_name, config in numbered(examples, "activations"):
        activation = {"class_name": class_name, "config": config} if config else class_name
        add("activation", class_name, config, Case(name, around("Activation", {"activation": activation}, [(6, 4)]), [(6, 4)]))
    for name, class_name, config in numbered(examples, "optimizers"):
        optimizer = node(class_name, {"learning_rate": 0.01, **config})
        add("optimizers", class_name, config, Case(name, small_cnn(compiled(optimizer=optimizer)), [(6, 6, 2)]))
        cycle = {"module": "linn.optimizers.schedules", "registered_name": "linn>OneCycle", **node("OneCycle", {"max_learning_rate": 0.02, "total_steps": 25})}
        optimizer = node(class_name, {**config, "learning_rate": cycle})
        add("optimizers", class_name, config, Case(f"{name} OneCycle", small_cnn(compiled(optimizer=optimizer)), [(6, 6, 2)]))
    for name, class_name, config in numbered(examples, "losses"):
        targets, activation = targets_of(class_name), activation_for(class_name, config)
        add("losses", class_name, config, Case(name, small_cnn(compiled(loss=node(class_name, config)), activation=activation), [(6, 6, 2)], targets=(targets,)))
    for name, class_name, config in numbered(examples, "metrics"):
        targets, activation = targets_of(class_name), activation_for(class_name, config)
        loss = node("SparseCategoricalCrossentropy", {"from_logits": activation == "linear"}) if targets == "labels" else "mean_squared_error"
        add("metrics", class_name, config, Case(name, small_cnn(compiled(loss=loss, metrics=[node(class_name, config)]), activation=activation), [(6, 6, 2)], targets=(targets,),
                                                train=False, why="evaluated", evaluate=True))
    for kind in ("initializers", "regularizers"):
        layers, before = [input_layer("in", (4,))], "in"
        other_names = []
        for i, example in enumerate(examples[kind]):
            if kind == "initializers" and other_initializer_name(example["class_name"]):
                other_names.append(f"{example['class_name']} is {other_initializer_name(example['class_name'])} in this Keras, and left out")
                continue
            value = node(example["class_name"], example["config"])
            extra = {f"kernel_{kind[:-1]}": value}
            if kind == "regularizers":
                extra["bias_regularizer"] = value
            layers.append(layer("Dense", f"d{i}", [before], units=4, activation="tanh", **extra))
            before = f"d{i}"
        layers.append(layer("Dense", "end", [before], units=3))
        cases.append(Case(f"all {kind}", functional(layers, ["in"], ["end"], compile=compiled(optimizer=sgd(0.01))), [(4,)]))
        cases[-1].known = "; ".join(dict.fromkeys(other_names)) or None
    return cases


def sequential(layers, compile, name="chain"):
    return {"class_name": "Sequential", "config": {"name": name, "layers": layers}, "compile_config": compile}


def plain(class_name, name, **config):
    return {"class_name": class_name, "config": {"name": name, **config}}


def graph_cases():
    cases = []
    chain = [plain("InputLayer", "pixels", batch_shape=[None, 8, 8, 1]), plain("Conv2D", "c", filters=4, kernel_size=[3, 3], activation="relu"),
             plain("MaxPooling2D", "p"), plain("Dropout", "drop", rate=0.0), plain("Flatten", "f"), plain("Dense", "d", units=3, activation="softmax")]
    labels = compiled("sparse_categorical_crossentropy", optimizer=node("Adam", {"learning_rate": 0.01}), metrics=["accuracy"])
    cases.append(Case("Sequential", sequential(chain, labels), [(8, 8, 1)], targets=("labels",)))
    frozen = json.loads(json.dumps(chain))
    frozen[1]["config"]["trainable"] = False
    cases.append(Case("Sequential, frozen layer", sequential(frozen, labels), [(8, 8, 1)], targets=("labels",)))

    inner = sequential([plain("InputLayer", "i", batch_shape=[None, 6]), plain("Dense", "a", units=5, activation="tanh"), plain("Dense", "b", units=6)], None, name="inner")
    inner.pop("compile_config")
    graph = functional([input_layer("i", (6,)), layer("Dense", "a", ["i"], units=6, activation="tanh"), layer("BatchNormalization", "n", ["a"]), layer("Add", "s", ["n", "i"])],
                       ["i"], ["s"], name="block")
    nested = lambda model, name, sources, calls=None: {**model, "config": {**model["config"], "name": name}, "name": name,  # noqa: E731
                                                        "inbound_nodes": layer("x", "x", sources, calls)["inbound_nodes"]}
    cases.append(Case("nested Sequential and functional", functional(
        [input_layer("in", (6,)), nested(inner, "inner", ["in"]), nested(graph, "block", ["inner"]), layer("Dense", "end", ["block"], units=3)], ["in"], ["end"],
        compile=compiled(optimizer=node("Adam", {"learning_rate": 0.01}))), [(6,)]))
    frozen_block = json.loads(json.dumps(graph))
    frozen_block["config"]["trainable"] = False
    for part in frozen_block["config"]["layers"][1:]:
        part["config"]["trainable"] = False
    cases.append(Case("nested, frozen", functional(
        [input_layer("in", (6,)), nested(frozen_block, "block", ["in"]), layer("Dense", "end", ["block"], units=3)], ["in"], ["end"],
        compile=compiled(optimizer=node("Adam", {"learning_rate": 0.01}))), [(6,)]))
    cases.append(Case("shared layer", functional(
        [input_layer("left", (6,)), input_layer("right", (6,)), layer("Dense", "shared", calls=[["left"], ["right"]], units=4, activation="tanh"),
         layer("Subtract", "between", [("shared", 0, 0), ("shared", 1, 0)]), layer("Dense", "end", ["between"], units=3)], ["left", "right"], ["end"], compile=compiled()),
        [(6,), (6,)]))
    cases.append(Case("shared nested model", functional(
        [input_layer("left", (6,)), input_layer("right", (6,)), nested(graph, "block", [], calls=[["left"], ["right"]]),
         layer("Concatenate", "both", [("block", 0, 0), ("block", 1, 0)]), layer("Dense", "end", ["both"], units=3)], ["left", "right"], ["end"], compile=compiled()),
        [(6,), (6,)]))
    cases.append(Case("two outputs", functional(
        [input_layer("in", (6,)), layer("Dense", "a", ["in"], units=5, activation="tanh"), layer("Dense", "kind", ["a"], units=3, activation="softmax"),
         layer("Dense", "place", ["a"], units=2)], ["in"], ["kind", "place"],
        compile={"optimizer": node("Adam", {"learning_rate": 0.01}), "loss": ["sparse_categorical_crossentropy", "mean_squared_error"], "loss_weights": [1.0, 0.25],
                 "metrics": [["accuracy"], ["mean_absolute_error"]]}), [(6,)], targets=("labels", (2,))))
    cases.append(Case("layers listed in another order", functional(
        [layer("Dense", "end", ["sum"], units=3), layer("Add", "sum", ["b", "a"]), layer("Dense", "b", ["in"], units=4), layer("Dense", "a", ["in"], units=4, activation="tanh"),
         input_layer("in", (6,))], ["in"], ["end"], compile=compiled()), [(6,)]))
    networks = {"lenet5": (28, 28, 1), "all_cnn": (16, 16, 3), "vgg_small": (8, 8, 3), "resnet20": (32, 32, 3), "mobilenet_v2": (48, 48, 3), "resnet50": (48, 48, 3)}
    for name, shape in networks.items():
        cases.append(Case(f"network {name}", {"network": name}, [shape], targets=((10,),), train=False, why="not compiled"))
    return cases


# ---- networks that Keras makes ---------------------------------------------------------------------------------------


def made(name, inputs, build, targets=((3,),), **rest):
    """`build(kit)` gives a compiled model; it is trained for ten steps before it is saved."""

    def make(kit):
        def model_of(data):
            kit.utils.set_random_seed(1)
            model = build(kit)
            if rest.get("train", True):
                keras_train(model, data)
            return model

        return model_of

    return Case(name, None, inputs, targets, make=make(keras), **rest)


def adam(kit):
    return kit.optimizers.Adam(0.01)


# Before a normalization comes no bias and no gamma here: their gradients are zero but for rounding, of which Adam makes whole steps.
def keras_chain(kit):
    L = kit.layers
    model = kit.Sequential([kit.Input((8, 8, 1)), L.Conv2D(4, 3, padding="same", use_bias=False), L.BatchNormalization(), L.ReLU(), L.MaxPooling2D(), L.Dropout(0.0), L.Flatten(),
                            L.Dense(3, activation="softmax")])
    model.compile(adam(kit), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def keras_unnamed_input(kit):
    L = kit.layers
    model = kit.Sequential([L.Rescaling(0.5), L.Conv2D(4, 3), L.GlobalMaxPooling2D(), L.Dense(3)])
    model.build((None, 6, 6, 2))
    model.compile(kit.optimizers.SGD(0.01), kit.losses.MeanSquaredError(), metrics=[kit.metrics.MeanAbsoluteError(name="apart")])
    return model


def block(kit, channels):
    L = kit.layers
    i = kit.Input((None, None, channels))
    x = L.BatchNormalization()(L.Conv2D(channels, 3, padding="same", use_bias=False)(i))
    return kit.Model(i, L.Activation("relu")(L.Add()([x, i])), name=f"block_{channels}")


def keras_residual(kit):
    L = kit.layers
    i, shared = kit.Input((8, 8, 3)), L.Conv2D(4, 1, activation="tanh")
    both = block(kit, 4)
    x = both(shared(i))
    y = both(shared(L.Cropping2D(0)(i)))
    z = L.Concatenate()([x, L.AveragePooling2D(1)(y)])
    model = kit.Model(i, L.Dense(3)(L.GlobalAveragePooling2D()(z)))
    model.compile(adam(kit), "mse")
    return model


def keras_nested_twice(kit):
    L = kit.layers
    inner = kit.Sequential([kit.Input((6,)), L.Dense(6, activation="tanh"), L.LayerNormalization()])
    i = kit.Input((6,))
    middle = kit.Model(i, L.Add()([inner(i), i]))
    j = kit.Input((6,))
    model = kit.Model(j, L.Dense(3)(middle(L.Dense(6)(j))))
    model.compile(kit.optimizers.RMSprop(0.001, momentum=0.5, centered=True), "mae")
    return model


def keras_two_outputs(kit):
    L = kit.layers
    i = kit.Input((6,), name="in")
    x = L.Dense(5, activation="tanh")(i)
    model = kit.Model(i, {"kind": L.Dense(3, activation="softmax", name="kind")(x), "place": L.Dense(2, name="place")(x)})
    model.compile(adam(kit), loss={"kind": "sparse_categorical_crossentropy", "place": "mse"}, loss_weights={"kind": 1.0, "place": 0.25}, metrics={"kind": ["accuracy"], "place": ["mae"]})
    return model


def keras_two_outputs_list(kit):
    L = kit.layers
    i = kit.Input((6,))
    x = L.Dense(5, activation="tanh")(i)
    model = kit.Model(i, [L.Dense(3, activation="softmax")(x), L.Dense(2)(x)])
    model.compile(adam(kit), loss=["sparse_categorical_crossentropy", kit.losses.Huber()], metrics=[["accuracy"], [kit.metrics.MeanAbsoluteError()]])
    return model


def keras_normalization(kit):
    L = kit.layers
    normal = L.Normalization()
    normal.adapt(np.random.default_rng(0).normal(2, 3, (50, 4, 4, 2)).astype("float32"))
    model = kit.Sequential([kit.Input((4, 4, 2)), normal, L.Flatten(), L.Dense(3)])
    model.compile(adam(kit), "mse")
    return model


def keras_frozen(kit):
    L = kit.layers
    part = block(kit, 3)
    part.trainable = False
    model = kit.Sequential([kit.Input((6, 6, 3)), part, L.Conv2D(4, 3, use_bias=False), L.BatchNormalization(trainable=False), L.BatchNormalization(scale=False), L.ReLU(),
                            L.BatchNormalization(center=False), L.Activation("tanh"), L.BatchNormalization(center=False, scale=False), L.Flatten(), L.Dense(4, trainable=False), L.Dense(3)])
    model.compile(adam(kit), "mse")
    return model


def keras_frozen_after(kit):
    """Frozen after training began: the optimizer still has slots for them until compile is called again."""
    model = keras_chain(kit)
    model.layers[0].trainable = False
    model.compile(adam(kit), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def keras_many_layers(kit):
    L = kit.layers
    i = kit.Input((9, 8, 4))
    x = L.SeparableConv2D(6, 3, padding="same", depth_multiplier=2)(i)
    x = L.PReLU(shared_axes=[1, 2])(x)
    x = L.GroupNormalization(3)(x)
    x = L.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    x = L.LayerNormalization(axis=[1, 2, 3])(x)
    x = L.Conv2DTranspose(4, 2, strides=2)(x)
    x = L.UpSampling2D(2, interpolation="bilinear")(x)
    x = L.Resizing(8, 8)(x)
    x = L.SpatialDropout2D(0.0)(L.GaussianNoise(0.0)(L.Dropout(0.0)(x)))
    x = L.LeakyReLU(0.1)(L.ELU(0.5)(x))
    x = L.ZeroPadding2D(((1, 0), (0, 1)))(x)
    x = L.Reshape((-1, 6))(L.Permute((3, 1, 2))(L.MaxPooling2D(3)(x)))
    model = kit.Model(i, L.Dense(3)(L.Flatten()(L.Softmax()(x))))
    model.compile(kit.optimizers.AdamW(0.001), "mse")
    return model


def keras_objects(kit):
    """A compile of objects: a loss, metrics, an optimizer with clipping."""
    L, M = kit.layers, kit.metrics
    model = kit.Sequential([kit.Input((6,)), L.Dense(8, activation="gelu", kernel_regularizer=kit.regularizers.L2(0.01)), L.Dense(3, activation="softmax")])
    model.compile(kit.optimizers.Adam(0.01, clipnorm=1.0, amsgrad=True), kit.losses.CategoricalCrossentropy(label_smoothing=0.1),
                  metrics=[M.CategoricalAccuracy(), M.TopKCategoricalAccuracy(k=2, name="top2"), M.Precision(), "mse", kit.losses.MeanAbsoluteError()])
    return model


def keras_weighted_metrics(kit):
    model = keras_chain(kit)
    model.compile(adam(kit), "sparse_categorical_crossentropy", metrics=["accuracy"], weighted_metrics=["accuracy"], steps_per_execution=1)
    return model


def keras_optimizer(name, **options):
    def build(kit):
        L = kit.layers
        model = kit.Sequential([kit.Input((6,)), L.Dense(5, activation="tanh"), L.Dense(3)])
        model.compile(getattr(kit.optimizers, name)(**options), "mse")
        return model

    return build


def keras_mixed(kit):
    L = kit.layers
    policy = "mixed_bfloat16"
    model = kit.Sequential([kit.Input((6, 6, 2)), L.Conv2D(4, 3, dtype=policy), L.BatchNormalization(dtype=policy), L.Flatten(dtype=policy), L.Dense(3, dtype="float32")])
    model.compile(kit.optimizers.SGD(0.01), "mse")
    return model


def keras_own_layers(kit):
    L, K = kit.layers, keras_layers
    i = kit.Input((8, 8, 2))
    x = K.Conv2D(4, 3, padding="circular", activation="tanh")(i)
    x = K.MaxBlurPooling2D(border="circular", padding="circular")(x)
    x = K.DepthwiseConv2D(3, padding="full")(x)
    x = K.BlurPooling2D(3)(x)
    x = K.SeparableConv2D(4, 2, padding="circular")(K.AveragePooling2D(2, strides=1, padding="circular")(x))
    x = K.AdaptivePolyphaseSampling2D((3, 1))(L.Activation(K.gelu(approximate=True))(x))
    model = kit.Model(i, L.Dense(3)(L.Flatten()(x)))
    model.compile(kit.optimizers.SGD(K.OneCycle(0.02, total_steps=40)), "mse")
    return model


def keras_cases():
    labels = ("labels",)
    cases = [made("Keras: Sequential", [(8, 8, 1)], keras_chain, labels), made("Keras: Sequential without Input", [(6, 6, 2)], keras_unnamed_input),
             made("Keras: residual, nested, shared", [(8, 8, 3)], keras_residual), made("Keras: nested twice", [(6,)], keras_nested_twice),
             made("Keras: two outputs by name", [(6,)], keras_two_outputs, ("labels", (2,))),
             made("Keras: two outputs in a list", [(6,)], keras_two_outputs_list, ("labels", (2,))), made("Keras: adapted Normalization", [(4, 4, 2)], keras_normalization),
             made("Keras: frozen", [(6, 6, 3)], keras_frozen), made("Keras: frozen behind training", [(8, 8, 1)], keras_frozen_after, labels),
             made("Keras: many layers", [(9, 8, 4)], keras_many_layers), made("Keras: compiled with objects", [(6,)], keras_objects, ("one hot",)),
             made("Keras: weighted metrics", [(8, 8, 1)], keras_weighted_metrics, labels, train=False, why="not compiled"), made("Keras: mixed_bfloat16", [(6, 6, 2)], keras_mixed, bound=0.05, train=False, why="other arithmetic"),
             made("Keras: linn's layers", [(8, 8, 2)], keras_own_layers)]
    for name, options in (("SGD", {"learning_rate": 0.01}), ("SGD", {"learning_rate": 0.01, "momentum": 0.9, "nesterov": True}), ("Adam", {"weight_decay": 0.01}),
                          ("Adam", {"global_clipnorm": 0.5}), ("AdamW", {"clipvalue": 0.01}), ("RMSprop", {}), ("RMSprop", {"centered": True}), ("Adagrad", {"learning_rate": 0.1})):
        text = ", ".join(f"{key}={value}" for key, value in options.items())
        cases.append(made(f"Keras: {name}({text})", [(6,)], keras_optimizer(name, **options)))
    return cases


def keras2_cases():
    """Files of tf_keras 2. Their optimizers keep other variables, so SGD without momentum, which has none."""
    import tf_keras

    def sequential(kit):
        L = kit.layers
        return kit.Sequential([L.Conv2D(4, 3, activation="relu", input_shape=(9, 8, 2)), L.MaxPooling2D(), L.BatchNormalization(), L.Dropout(0.0), L.Flatten(), L.Dense(3, activation="softmax")])

    def residual(kit):
        L = kit.layers
        i = kit.Input((8, 8, 3))
        x = L.Conv2D(4, 3, padding="same", use_bias=False)(i)
        y = L.DepthwiseConv2D(3, padding="same")(L.ReLU(6.0)(L.BatchNormalization()(x)))
        return kit.Model(i, L.Dense(3)(L.GlobalAveragePooling2D()(L.add([x, L.SeparableConv2D(4, 3, padding="same")(y)]))))

    def nested(kit):
        L = kit.layers
        inner = kit.Sequential([L.Dense(6, activation="tanh", input_shape=(6,)), L.BatchNormalization()], name="inner")
        i = kit.Input((6,))
        frozen = kit.Model(i, L.Dense(6, activation="tanh")(L.BatchNormalization()(i)), name="frozen")
        frozen.trainable = False
        j = kit.Input((6,))
        return kit.Model(j, L.Dense(3)(L.Add()([inner(j), frozen(inner(j))])))

    def two_outputs(kit):
        L = kit.layers
        i = kit.Input((6,))
        x = L.Dense(5, activation="tanh", trainable=False)(i)
        return kit.Model(i, [L.Dense(3, activation="softmax", name="kind")(x), L.Dense(2, name="place")(x)])

    def case(name, inputs, build, loss="mse", targets=((3,),), **rest):
        def make(data):
            tf_keras.utils.set_random_seed(1)
            model = build(tf_keras)
            model.compile(tf_keras.optimizers.SGD(0.01), loss)
            keras_train(model, data)
            return model

        return Case(f"Keras 2: {name}", None, inputs, targets, make=make, files=("b.keras", "b.h5", "b.weights.h5"), **rest)

    both = ["sparse_categorical_crossentropy", "mse"]
    return [case("Sequential", [(9, 8, 2)], sequential, both[0], ("labels",)), case("residual", [(8, 8, 3)], residual), case("nested, shared, frozen", [(6,)], nested),
            case("two outputs", [(6,)], two_outputs, both, ("labels", (2,)))]


# What is known to differ: the case, the columns, why.
READ_BY_KERAS = ("Keras reads .keras", "Keras reads .h5")
KNOWN = {
    "layer Activation 1": (READ_BY_KERAS, "Keras's Activation takes glu's output for as large as its input"),
    "activation glu 0": (READ_BY_KERAS, "Keras's Activation takes glu's output for as large as its input"),
    "activation glu 1": (READ_BY_KERAS, "Keras's Activation takes glu's output for as large as its input"),
    "activation sparsemax 0": (None, "Keras's sparsemax is another function than the paper's"),
    "loss Huber 0": (("ten steps of linn", "configuration"), "Keras writes Huber without its delta"),
    "loss SparseCategoricalCrossentropy 3": (READ_BY_KERAS, "Keras has no label_smoothing for labels"),
    "Keras: weighted metrics": (None, "linn has no weighted metrics, says so, and loads the model without compile information"),
    "all initializers": (("configuration",), "Keras writes Identity without its gain"),
}
if not keeps_output_padding():
    for number in (2, 3):
        KNOWN[f"layer Conv2DTranspose {number}"] = (
            ("linn reads .keras", "linn reads .h5", "ten steps of linn", "configuration"), "this Keras writes Conv2DTranspose without its output_padding")
if not finishes_normalization():
    for number in (0, 2):
        KNOWN[f"layer Normalization {number}"] = (("Keras reads .h5",), "this Keras does not finish a Normalization that it reads from .h5")


def set_known_aside(cases):
    for case in cases:
        columns, why = KNOWN.get(case.name, ((), None))
        differing = [column for column in case.results if case.results[column] and (columns is None or column in columns)]
        for column in differing:
            case.results[column] = []
        if differing:
            case.known = "; ".join(filter(None, (case.known, why)))


# ---- running -------------------------------------------------------------------------------------------------------


def run(cases, linn, folder):
    def at(case):
        place = os.path.join(folder, "".join(c if c.isalnum() else "_" for c in case.name))
        os.makedirs(place, exist_ok=True)
        return lambda name: os.path.join(place, name)

    data = {case.name: case.data() for case in cases}
    for case in cases:
        np.savez(at(case)("data.npz"), **data[case.name])
    requests = [request for case in cases if case.make is None for request in first_requests(case, at(case))]
    answers = linn.run(requests, "first")
    last, states = [], {}
    for number, case in enumerate(cases):
        keras.utils.clear_session(free_memory=False)
        if case.make is None:
            model = keras_reads(case, at(case), data[case.name], answers[case.name])
        else:
            model = attempt(case, "Keras writes", lambda: case.make(data[case.name]))
        state = keras_writes(case, at(case), data[case.name], model) if model is not None else None
        if state is not None:
            if case.make is None:
                state["first"] = answers[case.name]["config"]
            states[case.name] = state
            last += last_requests(case, at(case), state.get("first") or json.loads(model.to_json()), state)
        print(f"\r{number + 1} of {len(cases)}", end="", file=sys.stderr)
    print(file=sys.stderr)
    answers = linn.run(last, "last")
    for case in cases:
        if case.name in states:
            linn_reads(case, at(case), states[case.name], answers)


COLUMNS = ("linn writes", "Keras reads .keras", "Keras reads .h5", "Keras reads .weights.h5", "Keras reads .weights.json", "evaluate", "ten steps of Keras", "Keras writes", "linn reads .keras",
           "linn reads .h5", "linn reads .weights.h5", "linn reads .weights.json", "ten steps of linn", "configuration")


def report(cases):
    for note in NOTES:
        print(f"note {note}")
    for case in cases:
        cells = []
        for column in COLUMNS:
            if column in case.results:
                cells.append(f"{column}: {'ok' if not case.results[column] else '; '.join(case.results[column])}")
        if case.lacks:
            print(f"skip {case.name}: {case.lacks} in this Keras")
            continue
        print(f"{'FAIL' if case.failed else 'ok  '} {case.name}: " + ((case.known or "ok") if not case.failed else " | ".join(cell for cell in cells if not cell.endswith(": ok"))))


def group_of(case):
    words = {"layer": "each layer", "activation": "each activation function", "optimizer": "each optimizer, with and without OneCycle", "loss": "each loss", "metric": "each metric",
             "all": "all initializers; all regularizers", "network": "built-in networks"}
    if case.make is None:
        return words.get(case.name.split()[0], "Sequential, functional, nested, shared, frozen, several outputs")
    return "made by " + ("tf_keras 2" if case.name.startswith("Keras 2") else "Keras 3")


def markdown(cases):
    """For each group and column: how many cases agree, of how many."""
    groups = {}
    for case in cases:
        groups.setdefault(group_of(case), []).append(case)
    lines = ["| group | cases | known to differ | not in this Keras | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 4) + "|"]
    for group, members in groups.items():
        cells = [group, str(len(members)), str(sum(case.known is not None for case in members)), str(sum(case.lacks is not None for case in members))]
        for column in COLUMNS:
            tried = [case for case in members if column in case.results]
            cells.append(f"{sum(not case.results[column] for case in tried)} of {len(tried)}" if tried else "")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--only", default="", help="cases whose name holds this text")
    parser.add_argument("--markdown", help="a file for the table of README.md")
    parser.add_argument("--keep", help="a folder for the files; else they are removed")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("absl").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or scratch
        os.makedirs(folder, exist_ok=True)
        linn = Linn(arguments.program, folder)
        examples = linn.examples()
        cases = layer_cases(examples) + part_cases(examples) + graph_cases() + keras_cases() + keras2_cases()
        cases = [case for case in cases if not arguments.only or any(text in case.name for text in arguments.only.split(","))]
        run([case for case in cases if not case.lacks], linn, folder)
    set_known_aside(cases)
    report(cases)
    if arguments.markdown:
        with open(arguments.markdown, "w") as file:
            file.write(markdown(cases))
    failed = sum(case.failed for case in cases)
    skipped = sum(case.lacks is not None for case in cases)
    known = sum(case.known is not None for case in cases)
    print(f"{len(cases)} cases, {failed} failed, {known} known to differ, {skipped} not in this Keras; Keras {keras.__version__} on {keras.backend.backend()}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
