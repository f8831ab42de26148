"""What people pass as arrays, and what happens to what cannot be one."""

import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from linn import _arrays, errors, keras


def model(shape=(4, 5, 2)):
    made = keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(3)])
    made.compile("sgd", "mse")
    return made


X = np.arange(6 * 40, dtype=np.float32).reshape(6, 4, 5, 2) / 100


@pytest.mark.parametrize("change", [
    lambda x: np.asfortranarray(x),
    lambda x: np.repeat(x, 2, axis=0)[::2],
    lambda x: x[::-1][::-1],
    lambda x: x[:, ::-1].copy()[:, ::-1],
    lambda x: x.astype(">f4"),
    lambda x: x.astype(np.float64),
    lambda x: x.tolist(),
    lambda x: np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(np.float32).reshape(x.shape),
], ids=["fortran", "strided", "reversed_twice", "negative_strides", "big_endian", "float64", "lists", "misaligned"])
def test_layouts_give_the_same(change):
    m = model()
    np.testing.assert_array_equal(m.predict(change(X)), m.predict(X))


def test_read_only_arrays_are_taken():
    x = X.copy()
    x.flags.writeable = False
    assert model().predict(x).shape == (6, 3)


@pytest.mark.parametrize("kind", ["bool", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16"])
def test_types_count_as_their_numbers(kind):
    m = model()
    x = np.array(X > 1, dtype=kind)
    np.testing.assert_array_equal(m.predict(x), m.predict(x.astype(np.float32)))


@pytest.mark.parametrize("bad, error", [
    (np.array([[1, "a"]], dtype=object), TypeError),
    (np.array(["a", "b"]), TypeError),
    (np.zeros((6, 4, 5, 2), complex), ValueError),
    (np.zeros((6, 4, 5, 3)), ValueError),
    (np.zeros((0, 4, 5, 2)), ValueError),
    (np.zeros((6, 0, 5, 2)), ValueError),
    (np.float32(3), ValueError),
    (np.full((6, 4, 5, 2), 2**64 - 1, np.uint64), ValueError),
    ([[1, 2], [3]], ValueError),
    ([None], TypeError),
    (None, ValueError),
    ("text", TypeError),
    (np.zeros((1,) * 12), ValueError),
    (np.datetime64("2020-01-01"), TypeError),
])
def test_what_is_no_array_is_refused(bad, error):
    with pytest.raises(error) as caught:
        model().predict(bad)
    assert str(caught.value)


def test_errors_are_linns_and_pythons():
    with pytest.raises(errors.ShapeError, match="the model wants"):
        model().predict(np.zeros((2, 3)))
    assert issubclass(errors.ShapeError, ValueError) and issubclass(errors.StateError, RuntimeError)
    with pytest.raises(FileNotFoundError) as raised:
        keras.models.load_model("/no/such/file.keras")
    assert isinstance(raised.value, errors.Error), "every error of linn is one"
    with pytest.raises(RuntimeError, match="compile"):
        keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).fit(np.zeros((2, 2)), np.zeros((2, 1)))


def test_nothing_is_copied_on_the_way_in():
    assert _arrays.array(X) is X


def test_results_own_their_memory():
    m = model()
    y = m.predict(X)
    kept = y.copy()
    del m
    np.testing.assert_array_equal(y, kept)
    y[:] = 0


def test_an_array_changed_while_fit_runs_crashes_nothing():
    x, y = np.random.rand(2000, 4, 5, 2).astype(np.float32), np.zeros((2000, 3), np.float32)
    m = model()
    stop = threading.Event()

    def change():
        while not stop.is_set():
            x[:] = np.random.rand(*x.shape)

    thread = threading.Thread(target=change)
    thread.start()
    m.fit(x, y, epochs=3, verbose=0)
    stop.set()
    thread.join()


def test_an_array_that_is_freed_while_predict_runs():
    m = model()
    results = [m.predict(np.ones((50, 4, 5, 2), np.float32)) for _ in range(50)]
    assert all(np.array_equal(r, results[0]) for r in results)


def test_threads_predict_at_once():
    m = keras.Sequential([keras.Input((12, 12, 3)), keras.layers.Conv2D(8, 3, activation="relu"), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(4)])
    x = np.random.rand(40, 12, 12, 3).astype(np.float32)
    expected = m.predict(x)
    wrong = []

    def run():
        for _ in range(30):
            if not np.array_equal(m.predict(x), expected):
                wrong.append(1)

    threads = [threading.Thread(target=run) for _ in range(6)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not wrong


def test_predict_beside_training_and_changes_of_weights():
    m = model()
    x, y = np.random.rand(500, 4, 5, 2).astype(np.float32), np.zeros((500, 3), np.float32)
    stop = threading.Event()
    shapes = set()

    def run():
        while not stop.is_set():
            shapes.add(m.predict(x[:7]).shape)

    thread = threading.Thread(target=run)
    thread.start()
    for _ in range(5):
        m.fit(x, y, epochs=2, verbose=0)
        m.set_weights([w * 0 for w in m.get_weights()])
        m.compile("adam", "mse")
    stop.set()
    thread.join()
    assert shapes == {(7, 3)}


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5) | st.complex_numbers(),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
ARRAYS = hnp.arrays(
    dtype=st.one_of(hnp.scalar_dtypes(), hnp.unicode_string_dtypes(max_len=3), hnp.byte_string_dtypes(max_len=3), hnp.datetime64_dtypes(), hnp.timedelta64_dtypes()),
    shape=hnp.array_shapes(min_dims=0, max_dims=6, min_side=0, max_side=5),
)
RAISED = (ValueError, TypeError, RuntimeError, OverflowError, MemoryError)
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@QUICK
@given(x=st.one_of(ANYTHING, ARRAYS), y=st.one_of(ANYTHING, ARRAYS))
def test_fuzz_data(x, y):
    m = model()
    for call in (lambda: m.predict(x), lambda: m.fit(x, y, verbose=0), lambda: m.train_on_batch(x, y), lambda: m.evaluate(x, y, verbose=0), lambda: m(x)):
        try:
            call()
        except RAISED:
            pass


@QUICK
@given(name=st.sampled_from(sorted(keras.layers._classes)), args=st.lists(ANYTHING, max_size=4), x=st.one_of(ANYTHING, ARRAYS))
def test_fuzz_layers(name, args, x):
    try:
        getattr(keras.layers, name)(*args)(x)
    except RAISED:
        pass


@QUICK
@given(value=ANYTHING)
def test_fuzz_arguments(value):
    m = model()
    x, y = X, np.zeros((6, 3), np.float32)
    for key in ("batch_size", "epochs", "verbose", "callbacks", "validation_split", "validation_data", "class_weight", "sample_weight", "steps_per_epoch", "initial_epoch"):
        if key in ("epochs", "steps_per_epoch") and isinstance(value, (int, float)) and not abs(value) <= 50:
            continue  # such a training is right, and long
        try:
            m.fit(x, y, **{"verbose": 0, key: value})
        except RAISED:
            pass
    for call in (
        lambda: m.compile(value, "mse"),
        lambda: m.compile("sgd", value),
        lambda: m.compile("sgd", "mse", metrics=value),
        lambda: m.set_weights(value),
        lambda: m.get_layer(value),
        lambda: keras.Model(value, value),
        lambda: keras.Sequential(value),
        lambda: keras.Input(value),
        lambda: m.summary(line_length=value, print_fn=lambda text: None),
        lambda: m.load_weights(value),
        lambda: keras.models.model_from_json(value),
    ):
        try:
            call()
        except (*RAISED, OSError, AttributeError, KeyError):
            pass
