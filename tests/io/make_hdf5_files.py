"""Makes the HDF5 files of tests/io/data with h5py, so that linn's reader is tested on what it was not written beside.
Run it with h5py 3.14 and ml_dtypes; with h5py 3.16, which has HDF5 2.0, for filtered_v200.h5:

    python3 tests/io/make_hdf5_files.py

Numbers count up from 0, so that tests can compute what they expect.
"""

import pathlib
import zlib

import h5py
import ml_dtypes
import numpy as np

DATA = pathlib.Path(__file__).parent / "data"
VERSIONS = ("earliest", "v108", "v110", "latest")


def low_level(group, name, dtype, shape, layout=None, chunks=None, early=False, fill=None, maximum=None, deflate=None, type_id=None):
    """A dataset with properties that h5py's own interface does not offer."""
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    if layout is not None:
        plist.set_layout(layout)
    if chunks is not None:
        plist.set_chunk(chunks)
    if early:
        plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    if fill is not None:
        plist.set_fill_value(np.array(fill, dtype))
    if deflate is not None:
        plist.set_deflate(deflate)
    space = h5py.h5s.create_simple(shape, maximum) if shape else h5py.h5s.create(h5py.h5s.SCALAR)
    tid = type_id if type_id is not None else h5py.h5t.py_create(np.dtype(dtype), logical=True)
    return h5py.Dataset(h5py.h5d.create(group.id, name.encode(), tid, space, plist))


def types(version):
    """Every type, shape and kind of attribute that is read."""
    with h5py.File(DATA / f"types_{version}.h5", "w", libver=version) as f:
        values = np.arange(6).reshape(2, 3)
        group = f.create_group("types")
        for code in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"):
            signed = values - 3 if code[0] != "u" else values
            group[code] = signed.astype("<" + code)
            if code in ("i2", "u8", "f2", "f4", "f8"):
                group["big_" + code] = signed.astype(">" + code)
        group["bool"] = values % 2 == 1
        brain = group.create_dataset("bf16", data=values.astype(ml_dtypes.bfloat16).view("V2"))
        brain.attrs["dtype"] = "bfloat16"
        group["opaque"] = values.astype(ml_dtypes.bfloat16).view("V2")
        group["scalar"] = np.float32(2.5)
        group["empty"] = np.zeros((0, 3), "<f4")
        low_level(group, "compact", "<f4", (2, 3), layout=h5py.h5d.COMPACT)[...] = values
        low_level(group, "unwritten", "<f4", (2, 3), fill=7)
        group.create_dataset("vlen", data=["linn", "", "\u00fcber"], dtype=h5py.string_dtype())
        group.create_dataset("fixed", data=np.array([b"linn", b"", b"abcdef"]))
        group.create_dataset("one", data="text", dtype=h5py.string_dtype())
        padded = h5py.h5t.C_S1.copy()
        padded.set_size(6)
        padded.set_strpad(h5py.h5t.STR_SPACEPAD)
        spaces = low_level(group, "spaces", None, (2,), type_id=padded)
        spaces.id.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array([b"ab    ", b"cdefgh"]), mtype=padded)

        f.create_group("deep/er/still").attrs["name"] = "deep"
        at = f.create_group("attributes").attrs
        at["text"] = "a \u00fc text"
        at["fixed"] = np.bytes_(b"fixed text")
        at.create("ascii", "plain", dtype=h5py.string_dtype("ascii"))
        at["list"] = ["conv2d", "", "dense"]
        at["fixed_list"] = np.array([b"kernel:0", b"bias:0"])
        at["none"] = []


def numbers(version):
    """Attributes of numbers; apart, because more than eight attributes are stored in another way."""
    with h5py.File(DATA / f"numbers_{version}.h5", "w", libver=version) as f:
        at = f.attrs
        at["int"] = 7
        at["float"] = 0.25
        at["bool"] = True
        at["array"] = np.arange(6, dtype=">i2").reshape(2, 3)
        at["null"] = h5py.Empty("f4")


def chunks(version):
    """Chunks with every filter, at edges, missing, and with each index that the version has."""
    with h5py.File(DATA / f"chunks_{version}.h5", "w", libver=version) as f:
        values = np.arange(35, dtype="<f4").reshape(5, 7)
        for name, options in {
            "plain": {},
            "all": {"compression": "gzip", "shuffle": True, "fletcher32": True},
        }.items():
            f.create_dataset(name, data=values, chunks=(2, 3), **options)
        f.create_dataset("big", data=values.astype(">f4"), chunks=(2, 3), compression="gzip", shuffle=True)
        sparse = f.create_dataset("sparse", shape=(5, 7), dtype="<f4", chunks=(2, 3), fillvalue=9)
        sparse[2:4, 3:6] = values[2:4, 3:6]
        f.create_dataset("texts", data=[f"text {i}" for i in range(5)], chunks=(2,), dtype=h5py.string_dtype(), compression="gzip")
        f.create_dataset("three", data=np.arange(60, dtype="<i4").reshape(3, 4, 5), chunks=(2, 2, 2), compression="gzip")
        if version == "earliest":  # whose only index of chunks is the B-tree
            return
        f.create_dataset("single", data=values, chunks=(5, 7))
        f.create_dataset("single_filtered", data=values, chunks=(6, 8), maxshape=(6, 8), compression="gzip")
        low_level(f, "implicit", "<f4", (5, 7), chunks=(2, 3), early=True)[...] = values
        f.create_dataset("bounded", data=values, chunks=(2, 3), maxshape=(50, 20))
        f.create_dataset("bounded_filtered", data=values, chunks=(2, 3), maxshape=(50, 20), compression="gzip")
        f.create_dataset("growing", data=values, chunks=(2, 3), maxshape=(None, 20))
        f.create_dataset("growing_second", data=values, chunks=(2, 3), maxshape=(6, None), compression="gzip")
        f.create_dataset("growing_both", data=values, chunks=(2, 3), maxshape=(None, None))
        f.create_dataset("growing_both_filtered", data=values, chunks=(2, 3), maxshape=(None, None), compression="gzip")


def indexes(version):
    """So many chunks that indexes have several nodes, pages or blocks."""
    with h5py.File(DATA / f"indexes_{version}.h5", "w", libver=version) as f:
        f.create_dataset("tree" if version == "earliest" else "array", data=np.arange(140, dtype="u1"), chunks=(1,))
        if version == "earliest":
            return
        f.create_dataset("growing", data=np.arange(250, dtype="u1"), chunks=(1,), maxshape=(None,))
        f.create_dataset("both", data=np.arange(150, dtype="u1").reshape(10, 15), chunks=(1, 1), maxshape=(None, None))
    with h5py.File(DATA / f"pages_{version}.h5", "w", libver=version) as f:
        pages = f.create_dataset("pages", shape=(1300,), dtype="u1", chunks=(1,))
        pages[1200:1300] = np.arange(100)
    with h5py.File(DATA / f"late_{version}.h5", "w", libver=version) as f:
        late = f.create_dataset("late", shape=(70_000,), dtype="u1", chunks=(1,), maxshape=(None,))
        late[69_990:] = np.arange(10)


def filtered(version):
    """The indexes that keep sizes of filtered chunks, which HDF5 2.0 stores in more bytes."""
    with h5py.File(DATA / f"filtered_{version}.h5", "w", libver=version) as f:
        values = np.arange(35, dtype="<f4").reshape(5, 7)
        for name, maximum in {"fixed": (50, 20), "one": (None, 20), "both": (None, None)}.items():
            f.create_dataset(name, data=values, chunks=(2, 3), maxshape=maximum, compression="gzip")
        f.create_dataset("single", data=values, chunks=(5, 7), compression="gzip")


def many(name, version, ordered):
    """Many links and attributes."""
    with h5py.File(DATA / f"many_{name}.h5", "w", libver=version, track_order=ordered) as f:
        group = f.create_group("group", track_order=ordered)
        for i in range(12):
            low_level(group, f"entry_{i}", "u1", (), layout=h5py.h5d.COMPACT)[()] = i
        soft = f.create_group("soft", track_order=ordered)
        for i in reversed(range(60 if ordered else 150)):  # soft links are small; they are listed, and refused when they are opened
            soft[f"s{i}"] = h5py.SoftLink("/")
        many = f.create_group("attributes", track_order=ordered)
        for i in range(12):
            many.attrs[f"attribute_{i}"] = np.int8(i)
        many.attrs["long"] = np.array([b"x" * 50] * 100)  # more than an object of the heap may have


def refused(version):
    """What is refused, each under its name."""
    with h5py.File(DATA / f"refused_{version}.h5", "w", libver=version) as f:
        f["fine"] = np.arange(3, dtype="<f4")
        f["soft"] = h5py.SoftLink("/fine")
        f["external"] = h5py.ExternalLink("/etc/passwd", "/fine")
        f.create_dataset("external_storage", shape=(3,), dtype="<f4", external=[("/etc/passwd", 0, 12)])
        group = f.create_group("cycle")
        group["inside"] = group
        f.create_group("twice")["fine"] = f["fine"]
        f["type"] = np.dtype("<f4")
        f.create_dataset("shared_type", shape=(3,), dtype=f["type"])
        if version == "earliest":  # what follows is stored as in the other version
            return
        f.create_dataset("lzf", data=np.arange(100, dtype="<f4"), compression="lzf")
        f["compound"] = np.zeros(2, [("a", "<f4"), ("b", "<i4")])
        f["complex"] = np.zeros(2, "<c8")
        low_level(f, "array", None, (2,), type_id=h5py.h5t.array_create(h5py.h5t.IEEE_F32LE, (2,)))
        f.create_dataset("reference", data=f.ref, dtype=h5py.ref_dtype)
        f.create_dataset("sequence", shape=(2,), dtype=h5py.vlen_dtype("<i4"))
        f.create_dataset("enumeration", data=1, dtype=h5py.enum_dtype({"RED": 0, "GREEN": 1}, "i1"))
        low_level(f, "bitfield", None, (2,), type_id=h5py.h5t.STD_B8LE)
        low_level(f, "time", None, (2,), type_id=h5py.h5t.UNIX_D32LE)
        f.create_dataset("nine_axes", shape=(1,) * 9, dtype="u1")
        f["null"] = h5py.Empty("f4")
        f.create_group("links")["external"] = h5py.ExternalLink("other.h5", "/fine")
        f.create_dataset("many_texts", shape=(1 << 20,), dtype="S1")
        f.create_dataset("tebibyte", shape=(1 << 38,), dtype="<f4")
        f.create_dataset("tebibyte_chunks", shape=(1 << 38,), dtype="<f4", chunks=(1 << 20,), compression="gzip")
        huge = f.create_dataset("huge_chunk", shape=(4,), dtype="u1", chunks=(1 << 31,), maxshape=(None,), compression="gzip")
        huge.id.write_direct_chunk((0,), zlib.compress(bytes(4)))
        bomb = f.create_dataset("bomb", shape=(1 << 26,), dtype="u1", chunks=(1 << 20,), compression="gzip")
        bomb[: 1 << 20] = 0
        layout = h5py.VirtualLayout(shape=(3,), dtype="<f4")
        layout[:] = h5py.VirtualSource("/etc/passwd", "fine", shape=(3,))
        f.create_virtual_dataset("virtual", layout)


def whole(version):
    """Small files with a bit of everything, for damage at every place."""
    with h5py.File(DATA / f"whole_{version}.h5", "w", libver=version) as f:
        f.attrs["name"] = "linn"
        group = f.create_group("group")
        group["plain"] = np.arange(4, dtype="<f4")
        group.create_dataset("chunks", data=np.arange(6, dtype="<i2"), chunks=(4,), compression="gzip", fletcher32=True)
        group.attrs["list"] = ["a", "bc"]


for version in VERSIONS:
    whole(version)
for version in ("earliest", "latest"):
    types(version)
    numbers(version)
    chunks(version)
    indexes(version)
    refused(version)
if h5py.version.hdf5_version_tuple[0] >= 2:
    filtered("v200")
many("earliest", "earliest", False)
many("latest", "latest", False)
many("ordered", "latest", True)
with h5py.File(DATA / "user_block.h5", "w", userblock_size=512) as f:
    f["plain"] = np.arange(4, dtype="<f4")
for path in sorted(DATA.glob("*.h5")):
    print(f"{path.stat().st_size:7} {path.name}")
