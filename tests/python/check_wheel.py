"""Run by the Python of an environment that holds numpy and the wheel alone: size, contents, time of the import, one prediction.

    check_wheel.py WHEEL
"""

import pathlib
import sys
import time
import zipfile

wheel = pathlib.Path(sys.argv[1])
names = zipfile.ZipFile(wheel).namelist()
assert wheel.stat().st_size < 8e6, f"{wheel} has {wheel.stat().st_size} bytes; 8 MB are allowed"
for name in ("linn/py.typed", "linn/keras/layers.pyi", "linn/as_keras.py", "linn/lab.py"):
    assert name in names, f"{name} is not in {wheel}"
assert not [n for n in names if n.startswith(("lib/", "include/", "share/", "linn/bindings"))], "the wheel holds files of the C++ installation"

import numpy as np  # noqa: E402

begin = time.perf_counter()
from linn import keras  # noqa: E402

seconds = time.perf_counter() - begin
import linn  # noqa: E402

assert "site-packages" in linn.__file__, f"another linn was imported: {linn.__file__}"
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="softmax")])
assert np.allclose(model.predict(np.ones((3, 4))).sum(axis=1), 1)
print(f"check_wheel: {wheel.name}, {wheel.stat().st_size / 1e6:.1f} MB, import after numpy {seconds:.3f} s")
