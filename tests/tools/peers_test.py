#!/usr/bin/env python3
"""bench/compare.py with pretended sides: pairs become ratios, and whoever fails is named in the table with the reason."""
import contextlib
import importlib.util
import io
import json
import pathlib
import sys
import tempfile
import types
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("compare", ROOT / "bench" / "compare.py")
compare = importlib.util.module_from_spec(SPEC)
sys.modules["compare"] = compare
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "bench"))
SPEC.loader.exec_module(compare)

SIDE = """
import json, sys
fields = dict(argument.split("=", 1) for argument in sys.argv[1:])
print(json.dumps({ready!r}), flush=True)
for line in sys.stdin:
    print(json.dumps({answer!r}), flush=True)
"""
READY = {"ready": {"versions": {"Peer": "1.0"}, "setting": "best", "trials": {"best": 100.0, "other": 50.0}, "images": 32,
                   "outputs": [0.5, 0.5]}}


class Peers(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.saved = {name: getattr(compare, name) for name in ("HERE", "WORK", "RIVALS", "PEERS_LINN", "PEERS_CONVOLUTION", "COLUMNS", "PAGE")}
        self.addCleanup(lambda: [setattr(compare, name, value) for name, value in self.saved.items()])
        compare.WORK = compare.RIVALS = str(self.folder)
        compare.COLUMNS, compare.PAGE = {"best": "all the CPU has", "avx2": "AVX2"}, "RESULTS.md"  # as on a CPU with AVX-512
        linn = self.folder / "linn"
        linn.write_text(f"#!{sys.executable}\n" + self.side(READY, {"seconds": 1.0, "images": 32}))
        linn.chmod(0o755)
        compare.PEERS_LINN = str(linn)
        self.work = compare.Work("infer", "infer float32, batch 32", "infer", "f32", 32, ("openvino",), 0.1)
        self.options = types.SimpleNamespace(isas=["best"], rivals=["openvino"], pairs=3, seconds=0.1, quick=True)

    def side(self, ready, answer):
        return SIDE.format(ready=ready, answer=answer)

    def rival(self, text):
        (self.folder / "open_vino.py").write_text(text)
        with contextlib.redirect_stderr(io.StringIO()):
            rows = compare.measure_work(self.work, self.options)
        results = {self.work.title: {"rows": json.loads(json.dumps(rows)), "when": "", "linn": "", "pairs": 3, "load": 0.0, "machine": ""}}
        return rows["best"]["openvino"], compare.report(results)

    def test_ratio_of_pairs(self):
        row, page = self.rival(self.side(READY, {"seconds": 2.0, "images": 32}))
        self.assertEqual([32.0] * 3, row["linn"])
        self.assertEqual([16.0] * 3, row["rival"])
        self.assertIn("| infer float32, batch 32 | OpenVINO | 32 | 16 | **2.00** (2.00 - 2.00) |", page)
        self.assertIn("Peer 1.0: **best**; tried: other: 50 images/s", page)

    def named(self, text, reason):
        row, page = self.rival(text)
        self.assertIn(reason, row["reason"])
        self.assertIn(f"| OpenVINO |  | not measured: {row['reason']} |", page)

    def test_one_that_computes_something_else(self):
        other = {"ready": {**READY["ready"], "outputs": [0.5, 0.501]}}
        self.named(self.side(other, {}), "its probabilities are not linn's: 0.001 apart")

    def test_one_that_gives_nan(self):
        other = {"ready": {**READY["ready"], "outputs": [0.5, float("nan")]}}
        self.named(f"nan = float('nan')\n{self.side(other, {})}", "its probabilities are not linn's: nan apart")

    def test_one_that_does_not_start(self):
        self.named("import sys; sys.exit('no such | library\\n')", "ended with status 1: no such / library")

    def test_one_that_says_why(self):
        self.named("print('{\"error\": \"no bf16\\nhere\"}'.replace(chr(10), '\\\\n'))", "no bf16 here")

    def test_one_that_dies_between_pairs(self):
        dying = f"import json\nprint(json.dumps({READY!r}), flush=True)\ninput()\nraise SystemExit('out of luck')"
        self.named(dying, "ended with status 1: out of luck")

    def test_one_that_was_not_installed(self):
        (self.folder / "missing-openvino").write_text("pip install openvino: ERROR: no network\n")
        self.named(self.side(READY, {}), "pip install openvino: ERROR: no network")

    def test_linn_itself(self):
        pathlib.Path(compare.PEERS_LINN).write_text(f"#!{sys.executable}\nprint('{{\"error\": \"no mixed_bfloat16\"}}')")
        self.named(self.side(READY, {}), "linn: no mixed_bfloat16")

    def swept(self, **others):
        """Rows and page of a problem on which linn computes 32 images a second, and rivals as their trials and runs say."""
        convolution = self.folder / "linn_convolution"
        limits = {"flops_an_image": 5.0, "peak_flops": 200.0, "bytes_an_image": 2.0, "copy_bandwidth": 100.0}
        ready = {"ready": {**READY["ready"], "setting": "direct", "limits": limits, "outputs": [0.5] * 16}}
        convolution.write_text(f"#!{sys.executable}\n" + self.side(ready, {"seconds": 1.0, "images": 32}))
        convolution.chmod(0o755)
        compare.PEERS_CONVOLUTION = str(convolution)
        for name, (trial, seconds, output) in others.items():
            ready = {"ready": {"versions": {}, "setting": "s", "trials": {"s": trial}, "images": 32, "outputs": [output] * 16}}
            text = self.side(ready, {"seconds": seconds, "images": 32})
            if isinstance(seconds, str):  # what it does in place of an answer
                text = f"import json\nprint(json.dumps({ready!r}), flush=True)\ninput()\n{seconds}"
            (self.folder / compare.ALL_RIVALS[name].convolution).write_text(text)
        self.options.rivals = list(others)
        work = next(work for work in compare.WORKS if work.part == "sweep" and "groups 128" in work.title)
        with contextlib.redirect_stderr(io.StringIO()):
            rows = compare.measure_swept(work, self.options)
        return rows["best"], compare.report({work.title: {"rows": rows, "when": "", "linn": "", "pairs": 3, "load": 0.0, "machine": ""}})

    def test_sweep_pairs_with_the_rivals_that_come_close(self):
        rows, page = self.swept(onnxruntime=(100.0, 2.0, 0.5), openvino=(90.0, 4.0, 0.5), pytorch=(50.0, 1.0, 0.5))
        self.assertEqual([16.0] * 3, rows["onnxruntime"]["rival"])
        self.assertEqual([8.0] * 3, rows["openvino"]["rival"])
        self.assertNotIn("rival", rows["pytorch"])
        self.assertIn("batch 32 | 32 | ONNX Runtime 16 | **2.00** (2.00 - 2.00) | direct | 80%; 64% of a copy |", page)
        self.assertIn("| 100 (s) | 90 (s) |", page)

    def test_sweep_leaves_out_a_rival_with_other_numbers(self):
        rows, page = self.swept(onnxruntime=(100.0, 2.0, 0.6), openvino=(50.0, 4.0, 0.5))
        self.assertIn("its result 1 is not linn's", rows["onnxruntime"]["reason"])
        self.assertIn("| OpenVINO 8 | **4.00** (4.00 - 4.00) |", page)
        self.assertIn("ONNX Runtime, all the CPU has: not measured on 1 problems; on 28x28x128->128 3x3 same groups 128, batch 32: its result", page)

    def test_sweep_goes_on_after_a_rival_that_dies_between_pairs(self):
        dying = "raise SystemExit('out of luck')"
        rows, _ = self.swept(onnxruntime=(100.0, dying, 0.5), openvino=(90.0, 4.0, 0.5))
        self.assertIn("ended with status 1: out of luck", rows["onnxruntime"]["reason"])
        self.assertEqual([8.0] * 3, rows["openvino"]["rival"])

    def test_the_page_keeps_figures_that_were_measured_elsewhere(self):
        _, old = self.rival(self.side(READY, {"seconds": 2.0, "images": 32}))
        (self.folder / "RESULTS.md").write_text(old)
        rows, page = self.swept(openvino=(90.0, 4.0, 0.5))
        title = next(work.title for work in compare.WORKS if work.part == "sweep" and "groups 128" in work.title)
        results = {title: {"rows": {"best": rows}, "when": "", "linn": "", "pairs": 3, "load": 0.0, "machine": ""}}
        compare.HERE = str(self.folder)
        compare.write_page(compare.report(results), results)
        merged = (self.folder / "RESULTS.md").read_text()
        for line in ("| infer float32, batch 32 | OpenVINO | 32 | 16 | **2.00** (2.00 - 2.00) |", "Peer 1.0: **best**; tried: other: 50 images/s",
                     "- infer float32, batch 32: , , 3 pairs", "- sweep: , , 3 pairs", "| OpenVINO 8 | **4.00** (4.00 - 4.00) |"):
            self.assertTrue(line in merged, line)
        compare.write_page(compare.report({}), {})
        figures = lambda text: sorted(line for line in text.splitlines() if line.startswith(("| ", "- ")))
        self.assertEqual(figures(merged), figures((self.folder / "RESULTS.md").read_text()))

    def test_a_cpu_without_avx512_has_a_page_of_its_own(self):
        compare.HERE, compare.COLUMNS, compare.PAGE = str(self.folder), {"best": "AVX2"}, "RESULTS_AVX2.md"
        _, text = self.rival(self.side(READY, {"seconds": 2.0, "images": 32}))
        compare.write_page(text, {self.work.title: {}})
        page = (self.folder / "RESULTS_AVX2.md").read_text()
        self.assertIn("| work | rival | linn, AVX2 | rival, AVX2 | ratio, AVX2 |", page)
        self.assertIn("| infer float32, batch 32 | OpenVINO | 32 | 16 | **2.00** (2.00 - 2.00) |", page)
        self.assertNotIn("Kept to AVX2", page)
        self.assertFalse((self.folder / "RESULTS.md").exists())

    def network(self, first, second, theirs=None):
        """The row of a network whose probabilities, of two classes, are `first` for all images but the last, of which they are `second`."""
        outputs = [*first * (compare.CHECKED_IMAGES - 1), *second]
        for name, numbers in ((compare.PEERS_LINN, outputs), (self.folder / "onnx_runtime.py", theirs or outputs)):
            ready = {"ready": {**READY["ready"], "outputs": numbers}}
            pathlib.Path(name).write_text(f"#!{sys.executable}\n" + self.side(ready, {"seconds": 1.0, "images": 32}))
        self.options.rivals = ["onnxruntime"]
        work = next(work for work in compare.WORKS if work.title == "mobilenet_v2: infer float32, batch 8")
        with contextlib.redirect_stderr(io.StringIO()):
            return compare.measure_work(work, self.options)["best"]["onnxruntime"]

    def test_networks_need_probabilities_that_tell_images_apart(self):
        self.assertEqual([32.0] * 3, self.network([0.5, 0.5], [0.49, 0.51])["rival"])
        self.assertIn("linn's probabilities differ by 0.001 between images", self.network([0.5, 0.5], [0.499, 0.501])["reason"])
        other = [0.5, 0.5] * (compare.CHECKED_IMAGES - 1) + [0.4, 0.6]
        self.assertIn("its probabilities are not linn's: 0.09 apart", self.network([0.5, 0.5], [0.49, 0.51], other)["reason"])

    def chosen(self, **others):
        options = types.SimpleNamespace(**{"parts": ("networks",), "rivals": list(compare.ALL_RIVALS), "only": "", "quick": False, "busy": False,
                                           **others})
        return compare.chosen_works(options)

    def test_networks_of_the_page(self):
        works = {(work.network, work.mode, work.batch, work.threads, work.title.count(compare.ONE_THREAD)) for work in self.chosen()}
        for batch in (1, 8, 32):
            for network in ("resnet20", "resnet50", "mobilenet_v2", "vgg_small"):
                self.assertIn((network, "infer", batch, compare.CPUS, 0), works)
                self.assertIn((network, "infer", batch, 1, 1), works)
        for batch in (32, 128):
            for network in ("resnet20", "mobilenet_v2_96", "vgg_small"):
                self.assertIn((network, "train", batch, compare.CPUS, 0), works)
        self.assertEqual(30, len(works))

    def test_networks_that_are_chosen(self):
        titles = [work.title for work in self.chosen(only="mobilenet_v2: infer")]
        self.assertEqual([f"mobilenet_v2: infer float32, batch {batch}" for batch in (32, 8, 1)], titles)
        quick = [(work.network, work.batch) for work in self.chosen(quick=True)]
        self.assertEqual([("resnet20", 32), ("resnet20", 8), ("vgg_small", 32), ("vgg_small", 8), ("resnet50", 8), ("mobilenet_v2", 8),
                          ("mobilenet_v2_96", 32)], quick)
        for quick in (False, True):  # one thread only once
            busy = [(work.network, work.mode, work.batch) for work in self.chosen(busy=True, quick=quick)]
            self.assertEqual(len(set(busy)), len(busy))
            self.assertEqual({("cpu", 1)}, {(work.clock, work.threads) for work in self.chosen(busy=True, quick=quick)})

    def test_sixty_problems(self):
        titles = [work.title for work in compare.WORKS if work.part == "sweep"]
        self.assertEqual(60, len(titles))
        self.assertEqual(60, len(set(titles)))
        self.assertEqual(len(compare.WORKS), len({work.title for work in compare.WORKS}))


if __name__ == "__main__":
    unittest.main()
