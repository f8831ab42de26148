"""ONNX files and what ONNX Runtime computes from them: tests/formats/data/onnx/.

    python tests/golden/make_onnx_golden.py            needs numpy, onnx, onnxruntime and torch

`operators.npz` holds a model of one operator for each operator and combination of attributes: NAME/model (the file's bytes), NAME/x0, x1, ...
and NAME/y0, ..., in the file's own layout; `steps.npz` likewise of windows over steps (N, C, L). Each network that torch.onnx exports is NETWORK.onnx with NETWORK.npz (x0, y0).
Numbers are drawn from fixed seeds; weights are random.
"""

import io
import pathlib
import warnings

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

OUT = pathlib.Path(__file__).resolve().parent.parent / "formats" / "data" / "onnx"
random = np.random.RandomState(17)


def draw(*shape):
    return random.uniform(-1, 1, shape).astype(np.float32)


def run(model, inputs):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    return session.run(None, dict(zip(names, inputs)))


# ---- single operators ------------------------------------------------------------------------------------------------

cases = {}


def save(name, model, inputs):
    for k, x in enumerate(inputs):
        cases[f"{name}/x{k}"] = x
    data = model.SerializeToString()
    for k, y in enumerate(run(data, inputs)):
        cases[f"{name}/y{k}"] = y.astype(np.float32)
    cases[f"{name}/model"] = np.frombuffer(data, np.uint8)


def model_of(nodes, inputs, outputs, constants, opset, ir_version=8):
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs]
    results = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs]
    graph = helper.make_graph(nodes, "case", values, results, [numpy_helper.from_array(a, n) for n, a in constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)


def case(name, op, shapes, constants=(), opset=17, batch=2, open_batch=True, outputs=1, positive=False, **attributes):
    """One node: inputs of these shapes (without the batch axis), then constants; None leaves an input out."""
    names, infos, inputs, held = [], [], [], {}
    for k, shape in enumerate(shapes):
        names.append(f"x{k}")
        infos.append((f"x{k}", ["N" if open_batch else batch, *shape]))
        inputs.append(np.abs(draw(batch, *shape)) + 0.1 if positive else draw(batch, *shape) * 2)
    for k, constant in enumerate(constants):
        if constant is None:
            names.append("")
            continue
        names.append(f"c{k}")
        held[f"c{k}"] = np.asarray(constant)
    attributes = {k: v for k, v in attributes.items() if v is not None}
    node = helper.make_node(op, names, [f"y{k}" for k in range(outputs)], **attributes)
    save(name, model_of([node], infos, [f"y{k}" for k in range(outputs)], held, opset), inputs)


def ints(*values):
    return np.array(values, np.int64)


def number(value):
    return np.array(value, np.float32)


def windows():
    w, b = draw(5, 3, 3, 3), draw(5)
    for opset in (7, 13, 21):
        case(f"conv_opset{opset}", "Conv", [(3, 7, 6)], [w, b], opset=opset)
    case("conv_no_bias", "Conv", [(3, 7, 6)], [w], pads=[1, 1, 1, 1])
    case("conv_strides", "Conv", [(3, 8, 9)], [w, b], pads=[1, 1, 1, 1], strides=[2, 2])
    case("conv_asymmetric", "Conv", [(3, 7, 6)], [w, b], pads=[0, 2, 1, 1], strides=[2, 1])
    case("conv_dilated", "Conv", [(3, 9, 8)], [w, b], pads=[2, 2, 2, 2], dilations=[2, 2])
    case("conv_dilated_strided", "Conv", [(3, 9, 8)], [w, b], pads=[2, 2, 2, 2], dilations=[2, 2], strides=[2, 2])
    case("conv_same_upper", "Conv", [(3, 8, 7)], [w, b], auto_pad="SAME_UPPER", strides=[2, 2])
    case("conv_same_lower", "Conv", [(3, 8, 7)], [w, b], auto_pad="SAME_LOWER", strides=[2, 2])
    case("conv_valid", "Conv", [(3, 8, 7)], [w, b], auto_pad="VALID", kernel_shape=[3, 3])
    case("conv_strides_odd", "Conv", [(3, 9, 7)], [w, b], pads=[1, 1, 1, 1], strides=[2, 2])
    case("conv_1x1_pads", "Conv", [(3, 4, 5)], [draw(2, 3, 1, 1)], pads=[1, 1, 1, 1])
    case("conv_1x1", "Conv", [(3, 4, 5)], [draw(2, 3, 1, 1)])
    case("conv_groups", "Conv", [(4, 5, 6)], [draw(6, 2, 3, 3), draw(6)], group=2, pads=[1, 1, 1, 1])
    case("conv_depthwise", "Conv", [(4, 5, 6)], [draw(4, 1, 3, 3), draw(4)], group=4, pads=[1, 1, 1, 1])
    case("conv_depthwise_multiplier", "Conv", [(3, 6, 5)], [draw(6, 1, 3, 2), draw(6)], group=3, strides=[2, 2])
    case("conv_kernel_5x2", "Conv", [(2, 9, 6)], [draw(3, 2, 5, 2)], pads=[2, 0, 2, 1])
    t, tb = draw(3, 4, 3, 3), draw(4)
    case("conv_transpose", "ConvTranspose", [(3, 4, 5)], [t, tb])
    case("conv_transpose_strides", "ConvTranspose", [(3, 4, 5)], [t, tb], strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1])
    case("conv_transpose_2x2", "ConvTranspose", [(3, 4, 5)], [draw(3, 2, 2, 2)], strides=[2, 2])
    case("conv_transpose_4x4", "ConvTranspose", [(3, 4, 5)], [draw(3, 2, 4, 4)], strides=[2, 2], pads=[1, 1, 1, 1])
    case("conv_transpose_same", "ConvTranspose", [(3, 4, 5)], [t, tb], strides=[2, 2], auto_pad="SAME_UPPER")
    case("conv_transpose_groups", "ConvTranspose", [(4, 4, 5)], [draw(4, 3, 3, 3), draw(6)], group=2, strides=[2, 2], pads=[1, 1, 1, 1])
    case("conv_transpose_output_shape", "ConvTranspose", [(3, 3, 3)], [t], strides=[3, 2], output_shape=[10, 8])
    case("conv_transpose_dilated", "ConvTranspose", [(3, 4, 5)], [t, tb], dilations=[2, 2])
    for op in ("MaxPool", "AveragePool"):
        p = "max" if op == "MaxPool" else "average"
        case(f"{p}_pool", op, [(3, 6, 8)], kernel_shape=[2, 2], strides=[2, 2])
        case(f"{p}_pool_3x2", op, [(3, 7, 8)], kernel_shape=[3, 2], strides=[2, 1])
        case(f"{p}_pool_pads", op, [(3, 8, 8)], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
        case(f"{p}_pool_asymmetric", op, [(3, 8, 7)], kernel_shape=[3, 3], strides=[2, 2], pads=[0, 1, 2, 0])
        case(f"{p}_pool_ceil", op, [(3, 8, 7)], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
        case(f"{p}_pool_ceil_pads", op, [(3, 8, 7)], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1, pads=[1, 1, 1, 1])
        case(f"{p}_pool_ceil_beyond", op, [(3, 5, 7)], kernel_shape=[2, 2], strides=[3, 4], ceil_mode=1, pads=[1, 1, 1, 1])
        case(f"{p}_pool_same_upper", op, [(3, 8, 7)], kernel_shape=[3, 2], strides=[2, 2], auto_pad="SAME_UPPER")
        case(f"{p}_pool_same_lower", op, [(3, 8, 7)], kernel_shape=[3, 2], strides=[2, 2], auto_pad="SAME_LOWER")
        case(f"{p}_pool_same_stride1", op, [(3, 8, 7)], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        case(f"{p}_pool_dilated", op, [(3, 8, 9)], kernel_shape=[3, 2], dilations=[2, 3], opset=19)
        case(f"global_{p}_pool", "Global" + op, [(3, 4, 5)])
    case("max_pool_opset7", "MaxPool", [(3, 6, 8)], opset=7, kernel_shape=[2, 2], strides=[2, 2])
    case("average_pool_opset7", "AveragePool", [(3, 6, 8)], opset=7, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    case("average_pool_include", "AveragePool", [(3, 8, 7)], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1)
    case("average_pool_include_asymmetric", "AveragePool", [(3, 8, 7)], kernel_shape=[3, 3], pads=[0, 1, 2, 0], count_include_pad=1)
    case("average_pool_include_ceil", "AveragePool", [(3, 8, 8)], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 0, 0], count_include_pad=1, ceil_mode=1, opset=19)


def dense():
    case("gemm", "Gemm", [(5,)], [draw(5, 3), draw(3)])
    case("gemm_trans_b", "Gemm", [(5,)], [draw(3, 5), draw(1, 3)], transB=1, alpha=0.5, beta=2.0)
    case("gemm_scalar_bias", "Gemm", [(5,)], [draw(5, 3), draw(1)], opset=7)
    case("gemm_no_bias", "Gemm", [(5,)], [draw(5, 3)], opset=11)
    case("mat_mul", "MatMul", [(5,)], [draw(5, 3)])
    case("mat_mul_rows", "MatMul", [(4, 5)], [draw(5, 3)])
    case("mat_mul_maps", "MatMul", [(2, 4, 5)], [draw(5, 3)])


def norms():
    bn = [np.abs(draw(3)) + 0.5, draw(3), draw(3), np.abs(draw(3)) + 0.5]
    for opset in (7, 9, 14, 15):
        case(f"batch_norm_opset{opset}", "BatchNormalization", [(3, 4, 5)], bn, opset=opset, epsilon=1e-3)
    case("batch_norm_row", "BatchNormalization", [(3,)], bn)
    case("instance_norm", "InstanceNormalization", [(3, 4, 5)], [draw(3), draw(3)], epsilon=1e-3)


    case("layer_norm", "LayerNormalization", [(4, 6)], [draw(6), draw(6)], epsilon=1e-3)
    case("layer_norm_no_bias", "LayerNormalization", [(4, 6)], [draw(6)])
    case("layer_norm_maps", "LayerNormalization", [(3, 4, 5)], [draw(3, 4, 5), draw(3, 4, 5)], axis=1)
    case("layer_norm_rows", "LayerNormalization", [(3, 4, 5)], [draw(4, 5), draw(4, 5)], axis=-2)
    case("group_norm", "GroupNormalization", [(6, 4, 5)], [draw(6), draw(6)], num_groups=3, opset=21)
    case("group_norm_opset18", "GroupNormalization", [(6, 4, 5)], [draw(3), draw(3)], num_groups=3, opset=18)


def activations():
    shape = [(3, 4, 5)]
    for op in ("Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Exp", "Neg", "Identity", "HardSwish"):
        case(op.lower(), op, shape)
    case("mish", "Mish", shape, opset=18)
    case("gelu", "Gelu", shape, opset=20)
    case("gelu_tanh", "Gelu", shape, opset=20, approximate="tanh")
    case("leaky_relu", "LeakyRelu", shape)
    case("leaky_relu_alpha", "LeakyRelu", shape, alpha=0.2)
    case("elu", "Elu", shape, alpha=0.7)
    case("celu", "Celu", shape, alpha=0.7)
    case("selu", "Selu", shape)
    case("selu_arguments", "Selu", shape, alpha=1.5, gamma=1.2)
    case("hard_sigmoid", "HardSigmoid", shape)
    case("hard_sigmoid_torch", "HardSigmoid", shape, alpha=1 / 6, beta=0.5)
    case("hard_sigmoid_beta", "HardSigmoid", shape, alpha=0.3, beta=0.4)
    case("thresholded_relu", "ThresholdedRelu", shape, alpha=0.4)
    case("shrink_hard", "Shrink", shape, lambd=0.6)
    case("shrink_soft", "Shrink", shape, lambd=0.6, bias=0.6)
    case("prelu_channel", "PRelu", shape, [draw(3, 1, 1)])
    case("prelu_one", "PRelu", shape, [draw(1)])
    case("prelu_all", "PRelu", shape, [draw(3, 4, 5)])
    case("prelu_row", "PRelu", [(6,)], [draw(6)])
    for name, low, high in [("0_6", 0, 6), ("0_1", 0, 1), ("m1_1", -1, 1), ("m05_07", -0.5, 0.7), ("low", -0.5, None), ("high", None, 0.5), ("none", None, None), ("low_0", 0, None)]:
        case(f"clip_{name}", "Clip", shape, [None if v is None else number(v) for v in (low, high)])
        case(f"clip_{name}_opset7", "Clip", shape, opset=7, min=None if low is None else float(low), max=None if high is None else float(high))
    case("softmax_row", "Softmax", [(6,)])
    case("softmax_channels", "Softmax", shape, axis=1)
    case("softmax_last", "Softmax", shape)
    case("softmax_opset11", "Softmax", shape, opset=11)
    case("softmax_opset11_axis2", "Softmax", shape, opset=11, axis=2)
    case("log_softmax", "LogSoftmax", [(6,)], axis=1)
    case("log_softmax_channels", "LogSoftmax", shape, axis=1)
    case("dropout_opset7", "Dropout", shape, opset=7, ratio=0.3)
    case("dropout_opset13", "Dropout", shape, [number(0.3)], opset=13)


def math():
    maps = [(3, 4, 5), (3, 4, 5)]
    for op in ("Add", "Sub", "Mul", "Max", "Min", "Sum", "Mean"):
        case(f"{op.lower()}_maps", op, maps)
        case(f"{op.lower()}_broadcast", op, [(3, 4, 5), (3, 1, 1)])
    case("max_three", "Max", [(3, 4, 5)] * 3)
    case("max_constant", "Max", [(3, 4, 5)], [number(0.25)])
    case("min_constant", "Min", [(3, 4, 5)], [number(0.25)])
    case("mul_spatial", "Mul", [(3, 4, 5), (1, 4, 5)])
    case("add_rows", "Add", [(6,), (6,)])
    for op in ("Add", "Sub", "Mul", "Div"):
        case(f"{op.lower()}_number", op, [(3, 4, 5)], [number(1.7)])
        case(f"{op.lower()}_channels", op, [(3, 4, 5)], [np.abs(draw(3, 1, 1)) + 0.5])
        case(f"{op.lower()}_channels4", op, [(3, 4, 5)], [np.abs(draw(1, 3, 1, 1)) + 0.5])
        case(f"{op.lower()}_uniform", op, [(3, 4, 5)], [np.full((1, 3, 4, 5), 0.7, np.float32)])
        case(f"{op.lower()}_columns", op, [(3, 4, 5)], [np.abs(draw(5)) + 0.5])
        case(f"{op.lower()}_row", op, [(6,)], [np.abs(draw(6)) + 0.5])
    for op in ("Sub", "Mul", "Add"):
        node = helper.make_node(op, ["c", "x0"], ["y0"])
        save(f"{op.lower()}_constant_first", model_of([node], [("x0", ["N", 3, 4, 5])], ["y0"], {"c": draw(3, 1, 1)}, 17), [draw(2, 3, 4, 5)])
    case("abs", "Abs", [(3, 4, 5)])
    case("pow_2", "Pow", [(3, 4, 5)], [number(2)])
    case("pow_3", "Pow", [(3, 4, 5)], [number(3)])
    for op in ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum"):
        opset = 11 if op == "ReduceSum" else 17
        for axes in ([2, 3], [1], [2], [3], [1, 2, 3], [1, 2], [-1], [-2, -1]):
            for keep in (0, 1):
                case(f"{op.lower()}_{'_'.join(map(str, axes))}_keep{keep}", op, [(3, 4, 5)], axes=axes, keepdims=keep, opset=opset)
        case(f"{op.lower()}_rows", op, [(4, 5)], axes=[1], keepdims=0, opset=opset)
        case(f"{op.lower()}_opset18", op, [(3, 4, 5)], [ints(2, 3)], opset=18, keepdims=0)


def shapes():
    case("flatten", "Flatten", [(3, 4, 5)])
    case("flatten_negative", "Flatten", [(3, 4, 5)], axis=-3)
    case("reshape_row", "Reshape", [(3, 4, 5)], [ints(0, -1)])
    case("reshape_row_batch", "Reshape", [(3, 4, 5)], [ints(-1, 60)])
    case("reshape_fixed_batch", "Reshape", [(3, 4, 5)], [ints(2, 60)], open_batch=False)
    case("reshape_split", "Reshape", [(6, 4, 5)], [ints(0, 2, 3, 4, 5)])
    case("reshape_mixed", "Reshape", [(6, 4, 5)], [ints(0, 5, 8, 3)])
    case("reshape_tokens", "Reshape", [(3, 4, 5)], [ints(0, 3, 20)])
    case("reshape_same", "Reshape", [(3, 4, 5)], [ints(0, 0, 0, 0)])
    case("squeeze", "Squeeze", [(3, 1, 1)], [ints(2, 3)])
    case("squeeze_opset11", "Squeeze", [(3, 1, 5)], opset=11, axes=[2])
    case("unsqueeze", "Unsqueeze", [(3,)], [ints(2, 3)])
    case("unsqueeze_opset11", "Unsqueeze", [(3,)], opset=11, axes=[-1, -2])
    case("transpose", "Transpose", [(3, 4, 5)], perm=[0, 3, 1, 2])
    case("transpose_to_last", "Transpose", [(3, 4, 5)], perm=[0, 2, 3, 1])
    case("transpose_rows", "Transpose", [(4, 5)], perm=[0, 2, 1])
    case("concat_channels", "Concat", [(3, 4, 5), (2, 4, 5)], axis=1)
    case("concat_rows", "Concat", [(3, 4, 5), (3, 2, 5)], axis=2)
    case("concat_row", "Concat", [(3,), (4,)], axis=-1)
    case("pad", "Pad", [(3, 4, 5)], [ints(0, 0, 1, 2, 0, 0, 3, 0)])
    case("pad_opset7", "Pad", [(3, 4, 5)], opset=7, pads=[0, 0, 1, 2, 0, 0, 3, 0], mode="constant")
    case("pad_negative", "Pad", [(3, 4, 5)], [ints(0, 0, -1, 2, 0, 0, 1, -1)])
    case("pad_axes", "Pad", [(3, 4, 5)], [ints(1, 2), number(0), ints(3)], opset=18)
    case("pad_value", "Pad", [(3, 4, 5)], [ints(0, 0, 1, 2, 0, 0, 3, 0), number(1.5)])
    for mode in ("reflect", "edge"):
        case(f"pad_{mode}", "Pad", [(3, 4, 5)], [ints(0, 0, 1, 2, 0, 0, 3, 0)], mode=mode)
    case("pad_wrap", "Pad", [(3, 4, 5)], [ints(0, 0, 1, 2, 0, 0, 3, 0)], mode="wrap", opset=19)
    case("pad_channels", "Pad", [(3, 4, 5)], [ints(0, 1, 0, 0, 0, 2, 0, 0)])


    case("slice_channels", "Slice", [(6, 4, 5)], [ints(1), ints(4), ints(1)])
    case("slice_map", "Slice", [(3, 6, 5)], [ints(1, 0), ints(-1, 4), ints(2, 3)])
    case("slice_steps", "Slice", [(3, 6, 5)], [ints(1, 0), ints(2**40, 5), ints(2, 3), ints(2, 3)])
    case("slice_channel_step", "Slice", [(6, 4, 5)], [ints(1), ints(6), ints(1), ints(2)])
    case("slice_opset7", "Slice", [(6, 4, 5)], opset=7, starts=[1], ends=[3], axes=[1])
    case("slice_row", "Slice", [(6,)], [ints(2), ints(5), ints(1)])
    case("split_channels", "Split", [(6, 4, 5)], [ints(2, 4)], outputs=2, axis=1)
    case("split_equal", "Split", [(6, 4, 5)], outputs=3, axis=1)
    case("split_opset11", "Split", [(3, 4, 5)], opset=11, outputs=2, axis=2, split=[1, 3])
    case("split_opset18", "Split", [(5, 4, 5)], opset=18, outputs=2, axis=1, num_outputs=2)
    case("gather_one", "Gather", [(3, 4, 5)], [np.array(2, np.int64)], axis=2)
    case("gather_some", "Gather", [(3, 4, 5)], [ints(1, 2)], axis=1)
    case("expand", "Expand", [(3, 1, 1)], [ints(1, 3, 4, 5)])
    case("depth_to_space", "DepthToSpace", [(8, 3, 4)], blocksize=2)
    case("depth_to_space_crd", "DepthToSpace", [(8, 3, 4)], blocksize=2, mode="CRD")
    case("space_to_depth", "SpaceToDepth", [(3, 4, 6)], blocksize=2)


def resizes():
    def scales(h, w):
        return [None, np.array([1, 1, h, w], np.float32)]

    def sizes(h, w):
        return [None, None, ints(2, 3, h, w)]

    for opset in (7, 9):
        k = dict(scales=[1.0, 1.0, 2.0, 3.0]) if opset == 7 else {}
        c = [] if opset == 7 else [np.array([1, 1, 2, 3], np.float32)]
        case(f"upsample_opset{opset}", "Upsample", [(3, 4, 5)], c, opset=opset, mode="nearest", **k)
        case(f"upsample_linear_opset{opset}", "Upsample", [(3, 4, 5)], c, opset=opset, mode="linear", **k)
    case("resize_opset10", "Resize", [(3, 4, 5)], [np.array([1, 1, 2, 2], np.float32)], opset=10, mode="nearest")
    case("resize_nearest", "Resize", [(3, 4, 5)], scales(2, 3), mode="nearest")
    case("resize_nearest_torch", "Resize", [(3, 4, 5)], scales(2, 2), mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    case("resize_nearest_down", "Resize", [(3, 8, 6)], scales(0.5, 0.5), mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    for rounding in ("floor", "ceil", "round_prefer_ceil", "round_prefer_floor"):
        for transform in ("half_pixel", "asymmetric", "align_corners"):
            case(f"resize_nearest_{rounding}_{transform}", "Resize", [(3, 4, 5)], sizes(7, 8), open_batch=False, mode="nearest", coordinate_transformation_mode=transform, nearest_mode=rounding)
    for transform in ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"):
        for mode in ("linear", "cubic"):
            case(f"resize_{mode}_{transform}", "Resize", [(3, 4, 5)], scales(2, 2), mode=mode, coordinate_transformation_mode=transform)
            case(f"resize_{mode}_{transform}_sizes", "Resize", [(3, 4, 5)], sizes(7, 3), open_batch=False, mode=mode, coordinate_transformation_mode=transform)
    case("resize_cubic_outside", "Resize", [(3, 4, 5)], scales(2, 2), mode="cubic", exclude_outside=1, cubic_coeff_a=-0.5)
    case("resize_axes", "Resize", [(3, 4, 5)], [None, None, ints(8, 10)], opset=18, mode="linear", axes=[2, 3])
    case("resize_nothing", "Resize", [(3, 4, 5)], scales(1, 1), mode="linear")


def chains():
    """Several nodes: what exporters write around the operators, and layouts that change."""
    n = helper.make_node
    x, maps = [draw(2, 3, 4, 5)], [("x0", ["N", 3, 4, 5])]
    w = draw(60, 7)
    save("flatten_gemm", model_of([n("Flatten", ["x0"], ["f"]), n("Relu", ["f"], ["r"]), n("Gemm", ["r", "w", "b"], ["y0"])], maps, ["y0"], {"w": w, "b": draw(7)}, 13), x)
    save("flatten_bn_matmul", model_of([n("Flatten", ["x0"], ["f"]), n("BatchNormalization", ["f", "g", "b", "m", "v"], ["r"]), n("MatMul", ["r", "w"], ["p"]), n("Add", ["p", "c"], ["y0"])],
                                       maps, ["y0"], {"w": w, "g": draw(60), "b": draw(60), "m": draw(60), "v": np.abs(draw(60)) + 0.5, "c": draw(7)}, 13), x)
    save("flatten_reshape_back", model_of([n("Flatten", ["x0"], ["f"]), n("Reshape", ["f", "s"], ["r"]), n("Conv", ["r", "w"], ["y0"])], maps, ["y0"], {"s": ints(0, 3, 4, 5), "w": draw(2, 3, 2, 2)}, 13), x)
    save("flatten_add_flatten", model_of([n("Flatten", ["x0"], ["a"]), n("Relu", ["x0"], ["r"]), n("Flatten", ["r"], ["b"]), n("Add", ["a", "b"], ["s"]), n("Softmax", ["s"], ["y0"])], maps, ["y0"], {}, 13), x)
    save("flatten_scale", model_of([n("Flatten", ["x0"], ["a"]), n("Mul", ["a", "c"], ["y0"])], maps, ["y0"], {"c": draw(60)}, 13), x)
    save("size_chain", model_of([n("Shape", ["x0"], ["s"]), n("Gather", ["s", "zero"], ["b"]), n("Unsqueeze", ["b", "axis"], ["u"]), n("Concat", ["u", "rest"], ["t"], axis=0), n("Reshape", ["x0", "t"], ["f"]),
                                 n("Gemm", ["f", "w"], ["y0"])], maps, ["y0"], {"zero": np.array(0, np.int64), "axis": ints(0), "rest": ints(-1), "w": w}, 13), x)
    save("size_slice", model_of([n("Shape", ["x0"], ["s"]), n("Slice", ["s", "from", "to"], ["b"]), n("Cast", ["b"], ["i"], to=6), n("Cast", ["i"], ["j"], to=7), n("Concat", ["j", "rest"], ["t"], axis=0),
                                 n("Reshape", ["x0", "t"], ["y0"])], maps, ["y0"], {"from": ints(0), "to": ints(2), "rest": ints(20)}, 13), x)
    save("constant_node", model_of([n("Constant", [], ["c"], value=numpy_helper.from_array(draw(3, 1, 1))), n("Add", ["x0", "c"], ["y0"])], maps, ["y0"], {}, 13), x)
    save("folded_weights", model_of([n("Transpose", ["w"], ["t"], perm=[1, 0]), n("Mul", ["t", "two"], ["u"]), n("Flatten", ["x0"], ["f"]), n("Gemm", ["f", "u"], ["y0"])], maps, ["y0"],
                                    {"w": draw(7, 60), "two": number(2)}, 13), x)
    save("conv_add_bias", model_of([n("Conv", ["x0", "w"], ["c"]), n("Add", ["c", "b"], ["y0"])], maps, ["y0"], {"w": draw(2, 3, 2, 2), "b": draw(1, 2, 1, 1)}, 13), x)
    last = [("x0", ["N", 4, 5, 3])]
    save("channels_last", model_of([n("Transpose", ["x0"], ["t"], perm=[0, 3, 1, 2]), n("Conv", ["t", "w"], ["c"], pads=[1, 1, 1, 1]), n("Relu", ["c"], ["r"]), n("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
                                    n("Transpose", ["p"], ["u"], perm=[0, 2, 3, 1]), n("Reshape", ["u", "s"], ["f"]), n("MatMul", ["f", "m"], ["y0"])],
                                   last, ["y0"], {"w": draw(2, 3, 3, 3), "s": ints(-1, 8), "m": draw(8, 3)}, 13), [draw(2, 4, 5, 3)])
    save("channel_shuffle", model_of([n("Conv", ["x0", "w"], ["c"]), n("Reshape", ["c", "s"], ["a"]), n("Transpose", ["a"], ["t"], perm=[0, 2, 1, 3, 4]), n("Reshape", ["t", "u"], ["b"]), n("Conv", ["b", "v"], ["y0"])],
                                     maps, ["y0"], {"w": draw(6, 3, 1, 1), "s": ints(0, 2, 3, 4, 5), "u": ints(0, 6, 4, 5), "v": draw(2, 6, 2, 2)}, 13), x)
    save("squeeze_excite", model_of([n("GlobalAveragePool", ["x0"], ["g"]), n("Flatten", ["g"], ["f"]), n("Gemm", ["f", "w"], ["e"]), n("Sigmoid", ["e"], ["s"]), n("Unsqueeze", ["s", "axes"], ["u"]), n("Mul", ["x0", "u"], ["y0"])],
                                    maps, ["y0"], {"w": draw(3, 3), "axes": ints(2, 3)}, 13), x)
    save("two_outputs", model_of([n("Relu", ["x0"], ["y0"]), n("GlobalAveragePool", ["y0"], ["g"]), n("Flatten", ["g"], ["y1"])], maps, ["y0", "y1"], {}, 13), x)
    save("layout_of_branches", model_of([n("Transpose", ["x0"], ["t"], perm=[0, 2, 3, 1]), n("Relu", ["x0"], ["r"]), n("Transpose", ["r"], ["u"], perm=[0, 2, 3, 1]), n("Add", ["t", "u"], ["s"]), n("MatMul", ["s", "w"], ["y0"])],
                                        maps, ["y0"], {"w": draw(3, 2)}, 13), x)
    row = np.array([1, 2, 1], np.float32) / 4
    for mode in ("reflect", "edge", "constant"):
        save(f"blur_{mode}", model_of([n("Pad", ["x0", "p"], ["a"], mode=mode), n("Conv", ["a", "w"], ["y0"], group=3, strides=[2, 2])], maps, ["y0"],
                                      {"p": ints(0, 0, 1, 1, 0, 0, 1, 1), "w": np.broadcast_to(row[:, None] * row, (3, 1, 3, 3)).copy()}, 13), x)
    half, one, root = number(0.5), number(1), number(np.sqrt(2))
    save("gelu_erf", model_of([n("Div", ["x0", "root"], ["a"]), n("Erf", ["a"], ["b"]), n("Add", ["b", "one"], ["c"]), n("Mul", ["x0", "c"], ["d"]), n("Mul", ["d", "half"], ["y0"])], maps, ["y0"],
                              {"half": half, "one": one, "root": root}, 13), x)
    save("gelu_erf_half_first", model_of([n("Mul", ["x0", "root"], ["a"]), n("Erf", ["a"], ["b"]), n("Add", ["one", "b"], ["c"]), n("Mul", ["half", "c"], ["d"]), n("Mul", ["x0", "d"], ["y0"])], maps, ["y0"],
                                         {"half": half, "one": one, "root": 1 / root}, 13), x)
    save("gelu_erf_half_input", model_of([n("Mul", ["x0", "half"], ["h"]), n("Div", ["x0", "root"], ["a"]), n("Erf", ["a"], ["b"]), n("Add", ["b", "one"], ["c"]), n("Mul", ["h", "c"], ["y0"])], maps, ["y0"],
                                         {"half": half, "one": one, "root": root}, 13), x)
    save("silu", model_of([n("Sigmoid", ["x0"], ["s"]), n("Mul", ["x0", "s"], ["y0"])], maps, ["y0"], {}, 13), x)
    save("hard_swish_parts", model_of([n("HardSigmoid", ["x0"], ["s"], alpha=1 / 6, beta=0.5), n("Mul", ["s", "x0"], ["y0"])], maps, ["y0"], {}, 13), x)
    save("hard_swish_old", model_of([n("Add", ["x0", "three"], ["a"]), n("Clip", ["a", "zero", "six"], ["c"]), n("Mul", ["x0", "c"], ["m"]), n("Div", ["m", "six"], ["y0"])], maps, ["y0"],
                                    {"three": number(3), "zero": number(0), "six": number(6)}, 13), x)
    norm = [n("ReduceMean", ["x0"], ["m"], axes=[-1]), n("Sub", ["x0", "m"], ["d"]), n("Pow", ["d", "two"], ["q"]), n("ReduceMean", ["q"], ["v"], axes=[-1]), n("Add", ["v", "eps"], ["e"]), n("Sqrt", ["e"], ["s"]), n("Div", ["d", "s"], ["z"])]
    held = {"two": number(2), "eps": number(1e-3), "g": draw(5), "b": draw(5)}
    save("layer_norm_parts", model_of([*norm, n("Mul", ["z", "g"], ["y"]), n("Add", ["y", "b"], ["y0"])], maps, ["y0"], held, 13), x)
    save("layer_norm_parts_alone", model_of([*norm, n("Relu", ["z"], ["y0"])], maps, ["y0"], held, 13), x)
    # Initializers that are inputs too, as files of IR version 3 have them; and every way to write numbers.
    node = n("Gemm", ["x0", "w", "b"], ["y0"])
    save("ir3", model_of([node], [("x0", ["N", 5]), ("w", [5, 3]), ("b", [3])], ["y0"], {"w": draw(5, 3), "b": draw(3)}, 7, ir_version=3), [draw(2, 5)])
    for kind, type_ in (("float", TensorProto.FLOAT), ("double", TensorProto.DOUBLE), ("half", TensorProto.FLOAT16), ("bfloat", TensorProto.BFLOAT16)):
        values = helper.make_tensor("w", type_, [5, 3], [0.125 * k - 1 for k in range(15)])
        graph = helper.make_graph([n("Cast", ["w"], ["v"], to=1), n("MatMul", ["x0", "v"], ["y0"])], "case", [helper.make_tensor_value_info("x0", TensorProto.FLOAT, ["N", 5])],
                                  [helper.make_tensor_value_info("y0", TensorProto.FLOAT, None)], [values])
        save(f"typed_{kind}", helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), [draw(2, 5)])


def pools():
    """Norms of windows, and windows that see every so many pixels."""
    for p in (1, 2, 3, 4):
        case(f"lp_pool_p{p}", "LpPool", [(3, 6, 8)], kernel_shape=[2, 3], strides=[2, 1], p=p)
        case(f"global_lp_pool_p{p}", "GlobalLpPool", [(3, 4, 5)], p=p)
    case("lp_pool_pads", "LpPool", [(3, 8, 7)], kernel_shape=[3, 3], strides=[2, 2], pads=[0, 1, 2, 0])
    case("lp_pool_same_upper", "LpPool", [(3, 8, 7)], kernel_shape=[3, 2], strides=[2, 2], auto_pad="SAME_UPPER", p=3)
    case("lp_pool_same_lower", "LpPool", [(3, 8, 7)], kernel_shape=[3, 2], auto_pad="SAME_LOWER", p=1)
    case("lp_pool_dilated", "LpPool", [(3, 8, 9)], kernel_shape=[3, 2], dilations=[2, 3], strides=[1, 2], opset=18)
    case("lp_pool_ceil", "LpPool", [(3, 8, 7)], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1, opset=18)
    for op, p in (("MaxPool", "max"), ("AveragePool", "average")):
        dilated = dict(kernel_shape=[3, 2], dilations=[2, 3], opset=19)
        case(f"{p}_pool_dilated_strides", op, [(3, 9, 10)], strides=[2, 3], **dilated)
        case(f"{p}_pool_dilated_pads", op, [(3, 8, 9)], strides=[2, 1], pads=[1, 1, 2, 0], **dilated)
        case(f"{p}_pool_dilated_ceil", op, [(3, 8, 9)], strides=[2, 2], ceil_mode=1, **dilated)
        case(f"{p}_pool_dilated_same", op, [(3, 8, 9)], pads=[2, 1, 2, 1], **dilated)
    n, least = helper.make_node, number(-np.inf)
    maps, x = [("x0", ["N", 3, 7, 8])], [draw(2, 3, 7, 8)]
    for name, pads, attributes in (("", (0, 0, 1, 1), dict(strides=[2, 2])), ("_more", (1, 0, 1, 1), dict(strides=[2, 3], pads=[1, 1, 0, 0])), ("_ceil", (0, 1, 0, 1), dict(strides=[2, 2], ceil_mode=1))):
        constants = {"p": ints(0, 0, *pads[:2], 0, 0, *pads[2:]), "least": least}
        save(f"max_pool_padded{name}", model_of([n("Pad", ["x0", "p", "least"], ["a"]), n("MaxPool", ["a"], ["y0"], kernel_shape=[3, 3], **attributes)], maps, ["y0"], constants, 17), x)
    case("average_pool_dilated_include", "AveragePool", [(3, 8, 9)], strides=[2, 1], pads=[1, 1, 2, 0], count_include_pad=1, **dilated)


def computed():
    """Functions of values that are computed, and constants that change along several axes."""
    shape = [(3, 4, 5)]
    for op in ("Sqrt", "Log", "Reciprocal"):
        case(op.lower(), op, shape, positive=True)
    for exponent in (0, 0.5, 1, 1.5, -1, -2):
        case(f"pow_{exponent}", "Pow", shape, [number(exponent)], positive=True)
    case("pow_4", "Pow", shape, [number(4)])
    case("div_maps", "Div", shape * 2, positive=True)
    case("div_broadcast", "Div", [(3, 4, 5), (3, 1, 1)], positive=True)
    x = [np.abs(draw(2, 3, 4, 5)) + np.float32(0.1)]
    maps = [("x0", ["N", 3, 4, 5])]
    constants = {"number": number(1.7), "channels": np.abs(draw(3, 1, 1)) + np.float32(0.5), "map": draw(3, 4, 5), "map4": draw(1, 3, 4, 5), "cells": draw(4, 5), "cells3": draw(1, 4, 5),
                 "rows": draw(3, 4, 1), "columns": draw(3, 1, 5), "cells_channels": draw(1, 1, 4, 1)}
    for kind, constant in constants.items():
        apart = np.where(np.abs(constant) < 0.2, np.float32(0.4), constant).astype(np.float32)  # as a divisor
        for op in ("Add", "Sub", "Mul", "Div", "Max", "Min"):
            for names, place in ((["x0", "c"], "second"), (["c", "x0"], "first")):
                save(f"{op.lower()}_{kind}_{place}", model_of([helper.make_node(op, names, ["y0"])], maps, ["y0"], {"c": apart}, 17), x)
        base = (np.abs(constant) + np.float32(0.3)).astype(np.float32)
        save(f"pow_base_{kind}", model_of([helper.make_node("Pow", ["c", "x0"], ["y0"])], maps, ["y0"], {"c": base}, 17), x)
    for op in ("ReduceL1", "ReduceL2", "ReduceSumSquare"):
        for axes in ([2, 3], [1], [1, 2, 3]):
            case(f"{op.lower()}_{'_'.join(map(str, axes))}", op, shape, axes=axes, keepdims=0)
        case(f"{op.lower()}_keep", op, shape, [ints(1)], opset=18)
    n = helper.make_node
    last = [n("Transpose", ["x0"], ["t"], perm=[0, 2, 3, 1])]
    for kind, constant in (("map", draw(4, 5, 3)), ("channels", draw(5, 3)), ("cells", draw(4, 5, 1))):
        save(f"channels_last_mul_{kind}", model_of([*last, n("Mul", ["t", "c"], ["m"]), n("Relu", ["m"], ["y0"])], maps, ["y0"], {"c": constant}, 17), x)
    for op in ("Sum", "Mean"):
        for names in (["x0", "a"], ["a", "x0", "b"], ["x0", "x0", "b"]):
            save(f"{op.lower()}_{'_'.join(names)}", model_of([n(op, names, ["y0"])], maps, ["y0"], {"a": draw(3, 4, 5), "b": draw(3, 1, 1)}, 17), x)
    for size in (1, 3, 5, 9):  # ONNX Runtime takes odd ones alone
        case(f"lrn_size{size}", "LRN", [(7, 3, 4)], size=size, alpha=0.6, beta=0.7, bias=1.5)
    case("lrn", "LRN", [(7, 3, 4)], size=5)
    case("clip_crossed", "Clip", [(3, 4, 5)], [number(2), number(1)])
    for kind, shape in (("channel", (1, 4, 5)), ("cell", (3, 1, 1)), ("one", (1, 1, 1)), ("row", (3, 1, 5))):
        small = [np.abs(draw(2, *shape)) + np.float32(0.1)]
        info = [("x0", ["N", *shape])]
        save(f"expand_{kind}", model_of([n("Expand", ["x0", "s"], ["y0"])], info, ["y0"], {"s": ints(1, 3, 4, 5)}, 17), small)
        for op in ("Add", "Div"):
            save(f"{op.lower()}_grows_{kind}", model_of([n(op, ["c", "x0"], ["y0"])], info, ["y0"], {"c": draw(3, 4, 5)}, 17), small)
        save(f"add_grows_uniform_{kind}", model_of([n("Add", ["x0", "c"], ["y0"])], info, ["y0"], {"c": np.full((1, 3, 4, 5), 0.5, np.float32)}, 17), small)
    save("expand_rows", model_of([n("Expand", ["x0", "s"], ["y0"])], [("x0", ["N", 1, 5])], ["y0"], {"s": ints(1, 4, 5)}, 17), [draw(2, 1, 5)])
    save("expand_number", model_of([n("Expand", ["x0", "s"], ["y0"])], [("x0", ["N", 1])], ["y0"], {"s": ints(1, 6)}, 17), [draw(2, 1)])
    save("torch_lp_pool", model_of([n("Mul", ["x0", "x0"], ["q"]), n("AveragePool", ["q"], ["a"], kernel_shape=[2, 2], strides=[2, 2]), n("Sign", ["a"], ["s"]), n("Abs", ["a"], ["b"]), n("Relu", ["b"], ["r"]), n("Mul", ["s", "r"], ["m"]),
                                    n("Mul", ["m", "four"], ["f"]), n("Pow", ["f", "half"], ["y0"])], maps, ["y0"], {"four": number(4), "half": number(0.5)}, 17), [draw(2, 3, 4, 5)])
    save("torch_normalize", model_of([n("ReduceL2", ["x0"], ["l"], axes=[1], keepdims=1), n("Clip", ["l", "eps"], ["m"]), n("Shape", ["x0"], ["s"]), n("Expand", ["m", "s"], ["e"]), n("Div", ["x0", "e"], ["y0"])], maps, ["y0"],
                                     {"eps": number(1e-12)}, 17), [draw(2, 3, 4, 5)])
    save("mul_rows_2d", model_of([n("Mul", ["x0", "c"], ["y0"])], [("x0", ["N", 4, 6])], ["y0"], {"c": draw(4, 6)}, 17), [draw(2, 4, 6)])
    save("position_embedding", model_of([n("Reshape", ["x0", "s"], ["r"]), n("Transpose", ["r"], ["t"], perm=[0, 2, 1]), n("Add", ["t", "c"], ["a"]), n("MatMul", ["a", "w"], ["y0"])], maps, ["y0"],
                                        {"s": ints(0, 3, 20), "c": draw(1, 20, 3), "w": draw(3, 2)}, 17), x)
    save("l2_normalize", model_of([n("Mul", ["x0", "x0"], ["q"]), n("ReduceSum", ["q", "axes"], ["s"]), n("Sqrt", ["s"], ["r"]), n("Max", ["r", "eps"], ["m"]), n("Div", ["x0", "m"], ["y0"])], maps, ["y0"],
                                  {"axes": ints(1), "eps": number(1e-12)}, 17), [draw(2, 3, 4, 5)])


# ---- windows over steps ----------------------------------------------------------------------------------------------


def steps():
    random.seed(29)
    w, b = draw(5, 3, 4), draw(5)
    for name, attributes in (("plain", {}), ("strides", {"strides": [2], "pads": [1, 2]}), ("dilated", {"dilations": [2], "pads": [3, 3]}), ("dilated_strided", {"dilations": [2], "strides": [3], "pads": [2, 1]}),
                             ("same_upper", {"auto_pad": "SAME_UPPER", "strides": [2]}), ("same_lower", {"auto_pad": "SAME_LOWER"}), ("kernel_shape", {"kernel_shape": [4], "auto_pad": "VALID"})):
        case(f"conv_{name}", "Conv", [(3, 11)], [w, b], **attributes)
    case("conv_groups", "Conv", [(4, 9)], [draw(6, 2, 3), draw(6)], group=2, pads=[1, 1])
    case("conv_depthwise", "Conv", [(3, 9)], [draw(6, 1, 3), draw(6)], group=3, strides=[2])
    t = draw(3, 4, 3)
    case("conv_transpose", "ConvTranspose", [(3, 6)], [t, draw(4)])
    case("conv_transpose_strides", "ConvTranspose", [(3, 6)], [t, draw(4)], strides=[2], pads=[1, 0], output_padding=[1])
    case("conv_transpose_same", "ConvTranspose", [(3, 6)], [t], strides=[2], auto_pad="SAME_LOWER")
    case("conv_transpose_groups", "ConvTranspose", [(4, 5)], [draw(4, 3, 3), draw(6)], group=2, strides=[2])
    case("conv_transpose_output_shape", "ConvTranspose", [(3, 4)], [t], strides=[3], output_shape=[13])
    case("conv_transpose_dilated", "ConvTranspose", [(3, 6)], [t], dilations=[2])
    for op in ("MaxPool", "AveragePool", "LpPool"):
        case(f"{op}_plain", op, [(3, 9)], kernel_shape=[2], strides=[2])
        case(f"{op}_pads", op, [(3, 9)], kernel_shape=[3], strides=[2], pads=[1, 2])
        case(f"{op}_same_upper", op, [(3, 9)], kernel_shape=[3], strides=[2], auto_pad="SAME_UPPER")
        case(f"Global{op}", "Global" + op, [(3, 7)])
    for op in ("MaxPool", "AveragePool"):
        case(f"{op}_ceil", op, [(3, 10)], kernel_shape=[3], strides=[2], ceil_mode=1)
        case(f"{op}_dilated", op, [(3, 10)], kernel_shape=[3], dilations=[2], opset=19)
    case("AveragePool_include", "AveragePool", [(3, 9)], kernel_shape=[3], pads=[0, 2], count_include_pad=1)
    # A network as PyTorch writes it: a convolution with its bias in an Add, normalization, a pooling behind a Relu, and a row in ONNX's order.
    nodes = [helper.make_node("Conv", ["x0", "w"], ["a"], pads=[1, 2]), helper.make_node("Add", ["a", "b"], ["c"]),
             helper.make_node("BatchNormalization", ["c", "scale", "offset", "mean", "variance"], ["d"]), helper.make_node("Relu", ["d"], ["e"]),
             helper.make_node("MaxPool", ["e"], ["f"], kernel_shape=[3], strides=[2], pads=[1, 1]), helper.make_node("Flatten", ["f"], ["g"]),
             helper.make_node("Gemm", ["g", "m", "n"], ["y0"])]
    held = {"w": draw(5, 3, 4), "b": draw(1, 5, 1), "scale": draw(5), "offset": draw(5), "mean": draw(5), "variance": np.abs(draw(5)) + 0.5, "m": draw(30, 4), "n": draw(4)}
    save("network", model_of(nodes, [("x0", ["N", 3, 12])], ["y0"], held, 17), [draw(2, 3, 12)])


# ---- networks of torch -----------------------------------------------------------------------------------------------


def networks():
    import torch
    from torch import nn

    class Vgg(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(True), nn.MaxPool2d(2, 2), nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(True), nn.MaxPool2d(2, 2))
            self.avgpool = nn.AdaptiveAvgPool2d((2, 2))
            self.classifier = nn.Sequential(nn.Linear(8 * 4, 10), nn.ReLU(True), nn.Dropout(), nn.Linear(10, 4))

        def forward(self, x):
            return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))

    class Block(nn.Module):
        def __init__(self, a, b, stride):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b)
            self.conv2, self.bn2 = nn.Conv2d(b, b, 3, 1, 1, bias=False), nn.BatchNorm2d(b)
            self.relu = nn.ReLU(inplace=True)
            self.downsample = nn.Sequential(nn.Conv2d(a, b, 1, stride, bias=False), nn.BatchNorm2d(b)) if stride > 1 or a != b else None

        def forward(self, x):
            y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            return self.relu(y + (x if self.downsample is None else self.downsample(x)))

    class ResNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.bn1, self.relu = nn.Conv2d(3, 6, 7, 2, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU(inplace=True)
            self.maxpool = nn.MaxPool2d(3, 2, 1)
            self.layers = nn.Sequential(Block(6, 6, 1), Block(6, 8, 2))
            self.avgpool, self.fc = nn.AdaptiveAvgPool2d((1, 1)), nn.Linear(8, 4)

        def forward(self, x):
            return self.fc(torch.flatten(self.avgpool(self.layers(self.maxpool(self.relu(self.bn1(self.conv1(x)))))), 1))

    class DenseLayer(nn.Module):
        def __init__(self, a):
            super().__init__()
            self.norm1, self.conv1, self.norm2, self.conv2 = nn.BatchNorm2d(a), nn.Conv2d(a, 8, 1, bias=False), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 3, padding=1, bias=False)

        def forward(self, x):
            return torch.cat([x, self.conv2(torch.relu(self.norm2(self.conv1(torch.relu(self.norm1(x))))))], 1)

    class DenseNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv0 = nn.Sequential(nn.Conv2d(3, 6, 7, 2, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
            self.block = nn.Sequential(DenseLayer(6), DenseLayer(10), nn.BatchNorm2d(14), nn.ReLU(), nn.Conv2d(14, 7, 1, bias=False), nn.AvgPool2d(2, 2), DenseLayer(7), nn.BatchNorm2d(11))
            self.classifier = nn.Linear(11, 4)

        def forward(self, x):
            y = torch.relu(self.block(self.conv0(x)))
            return self.classifier(torch.flatten(nn.functional.adaptive_avg_pool2d(y, (1, 1)), 1))

    class SqueezeExcite(nn.Module):
        def __init__(self, c):
            super().__init__()
            self.avgpool, self.fc1, self.fc2 = nn.AdaptiveAvgPool2d(1), nn.Conv2d(c, 4, 1), nn.Conv2d(4, c, 1)

        def forward(self, x):
            return x * nn.functional.hardsigmoid(self.fc2(torch.relu(self.fc1(self.avgpool(x)))))

    class Inverted(nn.Module):
        def __init__(self, a, mid, b, k, stride, se, act):
            super().__init__()
            parts = [nn.Conv2d(a, mid, 1, bias=False), nn.BatchNorm2d(mid), act(), nn.Conv2d(mid, mid, k, stride, k // 2, groups=mid, bias=False), nn.BatchNorm2d(mid), act()]
            self.block = nn.Sequential(*parts, *([SqueezeExcite(mid)] if se else []), nn.Conv2d(mid, b, 1, bias=False), nn.BatchNorm2d(b))
            self.residual = stride == 1 and a == b

        def forward(self, x):
            return x + self.block(x) if self.residual else self.block(x)

    class MobileNetV3(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1, bias=False), nn.BatchNorm2d(6), nn.Hardswish(), Inverted(6, 8, 6, 3, 1, True, nn.ReLU), Inverted(6, 10, 8, 5, 2, True, nn.Hardswish), nn.Conv2d(8, 12, 1, bias=False), nn.BatchNorm2d(12), nn.Hardswish())
            self.classifier = nn.Sequential(nn.Linear(12, 10), nn.Hardswish(), nn.Dropout(0.2), nn.Linear(10, 4))

        def forward(self, x):
            return self.classifier(torch.flatten(nn.functional.adaptive_avg_pool2d(self.features(x), 1), 1))

    for name, network, size in (("vgg", Vgg, 16), ("resnet", ResNet, 32), ("densenet", DenseNet, 32), ("mobilenet_v3", MobileNetV3, 16)):
        torch.manual_seed(7)
        model = network().eval()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.uniform_(-0.5, 0.5), module.running_var.uniform_(0.5, 1.5)
                module.weight.data.uniform_(0.5, 1.5), module.bias.data.uniform_(-0.5, 0.5)
        x = torch.from_numpy(draw(2, 3, size, size))
        for suffix, options in (("", {"dynamo": False, "opset_version": 13, "dynamic_axes": {"input": {0: "batch"}}}), ("_dynamo", {"dynamo": True, "opset_version": 18})):
            buffer = io.BytesIO()
            if suffix:
                torch.onnx.export(model, (x,), input_names=["input"], output_names=["output"], external_data=False, dynamic_shapes=({0: torch.export.Dim("batch")},), **options).save(str(OUT / "part.onnx"))
                data = (OUT / "part.onnx").read_bytes()
                (OUT / "part.onnx").unlink()
                proto = onnx.load_from_string(data)
                for node in proto.graph.node:  # stack traces of the exporter
                    del node.metadata_props[:]
                    node.doc_string = ""
                for info in (*proto.graph.value_info, *proto.graph.input, *proto.graph.output):
                    del info.metadata_props[:]
                del proto.graph.metadata_props[:], proto.metadata_props[:]
                data = proto.SerializeToString()
            else:
                torch.onnx.export(model, (x,), buffer, input_names=["input"], output_names=["output"], **options)
                data = buffer.getvalue()
            (OUT / f"{name}{suffix}.onnx").write_bytes(data)
            np.savez(OUT / f"{name}{suffix}.npz", x0=x.numpy(), y0=run(data, [x.numpy()])[0])


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    OUT.mkdir(parents=True, exist_ok=True)
    for group in (windows, dense, norms, activations, math, shapes, resizes, chains):
        group()
    networks()
    for group in (pools, computed):  # behind the networks, whose inputs are drawn from the same numbers
        group()
    np.savez_compressed(OUT / "operators.npz", **cases)
    count = len([name for name in cases if name.endswith("/model")])
    cases.clear()
    steps()
    np.savez_compressed(OUT / "steps.npz", **cases)
    print(count + len([name for name in cases if name.endswith("/model")]), "operators")
