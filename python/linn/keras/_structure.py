"""Nested lists, tuples and dicts of values, as the inputs and outputs of models may be.

A structure is the same nest with None in place of each value. Keys of dicts count in sorted order, as in Keras.
"""

from linn import errors


def leaves(value):
    """The values of a nest, in order."""
    if isinstance(value, dict):
        return [leaf for key in sorted(value, key=str) for leaf in leaves(value[key])]
    if isinstance(value, (list, tuple)):
        return [leaf for part in value for leaf in leaves(part)]
    return [value]


def of(value):
    """The structure of a nest."""
    return packed(value, iter(lambda: None, 0))


def packed(structure, values):
    """Values, in order, in the nest of a structure."""
    values = iter(values)

    def pack(part):
        if isinstance(part, dict):
            by_key = {key: pack(part[key]) for key in sorted(part, key=str)}
            return {key: by_key[key] for key in part}
        if isinstance(part, (list, tuple)):
            parts = [pack(inner) for inner in part]
            return type(part)(*parts) if hasattr(part, "_fields") else type(part)(parts)
        return next(values)

    return pack(structure)


def is_plain(structure):
    """Whether it is one value, or a list of several values: what the engine itself writes and reads."""
    return structure is None or (isinstance(structure, list) and len(structure) > 1 and all(part is None for part in structure))


def leaves_like(structure, value, what):
    """The values of a nest in the order of a structure; a dict may hold more keys. ValueError where the nest is another."""
    if isinstance(structure, dict):
        if isinstance(value, dict):
            missing = [key for key in structure if key not in value]
            if missing:
                raise errors.ValueError(f"{what} lacks {', '.join(map(repr, missing))}; it holds {', '.join(map(repr, value))}")
            return [leaf for key in sorted(structure, key=str) for leaf in leaves_like(structure[key], value[key], f"{what}[{key!r}]")]
        structure = [structure[key] for key in sorted(structure, key=str)]
    if isinstance(structure, (list, tuple)):
        if not isinstance(value, (list, tuple)):
            value = [value]
        if len(value) != len(structure):
            raise errors.ValueError(f"{what} holds {len(value)} values; {len(structure)} are expected")
        return [leaf for i, (s, v) in enumerate(zip(structure, value)) for leaf in leaves_like(s, v, f"{what}[{i}]")]
    return [value]
