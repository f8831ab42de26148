"""linn's own layers for Keras 3.

linn writes .keras files with layers that Keras does not have. Import this file before such a file is loaded:

    import keras, keras_layers
    model = keras.models.load_model("x.keras")

It needs Keras 3 alone, with any backend. The classes have linn's names, defaults and variables. Where Keras has a class of the same name
(Conv2D, DepthwiseConv2D, SeparableConv2D, MaxPooling2D, AveragePooling2D), the class here is Keras's with more paddings, and poolings
have a dilation.
Images are "channels_last".

What differs from linn:
- Adaptive and learnable polyphase sampling: where two phases have the same score and other contents, linn compares their contents, so that
  the choice follows a shift; here the first phase is taken. linn's sums do not depend on the order of their terms; those of Keras do.
- LearnablePolyphaseSampling2D: the noise of training is drawn by Keras. The temperature falls with the training calls since the layer was
  made or loaded: a file does not hold their number.
- Functions with arguments (gelu with approximate=True, ...) are callables here, as keras.activations has functions without arguments alone.
- OneCycle: linn takes `total_steps=0` for all steps of each fit. Keras does not tell a schedule this number, so it must be given here.
"""

import functools

import keras
from keras import ops

PACKAGE = "linn"
register = keras.saving.register_keras_serializable(package=PACKAGE)


def _pair(value):
    """A number, or two: (height, width)."""
    if isinstance(value, int):
        return (value, value)
    height, width = value
    return (int(height), int(width))


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
    """A layer of Keras with the paddings "circular" (the pads of "same", filled from the opposite side), numbers of rows and columns
    ((top, bottom), (left, right)) and, where `_paddings` says so, "full" (zeros, (kernel_size - 1) * dilation_rate on every side). Give
    `padding` by name."""

    _paddings = ("circular",)
    _beyond = "zero"  # what numbers of rows and columns are filled with

    def __init__(self, *args, padding="valid", **kwargs):
        if not isinstance(padding, str):
            padding = tuple(_pair(sides) for sides in padding)
        own = padding in self._paddings or not isinstance(padding, str)
        super().__init__(*args, padding="valid" if own else padding, **kwargs)
        self._own_padding = padding if own else None
        if own:
            _check_layout(self.data_format)

    def _window(self):
        """For both axes: how many pixels the window spans, and the stride."""
        sizes = getattr(self, "kernel_size", None) or self.pool_size
        dilation = _pair(getattr(self, "dilation_rate", 1))
        return [((k - 1) * d + 1, s) for k, d, s in zip(_pair(sizes), dilation, _pair(self.strides))]

    def _pads(self, axis, size):
        if not isinstance(self._own_padding, str):
            return self._own_padding[axis]
        extent, stride = self._window()[axis]
        return (extent - 1, extent - 1) if self._own_padding == "full" else _same_pads(size, extent, stride)

    def _padded_shape(self, shape):
        if self._own_padding is None:
            return shape
        shape = list(shape)
        for axis in (0, 1):
            if shape[axis + 1] is not None:
                shape[axis + 1] += sum(self._pads(axis, shape[axis + 1]))
        return tuple(shape)

    def compute_output_shape(self, input_shape):
        return super().compute_output_shape(self._padded_shape(input_shape))

    def _padded(self, inputs):
        for axis in (0, 1):
            before, after = self._pads(axis, ops.shape(inputs)[axis + 1])
            border = "circular" if self._own_padding == "circular" else self._beyond
            inputs = _pad_axis(inputs, axis + 1, before, after, border)
        return inputs

    def call(self, inputs):
        return super().call(inputs if self._own_padding is None else self._padded(inputs))

    def get_config(self):
        config = super().get_config()
        if self._own_padding is not None:
            config["padding"] = self._own_padding
        return config


@register
class Conv2D(_OwnPadding, keras.layers.Conv2D):
    """keras.layers.Conv2D with the paddings "circular" and "full" too.

    "circular": Schubert et al., "Circular convolutional neural networks for panoramic images and laser data", IV 2019. "full": Kayhan and
    van Gemert, "On translation invariance in CNNs: Convolutional layers can exploit absolute spatial location", CVPR 2020."""

    _paddings = ("circular", "full")


@register
class DepthwiseConv2D(_OwnPadding, keras.layers.DepthwiseConv2D):
    """keras.layers.DepthwiseConv2D with the paddings "circular" and "full" too (papers: Conv2D)."""

    _paddings = ("circular", "full")


@register
class SeparableConv2D(_OwnPadding, keras.layers.SeparableConv2D):
    """keras.layers.SeparableConv2D with the paddings "circular" and "full" too (papers: Conv2D)."""

    _paddings = ("circular", "full")


class _OwnPooling(_OwnPadding):
    """A pooling of Keras with the paddings "circular" and numbers of rows and columns, which are left out of the windows, and with
    `dilation_rate`: pixels from one cell of a window to the next."""

    def __init__(self, *args, dilation_rate=1, **kwargs):
        super().__init__(*args, **kwargs)
        self.dilation_rate = _pair(dilation_rate)
        if self.dilation_rate != (1, 1):
            _check_layout(self.data_format)

    def compute_output_shape(self, input_shape):
        if self.dilation_rate == (1, 1):
            return super().compute_output_shape(input_shape)
        sizes = []
        for axis, (extent, stride) in enumerate(self._window()):
            size = self._padded_shape(input_shape)[axis + 1]
            same = self._own_padding is None and self.padding == "same"
            sizes.append(None if size is None else -(-size // stride) if same else (size - extent) // stride + 1)
        return (input_shape[0], *sizes, input_shape[3])

    def _cells(self, inputs, beyond):
        """The map of each cell of the window, of maps with `beyond` around them."""
        for axis, (extent, stride) in enumerate(self._window()):
            if self._own_padding is not None:
                before, after = self._pads(axis, ops.shape(inputs)[axis + 1])
            else:
                before, after = _same_pads(ops.shape(inputs)[axis + 1], extent, stride) if self.padding == "same" else (0, 0)
            inputs = _pad_axis(inputs, axis + 1, before, after, "circular" if self._own_padding == "circular" else beyond)
        (rows, row_step), (columns, column_step) = self._window()
        height, width = ops.shape(inputs)[1], ops.shape(inputs)[2]
        cells = []
        for i in range(self.pool_size[0]):
            for j in range(self.pool_size[1]):
                top, left = i * self.dilation_rate[0], j * self.dilation_rate[1]
                cells.append(inputs[:, top : height - rows + 1 + top : row_step, left : width - columns + 1 + left : column_step])
        return cells

    def get_config(self):
        config = super().get_config()
        if self.dilation_rate != (1, 1):
            config["dilation_rate"] = self.dilation_rate
        return config


@register
class MaxPooling2D(_OwnPooling, keras.layers.MaxPooling2D):
    """keras.layers.MaxPooling2D with the padding "circular" too: windows go on at the opposite side of the map (paper: Conv2D). Rows and
    columns given as numbers are left out of the maximum."""

    _beyond = "least"

    def call(self, inputs):
        if self.dilation_rate == (1, 1):
            return super().call(inputs)
        return functools.reduce(ops.maximum, self._cells(inputs, "least"))


@register
class AveragePooling2D(_OwnPooling, keras.layers.AveragePooling2D):
    """keras.layers.AveragePooling2D with the padding "circular" too: windows go on at the opposite side of the map (paper: Conv2D). Rows and
    columns given as numbers are left out of the mean."""

    def call(self, inputs):
        if self.dilation_rate != (1, 1):
            return sum(self._cells(inputs, "zero")) / sum(self._cells(ops.ones_like(inputs), "zero"))
        if self._own_padding is None or isinstance(self._own_padding, str):
            return super().call(inputs)
        mean = keras.layers.AveragePooling2D.call
        return mean(self, self._padded(inputs)) / mean(self, self._padded(ops.ones_like(inputs)))


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

    def __init__(self, pool_size=2, filter_size=4, strides=None, padding="valid", border="reflect", pads="zhang", data_format=None, **kwargs):
        super().__init__(filter_size, pool_size if strides is None else strides, border, pads, data_format, **kwargs)
        self.pool_size = _pair(pool_size)
        self.padding = _check(padding, "padding", ("valid", "same", "circular"))

    def _size_of_maxima(self, axis, size):
        return size if size is None or self.padding != "valid" else size - self.pool_size[axis] + 1

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        rows, columns = (self._blurred_size(axis, self._size_of_maxima(axis, size)) for axis, size in ((0, height), (1, width)))
        return (batch, rows, columns, channels)

    def call(self, inputs):
        x = inputs
        if self.padding == "circular":
            for axis, size in enumerate(self.pool_size):
                x = _pad_axis(x, axis + 1, (size - 1) // 2, size // 2, "circular")
        border = "same" if self.padding == "same" else "valid"
        return self.blur(ops.max_pool(x, self.pool_size, strides=1, padding=border, data_format="channels_last"))

    def get_config(self):
        config = super().get_config()
        config.update(pool_size=self.pool_size, padding=self.padding)
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
