#!/usr/bin/env python3
"""Images a second of Keras's augmentation layers on TensorFlow, as tf.data maps them over batches of 128: beside bench/augment.cc.

    venv/bin/python augment_keras.py [THREADS]
"""

import os
import sys
import time

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf

L = keras.layers
IMAGES, BATCH = 4096, 128
THREADS = int(sys.argv[1]) if len(sys.argv) > 1 else os.cpu_count()

LAYERS = {
    "flip": lambda: L.RandomFlip("horizontal"),
    "translation:0.1": lambda: L.RandomTranslation(0.1, 0.1),
    "rotation:0.1": lambda: L.RandomRotation(0.1),
    "zoom:0.2": lambda: L.RandomZoom(0.2),
    "shear:0.2": lambda: L.RandomShear(0.2, 0.2),
    "contrast:0.3": lambda: L.RandomContrast(0.3),
    "brightness:0.2": lambda: L.RandomBrightness(0.2),
    "erasing": lambda: L.RandomErasing(0.5),
    "sharpness:1": lambda: L.RandomSharpness(1.0),
    "blur": lambda: L.RandomGaussianBlur(kernel_size=5),
}


def rate(layer, x):
    def once():
        data = tf.data.Dataset.from_tensor_slices(x).batch(BATCH).map(lambda b: layer(b, training=True), num_parallel_calls=THREADS)
        begin = time.perf_counter()
        for _ in data:
            pass
        return time.perf_counter() - begin
    once()
    return len(x) / min(once() for _ in range(3))


def main():
    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    gray = (np.random.default_rng(1).random((IMAGES, 28, 28, 1)) * 255).astype(np.float32)
    color = (np.random.default_rng(1).random((IMAGES, 32, 32, 3)) * 255).astype(np.float32)
    print(f"{THREADS} threads\n{'':22} {'28x28x1':>14} {'32x32x3':>14} images/s")
    for name, make in LAYERS.items():
        print(f"{name:22} {rate(make(), gray):14.0f} {rate(make(), color):14.0f}", flush=True)


if __name__ == "__main__":
    main()
