#!/usr/bin/env python3
"""Write optimizer_steps.json and optimizer_steps.safetensors with Keras: ten steps of every optimizer on variables of odd sizes, with each clipping,
weight decay, moving averages, accumulated gradients, schedules and constraints; learning rate schedules over many steps; constraints alone.

    golden-venv/bin/python make_optimizers_golden.py

Versions and rules are those of make_golden.py: Keras on TensorFlow, float64, rounded to float32 once. Cases are drawn in order: append new ones at
the end of their list.
"""

import inspect
import json

import make_golden as mg
import numpy as np
import tensorflow as tf

keras = mg.keras
O, C = keras.optimizers, keras.constraints
S = O.schedules
STEPS = 10
SHAPES = {"tall": (7, 5), "bias": (3,), "filters": (3, 2, 4, 5), "wide": (2, 9), "embedding": (4, 3)}
rng = np.random.default_rng(29)
START = {k: rng.standard_normal(shape).astype(np.float32) for k, shape in SHAPES.items()}
GRADIENTS = {k: (rng.standard_normal((STEPS, *shape)) * np.exp(rng.standard_normal((STEPS,) + (1,) * len(shape)))).astype(np.float32)
             for k, shape in SHAPES.items()}
START["tall"][:, 1] = 0  # a column without a norm
GRADIENTS["bias"][3] = 0

EMA = {"use_ema": True, "ema_momentum": 0.75}
MUON = {"learning_rate": 0.03125, "adam_beta_1": 0.875, "adam_beta_2": 0.96875}  # float32 numbers: see steps_of

CASES = (
    ("Adamax", {}), ("Adamax", {"learning_rate": 0.05, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3, "weight_decay": 0.1, "clipnorm": 1.5}),
    ("Nadam", {}), ("Nadam", {"learning_rate": 0.05, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3, "weight_decay": 0.1, "clipvalue": 0.5}),
    ("Adadelta", {}), ("Adadelta", {"learning_rate": 1.0, "rho": 0.8, "epsilon": 1e-3, "weight_decay": 0.05, "global_clipnorm": 3.0}),
    ("Ftrl", {}), ("Ftrl", {"learning_rate": 0.5, "l1_regularization_strength": 0.2, "l2_regularization_strength": 0.1,
                            "l2_shrinkage_regularization_strength": 0.05, "beta": 0.3, "initial_accumulator_value": 0.5}),
    ("Ftrl", {"learning_rate": 0.2, "learning_rate_power": -0.7, "weight_decay": 0.1, "clipnorm": 1.0}),
    ("Lion", {}), ("Lion", {"learning_rate": 0.05, "beta_1": 0.7, "beta_2": 0.9, "weight_decay": 0.2, "global_clipnorm": 1.0}),
    ("Lamb", {}), ("Lamb", {"learning_rate": 0.05, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3, "weight_decay": 0.3, "clipvalue": 0.4}),
    ("Adafactor", {}), ("Adafactor", {"learning_rate": 0.5, "beta_2_decay": -0.5, "epsilon_1": 1e-3, "epsilon_2": 0.5, "clip_threshold": 0.6,
                                      "relative_step": False, "weight_decay": 0.1, "clipnorm": 2.0}),
    ("Muon", MUON), ("Muon", MUON | {"weight_decay": None, "adam_weight_decay": None, "exclude_layers": ["^wi"], "exclude_embeddings": False,
                                     "adam_lr_ratio": 0.5, "momentum": 0.8, "ns_steps": 3, "nesterov": False, "rms_rate": None,
                                     "muon_a": 3.0, "muon_b": -4.0, "muon_c": 1.5, "global_clipnorm": 2.0}),
    ("ScheduleFreeAdamW", {}), ("ScheduleFreeAdamW", {"learning_rate": 0.05, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3, "warmup_steps": 4,
                                                      "weight_decay": 0.1, "clipnorm": 1.0}),
    # Around the update, for each optimizer in turn.
    ("SGD", EMA | {"learning_rate": 0.1, "momentum": 0.8, "ema_overwrite_frequency": 3}),
    ("Adam", EMA | {"learning_rate": 0.05}),
    ("AdamW", {"learning_rate": 0.05, "gradient_accumulation_steps": 3, "clipnorm": 0.7}),
    ("Adam", EMA | {"learning_rate": 0.05, "amsgrad": True, "gradient_accumulation_steps": 2, "ema_overwrite_frequency": 2, "global_clipnorm": 1.0}),
    ("RMSprop", EMA | {"learning_rate": 0.02, "momentum": 0.5, "centered": True, "gradient_accumulation_steps": 4}),
    ("Adagrad", EMA | {"learning_rate": 0.1, "ema_momentum": 1.0, "gradient_accumulation_steps": 2, "weight_decay": 0.1}),
    ("Adamax", EMA | {"learning_rate": 0.05, "gradient_accumulation_steps": 2}),
    ("Nadam", EMA | {"learning_rate": 0.05, "gradient_accumulation_steps": 3}),
    ("Adadelta", EMA | {"learning_rate": 1.0, "gradient_accumulation_steps": 2}),
    ("Ftrl", EMA | {"learning_rate": 0.3, "gradient_accumulation_steps": 2}),
    ("Lion", EMA | {"learning_rate": 0.05, "gradient_accumulation_steps": 2}),
    ("Lamb", EMA | {"learning_rate": 0.05, "gradient_accumulation_steps": 2}),
    ("Adafactor", EMA | {"learning_rate": 0.3, "gradient_accumulation_steps": 2}),
    ("Muon", MUON | EMA | {"gradient_accumulation_steps": 2}),
    ("ScheduleFreeAdamW", EMA | {"learning_rate": 0.05, "gradient_accumulation_steps": 2}),
    ("SGD", {"learning_rate": S.CosineDecay(0.02, 6, alpha=0.1, warmup_target=0.2, warmup_steps=3), "weight_decay": 0.1,
             "gradient_accumulation_steps": 2}),
    ("Adam", {"learning_rate": S.PiecewiseConstantDecay([2, 5], [0.1, 0.05, 0.2])}),
)
CONSTRAINED = (
    ("SGD", {"learning_rate": 0.3}, {"tall": C.MaxNorm(1.5), "bias": C.NonNeg(), "filters": C.UnitNorm([0, 1, 2]),
                                     "wide": C.MinMaxNorm(0.5, 1.0, 0.5, axis=1), "embedding": C.MaxNorm(1.0, axis=[0, 1])}),
    ("Adam", EMA | {"learning_rate": 0.2, "gradient_accumulation_steps": 3},
     {"tall": C.NonNeg(), "bias": C.UnitNorm(), "filters": C.MaxNorm(0.8, axis=[0, 1, 2]), "wide": C.MinMaxNorm(2.0, 3.0, 0.3)}),
)
SCHEDULES = (
    S.ExponentialDecay(0.1, 30, 0.7), S.ExponentialDecay(0.1, 30, 0.7, staircase=True),
    S.PiecewiseConstantDecay([10, 11, 150], [0.3, 0.1, 0.05, 0.01]), S.PiecewiseConstantDecay([7], [0.3, 0.1]),
    S.PolynomialDecay(0.1, 50), S.PolynomialDecay(0.1, 50, end_learning_rate=0.02, power=2.5), S.PolynomialDecay(0.1, 50, 0.01, 0.5, cycle=True),
    S.InverseTimeDecay(0.1, 30, 0.7), S.InverseTimeDecay(0.1, 30, 0.7, staircase=True),
    S.CosineDecay(0.1, 100), S.CosineDecay(0.1, 100, alpha=0.2), S.CosineDecay(0.0, 100, warmup_target=0.1, warmup_steps=17),
    S.CosineDecay(0.05, 60, alpha=0.1, warmup_target=0.2, warmup_steps=40), S.CosineDecay(0.1, 100, warmup_steps=20),
    S.CosineDecayRestarts(0.1, 20), S.CosineDecayRestarts(0.1, 33, t_mul=1.0, m_mul=0.8, alpha=0.05), S.CosineDecayRestarts(0.1, 15, 1.5, 0.5, 0.1),
)


class ScheduleFreeAdamW(O.ScheduleFreeAdamW):
    """With TensorFlow, Keras reads z for x = (w - (1 - beta_1) * z) / beta_1 only after z has changed, because `momentum.value` is the variable itself;
    with JAX, and in the paper, it is z of the step before. Here the variable is set by the paper's formula; all else is Keras's."""

    def update_step(self, gradient, variable, learning_rate):
        z = self._momentums[self._get_variable_index(variable)]
        z_before, w = tf.identity(z.value), tf.identity(variable)
        super().update_step(gradient, variable, learning_rate)
        beta, share = self.beta_1, 1 / tf.cast(self.iterations + 1, w.dtype)
        x = (w - (1 - beta) * z_before) / beta
        variable.assign((1 - beta) * z.value + beta * ((1 - share) * x + share * z.value))


def steps_of(name, class_name, config, constraints, tensors):
    # Where Keras makes numbers of no type from shapes, they have the type floatx, which must be that of the variables.
    keras.config.set_floatx("float64" if class_name == "Muon" else "float32")
    optimizer = (ScheduleFreeAdamW if class_name == "ScheduleFreeAdamW" else getattr(O, class_name))(**config)
    variables = {k: keras.Variable(START[k].astype(np.float64), dtype="float64", name=k) for k in SHAPES}
    for k, constraint in constraints.items():
        variables[k].constraint = constraint
    trace = {k: [] for k in SHAPES}
    for step in range(STEPS):
        optimizer.apply([tf.constant(GRADIENTS[k][step].astype(np.float64)) for k in SHAPES], list(variables.values()))
        for k, v in variables.items():
            trace[k].append(v.numpy())
    keras.config.set_floatx("float32")
    tensors |= {f"{name}/{k}": np.array(v) for k, v in trace.items()}
    state = optimizer.variables[1 if "schedules" in str(type(optimizer._learning_rate)) else 2:]
    for i, v in enumerate(state):
        tensors[f"{name}/state/{i}"] = np.asarray(v.numpy(), np.float64)
    full = optimizer.get_config()
    if not isinstance(full["learning_rate"], dict):
        full["learning_rate"] = float(full["learning_rate"])
    return {"name": name, "class_name": class_name, "config": full, "states": len(state),
            "constraints": {k: keras.saving.serialize_keras_object(c) for k, c in constraints.items()}}


def make_schedules(tensors):
    keras.config.set_floatx("float64")
    cases = []
    for i, schedule in enumerate(SCHEDULES):
        # A number of Python becomes a float32 tensor, one of numpy keeps its type.
        wide = type(schedule)(**{k: [np.float64(x) for x in v] if k == "values" else np.float64(v) if isinstance(v, float) else v
                                 for k, v in schedule.get_config().items()})
        tensors[f"schedule{i}"] = np.array([np.float64(wide(step)) for step in range(200)])
        cases.append({"name": f"schedule{i}", "node": json.loads(json.dumps(keras.saving.serialize_keras_object(schedule), default=float))})
    keras.config.set_floatx("float32")
    return cases


def make_orthogonal(tensors):
    """The penalty of OrthogonalRegularizer and its gradient."""
    for mode in ("rows", "columns"):
        for k in ("embedding", "wide"):
            w = tf.constant(START[k].astype(np.float64))
            regularizer = keras.regularizers.OrthogonalRegularizer(0.5, mode)
            regularizer.factor = np.float64(0.5)
            with tf.GradientTape() as tape:
                tape.watch(w)
                value = regularizer(w)
            tensors |= {f"orthogonal/{mode}/{k}/value": np.array([value.numpy()]), f"orthogonal/{mode}/{k}/grad": tape.gradient(value, w).numpy()}


def signatures():
    """The arguments of each class with their defaults, as Python writes them."""
    kinds = {"optimizers": [getattr(O, name) for name in dict.fromkeys(case[0] for case in CASES)],
             "schedules": list(dict.fromkeys(type(schedule) for schedule in SCHEDULES)), "constraints": [C.MaxNorm, C.NonNeg, C.UnitNorm, C.MinMaxNorm],
             "regularizers": [keras.regularizers.OrthogonalRegularizer]}
    result = {}
    for kind, classes in kinds.items():
        for cls in classes:
            own = cls.__init__ is not object.__init__
            parameters = list(inspect.signature(cls.__init__).parameters.values())[1:] if own else []
            result[f"{kind}.{cls.__name__}"] = [[p.name, "" if p.default is p.empty else repr(p.default)] for p in parameters
                                                if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return result


def main():
    tensors = {f"start/{k}": v for k, v in START.items()} | {f"gradients/{k}": v for k, v in GRADIENTS.items()}
    schedules = make_schedules(tensors)
    cases = [steps_of(f"case{i}", cls, config, {}, tensors) for i, (cls, config) in enumerate(CASES)]
    cases += [steps_of(f"constrained{i}", cls, config, constraints, tensors) for i, (cls, config, constraints) in enumerate(CONSTRAINED)]
    make_orthogonal(tensors)
    mg.save("optimizer_steps", tensors)
    mg.save_json("optimizer_steps.json", {
        "what": "optimizer_steps.safetensors: start/V gradients/V (10, ...); optimizers N/V after each step and N/state/I, the optimizer's variables in"
                " its order, but for steps and rate; schedules N: rates of steps 0 to 199; orthogonal/MODE/V: value and gradient of OrthogonalRegularizer(0.5); signatures: arguments and defaults",
        "optimizers": cases, "schedules": schedules, "signatures": signatures()})


if __name__ == "__main__":
    main()
