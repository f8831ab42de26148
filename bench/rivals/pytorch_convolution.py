"""PyTorch, eager: one convolution, in channels_last and in its default layout. Padding that is not the same on both sides is a call of its
own (F.pad), or, of a transposed convolution, a part of the result that is left out."""

import child
import convolution
import torch
import torch.nn.functional as F


def convolve(c):
    """The function from (x, kernel, bias) to the convolution's result."""
    axes = c.rows, c.columns
    if c.transposed:
        reaches = [(window - 1) * c.dilation + 1 for window in c.window]
        longer = [max(c.stride - reach, 0) for reach in reaches]
        return lambda x, kernel, bias: F.conv_transpose2d(
            x, kernel, bias, c.stride, [axis.before for axis in axes], longer, dilation=c.dilation)[:, :, :axes[0].out, :axes[1].out]
    if all(axis.before == axis.after for axis in axes):
        padding = [axis.before for axis in axes]
        return lambda x, kernel, bias: F.conv2d(x, kernel, bias, c.stride, padding, c.dilation, c.groups)
    sides = (c.columns.before, c.columns.after, c.rows.before, c.rows.after)
    return lambda x, kernel, bias: F.conv2d(F.pad(x, sides), kernel, bias, c.stride, 0, c.dilation, c.groups)


def pool(c):
    return {"": lambda y: y,
            "maxpool": lambda y: F.max_pool2d(y, c.pool_window, c.pool_stride),
            "averagepool": lambda y: F.avg_pool2d(y, c.pool_window, c.pool_stride),
            "globalmaxpool": lambda y: torch.amax(y, (2, 3), keepdim=True),
            "globalaveragepool": lambda y: torch.mean(y, (2, 3), keepdim=True)}[c.pool]


def setting(c, layout):
    x = torch.from_numpy(c.input()).permute(0, 3, 1, 2).contiguous(memory_format=layout)
    kernel = torch.from_numpy(c.kernel()).contiguous(memory_format=layout)
    bias = torch.from_numpy(c.bias())
    convolve_, pool_ = convolve(c), pool(c)

    @torch.inference_mode()
    def infer():
        return pool_(convolve_(x, kernel, bias).relu_())

    def run(count):
        for _ in range(count):
            infer()

    return child.Setting(run, lambda: convolution.sketch(infer().permute(0, 2, 3, 1).numpy()))


def prepare(task):
    torch.set_num_threads(task.threads)
    c = convolution.parse(task)
    makers = {"channels_last": lambda: setting(c, torch.channels_last), "contiguous": lambda: setting(c, torch.contiguous_format)}
    return {"PyTorch": torch.__version__}, makers, None


if __name__ == "__main__":
    child.serve(prepare)
