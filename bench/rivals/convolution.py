"""One convolution with bias and relu, and the pooling that follows it: what convolution.h is, for rivals in Python. Inference only."""

from dataclasses import dataclass

import numpy as np

INPUT_SEED, KERNEL_SEED, SKETCH_SEED, BIAS_SEED = 1, 2, 4, 5
SKETCH_PART = 1 << 16  # elements at a time: bounds the memory of the signs


@dataclass
class Axis:
    """One axis of a convolution: cells of its output, and padding before and behind its input."""

    out: int
    before: int
    after: int


@dataclass
class Convolution:
    """Sizes, out of a text such as "56x56x64->128 3x3/2 same groups 4 maxpool 3x3/2" (convolution.h)."""

    batch: int
    height: int
    width: int
    channels: int
    filters: int
    window: tuple  # rows, columns
    stride: int
    same: bool
    dilation: int = 1
    groups: int = 1
    transposed: bool = False
    pool: str = ""  # "", maxpool, averagepool, globalmaxpool, globalaveragepool
    pool_window: tuple = (1, 1)
    pool_stride: int = 1

    def axis(self, size, window):
        reach = (window - 1) * self.dilation + 1
        if not self.same:
            return Axis((size - reach) // self.stride + 1, 0, 0)
        out = size * self.stride if self.transposed else -(-size // self.stride)
        padding = max(reach - self.stride if self.transposed else (out - 1) * self.stride + reach - size, 0)
        return Axis(out, padding // 2, padding - padding // 2)

    @property
    def rows(self):
        return self.axis(self.height, self.window[0])

    @property
    def columns(self):
        return self.axis(self.width, self.window[1])

    @property
    def result(self):
        """(batch, filters, height, width) of the result, after the pooling."""
        sizes = [self.rows.out, self.columns.out]
        if self.pool.startswith("global"):
            sizes = [1, 1]
        elif self.pool:
            sizes = [(size - window) // self.pool_stride + 1 for size, window in zip(sizes, self.pool_window)]
        return (self.batch, self.filters, *sizes)

    def input(self):
        """NHWC."""
        shape = self.batch, self.height, self.width, self.channels
        return numbers(shape, INPUT_SEED)

    def kernel(self):
        """(filters, channels of a group, rows, columns), or of a transposed convolution (channels, filters, rows, columns)."""
        last = (self.filters, self.channels) if self.transposed else (self.channels // self.groups, self.filters)
        return np.ascontiguousarray(numbers((*self.window, *last), KERNEL_SEED).transpose(3, 2, 0, 1))

    def bias(self):
        return numbers((self.filters,), BIAS_SEED)


def window_of(word):
    """((rows, columns), stride) of "3x3/2"."""
    window, _, stride = word.partition("/")
    rows, columns = window.split("x")
    return (int(rows), int(columns)), int(stride or 1)


def parse(task):
    if task.mode != "infer":
        raise ValueError(f"mode {task.mode}: convolution.py knows infer alone")
    words = task.network.split()
    sizes, filters = words[0].split("->")
    height, width, channels = map(int, sizes.split("x"))
    window, stride = window_of(words[1])
    c = Convolution(task.batch, height, width, channels, int(filters), window, stride, words[2] == "same")
    rest = iter(words[3:])
    for word in rest:
        if word in ("dilation", "groups"):
            setattr(c, word, int(next(rest)))
        elif word == "transposed":
            c.transposed = True
        elif word in ("maxpool", "averagepool"):
            c.pool = word
            c.pool_window, c.pool_stride = window_of(next(rest))
        elif word in ("globalmaxpool", "globalaveragepool"):
            c.pool = word
        else:
            raise ValueError(f"convolution '{task.network}': '{word}' is not understood")
    return c


def numbers(shape, seed):
    """In [-1, 1): as convolution.h draws them."""
    drawn = np.random.RandomState(seed).randint(0, 2**32, np.prod(shape), dtype=np.uint32)
    return (drawn.view(np.int32).astype(np.float32) / np.float32(2147483648)).reshape(shape)


def sketch(result):
    """The sketch, as (1, 16), of a result in NHWC (convolution.h)."""
    values = np.ascontiguousarray(result).ravel()
    engine, sums = np.random.RandomState(SKETCH_SEED), np.zeros(16)
    for first in range(0, len(values), SKETCH_PART):
        part = values[first:first + SKETCH_PART]
        drawn = engine.randint(0, 2**32, len(part), dtype=np.uint32)
        bits = np.unpackbits(drawn.view(np.uint8).reshape(-1, 4)[:, :2], axis=1, bitorder="little")
        sums += part @ (bits.astype(np.float32) * 2 - 1)
    return (sums / np.sqrt(len(values)))[None]


def onnx_model(c):
    """The bytes of an ONNX file with fixed sizes: input "x", output "y", both NCHW."""
    from onnx import TensorProto, checker, helper, numpy_helper

    rows, columns = c.rows, c.columns
    sizes = {"kernel_shape": c.window, "strides": [c.stride] * 2, "dilations": [c.dilation] * 2, "group": c.groups,
             "pads": [rows.before, columns.before, rows.after, columns.after]}
    if c.transposed:
        full = [(size - 1) * c.stride + (window - 1) * c.dilation + 1 for size, window in zip((c.height, c.width), c.window)]
        sizes["output_padding"] = [axis.out - (size - axis.before - axis.after) for axis, size in zip((rows, columns), full)]
    nodes = [helper.make_node("ConvTranspose" if c.transposed else "Conv", ["x", "kernel", "bias"], ["convolved"], **sizes),
             helper.make_node("Relu", ["convolved"], ["activated"])]
    if c.pool.startswith("global"):
        nodes.append(helper.make_node({"globalmaxpool": "GlobalMaxPool"}.get(c.pool, "GlobalAveragePool"), ["activated"], ["y"]))
    elif c.pool:
        kind = {"maxpool": "MaxPool"}.get(c.pool, "AveragePool")
        nodes.append(helper.make_node(kind, ["activated"], ["y"], kernel_shape=c.pool_window, strides=[c.pool_stride] * 2))
    else:
        nodes[-1].output[0] = "y"
    graph = helper.make_graph(
        nodes, "convolution",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [c.batch, c.channels, c.height, c.width])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, c.result)],
        [numpy_helper.from_array(c.kernel(), "kernel"), numpy_helper.from_array(c.bias(), "bias")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    return model.SerializeToString()
