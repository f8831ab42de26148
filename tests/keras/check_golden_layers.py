"""The classes of python/keras_layers.py against tests/golden/cures.*: what PyTorch computes by the papers' formulas. Outside ./check.

    KERAS_BACKEND=torch python tests/keras/check_golden_layers.py
"""

import json
import pathlib
import sys

import keras
import numpy as np
from safetensors.numpy import load_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))
import keras_layers  # noqa: E402

GOLDEN = ROOT / "tests" / "golden"


def outputs_of(case, tensors):
    name = case["name"]
    layer = getattr(keras_layers, case["class_name"]).from_config(case["config"])
    inputs = [tensors[f"{name}/input_{i}"] for i in range(len(case["input_shapes"]))]
    layer.build([x.shape for x in inputs] if len(inputs) > 1 else inputs[0].shape)
    layer.set_weights([tensors[f"{name}/{weight.name}"] for weight in layer.weights])
    given = inputs if len(inputs) > 1 else inputs[0]
    trains = case["training"] and case["class_name"] == "AdaptiveBlurPooling2D"  # elsewhere both are the same
    outputs = layer(given, training=True) if trains else layer(given)
    again = type(layer).from_config(layer.get_config())
    if again.get_config() != layer.get_config():
        raise ValueError(f"{name}: the configuration does not come back")
    return outputs if isinstance(outputs, (list, tuple)) else [outputs]


def main():
    tensors = load_file(GOLDEN / "cures.safetensors")
    worst = 0
    for case in json.loads((GOLDEN / "cures.json").read_text())["cases"]:
        for i, output in enumerate(outputs_of(case, tensors)):
            expected, got = tensors[f"{case['name']}/output_{i}"], keras.ops.convert_to_numpy(output)
            if got.shape != expected.shape:
                raise ValueError(f"{case['name']}: {got.shape} came, {expected.shape} is right")
            error = np.abs(got - expected).max()
            worst = max(worst, error)
            if error > 2e-5 * max(1, np.abs(expected).max()):
                raise ValueError(f"{case['name']}: off by {error}")
    layer = keras_layers.FractionalMaxPooling2D(overlapping=True)
    print(f"all cases agree, the worst is off by {worst:.1e}; fractional: {layer(np.ones((1, 9, 7, 2), 'float32')).shape}")


if __name__ == "__main__":
    main()
