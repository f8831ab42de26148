"""linn under Keras's names. Each test is a process of its own."""

import subprocess
import sys

import pytest


def run(text):
    return subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("line", [
    "import keras; assert keras.layers.Dense",
    "import keras.layers as layers; assert layers.Conv2D",
    "from keras.layers import Dense, Conv2D, Flatten",
    "from keras.datasets import mnist; assert mnist.load_data",
    "from keras import Sequential, layers",
    "from tensorflow import keras; assert keras.Sequential",
    "import tensorflow as tf; assert tf.keras.layers.Dense",
    "import tensorflow.keras as k; assert k.Model",
    "from tensorflow.keras.layers import MaxPooling2D",
    "from tensorflow.keras.models import Sequential, load_model",
    "from tensorflow.keras.utils import to_categorical",
    "from tensorflow.keras.optimizers.schedules import OneCycle",
    "from keras.callbacks import EarlyStopping; import keras; assert keras.callbacks.EarlyStopping is EarlyStopping",
    "import tf_keras; assert tf_keras.Sequential",
])
def test_imports(line):
    done = run(f"import linn.as_keras\n{line}")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line, error, text", [
    ("from keras.layers import Conv2d", "ImportError", "Conv2d"),
    ("import keras; keras.layers.Conv2d", "AttributeError", "did you mean Conv2D"),
    ("import keras; keras.layers.LSTM", "AttributeError", "keras.layers has no LSTM"),
    ("import keras; keras.sequential", "AttributeError", "did you mean Sequential"),
    ("import tensorflow as tf; tf.data", "AttributeError", "tensorflow has no data"),
    ("import keras.nothing", "ModuleNotFoundError", "keras.nothing"),
    ("import tensorflow.data", "ModuleNotFoundError", "tensorflow.data"),
])
def test_what_is_not_there(line, error, text):
    done = run(f"import linn.as_keras\n{line}")
    assert done.returncode == 1 and f"{error}:" in done.stderr and text in done.stderr, done.stderr


def test_too_late():
    done = run("import sys, types; sys.modules['keras'] = types.ModuleType('keras')\nimport linn.as_keras")
    assert "ImportError" in done.stderr and "was imported before" in done.stderr


def test_twice_is_once():
    assert run("import linn.as_keras, importlib; importlib.reload(linn.as_keras); import keras; assert keras.layers.Dense").returncode == 0
