"""ONNX Runtime: one convolution, inputs and outputs bound beforehand, NCHW. Tried: its blocked layout (all optimizations) and without it
(extended ones), and for batches a session of one thread for each thread, which compute two batches side by side."""

from concurrent.futures import ThreadPoolExecutor

import child
import convolution
import numpy as np
import onnxruntime
from onnx_runtime import make_session
from onnxruntime import GraphOptimizationLevel as Level


def bound(session, x, shape):
    """A binding that reads `x` in place and writes to memory of its own, and that memory."""
    binding = session.io_binding()
    binding.bind_ortvalue_input("x", onnxruntime.OrtValue.ortvalue_from_numpy(x))
    y = onnxruntime.OrtValue.ortvalue_from_numpy(np.empty(shape, "float32"))
    binding.bind_ortvalue_output("y", y)
    return binding, y


def setting(c, model, x, sessions, threads, level):
    """`sessions` sessions of `threads` threads each, which take batches in turn."""
    made = [make_session(model, threads, level) for _ in range(sessions)]
    bindings = [bound(session, x, c.result) for session in made]
    pool = ThreadPoolExecutor(sessions)

    def work(which, count):
        for _ in range(which, count, sessions):
            made[which]._sess.run_with_iobinding(bindings[which][0]._iobinding, None)

    def run(count):
        if sessions == 1:
            work(0, count)
        else:
            list(pool.map(work, range(sessions), [count] * sessions))

    return child.Setting(run, lambda: convolution.sketch(bindings[0][1].numpy().transpose(0, 2, 3, 1)))


def prepare(task):
    c = convolution.parse(task)
    model = convolution.onnx_model(c)
    x = np.ascontiguousarray(c.input().transpose(0, 3, 1, 2))
    makers = {"one session": lambda: setting(c, model, x, 1, task.threads, Level.ORT_ENABLE_ALL),
              "one session, NCHW throughout": lambda: setting(c, model, x, 1, task.threads, Level.ORT_ENABLE_EXTENDED)}
    if task.threads > 1 and task.batch > 1:
        makers[f"{task.threads} sessions"] = lambda: setting(c, model, x, task.threads, 1, Level.ORT_ENABLE_ALL)
    return {"ONNX Runtime": onnxruntime.__version__}, makers, None


if __name__ == "__main__":
    child.serve(prepare)
