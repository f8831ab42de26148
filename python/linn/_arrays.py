"""Arrays as the engine takes them, from what people have."""

import numpy as np

from linn import errors

# Types that linn computes with, and the next wider one for those that it does not.
_TAKEN = {np.dtype(t) for t in (np.uint8, np.int32, np.int64, np.float32, np.float64)}
_WIDER = {
    np.dtype(np.bool_): np.uint8,
    np.dtype(np.int8): np.int32,
    np.dtype(np.int16): np.int32,
    np.dtype(np.uint16): np.int32,
    np.dtype(np.uint32): np.int64,
    np.dtype(np.float16): np.float32,
}


def array(value, what="x"):
    """A row-major numpy array of a type that the engine takes. Shares the memory of `value` where its type and layout allow.

    Takes numpy arrays, numbers, (nested) lists, and tensors of other libraries by `__array__` or DLPack.
    Raises TypeError for objects and texts, ValueError for ragged lists, complex numbers and integers beyond int64.
    """
    if type(value) is not np.ndarray:
        value = _to_numpy(value, what)
    kind = value.dtype
    if kind not in _TAKEN:
        value = _of_known_type(value, what)
    if value.ndim > 8:
        raise errors.ShapeError(f"{what} has {value.ndim} axes; at most 8 are allowed")
    if not value.flags.c_contiguous:
        value = np.ascontiguousarray(value)
    if not value.flags.aligned:
        value = value.copy()
    return value


def _to_numpy(value, what):
    if hasattr(value, "detach") and hasattr(value, "cpu"):  # a tensor of torch, which may want gradients or lie on a GPU
        value = value.detach().cpu()
    try:
        if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
            return np.from_dlpack(value)
        return np.asarray(value)
    except ValueError as error:
        raise errors.ValueError(f"{what} is no array: {error}") from None


def _of_known_type(value, what):
    kind = value.dtype
    native = kind.newbyteorder("=")
    if native in _TAKEN:
        return value.astype(native)
    if native in _WIDER:
        return value.astype(_WIDER[native])
    if native == np.dtype(np.uint64):
        if value.size and value.max() > np.iinfo(np.int64).max:
            raise errors.ValueError(f"{what} holds integers above 2^63 - 1")
        return value.astype(np.int64)
    if kind.kind == "f":
        return value.astype(np.float64)
    if kind.name == "bfloat16":
        return value.astype(np.float32)
    allowed = "numbers are allowed: bool, integers, float16, float32, float64"
    if kind.kind == "c":
        raise errors.ValueError(f"{what} holds complex numbers ({kind}); {allowed}")
    if kind.kind == "O":
        raise errors.TypeError(f"{what} is an array of Python objects, such as lists of different lengths or None; {allowed}")
    raise errors.TypeError(f"{what} has dtype {kind}; {allowed}")


def arrays(value, what="x"):
    """One array, or a list or a dict of them, with None left as it is.

    A list of arrays is several inputs; a list of numbers or of lists is one array, as in Keras.
    """
    if value is None:
        return None
    if isinstance(value, dict):
        return {str(name): array(part, f"{what}[{name!r}]") for name, part in value.items()}
    if isinstance(value, (list, tuple)) and value and all(_is_array(part) for part in value):
        parts = [array(part, f"{what}[{i}]") for i, part in enumerate(value)]
        return parts[0] if len(parts) == 1 else parts
    return array(value, what)


def _is_array(value):
    return getattr(value, "ndim", 0) > 0 or (hasattr(value, "__dlpack__") and not hasattr(value, "ndim"))
