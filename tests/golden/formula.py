"""The numbers of tests/support/formula.h: weights, images and labels that no
file has to hold, and sketches of tensors that are too large for one. Every
step is exact or rounded once, so C++ and Python give the same bits."""

import numpy as np

SKETCH_SIZE = 64


def hashed(stream, count):
    """MurmurHash3's finalizer: the first `count` numbers of a stream."""
    h = np.arange(count, dtype=np.uint32)
    h ^= np.uint32(stream * 0x9E3779B9 & 0xFFFFFFFF)
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x85EBCA6B)
    h ^= h >> np.uint32(13)
    h *= np.uint32(0xC2B2AE35)
    return h ^ (h >> np.uint32(16))


def values(shape, stream, low, high):
    """Uniform in [low, high), as float32."""
    count = int(np.prod(shape))
    u = hashed(stream, count).astype(np.float64) / 4294967296.0
    return (low + (high - low) * u).astype(np.float32).reshape(shape)


def labels(images, stream, classes):
    return (hashed(stream, images) % np.uint32(classes)).astype(np.int32)


def weight(name, shape, stream, gamma=1.0):
    """Scales of normalizations are uniform in gamma * (0.5 ... 1.5)."""
    if name in ("gamma", "moving_variance"):
        scale = gamma if name == "gamma" else 1.0
        return values(shape, stream, 0.5 * scale, 1.5 * scale)
    if "kernel" not in name:
        return values(shape, stream, -0.1, 0.1)
    taps = int(np.prod(shape[:-1]))
    if name == "depthwise_kernel":
        taps //= shape[2]
    # A Dense layer gives small logits, or softmax would show one class alone.
    limit = np.sqrt((0.1 if len(shape) == 2 else 6.0) / taps)
    return values(shape, stream, -limit, limit)


def set_weights(model, gamma=1.0):
    """Each variable from the stream of its place in model.weights."""
    model.set_weights([weight(v.name, v.shape, i, gamma)
                       for i, v in enumerate(model.weights)])


def sketch(tensor):
    """A linear map to 64 numbers in which every element has its part."""
    flat = np.asarray(tensor, np.float64).reshape(-1)
    if flat.size <= SKETCH_SIZE:
        return flat
    h = hashed(0x5EED, flat.size)
    signs = np.where(h >> np.uint32(31), -1.0, 1.0)
    return np.bincount(h % np.uint32(SKETCH_SIZE), flat * signs, SKETCH_SIZE)
