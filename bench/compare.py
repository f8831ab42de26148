"""Runs linn and its rivals in pairs and writes the table; bench/peers installs what this needs and starts it.

Each side is a process of its own that tunes and warms itself up (rivals/child.py, rivals/child.h) and then runs once for each line it
is sent. The two of a pair run one after the other, so that a change of the machine's speed meets both, and take turns at being first.
"""

import argparse
import datetime
import json
import math
import os
import platform
import resource
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace

import old_page
import sweep

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
RIVALS = os.path.join(HERE, "rivals")
WORK = os.path.join(ROOT, "build", "peers")
LINN = os.path.join(ROOT, "build", "release", "linn")
PEERS_LINN = os.path.join(ROOT, "build", "release", "bench", "peers_linn")
PEERS_CONVOLUTION = os.path.join(ROOT, "build", "release", "bench", "peers_convolution")
DATA = os.path.join(ROOT, "data", "mnist.npz")
CPUS = len(os.sched_getaffinity(0))

@dataclass
class Rival:
    name: str
    program: str  # for networks: in RIVALS, or of oneDNN, which is compiled, in WORK
    avx2: dict  # the environment that keeps it to AVX2; empty: it has no such switch
    seconds: float = 0  # a run of training; 0: as the work says
    convolution: str = ""  # the program for one convolution, likewise


XLA = {"XLA_FLAGS": "--xla_cpu_max_isa=AVX2"}
ONEDNN = {"ONEDNN_MAX_CPU_ISA": "AVX2"}
ALL_RIVALS = {
    "onednn": Rival("oneDNN", "onednn", ONEDNN, convolution="onednn_convolution"),
    "onednn3": Rival("oneDNN 3", "", ONEDNN, convolution="onednn3_convolution"),  # convolutions only
    # `fit` has a start of its own, which a longer run makes small.
    "keras": Rival("Keras/TensorFlow", "keras_tensorflow.py", {**ONEDNN, **XLA}, seconds=4),
    "pytorch": Rival("PyTorch", "pytorch.py", {**ONEDNN, "ATEN_CPU_CAPABILITY": "avx2"}, convolution="pytorch_convolution.py"),
    "jax": Rival("JAX", "jax_xla.py", {**ONEDNN, **XLA}),
    "onnxruntime": Rival("ONNX Runtime", "onnx_runtime.py", {}, convolution="onnx_runtime_convolution.py"),
    "openvino": Rival("OpenVINO", "open_vino.py", ONEDNN, convolution="open_vino_convolution.py"),
    "litert": Rival("LiteRT", "lite_rt.py", {}),
}


@dataclass
class Work:
    part: str
    title: str
    mode: str
    precision: str
    batch: int
    rivals: tuple
    seconds: float  # a run
    threads: int = CPUS
    network: str = "notebook"
    clock: str = "wall"  # or cpu (rivals/child.h)
    noise: int = 0  # height and width of random images (rivals/network.py); 0: MNIST's
    learns: bool = True  # training: runs are long enough for the loss to come below LEARNT

    @property
    def convolution(self):
        return self.part in ("conv", "sweep")


def vgg(order, network, precision, rivals):
    name = {"f32": "float32", "bf16": "bfloat16"}[precision]
    return Work("vgg", f"{order}: train {name}, batch 128", "train", precision, 128, rivals, 2.5, network=network, noise=32)


def trained(network, noise, rivals, learns=True):
    return [Work("networks", f"{network}: train float32, batch {batch}", "train", "f32", batch, rivals, 2.5, network=network, noise=noise,
                 learns=learns) for batch in (128, 32)]


def inferred(network, noise, more=()):
    """On all threads and on one. `more`: rivals on all threads."""
    rivals = ("onnxruntime", "openvino", "pytorch")
    works = []
    for threads, names, suffix in ((CPUS, (*rivals, *more), ""), (1, rivals, ONE_THREAD)):
        for batch in (32, 8, 1):
            works.append(Work("networks", f"{network}{suffix}: infer float32, batch {batch}", "infer", "f32", batch, names, 0.6,
                              threads=threads, network=network, noise=noise))
    return works


def built_in_works():
    """linn's built-in networks."""
    works = []
    for network in ("resnet20", "vgg_small"):
        works += trained(network, 32, ("pytorch", "keras")) + inferred(network, 32, ("keras",))
    for network in ("resnet50", "mobilenet_v2"):
        works += inferred(network, 224)
    return works + trained("mobilenet_v2_96", 96, ("pytorch",), learns=False)


def convolutions():
    titles = {"forward": "forward", "input_gradient": "gradient of the input", "kernel_gradient": "gradient of the kernel"}
    pooled = {"forward": "with 2x2 max pooling, forward", "gradients": "with 2x2 max pooling, both gradients"}
    works = []
    for size in ("56x56x64", "28x28x128", "14x14x256", "8x8x256"):
        problem = f"{size}->{size.split('x')[2]} 3x3 same"
        for mode, title in titles.items():
            works.append(Work("conv", f"{size}, {title}", mode, "f32", 32, ("onednn",), 0.3, network=problem))
        for mode, title in pooled.items():
            works.append(Work("conv", f"{size}, {title}", mode, "f32", 32, ("onednn",), 0.3, network=f"{problem} maxpool 2x2/2"))
    return works


def swept():
    works = []
    for batch, mode, problem in sweep.problems():
        rivals = ("onednn", "onednn3", "onnxruntime", "openvino", "pytorch") if mode == "infer" else ("onednn", "onednn3")
        works.append(Work("sweep", sweep.title(batch, mode, problem), mode, "f32", batch, rivals, 0.12, network=problem))
    return works


ONE_THREAD = ", one thread"
WORKS = [
    Work("train", "train float32, batch 128", "train", "f32", 128, ("onednn", "keras", "pytorch", "jax"), 1.5),
    Work("train", "train bfloat16, batch 128", "train", "bf16", 128, ("pytorch",), 1.5),
    Work("infer", "infer float32, batch 32", "infer", "f32", 32, ("onnxruntime", "onednn", "openvino"), 0.6),
    Work("infer", "infer float32, batch 1000", "infer", "f32", 1000, ("onnxruntime", "onednn", "openvino"), 0.6),
    Work("infer", "infer bfloat16, batch 128", "infer", "bf16", 128, ("openvino",), 0.6),
    Work("single", "infer float32, batch 1, one thread", "infer", "f32", 1, ("litert", "onnxruntime", "onednn"), 0.4, threads=1),
    vgg("conv, norm, relu, pool", "vgg", "f32", ("pytorch", "keras")),
    vgg("conv, norm, relu, pool", "vgg", "bf16", ("pytorch",)),
    vgg("conv, pool, norm, relu", "vgg_pool_first", "f32", ("pytorch", "keras")),
    vgg("conv, pool, norm, relu", "vgg_pool_first", "bf16", ("pytorch",)),
    *built_in_works(),
    *convolutions(),
    *swept(),
]
PARTS = ("train", "infer", "single", "footprint", "vgg", "networks", "conv", "sweep")
CHECKED_IMAGES = 8  # whose probabilities are compared, as in rivals/child.py and child.h
TELLING = 20  # networks: a class's probabilities differ between images by this many times what two sides may be apart
LEARNT = 2.0  # guessing costs log(10) = 2.3; a few dozen batches are enough
FOOTPRINT = "footprint"
CLOSE = 0.8  # of the sweep: pairs are run with the rivals whose trials reach this share of the quickest rival's


def has_avx512():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        return "avx512f" in info.read()


# A CPU without AVX-512 has a page and figures of its own, with one column.
COLUMNS = {"best": "all the CPU has", "avx2": "AVX2"} if has_avx512() else {"best": "AVX2"}
PAGE = "RESULTS.md" if has_avx512() else "RESULTS_AVX2.md"


class RivalFailed(Exception):
    """Why there is no figure, in one line for the table."""

    def __init__(self, reason):
        reason = " ".join(reason.replace("|", "/").split())
        super().__init__(reason if len(reason) <= 300 else reason[:297] + "...")


START = time.monotonic()


def say(text):
    seconds = int(time.monotonic() - START)
    print(f"[{seconds // 60:02}:{seconds % 60:02}] {text}", file=sys.stderr, flush=True)


# ---- one side of a pair ------------------------------------------------------------------------------------------


class Child:
    """A process that answers each `go` with a measurement."""

    def __init__(self, name, command, environment):
        self.blame = "linn: " if name == "linn" else ""
        self.log = os.path.join(WORK, f"{name}.log")
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, bufsize=1,
                                            env={**os.environ, **environment})
        try:
            self.about = self.answer(timeout=600)["ready"]
        except RivalFailed:
            self.close()
            raise

    def answer(self, timeout):
        if not select.select([self.process.stdout], [], [], timeout)[0]:
            raise RivalFailed(f"{self.blame}no answer in {timeout} s")
        line = self.process.stdout.readline()
        if not line:
            raise self.death()
        message = json.loads(line)
        if "error" in message:
            raise RivalFailed(self.blame + message["error"])
        return message

    def alive(self):
        return self.process.poll() is None

    def death(self):
        return RivalFailed(f"{self.blame}ended with status {self.process.wait()}: {self.last_words()}")

    def last_words(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            lines = [line.strip() for line in log if line.strip()]
        return lines[-1] if lines else "it said nothing"

    def go(self):
        try:
            self.process.stdin.write("go\n")
        except OSError:
            raise self.death() from None
        message = self.answer(timeout=300)
        return message["images"] / message["seconds"], message.get("loss")

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def environment_of(isa, switch, threads):
    return {"OMP_NUM_THREADS": str(threads), **(switch if isa == "avx2" else {})}


def require_installed(name):
    """bench/peers leaves a file with the reason for what it could not install."""
    missing = os.path.join(WORK, f"missing-{name}")
    if os.path.exists(missing):
        with open(missing, encoding="utf-8") as file:
            raise RivalFailed(file.read())


def start(name, work, isa, seconds):
    raw = name.startswith("onednn")
    data = WORK if raw else os.path.join(WORK, f"noise_{work.noise}.npz") if work.noise else DATA
    weights = {"vgg": "vgg.npz", "networks": f"{work.network}.npz"}.get(work.part, "weights.npz")
    arguments = [f"network={work.network}", f"mode={work.mode}", f"precision={work.precision}", f"batch={work.batch}",
                 f"threads={work.threads}", f"clock={work.clock}", f"seconds={seconds}", f"data={data}",
                 f"weights={os.path.join(WORK, weights)}"]
    if name == "linn":
        program = PEERS_CONVOLUTION if work.convolution else PEERS_LINN
        return Child(name, [program, *arguments], environment_of(isa, {"LINN_ISA": "avx2"}, work.threads))
    require_installed(name)
    rival = ALL_RIVALS[name]
    environment = environment_of(isa, rival.avx2, work.threads)
    if work.convolution:  # maps on 2 MB pages, as linn's are
        environment["GLIBC_TUNABLES"] = "glibc.malloc.hugetlb=1"
    file = rival.convolution if work.convolution else rival.program
    program = [os.path.join(WORK, file)] if raw else [sys.executable, os.path.join(RIVALS, file)]
    return Child(name, [*program, *arguments], environment)


# ---- pairs -------------------------------------------------------------------------------------------------------


def same_numbers(work, linn, rival):
    """Both sides have the same weights and so must give the same numbers: what child.py and child.h call `outputs`."""
    ours, theirs = linn.about["outputs"], rival.about["outputs"]
    if len(ours) != len(theirs):
        raise RivalFailed(f"it sent {len(theirs)} numbers to compare, linn {len(ours)}")
    if work.convolution:
        same_results(work, ours, theirs)
    elif work.mode == "train":
        close(ours, theirs, 1e-3 if work.precision == "f32" else 0.03, "first losses")
        if theirs and not theirs[-1] < theirs[0]:
            raise RivalFailed(f"its loss does not come down on a fixed batch: {theirs}")
    else:
        allowed = 1e-4 if work.precision == "f32" else 0.03
        if work.part == "networks":
            require_different_images(ours, allowed)
        close(ours, theirs, allowed, "probabilities")


def require_different_images(outputs, allowed):
    """Random weights may give all images the same probabilities; agreement with them would say nothing about the layers before the last."""
    classes = len(outputs) // CHECKED_IMAGES
    apart = max(max(outputs[i::classes]) - min(outputs[i::classes]) for i in range(classes))
    if not apart >= TELLING * allowed:
        raise RivalFailed(f"linn's probabilities differ by {apart:.2g} between images: {TELLING * allowed:.2g} or more is needed to compare")


def close(ours, theirs, allowed, what):
    apart = [abs(a - b) for a, b in zip(ours, theirs)]
    if not all(difference <= allowed for difference in apart):  # NaN is not
        far = max(apart, key=lambda difference: (difference != difference, difference))
        raise RivalFailed(f"its {what} are not linn's: {far:.2g} apart, {allowed} is allowed")


def same_results(work, ours, theirs):
    """Sketches of 16 numbers for each result (rivals/convolution.h)."""
    # Where two cells of a window are as good as equal, rounding says which is the maximum and takes the gradient: a window in a million.
    allowed = 1e-2 if work.mode == "gradients" else 1e-3
    for first in range(0, len(ours), 16):
        a, b = ours[first:first + 16], theirs[first:first + 16]
        apart = math.dist(a, b) / math.hypot(*a)
        if not apart <= allowed:
            raise RivalFailed(f"its result {first // 16 + 1} is not linn's: {apart:.2g} apart, as a share of its length; {allowed} is allowed")


def alternate(name, linn, rival, pairs):
    """Rates of linn and the rival, pair by pair, and the rival's last loss."""
    ours, theirs, loss = [], [], None
    for pair in range(pairs):
        for side in (linn, rival) if pair % 2 == 0 else (rival, linn):
            time.sleep(0.02)  # lets the threads of the one before stop spinning
            rate, loss_now = side.go()
            (ours if side is linn else theirs).append(rate)
            if side is rival:
                loss = loss_now
        say(f"  pair {pair + 1}/{pairs}: linn {ours[-1]:,.0f}, {ALL_RIVALS[name].name} {theirs[-1]:,.0f} images/s, "
            f"ratio {ours[-1] / theirs[-1]:.2f}")
    return {"linn": ours, "rival": theirs, "about": rival.about, "linn_about": linn.about}, loss


def measure_pairs(work, isa, name, linn, options):
    rival = start(name, work, isa, options.seconds or (work.mode == "train" and ALL_RIVALS[name].seconds) or work.seconds)
    try:
        same_numbers(work, linn, rival)
        say(f"  {ALL_RIVALS[name].name}: {rival.about['setting']} (tried: {tried(rival.about['trials'])})")
        row, loss = alternate(name, linn, rival, options.pairs)
        if work.mode == "train" and work.learns and not options.quick and not (loss is not None and loss < LEARNT):
            raise RivalFailed(f"it does not learn: its loss is {loss}")
        return row
    finally:
        rival.close()


def tried(trials):
    """Each setting with its rate, or with the reason why it does not work."""
    rates = {name: value if isinstance(value, str) else f"{value:,.0f} images/s" for name, value in trials.items()}
    return " ".join("; ".join(f"{name}: {rate}" for name, rate in rates.items()).split())


def measure_work(work, options):
    """Rows by column and rival: figures, or the reason why there are none."""
    rows = {}
    for isa in options.isas:
        say(f"{work.title}, {COLUMNS[isa]}")
        rows[isa], linn = {}, None
        for name in (name for name in work.rivals if name in options.rivals):
            try:
                if linn is None or not linn.alive():
                    linn = start("linn", work, isa, options.seconds or work.seconds)
                rows[isa][name] = measure_pairs(work, isa, name, linn, options)
            except RivalFailed as failure:
                say(f"  {ALL_RIVALS[name].name}: NOT MEASURED: {failure}")
                rows[isa][name] = {"reason": str(failure)}
        if linn is not None:
            linn.close()
    return rows


def measure_swept(work, options):
    """As measure_work, but every rival tunes itself first, and pairs are run only with those that came close to the quickest one."""
    rows = {}
    for isa in options.isas:
        say(f"{work.title}, {COLUMNS[isa]}")
        rivals = [name for name in work.rivals if name in options.rivals and (isa == "best" or ALL_RIVALS[name].avx2)]
        rows[isa] = measure_close(work, isa, rivals, options)
    return rows


def measure_close(work, isa, names, options):
    rows, sides = {}, {}
    try:
        linn = start("linn", work, isa, options.seconds or work.seconds)
    except RivalFailed as failure:
        say(f"  NOT MEASURED: {failure}")
        return {name: {"reason": str(failure)} for name in names}
    try:
        for name in names:
            rows[name] = tune(work, isa, name, linn, sides, options)
        quickest = max((rows[name]["trial"] for name in sides), default=0)
        for name in [name for name in sides if rows[name]["trial"] >= CLOSE * quickest]:
            try:
                rows[name] = {**rows[name], **alternate(name, linn, sides[name], options.pairs)[0]}
            except RivalFailed as failure:
                say(f"  {ALL_RIVALS[name].name}: NOT MEASURED: {failure}")
                rows[name] = {"reason": str(failure)}
    finally:
        for side in (linn, *sides.values()):
            side.close()
    return rows


def tune(work, isa, name, linn, sides, options):
    """Starts a rival, which tunes itself, and puts it into `sides` if its numbers are linn's; its row."""
    try:
        rival = start(name, work, isa, options.seconds or work.seconds)
        sides[name] = rival
        same_numbers(work, linn, rival)
    except RivalFailed as failure:
        say(f"  {ALL_RIVALS[name].name}: NOT MEASURED: {failure}")
        if name in sides:
            sides.pop(name).close()
        return {"reason": str(failure)}
    say(f"  {ALL_RIVALS[name].name}: tried: {tried(rival.about['trials'])}")
    return {"trial": rival.about["trials"][rival.about["setting"]], "about": rival.about}


# ---- footprint ---------------------------------------------------------------------------------------------------


def run_whole(command):
    """Seconds from start to exit, and the peak of resident memory in MB."""
    with tempfile.TemporaryFile() as words:
        begin = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=words, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"})
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            words.seek(0)
            lines = words.read().decode(errors="replace").strip().splitlines() or ["it said nothing"]
            raise RivalFailed(f"{os.path.basename(command[0])} ended with status {process.returncode}: {lines[-1]}")
    return seconds, usage.ru_maxrss / 1e3


def measure_footprint(options):
    keras = [sys.executable, os.path.join(RIVALS, "keras_footprint.py")]
    rows = {}

    def row(title, unit, pairs, ours, theirs):
        say(f"footprint: {title}")
        try:
            require_installed("keras")
            ours(), theirs()  # once before: files into the page cache
            figures = [(ours(), theirs()) for _ in range(pairs)]
            rows[title] = {"unit": unit, "linn": [pair[0] for pair in figures], "rival": [pair[1] for pair in figures]}
            say(f"  linn {statistics.median(rows[title]['linn']):.4g} {unit}, Keras {statistics.median(rows[title]['rival']):.4g} {unit}")
        except RivalFailed as failure:
            say(f"  NOT MEASURED: {failure}")
            rows[title] = {"unit": unit, "reason": str(failure)}

    def peak(command):
        # To the kernel a process starts with the peak of the one that started it.
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        megabytes = run_whole(command)[1]
        if megabytes <= own:
            raise RivalFailed(f"{megabytes:.0f} MB is the peak of the process that measures, and hides that of {command[0]}")
        return megabytes

    def stripped():
        with tempfile.TemporaryDirectory() as folder:
            copy = shutil.copy(LINN, folder)
            subprocess.run(["strip", copy], check=True)
            return os.path.getsize(copy) / 1e6

    summary = [LINN, "summary"], [*keras, "summary"]
    row("`summary` of the network, start to exit", "s", options.pairs, lambda: run_whole(summary[0])[0], lambda: run_whole(summary[1])[0])
    row("peak memory of training an epoch, batch 128", "MB", 1 if options.quick else 3,
        lambda: peak([LINN, "train", "--data", DATA, "--epochs", "1", "--batch-size", "128"]), lambda: peak([*keras, "train", DATA]))
    row("size on the disk (linn: stripped; Keras: with TensorFlow and all they require)", "MB", 1, stripped,
        lambda: int(subprocess.check_output([*keras, "size"], text=True)) / 1e6)
    return {"best": {"keras": rows}}


# ---- the table ---------------------------------------------------------------------------------------------------


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        fields = dict(line.split(":", 1) for line in info.read().split("\n\n")[0].splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    flags = fields.get("flags", "").split()
    widest = [name for name in ("avx2", "avx512f", "avx512_bf16") if name in flags]
    name = f'{fields.get("model name", platform.machine())}, family {fields.get("cpu family")} model {fields.get("model")}'
    return f'{name}, {CPUS} CPUs, {" ".join(widest)}'


def text_of(command):
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout.strip()


def ratio(over, under, digits):
    """Median and range of what stands over, divided pair by pair."""
    ratios = [a / b for a, b in zip(over, under)]
    return f"**{statistics.median(ratios):,.{digits}f}** ({min(ratios):,.{digits}f} - {max(ratios):,.{digits}f})"


def short(reason):
    """For a table; what is too long for it stands below, whole."""
    return reason if len(reason) <= 80 else reason[:77] + "..."


def cells(row, single):
    """linn's figure, the rival's, and the ratio."""
    if row is None:
        return ["not measured", "", ""]
    if "reason" in row:
        return ["", f"not measured: {short(row['reason'])}", ""]
    form = (lambda rate: f"{1e6 / rate:.1f} us") if single else (lambda rate: f"{rate:,.0f}")
    return [form(statistics.median(row["linn"])), form(statistics.median(row["rival"])), ratio(row["linn"], row["rival"], 2)]


def speed_table(results, *parts):
    isas = list(COLUMNS)
    head = "| work | rival | " + " | ".join(f"{side}, {COLUMNS[isa]}" for isa in isas for side in ("linn", "rival", "ratio")) + " |"
    lines = [head, "|" + "---|" * (2 + 3 * len(isas))]
    for work in (work for work in WORKS if work.part in parts):
        rows = results.get(work.title, {}).get("rows", {})
        for name in work.rivals:
            line = [work.title, ALL_RIVALS[name].name]
            for isa in isas:
                line += cells(rows.get(isa, {}).get(name), work.batch == 1)
                if isa == "avx2" and not ALL_RIVALS[name].avx2:
                    line[-2] += " (no switch)"
            lines.append("| " + " | ".join(line) + " |")
    return "\n".join(lines)


def footprint_table(results):
    rows = results.get(FOOTPRINT, {}).get("rows", {}).get("best", {}).get("keras", {})
    lines = ["| what | linn | Keras | ratio |", "|---|---|---|---|"]
    for title, row in rows.items():
        if "reason" in row:
            lines.append(f"| {title} | | not measured: {row['reason']} | |")
            continue
        form = lambda value: f"{value:,.3f} {row['unit']}" if value < 10 else f"{value:,.0f} {row['unit']}"
        lines.append(f"| {title} | {form(statistics.median(row['linn']))} | {form(statistics.median(row['rival']))} | "
                     f"{ratio(row['rival'], row['linn'], 1)} |")
    return "\n".join(lines) if rows else "not measured"


def settings_list(results):
    lines = []
    for work in (work for work in WORKS if work.part != "sweep"):
        for isa, rows in results.get(work.title, {}).get("rows", {}).items():
            for name, row in rows.items():
                if short(row.get("reason", "")) != row.get("reason", ""):
                    lines.append(f"- {work.title}, {COLUMNS[isa]}: {ALL_RIVALS[name].name} was not measured: {row['reason']}")
                if "about" in row:
                    about = row["about"]
                    versions = ", ".join(f"{package} {version}" for package, version in about["versions"].items())
                    others = {setting: rate for setting, rate in about["trials"].items() if setting != about["setting"]}
                    ours = f"linn: {row['linn_about']['setting']}; " if work.convolution else ""
                    line = f"- {work.title}, {COLUMNS[isa]}: {ours}{versions}: **{about['setting']}**"
                    lines.append(f"{line}; tried: {tried(others)}" if others else line)
    return "\n".join(lines)


def call_costs(results):
    """What a call of predict costs, from the trials of linn's side."""
    lines = []
    for work in (work for work in WORKS if not work.convolution):
        rows = results.get(work.title, {}).get("rows", {}).get("best", {})
        about = next((row["linn_about"] for row in rows.values() if "linn_about" in row), None)
        if about and len(about["trials"]) > 1 and not any(isinstance(rate, str) for rate in about["trials"].values()):
            costs = [f"{name}: {1e6 * work.batch / rate:,.2f} us a batch" for name, rate in about["trials"].items()]
            lines.append(f"- {work.title}: {'; '.join(costs)}")
    return "\n".join(lines)


def runs_list(results):
    """A line for each work; one for all convolutions of a run, and one for its sweep."""
    runs = {}
    together = {work.title: {"conv": "convolutions", "sweep": "sweep"}[work.part] for work in WORKS if work.convolution}
    for title, result in results.items():
        about = result["when"], result["linn"], result["pairs"], result["machine"]
        runs.setdefault((together.get(title, title), *about), []).append(result["load"])
    lines = []
    for (title, when, linn, pairs, machine_), loads in runs.items():
        load = f"{loads[0]:.2f} at its start" if len(loads) == 1 else f"{min(loads):.2f} to {max(loads):.2f} at their starts"
        lines.append(f"- {title}: {when}, {linn}, {pairs} pairs, load average {load}; {machine_}")
    return "\n".join(lines)


def sweep_tables(results):
    rows = {title: result["rows"] for title, result in results.items()}
    if not any(work.title in rows for work in WORKS if work.part == "sweep"):
        return "not measured"
    names = {key: rival.name for key, rival in ALL_RIVALS.items() if rival.convolution}
    parts = (sweep.summary(rows, COLUMNS), sweep.main_table(rows, COLUMNS, names),
             "Each rival's quickest setting, images/s by its own trial before the pairs:", sweep.rivals_table(rows, COLUMNS, names),
             sweep.reasons_list(rows, COLUMNS, names))
    return "\n\n".join(part for part in parts if part)


def switches():
    """How each side is kept to AVX2 where there is a column for that."""
    if "avx2" not in COLUMNS:
        return ""
    lines = ["## Kept to AVX2 by", "- linn: `LINN_ISA=avx2`"]
    for rival in ALL_RIVALS.values():
        how = " ".join(f"`{name}={value}`" for name, value in rival.avx2.items())
        lines.append(f"- {rival.name}: {how or 'no switch: its AVX2 column has it with all that the CPU has'}")
    return "\n".join(lines) + "\n\n"


TWO_COLUMNS = """The columns: with all that the CPU has; and kept to AVX2,
except rivals that have no switch for it. `RESULTS_AVX2.md` has the figures of a CPU without AVX-512."""
ONE_COLUMN = """All sides use all that the CPU has,
which is AVX2. `RESULTS.md` has the figures of a CPU with AVX-512."""


def report(results):
    columns = TWO_COLUMNS if len(COLUMNS) > 1 else ONE_COLUMN
    no_switch = "ONNX Runtime has no switch for AVX2 and so no figures in that column. " if len(COLUMNS) > 1 else ""
    return f"""# Measured side by side{"" if len(COLUMNS) > 1 else ", on a CPU with AVX2"}

`bench/peers` writes this page. Figures are images/s, or microseconds for an image where they say us, medians. **Ratio**: how many times as
fast linn is, the median of the alternating pairs of one run, with its range. On a shared machine speed changes between pairs, so the ratio of the
two medians may be another: the ratio of pairs is the one that counts. {columns}

## The notebook's network (README.md) on MNIST

{speed_table(results, "train", "infer", "single")}

{footprint_table(results)}

## A VGG-like network with batch normalization
32x32x3; 3x3 convolutions ("same", no bias) of 64, 64, 128, 128, 256 and 256 filters, each with batch normalization and relu; 2x2 max pooling
after every second; the mean of each channel; Dense 10 with softmax. In two orders, each against the same order: the usual one, and with the
pooling right behind the convolution.

{speed_table(results, "vgg")}

## Whole networks
On 32x32x3, with 10 classes: `resnet20` is He 2016's of 20 layers, with a 1x1 convolution beside a block that makes the map smaller;
`vgg_small` has 3x3 convolutions of 128, 128, 256, 256, 512 and 512 filters with batch normalization and relu, 2x2 max pooling after every
second, Flatten and Dense 10. On 224x224x3, with 1000 classes: `resnet50` and `mobilenet_v2` as Keras Applications has them;
`mobilenet_v2_96` is the latter on 96x96x3. All are linn's built-in ones (`linn summary resnet20`); Keras reads linn's own configuration,
ONNX Runtime and OpenVINO what PyTorch exports.

{speed_table(results, "networks")}

## One convolution
3x3, "same", as many filters as channels, no bias, float32, batch 32; alone, and with 2x2 max pooling behind it.

{speed_table(results, "conv")}

## Sixty convolutions
`bench/sweep.txt`: height, width and channels of the input -> filters, window / stride, padding, and what follows. Inference with bias and
relu, unless a gradient is named. Images/s; **ratio** to the best rival. linn's share: of the peak of float32 multiply-adds, measured in the
same process, by the operations of the direct form, of which Winograd needs fewer; of depthwise convolutions also the share of the bandwidth
of a copy that moves as many bytes as input and output have.

{sweep_tables(results)}

## What is timed
Every side is a warm process; nothing is timed but the work: no start, no reading of files, no compilation. All have the same weights, and a
rival counts only if its probabilities agree with linn's (1e-4, bfloat16 0.03) or, in training, if its loss comes to lie well below a guess's.
- Training: as many batches as take a second or more (an epoch at most), shuffled, Adam. linn and Keras: `fit`, loss and accuracy kept;
  the others: a loop that keeps the loss. linn reads uint8 and scales each batch on its way in; the others have float32 pixels that are
  scaled already.
- Inference: batches in memory, 64 different ones in turn, one call each: linn `predict` of uint8 images, the others float32 images that are
  scaled already, with bound inputs where they can. Rivals in Python are called through the shortest way that they have: a network of
  one relu takes LiteRT 0.4 us and ONNX Runtime 1.5 us that way on a Zen 5 core.
- The VGG-like network and the whole networks: as above, but SGD with momentum 0.9 in training, and 128 random images and labels again and
  again (224x224: 64 images). A rival counts only if its losses of five steps on one batch come down, and are linn's (1e-3, bfloat16 0.03).
  Runs of `mobilenet_v2_96` are too short for more than that. `resnet50` and `mobilenet_v2` have random kernels, and in the normalizations the
  mean and variance of 16 images. Rivals count only if a class's probabilities differ between images by {TELLING} times what is allowed.
- One convolution: linn as a plan runs it, in shards of 8 images: alone, forward as in inference, whose kernel is laid out once; all else as in
  training, with the turned and packed kernels that a step makes anew; oneDNN's
  primitives with all that they read laid out beforehand, kernels too. Both have their maps on 2 MB pages. With pooling, forward keeps
  linn's argmax or oneDNN's workspace, and backward goes from the pooled map's gradient, no number of which is zero, to those of input and
  kernel; oneDNN pools in a primitive of its own. Results agree to 1e-3 of their length (backward through the pooling 1e-2: near ties).
- Sixty convolutions: linn as in One convolution, planned for inference. oneDNN (version 2 of Debian, 3 of PyPI) as there. ONNX Runtime,
  OpenVINO and PyTorch (eager) take input and kernel in the layout of their setting and include the reorders that a network of one
  convolution has. Every rival tunes itself; pairs are run with those whose trials reach {CLOSE:.0%} of the quickest one's, and the best
  rival is the one with the highest median of its pairs. Batches of 1: one call at a time; larger ones: rivals may compute two batches side
  by side. {no_switch}Results agree to 1e-3 of their length.
- Threads: {CPUS}, one in the works that say so.
- linn: one setting. A rival: each of its settings is tried (best of three short runs) and the quickest goes into the pairs. Those taken:

{settings_list(results)}

What a call of linn's `predict` costs, by linn's own trials (one call a batch is what the table has):

{call_costs(results)}

{switches()}## Runs
{runs_list(results)}
"""


# ---- the whole ---------------------------------------------------------------------------------------------------


def read_options():
    parser = argparse.ArgumentParser(prog="bench/peers", description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--pairs", type=int)
    parser.add_argument("--rivals", default=",".join(ALL_RIVALS))
    parser.add_argument("--only", default="", metavar="TEXT")
    parser.add_argument("--isa", choices=list(COLUMNS))
    options = parser.parse_args()
    for part in options.parts:
        if part not in PARTS:
            parser.error(f"part '{part}': {', '.join(PARTS)} are allowed")
    options.rivals = options.rivals.split(",")
    for name in options.rivals:
        if name not in ALL_RIVALS:
            parser.error(f"rival '{name}': {', '.join(ALL_RIVALS)} are allowed")
    options.parts = options.parts or PARTS
    options.pairs = options.pairs or (2 if options.quick else 11)
    options.seconds = 0.1 if options.quick else None
    options.isas = [options.isa] if options.isa else list(COLUMNS)
    return options


def write_page(text, results):
    file, old = os.path.join(HERE, PAGE), ""
    if os.path.exists(file):
        with open(file, encoding="utf-8") as page:
            old = page.read()
    parts = {part: [work.title for work in WORKS if work.part == part] for part in PARTS}
    missing = [title for part, titles in parts.items() if part != "sweep" for title in titles if title not in results]
    sweep_missing, conv_missing = (not any(title in results for title in parts[part]) for part in ("sweep", "conv"))
    names = missing + ["footprint"] * (FOOTPRINT not in results) + ["sweep"] * sweep_missing + ["convolutions"] * conv_missing
    with open(file, "w", encoding="utf-8") as page:
        page.write(old_page.keep_figures(text, old, names, sweep_missing, FOOTPRINT not in results))


def chosen_works(options):
    """Of the sweep, a quick run takes every sixth problem; of the networks, one batch size of each."""
    works = [work for work in WORKS if work.part in options.parts and set(work.rivals) & set(options.rivals) and options.only in work.title]
    if options.busy:
        works = one_thread(works)
    if not options.quick or options.only:
        return works
    swept_ = [work for work in works if work.part == "sweep"]
    quick_networks = [work for work in works if work.part == "networks" and work.batch == (8 if work.mode == "infer" else 32) and
                      (options.busy or ONE_THREAD not in work.title)]
    return [work for work in works if work.part not in ("sweep", "networks") or work in swept_[::6] or work in quick_networks]


def one_thread(works):
    """The works on one thread by its CPU time, those of networks that have a twin on one thread only once."""
    twins = {work.title.replace(ONE_THREAD, "", 1) for work in works if work.part == "networks" and ONE_THREAD in work.title}
    return [replace(work, threads=1, clock="cpu") for work in works if work.title not in twins]


def write_networks(works):
    """The files that the sides of networks read."""
    # In a process of its own, so that this one stays small: see measure_footprint.
    subprocess.run([sys.executable, os.path.join(RIVALS, "network.py"), WORK, DATA], check=True)
    for network in dict.fromkeys(work.network for work in works if work.part == "networks"):
        subprocess.run([PEERS_LINN, "files", network, WORK], check=True)


def main():
    options = read_options()
    kept = "quick" if options.quick else "busy" if options.busy else os.path.splitext(PAGE)[0].lower()
    file = os.path.join(WORK, f"{kept}.json")
    results = {}
    if os.path.exists(file):
        with open(file, encoding="utf-8") as old:
            results = json.load(old)
    works = chosen_works(options)
    footprint = "footprint" in options.parts and "keras" in options.rivals and not options.only
    if footprint or not all(work.convolution for work in works):
        write_networks(works)
    changed = text_of(["git", "status", "--porcelain", "-uno", "--", ".", ":!bench/RESULTS*.md"])
    commit = text_of(["git", "rev-parse", "--short", "HEAD"]) + ("+" if changed else "")

    def keep(title, measure):
        load = os.getloadavg()[0]
        rows = measure()
        old = results.get(title, {}).get("rows", {})
        merged = {isa: {**old.get(isa, {}), **rows.get(isa, {})} for isa in COLUMNS}
        results[title] = {"rows": merged, "when": f"{datetime.date.today()}", "linn": f"{text_of([LINN, '--version'])} ({commit})",
                          "pairs": options.pairs, "load": load, "machine": machine()}
        with open(file, "w", encoding="utf-8") as new:
            json.dump(results, new)

    if os.getloadavg()[0] > 0.5 and not options.busy:
        say(f"the load average is {os.getloadavg()[0]:.1f}: other programs are running, and the figures will show it")
    for work in works:
        keep(work.title, lambda: (measure_swept if work.part == "sweep" else measure_work)(work, options))
    if footprint:
        keep(FOOTPRINT, lambda: measure_footprint(options))

    text = report(results)
    print(text)
    ends = {"quick": f"quick figures mean nothing, bench/{PAGE} is as it was",
            "busy": f"the figures are of one thread and its CPU time, bench/{PAGE} is as it was"}
    if kept not in ends:
        write_page(text, results)
    say(f"done: {ends.get(kept, f'bench/{PAGE} is written')}")


if __name__ == "__main__":
    main()
