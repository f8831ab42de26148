"""PyTorch, channels_last; tried: eager, and compiled by Inductor. Training is a loop over shuffled batches with the fused optimizer."""

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


def load(model, weights):
    """Keras's weights, which come layer by layer as PyTorch's do, into PyTorch's shapes."""
    values = iter(torch.from_numpy(value) for value in weights.values())
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                kernel = next(values)
                module.weight.copy_(kernel.permute(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T)
                if module.bias is not None:
                    module.bias.copy_(next(values))
            elif isinstance(module, nn.BatchNorm2d):
                for to in (module.weight, module.bias, module.running_mean, module.running_var):
                    to.copy_(next(values))


def built(name):
    makers = {"notebook": Notebook, "vgg": lambda: Vgg(False), "vgg_pool_first": lambda: Vgg(True), "resnet20": ResNet20, "vgg_small": VggSmall}
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
    model = torch.compile(loaded(task)) if compile_it else loaded(task)
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
                  for how, compile_it in (("eager", False), ("torch.compile", True))}
        return {"PyTorch": torch.__version__}, makers, None
    makers = {
        f"{kind}channels_last, fused {optimizer}, eager": lambda: training(task, x, y, False),
        f"{kind}channels_last, fused {optimizer}, torch.compile": lambda: training(task, x, y, True),
    }
    return {"PyTorch": torch.__version__}, makers, len(x) // task.batch


if __name__ == "__main__":
    child.serve(prepare)
