"""The rival's side of bench/peers: a process that tunes and warms itself up, then runs once for each line it reads.

Arguments are KEY=VALUE (see Task). First line out: {"ready": {...}}, the setting that was quickest in a short trial of all of them.
Then for each line in: {"seconds": ..., "images": ..., "loss": ...}. Whatever else a library prints goes to standard error.
bench/rivals/child.h is the same for C++.
"""

import json
import os
import sys
import time
from dataclasses import dataclass
from typing import Callable

import numpy as np

CHECKED_IMAGES = 8  # their probabilities are sent to be compared
CHECKED_STEPS = 5  # their losses are


@dataclass
class Task:
    network: str  # of network.py or of linn's; a convolution alone: its text (convolution.h)
    mode: str  # train, infer
    precision: str  # f32, bf16
    batch: int
    threads: int
    seconds: float  # a run should take about so long
    data: str  # mnist.npz
    weights: str  # .npz with the weights by Keras's names
    clock: str  # wall, cpu: the process's CPU clock, which stands still while another program has the CPU

    def seconds_now(self):
        return time.process_time() if self.clock == "cpu" else time.perf_counter()


@dataclass
class Setting:
    """What a rival does under one setting. `run` computes so many batches and returns the mean loss if it trains."""

    run: Callable[[int], float | None]
    # What is compared. Inference: the probabilities of the first images, (n, classes). Training, of networks that say so: the losses of the
    # first CHECKED_STEPS steps from the given weights, all on the first batch. A convolution alone: its sketch, (1, 16).
    outputs: Callable[[], np.ndarray] | None = None


def read_task():
    fields = dict(argument.split("=", 1) for argument in sys.argv[1:])
    for name in ("batch", "threads"):
        fields[name] = int(fields[name])
    return Task(**{**fields, "seconds": float(fields["seconds"])})


def images(task):
    """The training images, (n, height, width, channels), float32 and scaled, and their labels; n is a whole number of batches."""
    with np.load(task.data) as file:
        pixels, labels = file["x_train"], file["y_train"]
    if pixels.ndim == 3:
        pixels = pixels[..., None]
    n = len(pixels) // task.batch * task.batch
    return np.ascontiguousarray(pixels[:n].astype("float32") / 255), labels[:n].astype("int64")


def inference_batches(task, x):
    """The batches that inference goes through in turn: 64 at most, of different images."""
    return [np.ascontiguousarray(x[i * task.batch:(i + 1) * task.batch]) for i in range(min(64, len(x) // task.batch))]


def first_images(batches):
    """CHECKED_IMAGES images or more, as a list of batches."""
    return batches[:-(-CHECKED_IMAGES // len(batches[0]))]


def trial(setting, task, most):
    """Batches a second after a warm-up: the best of three runs that are long enough."""
    setting.run(2)
    batches, longest, rates = 1, min(0.4, task.seconds), []
    while len(rates) < 3:
        start = task.seconds_now()
        setting.run(batches)
        seconds = task.seconds_now() - start
        if seconds > longest / 2 or batches == most:
            rates.append(batches / seconds)
        else:
            batches = max(batches + 1, int(batches * min(10, longest / max(seconds, 1e-6))))
            batches = min(batches, most) if most else batches
    return max(rates)


def serve(prepare):
    """`prepare(task)` returns (versions by name, {setting's name: function that makes it}, most batches a run or None)."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(**message):
        print(json.dumps(message), file=out, flush=True)

    task = read_task()
    versions, makers, most = prepare(task)
    trials, best = {}, None
    for name, make in makers.items():
        try:
            setting = make()
            rate = trial(setting, task, most)
        except Exception as error:  # a setting that does not work here is reported beside the others
            trials[name] = f"{type(error).__name__}: {error}"[:200]
            continue
        trials[name] = rate * task.batch
        if best is None or rate > best[0]:
            best = rate, name, setting
    if best is None:
        say(error="; ".join(f"{name}: {reason}" for name, reason in trials.items()))
        return
    rate, name, setting = best
    batches = max(1, round(rate * task.seconds))
    batches = min(batches, most) if most else batches
    setting.run(batches)
    outputs = setting.outputs()[:CHECKED_IMAGES].astype("float64").ravel().tolist() if setting.outputs else []
    say(ready={"versions": versions, "setting": name, "trials": trials, "images": batches * task.batch, "outputs": outputs})
    for _ in sys.stdin:
        start = task.seconds_now()
        loss = setting.run(batches)
        say(seconds=task.seconds_now() - start, images=batches * task.batch, loss=loss)
