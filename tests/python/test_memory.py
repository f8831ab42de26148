"""Memory stays flat, and objects are let go."""

import ctypes
import gc
import os
import subprocess
import sys
import weakref

import numpy as np

from linn import keras

X, Y = np.random.default_rng(0).random((64, 8, 8, 1), np.float32), np.arange(64) % 4


def model():
    layers = keras.layers
    made = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(8, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten(), layers.Dense(4, activation="softmax")])
    made.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return made


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def growth():
    """Bytes that a thousand fits and predicts leave behind."""
    m = model()
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None)

    def once():
        m.fit(X, Y, batch_size=16, verbose=0, callbacks=[callback])
        m.predict(X)
        m.evaluate(X, Y, verbose=0)
        m.get_weights()

    for _ in range(200):
        once()
    gc.collect()
    before = resident()
    for _ in range(1000):
        once()
    gc.collect()
    return resident() - before


def test_a_thousand_fits_and_predicts():
    # In a process without huge pages: the system joins pages to such when it finds time, and they all count as used.
    run = subprocess.run([sys.executable, __file__], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) < 2**20


def test_models_and_layers_are_freed():
    m = model()
    m.fit(X, Y, verbose=0)
    layer = m.layers[0]
    gone = [weakref.ref(m), weakref.ref(layer)]
    del m, layer
    gc.collect()
    assert [g() for g in gone] == [None, None]


def test_references_to_arrays_are_given_back():
    m = model()
    x = X.copy()
    count = sys.getrefcount(x)
    m.predict(x)
    m.fit(x, Y, verbose=0)
    gc.collect()
    assert sys.getrefcount(x) == count


def test_arrays_live_as_long_as_results_need_them():
    y = model().predict(X)
    gc.collect()
    assert np.isfinite(y).all()


def test_interpreter_ends_quietly():
    text = "import numpy as np; from linn import keras; m = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]); print(m.predict(np.ones((1, 2))).shape)"
    run = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)
    assert (run.returncode, run.stdout, run.stderr) == (0, "(1, 1)\n", "")


if __name__ == "__main__":
    PR_SET_THP_DISABLE = 41
    ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)
    print(growth())
