"""Makes the files of tests/io/data, tests/data/data and tests/formats/data with other people's writers, so that linn's
readers are tested on what they were not written beside. Run it with Python >= 3.11, numpy, Pillow, safetensors and ml_dtypes:

    python3 tests/io/data/make.py

Expected values are simple: arrays count up from 0, and beside each JPEG lies what Pillow decodes as .npy.
"""

import gzip
import io
import pathlib
import struct
import zipfile

import ml_dtypes
import numpy as np
from PIL import Image
from safetensors.numpy import save_file

IO = pathlib.Path(__file__).parent
DATA = IO.parent.parent / "data" / "data"
FORMATS = IO.parent.parent / "formats" / "data"


def arrays():
    for code in ("|b1", "|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f2", "<f4", "<f8",
                 ">u2", ">i2", ">u4", ">i4", ">u8", ">i8", ">f2", ">f4", ">f8"):
        name = code.replace("|", "").replace("<", "le_").replace(">", "be_")
        values = np.arange(24).reshape(2, 3, 4)
        if code[1] == "b":
            values = values % 2
        elif code[1] != "u":
            values = values - 12
        if code[1] == "f":
            values = values / 4
        np.save(IO / f"{name}.npy", values.astype(code))
    np.save(IO / "fortran.npy", np.asfortranarray(np.arange(24, dtype="<f4").reshape(2, 3, 4)))
    np.save(IO / "fortran_be.npy", np.asfortranarray(np.arange(24, dtype=">i8").reshape(2, 3, 4)))
    np.save(IO / "scalar.npy", np.float32(7))
    np.save(IO / "empty.npy", np.zeros((0, 3), "<f4"))
    np.save(IO / "vector.npy", np.arange(5, dtype="<i4"))
    for version in ((2, 0), (3, 0)):
        with open(IO / f"version{version[0]}.npy", "wb") as f:
            np.lib.format.write_array(f, np.arange(6, dtype="<f4").reshape(2, 3), version=version)
    np.save(IO / "object.npy", np.array([{"a": 1}, None], dtype=object), allow_pickle=True)
    np.save(IO / "record.npy", np.zeros(2, dtype=[("a", "<f4"), ("b", "<i4")]))
    np.save(IO / "text.npy", np.array(["ab", "c"]))
    np.save(IO / "complex.npy", np.zeros(2, dtype="<c8"))
    np.save(IO / "date.npy", np.zeros(2, dtype="<M8[s]"))
    np.save(IO / "huge_unsigned.npy", np.array([1, 2**63], dtype="<u8"))

    x, y = np.arange(12, dtype=np.uint8).reshape(3, 2, 2), np.array([3, 1, 2], np.uint8)
    np.savez(DATA / "plain.npz", x_train=x, y_train=y)
    np.savez_compressed(DATA / "compressed.npz", x_train=x, y_train=y, x_test=x[:1], y_test=y[:1])
    np.savez(DATA / "none.npz")


class Pipe(io.RawIOBase):
    """An output that cannot seek: zipfile then writes data descriptors."""

    def __init__(self):
        self.data = bytearray()

    def writable(self):
        return True

    def write(self, part):
        self.data += part
        return len(part)


def archives():
    def fill(z):
        for i, method in enumerate((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)):
            info = zipfile.ZipInfo(f"folder/member{i}.txt", (1980, 1, 1, 0, 0, 0))
            info.compress_type = method
            z.writestr(info, b"linn " * 20)
        z.writestr(zipfile.ZipInfo("folder/"), b"")
        z.writestr(zipfile.ZipInfo("\u00fcber.txt"), b"")

    with zipfile.ZipFile(IO / "plain.zip", "w") as z:
        fill(z)
    with zipfile.ZipFile(IO / "comment.zip", "w") as z:
        fill(z)
        z.comment = b"a comment that holds PK\x05\x06 and more"
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w") as z:
        fill(z)
    (IO / "descriptor.zip").write_bytes(pipe.data)
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w") as z:
        for name in ("a.txt", "b.txt"):
            with z.open(zipfile.ZipInfo(name), "w", force_zip64=True) as f:
                f.write(b"linn " * 20)
    (IO / "descriptor64.zip").write_bytes(pipe.data)
    with zipfile.ZipFile(IO / "local64.zip", "w") as z:
        with z.open(zipfile.ZipInfo("a.txt"), "w", force_zip64=True) as f:
            f.write(b"linn " * 20)
    # Every limit lowered: zip64 records in directory and end as for an archive past 4 GiB.
    limits = zipfile.ZIP64_LIMIT, zipfile.ZIP_FILECOUNT_LIMIT
    zipfile.ZIP64_LIMIT, zipfile.ZIP_FILECOUNT_LIMIT = 50, 1
    with zipfile.ZipFile(IO / "all64.zip", "w") as z:
        for name in ("a.txt", "b.txt"):
            with z.open(zipfile.ZipInfo(name), "w", force_zip64=True) as f:
                f.write(b"linn " * 20)
    zipfile.ZIP64_LIMIT, zipfile.ZIP_FILECOUNT_LIMIT = limits
    zipfile.ZipFile(IO / "none.zip", "w").close()


def images():
    y, x = np.mgrid[0:5, 0:7]
    grey = (y * 40 + x * 10).astype(np.uint8)
    colour = np.stack([grey, 255 - grey, (grey // 2)], axis=-1).astype(np.uint8)
    alpha = (x * 40).astype(np.uint8)
    Image.fromarray(grey).save(IO / "grey8.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(IO / "grey16.png")
    Image.fromarray(grey > 100).save(IO / "grey1.png")
    Image.fromarray(colour).save(IO / "rgb8.png")
    Image.fromarray(np.dstack([grey, alpha]), "LA").save(IO / "grey_alpha.png")
    Image.fromarray(np.dstack([colour, alpha]), "RGBA").save(IO / "rgba.png")
    palette = Image.fromarray((x % 4).astype(np.uint8), "P")
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    palette.save(IO / "palette.png", bits=2)
    palette.save(IO / "palette_transparent.png", bits=2, transparency=1)
    Image.fromarray(colour).save(IO / "animated.png", save_all=True, append_images=[Image.fromarray(255 - colour)])

    y, x = np.mgrid[0:20, 0:28]
    smooth = np.stack([y * 12, x * 9, 255 - y * 6 - x * 4], axis=-1).astype(np.uint8)

    def jpeg(name, image, **options):
        image.save(IO / f"{name}.jpg", quality=95, **options)
        decoded = Image.open(IO / f"{name}.jpg")
        if decoded.mode == "CMYK":
            decoded = decoded.convert("RGB")
        values = np.asarray(decoded)
        np.save(IO / f"{name}.jpg.npy", values if values.ndim == 3 else values[:, :, None])

    jpeg("grey", Image.fromarray(smooth[:, :, 0]))
    jpeg("rgb", Image.fromarray(smooth))
    jpeg("progressive", Image.fromarray(smooth), progressive=True)
    jpeg("cmyk", Image.fromarray(smooth).convert("CMYK"))
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        corner = np.zeros((16, 24), np.uint8)
        corner[:8, :8] = 255
        corner[:8, 8:16] = 128
        Image.fromarray(corner).save(IO / f"exif{orientation}.jpg", quality=95, exif=exif)


def idx():
    def write(name, code, dtype, values, shape):
        data = struct.pack(">BBBB", 0, 0, code, len(shape)) + struct.pack(f">{len(shape)}I", *shape)
        data += np.asarray(values, dtype).tobytes()
        (DATA / name).write_bytes(data)
        return data

    for name, code, dtype in (("u1", 8, ">u1"), ("i1", 9, ">i1"), ("i2", 11, ">i2"), ("i4", 12, ">i4"), ("f4", 13, ">f4"), ("f8", 14, ">f8")):
        write(f"{name}.idx", code, dtype, np.arange(6), (2, 3))
    folder = DATA / "mnist"
    folder.mkdir(exist_ok=True)
    images, labels = np.arange(3 * 4 * 4) % 256, [7, 0, 9]
    write("mnist/train-images-idx3-ubyte", 8, ">u1", images, (3, 4, 4))
    write("mnist/train-labels-idx1-ubyte", 8, ">u1", labels, (3,))
    for name in ("images-idx3", "labels-idx1"):
        data = (folder / f"train-{name}-ubyte").read_bytes()
        (folder / f"t10k-{name}-ubyte.gz").write_bytes(gzip.compress(data, mtime=0))


def safetensors():
    save_file({"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.arange(4, dtype=np.float32),
               "wide": np.arange(3, dtype=np.int64), "double": np.arange(2, dtype=np.float64), "whole": np.arange(2, dtype=np.int32),
               "byte": np.arange(5, dtype=np.uint8), "brain": np.arange(3).astype(ml_dtypes.bfloat16),
               "empty": np.zeros((0, 4), np.float32), "scalar": np.array(2.5, np.float32)},
              FORMATS / "types.safetensors", metadata={"format": "linn"})
    save_file({"flag": np.array([True, False]), "half": np.arange(3, dtype=np.float16), "short": np.arange(-1, 2, dtype=np.int16),
               "tiny": np.arange(-1, 2, dtype=np.int8), "unsigned": np.arange(3, dtype=np.uint32)}, FORMATS / "widened.safetensors")
    save_file({}, FORMATS / "none.safetensors")


arrays()
archives()
images()
idx()
safetensors()
