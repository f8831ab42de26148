"""The notebook about pooling: its own cells on linn, byte for byte, and examples/pooling.ipynb from the first cell to the last."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import linn
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DATA = ROOT / "data" / "mnist.npz"
SUMMARY = (ROOT / "tests" / "golden" / "summary" / "notebook_80.txt").read_text(encoding="utf-8")
# Programs in other folders find the package that is tested here.
PACKAGE = str(pathlib.Path(linn.__file__).resolve().parent.parent)
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [PACKAGE, os.environ.get("PYTHONPATH")]))}

# As they were written for Keras on TensorFlow.
SEED_CELLS = [
    """\
import tensorflow
from tensorflow import keras
from keras.layers import Dense,Conv2D,Flatten
from keras import Sequential
from keras.datasets import mnist
from tensorflow.keras.layers import MaxPooling2D


import numpy as np""",
    """\
data = np.load('mnist.npz')

x_train = data['x_train']
y_train = data['y_train']
x_test = data['x_test']
y_test = data['y_test']""",
    """\
model = Sequential()

# Convolution layer
model.add(Conv2D(32,kernel_size=(3,3),padding='valid', activation='relu', input_shape=(28,28,1)))
# Pooling Layer
model.add(MaxPooling2D(pool_size=(2, 2), strides=2, padding='valid'))


# Convolution layer
model.add(Conv2D(32,kernel_size=(3,3),padding='valid', activation='relu'))
# Pooling Layer
model.add(MaxPooling2D(pool_size=(2, 2), strides=2, padding='valid'))


# will convert data into 1D
model.add(Flatten())


# This is Fully Connected Layer (Our ANN layer)
model.add(Dense(128,activation='relu'))
model.add(Dense(10,activation='softmax'))""",
    "model.summary()",
]


def test_seed_cells(tmp_path):
    shutil.copy(DATA, tmp_path)
    program = "\n\n".join(["import linn.as_keras", *SEED_CELLS])
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    assert done.stdout == SUMMARY


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    """The notebook with its outputs. A cell is added at its end that prints what the reports say."""
    pytest.importorskip("matplotlib", reason="the notebook draws with matplotlib: pip install matplotlib")
    pytest.importorskip("ipykernel", reason="the notebook's kernel is ipykernel: pip install ipykernel")
    nbclient = pytest.importorskip("nbclient", reason="nbclient executes the notebook: pip install nbclient")
    nbformat = pytest.importorskip("nbformat", reason="nbformat reads the notebook: pip install nbformat")
    folder = tmp_path_factory.mktemp("notebook")
    shutil.copy(DATA, folder)
    book = nbformat.read(ROOT / "examples" / "pooling.ipynb", as_version=4)
    names = ("accuracy", "consistency", "flip_rate", "worst_case_accuracy")
    last = f"import json\nprint(json.dumps([{{n: float(getattr(r, n)) for n in {names}}} for r in (report, circular_before, circular_after)]))"
    book.cells.append(nbformat.v4.new_code_cell(last))
    client = nbclient.NotebookClient(book, timeout=600, kernel_name="python3", coalesce_streams=True, resources={"metadata": {"path": str(folder)}})
    client.execute(env=ENVIRONMENT)  # raises CellExecutionError, with the traceback, where a cell fails
    return book


def cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed(cell):
    return "".join(output.text for output in cell.outputs if output.output_type == "stream" and output.name == "stdout")


def shown(notebook, kind):
    return [output.data[kind] for cell in cells(notebook) for output in cell.outputs if kind in output.get("data", {})]


def test_notebook_is_committed_without_outputs():
    book = json.loads((ROOT / "examples" / "pooling.ipynb").read_text(encoding="utf-8"))
    assert set(book["metadata"]) == {"kernelspec", "language_info"}
    for cell in book["cells"]:
        assert not cell["metadata"]
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None


def test_notebook_begins_with_the_seed_cells():
    book = json.loads((ROOT / "examples" / "pooling.ipynb").read_text(encoding="utf-8"))
    sources = ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code"]
    assert sources[:5] == ["import linn.as_keras", *SEED_CELLS]


def test_notebook_runs(notebook):
    for cell in cells(notebook):
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr", output.text


def test_notebook_prints_the_summary_of_keras(notebook):
    assert printed(cells(notebook)[4]) == SUMMARY


def test_notebook_draws_pictures(notebook):
    pictures = shown(notebook, "image/png")
    assert len(pictures) == 4
    assert all(len(picture) > 10000 for picture in pictures)


def test_notebook_shows_the_report(notebook):
    frames = [text for text in shown(notebook, "text/html") if text.startswith("<iframe srcdoc=")]
    assert len(frames) == 1
    for text in ("Shift report", "Slide an image until its class changes", "10,000 images; 81 shifts"):
        assert text in frames[0]


def test_progress_stays_on_one_line(notebook):
    # coalesce_streams does what Jupyter does with "\r": what was drawn over is gone.
    fit = printed(cells(notebook)[5])
    assert [line.split()[0] for line in fit.splitlines()] == ["Epoch", "422/422", "Epoch", "422/422"]
    sweep = next(cell for cell in cells(notebook) if "report = linn.shift" in cell.source)
    assert printed(sweep).startswith("shift 81/81") and len(printed(sweep).splitlines()) == 1


def test_repaired_network_does_not_change_when_images_move(notebook):
    report, before, after = json.loads(printed(cells(notebook)[-1]))
    assert report["accuracy"] > 0.97 and report["worst_case_accuracy"] < 0.1
    assert before["consistency"] < 0.7
    assert after["consistency"] == 1.0 and after["flip_rate"] == 0.0
    assert after["worst_case_accuracy"] == after["accuracy"] > 0.97
    text = "".join(printed(cell) for cell in cells(notebook))
    assert "Guaranteed by construction" in text
    assert re.search(r"^repaired: read as \[\d\], largest difference of a probability 0\.0$", text, re.MULTILINE)
