#!/usr/bin/env python3
"""Write resize.safetensors: images resized by keras.ops.image.resize(interpolation="bilinear", antialias=True).

    golden-venv/bin/python make_resize_golden.py

The environment is that of make_golden.py. For each case CASE: CASE/image is uint8 (height, width, channels), CASE/resized the
float32 result (height, width, channels), not rounded.
"""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import keras
import numpy as np
from safetensors.numpy import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = [  # height, width, channels, target height, target width
    (7, 5, 1, 3, 4), (12, 9, 3, 5, 5), (3, 4, 1, 7, 9), (16, 16, 3, 8, 8), (5, 8, 3, 8, 3), (1, 6, 1, 2, 2), (9, 9, 1, 1, 1), (31, 17, 3, 30, 16),
]

random = np.random.default_rng(7)
out = {}
for height, width, channels, to_height, to_width in CASES:
    name = f"{height}x{width}x{channels}-{to_height}x{to_width}"
    image = random.integers(0, 256, (height, width, channels), dtype=np.uint8)
    resized = keras.ops.image.resize(image.astype(np.float32), (to_height, to_width), interpolation="bilinear", antialias=True,
                                     data_format="channels_last")
    out[name + "/image"] = image
    out[name + "/resized"] = np.ascontiguousarray(keras.ops.convert_to_numpy(resized), dtype=np.float32)
save_file(out, os.path.join(HERE, "resize.safetensors"))
