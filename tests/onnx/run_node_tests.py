"""The node tests of onnx.backend.test for the operators that linn imports. Outside ./check: it needs onnx.

    ninja -C build/release run_onnx && python tests/onnx/run_node_tests.py build/release/tests/run_onnx

It writes node_tests.md beside this file. linn imports networks: a value depends on the network's inputs or is known when the file is read. So
inputs of the tests that are weights, shapes or limits become initializers here; where both inputs of an operator may be either, both ways are
tried. Where all inputs are constants, what is computed of them is added to a row of zeros, which is the network's input. Second outputs (the
mean of a normalization, a mask, the places of maxima) are left out. Tests of operator sets above 21 are read as 21, whose operators are the
same but for types.
"""

import itertools
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test import loader

HERE = pathlib.Path(__file__).resolve().parent
TABLE = HERE.parent.parent / "src" / "formats" / "onnx" / "operators.inc"
LIMIT = 1e-3  # of the largest output, as onnx allows: some tests give four digits
NEWEST = 21
# What linn computes as ONNX Runtime does, which differs from ONNX's reference here.
AS_RUNTIME = {"resize_downsample_scales_cubic_align_corners", "resize_downsample_scales_linear_align_corners"}
# Operators without axes: a batch axis may be put in front of all that they take and give.
ELEMENTWISE = {"Relu", "LeakyRelu", "PRelu", "Elu", "Celu", "Selu", "Gelu", "Mish", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Softplus", "Softsign", "ThresholdedRelu", "Shrink",
               "Clip", "Dropout", "Identity", "Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean", "Pow", "Neg", "Abs", "Exp"}
# The inputs that a network computes; all others are constants.
COMPUTED = {"Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean", "Concat", "Pow", "MatMul", "Equal", "Less", "Greater", "Where", "Mod"}


def operators():
    """By name: whether it is computed from constants."""
    rows = re.findall(r"^LINN_ONNX(?:_FOLDED)?\((\w+), .*?(\w+)\)$", TABLE.read_text(), re.M)
    return {name: fold != "nullptr" for name, fold in rows}


def with_batch(model, arrays, expected):
    """The same with an axis of size 1 in front of the first input and the outputs."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for value in (*copy.graph.input, *copy.graph.output):
        dims = [d.dim_value for d in value.type.tensor_type.shape.dim]
        del value.type.tensor_type.shape.dim[:]
        for size in (1, *dims):
            value.type.tensor_type.shape.dim.add().dim_value = size
    return copy, [np.asarray(a)[None] for a in arrays], [e[None] for e in expected]


def variants(model, arrays, op):
    """The model with some of its inputs as initializers: [(model, arrays of the inputs that are left)]."""
    names = [value.name for value in model.graph.input]
    choices = [{0}]
    if op in COMPUTED:
        choices = [set(range(len(names)))] + [set(c) for k in range(1, len(names)) for c in itertools.combinations(range(len(names)), k)]
    for kept in choices:
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        del copy.graph.input[:]
        for i, value in enumerate(model.graph.input):
            if i in kept:
                copy.graph.input.append(value)
            else:
                copy.graph.initializer.append(numpy_helper.from_array(np.asarray(arrays[i]), names[i]))
        for opset in copy.opset_import:
            opset.version = min(opset.version, NEWEST)
        yield copy, [arrays[i] for i in sorted(kept) if i < len(arrays)]


def constant_variant(model, arrays, expected):
    """All inputs as initializers; the result, as a row, is added to the network's input."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for value, array in zip(model.graph.input, arrays):
        copy.graph.initializer.append(numpy_helper.from_array(np.asarray(array), value.name))
    result = copy.graph.node[0].output[0]
    del copy.graph.input[:], copy.graph.output[:]
    make = onnx.helper.make_node
    copy.graph.node.extend([make("Cast", [result], ["linn_float"], to=1), make("Reshape", ["linn_float", "linn_shape"], ["linn_row"]), make("Add", ["linn_x", "linn_row"], ["linn_y"])])
    copy.graph.initializer.append(numpy_helper.from_array(np.array([1, -1], np.int64), "linn_shape"))
    row = expected[0].astype(np.float32).reshape(1, -1)
    copy.graph.input.append(onnx.helper.make_tensor_value_info("linn_x", 1, row.shape))
    copy.graph.output.append(onnx.helper.make_tensor_value_info("linn_y", 1, row.shape))
    for opset in copy.opset_import:
        opset.version = min(max(opset.version, 7), NEWEST)
    return copy, [np.zeros_like(row)], [row]


def main(program):
    known = operators()
    process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for case in sorted(loader.load_model_tests(kind="node"), key=lambda c: c.name):
            model = case.model
            ops = {node.op_type for node in model.graph.node}
            if len(model.graph.node) != 1 or not ops <= set(known) or any(node.domain not in ("", "ai.onnx") for node in model.graph.node):
                continue
            op = ops.pop()
            arrays, expected = case.data_sets[0]
            if not all(isinstance(array, (np.ndarray, np.generic)) for array in (*arrays, *expected)):
                results.setdefault(op, []).append((case.name.removeprefix("test_"), "values that are no tensors"))
                continue
            expected = [np.asarray(array) for array in expected]
            if op in ELEMENTWISE and np.asarray(arrays[0]).ndim < 2:
                model, arrays, expected = with_batch(model, arrays, expected)
            outcome = None
            if op != "Split":
                del model.graph.output[1:], model.graph.node[0].output[1:], expected[1:]
            tries = [(*variant, expected) for variant in variants(model, arrays, op)]
            if known[op] and expected[0].size and expected[0].dtype.kind in "fiub":
                tries.append(constant_variant(model, arrays, expected))
            for copy, inputs, wanted in tries:
                (folder / "m.onnx").write_bytes(copy.SerializeToString())
                try:
                    np.savez(folder / "in.npz", **{f"x{i}": np.asarray(x, np.float32) for i, x in enumerate(inputs)})
                except (TypeError, ValueError):
                    outcome = outcome or "no numbers"
                    continue
                process.stdin.write(f"{folder}/m.onnx {folder}/in.npz {folder}/out.npz\n")
                process.stdin.flush()
                answer = process.stdout.readline().strip()
                if answer == "ok":
                    got = np.load(folder / "out.npz")
                    error = 0
                    for i, e in enumerate(wanted):
                        g = got[f"y{i}"]
                        e = e.astype(np.float32)
                        finite = np.isfinite(e)
                        if g.shape != e.shape:
                            error = np.inf
                        elif e.size:
                            same = np.array_equal(g[~finite], e[~finite], equal_nan=True)
                            error = max(error, np.abs(g[finite] - e[finite]).max(initial=0) / max(np.abs(e[finite]).max(initial=0), 1e-30) if same else np.inf)
                    outcome = "passed" if error <= LIMIT else f"WRONG, by {error:.1e} of the largest output"
                    if case.name.removeprefix("test_") in AS_RUNTIME:
                        outcome = "linn computes with the output's whole size, as ONNX Runtime does; ONNX's reference takes the product of size and scale"
                    break
                text = answer.removeprefix(f"error: {folder}/m.onnx: ")
                outcome = outcome or re.sub(r'^node 0 ("[^"]*" )?\(\w+\): ', "", text)
            results.setdefault(op, []).append((case.name.removeprefix("test_"), outcome))
    process.stdin.close()
    write(results, known)


def write(results, known):
    total = sum(len(cases) for cases in results.values())
    passed = sum(outcome == "passed" for cases in results.values() for _, outcome in cases)
    lines = ["# Node tests of onnx.backend.test", "",
             f"Written by `run_node_tests.py` with onnx {onnx.__version__}: {passed} of {total} tests pass. The others are listed with the reason that linn gives.", "",
             "| operator | passed | listed |", "|---|---|---|"]
    for op in sorted(known):
        cases = results.get(op, [])
        lines.append(f"| {op} | {sum(o == 'passed' for _, o in cases)} | {sum(o != 'passed' for _, o in cases)} |")
    lines += ["", "## Listed", ""]
    for op in sorted(results):
        reasons = {}
        for name, outcome in results[op]:
            if outcome != "passed":
                reasons.setdefault(outcome, []).append(name)
        for reason, names in reasons.items():
            lines.append(f"- **{op}**: {reason} ({', '.join(names)})")
    (HERE / "node_tests.md").write_text("\n".join(lines) + "\n")
    wrong = [(op, name, o) for op, cases in results.items() for name, o in cases if o and o.startswith("WRONG")]
    print(f"{passed} of {total} pass")
    for row in wrong:
        print(*row)


if __name__ == "__main__":
    main(sys.argv[1])
