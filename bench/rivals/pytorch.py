"""PyTorch: a loop over shuffled batches. channels_last and the fused optimizer; tried: eager, and compiled by Inductor."""

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


def network_and_optimizer(task):
    if task.network == "notebook":
        plain = Notebook().to(memory_format=torch.channels_last)
        return plain, torch.optim.Adam(plain.parameters(), lr=1e-3, eps=1e-7, fused=True)
    plain = Vgg(task.network == "vgg_pool_first").to(memory_format=torch.channels_last)
    return plain, torch.optim.SGD(plain.parameters(), lr=0.01, momentum=0.9, fused=True)


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


def prepare(task):
    torch.set_num_threads(task.threads)
    torch.manual_seed(0)
    pixels, labels = child.images(task)
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    y = torch.from_numpy(labels)
    kind = "autocast bfloat16, " if task.precision == "bf16" else ""
    optimizer = "Adam" if task.network == "notebook" else "SGD"
    makers = {
        f"{kind}channels_last, fused {optimizer}, eager": lambda: training(task, x, y, False),
        f"{kind}channels_last, fused {optimizer}, torch.compile": lambda: training(task, x, y, True),
    }
    return {"PyTorch": torch.__version__}, makers, len(x) // task.batch


if __name__ == "__main__":
    child.serve(prepare)
