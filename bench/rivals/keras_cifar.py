"""Keras on CIFAR-10 with linn's resnet20, trained as bench/shift_study_cifar.cc does: Adam in one cycle, batches of 128.

    keras_cifar.py DATA CONFIGURATION [SEEDS] [EPOCHS]

DATA: a .zip of train/CLASS/*.jpg and test/CLASS/*.jpg. CONFIGURATION: what `peers_linn files resnet20 FOLDER` writes. Prints the accuracy on all
test images for each seed, and the seconds of training. Needs keras and tensorflow-cpu.
"""

import os
import sys
import time
import zipfile

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf

BATCH = 128


class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """linn.optimizers.schedules.OneCycle with warmup 0.2: linear up, then linear down."""

    def __init__(self, highest, steps):
        self.highest, self.steps = highest, steps

    def __call__(self, step):
        first = self.highest / 25
        last = first / 1e4
        peak = 0.2 * (self.steps - 1)
        step = tf.cast(step, tf.float32)
        rise = first + (self.highest - first) * step / peak
        fall = self.highest + (last - self.highest) * (step - peak) / (self.steps - 1 - peak)
        return tf.where(step < peak, rise, fall)


def images(archive, part):
    names = sorted(name for name in archive.namelist() if name.startswith(part + "/") and name.endswith(".jpg"))
    classes = sorted({name.split("/")[1] for name in names})
    x = np.stack([tf.io.decode_jpeg(archive.read(name)).numpy() for name in names]).astype("float32") / 255
    return x, np.array([classes.index(name.split("/")[1]) for name in names])


def main(data, configuration, seeds=3, epochs=6):
    with zipfile.ZipFile(data) as archive:
        x, y = images(archive, "train")
        x_test, y_test = images(archive, "test")
    with open(configuration, encoding="utf-8") as file:
        text = file.read()
    found = []
    for seed in range(1, int(seeds) + 1):
        keras.utils.set_random_seed(seed)
        model = keras.models.model_from_json(text)
        steps = int(epochs) * -(-len(x) // BATCH)
        model.compile(keras.optimizers.Adam(OneCycle(0.01, steps)), "sparse_categorical_crossentropy", metrics=["accuracy"])
        start = time.monotonic()
        model.fit(x, y, batch_size=BATCH, epochs=int(epochs), verbose=0)
        seconds = time.monotonic() - start
        found.append(model.evaluate(x_test, y_test, batch_size=256, verbose=0)[1])
        print(f"seed {seed}: {100 * found[-1]:.2f} % of {len(x_test)} test images after {epochs} epochs, {seconds:.0f} s", flush=True)
    print(f"mean {100 * np.mean(found):.2f} %")


if __name__ == "__main__":
    main(*sys.argv[1:])
