"""LiteRT with XNNPACK, on a model that TensorFlow converts in a process of its own. Tried: the interpreter, and the compiled model
(with its default, XNNPACK: YNNPACK, which it also offers, refuses this model in 2.3.0)."""

import os
import subprocess
import sys
import tempfile


def convert(weights, batch, path):
    """Writes the network as .tflite, with a fixed batch."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import network
    import tensorflow as tf

    values = network.load_weights(weights)

    @tf.function(input_signature=[tf.TensorSpec((int(batch), 28, 28, 1))])
    def notebook(x):
        for layer in ("conv2d", "conv2d_1"):
            x = tf.nn.conv2d(x, values[f"{layer}/kernel"], 1, "VALID")
            x = tf.nn.max_pool2d(tf.nn.relu(x + values[f"{layer}/bias"]), 2, 2, "VALID")
        x = tf.reshape(x, (int(batch), 800))
        x = tf.nn.relu(tf.matmul(x, values["dense/kernel"]) + values["dense/bias"])
        return tf.nn.softmax(tf.matmul(x, values["dense_1/kernel"]) + values["dense_1/bias"])

    with open(path, "wb") as file:
        file.write(tf.lite.TFLiteConverter.from_concrete_functions([notebook.get_concrete_function()]).convert())


if sys.argv[1:2] == ["convert"]:
    convert(*sys.argv[2:])
    sys.exit()

import importlib.metadata

import child
import numpy as np
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.hardware_accelerator import HardwareAccelerator
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.options import CpuOptions, Options


def interpreter(task, path, batches):
    runtime = Interpreter(model_path=path, num_threads=task.threads)
    runtime.allocate_tensors()
    (source,), (target,) = runtime.get_input_details(), runtime.get_output_details()
    # The wrapped object's own methods: a call through the class's costs more Python.
    set_tensor, invoke, where = runtime._interpreter.SetTensor, runtime._interpreter.Invoke, source["index"]

    def run(count):
        for i in range(count):
            set_tensor(where, batches[i % len(batches)])
            invoke()

    def outputs():
        result = []
        for batch in child.first_images(batches):
            set_tensor(where, batch)
            invoke()
            result.append(runtime.get_tensor(target["index"]).copy())
        return np.concatenate(result)

    return child.Setting(run, outputs)


def compiled_model(task, path, batches):
    options = Options(hardware_accelerators=HardwareAccelerator.CPU, cpu_options=CpuOptions(num_threads=task.threads))
    model = CompiledModel.from_file(path, options=options)
    sources, targets = model.create_input_buffers(0), model.create_output_buffers(0)

    def run(count):
        for i in range(count):
            sources[0].write(batches[i % len(batches)])
            model.run_by_index(0, sources, targets)

    def outputs():
        result = []
        for batch in child.first_images(batches):
            sources[0].write(batch)
            model.run_by_index(0, sources, targets)
            result.append(np.array(targets[0].read(len(batch) * 10, np.float32)).reshape(-1, 10))
        return np.concatenate(result)

    return child.Setting(run, outputs)


def prepare(task):
    x, _ = child.images(task)
    batches = child.inference_batches(task, x)
    path = os.path.join(tempfile.mkdtemp(), "notebook.tflite")
    subprocess.run([sys.executable, os.path.abspath(__file__), "convert", task.weights, str(task.batch), path], check=True)
    makers = {
        "interpreter, XNNPACK": lambda: interpreter(task, path, batches),
        "compiled model, XNNPACK": lambda: compiled_model(task, path, batches),
    }
    return {"LiteRT": importlib.metadata.version("ai-edge-litert")}, makers, None


if __name__ == "__main__":
    child.serve(prepare)
