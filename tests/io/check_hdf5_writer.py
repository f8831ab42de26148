"""Compares linn's HDF5 reader and writer with h5py and Keras: files that these write are read and written again by linn
(`rewrite_hdf5 FROM TO`), and must hold the same. Run it with h5py, ml_dtypes and Keras, by hand:

    cmake --build build/release --target rewrite_hdf5
    python3 tests/io/check_hdf5_writer.py build/release/tests/rewrite_hdf5 [--files 300] [--seed 0]

The last result is kept in docs/decisions/hdf5.md.
"""

import argparse
import pathlib
import subprocess
import tempfile

import h5py
import numpy as np

VERSIONS = ["earliest", "v108", "v110", "v112", "v114", "latest"] + ["v200"] * (h5py.version.hdf5_version_tuple[0] >= 2)
TYPES = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "?", ">i2", ">i8", ">u4", ">f2", ">f4", ">f8"]


def random_data(rng, code, shape):
    dtype = np.dtype(code)
    if dtype.kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    return rng.integers(0, 100, shape).astype(dtype)


def random_dataset(rng, group, name):
    shape = tuple(int(n) for n in rng.integers(0, 12, rng.integers(0, 4)))
    data = random_data(rng, rng.choice(TYPES), shape)
    options = {}
    if shape and min(shape) > 0 and rng.random() < 0.6:
        options["chunks"] = tuple(int(rng.integers(1, n + 2)) for n in shape)
        options["maxshape"] = tuple(None if rng.random() < 0.3 else n + int(rng.integers(0, 30)) for n in shape)
        options["chunks"] = tuple(c if m is None else min(c, m) for c, m in zip(options["chunks"], options["maxshape"]))
        if rng.random() < 0.5:
            options["compression"] = "gzip"
        options["shuffle"] = bool(rng.random() < 0.5)
        options["fletcher32"] = bool(rng.random() < 0.3)
    if options and rng.random() < 0.3:  # written in part, the rest is the fill value
        dataset = group.create_dataset(name, shape=shape, dtype=data.dtype, fillvalue=data.flat[0], **options)
        part = tuple(slice(0, int(rng.integers(0, n + 1))) for n in shape)
        dataset[part] = data[part]
    else:
        dataset = group.create_dataset(name, data=data, **options)
    random_attributes(rng, dataset)


def random_attributes(rng, item):
    for i in range(rng.integers(0, 4) if rng.random() < 0.9 else 15):
        kind = rng.integers(0, 5)
        texts = ["t" * int(rng.integers(0, 30)) + "\u00fc" * int(rng.integers(0, 3)) for _ in range(rng.integers(1, 6))]
        if kind == 0:
            item.attrs[f"a{i}"] = texts[0]
        elif kind == 1:
            item.attrs[f"a{i}"] = texts
        elif kind == 2:
            item.attrs[f"a{i}"] = np.array([text.encode() for text in texts])
        elif kind == 3:
            item.attrs[f"a{i}"] = int(rng.integers(-1000, 1000))
        else:
            item.attrs[f"a{i}"] = float(rng.standard_normal())


def random_group(rng, group, depth):
    random_attributes(rng, group)
    for i in range(rng.integers(0, 6) if rng.random() < 0.9 else 40):
        name = f"n{int(rng.integers(0, 1000))}_{i}"
        if depth < 4 and rng.random() < 0.4:
            random_group(rng, group.create_group(name), depth + 1)
        else:
            random_dataset(rng, group, name)


def as_texts(value):
    """Strings however they are stored: as a list of str, or None."""
    if isinstance(value, (str, bytes)):
        value = [value]
    if isinstance(value, np.ndarray) and value.dtype.kind in "SO":
        value = value.tolist()
    if isinstance(value, list):
        return [text.decode() if isinstance(text, bytes) else text for text in value]
    return None


def same_attributes(path, one, other):
    assert set(one.attrs) == set(other.attrs), (path, set(one.attrs), set(other.attrs))
    for name in one.attrs:
        a, b = one.attrs[name], other.attrs[name]
        if as_texts(a) is not None:
            assert as_texts(a) == as_texts(b), (path, name, a, b)
        else:
            assert np.size(a) == np.size(b) and np.array_equal(np.asarray(a, "f8"), np.asarray(b, "f8")), (path, name, a, b)


def same(one, other, path="/"):
    assert set(one) == set(other), (path, set(one) ^ set(other))
    same_attributes(path, one, other)
    for name in one:
        a, b = one[name], other[name]
        if isinstance(a, h5py.Group):
            same(a, b, path + name + "/")
            continue
        same_attributes(path + name, a, b)
        assert a.shape == b.shape, (path, name)
        assert b.chunks is None and b.dtype.byteorder in "=|<", (path, name)
        x, y = a[()], b[()]
        if a.dtype.kind == "V":
            assert x.tobytes() == y.tobytes(), (path, name)
        else:
            assert np.array_equal(x, y.astype(x.dtype)), (path, name)


def check_random(rewrite, folder, count, seed):
    for i in range(count):
        rng = np.random.default_rng(seed + i)
        version = rng.choice(VERSIONS)
        with h5py.File(folder / "a.h5", "w", libver=version, track_order=bool(rng.random() < 0.3)) as f:
            random_group(rng, f, 0)
        subprocess.run([rewrite, folder / "a.h5", folder / "b.h5"], check=True)
        with h5py.File(folder / "a.h5") as one, h5py.File(folder / "b.h5") as other:
            same(one, other)
        subprocess.run([rewrite, folder / "b.h5", folder / "c.h5"], check=True)
        assert (folder / "b.h5").read_bytes() == (folder / "c.h5").read_bytes(), "written again, a file keeps its bytes"
    print(f"{count} random files: read as h5py reads them, written as h5py reads them")


def modify(rng, f, round_number):
    """Deletes, renames, resizes and adds, so that headers have gaps and continuations and trees have holes."""
    paths = []
    f.visit(paths.append)
    rng.shuffle(paths)
    for path in paths[: max(1, len(paths) // 3)]:
        if path not in f:  # gone with its group
            continue
        item, dice = f[path], rng.random()
        if dice < 0.25:
            del f[path]
        elif dice < 0.5:
            for name in list(item.attrs)[:2]:
                del item.attrs[name]
            item.attrs[f"new{round_number}"] = "text" * int(rng.integers(1, 50))
        elif isinstance(item, h5py.Dataset) and item.chunks and None in item.maxshape:
            shape = [int(rng.integers(0, 40)) if most is None else size for size, most in zip(item.shape, item.maxshape)]
            item.resize(shape)
            if min(shape) > 0 and rng.random() < 0.7:
                item[...] = np.ones(shape, item.dtype)
        elif isinstance(item, h5py.Group):
            for i in range(int(rng.integers(1, 30))):
                item[f"more{round_number}_{i}"] = np.float32(i)
        else:
            f.move(path, f"moved{round_number}_{int(rng.integers(1e9))}")


def check_modified(rewrite, folder, count, seed):
    for i in range(count):
        rng = np.random.default_rng(1_000_000 + seed + i)
        version = rng.choice(VERSIONS)
        space = dict(fs_strategy=str(rng.choice(["page", "fsm", "aggregate", "none"])), fs_persist=bool(rng.random() < 0.5))
        with h5py.File(folder / "a.h5", "w", libver=version, track_order=bool(rng.random() < 0.3), **(space if rng.random() < 0.3 else {})) as f:
            random_group(rng, f, 0)
        for round_number in range(3):
            with h5py.File(folder / "a.h5", "r+", libver=version) as f:
                modify(rng, f, round_number)
        subprocess.run([rewrite, folder / "a.h5", folder / "b.h5"], check=True)
        with h5py.File(folder / "a.h5") as one, h5py.File(folder / "b.h5") as other:
            same(one, other)
    print(f"{count} random files that were changed three times")


def check_many(rewrite, folder):
    with h5py.File(folder / "a.h5", "w") as f:
        for i in range(2000):
            f.create_group(f"layers/layer_{i}/vars").attrs["name"] = f"layer_{i}"
        f.attrs["model_config"] = "x" * 1_000_000
    subprocess.run([rewrite, folder / "a.h5", folder / "b.h5"], check=True)
    with h5py.File(folder / "a.h5") as one, h5py.File(folder / "b.h5") as other:
        same(one, other)
        assert list(one["layers"]) == list(other["layers"])
    with h5py.File(folder / "b.h5", "r+") as f:  # h5py goes on writing where linn stopped
        for i in range(300):
            f[f"layers/added_{i}"] = i
        f.attrs["added"] = "text"
    subprocess.run([rewrite, folder / "b.h5", folder / "c.h5"], check=True)
    with h5py.File(folder / "b.h5") as one, h5py.File(folder / "c.h5") as other:
        same(one, other)
    print("2000 layers, an attribute of 1 MB, and h5py's additions to the written file")


def check_sizes(rewrite, folder):
    """Indexes of chunks with several levels, blocks and pages, compared in the elements."""
    for version in ("earliest", "latest"):
        with h5py.File(folder / "a.h5", "w", libver=version) as f:
            for length in (5000, 150_000):
                data = np.arange(length) % 251
                f.create_dataset(f"fixed{length}", data=data.astype("u1"), chunks=(1 if length < 10_000 else 3,))
                f.create_dataset(f"growing{length}", data=data.astype("u1"), chunks=(1 if length < 10_000 else 3,), maxshape=(None,))
                f.create_dataset(f"filtered{length}", data=data.astype("u1"), chunks=(7,), maxshape=(None,), compression="gzip")
            data = (np.arange(60_000) % 251).reshape(200, 300).astype("i2")
            f.create_dataset("both", data=data, chunks=(2, 3), maxshape=(None, None))
            f.create_dataset("both_filtered", data=data, chunks=(2, 3), maxshape=(None, None), compression="gzip")
            f.create_dataset("zeros", data=np.zeros((2000, 1000), "f4"), chunks=(2000, 1000), compression="gzip")
        subprocess.run([rewrite, folder / "a.h5", folder / "b.h5"], check=True)
        with h5py.File(folder / "a.h5") as one, h5py.File(folder / "b.h5") as other:
            same(one, other)
    print("indexes of up to 150,000 chunks, and 8 MB of zeros in one chunk")


def check_keras(rewrite, folder):
    import keras

    def network():
        return keras.Sequential([
            keras.Input((28, 28, 1)), keras.layers.Conv2D(4, 3, activation="relu"), keras.layers.BatchNormalization(),
            keras.layers.MaxPooling2D(), keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")])

    rng = np.random.default_rng(0)
    x, y = rng.random((32, 28, 28, 1), np.float32), rng.integers(0, 10, 32)
    model = network()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, verbose=0)
    expected = model.predict(x, verbose=0)

    model.save_weights(folder / "a.weights.h5")
    subprocess.run([rewrite, folder / "a.weights.h5", folder / "b.weights.h5"], check=True)
    again = network()
    again.compile("adam", "sparse_categorical_crossentropy")
    again.fit(x, y, verbose=0)
    again.load_weights(folder / "b.weights.h5")
    assert np.array_equal(again.predict(x, verbose=0), expected)
    for a, b in zip(model.optimizer.variables, again.optimizer.variables, strict=True):
        assert np.array_equal(a.numpy(), b.numpy()), a.path

    model.save(folder / "a.h5")
    subprocess.run([rewrite, folder / "a.h5", folder / "b.h5"], check=True)
    loaded = keras.models.load_model(folder / "b.h5")
    assert np.array_equal(loaded.predict(x, verbose=0), expected)
    print(f"Keras {keras.__version__}: .weights.h5 with optimizer, and .h5, written again and loaded")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rewrite", type=pathlib.Path, help="the program rewrite_hdf5")
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--without-keras", action="store_true")
    arguments = parser.parse_args()
    rewrite = arguments.rewrite.resolve()
    print(f"h5py {h5py.__version__}, HDF5 {h5py.version.hdf5_version}")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        check_random(rewrite, folder, arguments.files, arguments.seed)
        check_modified(rewrite, folder, arguments.files, arguments.seed)
        check_many(rewrite, folder)
        check_sizes(rewrite, folder)
        if not arguments.without_keras:
            check_keras(rewrite, folder)


main()
