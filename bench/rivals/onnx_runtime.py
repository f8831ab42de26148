"""ONNX Runtime: inputs and outputs bound beforehand. Tried: one session on all threads, and a session of one thread for each."""

from concurrent.futures import ThreadPoolExecutor

import child
import network
import numpy as np
import onnxruntime


def bound(session, batches):
    """For each batch, a binding that reads it in place and writes to memory of its own."""
    bindings, shape = [], session.get_outputs()[0].shape
    for batch in batches:
        binding = session.io_binding()
        binding.bind_ortvalue_input("x", onnxruntime.OrtValue.ortvalue_from_numpy(batch))
        output = onnxruntime.OrtValue.ortvalue_from_numpy(np.empty(shape, "float32"))
        binding.bind_ortvalue_output("probabilities", output)
        bindings.append((binding, output))
    return bindings


def make_session(model, threads, level=onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = level
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def outputs_of(session, batches):
    return lambda: np.concatenate([session.run(None, {"x": batch})[0] for batch in child.first_images(batches)])


def one_session(task, model, batches):
    session = make_session(model, task.threads)
    bindings = bound(session, batches)
    run_bound = session._sess.run_with_iobinding  # what run_with_iobinding calls, without its wrapper in Python

    def run(count):
        for i in range(count):
            run_bound(bindings[i % len(bindings)][0]._iobinding, None)

    return child.Setting(run, outputs_of(session, batches))


def session_each(task, model, batches):
    sessions = [make_session(model, 1) for _ in range(task.threads)]
    bindings = [bound(session, batches) for session in sessions]
    pool = ThreadPoolExecutor(task.threads)

    def work(which, count):
        for i in range(which, count, task.threads):
            sessions[which].run_with_iobinding(bindings[which][i % len(batches)][0])

    def run(count):
        list(pool.map(work, range(task.threads), [count] * task.threads))

    return child.Setting(run, outputs_of(sessions[0], batches))


def prepare(task):
    x, _ = child.images(task)
    batches = child.inference_batches(task, x.transpose(0, 3, 1, 2))
    model = network.onnx_bytes(task, batches[0])
    makers = {f"one session of {task.threads} threads, bound memory": lambda: one_session(task, model, batches)}
    if task.threads > 1:
        makers[f"{task.threads} sessions of one thread side by side, bound memory"] = lambda: session_each(task, model, batches)
    return {"ONNX Runtime": onnxruntime.__version__}, makers, None


if __name__ == "__main__":
    child.serve(prepare)
