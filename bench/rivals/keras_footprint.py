"""What bench/peers weighs against the command `linn`: `summary` builds the network and prints its table, `train DATA` trains an epoch.

Pixels stay uint8 and are scaled by a layer, batch by batch, which is Keras's smallest way. `size` prints the bytes that Keras with
TensorFlow and all they require take on the disk.
"""

import sys


def installed_bytes(*names):
    import importlib.metadata as metadata
    import os
    import re

    seen, total, queue = set(), 0, list(names)
    while queue:
        name = re.sub(r"[-_.]+", "-", queue.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            package = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # required on other systems only
        for file in package.files or []:
            path = file.locate()
            total += os.path.getsize(path) if os.path.isfile(path) else 0
        for line in package.requires or []:
            if "extra ==" not in line:
                queue.append(re.match(r"[A-Za-z0-9._-]+", line).group())
    return total


def main():
    if sys.argv[1] == "size":
        print(installed_bytes("keras", "tensorflow-cpu"))
        return
    import keras_tensorflow as rival
    from keras import layers

    if sys.argv[1] == "summary":
        rival.notebook().summary()
        return
    import numpy as np

    with np.load(sys.argv[2]) as file:
        x, y = file["x_train"][..., None], file["y_train"]
    model = rival.compiled(rival.notebook(layers.Rescaling(1 / 255)))
    model.fit(x, y, batch_size=128, epochs=1, verbose=0)


main()
