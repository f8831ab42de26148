#!/usr/bin/env python3
"""tools/install-packages with a pretended apt, dpkg-query and sudo: what it installs, what it asks, what it says."""
import os
import pathlib
import pty
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tools" / "install-packages"


class InstallPackages(unittest.TestCase):
    def setUp(self):
        if not pathlib.Path("/etc/os-release").read_text(encoding="utf-8").count("ID=debian"):
            self.skipTest("not Debian")
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.bin = pathlib.Path(self.folder.name, "bin")
        self.bin.mkdir()
        self.log = pathlib.Path(self.folder.name, "log")
        self.log.write_text("")
        self.list = pathlib.Path(self.folder.name, "list")
        self.list.write_text("# why\n\nhere   # is there\ngone   # is not\n")
        self.tool("dpkg-query", 'for last; do :; done; [ "$last" = here ] && printf installed')
        self.tool("apt-get", f'echo "apt-get $*" >>"{self.log}"; case " $* " in *" $FAIL "*) echo "E: no luck"; exit 100;; esac')
        self.tool("id", "echo ${PRETEND_ID:-0}")
        for name in ("bash", "sh", "env", "mktemp", "rm", "tail", "grep", "head", "uname"):
            os.symlink(subprocess.check_output(["sh", "-c", f"command -v {name}"], text=True).strip(), self.bin / name)

    def tool(self, name, text):
        path = self.bin / name
        path.write_text("#!/bin/sh\n" + text + "\n")
        path.chmod(0o755)

    def run_it(self, *arguments, stdin=subprocess.DEVNULL, **environment):
        return subprocess.run([SCRIPT, *arguments], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env={"PATH": str(self.bin), "FAIL": "-", **environment})

    def test_installs_only_what_is_missing(self):
        done = self.run_it("--yes", self.list)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("packages: here gone\n", done.stdout)
        self.assertIn("packages: will run: apt-get update && apt-get install --no-install-recommends gone\n", done.stdout)
        lines = self.log.read_text().splitlines()
        self.assertEqual(len(lines), 2)
        self.assertIn(" update", lines[0])
        self.assertTrue(lines[1].endswith("install --no-install-recommends gone"), lines)

    def test_calls_nothing_when_all_is_there(self):
        self.list.write_text("here\n")
        done = self.run_it(self.list)
        self.assertEqual((done.returncode, self.log.read_text()), (0, ""), done.stdout)

    def test_goes_ahead_without_a_terminal(self):
        self.assertEqual(self.run_it(self.list).returncode, 0)
        self.assertIn("install", self.log.read_text())

    def test_says_what_to_do_without_root_and_sudo(self):
        done = self.run_it("--yes", self.list, PRETEND_ID="1000")
        self.assertEqual((done.returncode, self.log.read_text()), (1, ""))
        self.assertIn("apt-get install --no-install-recommends gone", done.stdout)

    def test_uses_sudo(self):
        self.tool("sudo", f'echo sudo >>"{self.log}"; exec "$@"')
        done = self.run_it("--yes", self.list, PRETEND_ID="1000")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("sudo apt-get install", done.stdout)
        self.assertEqual(self.log.read_text().splitlines().count("sudo"), 2)

    def test_a_failed_install_is_loud(self):
        done = self.run_it("--yes", self.list, FAIL="install")
        self.assertEqual(done.returncode, 1)
        self.assertIn("E: no luck", done.stdout)
        self.assertIn("could not install: gone", done.stdout)

    def test_a_failed_update_is_a_warning(self):
        done = self.run_it("--yes", self.list, FAIL="update")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("update failed", done.stdout)

    def on_terminal(self, answer):
        keyboard, terminal = pty.openpty()
        os.write(keyboard, answer)
        process = subprocess.Popen([SCRIPT, self.list], stdin=terminal, stdout=terminal, stderr=terminal,
                                   env={"PATH": str(self.bin), "FAIL": "-"})
        os.close(terminal)
        shown = b""
        try:
            while chunk := os.read(keyboard, 4096):
                shown += chunk
        except OSError:
            pass
        os.close(keyboard)
        return process.wait(timeout=30), shown.decode()

    def test_asks_on_a_terminal(self):
        status, shown = self.on_terminal(b"n\n")
        self.assertEqual((status, self.log.read_text()), (1, ""), shown)
        self.assertIn("[Y/n]", shown)
        status, shown = self.on_terminal(b"\n")
        self.assertEqual(status, 0, shown)
        self.assertIn("install", self.log.read_text())


if __name__ == "__main__":
    unittest.main()
