"""Writes summary_color/*.txt: model.summary() as on a terminal of 256 colours.

Keras's own print_summary (3.15.1) with rich 15.0.0, over stand-ins for models, so that no backend is needed.
"""
import importlib.util
import io
import os
import sys
import types
SOURCE = os.path.join(importlib.util.find_spec("keras").submodule_search_locations[0], "src", "utils", "summary_utils.py")
OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "summary_color")


def stub(name, **kw):
    m = types.ModuleType(name); m.__dict__.update(kw); sys.modules[name] = m; return m
class Sequential: pass
class Functional: pass
backend = stub("keras.src.backend", standardize_dtype=lambda d: d)
def flatten(x):
    return [x]
tree = stub("keras.src.tree", map_structure=lambda f, x: f(x), flatten=flatten)
dt = stub("keras.src.utils.dtype_utils", dtype_size=lambda d: {"float32": 32, "int64": 64}[d])
iou = stub("keras.src.utils.io_utils", is_interactive_logging_enabled=lambda: True, print_msg=None)
stub("keras.src.models", Functional=Functional, Sequential=Sequential)
stub("keras"); stub("keras.src", backend=backend, tree=tree); stub("keras.src.utils", dtype_utils=dt, io_utils=iou)
spec = importlib.util.spec_from_file_location("su", SOURCE); su = importlib.util.module_from_spec(spec); spec.loader.exec_module(su)
NS = types.SimpleNamespace
def W(*s, dtype="float32"): return NS(shape=s, dtype=dtype)
def layer(cls, name, shape, weights=(), trainable=True, built=True):
    l = type(cls, (), {})()
    l.name = name; l.built = built; l.trainable = trainable; l.weights = list(weights)
    l._build_shapes_dict = None
    l._inbound_nodes = [] if shape is None else [NS(output_tensors=NS(shape=shape))]
    l.count_params = lambda: su.count_params(l.weights)
    return l
def model(name, layers, opt=None):
    m = Sequential(); m.name = name; m.layers = layers
    m.trainable_weights = [w for l in layers for w in l.weights if l.trainable]
    m.non_trainable_weights = [w for l in layers for w in l.weights if not l.trainable]
    m.compiled = opt is not None; m.optimizer = NS(built=True, variables=opt) if opt else None
    return m
def conv(n, s, a, b, **k): return layer("Conv2D", n, s, [W(3, 3, a, b), W(b)], **k)
def dense(n, s, a, b, **k): return layer("Dense", n, s, [W(a, b), W(b)], **k)
nb = [conv("conv2d", (None,26,26,32), 1, 32), layer("MaxPooling2D", "max_pooling2d", (None,13,13,32)),
      conv("conv2d_1", (None,11,11,32), 32, 32), layer("MaxPooling2D", "max_pooling2d_1", (None,5,5,32)),
      layer("Flatten", "flatten", (None,800)), dense("dense", (None,128), 800, 128), dense("dense_1", (None,10), 128, 10)]
frozen = [conv("conv2d", (None,6,6,8), 1, 8, trainable=False), layer("MaxPooling2D", "max_pooling2d", (None,3,3,8)),
          layer("Flatten", "flatten", (None,72)), dense("dense", (None,20), 72, 20), dense("dense_1", (None,10), 20, 10)]
unbuilt = [layer("Conv2D", "conv2d", None, built=False), layer("MaxPooling2D", "max_pooling2d", None), layer("Flatten", "flatten", None, built=False),
           layer("Dropout", "dropout", None), layer("Dense", "dense", None, built=False)]
def opt(m):
    return [W(dtype="int64"), W()] + [W(*w.shape) for w in m.trainable_weights for _ in range(2)]
def case(name, m, columns, **kw):
    os.environ.update(COLUMNS=str(columns), FORCE_COLOR="1", TERM="xterm-256color"); os.environ.pop("NO_COLOR", None)
    f = io.StringIO(); old, sys.stdout = sys.stdout, f
    try: su.print_summary(m, **kw)
    finally: sys.stdout = old
    open(os.path.join(OUT, name + ".txt"), "w", encoding="utf-8", newline="\n").write(f.getvalue())
m = model("sequential", nb); case("notebook", m, 80)
m = model("sequential", nb, opt(m)); case("notebook_adam", m, 80)
case("notebook_line_44", m, 200, line_length=44)
case("notebook_cropped", m, 50, line_length=76)
case("notebook_trainable", m, 120, show_trainable=True)
case("frozen_trainable", model("frozen", frozen), 80, show_trainable=True)
case("unbuilt", model("sequential", unbuilt), 80)
case("narrow", model("a_long_name_that_wraps of several words", unbuilt), 34)
case("short_positions", m, 200, line_length=80, positions=[0.3, 0.5, 0.7])
case("narrow_trainable", m, 48, show_trainable=True)
