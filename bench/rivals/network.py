"""The networks for those that do not build them from layers: weights, data, and the notebook's ONNX file.

As a program, `network.py FOLDER DATA` writes the files that the children read.
"""

import os
import sys

import numpy as np

# Keras's order, names and shapes.
SHAPES = {
    "conv2d/kernel": (3, 3, 1, 32), "conv2d/bias": (32,), "conv2d_1/kernel": (3, 3, 32, 32), "conv2d_1/bias": (32,),
    "dense/kernel": (800, 128), "dense/bias": (128,), "dense_1/kernel": (128, 10), "dense_1/bias": (10,),
}

# The VGG-like network on 32x32x3: two 3x3 convolutions ("same", no bias) of each of these filters, normalization and relu behind every
# one, 2x2 max pooling after every second; then the mean of each channel and a softmax of 10. The pooling stands behind relu (`vgg`) or
# right behind the convolution (`vgg_pool_first`); the weights are the same.
VGG_FILTERS = (64, 128, 256)


def vgg_shapes():
    shapes, channels = {}, 3
    for i, filters in enumerate(filters for filters in VGG_FILTERS for _ in range(2)):
        shapes[f"conv2d_{i}/kernel"] = (3, 3, channels, filters)
        for name in ("gamma", "beta", "moving_mean", "moving_variance"):
            shapes[f"batch_normalization_{i}/{name}"] = (filters,)
        channels = filters
    return {**shapes, "dense/kernel": (channels, 10), "dense/bias": (10,)}


def learning_rate(network):
    """Of SGD. mobilenet_v2_96: so small that rounding changes the first losses by less than what they may be apart (compare.py)."""
    return {"vgg_small": 0.0005, "mobilenet_v2_96": 0.0001}.get(network, 0.01)


def configuration(weights):
    """Of a built-in network of linn's: the file beside its weights with Keras's configuration."""
    return os.path.splitext(weights)[0] + ".json"


def random_weights(shapes):
    """The same weights for all, twice as wide as Glorot's so that the probabilities differ enough to be compared."""
    generator = np.random.default_rng(0)
    weights = {}
    for name, shape in shapes.items():
        receptive = int(np.prod(shape[:-2]))
        limit = 0.1 if len(shape) == 1 else 2 * (6 / (receptive * (shape[-2] + shape[-1]))) ** 0.5
        middle = 1 if name.endswith(("gamma", "moving_variance")) else 0
        weights[name] = generator.uniform(middle - limit, middle + limit, shape).astype("float32")
    return weights


def write_noise(folder):
    """Random images and labels in noise_SIDE.npz, few of them, again and again: what a network can learn of them is to know them."""
    generator = np.random.default_rng(1)
    images = generator.integers(0, 256, (128, 32, 32, 3), dtype="uint8")
    labels = generator.integers(0, 10, 128, dtype="uint8")
    np.savez(os.path.join(folder, "noise_32.npz"), x_train=np.tile(images, (16, 1, 1, 1)), y_train=np.tile(labels, 16))
    for side, count, repeats in ((96, 128, 4), (224, 64, 1)):
        images = random_squares(generator, count, side)
        np.savez(os.path.join(folder, f"noise_{side}.npz"), x_train=np.tile(images, (repeats, 1, 1, 1)), y_train=np.tile(labels[:count], repeats))


def random_squares(generator, count, side):
    """Images of 3 x 3 squares of random colors with a random share of noise: the mean of a deep network's last map differs between them,
    which it does not between images of noise alone."""
    squares = generator.uniform(0, 255, (count, 3, 3, 3)).repeat(-(-side // 3), axis=1).repeat(-(-side // 3), axis=2)[:, :side, :side]
    share = generator.uniform(0, 1, (count, 1, 1, 1))
    return ((1 - share) * squares + share * generator.uniform(0, 255, (count, side, side, 3))).astype("uint8")


def write_files(folder, data):
    """What the children read: weights and noise as .npz, and the notebook's as raw arrays for the program that has no .npz reader."""
    weights = random_weights(SHAPES)
    np.savez(os.path.join(folder, "weights.npz"), **weights)
    np.savez(os.path.join(folder, "vgg.npz"), **random_weights(vgg_shapes()))
    write_noise(folder)
    np.concatenate([weights[name].ravel() for name in SHAPES]).tofile(os.path.join(folder, "weights.f32"))
    with np.load(data) as file:
        for name in ("x_train", "y_train"):
            file[name].astype("uint8").tofile(os.path.join(folder, f"{name}.u8"))


def load_weights(path):
    """By name, in Keras's order."""
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def channels_first(weights):
    """The same network for images (n, 1, 28, 28): convolutions OIHW, and the first Dense in the order that flattening has then."""
    dense = weights["dense/kernel"].reshape(5, 5, 32, 128).transpose(2, 0, 1, 3).reshape(800, 128)
    turned = {name: value.transpose(3, 2, 0, 1) if value.ndim == 4 else value for name, value in weights.items()}
    return {name: np.ascontiguousarray(value) for name, value in {**turned, "dense/kernel": dense}.items()}


def onnx_model(weights, batch):
    """The network as the bytes of an ONNX file, with a fixed batch; input "x", output "probabilities"."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    parameters = channels_first(weights)
    nodes, last = [], "x"

    def node(kind, *inputs, **attributes):
        nonlocal last
        name = f"{kind.lower()}_{len(nodes)}"
        nodes.append(helper.make_node(kind, [last, *inputs], [name], **attributes))
        last = name

    for layer in ("conv2d", "conv2d_1"):
        node("Conv", f"{layer}/kernel", f"{layer}/bias", kernel_shape=[3, 3])
        node("Relu")
        node("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    node("Flatten")
    node("Gemm", "dense/kernel", "dense/bias")
    node("Relu")
    node("Gemm", "dense_1/kernel", "dense_1/bias")
    node("Softmax", axis=1)
    nodes[-1].output[0] = "probabilities"
    graph = helper.make_graph(
        nodes, "notebook",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 1, 28, 28])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [batch, 10])],
        [numpy_helper.from_array(value, name) for name, value in parameters.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def onnx_bytes(task, batch):
    """The network of a task as ONNX: the notebook's as written here; another as PyTorch exports it, whose normalization goes into the
    convolutions. `batch`: a batch of images, (n, channels, height, width)."""
    if task.network == "notebook":
        return onnx_model(load_weights(task.weights), task.batch)
    import pytorch

    return pytorch.exported(task, batch)


if __name__ == "__main__":
    write_files(*sys.argv[1:])
