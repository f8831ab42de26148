"""Keras on TensorFlow: `fit`, as a user calls it. Tried: compiled by XLA or not, one or 16 steps to a call."""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf
from keras import layers

import child
import network


def notebook(*first):
    """The network, after the layers `first`."""
    return keras.Sequential([
        layers.Input((28, 28, 1)), *first,
        layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(2, strides=2),
        layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(2, strides=2),
        layers.Flatten(), layers.Dense(128, activation="relu"), layers.Dense(10, activation="softmax")])


def vgg(pool_first):
    stack = [layers.Input((32, 32, 3))]
    for filters in network.VGG_FILTERS:
        for pools in (False, True):
            norm, pool = [layers.BatchNormalization(), layers.ReLU()], [layers.MaxPooling2D(2)] if pools else []
            stack += [layers.Conv2D(filters, 3, padding="same", use_bias=False), *(pool + norm if pool_first else norm + pool)]
    return keras.Sequential([*stack, layers.GlobalAveragePooling2D(), layers.Dense(10, activation="softmax")])


def compiled(model, optimizer=None, **options):
    model.compile(optimizer=optimizer or keras.optimizers.Adam(), loss="sparse_categorical_crossentropy", metrics=["accuracy"], **options)
    return model


def training(task, x, y, **options):
    if task.network == "notebook":
        model = compiled(notebook(), **options)
    else:
        model = compiled(vgg(task.network == "vgg_pool_first"), keras.optimizers.SGD(0.01, momentum=0.9), **options)
    weights = list(network.load_weights(task.weights).values())
    model.set_weights(weights)

    def run(batches):
        n = batches * task.batch
        return model.fit(x[:n], y[:n], batch_size=task.batch, epochs=1, verbose=0).history["loss"][-1]

    def first_losses():
        model.set_weights(weights)
        for momentum in model.optimizer.momentums:
            momentum.assign(np.zeros(momentum.shape))
        first = slice(0, task.batch)
        return np.array(model.fit(x[first], y[first], batch_size=task.batch, epochs=child.CHECKED_STEPS, verbose=0).history["loss"])

    return child.Setting(run, None if task.network == "notebook" else first_losses)


def prepare(task):
    tf.config.threading.set_intra_op_parallelism_threads(task.threads)
    x, y = child.images(task)
    makers = {}
    for jit in (True, False):
        for steps in (1, 16):
            makers[f"fit, channels_last, jit_compile={jit}, steps_per_execution={steps}"] = (
                lambda jit=jit, steps=steps: training(task, x, y, jit_compile=jit, steps_per_execution=steps))
    return {"Keras": keras.__version__, "TensorFlow": tf.__version__}, makers, len(x) // task.batch


if __name__ == "__main__":
    child.serve(prepare)
