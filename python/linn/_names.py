"""What is said about a name that is not there."""

import difflib


def missing(module, name, known):
    """The AttributeError for a name that a module lacks, with the nearest one that it has."""
    public = [k for k in known if not k.startswith("_")]
    near = difflib.get_close_matches(name, public, n=1, cutoff=0.6)
    lower = {k.lower(): k for k in public}
    if not near and name.lower() in lower:
        near = [lower[name.lower()]]
    guess = f"; did you mean {near[0]}?" if near else ""
    where = " in linn" if module.partition(".")[0] in ("keras", "tensorflow") else ""
    return AttributeError(f"{module} has no {name}{where}{guess}")


def attribute_of(module, namespace):
    """A module's `__getattr__` that names what is not there and the nearest name."""

    def get(name):
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        raise missing(module.replace("linn.keras", "keras"), name, list(namespace))

    return get
