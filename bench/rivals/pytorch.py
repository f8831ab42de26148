"""PyTorch: a loop over shuffled batches. channels_last and the fused Adam; tried: eager, and compiled by Inductor."""

import child
import network
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


def load(model, weights):
    """Keras's weights into PyTorch's shapes."""
    with torch.no_grad():
        for layer, name in ((model.conv1, "conv2d"), (model.conv2, "conv2d_1"), (model.dense1, "dense"), (model.dense2, "dense_1")):
            kernel = torch.from_numpy(weights[f"{name}/kernel"])
            layer.weight.copy_(kernel.permute(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T)
            layer.bias.copy_(torch.from_numpy(weights[f"{name}/bias"]))


def training(task, x, y, compile_it):
    plain = Notebook()
    load(plain, network.load_weights(task.weights))
    plain = plain.to(memory_format=torch.channels_last)
    model = torch.compile(plain) if compile_it else plain
    optimizer = torch.optim.Adam(plain.parameters(), lr=1e-3, eps=1e-7, fused=True)
    bf16 = task.precision == "bf16"

    def run(batches):
        order = torch.randperm(len(x))[:batches * task.batch]
        total = torch.zeros(())
        for rows in order.split(task.batch):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
                logits = model(x[rows])
            loss = F.cross_entropy(logits.float(), y[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += loss.detach()
        return float(total) / batches

    return child.Setting(run)


def prepare(task):
    torch.set_num_threads(task.threads)
    torch.manual_seed(0)
    pixels, labels = child.images(task)
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    y = torch.from_numpy(labels)
    kind = "autocast bfloat16, " if task.precision == "bf16" else ""
    makers = {
        f"{kind}channels_last, fused Adam, eager": lambda: training(task, x, y, False),
        f"{kind}channels_last, fused Adam, torch.compile": lambda: training(task, x, y, True),
    }
    return {"PyTorch": torch.__version__}, makers, len(x) // task.batch


if __name__ == "__main__":
    child.serve(prepare)
