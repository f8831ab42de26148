"""linn's own layers for Keras 3.

linn writes .keras files with layers that Keras does not have. Import this file before such a file is loaded:

    import keras, keras_layers
    model = keras.models.load_model("x.keras")

It needs Keras 3 alone (numpy comes with it), with any backend. The classes have linn's names, defaults and variables. Where Keras has a class of the same name
(Conv2D, DepthwiseConv2D, SeparableConv2D, MaxPooling2D, AveragePooling2D and their 1D forms), the class here is Keras's with more paddings,
and poolings have a dilation and ceil_mode.
Images are "channels_last".

What differs from linn:
- Adaptive and learnable polyphase sampling: where two phases have the same score and other contents, linn compares their contents, so that
  the choice follows a shift; here the first phase is taken. linn's sums do not depend on the order of their terms; those of Keras do.
- StochasticPooling2D: the cells of training are drawn by Keras.
- LearnablePolyphaseSampling2D: the noise of training is drawn by Keras. The temperature falls with the training calls since the layer was
  made or loaded: a file does not hold their number.
- FractionalMaxPooling2D: the borders of training are other ones than linn's, and drawn once for each time that the layer is traced.
- Functions with arguments (gelu with approximate=True, ...) are callables here, as keras.activations has functions without arguments alone.
- OneCycle: linn takes `total_steps=0` for all steps of each fit. Keras does not tell a schedule this number, so it must be given here.
- Keras's own schedules with `decay_steps=0` (`first_decay_steps`), which linn takes for all steps of each fit, cannot be loaded: give the number.
"""

import functools
import itertools
import math

import keras
import numpy as np
from keras import ops

PACKAGE = "linn"
register = keras.saving.register_keras_serializable(package=PACKAGE)


def _pair(value):
    """A number, or two: (height, width)."""
    if isinstance(value, int):
        return (value, value)
    height, width = value
    return (int(height), int(width))


def _several(value, count):
    """A number, or `count` of them."""
    return (value,) * count if isinstance(value, int) else tuple(int(part) for part in value)


def _check(value, name, allowed):
    if value not in allowed:
        raise ValueError(f'{name} is "{value}"; allowed are {", ".join(allowed)}')
    return value


def _check_layout(data_format):
    if data_format not in (None, "channels_last"):
        raise ValueError(f'data_format is "{data_format}"; "channels_last" is allowed')
    return "channels_last"


def _same_pads(size, extent, stride):
    """Pads of padding="same" before and after an axis of `size` pixels, for a window that spans `extent` pixels."""
    total = (-(-size // stride) - 1) * stride + extent - size
    total = max(total, 0) if isinstance(total, int) else ops.maximum(total, 0)
    return total // 2, total - total // 2


def _pad_axis(x, axis, before, after, border):
    """Puts rows or columns around a map. Beyond the border of a b c d lies: reflect c b|..|c b, replicate a a|..|d d, circular c d|..|a b,
    zero and least (-infinity) that number."""
    if border in ("zero", "least"):
        pads = [(0, 0)] * len(x.shape)
        pads[axis] = (before, after)
        return ops.pad(x, pads, constant_values=0 if border == "zero" else -float("inf"))
    size = ops.shape(x)[axis]
    places = ops.arange(before + size + after) - before
    if border == "circular":
        places = ops.mod(places, size)
    elif border == "replicate":
        places = ops.clip(places, 0, size - 1)
    else:
        places = (size - 1) - ops.abs((size - 1) - ops.abs(places))
    return ops.take(x, places, axis=axis)


# ---- paddings that Keras lacks -------------------------------------------------------------------------------------


class _OwnPadding:
    """A layer of Keras with more paddings. "circular", "reflect" and "replicate": the pads of "same", filled from the opposite side, by
    reflection without the edge, or with the edge. Numbers of rows and columns, ((top, bottom), (left, right)), over steps (before, after):
    zeros, or filled as `border` says in {"pads": ((top, bottom), (left, right)), "border": "reflect"}. Where `_paddings` says so, "full": zeros, (kernel_size - 1) *
    dilation_rate on every side. Give `padding` by name."""

    _rank = 2  # axes of a window
    _paddings = ("circular", "reflect", "replicate")
    _beyond = "zero"  # what numbers of rows and columns are filled with

    def __init__(self, *args, padding="valid", **kwargs):
        if isinstance(padding, dict):
            border = _check(padding["border"], "border", ("reflect", "replicate", "zero", "circular"))
            padding = {"pads": tuple(_pair(sides) for sides in padding["pads"])[-self._rank :], "border": border}
        elif not isinstance(padding, str):
            padding = (_pair(padding),) if self._rank == 1 else tuple(_pair(sides) for sides in padding)
        own = not isinstance(padding, str) or padding in self._paddings
        super().__init__(*args, padding="valid" if own else padding, **kwargs)
        self._own_padding = padding if own else None
        if own:
            _check_layout(self.data_format)

    def _border(self):
        """What the pads hold."""
        border = self._own_padding["border"] if isinstance(self._own_padding, dict) else self._own_padding
        return border if border in ("circular", "reflect", "replicate") else self._beyond

    def _window(self):
        """For each axis: how many pixels the window spans, and the stride."""
        sizes = getattr(self, "kernel_size", None) or self.pool_size
        dilation = getattr(self, "dilation_rate", 1)
        return [((k - 1) * d + 1, s) for k, d, s in zip(*(_several(value, self._rank) for value in (sizes, dilation, self.strides)))]

    def _pads(self, axis, size):
        if isinstance(self._own_padding, dict):
            return self._own_padding["pads"][axis]
        if not isinstance(self._own_padding, str):
            return self._own_padding[axis]
        extent, stride = self._window()[axis]
        return (extent - 1, extent - 1) if self._own_padding == "full" else _same_pads(size, extent, stride)

    def _padded_shape(self, shape):
        if self._own_padding is None:
            return shape
        shape = list(shape)
        for axis in range(self._rank):
            if shape[axis + 1] is not None:
                shape[axis + 1] += sum(self._pads(axis, shape[axis + 1]))
        return tuple(shape)

    def compute_output_shape(self, input_shape):
        return super().compute_output_shape(self._padded_shape(input_shape))

    def _padded(self, inputs):
        for axis in range(self._rank):
            before, after = self._pads(axis, ops.shape(inputs)[axis + 1])
            inputs = _pad_axis(inputs, axis + 1, before, after, self._border())
        return inputs

    def call(self, inputs):
        return super().call(inputs if self._own_padding is None else self._padded(inputs))

    def get_config(self):
        config = super().get_config()
        if self._own_padding is not None:
            plain = self._rank == 1 and not isinstance(self._own_padding, str)
            config["padding"] = self._own_padding[0] if plain else self._own_padding
        return config


@register
class Conv2D(_OwnPadding, keras.layers.Conv2D):
    """keras.layers.Conv2D with linn's own paddings too.

    "circular": Schubert et al., "Circular convolutional neural networks for panoramic images and laser data", IV 2019. "full": Kayhan and
    van Gemert, "On translation invariance in CNNs: Convolutional layers can exploit absolute spatial location", CVPR 2020."""

    _paddings = ("circular", "reflect", "replicate", "full")


@register
class DepthwiseConv2D(_OwnPadding, keras.layers.DepthwiseConv2D):
    """keras.layers.DepthwiseConv2D with linn's own paddings too (papers: Conv2D)."""

    _paddings = ("circular", "reflect", "replicate", "full")


@register
class SeparableConv2D(_OwnPadding, keras.layers.SeparableConv2D):
    """keras.layers.SeparableConv2D with linn's own paddings too (papers: Conv2D)."""

    _paddings = ("circular", "reflect", "replicate", "full")


@register
class Conv1D(_OwnPadding, keras.layers.Conv1D):
    """keras.layers.Conv1D with linn's own paddings too (papers: Conv2D)."""

    _rank, _paddings = 1, ("circular", "reflect", "replicate", "full")


@register
class DepthwiseConv1D(_OwnPadding, keras.layers.DepthwiseConv1D):
    """keras.layers.DepthwiseConv1D with linn's own paddings too (papers: Conv2D)."""

    _rank, _paddings = 1, ("circular", "reflect", "replicate", "full")


@register
class SeparableConv1D(_OwnPadding, keras.layers.SeparableConv1D):
    """keras.layers.SeparableConv1D with linn's own paddings too (papers: Conv2D)."""

    _rank, _paddings = 1, ("circular", "reflect", "replicate", "full")


class _OwnPooling(_OwnPadding):
    """A pooling of Keras with more paddings (numbers of rows and columns are left out of the windows), with `dilation_rate`: pixels from one
    cell of a window to the next, and `ceil_mode`: whether the last window may reach beyond the end of the map, as in PyTorch."""

    def __init__(self, *args, dilation_rate=1, ceil_mode=False, **kwargs):
        super().__init__(*args, **kwargs)
        self.dilation_rate = _several(dilation_rate, self._rank)
        self.ceil_mode = bool(ceil_mode)
        if self.ceil_mode and (self.padding != "valid" or isinstance(self._own_padding, str)):
            raise ValueError(f'ceil_mode goes with padding "valid" and numbers; padding is "{self._own_padding or self.padding}"')
        if not self._is_kerass():
            _check_layout(self.data_format)

    def _is_kerass(self):
        """Whether the pooling of Keras computes it, of a map that is padded first."""
        return all(rate == 1 for rate in self.dilation_rate) and not self.ceil_mode

    def _axis(self, axis, size):
        """Pads before and after, cells beyond the end that ceil_mode adds, and the size of the output."""
        extent, stride = self._window()[axis]
        if self._own_padding is not None:
            before, after = self._pads(axis, size)
        else:
            before, after = _same_pads(size, extent, stride) if self.padding == "same" else (0, 0)
        whole = before + size + after
        if not self.ceil_mode:
            return before, after, 0, (whole - extent) // stride + 1
        out = -(-(whole - extent) // stride) + 1
        end = whole if self._border() != self._beyond else before + size
        if (out - 1) * stride >= end:
            out -= 1
        return before, after, max(0, (out - 1) * stride + extent - whole), out

    def compute_output_shape(self, input_shape):
        if self._is_kerass():
            return super().compute_output_shape(input_shape)
        sizes = [None if size is None else self._axis(axis, size)[3] for axis, size in enumerate(input_shape[1:-1])]
        return (input_shape[0], *sizes, input_shape[-1])

    def _cells(self, inputs, beyond):
        """The map of each cell of the window, of maps with `beyond` around them."""
        for axis in range(self._rank):
            before, after, more, _ = self._axis(axis, inputs.shape[axis + 1] or ops.shape(inputs)[axis + 1])
            border = beyond if self._own_padding is None or self._border() == self._beyond else self._border()
            inputs = _pad_axis(inputs, axis + 1, before, after, border)
            inputs = _pad_axis(inputs, axis + 1, 0, more, beyond)
        sizes = ops.shape(inputs)[1:-1]
        cells = []
        for cell in itertools.product(*(range(size) for size in self.pool_size)):
            starts = [place * rate for place, rate in zip(cell, self.dilation_rate)]
            slices = [slice(start, size - extent + 1 + start, step) for start, size, (extent, step) in zip(starts, sizes, self._window())]
            cells.append(inputs[(slice(None), *slices)])
        return cells

    def get_config(self):
        config = super().get_config()
        if any(rate != 1 for rate in self.dilation_rate):
            config["dilation_rate"] = self.dilation_rate
        if self.ceil_mode:
            config["ceil_mode"] = True
        return config


class _MaxPooling(_OwnPooling):
    _beyond = "least"

    def call(self, inputs):
        return super().call(inputs) if self._is_kerass() else functools.reduce(ops.maximum, self._cells(inputs, "least"))


class _AveragePooling(_OwnPooling):
    def call(self, inputs):
        if not self._is_kerass():
            return sum(self._cells(inputs, "zero")) / sum(self._cells(ops.ones_like(inputs), "zero"))
        if self._own_padding is None or self._border() != "zero":
            return super().call(inputs)
        mean = keras.layers.AveragePooling2D.call  # of windows of any rank
        return mean(self, self._padded(inputs)) / mean(self, self._padded(ops.ones_like(inputs)))


@register
class MaxPooling2D(_MaxPooling, keras.layers.MaxPooling2D):
    """keras.layers.MaxPooling2D with linn's own paddings, dilation_rate and ceil_mode too. Rows and
    columns given as numbers are left out of the maximum."""


@register
class AveragePooling2D(_AveragePooling, keras.layers.AveragePooling2D):
    """keras.layers.AveragePooling2D with linn's own paddings, dilation_rate and ceil_mode too. Rows and
    columns given as numbers are left out of the mean."""


@register
class MaxPooling1D(_MaxPooling, keras.layers.MaxPooling1D):
    """keras.layers.MaxPooling1D with linn's own paddings, dilation_rate and ceil_mode too; steps given as numbers are left out of the maximum."""

    _rank = 1


@register
class AveragePooling1D(_AveragePooling, keras.layers.AveragePooling1D):
    """keras.layers.AveragePooling1D with linn's own paddings, dilation_rate and ceil_mode too; steps given as numbers are left out of the mean."""

    _rank = 1


# ---- poolings of other functions ---------------------------------------------------------------------------------------


class _GeneralPooling(_OwnPooling, keras.layers.AveragePooling2D):
    """One function of each window's cells inside the map. A subclass has `pool(x, inside)`: x (cells, images, rows, columns, channels) with
    zeros outside the map, inside the same with 1 and 0."""

    def __init__(self, pool_size=2, strides=None, padding="valid", data_format=None, **kwargs):
        super().__init__(pool_size, strides, padding=padding, data_format=_check_layout(data_format), **kwargs)

    def compute_output_shape(self, input_shape):
        sizes = [None if size is None else self._axis(axis, size)[3] for axis, size in enumerate(input_shape[1:3])]
        return (input_shape[0], *sizes, input_shape[3])

    def call(self, inputs, training=False):
        x = ops.stack(self._cells(inputs, "zero"))
        return self.pool(x, ops.stack(self._cells(ops.ones_like(inputs), "zero")), training)


class _GlobalGeneralPooling(keras.layers.Layer):
    """One function of each channel's cells. A subclass has `pool` as those of _GeneralPooling."""

    def __init__(self, data_format=None, keepdims=False, **kwargs):
        super().__init__(**kwargs)
        self.data_format = _check_layout(data_format)
        self.keepdims = keepdims

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 1, 1, input_shape[3]) if self.keepdims else (input_shape[0], input_shape[3])

    def call(self, inputs):
        x = ops.transpose(ops.reshape(inputs, (-1, inputs.shape[1] * inputs.shape[2], inputs.shape[3])), (1, 0, 2))[:, :, None, None]
        pooled = self.pool(x, ops.ones_like(x), False)
        return pooled if self.keepdims else pooled[:, 0, 0]

    def get_config(self):
        config = super().get_config()
        config.update(data_format=self.data_format, keepdims=self.keepdims)
        return config


class _Norm:
    """The p-norm, (sum |x|^p)^(1/p): Sermanet, Chintala and LeCun, "Convolutional neural networks applied to house numbers digit
    classification", ICPR 2012."""

    def __init__(self, *args, p=2.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.p = float(p)
        if self.p < 1:
            raise ValueError(f"p is {p}; 1 or more is allowed")

    def pool(self, x, inside, training):
        size = ops.abs(x)
        largest = ops.max(size, axis=0)
        positive = largest > 0
        scale = ops.where(positive, largest, 1.0)
        total = ops.sum(ops.power(size / scale, self.p), axis=0)
        return ops.where(positive, scale * ops.power(ops.where(positive, total, 1.0), 1 / self.p), 0.0)

    def get_config(self):
        return {**super().get_config(), "p": self.p}


@register
class LpPooling2D(_Norm, _GeneralPooling):
    __doc__ = _Norm.__doc__


@register
class GlobalLpPooling2D(_Norm, _GlobalGeneralPooling):
    __doc__ = _Norm.__doc__


class _GeneralizedMean:
    """GeM, (mean max(x, epsilon)^p)^(1/p) with a learned p: Radenovic, Tolias and Chum, "Fine-tuning CNN image retrieval with no human
    annotation", TPAMI 2018, equation 3."""

    def __init__(self, *args, p=3.0, per_channel=False, epsilon=1e-6, **kwargs):
        super().__init__(*args, **kwargs)
        self.first_p, self.per_channel, self.epsilon = float(p), bool(per_channel), float(epsilon)

    def build(self, input_shape):
        shape = (input_shape[-1] if self.per_channel else 1,)
        self.p = self.add_weight(name="p", shape=shape, initializer=keras.initializers.Constant(self.first_p))
        self.built = True

    def pool(self, x, inside, training):
        p = ops.where(ops.abs(self.p) < 0.01, ops.where(self.p < 0, -0.01, 0.01), self.p)
        powers = inside * ops.power(ops.maximum(x, self.epsilon), p)
        return ops.power(ops.sum(powers, axis=0) / ops.sum(inside, axis=0), 1 / p)

    def get_config(self):
        return {**super().get_config(), "p": self.first_p, "per_channel": self.per_channel, "epsilon": self.epsilon}


@register
class GeneralizedMeanPooling2D(_GeneralizedMean, _GeneralPooling):
    __doc__ = _GeneralizedMean.__doc__


@register
class GlobalGeneralizedMeanPooling2D(_GeneralizedMean, _GlobalGeneralPooling):
    __doc__ = _GeneralizedMean.__doc__


@register
class SoftPooling2D(_GeneralPooling):
    """sum w x, w = exp(x) / sum exp(x): Stergiou, Poppe and Kalliatakis, "Refining activation downsampling with SoftPool", ICCV 2021."""

    def pool(self, x, inside, training):
        weights = inside * ops.exp(x - ops.max(ops.where(inside > 0, x, -float("inf")), axis=0))
        return ops.sum(weights * x, axis=0) / ops.sum(weights, axis=0)


@register
class StochasticPooling2D(_GeneralPooling):
    """While training a cell drawn with probability w = max(x, 0) / sum max(x, 0), else sum w x: Zeiler and Fergus, "Stochastic pooling for
    regularization of deep convolutional neural networks", ICLR 2013."""

    def __init__(self, *args, seed=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.seed = seed

    def build(self, input_shape):
        self.generator = keras.random.SeedGenerator(self.seed)
        self.built = True

    def pool(self, x, inside, training):
        positive = ops.maximum(x, 0.0)
        total = ops.sum(positive, axis=0)
        if not training:
            return ops.sum(positive * x, axis=0) / ops.where(total > 0, total, 1.0)
        sums = ops.cumsum(positive, axis=0)
        past = ops.cast(sums > keras.random.uniform(ops.shape(total), seed=self.generator) * total, x.dtype)
        first = ops.concatenate([past[:1], past[1:] - past[:-1]])
        return ops.sum(ops.stop_gradient(first) * x, axis=0)

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


class _MaxAndMean(_GeneralPooling):
    def mixture(self, share, x, inside):
        largest = ops.max(ops.where(inside > 0, x, -float("inf")), axis=0)
        return share * largest + (1 - share) * ops.sum(x, axis=0) / ops.sum(inside, axis=0)


@register
class MixedPooling2D(_MaxAndMean):
    """alpha max + (1 - alpha) mean, alpha fixed or learned: Lee, Gallagher and Tu, "Generalizing pooling functions in convolutional neural
    networks: mixed, gated, and tree", AISTATS 2016."""

    def __init__(self, *args, alpha=0.5, learned=False, per_channel=False, **kwargs):
        super().__init__(*args, **kwargs)
        self.first_alpha, self.learned, self.per_channel = float(alpha), bool(learned), bool(per_channel)

    def build(self, input_shape):
        if self.learned:
            shape = (input_shape[-1] if self.per_channel else 1,)
            self.alpha = self.add_weight(name="alpha", shape=shape, initializer=keras.initializers.Constant(self.first_alpha))
        self.built = True

    def pool(self, x, inside, training):
        return self.mixture(self.alpha if self.learned else self.first_alpha, x, inside)

    def get_config(self):
        return {**super().get_config(), "alpha": self.first_alpha, "learned": self.learned, "per_channel": self.per_channel}


@register
class GatedPooling2D(_MaxAndMean):
    """g max + (1 - g) mean, g = sigmoid(sum v x) of each window: Lee, Gallagher and Tu 2016 (see MixedPooling2D)."""

    def __init__(self, *args, per_channel=False, gate_initializer="zeros", **kwargs):
        super().__init__(*args, **kwargs)
        self.per_channel = bool(per_channel)
        self.gate_initializer = keras.initializers.get(gate_initializer)

    def build(self, input_shape):
        shape = (*self.pool_size, input_shape[-1] if self.per_channel else 1)
        self.gate = self.add_weight(name="gate", shape=shape, initializer=self.gate_initializer)
        self.built = True

    def pool(self, x, inside, training):
        gate = ops.reshape(self.gate, (-1, 1, 1, 1, self.gate.shape[2]))
        return self.mixture(ops.sigmoid(ops.sum(gate * x, axis=0)), x, inside)

    def get_config(self):
        return {**super().get_config(), "per_channel": self.per_channel, "gate_initializer": keras.initializers.serialize(self.gate_initializer)}


# ---- blurs ---------------------------------------------------------------------------------------------------------


def _binomial(taps):
    """The coefficients of (1 + x)^(taps - 1), divided by their sum."""
    row = [1]
    for _ in range(taps - 1):
        row = [a + b for a, b in zip([0] + row, row + [0])]
    return [value / 2 ** (taps - 1) for value in row]


class _Blur(keras.layers.Layer):
    """What BlurPooling2D and MaxBlurPooling2D share: the blur and its options."""

    def __init__(self, filter_size, strides, border, pads, data_format, **kwargs):
        super().__init__(**kwargs)
        if not 2 <= filter_size <= 7:
            raise ValueError(f"filter_size is {filter_size}; 2 to 7 is allowed")
        self.filter_size = int(filter_size)
        self.strides = _pair(strides)
        self.border = _check(border, "border", ("reflect", "replicate", "zero", "circular"))
        self.pads = _check(pads, "pads", ("zhang", "timm", "kornia"))
        self.data_format = _check_layout(data_format)

    def _blur_pads(self, stride):
        taps = self.filter_size
        if self.pads == "timm":
            return ((stride + taps - 2) // 2,) * 2
        if self.pads == "kornia":
            return ((taps - 1) // 2,) * 2
        return (taps - 1) // 2, taps // 2

    def _blurred_size(self, axis, size):
        if size is None:
            return None
        return (size + sum(self._blur_pads(self.strides[axis])) - self.filter_size) // self.strides[axis] + 1

    def _blur_axis(self, x, axis):
        stride = self.strides[axis - 1]
        x = _pad_axis(x, axis, *self._blur_pads(stride), self.border)
        total = None
        for tap, weight in enumerate(_binomial(self.filter_size)):
            last = tap - self.filter_size + 1
            window = slice(tap, last if last < 0 else None, stride)
            part = weight * (x[:, window] if axis == 1 else x[:, :, window])
            total = part if total is None else total + part
        return total

    def blur(self, x):
        return self._blur_axis(self._blur_axis(x, 1), 2)

    def get_config(self):
        config = super().get_config()
        config.update(filter_size=self.filter_size, strides=self.strides, border=self.border, pads=self.pads, data_format=self.data_format)
        return config


@register
class BlurPooling2D(_Blur):
    """Anti-aliased downsampling: each channel is blurred by a binomial filter along both axes, and every stride-th pixel is kept.

    Zhang, "Making convolutional networks shift-invariant again", ICML 2019, arXiv 1904.11486."""

    def __init__(self, filter_size=4, strides=2, border="reflect", pads="zhang", data_format=None, **kwargs):
        super().__init__(filter_size, strides, border, pads, data_format, **kwargs)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return (batch, self._blurred_size(0, height), self._blurred_size(1, width), channels)

    def call(self, inputs):
        return self.blur(inputs)


@register
class MaxBlurPooling2D(_Blur):
    """The largest value of each window at stride 1, then BlurPooling2D with the strides, which are the window's size by default.

    Zhang, "Making convolutional networks shift-invariant again", ICML 2019, arXiv 1904.11486: MaxBlurPool."""

    def __init__(
        self, pool_size=2, filter_size=4, strides=None, padding="valid", dilation_rate=1, border="reflect", pads="zhang", data_format=None, **kwargs
    ):
        super().__init__(filter_size, pool_size if strides is None else strides, border, pads, data_format, **kwargs)
        self.pool_size = _pair(pool_size)
        self.maximum = MaxPooling2D(self.pool_size, 1, padding=padding, dilation_rate=dilation_rate)
        self.padding = self.maximum._own_padding or padding

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = self.maximum.compute_output_shape(input_shape)
        return (batch, self._blurred_size(0, height), self._blurred_size(1, width), channels)

    def call(self, inputs):
        return self.blur(self.maximum(inputs))

    def get_config(self):
        config = super().get_config()
        config.update(pool_size=self.pool_size, padding=self.padding)
        if self.maximum.dilation_rate != (1, 1):
            config["dilation_rate"] = self.maximum.dilation_rate
        return config


# ---- polyphase sampling --------------------------------------------------------------------------------------------


class _PolyphaseSampling2D(keras.layers.Layer):
    """Keeps one phase x[i::strides[0], j::strides[1]] of each image. Called with a list of maps it keeps of all of them the phase that it
    chooses on the first, and gives a list."""

    def __init__(self, strides, data_format, **kwargs):
        super().__init__(**kwargs)
        self.strides = _pair(strides)
        self.data_format = _check_layout(data_format)

    def _sampled_shape(self, shape):
        for size, stride in zip(shape[1:3], self.strides):
            if size is not None and size % stride:
                raise ValueError(f"{self.name}: strides {self.strides} do not divide a map of {tuple(shape[1:3])}: pad it with ZeroPadding2D")
        rows, columns = (None if size is None else size // stride for size, stride in zip(shape[1:3], self.strides))
        return (shape[0], rows, columns, shape[3])

    def compute_output_shape(self, input_shape):
        if isinstance(input_shape[0], (list, tuple)):
            return [self._sampled_shape(shape) for shape in input_shape]
        return self._sampled_shape(input_shape)

    def _phases(self, x):
        """The phases in order: phase i * strides[1] + j is x[i::strides[0], j::strides[1]]."""
        return [x[:, i :: self.strides[0], j :: self.strides[1]] for i in range(self.strides[0]) for j in range(self.strides[1])]

    @staticmethod
    def _take(phases, choice):
        """Of each image the phase of its number."""
        taken = phases[0]
        choice = ops.reshape(choice, (-1, 1, 1, 1))
        for number in range(1, len(phases)):
            taken = ops.where(ops.equal(choice, number), phases[number], taken)
        return taken

    @staticmethod
    def _choose(scores):
        """The number of the largest score of each image. A NaN is larger than all numbers."""
        return ops.argmax(ops.where(ops.isnan(scores), float("inf"), scores), axis=1)

    def _sample(self, inputs, choice):
        if isinstance(inputs, (list, tuple)):
            return [self._take(self._phases(x), choice) for x in inputs]
        return self._take(self._phases(inputs), choice)

    def get_config(self):
        config = super().get_config()
        config.update(strides=self.strides, data_format=self.data_format)
        return config


@register
class AdaptivePolyphaseSampling2D(_PolyphaseSampling2D):
    """APS: of the phases of each image the one of the largest norm over all its channels.

    Chaman and Dokmanic, "Truly shift-invariant convolutional neural networks", CVPR 2021, equations 6 and 7."""

    def __init__(self, strides=2, order="l2", data_format=None, **kwargs):
        super().__init__(strides, data_format, **kwargs)
        self.order = _check(order, "order", ("l1", "l2", "linf"))

    def _norm(self, phase):
        if self.order == "linf":
            return ops.max(ops.abs(phase), axis=(1, 2, 3))
        return ops.mean(ops.abs(phase) if self.order == "l1" else ops.square(phase), axis=(1, 2, 3))

    def call(self, inputs):
        first = inputs[0] if isinstance(inputs, (list, tuple)) else inputs
        scores = ops.stack([self._norm(phase) for phase in self._phases(ops.stop_gradient(first))], axis=1)
        return self._sample(inputs, self._choose(scores))

    def get_config(self):
        config = super().get_config()
        config.update(order=self.order)
        return config


@register
class LearnablePolyphaseSampling2D(_PolyphaseSampling2D):
    """LPS: as AdaptivePolyphaseSampling2D, with a small network in the norm's place. The logit of a phase is the mean over pixels and
    channels of conv3x3(relu(conv3x3(phase))), both circular. Inference takes the phase of the largest logit, training the sum of all phases
    weighted by softmax((logits + Gumbel noise) / temperature).

    Rojas-Gomez, Lim, Schwing, Do and Yeh, "Learnable polyphase sampling for shift invariant and equivariant convolutional networks",
    NeurIPS 2022, section 3."""

    def __init__(self, strides=2, hidden_filters=16, temperature=1.0, final_temperature=0.1, anneal_steps=10000, data_format=None,
                 kernel_initializer="glorot_uniform", bias_initializer="zeros", seed=None, **kwargs):
        super().__init__(strides, data_format, **kwargs)
        self.hidden_filters = int(hidden_filters)
        self.temperature = float(temperature)
        self.final_temperature = float(final_temperature)
        self.anneal_steps = int(anneal_steps)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        first = input_shape[0] if isinstance(input_shape[0], (list, tuple)) else input_shape
        hidden = self.hidden_filters
        self.kernel_1 = self.add_weight(name="kernel_1", shape=(3, 3, first[-1], hidden), initializer=self.kernel_initializer)
        self.bias_1 = self.add_weight(name="bias_1", shape=(hidden,), initializer=self.bias_initializer)
        self.kernel_2 = self.add_weight(name="kernel_2", shape=(3, 3, hidden, hidden), initializer=self.kernel_initializer)
        self.built = True

    @staticmethod
    def _circular_conv(x, kernel):
        return ops.conv(_pad_axis(_pad_axis(x, 1, 1, 1, "circular"), 2, 1, 1, "circular"), kernel, padding="valid", data_format="channels_last")

    def _logit(self, phase):
        hidden = ops.relu(self._circular_conv(phase, self.kernel_1) + self.bias_1)
        return ops.mean(self._circular_conv(hidden, self.kernel_2), axis=(1, 2, 3))

    def _temperature_now(self):
        """From `temperature` by the same factor each step to `final_temperature`. The seed's state counts the draws so far."""
        steps = ops.cast(self.seed_generator.state[1], "float32")
        share = ops.minimum(steps / self.anneal_steps, 1.0)
        return self.temperature * ops.power(self.final_temperature / self.temperature, share)

    def call(self, inputs, training=None):
        first = inputs[0] if isinstance(inputs, (list, tuple)) else inputs
        logits = ops.stack([self._logit(phase) for phase in self._phases(first)], axis=1)
        if not training:
            return self._sample(inputs, self._choose(logits))
        temperature = self._temperature_now()
        uniform = keras.random.uniform(ops.shape(logits), minval=1e-7, maxval=1.0, seed=self.seed_generator)
        weights = ops.softmax((logits - ops.log(-ops.log(uniform))) / temperature, axis=1)
        maps = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        mixed = [sum(ops.reshape(weights[:, k], (-1, 1, 1, 1)) * phase for k, phase in enumerate(self._phases(x))) for x in maps]
        return mixed if isinstance(inputs, (list, tuple)) else mixed[0]

    def get_config(self):
        config = super().get_config()
        config.update(hidden_filters=self.hidden_filters, temperature=self.temperature, final_temperature=self.final_temperature,
                      anneal_steps=self.anneal_steps, kernel_initializer=keras.initializers.serialize(self.kernel_initializer),
                      bias_initializer=keras.initializers.serialize(self.bias_initializer), seed=self.seed)
        return config


# ---- low-pass filters made from the spectrum and from the map -------------------------------------------------------


@register
class FrequencyLowCutPooling2D(keras.layers.Layer):
    """FLC: each channel without the frequencies that its stride cannot hold; every stride-th pixel is kept. window "hamming" (ASAP) weights
    the others. Half is kept of the frequency on the edge, of both signs.

    Grabinski, Jung, Keuper and Keuper, "FrequencyLowCut pooling", ECCV 2022, section 3; Grabinski, Keuper and Keuper, arXiv 2307.09804."""

    def __init__(self, strides=2, window="none", data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.strides = _pair(strides)
        self.window = _check(window, "window", ("none", "hamming"))
        self.data_format = _check_layout(data_format)

    def compute_output_shape(self, input_shape):
        rows, columns = (None if n is None else -(-n // s) for n, s in zip(input_shape[1:3], self.strides))
        return (input_shape[0], rows, columns, input_shape[3])

    def _matrix(self, size, stride):
        """The filter round an axis of `size` cells: a row for each output."""
        frequency = np.abs(np.fft.fftfreq(size, 1 / size))
        edge = size / (2 * stride)
        kept = np.where(frequency < edge, 1.0, np.where(frequency == edge, 1.0 if stride == 1 else 0.5, 0.0))
        if self.window == "hamming":
            kept = kept * np.sqrt(0.54 + 0.46 * np.cos(2 * np.pi * frequency / size))
        taps = np.fft.ifft(kept).real
        return np.stack([np.roll(taps, at) for at in range(0, size, stride)])

    def call(self, inputs):
        height, width = inputs.shape[1:3]
        if height is None or width is None:
            raise ValueError(f"{self.name}: the map's size is open; its spectrum needs a fixed one")
        rows, columns = (ops.convert_to_tensor(self._matrix(n, s), inputs.dtype) for n, s in zip((height, width), self.strides))
        return ops.einsum("yh,nhwc,xw->nyxc", rows, inputs, columns)

    def get_config(self):
        config = super().get_config()
        config.update(strides=self.strides, window=self.window, data_format=self.data_format)
        return config


@register
class AdaptiveBlurPooling2D(keras.layers.Layer):
    """DDAC: a blur whose filter is softmax(BatchNormalization(Conv2D(map))) of each pixel and group of channels; every stride-th pixel is kept.

    Zou, Xiao, Yu and Lee, "Delving deeper into anti-aliasing in ConvNets", BMVC 2020, section 3. The softmax is taken for each group."""

    def __init__(self, filter_size=3, strides=2, groups=8, border="reflect", momentum=0.99, epsilon=1e-3, data_format=None,
                 kernel_initializer="glorot_uniform", gamma_initializer="ones", beta_initializer="zeros", **kwargs):
        super().__init__(**kwargs)
        self.filter_size = int(filter_size)
        self.strides = _pair(strides)
        self.groups = int(groups)
        self.border = _check(border, "border", ("reflect", "replicate", "zero", "circular"))
        self.momentum = float(momentum)
        self.epsilon = float(epsilon)
        self.data_format = _check_layout(data_format)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.gamma_initializer = keras.initializers.get(gamma_initializer)
        self.beta_initializer = keras.initializers.get(beta_initializer)

    def build(self, input_shape):
        size, channels = self.filter_size, input_shape[-1]
        if channels % self.groups:
            raise ValueError(f"{self.name}: groups {self.groups} do not divide {channels} channels")
        logits = self.groups * size * size
        self.kernel = self.add_weight(name="kernel", shape=(size, size, channels, logits), initializer=self.kernel_initializer)
        self.gamma = self.add_weight(name="gamma", shape=(logits,), initializer=self.gamma_initializer)
        self.beta = self.add_weight(name="beta", shape=(logits,), initializer=self.beta_initializer)
        self.moving_mean = self.add_weight(name="moving_mean", shape=(logits,), initializer="zeros", trainable=False)
        self.moving_variance = self.add_weight(name="moving_variance", shape=(logits,), initializer="ones", trainable=False)
        self.built = True

    def compute_output_shape(self, input_shape):
        rows, columns = (None if n is None else -(-n // s) for n, s in zip(input_shape[1:3], self.strides))
        return (input_shape[0], rows, columns, input_shape[3])

    def _normalized(self, logits, training):
        mean, variance = self.moving_mean, self.moving_variance
        if training and self.trainable:
            mean, variance = ops.mean(logits, axis=(0, 1, 2)), ops.var(logits, axis=(0, 1, 2))
            for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(moving * self.momentum + ops.stop_gradient(batch) * (1.0 - self.momentum))
        return (logits - mean) * ops.rsqrt(variance + self.epsilon) * self.gamma + self.beta

    def call(self, inputs, training=None):
        size, (down, right) = self.filter_size, self.strides
        for axis in (1, 2):
            inputs = _pad_axis(inputs, axis, (size - 1) // 2, size // 2, self.border)
        logits = self._normalized(ops.conv(inputs, self.kernel, strides=self.strides, padding="valid", data_format="channels_last"), training)
        rows, columns, channels = ops.shape(logits)[1], ops.shape(logits)[2], inputs.shape[-1]
        filters = ops.softmax(ops.reshape(logits, (-1, rows, columns, self.groups, 1, size * size)), axis=-1)
        total = 0
        for tap in range(size * size):
            top, left = divmod(tap, size)
            cells = inputs[:, top : top + (rows - 1) * down + 1 : down, left : left + (columns - 1) * right + 1 : right]
            total = total + ops.reshape(cells, (-1, rows, columns, self.groups, channels // self.groups)) * filters[..., tap]
        return ops.reshape(total, (-1, rows, columns, channels))

    def get_config(self):
        config = super().get_config()
        config.update(filter_size=self.filter_size, strides=self.strides, groups=self.groups, border=self.border, momentum=self.momentum,
                      epsilon=self.epsilon, data_format=self.data_format,
                      kernel_initializer=keras.initializers.serialize(self.kernel_initializer),
                      gamma_initializer=keras.initializers.serialize(self.gamma_initializer),
                      beta_initializer=keras.initializers.serialize(self.beta_initializer))
        return config


@register
class TranslationInvariantPolyphaseSampling2D(_PolyphaseSampling2D):
    """TIPS: the phases in a mixture, tau = softmax over the phases of scale * (means of relu(depthwise 3x3 convolution)), channel by channel.
    The means are of the phases themselves (a ring around the map), or with regions="quadrants" of rectangles, as in the paper's program.

    Saha and Gokhale, "Translation invariant polyphase sampling", WACV 2025."""

    def __init__(self, strides=2, regions="phases", data_format=None, kernel_initializer="glorot_uniform", scale_initializer="ones", **kwargs):
        super().__init__(strides, data_format, **kwargs)
        self.regions = _check(regions, "regions", ("phases", "quadrants"))
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.scale_initializer = keras.initializers.get(scale_initializer)

    def build(self, input_shape):
        channels = input_shape[-1]
        self.kernel = self.add_weight(name="kernel", shape=(3, 3, channels, 1), initializer=self.kernel_initializer)
        self.scale = self.add_weight(name="scale", shape=(channels,), initializer=self.scale_initializer)
        self.built = True

    def _means(self, psi):
        if self.regions == "phases":
            return [ops.mean(phase, axis=(1, 2)) for phase in self._phases(psi)]
        height, width = ops.shape(psi)[1] // self.strides[0], ops.shape(psi)[2] // self.strides[1]
        return [ops.mean(psi[:, i * height : (i + 1) * height, j * width : (j + 1) * width], axis=(1, 2))
                for i in range(self.strides[0]) for j in range(self.strides[1])]

    def call(self, inputs):
        border = "circular" if self.regions == "phases" else "zero"
        padded = _pad_axis(_pad_axis(inputs, 1, 1, 1, border), 2, 1, 1, border)
        psi = ops.relu(ops.depthwise_conv(padded, self.kernel, padding="valid", data_format="channels_last"))
        tau = ops.softmax(ops.stack(self._means(psi), axis=1) * self.scale, axis=1)
        return sum(tau[:, k, None, None] * phase for k, phase in enumerate(self._phases(inputs)))

    def get_config(self):
        config = super().get_config()
        config.update(regions=self.regions, kernel_initializer=keras.initializers.serialize(self.kernel_initializer),
                      scale_initializer=keras.initializers.serialize(self.scale_initializer))
        return config


# ---- poolings of other regions, unpooling ---------------------------------------------------------------------------


def _shared_out(size, out):
    """Cell i of `out` sees cells floor(i * size / out) to ceil((i + 1) * size / out)."""
    return [(i * size // out, -(-(i + 1) * size // out)) for i in range(out)]


def _reduced(x, rows, columns, reduce):
    """reduce(values, axis) over each region, rows first."""
    x = ops.stack([reduce(x[:, a:b], axis=1) for a, b in rows], axis=1)
    return ops.stack([reduce(x[:, :, a:b], axis=2) for a, b in columns], axis=2)


class _Random:
    """linn's random numbers, functions of seed, stream and index. Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3",
    SC'11 (Philox4x32-10)."""

    def __init__(self, seed, purpose, number=0):
        self.seed, self.stream = seed, 0xCBF29CE484222325
        for letter in purpose.encode():
            self.stream = (self.stream ^ letter) * 0x100000001B3 % 2**64
        self.stream = (self.stream + number) % 2**64

    def _words(self, seed, index):
        k0, k1 = seed % 2**32, seed >> 32
        c = [index % 2**32, index >> 32, self.stream % 2**32, self.stream >> 32]
        for _ in range(10):
            p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
            c = [p1 >> 32 ^ c[1] ^ k0, p1 % 2**32, p0 >> 32 ^ c[3] ^ k1, p0 % 2**32]
            k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
        return c

    def uniform(self, index):
        """In (0, 1)."""
        words = self._words(self.seed, index)
        return ((words[0] << 32 | words[1]) >> 12) * 2.0**-52 + 2.0**-53

    def below(self, bound, index):
        attempt = 0
        while True:
            words = self._words(self.seed ^ attempt << 56, index)
            wide = words[2] << 32 | words[3]
            if wide < bound * ((2**64 - 1) // bound):
                return wide % bound
            attempt += 1


@register
class FractionalMaxPooling2D(keras.layers.Layer):
    """The largest value of each of a grid of regions whose borders are drawn anew for each training step. At inference they are linn's.

    Graham, "Fractional max-pooling", arXiv 1412.6071, section 2."""

    def __init__(self, pooling_ratio=2**0.5, output_size=None, pool_size=None, pseudo_random=True, overlapping=False, data_format=None, seed=None,
                 **kwargs):
        super().__init__(**kwargs)
        self.pooling_ratio = float(pooling_ratio)
        self.output_size = None if output_size is None else _pair(output_size)
        self.pool_size = None if pool_size is None else _pair(pool_size)
        if pool_size is not None and (overlapping or not pseudo_random):
            raise ValueError(f"{self.name}: pool_size gives all regions one size: pseudo_random must stay True and overlapping False")
        self.pseudo_random, self.overlapping = bool(pseudo_random), bool(overlapping)
        self.data_format = _check_layout(data_format)
        self.seed = seed
        self._calls = 0

    def _sizes(self, shape):
        wanted = self.output_size or (None, None)
        return [out or (None if n is None else int(n / self.pooling_ratio)) for n, out in zip(shape[1:3], wanted)]

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self._sizes(input_shape), input_shape[3])

    def _borders(self, size, out, random, axis, first):
        if self.pseudo_random:
            u, alpha = random.uniform(axis), size / out
            return [math.ceil(alpha * (i + u)) - math.ceil(alpha * u) for i in range(out)] + [size]
        steps = [size // out + (i < size % out) for i in range(out)]
        for index, i in enumerate(range(out - 1, 0, -1), first):
            other = random.below(i + 1, index)
            steps[i], steps[other] = steps[other], steps[i]
        return [sum(steps[:i]) for i in range(out + 1)]

    def regions(self, sizes, random):
        """(first, last + 1) of each region, of rows and of columns, for an input and an output of `sizes`."""
        found = []
        for axis, (size, out) in enumerate(sizes):
            if self.pool_size is not None:
                pool, u = self.pool_size[axis], random.uniform(axis)
                step = (size - pool) / (out - 1) if out > 1 else 0
                first = [math.floor((i + u) * step) - math.floor(u * step) for i in range(out - 1)] + [size - pool]
                found.append([(a, a + pool) for a in first])
                continue
            borders = self._borders(size, out, random, axis, sizes[0][1] if axis else 0)
            found.append([(a, min(b + self.overlapping, size)) for a, b in zip(borders, borders[1:])])
        return found

    def call(self, inputs, training=None):
        random = _Random(self.seed or 0, "fractional pooling at inference")
        if training:
            self._calls += 1
            random = _Random(self.seed or 0, "fractional pooling", self._calls)
        rows, columns = self.regions(list(zip(inputs.shape[1:3], self._sizes(inputs.shape))), random)
        return _reduced(inputs, rows, columns, ops.max)

    def get_config(self):
        config = super().get_config()
        config.update(pooling_ratio=self.pooling_ratio, output_size=self.output_size, pool_size=self.pool_size, pseudo_random=self.pseudo_random,
                      overlapping=self.overlapping, data_format=self.data_format, seed=self.seed)
        return config


@register
class MaxPoolingWithArgmax2D(keras.layers.Layer):
    """MaxPooling2D with two outputs: the largest value of each window, and its place row * width + column of the map, as a real number.

    Badrinarayanan, Kendall and Cipolla, "SegNet", 2017, section 3."""

    def __init__(self, pool_size=2, strides=None, padding="valid", data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.pool_size = _pair(pool_size)
        self.strides = self.pool_size if strides is None else _pair(strides)
        self.padding = padding if isinstance(padding, str) else tuple(_pair(sides) for sides in padding)
        if isinstance(padding, str):
            _check(padding, "padding", ("valid", "same"))
        self.data_format = _check_layout(data_format)

    def _pads(self, axis, size):
        if not isinstance(self.padding, str):
            return self.padding[axis]
        return _same_pads(size, self.pool_size[axis], self.strides[axis]) if self.padding == "same" else (0, 0)

    def compute_output_shape(self, input_shape):
        sizes = []
        for axis, size in enumerate(input_shape[1:3]):
            sizes.append(None if size is None else (size + sum(self._pads(axis, size)) - self.pool_size[axis]) // self.strides[axis] + 1)
        shape = (input_shape[0], *sizes, input_shape[3])
        return [shape, shape]

    def call(self, inputs):
        height, width = inputs.shape[1:3]
        places = ops.reshape(ops.arange(height * width, dtype=inputs.dtype), (1, height, width, 1))
        maps = [inputs, places]
        for axis, size in ((1, height), (2, width)):
            maps = [_pad_axis(maps[0], axis, *self._pads(axis - 1, size), "least"), _pad_axis(maps[1], axis, *self._pads(axis - 1, size), "zero")]
        _, rows, columns, _ = self.compute_output_shape(inputs.shape)[0]
        best = place = None
        for i in range(self.pool_size[0]):
            for j in range(self.pool_size[1]):
                value, at = (m[:, i : i + (rows - 1) * self.strides[0] + 1 : self.strides[0], j : j + (columns - 1) * self.strides[1] + 1 : self.strides[1]]
                             for m in maps)
                if best is None:
                    best, place = value, at + ops.zeros_like(value)
                    continue
                wins = value > best
                best, place = ops.where(wins, value, best), ops.where(wins, at, place)
        return [best, ops.stop_gradient(place)]

    def get_config(self):
        config = super().get_config()
        config.update(pool_size=self.pool_size, strides=self.strides, padding=self.padding, data_format=self.data_format)
        return config


@register
class MaxUnpooling2D(keras.layers.Layer):
    """Of [values, places]: a map of zeros in which each value lies at its place. Values with the same place are added.

    Badrinarayanan, Kendall and Cipolla, "SegNet", 2017, section 3."""

    def __init__(self, pool_size=2, strides=None, output_size=None, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.pool_size = _pair(pool_size)
        self.strides = self.pool_size if strides is None else _pair(strides)
        self.output_size = None if output_size is None else _pair(output_size)
        self.data_format = _check_layout(data_format)

    def compute_output_shape(self, input_shape):
        batch, rows, columns, channels = input_shape[0]
        if self.output_size is not None:
            return (batch, *self.output_size, channels)
        sizes = (None if n is None else (n - 1) * s + p for n, s, p in zip((rows, columns), self.strides, self.pool_size))
        return (batch, *sizes, channels)

    def call(self, inputs):
        values, places = inputs
        _, height, width, channels = self.compute_output_shape([values.shape, places.shape])
        row = (-1, values.shape[1] * values.shape[2], channels)
        values, places = ops.reshape(values, row), ops.cast(ops.reshape(places, row), "int32")
        put = ops.one_hot(places, height * width, axis=-1, dtype=values.dtype)  # (n, cells, channels, pixels); none outside the map
        return ops.reshape(ops.einsum("nkc,nkcp->npc", values, put), (-1, height, width, channels))

    def get_config(self):
        config = super().get_config()
        config.update(pool_size=self.pool_size, strides=self.strides, output_size=self.output_size, data_format=self.data_format)
        return config


@register
class SpatialPyramidPooling2D(keras.layers.Layer):
    """For each level n the n x n windows of AdaptiveMaxPooling2D (or AdaptiveAveragePooling2D), all as one row.

    He, Zhang, Ren and Sun, "Spatial pyramid pooling in deep convolutional networks for visual recognition", ECCV 2014, section 2.2."""

    def __init__(self, levels=(1, 2, 4), pooling="max", data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.levels = [levels] if isinstance(levels, int) else [int(level) for level in levels]
        self.pooling = _check(pooling, "pooling", ("max", "average"))
        self.data_format = _check_layout(data_format)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[3] * sum(level * level for level in self.levels))

    def call(self, inputs):
        height, width, channels = inputs.shape[1:]
        reduce = ops.max if self.pooling == "max" else ops.mean
        grids = [_reduced(inputs, _shared_out(height, level), _shared_out(width, level), reduce) for level in self.levels]
        return ops.concatenate([ops.reshape(grid, (-1, level * level * channels)) for grid, level in zip(grids, self.levels)], axis=1)

    def get_config(self):
        config = super().get_config()
        config.update(levels=self.levels, pooling=self.pooling, data_format=self.data_format)
        return config


@register
class StripPooling2D(keras.layers.Layer):
    """The map times sigmoid(W (r + c) + b), r and c the means of rows and columns, each convolved along its axis.

    Hou, Zhang, Cheng and Feng, "Strip pooling: rethinking spatial pooling for scene parsing", CVPR 2020, section 3.1."""

    def __init__(self, kernel_size=3, data_format=None, kernel_initializer="glorot_uniform", bias_initializer="zeros", **kwargs):
        super().__init__(**kwargs)
        self.kernel_size = int(kernel_size)
        self.data_format = _check_layout(data_format)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, input_shape):
        size, channels = self.kernel_size, input_shape[-1]
        shapes = {"row_kernel": (size, 1), "column_kernel": (1, size), "kernel": (1, 1)}
        for name, window in shapes.items():
            setattr(self, name, self.add_weight(name=name, shape=(*window, channels, channels), initializer=self.kernel_initializer))
        self.bias = self.add_weight(name="bias", shape=(channels,), initializer=self.bias_initializer)
        self.built = True

    def call(self, inputs):
        rows, columns = ops.mean(inputs, axis=2, keepdims=True), ops.mean(inputs, axis=1, keepdims=True)
        rows = ops.conv(rows, self.row_kernel, padding="same", data_format="channels_last")
        columns = ops.conv(columns, self.column_kernel, padding="same", data_format="channels_last")
        return inputs * ops.sigmoid(ops.conv(rows + columns, self.kernel, padding="valid", data_format="channels_last") + self.bias)

    def get_config(self):
        config = super().get_config()
        config.update(kernel_size=self.kernel_size, data_format=self.data_format,
                      kernel_initializer=keras.initializers.serialize(self.kernel_initializer),
                      bias_initializer=keras.initializers.serialize(self.bias_initializer))
        return config


@register
class AttentionPooling2D(keras.layers.Layer):
    """A mean over the pixels with weights softmax(w tanh(V h)), or with `gated` softmax(w (tanh(V h) * sigmoid(U h))).

    Ilse, Tomczak and Welling, "Attention-based deep multiple instance learning", ICML 2018, equations 7 to 9."""

    def __init__(self, units=64, gated=False, keepdims=False, data_format=None, kernel_initializer="glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        self.units = int(units)
        self.gated, self.keepdims = bool(gated), bool(keepdims)
        self.data_format = _check_layout(data_format)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape):
        names = {"kernel": (input_shape[-1], self.units), "attention_kernel": (self.units, 1)}
        if self.gated:
            names = {"kernel": names["kernel"], "gate_kernel": names["kernel"], "attention_kernel": names["attention_kernel"]}
        for name, shape in names.items():
            setattr(self, name, self.add_weight(name=name, shape=shape, initializer=self.kernel_initializer))
        self.built = True

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 1, 1, input_shape[3]) if self.keepdims else (input_shape[0], input_shape[3])

    def call(self, inputs):
        hidden = ops.tanh(ops.matmul(inputs, self.kernel))
        if self.gated:
            hidden = hidden * ops.sigmoid(ops.matmul(inputs, self.gate_kernel))
        weights = ops.softmax(ops.matmul(hidden, self.attention_kernel), axis=(1, 2))
        return ops.sum(weights * inputs, axis=(1, 2), keepdims=self.keepdims)

    def get_config(self):
        config = super().get_config()
        config.update(units=self.units, gated=self.gated, keepdims=self.keepdims, data_format=self.data_format,
                      kernel_initializer=keras.initializers.serialize(self.kernel_initializer))
        return config


# ---- activation functions with arguments ---------------------------------------------------------------------------


class _Activation:
    """A function of keras.activations with arguments other than its defaults, which Keras does not keep in a file."""

    def __init__(self, **arguments):
        self.arguments = arguments

    def __call__(self, x):
        return getattr(keras.activations, type(self).__name__)(x, **self.arguments)

    def get_config(self):
        return dict(self.arguments)

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@register
class celu(_Activation):
    """celu(alpha=1). Barron, "Continuously differentiable exponential linear units", arXiv 1704.07483."""


@register
class gelu(_Activation):
    """gelu(approximate=False). Hendrycks and Gimpel, "Gaussian error linear units", arXiv 1606.08415."""


@register
class soft_shrink(_Activation):
    """soft_shrink(threshold=0.5): x without the threshold, 0 within it."""


@register
class hard_shrink(_Activation):
    """hard_shrink(threshold=0.5): x beyond the threshold, 0 within it."""


@register
class threshold(_Activation):
    """threshold(threshold, default_value): x above the threshold, else default_value."""


@register
class squareplus(_Activation):
    """squareplus(b=4): (x + sqrt(x^2 + b)) / 2. Barron, arXiv 2112.11687."""


@register
class power(_Activation):
    """power(exponent=2): x^exponent."""

    def __call__(self, x):
        return ops.power(x, self.arguments.get("exponent", 2.0))


@register
class log(_Activation):
    """log(): the natural logarithm."""

    def __call__(self, x):
        return ops.log(x)


@register
class log_softmax(_Activation):
    """log_softmax(axis=-1)."""


@register
class glu(_Activation):
    """glu(axis=-1). Dauphin et al., "Language modeling with gated convolutional networks", ICML 2017."""


@register
class sparsemax(_Activation):
    """sparsemax(axis=-1): max(x - t, 0), with t such that the values sum to 1. Martins and Astudillo, "From softmax to sparsemax", ICML 2016,
    algorithm 1. keras.activations.sparsemax gives other numbers up to Keras 3.15."""

    def __call__(self, x):
        axis = self.arguments.get("axis", -1)
        x = ops.moveaxis(x, axis, -1)
        sums = ops.cumsum(-ops.sort(-x, axis=-1), axis=-1)
        counts = ops.cast(ops.arange(1, x.shape[-1] + 1), x.dtype)
        limit = ops.max((sums - 1) / counts, axis=-1, keepdims=True)
        return ops.moveaxis(ops.relu(x - limit), -1, axis)


# ---- losses --------------------------------------------------------------------------------------------------------


@register
class SparseCategoricalCrossentropy(keras.losses.SparseCategoricalCrossentropy):
    """Keras's loss with `label_smoothing`: of the label's share 1, label_smoothing is spread over all classes. Szegedy et al., "Rethinking the
    inception architecture for computer vision", CVPR 2016, section 7. `ignore_class` goes without it."""

    def __init__(
        self,
        from_logits=False,
        ignore_class=None,
        reduction="sum_over_batch_size",
        axis=-1,
        name="sparse_categorical_crossentropy",
        dtype=None,
        label_smoothing=0.0,
    ):
        super().__init__(from_logits=from_logits, ignore_class=ignore_class, reduction=reduction, axis=axis, name=name, dtype=dtype)
        if label_smoothing and ignore_class is not None:
            raise ValueError("label_smoothing and ignore_class cannot be combined here")
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        if not self.label_smoothing:
            return super().call(y_true, y_pred)
        labels = ops.cast(y_true, "int32")
        if len(labels.shape) == len(y_pred.shape):
            labels = ops.squeeze(labels, -1)
        shares = ops.one_hot(labels, y_pred.shape[-1], dtype=y_pred.dtype)
        return keras.losses.categorical_crossentropy(shares, y_pred, from_logits=self.from_logits, label_smoothing=self.label_smoothing)

    def get_config(self):
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


# ---- schedules -----------------------------------------------------------------------------------------------------


@register
class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """Linear from max_learning_rate / div_factor up to max_learning_rate in the share `warmup` of the steps, then linear down to
    max_learning_rate / div_factor / final_div_factor.

    Smith and Topin, "Super-convergence: very fast training of neural networks using large learning rates", arXiv 1708.07120."""

    def __init__(self, max_learning_rate=0.01, total_steps=0, warmup=0.3, div_factor=25.0, final_div_factor=1e4):
        self.max_learning_rate = max_learning_rate
        self.total_steps = int(total_steps)
        self.warmup = warmup
        self.div_factor = div_factor
        self.final_div_factor = final_div_factor

    def __call__(self, step):
        if self.total_steps < 1:
            raise ValueError("OneCycle: total_steps is 0; Keras needs the number of all steps of training: steps of an epoch * epochs")
        most = self.max_learning_rate
        first = most / self.div_factor
        last = first / self.final_div_factor
        peak = self.warmup * (self.total_steps - 1)
        fall = self.total_steps - 1 - peak
        position = ops.minimum(ops.cast(step, "float32"), float(self.total_steps - 1))
        down = most if fall <= 0 else most + (last - most) * (position - peak) / fall
        if peak <= 0:
            return ops.convert_to_tensor(down, dtype="float32")
        return ops.where(position < peak, first + (most - first) * position / peak, down)

    def get_config(self):
        return {
            "max_learning_rate": self.max_learning_rate,
            "total_steps": self.total_steps,
            "warmup": self.warmup,
            "div_factor": self.div_factor,
            "final_div_factor": self.final_div_factor,
        }
