"""Keras's resnet20 and mobilenet_v2 with random weights, exported to ONNX in each of two ways: by tf2onnx, and by Keras's own model.export.
linn reads the files and computes what ONNX Runtime computes. Outside ./check: it needs keras, tensorflow, tf2onnx, onnx and onnxruntime.

    ninja -C build/release run_onnx write_networks
    python tests/onnx/check_keras_models.py build/release/tests

The networks are linn's configurations as Keras reads them. It writes keras_models.md beside this file.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import keras
import numpy as np
import onnxruntime
import tensorflow as tf
import tf2onnx

HERE = pathlib.Path(__file__).resolve().parent
LIMIT = 1e-4  # of the largest output
NETWORKS = ["resnet20", "mobilenet_v2"]


def network(folder, name):
    """With random weights and moving statistics, so that no normalization is the identity."""
    keras.utils.set_random_seed(1)
    model = keras.models.model_from_json((folder / f"{name}.json").read_text())
    random = np.random.RandomState(2)
    for weight in model.weights:
        kind = weight.path.rsplit("/", 1)[-1]
        if kind in ("gamma", "moving_variance"):
            weight.assign(random.uniform(0.5, 1.5, weight.shape))
        elif kind in ("beta", "bias", "moving_mean"):
            weight.assign(random.uniform(-0.2, 0.2, weight.shape))
    return model


def by_tf2onnx(model, path):
    signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name="x")]
    function = tf.function(lambda x: model(x, training=False), input_signature=signature)
    tf2onnx.convert.from_function(function, input_signature=signature, opset=17, output_path=str(path))


def by_export(model, path):
    model.export(str(path), format="onnx", verbose=False)


EXPORTERS = {"tf2onnx": by_tf2onnx, "model.export": by_export}


def by_runtime(path, x):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def by_linn(program, path, x):
    inputs, outputs = path.with_name("in.npz"), path.with_name("out.npz")
    np.savez(inputs, x0=x)
    answer = subprocess.run([program], input=f"{path} {inputs} {outputs}\n", capture_output=True, text=True, check=True).stdout.strip()
    if answer != "ok":
        raise ValueError(answer)
    return np.load(outputs)["y0"]


def difference(got, expected):
    if got.shape != expected.shape:
        return np.inf
    return float(np.abs(got - expected).max() / np.abs(expected).max())


def main(programs):
    rows, worst = [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        subprocess.run([pathlib.Path(programs) / "write_networks", folder], check=True)
        for name in NETWORKS:
            model = network(folder, name)
            x = np.random.RandomState(3).uniform(0, 1, (4, *model.input_shape[1:])).astype(np.float32)
            for exporter, export in EXPORTERS.items():
                path = folder / f"{name}_{exporter}.onnx"
                export(model, path)
                expected = by_runtime(path, x)
                error = difference(by_linn(pathlib.Path(programs) / "run_onnx", path, x), expected)
                worst = max(worst, error)
                rows.append(f"| {name} | {exporter} | {path.stat().st_size / 1e6:.1f} MB | {error:.1e} | {difference(model(x, training=False).numpy(), expected):.1e} |")
                print(rows[-1])
    lines = ["# Keras's networks by their exporters", "",
             f"Written by `check_keras_models.py` with Keras {keras.__version__}, TensorFlow {tf.__version__}, tf2onnx {tf2onnx.__version__} and "
             f"ONNX Runtime {onnxruntime.__version__}: four images and random weights. Differences from ONNX Runtime are shares of the largest output.", "",
             "| network | exporter | file | linn | Keras |", "|---|---|---|---|---|", *rows]
    (HERE / "keras_models.md").write_text("\n".join(lines) + "\n")
    return 0 if worst <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
