"""Where files of data sets lie."""

import os

from linn import errors


def folder():
    return os.path.join(os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras"), "datasets")


def find(path, names, what, source):
    """The first file or folder that is there: `path` itself, where it is a path, else one of `names` in Keras's folder or here."""
    looked = []
    for place in ("", folder(), os.getcwd()):
        for name in [path, *names] if place else [path]:
            full = os.path.join(place, name) if place else os.path.expanduser(name)
            if os.path.exists(full):
                return full
            if full not in looked:
                looked.append(full)
    raise errors.FileNotFoundError(2, f"{what}: linn downloads nothing; put the file from {source} to {looked[1]}, or give its path: load_data(path)", path)


def check(arrays, what):
    for name, value in arrays.items():
        if value is None:
            raise errors.DataError(f"{what}: {name} is missing")
