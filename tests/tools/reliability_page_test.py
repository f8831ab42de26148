#!/usr/bin/env python3
"""docs/reliability.md names tests that exist, and all forty cases."""
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")


class ReliabilityPage(unittest.TestCase):
    def test_every_name_is_a_test(self):
        tests = ROOT / "tests"
        cc = "\n".join(path.read_text(encoding="utf-8") for path in tests.rglob("*.cc"))
        known = {f"{suite}.{name}" for suite, name in re.findall(r"^(?:TEST|TEST_F|TEST_P|RC_GTEST_PROP)\((\w+), (\w+)", cc, re.M)}
        known |= {name for path in tests.rglob("*.py") for name in re.findall(r"^ *def (test_\w+)", path.read_text(encoding="utf-8"), re.M)}
        named = re.findall(r"`([A-Z]\w*\.[A-Z]\w*|test_\w+)`", PAGE)
        self.assertGreater(len(named), 100)
        self.assertEqual([], sorted(set(named) - known))

    def test_every_program_is_in_ctest(self):
        lists = (ROOT / "tests" / "CMakeLists.txt").read_text(encoding="utf-8")
        for name in ("kill_points", "kill_test_tool", "command_faults", "reliability_page"):
            self.assertIn(f"`{name}`", PAGE)
            self.assertIn(f"add_test(NAME {name} ", lists)

    def test_forty_cases(self):
        numbers = [int(number) for cell in re.findall(r"^\| ([\d, ]+) \|", PAGE, re.M) for number in cell.split(",")]
        self.assertEqual(numbers, list(range(1, 41)))


if __name__ == "__main__":
    unittest.main()
