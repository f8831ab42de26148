"""The shift lab: what moving the image does to a network, and networks that it does nothing to."""

import html
import json
import os
import tempfile
import time

import numpy as np

from linn import _arrays, _linn, errors
from linn.keras import models as _models
from linn.keras._terminal import verbose_level, write


def _model_of(model):
    """linn's model: of a path, or of a model of the real Keras through a file."""
    if isinstance(model, _models.Model):
        return model
    if isinstance(model, (str, os.PathLike)):
        return _models.load_model(model)
    if type(model).__module__.partition(".")[0] in ("keras", "tf_keras", "tensorflow") or hasattr(model, "get_config") and hasattr(model, "save"):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.keras")
            model.save(path)
            return _models.load_model(path)
    raise errors.TypeError(f"model is a {type(model).__name__}; a model of linn.keras or Keras, or a path to a .keras, .h5 or .onnx file is allowed")


class Estimate(float):
    """A measured number, with `low` and `high`, its 95 % confidence interval over images."""

    def __new__(cls, value, low, high):
        made = super().__new__(cls, value)
        made.low, made.high = low, high
        return made

    def __repr__(self):
        return f"{float(self):.4f} [{self.low:.4f}, {self.high:.4f}]"


class ShiftReport:
    """What every shift within `radius` does to the predictions for some images.

    Measures are attributes, each an Estimate for the largest radius: `accuracy`, `worst_case_accuracy`, `consistency`, `flip_rate`, ...
    `dir(report)` lists them, `report.measures(r)` gives them for a smaller radius.
    In Jupyter it shows itself: the verdict, the measures, the map of shifts, and images to slide until their class changes.
    """

    def __init__(self, sweep, model, images, labels):
        self._sweep, self._model, self._images, self._labels = sweep, model, images, labels
        self._all = self.measures(sweep.radius)

    radius = property(lambda self: self._sweep.radius, doc="Shifts (dy, dx) with |dy| and |dx| up to this, in pixels.")
    border = property(lambda self: self._sweep.border, doc='What comes in where an image moves away: "zero", "canvas", "circular" or "crop".')
    verdict = property(lambda self: self._sweep.verdict(), doc="The main result, a sentence or two.")
    guarantee = property(lambda self: self._sweep.guarantee(), doc="Whether the output cannot change, by construction; else why it can.")
    is_invariant = property(lambda self: self._sweep.why_not_invariant is None, doc="Whether no circular shift can change a bit of the output.")
    explanation = property(lambda self: self._sweep.explanation, doc="Where the changes come from: sentences with measured numbers.")
    map = property(lambda self: self._sweep.map(), doc="Accuracy at each shift, float64 (2 r + 1, 2 r + 1): dy down, dx to the right.")
    unchanged_map = property(lambda self: self._sweep.unchanged_map(), doc="Share of images with the class that they have in place, at each shift.")
    predicted = property(lambda self: self._sweep.predicted(), doc="Classes, int32 (images, 2 r + 1, 2 r + 1).")

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self._all:
            return self._all[name]
        from linn._names import missing

        raise missing("the report", name, [*self._all, *dir(type(self))])

    def __dir__(self):
        return sorted([*super().__dir__(), *self._all])

    def measures(self, r=None):
        """Estimates by name, over the shifts within r. Those that need labels are NaN without them."""
        return {name: Estimate(*value) for name, value in self._sweep.measures(self.radius if r is None else int(r)).items()}

    def table(self):
        """One row for each radius, a list of dicts: `pandas.DataFrame(report.table())`."""
        return [{"radius": r, **{name: float(value) for name, value in self.measures(r).items()}} for r in range(self.radius + 1)]

    def nearest_flip(self, image):
        """The shortest shift (dy, dx) that changes this image's class; None if none does."""
        return self._sweep.nearest_flip(int(image))

    def plot(self, ax=None):
        """The map of shifts, with matplotlib. Returns the axes."""
        try:
            import matplotlib.pyplot as plt
        except ImportError:
            raise ImportError("plot needs matplotlib: pip install matplotlib; report.save('report.html') writes a page without it") from None
        if ax is None:
            _, ax = plt.subplots()
        values = self.map if self._sweep.labelled else self.unchanged_map
        r = self.radius
        picture = ax.imshow(100 * values, extent=(-r - 0.5, r + 0.5, r + 0.5, -r - 0.5), cmap="viridis", vmin=0, vmax=100)
        ax.figure.colorbar(picture, ax=ax, label="accuracy, %" if self._sweep.labelled else "same class as in place, %")
        if r <= 5:  # more numbers would not fit
            for (i, j), value in np.ndenumerate(100 * values):
                ax.text(j - r, i - r, f"{value:.0f}", ha="center", va="center", fontsize=8, color="black" if value > 60 else "white")
        ax.locator_params(integer=True)
        ax.set_xlabel("shift to the right, pixels")
        ax.set_ylabel("shift down, pixels")
        ax.set_title(f"{self._model.name}: every shift of {self._sweep.images:,} images")
        return ax

    def save(self, path):
        """Writes the report: ".html" one page with pictures, ".csv" a line for each shift, ".json" everything, ".png" the map."""
        path = os.fspath(path)
        kind = os.path.splitext(path)[1].lower()
        if kind == ".png":
            return _linn.save_png(path, self._sweep.picture(self._model.name))
        texts = {".html": self._page, ".csv": self._sweep.csv, ".json": self._sweep.json}
        if kind not in texts:
            raise errors.ValueError(f"save: {path}; .html, .csv, .json and .png are known")
        with open(path, "w", encoding="utf-8") as file:
            file.write(texts[kind]())
        return None

    def to_dict(self):
        """Everything, as `linn shift --json` prints it."""
        return json.loads(self._sweep.json())

    def _page(self):
        page = self._sweep.report(self._model._engine, self._images, "", self._model.name)
        return page.replace(" images of ; ", " images; ", 1)  # arrays have no name

    def __repr__(self):
        return f"{self.verdict}\n{self._sweep.table_by_radius()}".rstrip()

    def _repr_html_(self):
        page = html.escape(self._page(), quote=True)
        # The text inside is what viewers that take out frames show, such as a notebook that is not trusted.
        return f'<iframe srcdoc="{page}" style="width:100%;height:44rem;border:0" sandbox="allow-scripts">{html.escape(self.verdict)}</iframe>'


def shift(model, x, y=None, radius=4, border=None, fill=None, batch_size=256, accuracy="fast", explain=True, verbose="auto"):
    """Predicts every image at every shift within `radius`.

    Args:
        model: A model of linn.keras or of Keras, or the path of a .keras, .h5 or .onnx file.
        x: Images (n, height, width) or (n, height, width, channels), in the numbers that the model was trained on.
        y: Labels (n,); without them consistency is measured, accuracy is not. One-hot rows are taken too.
        radius: All shifts of up to so many pixels down, up, left and right.
        border: What comes in where an image moves away: "zero" (inside the frame), "canvas" (on a larger input), "circular", "crop". By default
            what fits the sizes.
        fill: The value that comes in, one number or one a channel. By default the background of the images.
        batch_size: Images computed at once.
        accuracy: "fast" or "exact".
        explain: Whether the sources of the changes are sought.
        verbose: 0 shows no progress.

    Returns:
        A ShiftReport.

    Raises:
        ValueError: images or labels that do not fit, a radius that is not allowed.
    """
    model = _model_of(model)
    x = _arrays.array(x)
    if y is not None:
        y = _labels(_arrays.array(y, "y"))
    values = [] if fill is None else [float(v) for v in np.ravel(fill)]
    bar = _Bar(verbose, "shift")
    sweep = _linn.sweep(model._engine, x, y, int(radius), border or "", values, int(batch_size), accuracy, bool(explain), bar)
    bar.end()
    return ShiftReport(sweep, model, x, y)


def _labels(y):
    if y.ndim == 2 and y.shape[1] > 1:
        return np.argmax(y, axis=1)
    return y.reshape(-1) if y.ndim == 2 else y


class _Bar:
    """Progress on one line, where a line can be drawn over."""

    def __init__(self, verbose, what):
        self.shown = verbose_level(verbose) == 1
        self.what, self.begin, self.drawn = what, time.monotonic(), 0.0

    def __call__(self, done, everything):
        now = time.monotonic()
        if self.shown and (done == everything or now - self.drawn >= 0.1):
            self.drawn = now
            write(f"\r{self.what} {done}/{everything} - {now - self.begin:.0f}s")

    def end(self):
        if self.shown and self.drawn:
            write("\n")


class FixResult:
    """A network without what makes it depend on shifts. It computes another function and must be trained again.

    Attributes:
        model: The new model, not compiled.
        replacements: (layer, before, after) of each layer that was replaced.
        kept_weights, new_weights: Names of variables that keep their values, and of those with new first values.
    """

    def __init__(self, model, replacements, kept, new):
        self.model, self.replacements, self.kept_weights, self.new_weights = model, replacements, kept, new

    def __repr__(self):
        width = max((len(r[0]) for r in self.replacements), default=0)
        return "\n".join(f"{layer:<{width}}  {before} -> {after}" for layer, before, after in self.replacements)

    def _repr_html_(self):
        return _table(("layer", "before", "after"), *self.replacements)


def _table(head, *rows):
    def line(cells, tag):
        return "<tr>" + "".join(f'<{tag} style="text-align:left">{html.escape(cell)}</{tag}>' for cell in cells) + "</tr>"

    return f"<table><thead>{line(head, 'th')}</thead><tbody>{''.join(line(row, 'td') for row in rows)}</tbody></table>"


def fix(model, downsampling="aps", canvas=None, filter_size=3, anneal_steps=10000, seed=0):
    """Replaces the layers that break translation equivariance: strides, borders and flattened heads.

    Args:
        model: As of `shift`.
        downsampling: "blur" (a low-pass filter before each stride: less variance), "aps" or "lps" (adaptive and learnable polyphase sampling: no
            circular shift changes a bit of the output); "ddac", "flc" or "tips" (a filter made from the map, the low half of the spectrum, a
            mixture of phases: less variance; "ddac" and "tips" must be trained).
        canvas: (height, width) of the new input, the old one in its middle.
        filter_size: Taps of the filters of "blur" and "ddac".
        anneal_steps: Of "lps": training steps until its choice is almost hard.
        seed: Of new weights.

    Returns:
        A FixResult.

    Raises:
        ValueError: a model that is no classifier of images, sizes that are no multiple of the strides (the text names a canvas that is), layers
            without a replacement.
    """
    model = _model_of(model)
    engine, *rest = _linn.fix(model._engine, downsampling, list(canvas or ()), int(filter_size), int(anneal_steps), int(seed))
    return FixResult(_models.Model._of(engine), *rest)


class ProfileReport:
    """Where the time of a network goes: `ops` is a list of dicts, one for each op; the other attributes are those of the whole."""

    def __init__(self, values):
        self.__dict__.update(values)

    def table(self):
        """One row for each op, a list of dicts: `pandas.DataFrame(report.table())`."""
        return self.ops

    def _head(self):
        return f"{self.images_per_second:,.0f} images/s, batch {self.batch_size}, {self.threads} threads, {self.isa}, {self.precision}"

    def _rows(self):
        total = sum(op["seconds"] for op in self.ops) or 1
        rows = [("time", "layer", "op", "kernel")]
        return rows + [(f"{100 * op['seconds'] / total:.1f} %", op["layer"], op["op"], op["implementation"]) for op in self.ops]

    def __repr__(self):
        rows = self._rows()
        width = [max(len(row[i]) for row in rows) for i in range(3)]
        return "\n".join([self._head(), *(f"{t:>{width[0]}}  {layer:<{width[1]}}  {op:<{width[2]}}  {kernel}" for t, layer, op, kernel in rows)])

    def _repr_html_(self):
        return f"<p>{html.escape(self._head())}</p>{_table(*self._rows())}"


def profile(model, x=None, y=None, training=False, batch_size=128, steps=0, accuracy="fast"):
    """Runs a model under the clock, op by op.

    Args:
        model: As of `shift`.
        x, y: What to compute on; random numbers without them.
        training: Steps of training (the model must be compiled) in place of prediction. The model stays as it was.
        batch_size: Images of a step.
        steps: 0: as many as take about a second.
        accuracy: "fast" or "exact".

    Returns:
        A ProfileReport.
    """
    model = _model_of(model)
    arrays = [None if v is None else _arrays.array(v, n) for v, n in ((x, "x"), (y, "y"))]
    return ProfileReport(_linn.profile(model._engine, bool(training), int(batch_size), int(steps), *arrays, accuracy))


