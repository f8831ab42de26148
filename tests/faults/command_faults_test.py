#!/usr/bin/env python3
"""The command under faults of the system: each call on files fails, comes back short or interrupted; clocks jump; memory runs out.

    command_faults_test.py LINN liblinn_faults.so liblinn_failing_malloc.so [unittest's arguments]
"""
import errno
import importlib.machinery
import importlib.util
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
LOADER = importlib.machinery.SourceFileLoader("kill_test", str(ROOT / "tools" / "kill-test"))
kill_test = importlib.util.module_from_spec(importlib.util.spec_from_loader("kill_test", LOADER))
LOADER.exec_module(kill_test)
LINN, SHIM, FAILING_MALLOC = sys.argv[1:4]
del sys.argv[1:4]

IO, MEMORY = 4, 5  # exit codes
SANITIZED = b"__asan_init" in pathlib.Path(LINN).read_bytes() or b"__tsan_init" in pathlib.Path(LINN).read_bytes()
# A sanitizer's start takes 0.15 s: every STRIDE-th point there.
STRIDE = 7 if SANITIZED else 1


class Faults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
        cls.addClassCleanup(cls.folder.cleanup)
        cls.base = pathlib.Path(cls.folder.name)
        kill_test.write_data(cls.base / "data.npz")
        kill_test.write_network(cls.base / "net.json")

    def setUp(self):
        folder = tempfile.TemporaryDirectory(dir=self.base)
        self.addCleanup(folder.cleanup)
        self.here = pathlib.Path(folder.name)

    def run_it(self, *words, preload=None, timeout=60, **environment):
        """(exit code, standard output, standard error). A process that does not end fails the test."""
        setting = dict(os.environ, LINN_THREADS="2", **environment)
        if preload:
            setting.update(LD_PRELOAD=preload, ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0")
        done = subprocess.run([LINN, *map(str, words)], env=setting, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, errors="replace", timeout=timeout)
        return done.returncode, done.stdout, done.stderr

    def train(self, out, seed=0, **faults):
        return self.run_it("train", "--overwrite", "--data", self.base / "data.npz", "--model", self.base / "net.json", "--batch-size", "16", "--epochs", "1",
                           "--seed", seed, "--out", out, **faults)

    def trained(self, name, seed=0):
        out = self.here / name
        code, _, said = self.train(out, seed)
        self.assertEqual(code, 0, said)
        return out

    def calls(self, path, run):
        """The calls on files whose path holds `path` that `run` makes: a list of [name, path]."""
        log = self.here / "log"
        log.unlink(missing_ok=True)
        code, _, said = run(preload=SHIM, LINN_FAULT_PATH=path, LINN_FAULT_LOG=str(log))
        self.assertEqual(code, 0, said)
        return [line[:2] for line in kill_test.Calls(log).lines]

    def whole(self, path):
        self.assertIsNone(kill_test.what_is_wrong(path), path)

    # ---- saving ----

    def test_every_call_of_a_save_fails(self):
        """Once and from then on, with the errors that disks and limits give. The model of before or the new one is there; "saved" is said of the new one alone."""
        before, after = self.trained("before", 1), self.trained("after", 2)
        old, new = ((folder / "model.safetensors").read_bytes() for folder in (before, after))
        out = self.trained("out", 1)
        calls = self.calls("/out", lambda **faults: self.train(out, 2, **faults))
        self.assertGreaterEqual({name for name, _ in calls}, {"open", "write", "fchmod", "fsync", "close", "rename"})
        errors = [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EMFILE]
        for number in range(1, len(calls) + 1, STRIDE):
            for more in ("", "+"):
                error = errors[number % len(errors)]
                with self.subTest(call=calls[number - 1], error=errno.errorcode[error], more=more):
                    for left in out.glob("checkpoint*"):  # of the run before: with it the calls are others
                        left.unlink()
                    for name in ("model.safetensors", "config.json", "run.json"):
                        (out / name).write_bytes((before / name).read_bytes())
                    code, told, said = self.train(out, 2, preload=SHIM, LINN_FAULT_PATH="/out", LINN_FAULT_AT=str(number), LINN_FAULT_DO=f"{error}{more}")
                    now = (out / "model.safetensors").read_bytes()
                    self.assertIn(now, (old, new))
                    self.whole(out / "model.safetensors")
                    if code == 0:
                        self.assertEqual(now, new, said)
                    else:
                        self.assertEqual(code, IO, said)
                        self.assertIn(os.strerror(error), said)
                        self.assertIn(str(out), said)
                        self.assertNotIn("saved to", told)
                    if not more:
                        self.assertEqual([], [path.name for path in out.iterdir() if path.name.endswith(".tmp")])
                    for path in out.iterdir():
                        if path.name.endswith(".tmp"):
                            path.unlink()

    def test_a_directory_that_cannot_be_synced_is_said(self):
        out = self.trained("out")
        calls = self.calls("/out", lambda **faults: self.train(out, **faults))
        for number, (name, path) in enumerate(calls, 1):
            if name == "fsync" and path == str(out):
                for left in out.glob("checkpoint*"):  # of the run before: with it the calls are others
                    left.unlink()
                code, _, said = self.train(out, preload=SHIM, LINN_FAULT_PATH="/out", LINN_FAULT_AT=str(number), LINN_FAULT_DO=str(errno.EIO))
                self.assertEqual(code, 0 if "linn: the checkpoint of step" in said else IO)
                self.assertIn("might not outlive a power failure", said)

    def test_directory_that_cannot_be_made(self):
        code, _, said = self.train(self.here / "out", preload=SHIM, LINN_FAULT_PATH="/out", LINN_FAULT_CALLS="mkdir", LINN_FAULT_AT="1",
                                   LINN_FAULT_DO=str(errno.EROFS))
        self.assertEqual(code, IO)
        self.assertIn(f"{self.here / 'out'}: cannot make the directory: Read-only file system", said)

    # ---- loading ----

    def test_every_call_of_a_load_fails(self):
        """Of a model and of data: an error that names the file and the reason, or, of a close, success."""
        model = self.trained("model")
        data = self.here / "data.npz"
        data.write_bytes((self.base / "data.npz").read_bytes())
        words = ("evaluate", model, "--data", data)
        _, right, _ = self.run_it(*words)
        part = str(self.here)
        calls = self.calls(part, lambda **faults: self.run_it(*words, **faults))
        self.assertGreaterEqual({name for name, _ in calls}, {"open_read", "read", "close"})
        for number in range(1, len(calls) + 1, STRIDE):
            for error in (errno.EIO, errno.EACCES, errno.EMFILE):
                name, path = calls[number - 1]
                with self.subTest(call=name, path=path, error=errno.errorcode[error]):
                    code, told, said = self.run_it(*words, preload=SHIM, LINN_FAULT_PATH=part, LINN_FAULT_AT=str(number), LINN_FAULT_DO=str(error))
                    if name == "close":
                        self.assertEqual((code, told), (0, right), said)
                    else:
                        self.assertEqual(code, IO, said)
                        self.assertIn(os.path.basename(path), said)
                        self.assertIn(os.strerror(error), said)

    # ---- what is no failure ----

    def test_short_reads_and_writes(self):
        expected = (self.trained("model") / "model.safetensors").read_bytes()
        code, _, said = self.train(self.here / "out", preload=SHIM, LINN_FAULT_PATH="/", LINN_FAULT_CALLS="read,write", LINN_FAULT_AT="1", LINN_FAULT_DO="short")
        self.assertEqual(code, 0, said)
        self.assertEqual((self.here / "out/model.safetensors").read_bytes(), expected)

    def test_interruptions(self):
        """EINTR of any call on files, those of data and model too: the same bits."""
        out = self.trained("out")
        expected = (out / "model.safetensors").read_bytes()
        part = str(self.base)
        calls = self.calls(part, lambda **faults: self.train(out, **faults))
        for number in range(1, len(calls) + 1, STRIDE):
            if calls[number - 1][0] not in ("rename", "mkdir", "unlink", "fchmod"):  # these Linux never interrupts
                with self.subTest(call=calls[number - 1]):
                    code, _, said = self.train(out, preload=SHIM, LINN_FAULT_PATH=part, LINN_FAULT_AT=str(number), LINN_FAULT_DO=str(errno.EINTR))
                    self.assertEqual(code, 0, said)
                    self.assertEqual((out / "model.safetensors").read_bytes(), expected)

    def test_clocks_that_jump(self):
        expected = (self.trained("model") / "model.safetensors").read_bytes()
        for seconds in ("86400", "2000000000"):
            code, told, said = self.train(self.here / "out", preload=SHIM, LINN_FAULT_CLOCK=seconds)
            self.assertEqual(code, 0, said)
            self.assertEqual((self.here / "out/model.safetensors").read_bytes(), expected)
            self.assertNotIn("nan", told)
            self.assertNotIn(" -", told.replace(" - ", ""))  # no negative time

    def test_a_stop_and_a_continuation(self):
        expected = (self.trained("model") / "model.safetensors").read_bytes()
        process = subprocess.Popen([LINN, "train", "--data", self.base / "data.npz", "--model", self.base / "net.json", "--batch-size", "16", "--epochs", "1",
                                    "--out", self.here / "out"], stdout=subprocess.DEVNULL, env=dict(os.environ, LINN_THREADS="2"))
        for _ in range(3):
            process.send_signal(signal.SIGSTOP)
            process.send_signal(signal.SIGCONT)
        self.assertEqual(process.wait(timeout=60), 0)
        self.assertEqual((self.here / "out/model.safetensors").read_bytes(), expected)

    # ---- two at once ----

    def test_two_processes_write_one_directory(self):
        """One of them trains; the other is refused, unless the first has ended by then. Each file is one of theirs, whole."""
        models = [(self.trained(f"model-{seed}", seed) / "model.safetensors").read_bytes() for seed in (1, 2)]
        out = self.here / "out"
        for _ in range(5):
            words = [[LINN, "train", "--data", self.base / "data.npz", "--model", self.base / "net.json", "--batch-size", "16", "--epochs", "1", "--seed", str(seed),
                      "--out", out] for seed in (1, 2)]
            processes = [subprocess.Popen(each, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=dict(os.environ, LINN_THREADS="1"))
                         for each in words]
            ended = []
            for process in processes:
                _, said = process.communicate(timeout=60)
                if process.returncode != 0:
                    self.assertRegex(said, r"process \d+ is training into this directory")
                ended.append(process.returncode)
            self.assertIn(0, ended)
            self.assertIn((out / "model.safetensors").read_bytes(), models)
            self.assertEqual(sorted(path.name for path in out.iterdir()), ["config.json", "model.safetensors", "run.json"])

    # ---- memory ----

    @unittest.skipIf(SANITIZED, "a sanitizer has an allocator of its own")
    def test_memory_runs_out(self):
        """At calls spread over the whole run, once and for good: the exit code of memory or success, and files that are whole. No crash, no hang."""
        out = self.trained("model", 1)
        log = self.here / "log"
        code, _, said = self.train(out, 2, preload=FAILING_MALLOC, LINN_FAULT_LOG=str(log))
        self.assertEqual(code, 0, said)
        all_calls = int(log.read_text())
        self.assertGreater(all_calls, 1000)
        old, new = self.trained("model", 1) / "model.safetensors", self.trained("new", 2) / "model.safetensors"
        allowed = (old.read_bytes(), new.read_bytes())
        points = sorted({*range(1, 40, 4), *range(40, all_calls, all_calls // 90), *range(all_calls - 100, all_calls, 12)})
        for number in points:
            for more in ("", "+") if number % 3 == 0 else ("",):
                with self.subTest(call=number, more=more):
                    code, told, said = self.train(out, 2, preload=FAILING_MALLOC, LINN_FAULT_MALLOC=f"{number}{more}")
                    self.assertIn(code, (0, MEMORY), f"{told}\n{said}")
                    now = (out / "model.safetensors").read_bytes()
                    self.assertIn(now, allowed)
                    if code == 0:
                        self.assertEqual(now, allowed[1])
                    else:
                        self.assertRegex(said, "memory|could not be allocated")


if __name__ == "__main__":
    unittest.main()
