"""Callbacks: order and names as Keras's, exceptions, Ctrl-C, learning rates."""

import os
import signal
import threading
import time

import numpy as np
import pytest

from linn import keras

X, Y = np.random.default_rng(0).random((40, 6), np.float32), np.arange(40) % 3


def model():
    made = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, activation="softmax")])
    made.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return made


class Recorder(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.calls = []

    def on_train_begin(self, logs=None):
        self.calls.append(("train_begin", sorted(logs)))

    def on_train_end(self, logs=None):
        self.calls.append(("train_end", sorted(logs)))

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append(("epoch_begin", epoch))

    def on_epoch_end(self, epoch, logs=None):
        self.calls.append(("epoch_end", epoch, sorted(logs)))

    def on_train_batch_begin(self, batch, logs=None):
        self.calls.append(("batch_begin", batch))

    def on_train_batch_end(self, batch, logs=None):
        self.calls.append(("batch_end", batch, sorted(logs)))

    def on_test_begin(self, logs=None):
        self.calls.append(("test_begin",))

    def on_test_end(self, logs=None):
        self.calls.append(("test_end", sorted(logs)))

    def on_test_batch_end(self, batch, logs=None):
        self.calls.append(("test_batch_end", batch))


def test_the_order_of_keras():
    recorder = Recorder()
    model().fit(X, Y, batch_size=20, epochs=2, verbose=0, callbacks=[recorder], validation_data=(X, Y))
    logs, every = ["accuracy", "loss"], ["accuracy", "loss", "val_accuracy", "val_loss"]
    epoch = lambda e: [  # noqa: E731
        ("epoch_begin", e),
        ("batch_begin", 0),
        ("batch_end", 0, logs),
        ("batch_begin", 1),
        ("batch_end", 1, logs),
        ("test_begin",),
        ("test_batch_end", 0),
        ("test_batch_end", 1),
        ("test_end", logs),
        ("epoch_end", e, every),
    ]
    assert recorder.calls == [("train_begin", []), *epoch(0), *epoch(1), ("train_end", every)]


def test_what_a_callback_knows():
    seen = {}

    class Look(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.update(self.params, model=self.model, loss=logs["loss"])

    m = model()
    history = m.fit(X, Y, batch_size=16, verbose=0, callbacks=[Look()])
    assert seen["model"] is m and seen["epochs"] == 1 and seen["steps"] == 3
    assert history.history["loss"] == [seen["loss"]]


def test_an_exception_ends_the_training_and_the_model_lives_on():
    class Fail(keras.callbacks.Callback):
        def on_batch_end(self, batch, logs=None):
            raise KeyError("mine")

    m = model()
    with pytest.raises(KeyError, match="mine"):
        m.fit(X, Y, verbose=1, callbacks=[Fail()])
    assert m.fit(X, Y, verbose=0).epoch == [0]


def test_stop_training():
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    assert model().fit(X, Y, epochs=9, verbose=0, callbacks=[Stop()]).epoch == [0, 1]


def test_ctrl_c_reaches_python_and_a_restart_is_not_needed():
    m = model()
    x, y = np.random.rand(200000, 6).astype(np.float32), np.zeros(200000, np.int64)
    threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        m.fit(x, y, epochs=1000, batch_size=8, verbose=0)
    assert time.monotonic() - begin < 5
    m.fit(X, Y, verbose=0)


def test_learning_rates():
    rates = []

    class Rates(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            rates.append(float(self.model.optimizer.learning_rate))

    m = model()
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5)
    m.fit(X, Y, epochs=3, verbose=0, callbacks=[schedule, Rates()])
    np.testing.assert_allclose(rates, [0.05, 0.025, 0.0125])
    m.optimizer.learning_rate = 1e-30
    before = m.get_weights()[0]
    m.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(m.get_weights()[0], before)


def test_predict_and_evaluate_from_within():
    class Inside(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            assert self.model.predict(X).shape == (40, 3)
            assert self.model.evaluate(X, Y, verbose=0)[1] >= 0
            self.model.set_weights(self.model.get_weights())
            with pytest.raises(RuntimeError, match="callback"):
                self.model.compile("sgd", "mse")

    model().fit(X, Y, verbose=0, callbacks=[Inside()])


def test_what_one_callback_adds_to_the_logs_the_next_one_and_the_history_see(tmp_path):
    seen = []

    class Add(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["mine"] = epoch * 10

    add = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs["mine"]))
    history = model().fit(X, Y, epochs=2, verbose=0, callbacks=[Add(), keras.callbacks.CSVLogger(tmp_path / "log.csv"), add])
    assert seen == [0, 10] and history.history["mine"] == [0, 10]


def test_fit_within_fit_is_refused():
    class Again(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.fit(X, Y, verbose=0)

    with pytest.raises(RuntimeError, match="trained already"):
        model().fit(X, Y, verbose=0, callbacks=[Again()])


def test_those_of_the_engine(tmp_path):
    stopping = keras.callbacks.EarlyStopping(monitor="loss", min_delta=100, patience=1)
    checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / "at-{epoch}.keras")
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    history = model().fit(X, Y, epochs=9, verbose=0, callbacks=[stopping, checkpoint, log])
    assert history.epoch == [0, 1] and stopping.stopped_epoch == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["at-1.keras", "at-2.keras", "log.csv"]
    assert keras.models.load_model(tmp_path / "at-2.keras").predict(X).shape == (40, 3)


def test_what_is_no_callback():
    with pytest.raises(TypeError, match="Callback"):
        model().fit(X, Y, verbose=0, callbacks=[print])


def test_lambda_callback():
    epochs = []
    model().fit(X, Y, epochs=2, verbose=0, callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append((epoch, "loss" in logs)))])
    assert epochs == [(0, True), (1, True)]


# ---- data that come in batches ----


class Pairs(keras.utils.PyDataset):
    def __init__(self, n=4):
        super().__init__()
        self.n, self.ended = n, 0

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return X[i * 10 : i * 10 + 10], Y[i * 10 : i * 10 + 10]

    def on_epoch_end(self):
        self.ended += 1


def test_a_dataset_takes_the_steps_of_its_arrays():
    a, b = model(), model()
    b.set_weights(a.get_weights())
    data = Pairs()
    first = a.fit(X, Y, batch_size=10, epochs=3, shuffle=False, verbose=0, validation_data=(X, Y), validation_batch_size=10)
    second = b.fit(data, epochs=3, shuffle=False, verbose=0, validation_data=Pairs())
    assert first.history == second.history
    assert data.ended == 2
    assert b.evaluate(Pairs(), verbose=0) == a.evaluate(X, Y, batch_size=10, verbose=0)
    np.testing.assert_array_equal(b.predict(Pairs()), a.predict(X))


def test_generators():
    def endless():
        while True:
            yield X[:8], Y[:8]

    history = model().fit(endless(), steps_per_epoch=5, epochs=2, verbose=0)
    assert history.epoch == [0, 1]
    with pytest.warns(UserWarning, match="the data ended"):
        assert model().fit(((X[:8], Y[:8]) for _ in range(7)), steps_per_epoch=5, epochs=2, verbose=0).epoch == [0]


@pytest.mark.parametrize("batch, error", [(5, ValueError), ((X,), ValueError), ((X, Y, Y, Y), ValueError), (("a", "b"), TypeError), ((X[:, :2], Y), ValueError), (None, (ValueError, TypeError))])
def test_a_generator_of_nonsense(batch, error):
    with pytest.raises(error):
        model().fit((batch for _ in range(3)), verbose=0)


def test_a_generator_that_fails():
    def failing():
        yield X, Y
        raise ZeroDivisionError("in the data")

    with pytest.raises(ZeroDivisionError, match="in the data"):
        model().fit(failing(), verbose=0)


class Interrupts(keras.callbacks.Callback):
    """Fails like a machine that loses its power, in the middle of the second epoch."""

    def on_train_batch_begin(self, batch, logs=None):
        if self.model.optimizer.iterations == 7:
            raise KeyboardInterrupt


class Remembers(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.losses = []

    def on_epoch_end(self, epoch, logs=None):
        self.losses.append(logs["loss"])

    def save_state(self):
        return self.losses

    def restore_state(self, state):
        self.losses = state


@pytest.mark.parametrize("save_freq", ["epoch", 3])
def test_backup_and_restore_is_exact(tmp_path, save_freq):
    def fit(*callbacks):
        keras.utils.set_random_seed(1)
        made, remembers = model(), Remembers()
        plateau = keras.callbacks.ReduceLROnPlateau(monitor="loss", patience=1, factor=0.5, min_delta=1)
        history = made.fit(X, Y, batch_size=8, epochs=4, verbose=0, callbacks=[remembers, plateau, *callbacks])
        return made.get_weights(), history.history, history.epoch, remembers.losses

    def backup():
        return keras.callbacks.BackupAndRestore(str(tmp_path / "backup"), save_freq=save_freq)

    straight = fit()
    with pytest.raises(KeyboardInterrupt):
        fit(backup(), Interrupts())
    assert (tmp_path / "backup" / "checkpoint.safetensors").exists()
    resumed = fit(backup())
    for a, b in zip(straight[0], resumed[0], strict=True):
        np.testing.assert_array_equal(a, b)
    assert resumed[1:] == straight[1:]
    assert not list((tmp_path / "backup").iterdir())


def test_backup_and_restore_refuses(tmp_path):
    with pytest.raises(ValueError, match="save_freq"):
        keras.callbacks.BackupAndRestore(tmp_path, save_freq="batch")
    with pytest.raises(ValueError, match="backup_dir is empty"):
        keras.callbacks.BackupAndRestore("")
