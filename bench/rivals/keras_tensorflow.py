"""Keras on TensorFlow, as a user calls it: `fit`, tried compiled by XLA or not, one or 16 steps to a call; `predict_on_batch`, and the model as
a tf.function, both tried with and without XLA."""

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


def built(task):
    if task.network == "notebook":
        return notebook()
    if task.network.startswith("vgg") and task.network != "vgg_small":
        return vgg(task.network == "vgg_pool_first")
    with open(network.configuration(task.weights), encoding="utf-8") as file:
        return keras.models.model_from_json(file.read())


def training(task, x, y, **options):
    optimizer = None if task.network == "notebook" else keras.optimizers.SGD(network.learning_rate(task.network), momentum=0.9)
    model = compiled(built(task), optimizer, **options)
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


def inference(task, batches, jit, function):
    model = built(task)
    model.compile(jit_compile=jit)
    model.set_weights(list(network.load_weights(task.weights).values()))
    call = tf.function(lambda x: model(x, training=False), jit_compile=jit) if function else model.predict_on_batch
    tensors = [tf.constant(batch) for batch in batches] if function else batches

    def run(count):
        for i in range(count):
            call(tensors[i % len(tensors)])

    return child.Setting(run, lambda: np.concatenate([np.asarray(call(x)) for x in child.first_images(tensors)]))


def prepare(task):
    tf.config.threading.set_intra_op_parallelism_threads(task.threads)
    x, y = child.images(task)
    makers = {}
    if task.mode == "infer":
        batches = child.inference_batches(task, x)
        for jit in (True, False):
            for function in (True, False):
                makers[f"{'tf.function' if function else 'predict_on_batch'}, jit_compile={jit}"] = (
                    lambda jit=jit, function=function: inference(task, batches, jit, function))
        return {"Keras": keras.__version__, "TensorFlow": tf.__version__}, makers, None
    for jit in (True, False):
        for steps in (1, 16):
            makers[f"fit, channels_last, jit_compile={jit}, steps_per_execution={steps}"] = (
                lambda jit=jit, steps=steps: training(task, x, y, jit_compile=jit, steps_per_execution=steps))
    return {"Keras": keras.__version__, "TensorFlow": tf.__version__}, makers, len(x) // task.batch


if __name__ == "__main__":
    child.serve(prepare)
