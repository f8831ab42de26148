"""OpenVINO: one convolution, the ONNX file compiled for the CPU, input and output in place. Tried: input and output as NCHW and as NHWC,
one request at a time (latency), and for batches its queue of requests (throughput), which computes several batches side by side."""

import child
import convolution
import numpy as np
import openvino
from open_vino import compiled


def model_of(file, channels_last):
    model = openvino.Core().read_model(file)
    if not channels_last:
        return model
    steps = openvino.preprocess.PrePostProcessor(model)
    steps.input().tensor().set_layout(openvino.Layout("NHWC"))
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    steps.output().model().set_layout(openvino.Layout("NCHW"))
    steps.output().tensor().set_layout(openvino.Layout("NHWC"))
    return steps.build()


def sketched(result, channels_last):
    return convolution.sketch(result if channels_last else result.transpose(0, 2, 3, 1))


def one_request(task, file, x, channels_last):
    request = compiled(task, model_of(file, channels_last), "LATENCY").create_infer_request()
    request.set_input_tensor(openvino.Tensor(x, shared_memory=True))

    def run(count):
        for _ in range(count):
            request.infer()

    return child.Setting(run, lambda: sketched(request.get_output_tensor().data, channels_last))


def queue(task, file, x, channels_last):
    network = compiled(task, model_of(file, channels_last), "THROUGHPUT")
    requests = openvino.AsyncInferQueue(network)
    tensor = openvino.Tensor(x, shared_memory=True)

    def run(count):
        for _ in range(count):
            requests.start_async({0: tensor}, share_inputs=True)
        requests.wait_all()

    return child.Setting(run, lambda: sketched(network({0: tensor})[0], channels_last))


def prepare(task):
    c = convolution.parse(task)
    file, x = convolution.onnx_model(c), c.input()
    first = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    makers = {"NCHW, latency": lambda: one_request(task, file, first, False), "NHWC, latency": lambda: one_request(task, file, x, True)}
    if task.threads > 1 and task.batch > 1:
        makers["NHWC, throughput"] = lambda: queue(task, file, x, True)
    return {"OpenVINO": openvino.__version__.split("-")[0]}, makers, None


if __name__ == "__main__":
    child.serve(prepare)
