"""JAX: one jitted step (forward, gradients, Adam, gather of the batch), arguments donated. Tried: NHWC and NCHW, and max pooling as
reduce_window or as a maximum over a reshaped axis (whose gradient shares ties, which is cheaper on XLA's CPU backend)."""

import os

os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import child
import network


def forward(parameters, x, layout, reshaped):
    channels = layout.index("C")

    def pool(x):
        if not reshaped:
            window = tuple(1 if axis in "NC" else 2 for axis in layout)
            return lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")
        n, h, w = (x.shape[layout.index(axis)] for axis in "NHW")
        if channels == 3:
            return x[:, :h // 2 * 2, :w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2, -1).max((2, 4))
        return x[:, :, :h // 2 * 2, :w // 2 * 2].reshape(n, -1, h // 2, 2, w // 2, 2).max((3, 5))

    kernel_layout = "HWIO" if channels == 3 else "OIHW"
    for layer in ("conv2d", "conv2d_1"):
        x = lax.conv_general_dilated(x, parameters[f"{layer}/kernel"], (1, 1), "VALID", dimension_numbers=(layout, kernel_layout, layout))
        bias = parameters[f"{layer}/bias"]
        x = pool(jax.nn.relu(x + (bias if channels == 3 else bias[:, None, None])))
    x = x.reshape(len(x), -1)
    x = jax.nn.relu(x @ parameters["dense/kernel"] + parameters["dense/bias"])
    return x @ parameters["dense_1/kernel"] + parameters["dense_1/bias"]


def training(task, x, y, layout, reshaped):
    weights = network.load_weights(task.weights)
    if layout == "NCHW":
        weights, x = network.channels_first(weights), x.transpose(0, 3, 1, 2)
    x, y = jnp.asarray(x), jnp.asarray(y)
    parameters = {name: jnp.asarray(value) for name, value in weights.items()}
    zeros = lambda: {name: jnp.zeros_like(value) for name, value in parameters.items()}
    state = parameters, zeros(), zeros(), jnp.zeros(())

    def step(state, x, y, rows):
        parameters, m, v, t = state

        def loss_of(parameters):
            scores = jax.nn.log_softmax(forward(parameters, x[rows], layout, reshaped))
            return -jnp.take_along_axis(scores, y[rows][:, None], 1).mean()

        loss, gradients = jax.value_and_grad(loss_of)(parameters)
        t = t + 1
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradients)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradients)
        rate = 1e-3 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        parameters = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-7), parameters, m, v)
        return (parameters, m, v, t), loss

    step = jax.jit(step, donate_argnums=0)
    generator = np.random.default_rng(0)

    def run(batches):
        nonlocal state
        order = generator.permutation(len(x))[:batches * task.batch].reshape(batches, task.batch)
        losses = []
        for rows in order:
            state, loss = step(state, x, y, rows)
            losses.append(loss)
        return float(jnp.stack(losses).mean())

    return child.Setting(run)


def prepare(task):
    x, y = child.images(task)
    makers = {}
    for layout in ("NHWC", "NCHW"):
        for reshaped in (False, True):
            makers[f"jit, {layout}, {'maximum over a reshaped axis' if reshaped else 'reduce_window'}"] = (
                lambda layout=layout, reshaped=reshaped: training(task, x, y.astype("int32"), layout, reshaped))
    return {"JAX": jax.__version__}, makers, len(x) // task.batch


if __name__ == "__main__":
    child.serve(prepare)
