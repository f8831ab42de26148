#!/usr/bin/env python3
"""tools/kill-test with a pretended linn: what resumes exactly passes, and each way of losing something is found."""
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import types
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHIM = sys.argv.pop(1) if len(sys.argv) > 1 and sys.argv[1].endswith(".so") else ""

# A chain of hashes in place of weights: each step's depends on all before. BUG is what is wrong with it.
PRETENDED = """
import hashlib, json, os, struct, sys, zlib
words, BUG = sys.argv[1:], os.environ.get("BUG", "")
def option(name): return words[words.index(name) + 1] if name in words else None

def write(path, data):
    rename_early = BUG == "renames early"
    name = path + ".new.tmp"
    file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    if rename_early:
        os.rename(name, path)
    for at in range(0, len(data), 100):
        os.write(file, data[at:at + 100])
    if BUG != "syncs no file":
        os.fsync(file)
    os.close(file)
    if not rename_early:
        os.rename(name, path)
    directory = os.open(out, os.O_RDONLY | os.O_DIRECTORY)
    if BUG != "syncs no directory":
        os.fsync(directory)
    os.close(directory)

def tensors(state, step):
    header = json.dumps({"w": {"dtype": "U8", "shape": [len(state)], "data_offsets": [0, len(state)]},
                         "__metadata__": {"step": str(step), "linn.crc32": json.dumps({"w": f"{zlib.crc32(state):08x}"})}}).encode()
    return struct.pack("<Q", len(header)) + header + state

def read(path):
    data = open(path, "rb").read()
    length, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    state = data[8 + length:]
    assert len(state) == 320 and f"{zlib.crc32(state):08x}" == json.loads(header["__metadata__"]["linn.crc32"])["w"]
    return state, int(header["__metadata__"]["step"])

resumed = option("--resume")
out = resumed or option("--out")
os.makedirs(out, exist_ok=True)
inside = lambda name: os.path.join(out, name)
model, checkpoint, previous = inside("model.safetensors"), inside("checkpoint.safetensors"), inside("checkpoint.previous.safetensors")
every = int(option("--checkpoint-every") or json.load(open(inside("run.json")))["every"])
state, step = bytes(320), 0
if resumed and BUG != "begins again":
    for path in (checkpoint, previous):
        try:
            state, step = read(path)
            break
        except (OSError, AssertionError, ValueError, KeyError, struct.error):
            pass
if resumed and BUG == "forgets" and step > 2:
    state = state[::-1]
if not resumed:
    write(inside("run.json"), b'{"every": %d}' % (every or 1))
if not (resumed and os.path.exists(model) and os.path.exists(inside("config.json"))):
    for step in range(step + 1, 13):
        state = b"".join(hashlib.sha256(state + bytes([step, part])).digest() for part in range(10))
        if every and step % every == 0:
            if os.path.exists(checkpoint) and BUG == "removes the only one":
                os.unlink(checkpoint)
            elif os.path.exists(checkpoint):
                os.rename(checkpoint, previous)
            write(checkpoint, tensors(state, step))
    write(model, tensors(state, 12))
    write(inside("config.json"), b"{}")
for path in (checkpoint, previous):
    if os.path.exists(path) and BUG != "leaves":
        os.unlink(path)
if resumed and BUG == "fails":
    sys.exit("cannot go on")
"""


class KillTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.linn = pathlib.Path(folder.name, "linn")
        self.linn.write_text(f"#!{sys.executable} -SE\n" + PRETENDED)
        self.linn.chmod(0o755)

    def run_it(self, bug, points, shim=SHIM):
        done = subprocess.run([sys.executable, ROOT / "tools/kill-test", "--points", str(points), "--seed", "3", "--linn", self.linn, "--shim", shim],
                              env=dict(os.environ, BUG=bug), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.returncode, done.stdout

    def finds(self, bug, said, points=20):
        code, out = self.run_it(bug, points)
        self.assertEqual(code, 1, out)
        self.assertIn(said, out)

    def test_exact_resume_passes(self):
        code, out = self.run_it("", 24)
        self.assertEqual(code, 0, out)
        self.assertIn("24 kill points, seed 3: all gave the bits of the run that nobody killed", out)
        if SHIM:
            self.assertIn("| call |", out)
        self.assertIn("| instant |", out)

    def test_random_instants_alone(self):
        code, out = self.run_it("", 9, "")
        self.assertEqual(code, 0, out)
        self.assertNotIn("| call |", out)

    def test_state_that_is_forgotten(self):
        self.finds("forgets", "model.safetensors differs")

    def test_checkpoint_that_stays(self):
        self.finds("leaves", "left over at the end: checkpoint", 4)

    def test_resume_that_fails(self):
        self.finds("fails", "ended with 1: cannot go on")

    @unittest.skipUnless(SHIM, "needs the preloaded library")
    def test_work_that_is_done_again(self):
        self.finds("begins again", "work was done again")

    @unittest.skipUnless(SHIM, "needs the preloaded library")
    def test_checkpoint_that_comes_before_its_bytes(self):
        self.finds("renames early", "may leave run.json without its bytes", 1)

    @unittest.skipUnless(SHIM, "needs the preloaded library")
    def test_power_failures(self):
        self.finds("syncs no file", "may leave run.json without its bytes", 1)
        self.finds("removes the only one", "may leave no checkpoint", 1)

    def test_damaged_files(self):
        kill_test = types.ModuleType("kill_test")
        vars(kill_test)["__file__"] = str(ROOT / "tools/kill-test")
        exec((ROOT / "tools/kill-test").read_text(), vars(kill_test))
        path = self.linn.parent / "model.safetensors"
        header = b'{"w": {"dtype": "U8", "shape": [3], "data_offsets": [0, 3]}, "__metadata__": {"linn.crc32": "{\\"w\\": \\"352441c2\\"}"}}'
        whole = struct.pack("<Q", len(header)) + header + b"abc"
        for data, wrong in [(whole, None), (whole[:5], "has 5 bytes"), (whole[:20], "ends within its header"), (whole[:-1], "its tensors end at"),
                            (whole[:-1] + b"d", "tensor w does not have its checksum"), (whole[:8] + b"x" + whole[9:], "header: ")]:
            path.write_bytes(data)
            said = kill_test.what_is_wrong(path)
            self.assertEqual(said is None, wrong is None, said)
            self.assertIn(wrong or "", said or "")


if __name__ == "__main__":
    unittest.main()
