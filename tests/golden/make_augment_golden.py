#!/usr/bin/env python3
"""Write the golden values of the augmentation layers with Keras.

    golden-venv/bin/python make_augment_golden.py

Needs what make_golden.py needs. It writes augment.json and
augment.safetensors, made with keras 3.15.1 and tensorflow-cpu 2.21.0.

Keras's layers are the truth, but for their random numbers: in place of Keras's
own they get those that linn documents, computed here once more from the paper
that is named below. So a case compares a whole layer, draws and all. Images go
through Keras one by one (but for MixUp and CutMix), because linn draws for each
image and some of Keras's layers draw for a batch. Keras runs in float32.
"""

import math

import numpy as np

from make_golden import keras, layer_config, save, save_cases, tf

L = keras.layers
SEED, EPOCH, FIRST = 11, 3, 40
MASK32, MASK64 = 2**32 - 1, 2**64 - 1


# ---------------------------------------------------------- linn's random numbers

def philox(key, high, low):
    """Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011: Philox4x32-10."""
    k0, k1 = key & MASK32, key >> 32
    c = [low & MASK32, low >> 32, high & MASK32, high >> 32]
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k0, p1 & MASK32, (p0 >> 32) ^ c[3] ^ k1, p0 & MASK32]
        k0, k1 = (k0 + 0x9E3779B9) & MASK32, (k1 + 0xBB67AE85) & MASK32
    return c


def stream_of(purpose, number):
    value = 0xcbf29ce484222325  # FNV-1a
    for byte in purpose.encode():
        value = ((value ^ byte) * 0x100000001b3) & MASK64
    return (value + number) & MASK64


def key_of(words):
    return words[0] << 32 | words[1]


class Draws:
    """Those of one image, for the first op of a plan."""

    def __init__(self, image, seed=SEED, number=0, key=None, stream=0):
        if key is None:
            of_run = key_of(philox(seed, stream_of("augment", number), EPOCH))
            key = key_of(philox(of_run, stream_of("image", 0), image))
        self.key, self.stream, self.next = key, stream, 0

    def branch(self, part):
        return Draws(0, key=self.key, stream=self.stream * 64 + part + 1)

    def uniform(self):
        word = philox(self.key, self.stream, self.next // 4)[self.next % 4]
        self.next += 1
        return word / 2**32

    def open_uniform(self):
        return self.uniform() + 2.0**-33

    def integer(self, least, bound):
        return least + int(self.uniform() * (bound - least))

    def normal(self):
        radius = math.sqrt(-2 * math.log(self.open_uniform()))
        return radius * math.cos(2 * math.pi * self.open_uniform())

    def log_gamma(self, shape):
        boost = math.log(self.open_uniform()) / shape if shape < 1 else 0
        d = (shape + 1 if shape < 1 else shape) - 1 / 3
        c = 1 / math.sqrt(9 * d)
        while True:
            x = self.normal()
            t, u = 1 + c * x, self.open_uniform()
            v = t**3
            if v > 0 and math.log(u) < 0.5 * x * x + d - d * v + d * math.log(v):
                return math.log(d * v) + boost

    def gamma(self, shape):
        return math.exp(self.log_gamma(shape))

    def beta(self, alpha):
        a, b = self.log_gamma(alpha), self.log_gamma(alpha)
        return 1 / (1 + math.exp(b - a))


class FakeRandom:
    """Keras's random module with the numbers above: the first axis is the image, () is the batch."""

    SeedGenerator = keras.random.SeedGenerator

    def __init__(self, images, batch=None):
        self.images, self.batch = images, batch or images[0]

    def fill(self, shape, draw, dtype="float32"):
        shape = tuple(int(s) for s in shape)
        if shape == ():
            return tf.constant(draw(self.batch), dtype)
        sources = self.images if len(self.images) == shape[0] else [self.images[0]] * shape[0]
        size = math.prod(shape[1:])
        numbers = [[draw(source) for _ in range(size)] for source in sources]
        return tf.reshape(tf.constant(numbers, dtype), shape)

    def uniform(self, shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
        return self.fill(shape, lambda d: minval + (maxval - minval) * d.uniform(), dtype or "float32")

    def randint(self, shape, minval, maxval, dtype="int32", seed=None):
        return self.fill(shape, lambda d: d.integer(minval, maxval), dtype)

    def normal(self, shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
        return self.fill(shape, lambda d: mean + stddev * d.normal())

    def gamma(self, shape, alpha, dtype=None, seed=None):
        return self.fill(shape, lambda d: d.gamma(float(alpha)))

    def beta(self, shape, alpha, beta, dtype=None, seed=None):
        return self.fill(shape, lambda d: d.beta(float(alpha)))

    def shuffle(self, x, axis=0, seed=None):
        order = list(np.array(x))
        for i in range(len(order) - 1, 0, -1):
            j = self.batch.integer(0, i + 1)
            order[i], order[j] = order[j], order[i]
        return tf.constant(order)


SUBLAYERS = ["random_brightness", "random_contrast", "random_saturation", "random_hue"]


def give(layer, draws):
    """Gives a layer, and the layers that it is made of, these numbers."""
    if hasattr(layer, "backend"):  # not a Pipeline
        layer.backend.random = FakeRandom([draws])
    for name in SUBLAYERS:  # of RandomColorJitter, which share its numbers
        if isinstance(layer, L.RandomColorJitter) and getattr(layer, name) is not None:
            getattr(layer, name).backend.random = layer.backend.random
    if isinstance(layer, L.RandAugment):
        for i, name in enumerate(layer._AUGMENT_LAYERS):
            getattr(layer, name).backend.random = FakeRandom([draws.branch(i)])
    if isinstance(layer, L.AugMix):
        give_aug_mix(layer, draws)


def give_aug_mix(layer, draws):
    from keras.src.layers.preprocessing.image_preprocessing import aug_mix
    step = [0]

    class Choice:
        @staticmethod
        def choice(names):
            name = names[draws.integer(0, len(names))]
            if name is not None:
                getattr(layer, name).backend.random = FakeRandom([draws.branch(step[0])])
            step[0] += 1
            return name

    aug_mix.py_random = Choice


class Cases:
    def __init__(self):
        self.rng = np.random.default_rng(47)
        self.tensors, self.cases = {}, []

    def images(self, *shape, most=255.0):
        return (self.rng.random(shape) * most).astype(np.float32)

    def add(self, name, layer, x, **notes):
        outputs = []
        for i in range(len(x)):
            draws = Draws(FIRST + i, seed=SEED ^ (getattr(layer, "seed", None) or 0))
            give(layer, draws)
            normal = tf.random.stateless_normal
            tf.random.stateless_normal = lambda shape, **_: FakeRandom([draws]).normal(shape)  # noqa: B023
            try:
                outputs.append(layer(tf.constant(x[i:i + 1]), training=True).numpy())
            finally:
                tf.random.stateless_normal = normal
        self.keep(name, layer, {"input": x, "output": np.concatenate(outputs)}, notes)

    def mix(self, name, layer, x):
        """With one-hot targets, which show weights and partners."""
        draws = [Draws(FIRST + i) for i in range(len(x))]
        layer.backend.random = FakeRandom(draws, Draws(FIRST).branch(0))
        targets = np.eye(len(x), dtype=np.float32)
        out = layer({"images": tf.constant(x), "labels": tf.constant(targets)}, training=True)
        self.keep(name, layer, {"input": x, "output": out["images"].numpy(), "targets": targets, "mixed": out["labels"].numpy()}, {"mixes": True})

    def keep(self, name, layer, tensors, notes):
        for key, value in tensors.items():
            self.tensors[f"{name}/{key}"] = value
        changed = float(np.mean(tensors["output"] != tensors["input"])) if tensors["output"].shape == tensors["input"].shape else 1.0
        print(f"  {name}: {changed:.0%} of the values changed")
        assert changed > 0.05, name
        assert np.all(np.isfinite(tensors["output"])), name
        self.cases.append({"name": name, "class_name": layer.__class__.__name__, "config": layer_config(layer)} | notes)

    def write(self):
        save("augment", self.tensors)
        save_cases("augment.json", {
            "what": "augmentation layers in training: output of N/input with linn's random numbers for this seed, epoch and number of the"
                    " first image; with targets where images are mixed",
            "seed": SEED, "epoch": EPOCH, "first_image": FIRST}, self.cases)


def geometry(c):
    x, y = c.images(8, 9, 12, 1), c.images(6, 10, 7, 3)
    for mode in ("horizontal", "vertical", "horizontal_and_vertical"):
        c.add(f"flip_{mode}", L.RandomFlip(mode), x)
    for fill in ("reflect", "wrap", "constant", "nearest"):
        c.add(f"translation_{fill}", L.RandomTranslation(0.9, (-0.3, 0.8), fill_mode=fill, fill_value=7.0), x)
        c.add(f"rotation_{fill}", L.RandomRotation(0.4, fill_mode=fill, fill_value=7.0), y)
    c.add("translation_nearest_pixel", L.RandomTranslation(0.3, 0.3, interpolation="nearest"), y)
    c.add("rotation_pair", L.RandomRotation((0.05, 0.1)), x)
    c.add("zoom", L.RandomZoom(0.5), x)
    c.add("zoom_both", L.RandomZoom((-0.5, -0.2), (0.1, 0.6), fill_mode="constant"), y)
    c.add("shear", L.RandomShear(0.4, 0.3), y)
    c.add("shear_pairs", L.RandomShear((0.1, 0.4), (0.2, 0.3), fill_mode="nearest"), x)
    c.add("perspective", L.RandomPerspective(scale=0.4), y)
    c.add("perspective_some", L.RandomPerspective(factor=0.8, scale=0.2, fill_value=3.0), x)
    c.add("crop", L.RandomCrop(6, 7, seed=21), x)
    c.add("center_crop", L.CenterCrop(6, 7), x)
    c.add("center_crop_odd", L.CenterCrop(7, 4), y)
    c.add("center_crop_larger", L.CenterCrop(14, 7), x)
    c.add("elastic", L.RandomElasticTransform(scale=(0.8, 1.0)), c.images(3, 30, 27, 3))
    c.add("elastic_constant", L.RandomElasticTransform(factor=0.9, fill_mode="constant", fill_value=9.0), c.images(3, 28, 31, 1))


def colors(c):
    x, y, unit = c.images(5, 6, 7, 3), c.images(5, 6, 7, 1), c.images(5, 6, 7, 3, most=1.0)
    c.add("contrast", L.RandomContrast(0.7), x)
    c.add("contrast_pair", L.RandomContrast((0.6, 0.4), value_range=(0, 1)), unit)
    c.add("brightness", L.RandomBrightness(0.3), x)
    c.add("brightness_pair", L.RandomBrightness((-0.5, -0.2), value_range=(0, 1)), unit)
    c.add("grayscale", L.RandomGrayscale(0.5), x)
    c.add("invert", L.RandomInvert(), x)
    c.add("erasing", L.RandomErasing(fill_value=17.0), x)
    c.add("erasing_colors", L.RandomErasing(scale=(0.3, 0.6), fill_value=(1.0, 2.0, 3.0)), x)
    c.add("sharpness", L.RandomSharpness((0.0, 1.0)), x)
    c.add("gaussian_blur", L.RandomGaussianBlur(kernel_size=5, sigma=(0.4, 1.0)), x)
    c.add("gaussian_blur_some", L.RandomGaussianBlur(factor=0.8), y)
    c.add("hue", L.RandomHue(0.6), x)
    c.add("saturation", L.RandomSaturation((0.3, 0.8), value_range=(0, 1)), unit)
    c.add("saturation_bytes", L.RandomSaturation(0.4), x)
    c.add("color_jitter", L.RandomColorJitter(value_range=(0, 1), brightness_factor=0.2, contrast_factor=0.3, saturation_factor=(0.3, 0.6), hue_factor=0.2), unit)
    c.add("color_degeneration", L.RandomColorDegeneration(0.8), x)
    c.add("posterization", L.RandomPosterization((1, 5)), x)
    c.add("posterization_unit", L.RandomPosterization((3, 3), value_range=(0, 1)), unit)
    c.add("solarization", L.Solarization(0.3, 0.6), x)
    c.add("solarization_unit", L.Solarization(threshold_factor=(0.2, 0.5), value_range=(0, 1)), unit)
    c.add("auto_contrast", L.AutoContrast(), c.images(3, 6, 7, 3, most=100.0))
    c.add("auto_contrast_unit", L.AutoContrast(value_range=(0, 1)), c.images(3, 6, 7, 3, most=0.6))
    c.add("equalization", L.Equalization(), x)
    c.add("equalization_bins", L.Equalization(value_range=(0, 1), bins=16), unit)
    c.add("adaptive_equalization", L.ContrastLimitedAdaptiveHistogramEqualization(tile_grid_size=(3, 2)), c.images(2, 13, 16, 3))
    c.add("adaptive_equalization_unit", L.ContrastLimitedAdaptiveHistogramEqualization(value_range=(0, 1), clip_limit=0.0, tile_grid_size=(2, 2)),
          c.images(2, 9, 8, 1, most=1.0))


def mixed(c):
    x = c.images(9, 8, 7, 3)
    c.mix("mix_up", L.MixUp(alpha=0.4), x)
    c.mix("cut_mix", L.CutMix(0.9), x)
    c.add("rand_augment", L.RandAugment(num_ops=3, factor=0.4), x)
    c.add("aug_mix", L.AugMix(), x)
    c.add("aug_mix_few", L.AugMix(num_chains=2, chain_depth=2, factor=0.6, all_ops=False), x)
    c.add("pipeline", L.Pipeline([L.Rescaling(0.5), L.CenterCrop(5, 6), L.AutoContrast()]), x)


def main():
    cases = Cases()
    geometry(cases)
    colors(cases)
    mixed(cases)
    cases.write()


if __name__ == "__main__":
    main()
