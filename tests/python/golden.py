"""Numbers that Keras wrote (tests/golden), as numpy arrays."""

import json
import pathlib
import struct

import numpy as np

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "golden"
_TYPES = {"F32": np.float32, "F64": np.float64, "I64": np.int64, "I32": np.int32, "U8": np.uint8}


def tensors(name):
    data = (FOLDER / f"{name}.safetensors").read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)

    def one(entry):
        first, last = entry["data_offsets"]
        return np.frombuffer(data[8 + size + first : 8 + size + last], _TYPES[entry["dtype"]]).reshape(entry["shape"])

    return {key: one(entry) for key, entry in header.items()}


def cases(name):
    return json.loads((FOLDER / f"{name}.json").read_text())
