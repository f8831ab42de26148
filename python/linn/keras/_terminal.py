"""What text goes to: a terminal or Jupyter, where a line can be drawn over, or neither."""

import sys

from linn import errors

_VERBOSE = {0: 0, 1: 1, 2: 2, False: 0, True: 1}


def verbose_level(level):
    """0, 1 or 2. "auto" is a bar where the line can be drawn over again, else a line an epoch."""
    if level == "auto":
        return 1 if shows_bars() else 2
    if level not in _VERBOSE:
        raise errors.ValueError(f'verbose is {level!r}; it may be 0 (nothing), 1 (a bar), 2 (a line an epoch) or "auto"')
    return _VERBOSE[level]


def shows_bars():
    if sys.stdout is None:
        return False
    return "ipykernel" in sys.modules or getattr(sys.stdout, "isatty", lambda: False)()


def write(text):
    sys.stdout.write(text)
    sys.stdout.flush()
