"""What linn writes as ONNX, checked by onnx.checker and run by ONNX Runtime. Outside ./check: it needs onnx and onnxruntime.

    ninja -C build/release write_onnx && python tests/onnx/check_export.py build/release/tests/write_onnx
"""

import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime

LIMIT = 1e-4  # of the largest output


def difference(path):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    arrays = np.load(path.with_suffix(".npz"))
    outputs = session.run(None, {value.name: arrays[f"x{i}"] for i, value in enumerate(session.get_inputs())})
    worst = 0
    for i, got in enumerate(outputs):
        expected = arrays[f"y{i}"]
        if got.shape != expected.shape:
            raise ValueError(f"output {i} has shape {got.shape}, linn's has {expected.shape}")
        worst = max(worst, np.abs(got - expected).max() / max(np.abs(expected).max(), 1e-30))
    return worst


def main(program):
    with tempfile.TemporaryDirectory() as folder:
        refused = subprocess.run([program, folder], check=True, capture_output=True, text=True).stdout
        print(refused, end="")
        failures, count, worst = 0, 0, 0
        for path in sorted(pathlib.Path(folder).glob("*.onnx")):
            count += 1
            try:
                error = difference(path)
            except Exception as exception:  # whatever it is, the table names the file
                print(f"{path.stem}: {str(exception)[:300]}")
                failures += 1
                continue
            worst = max(worst, error)
            if not error <= LIMIT:
                print(f"{path.stem}: differs by {error:.2e}")
                failures += 1
        print(f"{count} files, {failures} failures, largest difference {worst:.2e}")
        return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
