"""PyTorch, channels_last; tried: eager, and compiled by Inductor, for inference with frozen weights, which folds the normalization into the
convolutions. Training is a loop over shuffled batches with the fused optimizer."""

import io

import child
import network
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class Notebook(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 32, 3), nn.Conv2d(32, 32, 3)
        self.dense1, self.dense2 = nn.Linear(800, 128), nn.Linear(128, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.permute(0, 2, 3, 1).flatten(1)  # as the bytes lie in channels_last: no copy
        return self.dense2(F.relu(self.dense1(x)))


class Vgg(nn.Sequential):
    def __init__(self, pool_first):
        stack, channels = [], 3
        for filters in network.VGG_FILTERS:
            for pools in (False, True):
                norm = [nn.BatchNorm2d(filters, eps=1e-3, momentum=0.01), nn.ReLU()]
                pool = [nn.MaxPool2d(2)] if pools else []
                stack += [nn.Conv2d(channels, filters, 3, padding=1, bias=False), *(pool + norm if pool_first else norm + pool)]
                channels = filters
        super().__init__(*stack, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


class VggSmall(nn.Module):
    """linn.models.vgg_small. Flattened as the bytes lie in channels_last, as Keras's kernel wants it."""

    def __init__(self):
        super().__init__()
        stack, channels = [], 3
        for filters in (128, 256, 512):
            for _ in range(2):
                stack += [nn.Conv2d(channels, filters, 3, padding=1, bias=False), nn.BatchNorm2d(filters, eps=1e-3, momentum=0.01), nn.ReLU()]
                channels = filters
            stack.append(nn.MaxPool2d(2))
        self.trunk, self.dense = nn.Sequential(*stack), nn.Linear(4 * 4 * channels, 10)

    def forward(self, x):
        return self.dense(self.trunk(x).permute(0, 2, 3, 1).flatten(1))


class BasicBlock(nn.Module):
    """Modules in the order of Keras's layers, for `load`. TensorFlow's "same" of an even map with a stride of 2 pads below and to the right
    alone."""

    def __init__(self, channels, filters):
        super().__init__()
        self.smaller = channels != filters
        norm = lambda: nn.BatchNorm2d(filters, eps=1e-3, momentum=0.01)
        self.conv1 = nn.Conv2d(channels, filters, 3, stride=2 if self.smaller else 1, padding=0 if self.smaller else 1, bias=False)
        self.bn1 = norm()
        if self.smaller:
            self.shortcut_conv = nn.Conv2d(channels, filters, 1, stride=2, bias=False)
        self.conv2 = nn.Conv2d(filters, filters, 3, padding=1, bias=False)
        if self.smaller:
            self.shortcut_bn = norm()
        self.bn2 = norm()

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(F.pad(x, (0, 1, 0, 1)) if self.smaller else x)))
        shortcut = self.shortcut_bn(self.shortcut_conv(x)) if self.smaller else x
        return F.relu(shortcut + self.bn2(self.conv2(y)))


class ResNet20(nn.Sequential):
    """linn.models.resnet20."""

    def __init__(self):
        stack, channels = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16, eps=1e-3, momentum=0.01), nn.ReLU()], 16
        for filters in (16, 32, 64):
            for _ in range(3):
                stack.append(BasicBlock(channels, filters))
                channels = filters
        super().__init__(*stack, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


class Bottleneck(nn.Module):
    """Modules in the order of Keras's layers, for `load`."""

    def __init__(self, channels, filters, stride):
        super().__init__()
        self.first = channels != 4 * filters
        norm = lambda filters: nn.BatchNorm2d(filters, eps=1.001e-5, momentum=0.01)
        self.conv1, self.bn1 = nn.Conv2d(channels, filters, 1, stride=stride), norm(filters)
        self.conv2, self.bn2 = nn.Conv2d(filters, filters, 3, padding=1), norm(filters)
        if self.first:
            self.shortcut_conv = nn.Conv2d(channels, 4 * filters, 1, stride=stride)
        self.conv3 = nn.Conv2d(filters, 4 * filters, 1)
        if self.first:
            self.shortcut_bn = norm(4 * filters)
        self.bn3 = norm(4 * filters)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(F.relu(self.bn2(self.conv2(y)))))
        return F.relu((self.shortcut_bn(self.shortcut_conv(x)) if self.first else x) + y)


class ResNet50(nn.Sequential):
    """linn.models.resnet50."""

    def __init__(self):
        stack = [nn.Conv2d(3, 64, 7, stride=2, padding=3), nn.BatchNorm2d(64, eps=1.001e-5, momentum=0.01), nn.ReLU(),
                 nn.MaxPool2d(3, stride=2, padding=1)]
        channels = 64
        for filters, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
            for block in range(blocks):
                stack.append(Bottleneck(channels, filters, 2 if filters > 64 and block == 0 else 1))
                channels = 4 * filters
        super().__init__(*stack, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000))


def normalized_convolution(channels, filters, window, stride=1, groups=1, activation=True):
    """Of MobileNetV2. TensorFlow's "same" of an even map with a stride of 2 pads below and to the right alone."""
    padding = [nn.ZeroPad2d((0, 1, 0, 1))] if stride == 2 else []
    convolution = nn.Conv2d(channels, filters, window, stride=stride, padding=0 if stride == 2 else window // 2, groups=groups, bias=False)
    return [*padding, convolution, nn.BatchNorm2d(filters, eps=1e-3, momentum=0.001), *([nn.ReLU6()] if activation else [])]


class InvertedResidual(nn.Module):
    def __init__(self, channels, filters, stride, expansion):
        super().__init__()
        self.adds, wide = stride == 1 and channels == filters, expansion * channels
        expand = normalized_convolution(channels, wide, 1) if expansion > 1 else []
        self.stack = nn.Sequential(*expand, *normalized_convolution(wide, wide, 3, stride, groups=wide),
                                   *normalized_convolution(wide, filters, 1, activation=False))

    def forward(self, x):
        return x + self.stack(x) if self.adds else self.stack(x)


class MobileNetV2(nn.Sequential):
    """linn.models.mobilenet_v2."""

    def __init__(self):
        stack, channels = normalized_convolution(3, 32, 3, stride=2), 32
        for expansion, filters, blocks, stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
                                                   (6, 320, 1, 1)):
            for block in range(blocks):
                stack.append(InvertedResidual(channels, filters, stride if block == 0 else 1, expansion))
                channels = filters
        super().__init__(*stack, *normalized_convolution(channels, 1280, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1000))


def torch_kernel(module, kernel):
    """Keras's kernel in PyTorch's shape. A depthwise one has its channels third in Keras, first in PyTorch."""
    if kernel.ndim == 2:
        return kernel.T
    return kernel.permute(2, 3, 0, 1) if module.groups > 1 else kernel.permute(3, 2, 0, 1)


def load(model, weights):
    """Keras's weights, which come layer by layer as PyTorch's do, into PyTorch's shapes."""
    values = iter(torch.from_numpy(value) for value in weights.values())
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                module.weight.copy_(torch_kernel(module, next(values)))
                if module.bias is not None:
                    module.bias.copy_(next(values))
            elif isinstance(module, nn.BatchNorm2d):
                for to in (module.weight, module.bias, module.running_mean, module.running_var):
                    to.copy_(next(values))


def built(name):
    makers = {"notebook": Notebook, "vgg": lambda: Vgg(False), "vgg_pool_first": lambda: Vgg(True), "resnet20": ResNet20, "vgg_small": VggSmall,
              "resnet50": ResNet50, "mobilenet_v2": MobileNetV2, "mobilenet_v2_96": MobileNetV2}
    return makers[name]().to(memory_format=torch.channels_last)


def network_and_optimizer(task):
    plain = built(task.network)
    if task.network == "notebook":
        return plain, torch.optim.Adam(plain.parameters(), lr=1e-3, eps=1e-7, fused=True)
    return plain, torch.optim.SGD(plain.parameters(), lr=network.learning_rate(task.network), momentum=0.9, fused=True)


def loaded(task):
    """The network for inference, ending in probabilities."""
    model = built(task.network)
    load(model, network.load_weights(task.weights))
    return nn.Sequential(model, nn.Softmax(1)).eval().requires_grad_(False)


def exported(task, batch):
    """The network for inference as the bytes of an ONNX file."""
    file = io.BytesIO()
    torch.onnx.export(loaded(task), (torch.from_numpy(batch),), file, input_names=["x"], output_names=["probabilities"], dynamo=False)
    return file.getvalue()


def training(task, x, y, compile_it):
    plain, optimizer = network_and_optimizer(task)
    weights = network.load_weights(task.weights)
    load(plain, weights)
    model = torch.compile(plain) if compile_it else plain
    bf16 = task.precision == "bf16"

    def step(x, y):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            logits = model(x)
        loss = F.cross_entropy(logits.float(), y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.detach()

    def run(batches):
        order = torch.randperm(len(x))[:batches * task.batch]
        total = torch.zeros(())
        for rows in order.split(task.batch):
            total += step(x[rows], y[rows])
        return float(total) / batches

    def first_losses():
        load(plain, weights)
        optimizer.state.clear()
        return np.array([float(step(x[:task.batch], y[:task.batch])) for _ in range(child.CHECKED_STEPS)])

    return child.Setting(run, None if task.network == "notebook" else first_losses)


def inference(task, batches, compile_it):
    model = torch.compile(loaded(task), options={"freezing": True}) if compile_it else loaded(task)
    tensors = [torch.from_numpy(batch).permute(0, 3, 1, 2) for batch in batches]

    @torch.inference_mode()
    def run(count):
        for i in range(count):
            model(tensors[i % len(tensors)])

    @torch.inference_mode()
    def outputs():
        return np.concatenate([model(x).numpy() for x in child.first_images(tensors)])

    return child.Setting(run, outputs)


def prepare(task):
    torch.set_num_threads(task.threads)
    torch.manual_seed(0)
    pixels, labels = child.images(task)
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    y = torch.from_numpy(labels)
    kind = "autocast bfloat16, " if task.precision == "bf16" else ""
    optimizer = "Adam" if task.network == "notebook" else "SGD"
    if task.mode == "infer":
        batches = child.inference_batches(task, pixels)
        makers = {f"channels_last, {how}": lambda compile_it=compile_it: inference(task, batches, compile_it)
                  for how, compile_it in (("eager", False), ("torch.compile, frozen", True))}
        return {"PyTorch": torch.__version__}, makers, None
    makers = {
        f"{kind}channels_last, fused {optimizer}, eager": lambda: training(task, x, y, False),
        f"{kind}channels_last, fused {optimizer}, torch.compile": lambda: training(task, x, y, True),
    }
    return {"PyTorch": torch.__version__}, makers, len(x) // task.batch


if __name__ == "__main__":
    child.serve(prepare)
