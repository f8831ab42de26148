"""OpenVINO: the ONNX file compiled for the CPU, inputs in place. Tried: one request at a time (latency), and its queue of requests
(throughput), which computes several batches side by side."""

import child
import network
import numpy as np
import openvino


def compiled(task, model, hint):
    return openvino.Core().compile_model(model, "CPU", {
        "PERFORMANCE_HINT": hint, "INFERENCE_NUM_THREADS": task.threads, "INFERENCE_PRECISION_HINT": task.precision})


def tensors_of(batches):
    return [openvino.Tensor(batch, shared_memory=True) for batch in batches]


def one_request(task, model, batches):
    request = compiled(task, model, "LATENCY").create_infer_request()
    tensors = tensors_of(batches)

    def infer(tensor):
        request.set_input_tensor(tensor)
        request.infer()

    def run(count):
        for i in range(count):
            infer(tensors[i % len(tensors)])

    def outputs():
        result = []
        for tensor in tensors[:len(child.first_images(batches))]:
            infer(tensor)
            result.append(request.get_output_tensor().data.copy())
        return np.concatenate(result)

    return child.Setting(run, outputs)


def queue(task, model, batches):
    network_ = compiled(task, model, "THROUGHPUT")
    requests = openvino.AsyncInferQueue(network_)
    tensors = tensors_of(batches)

    def run(count):
        for i in range(count):
            requests.start_async({0: tensors[i % len(tensors)]}, share_inputs=True)
        requests.wait_all()

    def outputs():
        return np.concatenate([network_({0: batch})[0].copy() for batch in child.first_images(batches)])

    return child.Setting(run, outputs)


def prepare(task):
    x, _ = child.images(task)
    batches = child.inference_batches(task, x.transpose(0, 3, 1, 2))
    model = openvino.Core().read_model(network.onnx_bytes(task, batches[0]))
    makers = {"one request at a time (LATENCY)": lambda: one_request(task, model, batches)}
    if task.threads > 1:
        makers["queue of requests (THROUGHPUT)"] = lambda: queue(task, model, batches)
    return {"OpenVINO": openvino.__version__.split("-")[0]}, makers, None


if __name__ == "__main__":
    child.serve(prepare)
