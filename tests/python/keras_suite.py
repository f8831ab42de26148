"""Runs Keras's own tests on linn.

    git clone --depth 1 https://github.com/keras-team/keras /tmp/keras
    pip install pytest numpy absl-py scipy h5py
    PYTHONPATH=build/release/python python tests/python/keras_suite.py /tmp/keras                                     # all that is in scope
    PYTHONPATH=build/release/python python tests/python/keras_suite.py /tmp/keras layers/pooling -k max_pooling2d -v    # a folder, by name

The tests come from the checkout, unchanged. What they import from Keras is this file's: `keras.src.layers` and the like are linn's modules;
`keras.src.testing`, `backend`, `ops`, `tree`, `random` are stand-ins on numpy, for inputs and expected values. Nothing of Keras runs but its tests,
and the functions on padding in backend/common/backend_utils.py by which they compute expected values.

Each test passes, fails, or is out of scope. Out of scope is what a test asks for that linn does not promise; the tables below hold the reasons.
A test that fails for any other reason has failed. Exit status 1: a test failed that tests/python/keras_suite_known.txt does not name, or one
passed that it names.

What is judged more mildly than in Keras:
- Texts of errors are linn's own: assertRaisesRegex checks the class of the error alone.
- run_layer_test does not look at masks, seed generators, `losses` of a layer, mixed precision, or the type of an output's array.
- Symbolic shapes of linn keep no batch size: assertEqual takes (None, 4) for (2, 4).
- Layers outside of a model compute as in inference; run_layer_test trains the layer in a model where Keras calls it with training=True.
"""

import argparse
import ast
import collections
import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import pathlib
import re
import shutil
import sys
import tempfile
import types

import numpy as np
import pytest

import linn
from linn import _linn, errors, keras

HERE = pathlib.Path(__file__).resolve().parent
KNOWN = HERE / "keras_suite_known.txt"
LAYERS_ABSENT = HERE.parent / "golden" / "keras_absent.txt"

DEFAULT = (
    "layers/pooling layers/convolutional layers/core layers/merging layers/normalization layers/reshaping layers/activations layers/regularization "
    "activations initializers losses metrics models/sequential_test.py models/functional_test.py models/model_test.py models/cloning_test.py "
    "callbacks utils/numerical_utils_test.py regularizers layers/preprocessing/rescaling_test.py layers/preprocessing/normalization_test.py "
    "layers/preprocessing/image_preprocessing/resizing_test.py"
).split()

# ---- what is out of scope ---------------------------------------------------------------------------------------

# Whole files, by what they import or test.
FILES_OUT = [
    (r"callbacks/tensorboard_test", "TensorBoard needs TensorFlow"),
    (r"callbacks/orbax_checkpoint_test", "Orbax needs JAX"),
    (r"layers/core/ternary_dense_test", "quantization"),
    (r"callbacks/swap_ema_weights_test", "a callback that linn does not have"),
    (r"initializers/initializer_test", "several devices"),
]

# Tests, by name.
TESTS_OUT = [
    (r"quantiz|_int8|_int4|_fp8|_float8|gptq|awq|int8|int4|float8", "quantization"),
    (r"lora", "LoRA"),
    (r"sparse_(tensor|input|layer)|_sparse$|with_sparse|ragged|jax_sparse", "sparse and ragged tensors"),
    (r"mask(ed|ing)?(_|$)|_mask(ed|ing)?\b", "masks"),
    (r"mixed_precision|autocast|float16|bfloat16|float64|dtype_policy|dtype_arg|_dtype$|dtype_standardization|half_precision", "a dtype other than float32"),
    (r"custom_model|custom_layer", "classes and functions of Python"),
    (r"jit|tf_saved_model|torch_|jax_|tensorflow_|distribut|sharding|_mesh", "inner parts of other backends"),
]

# Modules of Keras that linn does not have.
MODULES_OUT = {
    "quantizers": "quantization",
    "distribution": "several devices",
    "export": "export for TensorFlow",
    "layers.attention": "a layer that linn does not have (attention)",
    "layers.input_spec": "inner parts of Keras's layers",
    "saving.saving_lib_test": "inner parts of Keras's saving",
    "utils.io_utils": "inner functions of Keras",
    "utils.file_utils": "inner functions of Keras",
}

# Names in modules that linn does have; layers come from tests/golden/keras_absent.txt.
NAMES_OUT = {
    "losses": {
        "a loss that linn does not have": "CTC ctc LossFunctionWrapper",
        "inner functions of Keras": "squeeze_or_expand_to_same_rank",
    },
    "metrics": {
        "a metric that linn does not have": "accuracy Mean Sum MeanMetricWrapper",
        "inner functions of Keras": "reduce_to_samplewise_values assert_thresholds_range is_evenly_distributed_thresholds confusion_matrix "
        "update_confusion_matrix_variables to_list ConfusionMatrix",
    },
    "initializers": {
        "an initializer that linn does not have": "STFT",
        "inner functions of Keras": "compute_fans",
    },
    "optimizers": {"an optimizer that linn does not have": "LossScaleOptimizer"},
    "regularizers": {
        "inner functions of Keras": "validate_float_arg",
    },
    "callbacks": {
        "a callback that linn does not have": "RemoteMonitor TensorBoard OrbaxCheckpoint MonitorCallback",
    },
    "applications": {"a network that linn does not have": "mobilenet MobileNet"},
    "models": {"inner functions of Keras": "clone_layer functional_like_constructor serialize_node"},
    "saving": {"classes of one's own in Python": "register_keras_serializable custom_object_scope CustomObjectScope"},
    "utils": {
        "inner functions of Keras": "traceback_utils io_utils encode_categorical_inputs build_pos_neg_masks split_dataset is_interactive_logging_enabled",
    },
    "layers": {
        "inner functions of Keras": "_analyze_einsum_string InputSpec",
        "a layer that linn does not have (layers of recurrent networks)": "LSTM GRU SimpleRNN RNN ConvLSTM2D MultiHeadAttention",
    },
}

# What linn says when it refuses something by design.
REFUSALS = [
    (r"bounding_box", "boxes around objects"),
    (r"channels_first", "channels_first"),
    (r"format is 'tf_saved_model'", "export for TensorFlow"),
    (r"InputLayer: (sparse|ragged) is not supported", "sparse and ragged tensors"),
    (r"InputLayer: (optional|input_tensor) is not supported", "inputs that are optional or made of a tensor"),
    (r"computes without Python|cannot run in linn's engine|is a base class", "classes and functions of Python"),
    (r"computes as in inference; training=True", "training=True outside of fit"),
    (r"activity_regularizer", "regularization of activities"),
    (r'field "dtype"', "a dtype other than float32"),
    (r"quantiz|\blora_|lora_rank", "quantization and LoRA"),
    (r"has no maps of one or three dimensions", "maps of one or three dimensions"),
    (r"linn has no masks", "masks"),
]


class OutOfScope(BaseException):
    """A test asked for what linn does not promise. No Exception, so that no test catches it."""


_is_running = False  # a test; while files are read nothing may be raised


# Arguments of Keras that the engine's tables name as absent.
ARGUMENTS_OUT = {key for kind in ("layer", "loss", "metric", "optimizer", "initializer") for row in _linn.rows(kind) for key in row["absent"]}


def refusal(error):
    """The reason why linn refused, or None."""
    if isinstance(error, errors.Error):
        absent = re.search(r'field "(\w+)" with .* is not supported', str(error))
        if absent and absent[1] in ARGUMENTS_OUT and not any(re.search(pattern, str(error)) for pattern, _ in REFUSALS):
            return "an argument that linn's tables name as absent"
        for pattern, reason in REFUSALS:
            if re.search(pattern, str(error)):
                return reason
    if isinstance(error, AttributeError) and re.search(r"(^|has no attribute ')_\w+'?$", str(error)):
        return "inner attributes of Keras's classes"
    return None


class Absent:
    """Stands for a name that linn does not have. While a test runs, using it ends the test."""

    def __init__(self, name, reason):
        self.__dict__.update(_name=name, _reason=reason, __name__=name)

    def _used(self, name=None):
        if _is_running:
            raise OutOfScope(self._reason)
        return Absent(f"{self._name}.{name}" if name else self._name, self._reason)

    def __call__(self, *args, **kwargs):
        if not _is_running and len(args) == 1 and not kwargs and isinstance(args[0], (type, types.FunctionType)):
            return args[0]  # it decorates something
        return self._used()

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self._used(name)

    def __mro_entries__(self, bases):
        reason = self._reason

        class Base:
            def __init__(self, *args, **kwargs):
                raise OutOfScope(reason)

        return (Base,)

    def __array__(self, *args, **kwargs):
        raise OutOfScope(self._reason)

    def _node(self):
        raise OutOfScope(self._reason)

    def __instancecheck__(self, value):
        raise OutOfScope(self._reason)

    def __iter__(self):
        raise OutOfScope(self._reason)

    def __repr__(self):
        return f"<absent {self._name}>"


# ---- the stand-ins ----------------------------------------------------------------------------------------------


def to_numpy(value):
    if isinstance(value, Absent):
        value._used()
    return value if isinstance(value, np.ndarray) else np.asarray(value)


def to_tensor(value, dtype=None, **kwargs):
    """As Keras makes tensors: numbers of Python are float32 and int32, arrays keep their type."""
    if kwargs.get("sparse") or kwargs.get("ragged"):
        raise OutOfScope("sparse and ragged tensors")
    made = to_numpy(value)
    if dtype is not None:
        return made.astype(standardize_dtype(dtype))
    if not hasattr(value, "dtype") and made.dtype in (np.float64, np.int64):
        return made.astype("float32" if made.dtype == np.float64 else "int32")
    return made


def standardize_dtype(dtype):
    if dtype is None:
        return "float32"
    if dtype in ("float8_e4m3fn", "float8_e5m2", "bfloat16", "int4", "uint4"):
        raise OutOfScope("a dtype other than float32")
    if dtype in (float, int):
        return "float32" if dtype is float else "int32"
    return np.dtype(dtype).name


class _IsKerasTensor(type):
    def __instancecheck__(cls, value):
        return isinstance(value, keras.KerasTensor)


class KerasTensor(metaclass=_IsKerasTensor):
    """A symbolic value of linn, by Keras's constructor."""

    def __new__(cls, shape, dtype="float32", sparse=False, ragged=False, name=None, **kwargs):
        if sparse or ragged:
            raise OutOfScope("sparse and ragged tensors")
        return keras.Input(batch_shape=tuple(shape), dtype=dtype, name=name)


def _shape(x):
    return tuple(x.shape) if hasattr(x, "shape") else np.shape(x)


def _one_hot(x, num_classes, axis=-1, dtype="float32", **kwargs):
    if axis != -1:
        raise OutOfScope("operations on tensors (keras.ops)")
    return (np.asarray(x)[..., None] == np.arange(num_classes)).astype(dtype)


def _module(name, **names):
    made = types.ModuleType(f"keras.src.{name}")
    made.__dict__.update(names)
    return made


def _fallback(module, other, reason):
    def get(name):
        if name.startswith("__"):
            raise AttributeError(name)
        if other is not None and hasattr(other, name):
            return getattr(other, name)
        return Absent(f"{module.__name__}.{name}", reason)

    module.__getattr__ = get
    return module


def _float32(function):
    return lambda shape, *args, dtype="float32", **kwargs: function(tuple(shape) if np.iterable(shape) else shape, *args).astype(dtype)


ops = _fallback(
    _module(
        "ops",
        convert_to_tensor=to_tensor,
        convert_to_numpy=to_numpy,
        shape=_shape,
        cast=lambda x, dtype: to_numpy(x).astype(standardize_dtype(dtype)),
        one_hot=_one_hot,
        ones=lambda shape, dtype="float32": np.ones(shape, dtype),
        zeros=lambda shape, dtype="float32": np.zeros(shape, dtype),
        full=lambda shape, value, dtype="float32": np.full(shape, value, dtype),
        rsqrt=lambda x: 1 / np.sqrt(x),
        is_tensor=lambda x: isinstance(x, np.ndarray),
    ),
    np,
    "operations on tensors (keras.ops)",
)

random = _fallback(
    _module(
        "random",
        uniform=lambda shape, minval=0.0, maxval=1.0, dtype="float32", seed=None: np.random.uniform(minval, maxval, shape).astype(dtype),
        normal=lambda shape, mean=0.0, stddev=1.0, dtype="float32", seed=None: np.random.normal(mean, stddev, shape).astype(dtype),
        randint=lambda shape, minval, maxval, dtype="int32", seed=None: np.random.randint(minval, maxval, shape).astype(dtype),
    ),
    None,
    "random numbers as a part of the backend",
)


def set_image_data_format(layout):
    if layout != "channels_last":
        raise OutOfScope("channels_first")


def set_floatx(dtype):
    if dtype != "float32":
        raise OutOfScope("a dtype other than float32")


backend_config = _fallback(
    _module(
        "backend.config",
        image_data_format=keras.backend.image_data_format,
        floatx=keras.backend.floatx,
        epsilon=keras.backend.epsilon,
        set_image_data_format=set_image_data_format,
        set_floatx=set_floatx,
    ),
    None,
    "inner parts of Keras's backends",
)
class Variable:
    """A value that Keras's tests wrap for no reason that matters here: the array itself."""

    def __new__(cls, initializer, shape=None, dtype=None, **kwargs):
        return to_tensor(initializer, dtype)


def set_dtype_policy(policy):
    if policy not in ("float32", None):
        raise OutOfScope("a dtype other than float32")


dtype_policy = _module("dtype_policies.dtype_policy", dtype_policy=keras.config.dtype_policy, set_dtype_policy=set_dtype_policy)
dtype_policies = _fallback(
    _module("dtype_policies", dtype_policy=dtype_policy, serialize=lambda policy: policy, get=lambda policy: policy), None, "dtype policies as objects"
)

keras_tensor = _module("backend.common.keras_tensor", KerasTensor=KerasTensor)
backend_common = _fallback(_module("backend.common", keras_tensor=keras_tensor, KerasTensor=KerasTensor), None, "inner parts of Keras's backends")
backend = _fallback(
    _module(
        "backend",
        **{n: getattr(backend_config, n) for n in ("image_data_format", "floatx", "epsilon", "set_image_data_format", "set_floatx")},
        backend=keras.backend.backend,
        config=backend_config,
        common=backend_common,
        random=random,
        KerasTensor=KerasTensor,
        Variable=Variable,
        compute_output_spec=lambda function, *args, **kwargs: function(*args, **kwargs),
        standardize_shape=tuple,
        convert_to_numpy=to_numpy,
        convert_to_tensor=to_tensor,
        is_tensor=lambda x: isinstance(x, np.ndarray),
        standardize_dtype=standardize_dtype,
        is_float_dtype=lambda dtype: standardize_dtype(dtype).startswith("float"),
        shape=_shape,
        numpy=np,
        SUPPORTS_SPARSE_TENSORS=False,
        SUPPORTS_RAGGED_TENSORS=False,
        SUPPORTS_COMPLEX_DTYPES=False,
        IS_THREAD_SAFE=True,
    ),
    None,
    "inner parts of Keras's backends",
)


def _leaves(value):
    if isinstance(value, dict):
        return [leaf for key in sorted(value) for leaf in _leaves(value[key])]
    if isinstance(value, (list, tuple)):
        return [leaf for part in value for leaf in _leaves(part)]
    return [] if value is None else [value]


def _mapped(function, value, *more):
    if isinstance(value, dict):
        return {key: _mapped(function, value[key], *(m[key] for m in more)) for key in value}
    if isinstance(value, (list, tuple)):
        parts = [_mapped(function, *some) for some in zip(value, *more)]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return function(value, *more)


def _same_structure(a, b, **kwargs):
    _mapped(lambda x, y: None, a, b)


tree = _fallback(_module("tree", flatten=_leaves, map_structure=_mapped, assert_same_structure=_same_structure), None, "inner functions of Keras")


# ---- keras.src.testing ------------------------------------------------------------------------------------------


def _is_shape(value):
    return isinstance(value, (list, tuple)) and all(part is None or isinstance(part, (int, np.integer)) for part in value)


def _each_shape(function, shape):
    if _is_shape(shape):
        return function(tuple(shape))
    if isinstance(shape, dict):
        raise OutOfScope("layers with several named inputs")
    return [_each_shape(function, part) for part in shape]


def _input_array(shape, dtype):
    return (3 * np.random.uniform(size=tuple(1 if size is None else size for size in shape))).astype(dtype)


def _plain(value):
    """A configuration as JSON writes it, so that tuples equal lists."""
    return json.loads(json.dumps(value, sort_keys=True, default=lambda part: part._node() if hasattr(part, "_node") else repr(part)))


from absl.testing import parameterized  # noqa: E402


class TestCase(parameterized.TestCase):
    """What Keras's tests call on self."""

    maxDiff = None

    def setUp(self):
        keras.backend.clear_session()
        keras.utils.set_random_seed(1337)

    def get_temp_dir(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        return folder

    def convert_to_numpy(self, x):
        return to_numpy(x)

    def assertAllClose(self, actual, desired, atol=1e-6, rtol=1e-6, tpu_atol=None, tpu_rtol=None, msg=None):
        np.testing.assert_allclose(to_numpy(actual), to_numpy(desired), atol=atol, rtol=rtol, err_msg=msg or "")

    def assertEqual(self, first, second, msg=None):
        if all(isinstance(shape, tuple) and shape for shape in (first, second)) and first[0] is None and first[1:] == second[1:]:
            second = first
        super().assertEqual(first, second, msg)

    def assertNotAllClose(self, x1, x2, atol=1e-6, rtol=1e-6, msg=None):
        with contextlib.suppress(AssertionError):
            self.assertAllClose(x1, x2, atol=atol, rtol=rtol)
            raise _Equal()

    def assertAlmostEqual(self, actual, desired, decimal=3, tpu_decimal=None, msg=None):
        np.testing.assert_almost_equal(to_numpy(actual), to_numpy(desired), decimal=decimal, err_msg=msg or "")

    def assertAllEqual(self, actual, desired, msg=None):
        np.testing.assert_array_equal(to_numpy(actual), to_numpy(desired), err_msg=msg or "")

    def assertLen(self, container, expected_len, msg=None):
        self.assertEqual(len(container), expected_len, msg)

    def assertDType(self, x, dtype, msg=None):
        self.assertEqual(standardize_dtype(x.dtype if hasattr(x, "dtype") else type(x)), standardize_dtype(dtype), msg)

    def assertSparse(self, x, sparse=True):
        raise OutOfScope("sparse and ragged tensors")

    assertRagged = assertSparse

    def assertFileExists(self, path):
        self.assertTrue(pathlib.Path(path).is_file(), f"{path} is not there")

    # Texts of errors are linn's own, so their class alone counts. An error by which linn refuses something by design proves nothing.
    @contextlib.contextmanager
    def _raises(self, expected):
        caught = types.SimpleNamespace(exception=None)
        try:
            yield caught
        except expected as error:
            reason = refusal(error)
            if reason:
                raise OutOfScope(reason) from None
            caught.exception = error
            return
        raise self.failureException(f"{getattr(expected, '__name__', expected)} not raised")

    def assertRaises(self, expected_exception, *args, **kwargs):
        return self._call(self._raises(expected_exception), args, kwargs)

    def assertRaisesRegex(self, expected_exception, expected_regex, *args, **kwargs):
        return self._call(self._raises(expected_exception), args, kwargs)

    @staticmethod
    def _call(context, args, kwargs):
        if not args:
            return context
        with context:
            args[0](*args[1:], **kwargs)
        return None

    @contextlib.contextmanager
    def subTest(self, *args, **kwargs):
        yield

    def run_class_serialization_test(self, instance, custom_objects=None):
        """get_config and from_config give an equal object, and so do serialize and deserialize."""
        config = instance.get_config()
        revived = type(instance).from_config(config)
        self.assertEqual(_plain(config), _plain(revived.get_config()))
        self.assertEqual(set(dir(instance)), set(dir(revived)))
        module = _module_of(instance)
        node = json.loads(json.dumps(_plain(module.serialize(instance))))
        revived = module.deserialize(node)
        self.assertEqual(_plain(config), _plain(revived.get_config()))
        self.assertIs(type(revived), type(instance))
        return revived

    def run_layer_test(
        self,
        layer_cls,
        init_kwargs,
        input_shape=None,
        input_dtype=None,
        input_sparse=False,
        input_ragged=False,
        input_data=None,
        call_kwargs=None,
        expected_output_shape=None,
        expected_output_dtype=None,
        expected_output_sparse=False,
        expected_output_ragged=False,
        expected_output=None,
        expected_num_trainable_weights=None,
        expected_num_non_trainable_weights=None,
        expected_num_non_trainable_variables=None,
        expected_num_seed_generators=None,
        expected_num_losses=None,
        supports_masking=None,
        expected_mask_shape=None,
        custom_objects=None,
        run_training_check=True,
        run_mixed_precision_check=True,
        assert_built_after_instantiation=False,
        tpu_atol=None,
        tpu_rtol=None,
    ):
        """Configuration, build, symbolic call, call with arrays, and a step of training, each with a new layer."""
        if (input_sparse and input_data is None) or input_ragged:
            raise OutOfScope("sparse and ragged tensors")
        call_kwargs = dict(call_kwargs or {})
        training = call_kwargs.pop("training", None)
        symbolic_kwargs = call_kwargs if training is None else {**call_kwargs, "training": training}

        def make():
            return layer_cls(**(init_kwargs or {}))

        self.run_class_serialization_test(make(), custom_objects)
        if assert_built_after_instantiation:
            self.assertTrue(make().built, "a layer without variables is built from the start")
        if input_data is None and input_shape is None:
            return
        if input_data is None:
            input_data = _each_shape(lambda shape: _input_array(shape, _dtype_of(input_dtype)), input_shape)
        shapes = _mapped(lambda x: _Shape(_shape(x)), input_data) if input_shape is None else input_shape
        shapes = _each_shape(tuple, shapes.shape if isinstance(shapes, _Shape) else _mapped_shapes(shapes))

        layer = make()
        layer.build(shapes)
        self._check_weights(layer, expected_num_trainable_weights, expected_num_non_trainable_weights, expected_num_non_trainable_variables)

        layer = make()
        outputs = layer(_each_shape(lambda shape: KerasTensor(shape), shapes), **symbolic_kwargs)
        self._check_weights(layer, expected_num_trainable_weights, expected_num_non_trainable_weights, expected_num_non_trainable_variables)
        self._check_outputs(outputs, expected_output_shape, expected_output_dtype)

        layer = make()
        outputs = layer(input_data, **call_kwargs)
        self._check_outputs(outputs, expected_output_shape, expected_output_dtype)
        if expected_output is not None:
            for wanted, got in zip(_leaves(expected_output), _leaves(outputs)):
                self.assertAllClose(wanted, got, msg="Unexpected output value")

        if run_training_check:
            inputs = _each_shape(lambda shape: keras.Input(shape[1:]), shapes)
            model = keras.Model(inputs, make()(inputs))
            model.compile("sgd", "mse")
            targets = [np.zeros_like(output) for output in _leaves(outputs)]
            history = model.fit(input_data, targets if len(targets) > 1 else targets[0], steps_per_epoch=1, verbose=0)
            self.assertTrue(np.isfinite(history.history["loss"][0]))

    def _check_weights(self, layer, trainable, non_trainable, non_trainable_variables):
        self.assertTrue(layer.built)
        for wanted, got in (
            (trainable, layer.trainable_weights),
            (non_trainable, layer.non_trainable_weights),
            (non_trainable_variables, layer.non_trainable_variables),
        ):
            if wanted is not None:
                self.assertLen(got, wanted)

    def _check_outputs(self, outputs, shape, dtype):
        if shape is not None:
            wanted = [shape] if _is_shape(shape) else list(shape)
            for want, got in zip(wanted, _leaves(outputs)):
                fits = len(want) == len(got.shape) and all(w is None or g is None or w == g for w, g in zip(want, got.shape))
                self.assertTrue(fits, f"Expected output shape {want} but received {tuple(got.shape)}")
        if dtype is not None:
            for want, got in zip(_leaves(dtype), _leaves(outputs)):
                self.assertDType(got, want)


class _Equal(Exception):
    """assertNotAllClose: the values are close at all elements."""


class _Shape:
    def __init__(self, shape):
        self.shape = shape


def _mapped_shapes(shapes):
    return _mapped(lambda part: part.shape if isinstance(part, _Shape) else part, shapes)


def _dtype_of(dtype):
    kinds = set(_leaves(dtype)) if dtype is not None else {"float32"}
    return kinds.pop() if len(kinds) == 1 else "float32"


def _module_of(instance):
    for module in (keras.layers, keras.losses, keras.metrics, keras.optimizers, keras.initializers, keras.regularizers):
        if type(instance).__module__ == module.__name__:
            return module
    raise OutOfScope("classes and functions of Python")


def _named_product(*args, **kwargs):
    """Dicts of all combinations, each with a name made of its parts."""
    lists = [list(part) for part in args]
    lists += [[{"testcase_name": str(getattr(v, "__name__", v)).lower(), key: v} for v in values] for key, values in kwargs.items()]
    made = [{"testcase_name": ""}]
    for parts in lists:
        made = [
            {**before, **part, "testcase_name": "_".join(filter(None, (before["testcase_name"], part["testcase_name"])))} for part in parts for before in made
        ]
    return made


def _get_test_data(train_samples, test_samples, input_shape, num_classes, random_seed=None):
    """Normal numbers around one center for each class, the same number of samples of each."""
    random_numbers = np.random.RandomState(random_seed)
    count = train_samples + test_samples
    y = random_numbers.permutation(np.arange(count) % num_classes)
    centers = 2 * num_classes * random_numbers.uniform(size=(num_classes, *input_shape))
    x = (centers[y] + random_numbers.normal(size=(count, *input_shape))).astype("float32")
    return (x[:train_samples], y[:train_samples]), (x[train_samples:], y[train_samples:])


def _no(*args, **kwargs):
    return False


_device_questions = {
    f"{name}uses_{device}": _no for name in ("", "jax_", "tensorflow_", "torch_") for device in ("gpu", "tpu")
}
test_utils = _fallback(_module("testing.test_utils", named_product=_named_product, get_test_data=_get_test_data), None, "inner parts of Keras's saving")
test_case = _module("testing.test_case", TestCase=TestCase, **_device_questions)
testing = _fallback(_module("testing", TestCase=TestCase, test_utils=test_utils, test_case=test_case, **_device_questions), None, "inner functions of Keras")


# ---- modules by Keras's names -----------------------------------------------------------------------------------


def _layers_absent():
    reasons = {}
    for line in LAYERS_ABSENT.read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, reason = line.partition(": ")
            short = "maps of one or three dimensions" if "dimensions" in reason else "a layer that linn does not have"
            reasons[name] = short
            for full, alias in (("MaxPooling", "MaxPool"), ("AveragePooling", "AvgPool"), ("Conv", "Convolution")):
                reasons.setdefault(name.replace(full, alias), short)
    return reasons


def _names_out(module):
    out = {name: reason for reason, names in NAMES_OUT.get(module, {}).items() for name in names.split()}
    return {**_layers_absent(), **out} if module == "layers" else out


class _Named(types.ModuleType):
    """A module of linn, with what is out of scope."""

    def __init__(self, name, module, out):
        super().__init__(name)
        self.__path__ = []
        self.__dict__.update(_linn=module, _out=out)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        if name in self._out:
            return Absent(f"{self.__name__}.{name}", self._out[name])
        return getattr(self._linn, name)


OTHER_FRAMEWORKS = ("tensorflow", "grain")
RUN_AS_THEY_ARE = ("backend.common.backend_utils",)
_LINN = "applications layers models losses metrics callbacks initializers activations optimizers regularizers saving utils".split()
_STAND_INS = {
    "backend": backend,
    "backend.config": backend_config,
    "backend.common": backend_common,
    "backend.common.keras_tensor": keras_tensor,
    "dtype_policies": dtype_policies,
    "dtype_policies.dtype_policy": dtype_policy,
    "ops": ops,
    "random": random,
    "tree": tree,
    "testing": testing,
    "testing.test_utils": test_utils,
    "testing.test_case": test_case,
}


def _skip_if_backend(given_backend, reason):
    return pytest.mark.skipif(given_backend == "linn", reason=reason)


class Root:
    """What keras.src itself holds: its modules, and the classes at its top."""

    Sequential, Model = keras.Sequential, keras.Model
    Input, Layer = keras.Input, keras.Layer

    def __getattr__(self, name):
        if name in _LINN or name in _STAND_INS or name in MODULES_OUT:
            return importlib.import_module(f"keras.src.{name}")
        raise AttributeError(name)


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, source):
        self.source = source
        self.made = {}

    def find_spec(self, fullname, path=None, target=None):
        if fullname.partition(".")[0] in OTHER_FRAMEWORKS:
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        if fullname == "conftest" or fullname.partition(".")[0] == "keras":
            tail = fullname.removeprefix("keras.src.")
            test = self.source / (tail.replace(".", "/") + ".py")
            if (tail.endswith("_test") or tail in RUN_AS_THEY_ARE) and test.exists() and tail not in MODULES_OUT:
                return importlib.util.spec_from_file_location(fullname, test)
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec):
        made = self._make(spec.name)
        made.__path__ = []
        return made

    def _make(self, name):
        if name.partition(".")[0] in OTHER_FRAMEWORKS:
            return _fallback(types.ModuleType(name), None, "what is made for other frameworks")
        if name == "conftest":
            return _module("conftest", skip_if_backend=_skip_if_backend)
        if name in ("keras", "keras.src"):
            return _Named(name, Root(), {})
        tail = name.removeprefix("keras.").removeprefix("src.")
        if tail in _STAND_INS:
            return _STAND_INS[tail]
        for known, reason in MODULES_OUT.items():
            if tail == known or tail.startswith(known + "."):
                return _fallback(types.ModuleType(name), None, reason)
        last = tail.rpartition(".")[2]
        root = tail.partition(".")[0]
        if last[:1].isupper() or last in _names_out(root):
            raise ModuleNotFoundError(f"{tail} is no module", name=name)
        if root in _LINN:
            return _Named(name, getattr(keras, root), _names_out(root))
        if root == "trainers":  # where PyDataset lives
            return _Named(name, keras.utils, {})
        if tail.startswith("backend."):
            return _fallback(types.ModuleType(name), None, "inner parts of Keras's backends")
        raise ModuleNotFoundError(f"the harness has no {name}", name=name)

    def exec_module(self, module):
        pass


# ---- the run ----------------------------------------------------------------------------------------------------

PASSED, FAILED, OUT = "passed", "failed", "out of scope"


class Plugin:
    """Collects outcomes: by test, (outcome, reason)."""

    def __init__(self, source):
        self.source = source
        self.outcomes = {}
        self.traces = {}

    def name_of(self, nodeid_or_item):
        path = pathlib.Path(nodeid_or_item.path).relative_to(self.source)
        return "::".join([str(path), *nodeid_or_item.nodeid.split("::")[1:]])

    def pytest_collect_directory(self, path, parent):
        return pytest.Dir.from_parent(parent, path=path)  # a package would import Keras

    def pytest_pycollect_makemodule(self, module_path, parent):
        return TestModule.from_parent(parent, path=module_path)

    def pytest_collectreport(self, report):
        if report.failed:
            file = report.nodeid.split("::")[0]
            path = next((p for p in self.source.rglob(pathlib.Path(file).name)), None)
            for name in _tests_in(path):
                self.outcomes[f"{path.relative_to(self.source)}::{name}"] = (FAILED, "the file cannot be read: " + _last_line(str(report.longrepr)))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item, nextitem):
        global _is_running
        _is_running = True
        try:
            return (yield)
        finally:
            _is_running = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item):
        reason = _by_name(TESTS_OUT, item.name)
        if reason:
            raise OutOfScope(reason)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = yield
        name = self.name_of(item)
        if call.excinfo is None:
            if call.when == "call" and report.passed:
                self.outcomes.setdefault(name, (PASSED, ""))
            return report
        error = call.excinfo.value
        if isinstance(error, OutOfScope):
            outcome = (OUT, str(error))
        elif isinstance(error, pytest.skip.Exception) or type(error).__name__ == "SkipTest" or report.skipped:
            outcome = (OUT, "Keras skips it: " + _last_line(str(error)))
        elif refusal(error):
            outcome = (OUT, refusal(error))
        else:
            outcome = (FAILED, f"{type(error).__name__}: {_last_line(str(error), first=True)}")
            self.traces[name] = str(report.longrepr)
        if self.outcomes.get(name, (PASSED,))[0] != FAILED:
            self.outcomes[name] = outcome
        return report


class TestModule(pytest.Module):
    def _getobj(self):
        source = next(finder.source for finder in sys.meta_path if isinstance(finder, Finder))
        tail = self.path.relative_to(source).with_suffix("")
        return importlib.import_module("keras.src." + ".".join(tail.parts))


def _by_name(rules, name):
    return next((reason for pattern, reason in rules if re.search(pattern, name)), None)


def _last_line(text, first=False):
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [""]
    return " ".join(lines[:3] if first else lines[-1:])[:200]


def _tests_in(path):
    """Names of the tests of a file that cannot be run; one for each function, without parameters."""
    if path is None:
        return []
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef):
            found += [f"{node.name}::{part.name}" for part in node.body if isinstance(part, ast.FunctionDef) and part.name.startswith("test")]
    return found


def read_known():
    known = {}
    if KNOWN.exists():
        for line in KNOWN.read_text().splitlines():
            if line and not line.startswith("#"):
                name, _, reason = line.partition("  ")
                known[name] = reason.strip()
    return known


def files_of(source, wanted):
    files = []
    for name in wanted:
        path = source / name.removeprefix("keras/src/")
        files += [path] if path.is_file() else sorted(path.rglob("*_test.py"))
        if not path.exists():
            sys.exit(f"there is no {path}")
    return files


def run(source, wanted, pytest_arguments):
    """Outcomes and traces, by test."""
    plugin = Plugin(source)
    sys.meta_path.insert(0, Finder(source))
    files = []
    for path in files_of(source, wanted):
        name = str(path.relative_to(source))
        reason = _by_name(FILES_OUT, name)
        if reason:
            plugin.outcomes.update({f"{name}::{test}": (OUT, reason) for test in _tests_in(path)})
        else:
            files.append(path)
    if files:
        arguments = ["-p", "no:cacheprovider", "-p", "no:terminal", "-c", "/dev/null", "--rootdir", str(source), "--noconftest", "-W", "ignore", "--continue-on-collection-errors"]
        pytest.main([*arguments, *pytest_arguments, *map(str, files)], plugins=[plugin])
    return plugin


def table(outcomes):
    counts = collections.defaultdict(collections.Counter)
    for name, (outcome, _) in outcomes.items():
        counts[name.split("::")[0]][outcome] += 1
    width = max(map(len, counts), default=4)
    lines = [f"{'file':{width}}  {PASSED:>7} {FAILED:>7} {OUT:>13}"]
    for file in sorted(counts):
        lines.append(f"{file:{width}}  {counts[file][PASSED]:7} {counts[file][FAILED]:7} {counts[file][OUT]:13}")
    total = sum(counts.values(), collections.Counter())
    lines.append(f"{'all':{width}}  {total[PASSED]:7} {total[FAILED]:7} {total[OUT]:13}")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=pathlib.Path, help="a checkout of Keras: the folder that holds keras/src")
    parser.add_argument("tests", nargs="*", help="files or folders under keras/src; default: all that is in scope")
    parser.add_argument("-k", metavar="WORDS", help="tests by name, as pytest's -k")
    parser.add_argument("-v", action="store_true", help="show every test, and the traces of those that failed")
    parser.add_argument("--write-known", action="store_true", help="write what failed, with the reason, to tests/python/keras_suite_known.txt")
    options = parser.parse_args()
    source = options.checkout.resolve() / "keras" / "src"
    if not source.is_dir():
        sys.exit(f"{options.checkout} is no checkout of Keras: there is no {source}")

    plugin = run(source, options.tests or DEFAULT, ["-k", options.k] if options.k else [])
    known = read_known()
    failed = {name: reason for name, (outcome, reason) in plugin.outcomes.items() if outcome == FAILED}
    for name in sorted(plugin.outcomes):
        outcome, reason = plugin.outcomes[name]
        if options.v or (outcome == FAILED and name not in known):
            print(f"{outcome:12}  {name}{'  ' if reason else ''}{reason}")
    if options.v:
        for name, trace in plugin.traces.items():
            print(f"\n---- {name}\n{trace}")
    reasons = collections.Counter(reason for outcome, reason in plugin.outcomes.values() if outcome == OUT)
    print(f"\n{OUT}:")
    for reason, count in reasons.most_common():
        print(f"{count:6}  {reason}")
    print()
    print(table(plugin.outcomes))

    if options.write_known:
        KNOWN.write_text(_KNOWN_HEAD + "".join(f"{name}  {known.get(name, reason)}\n" for name, reason in sorted(failed.items())))
    new = sorted(set(failed) - set(known))
    healed = sorted(name for name in known if plugin.outcomes.get(name, (FAILED,))[0] == PASSED)
    print(f"\nlinn {linn.__version__}: {len(failed)} failed, {len(failed) - len(new)} of them known; {len(healed)} known failures pass now")
    for name in healed:
        print(f"passes now  {name}")
    return 1 if new or healed else 0


_KNOWN_HEAD = "# Tests of Keras that fail on linn, one a line, with the reason. tests/python/keras_suite.py reads this list.\n"

if __name__ == "__main__":
    sys.exit(main())
