#!/usr/bin/env python3
"""Write optim.json and optim.safetensors with Keras: the losses that are functions, the metrics, Adagrad, regularizers, and
compile configurations as Keras writes them.

    golden-venv/bin/python make_optim_golden.py

Versions and rules are those of make_golden.py: Keras on TensorFlow, float64, rounded to float32 once.
"""

import inspect
import json

import make_golden as mg
import numpy as np
import tensorflow as tf

keras = mg.keras
rng = np.random.default_rng(17)
N, C = 7, 5


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


normal, other = rng.standard_normal((N, C)) * 2, rng.standard_normal((N, C)) * 2
positive, counts = np.abs(normal) + 0.1, rng.integers(0, 4, (N, C))
probs, soft = softmax(normal), softmax(other)
yes_no = rng.integers(0, 2, (N, C))
chances = rng.uniform(0.05, 0.95, (N, C))
labels = rng.integers(0, C, N)
one_hot = np.eye(C)[labels]
ignored = labels.copy()
ignored[[1, 4]] = -1
ignored[2] = 3
weight = np.array([1, 0.5, 0, 2, 1.5, 0.25, 1], np.float32)

LOSSES = (
    ("mean_squared_error", "MeanSquaredError", {}, other, normal),
    ("mean_absolute_error", "MeanAbsoluteError", {}, other, normal),
    ("mean_absolute_error_rank3", "MeanAbsoluteError", {}, other[:6].reshape(6, 5, 1), normal[:6].reshape(6, 5, 1)),
    ("mean_absolute_percentage_error", "MeanAbsolutePercentageError", {}, other * (yes_no + 0.0), normal / 1e6),
    ("mean_squared_logarithmic_error", "MeanSquaredLogarithmicError", {}, counts, normal),
    ("huber", "Huber", {}, other, normal),
    ("huber_delta", "Huber", {"delta": 0.4}, other, normal),
    ("log_cosh", "LogCosh", {}, other * 8, normal),
    ("poisson", "Poisson", {}, counts, positive),
    ("cosine_similarity", "CosineSimilarity", {}, other, normal),
    ("hinge_signs", "Hinge", {}, yes_no * 2 - 1, normal),
    ("hinge_binary", "Hinge", {}, yes_no, normal),
    ("squared_hinge", "SquaredHinge", {}, yes_no * 2 - 1, normal),
    ("squared_hinge_binary", "SquaredHinge", {}, yes_no, normal),
    ("categorical_hinge", "CategoricalHinge", {}, one_hot, normal / 3),
    ("kl_divergence", "KLDivergence", {}, soft, probs),
    ("kl_divergence_edges", "KLDivergence", {}, one_hot, probs * 1.3),
    ("binary_crossentropy", "BinaryCrossentropy", {}, yes_no, chances),
    ("binary_crossentropy_smooth", "BinaryCrossentropy", {"label_smoothing": 0.1}, yes_no, chances),
    ("binary_crossentropy_logits", "BinaryCrossentropy", {"from_logits": True}, yes_no, normal * 4),
    ("binary_crossentropy_soft", "BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, chances, normal),
    ("binary_focal", "BinaryFocalCrossentropy", {}, yes_no, chances),
    ("binary_focal_balanced", "BinaryFocalCrossentropy", {"apply_class_balancing": True, "alpha": 0.4, "gamma": 1.5}, yes_no, chances),
    ("binary_focal_logits", "BinaryFocalCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, yes_no, normal),
    ("categorical_crossentropy", "CategoricalCrossentropy", {}, one_hot, probs),
    ("sparse_ignore", "SparseCategoricalCrossentropy", {"ignore_class": -1}, ignored, probs),
    ("sparse_ignore_class", "SparseCategoricalCrossentropy", {"ignore_class": 3}, labels, probs),
    ("sparse_ignore_logits", "SparseCategoricalCrossentropy", {"ignore_class": -1, "from_logits": True}, ignored, normal),
)

METRICS = (
    ("BinaryAccuracy", {}, yes_no, chances),
    ("BinaryAccuracy", {"threshold": 0.3}, yes_no, chances),
    ("CategoricalAccuracy", {}, one_hot, probs),
    ("SparseCategoricalAccuracy", {}, labels, probs),
    ("TopKCategoricalAccuracy", {"k": 2}, one_hot, probs),
    ("TopKCategoricalAccuracy", {}, one_hot, probs),
    ("TopKCategoricalAccuracy", {"k": 3}, one_hot, np.round(normal / 2)),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, labels, probs),
    ("SparseTopKCategoricalAccuracy", {"k": 3}, labels, np.round(normal / 2)),
    ("Precision", {}, yes_no, chances),
    ("Precision", {"thresholds": 0.3}, yes_no, chances),
    ("Precision", {"top_k": 2}, yes_no, np.round(normal)),
    ("Precision", {"class_id": 1, "top_k": 3}, yes_no, normal),
    ("Precision", {"thresholds": 0.99}, yes_no, chances),
    ("Recall", {}, yes_no, chances),
    ("Recall", {"thresholds": 0.3}, yes_no, chances),
    ("Recall", {"top_k": 2}, yes_no, np.round(normal)),
    ("Recall", {"class_id": 1, "top_k": 3}, yes_no, normal),
    ("MeanSquaredError", {}, other, normal),
    ("RootMeanSquaredError", {}, other, normal),
    ("MeanAbsoluteError", {}, other, normal),
    ("MeanAbsolutePercentageError", {}, other, normal),
    ("MeanSquaredLogarithmicError", {}, counts, positive),
    ("LogCoshError", {}, other, normal),
    ("CosineSimilarity", {}, other, normal),
    ("Hinge", {}, yes_no, normal),
    ("SquaredHinge", {}, yes_no, normal),
    ("CategoricalHinge", {}, one_hot, normal),
    ("KLDivergence", {}, soft, probs),
    ("Poisson", {}, counts, positive),
    ("BinaryCrossentropy", {}, yes_no, chances),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, yes_no, normal),
    ("CategoricalCrossentropy", {}, one_hot, probs),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, one_hot, normal),
    ("SparseCategoricalCrossentropy", {}, labels, probs),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, labels, normal),
)


def number(array):
    return np.asarray(array).astype(np.int32 if np.asarray(array).ndim == 1 else np.float32)


def make_losses(tensors):
    cases = []
    for name, cls, config, y_true, y_pred in LOSSES:
        for w in (None, weight[: len(y_true)]):
            case = name + ("" if w is None else "_weighted")
            y_true32, y_pred32 = number(y_true), y_pred.astype(np.float32)
            pred = tf.constant(y_pred32.astype(np.float64))
            loss = getattr(keras.losses, cls)(**config, dtype="float64")
            sample_weight = None if w is None else w.astype(np.float64).reshape((-1,) + (1,) * (y_pred.ndim - 2))
            with tf.GradientTape() as tape:
                tape.watch(pred)
                value = loss(y_true32 if y_true32.ndim == 1 else y_true32.astype(np.float64), pred, sample_weight=sample_weight)
            tensors |= {f"{case}/y_true": y_true32, f"{case}/y_pred": y_pred32, f"{case}/value": value.numpy(),
                        f"{case}/grad": tape.gradient(value, pred).numpy()}
            if w is not None:
                tensors[f"{case}/sample_weight"] = w
            # Huber's own configuration lacks delta.
            cases.append({"name": case, "class_name": cls, "config": loss.get_config() | config | {"dtype": "float32"}, "weighted": w is not None})
    return cases


def make_metrics(tensors):
    cases = []
    for i, (cls, config, y_true, y_pred) in enumerate(METRICS):
        name = f"metric{i}"
        metric = getattr(keras.metrics, cls)(**config)
        y_true32, y_pred32 = number(y_true), y_pred.astype(np.float32)
        for rows in (slice(0, 4), slice(4, N)):
            metric.update_state(y_true32[rows], y_pred32[rows])
        tensors |= {f"{name}/y_true": y_true32, f"{name}/y_pred": y_pred32, f"{name}/result": np.float32(metric.result())}
        cases.append({"name": name, "class_name": cls, "config": metric.get_config()})
    return cases


def make_adagrad(tensors):
    """The variables and gradients of optimizers.safetensors."""
    golden = mg.load_file(mg.path("optimizers.safetensors"))
    cases = []
    for name, config in (("adagrad", {}), ("adagrad_decay", {"learning_rate": 0.05, "initial_accumulator_value": 0.5, "epsilon": 1e-3,
                                                              "weight_decay": 0.1, "global_clipnorm": 2.0})):
        optimizer = keras.optimizers.Adagrad(**config)
        variables = [keras.Variable(golden["start/" + k].astype(np.float64), dtype="float64", name=k) for k in "ab"]
        trace = {k: [] for k in "ab"}
        for step in range(10):
            optimizer.apply([tf.constant(golden["gradients/" + k][step].astype(np.float64)) for k in "ab"], variables)
            for k, v in zip("ab", variables):
                trace[k].append(v.numpy())
        tensors |= {f"{name}/{k}": np.array(v) for k, v in trace.items()}
        for v in optimizer.variables:
            tensors[f"{name}/state/{v.name}"] = v.numpy()
        full = {k: v for k, v in optimizer.get_config().items() if k != "name"}
        full["learning_rate"] = float(full["learning_rate"])
        cases.append({"name": name, "class_name": "Adagrad", "arguments": config, "config": full,
                      "state": [v.name for v in optimizer.variables]})
    return cases


def make_regularized(tensors):
    """Two Dense layers with regularizers; the loss of each step, the gradients of the first, the weights after ten."""
    R = keras.regularizers
    model = keras.Sequential([
        keras.layers.Input((4,), dtype="float64"),
        keras.layers.Dense(6, activation="tanh", kernel_regularizer=R.L1L2(0.01, 0.02), bias_regularizer=R.L2(0.1), dtype="float64"),
        keras.layers.Dense(3, kernel_regularizer=R.L1(0.03), dtype="float64")])
    for v in model.weights:
        v.assign(rng.uniform(-0.8, 0.8, v.shape).astype(np.float32))
        tensors["regularized/start/" + v.path.split("/", 1)[-1]] = v.numpy()
    x, y = rng.standard_normal((11, 4)).astype(np.float32), rng.standard_normal((11, 3)).astype(np.float32)
    tensors |= {"regularized/x": x, "regularized/y": y}
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    losses = []
    for step in range(10):
        with tf.GradientTape() as tape:
            value = keras.losses.MeanSquaredError(dtype="float64")(y.astype(np.float64), model(x.astype(np.float64), training=True))
            total = value + sum(model.losses)
        losses.append(total.numpy())
        grads = tape.gradient(total, [v.value for v in model.trainable_variables])
        if step == 0:
            for v, g in zip(model.trainable_variables, grads):
                tensors["regularized/grad/" + v.path.split("/", 1)[-1]] = g.numpy()
        optimizer.apply(grads, model.trainable_variables)
    tensors["regularized/losses"] = np.array(losses)
    for v in model.weights:
        tensors["regularized/end/" + v.path.split("/", 1)[-1]] = v.numpy()


def make_compile():
    """`compile_config` of models as Keras writes it."""
    K, O, M = keras.losses, keras.optimizers, keras.metrics
    S = O.schedules
    cases = []
    for name, options in (
            ("names", dict(optimizer="adam", loss="mse", metrics=["mae"])),
            ("function", dict(optimizer="rmsprop", loss=K.mean_squared_error, metrics=[M.mean_absolute_error])),
            ("objects", dict(optimizer=O.AdamW(0.01, weight_decay=0.1, clipnorm=1.0), loss=K.Huber(delta=0.5),
                             metrics=[M.MeanSquaredError(name="own"), M.Precision(name="p", thresholds=0.4), M.Recall()])),
            ("adagrad", dict(optimizer=O.Adagrad(global_clipnorm=2.0), loss=K.BinaryCrossentropy(from_logits=True), metrics=["accuracy"])),
            ("ema", dict(optimizer=O.Adam(use_ema=True), loss="mse")),
            ("accumulation", dict(optimizer=O.Adam(gradient_accumulation_steps=2), loss="mse")),
            ("schedule", dict(optimizer=O.Adam(S.CosineDecay(0.1, 100)), loss="mse")),
            ("nadam", dict(optimizer=O.Nadam(), loss="mse")),
            ("dice", dict(optimizer="adam", loss=K.Dice())),
            ("auc", dict(optimizer="adam", loss="mse", metrics=[M.AUC()])),
            ("sum", dict(optimizer="adam", loss=K.MeanSquaredError(reduction="sum"))),
            ("loss_weights", dict(optimizer="adam", loss="mse", loss_weights=[2.0])),
            ("weighted_metrics", dict(optimizer="adam", loss="mse", weighted_metrics=["mae"])),
            ("steps_per_execution", dict(optimizer="adam", loss="mse", steps_per_execution=4))):
        model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1, name="out")])
        model.compile(**options)
        cases.append({"name": name, "model": json.loads(model.to_json())})
    return cases


def signatures():
    """The arguments of each class with their defaults, as Python writes them."""
    R, O, I = keras.regularizers, keras.optimizers, keras.initializers
    classes = ([getattr(keras.losses, case[1]) for case in LOSSES], [getattr(keras.metrics, case[0]) for case in METRICS],
               [O.SGD, O.Adam, O.AdamW, O.RMSprop, O.Adagrad], [R.L1, R.L2, R.L1L2],
               [I.Zeros, I.Ones, I.Constant, I.Identity, I.RandomNormal, I.TruncatedNormal, I.RandomUniform, I.VarianceScaling, I.GlorotUniform,
                I.GlorotNormal, I.HeUniform, I.HeNormal, I.LecunUniform, I.LecunNormal, I.Orthogonal])
    result = {}
    for kind, members in zip(("losses", "metrics", "optimizers", "regularizers", "initializers"), classes):
        for cls in members:
            parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
            result[f"{kind}.{cls.__name__}"] = [[p.name, repr(p.default)] for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return result


def main():
    tensors = {}
    losses, metrics, optimizers = make_losses(tensors), make_metrics(tensors), make_adagrad(tensors)
    make_regularized(tensors)
    mg.save("optim", tensors)
    mg.save_json("optim.json", {
        "what": "optim.safetensors: losses N/y_true N/y_pred [N/sample_weight] N/value N/grad; metrics N/y_true N/y_pred N/result; optimizers as"
                " in optimizers.json, on its variables and gradients; regularized/*: the net of make_regularized in make_optim_golden.py;"
                " compile: models as Keras writes them; signatures: arguments and defaults", "losses": losses, "metrics": metrics, "optimizers": optimizers,
        "compile": make_compile(), "signatures": signatures()})


if __name__ == "__main__":
    main()
