"""Augmentation layers: on arrays, in models, as a Pipeline."""

import numpy as np
import pytest

from linn import keras
from linn.keras import layers


@pytest.fixture
def images():
    return np.random.default_rng(1).random((6, 8, 9, 3), dtype=np.float32)


def test_calls_on_arrays_augment(images):
    layer = layers.RandomFlip("horizontal", seed=3)
    first, second = layer(images), layer(images)
    assert first.shape == images.shape
    for out in (first, second):
        for image, flipped in zip(images, out):
            assert np.array_equal(flipped, image) or np.array_equal(flipped, image[:, ::-1])
    assert not np.array_equal(first, second), "each call draws anew"
    assert np.array_equal(layer(images, training=False), images)
    assert layer(images[0]).shape == images[0].shape


def test_mix_up_mixes_labels(images):
    batch = layers.MixUp(alpha=0.9)({"images": images, "labels": np.eye(6, dtype=np.float32)})
    expected = np.einsum("ij,jhwc->ihwc", batch["labels"], images)
    assert np.allclose(batch["images"], expected, atol=1e-6)
    assert not np.allclose(batch["images"], images)


def test_pipeline_in_a_model(images):
    pipeline = layers.Pipeline([layers.RandomRotation(0.1), layers.RandomContrast((0.2, 0.3), value_range=(0, 1))])
    assert [type(layer).__name__ for layer in pipeline.layers] == ["RandomRotation", "RandomContrast"]
    model = keras.Sequential([keras.Input((8, 9, 3)), pipeline, layers.Flatten(), layers.Dense(2, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(images, np.arange(6) % 2, verbose=0)
    again = keras.Sequential.from_config(model.get_config())
    assert type(again.layers[0]).__name__ == "Pipeline"
    assert [type(layer).__name__ for layer in again.layers[0].layers] == ["RandomRotation", "RandomContrast"]


def test_fit_augments_in_training_alone(images):
    def trained(augment):
        keras.utils.set_random_seed(4)
        model = keras.Sequential([keras.Input((8, 9, 3)), layers.Flatten(), layers.Dense(2, activation="softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy")
        history = model.fit(images, np.arange(6) % 2, epochs=2, verbose=0, augment=augment)
        return model.get_weights()[0], history.history["loss"][0]

    plain, one, again = trained(None), trained(layers.RandomTranslation(0.3, 0.3)), trained(layers.RandomTranslation(0.3, 0.3))
    assert np.array_equal(one[0], again[0]) and one[1] == again[1]
    assert not np.array_equal(one[0], plain[0])
    nothing = trained(layers.RandomTranslation(0.0, 0.0))
    assert np.array_equal(nothing[0], plain[0]), "images that stay are those of training without it"
    with pytest.raises(TypeError, match="augment is a function"):
        trained(lambda x: x)
    with pytest.raises(ValueError, match="has variables"):
        trained(layers.Dense(3))


def test_errors(images):
    with pytest.raises(ValueError, match="factor is 2"):
        layers.RandomRotation(2)
    with pytest.raises(ValueError, match="boxes"):
        layers.RandomFlip()({"images": images, "boxes": images})
