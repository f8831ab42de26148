#!/usr/bin/env python3
"""Training speed of the notebook's network, linn beside Keras on TensorFlow, in one run.

    python3 bench/with_keras.py            installs Keras and TensorFlow from PyPI into build/peers (nothing else is touched)
    python3 bench/with_keras.py --pairs 5  fewer pairs; 11 are the default

Each pair trains one epoch of the 60,000 MNIST digits at batch 128 in float32 with Adam, first the one, then the other, so that
a change of the machine's speed meets both. Only the epoch is timed: no start, no reading of data, no compilation (Keras runs one
epoch before the first pair). Keras gets its best setting: jit_compile="auto", pixels already float32 and scaled, all cores, no
callbacks, no progress bar. linn reads uint8 and scales batch by batch. Writes bench/RESULTS.md.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import venv

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
PEERS = os.path.join(ROOT, "build", "peers")

KERAS = r"""
import json, os, sys, time
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np, keras, tensorflow as tf
from keras import layers
data = np.load(sys.argv[1])
x = data["x_train"].astype("float32")[..., None] / 255
y = data["y_train"].astype("int64")
model = keras.Sequential([
    layers.Input((28, 28, 1)),
    layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(2, strides=2),
    layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(2, strides=2),
    layers.Flatten(), layers.Dense(128, activation="relu"), layers.Dense(10, activation="softmax")])
model.compile(optimizer=keras.optimizers.Adam(), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x, y, batch_size=128, epochs=1, verbose=0)
print(json.dumps({"keras": keras.__version__, "tensorflow": tf.__version__}), flush=True)
for line in sys.stdin:
    start = time.perf_counter()
    model.fit(x, y, batch_size=128, epochs=1, verbose=0)
    print(json.dumps({"images_per_second": len(x) / (time.perf_counter() - start)}), flush=True)
"""


def peers_python():
    python = os.path.join(PEERS, "bin", "python")
    if not os.path.exists(python):
        print("installing Keras and TensorFlow into build/peers", file=sys.stderr)
        venv.create(PEERS, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "keras", "tensorflow-cpu"], check=True)
    return python


def linn_epoch(linn, data):
    out = subprocess.run([linn, "train", "--data", data, "--epochs", "1", "--batch-size", "128", "--log", "json"],
                         check=True, capture_output=True, text=True).stdout
    epochs = [event for event in map(json.loads, out.splitlines()) if event["event"] == "epoch"]
    return epochs[-1]["images_per_second"]


def cpu_name():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        fields = dict(line.split(":", 1) for line in info.read().split("\n\n")[0].splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    return f'{fields.get("model name", platform.machine())}, family {fields.get("cpu family")} model {fields.get("model")}'


def spread(values):
    return f"{statistics.median(values):,.0f} ({min(values):,.0f} - {max(values):,.0f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=11)
    parser.add_argument("--linn", default=os.path.join(ROOT, "build", "release", "linn"))
    parser.add_argument("--data", default=os.path.join(ROOT, "data", "mnist.npz"))
    parser.add_argument("--python", help="a Python that has Keras and TensorFlow already")
    parser.add_argument("--out", default=os.path.join(HERE, "RESULTS.md"))
    options = parser.parse_args()

    keras = subprocess.Popen([options.python or peers_python(), "-c", KERAS, options.data], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    versions = json.loads(keras.stdout.readline())
    ours, theirs = [], []
    for pair in range(options.pairs):
        ours.append(linn_epoch(options.linn, options.data))
        keras.stdin.write("epoch\n")
        keras.stdin.flush()
        theirs.append(json.loads(keras.stdout.readline())["images_per_second"])
        print(f"pair {pair + 1}: linn {ours[-1]:,.0f}, Keras {theirs[-1]:,.0f} images/s, ratio {ours[-1] / theirs[-1]:.2f}", file=sys.stderr)
    keras.stdin.close()
    keras.wait()

    ratios = [a / b for a, b in zip(ours, theirs)]
    version = subprocess.run([options.linn, "--version"], capture_output=True, text=True).stdout.strip()
    text = f"""# Measured side by side

`python3 bench/with_keras.py` on {cpu_name()}, {os.cpu_count()} CPUs; {version}; Keras {versions["keras"]} on TensorFlow
{versions["tensorflow"]} (tensorflow-cpu from PyPI).

Training the notebook's network, float32, batch 128, Adam, one epoch of 60,000 images, all CPUs; {options.pairs} alternating pairs in one
run; median (range).

| | images/s |
|---|---|
| linn | {spread(ours)} |
| Keras/TensorFlow | {spread(theirs)} |
| ratio, pair by pair | {statistics.median(ratios):.2f} ({min(ratios):.2f} - {max(ratios):.2f}) |
"""
    with open(options.out, "w", encoding="utf-8") as file:
        file.write(text)
    print(text)


if __name__ == "__main__":
    main()
