#!/usr/bin/env python3
"""Writes the type stubs (.pyi) of the modules whose classes are made from the engine's tables. The build runs it (python/CMakeLists.txt).

    PYTHONPATH=build/release/python tools/make_python_stubs.py FOLDER         FOLDER is that of the package keras
"""

import inspect
import pathlib
import sys
import textwrap

from linn import keras

MODULES = {
    "layers": keras.layers,
    "losses": keras.losses,
    "metrics": keras.metrics,
    "optimizers/__init__": keras.optimizers,
    "initializers": keras.initializers,
    "regularizers": keras.regularizers,
    "constraints": keras.constraints,
    "activations": keras.activations,
}


def type_of(default):
    if default is inspect.Parameter.empty or default is None:
        return "Any"
    if isinstance(default, (tuple, list)):
        return "int | Sequence[Any]"
    if isinstance(default, str):
        return "Any"  # a name, or an object in its place
    return {bool: "bool", int: "int", float: "float"}.get(type(default), "Any")


def parameters(signature, skip_self=False):
    parts, star = ["self"], False
    for parameter in signature.parameters.values():
        if parameter.name == "self" and skip_self:
            continue
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            parts.append(f"**{parameter.name}: Any")
            continue
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            parts.append(f"*{parameter.name}: Any")
            star = True
            continue
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and not star:
            parts.append("*")
            star = True
        default = "" if parameter.default is inspect.Parameter.empty else f" = {parameter.default!r}"
        parts.append(f"{parameter.name}: {type_of(parameter.default)}{default}")
    return ", ".join(parts)


def doc(text, indent):
    lines = inspect.cleandoc(text or "").splitlines() or [""]
    if len(lines) == 1:
        return f'{indent}"""{lines[0]}"""\n'
    body = "\n".join([lines[0], *lines[1:]])
    return textwrap.indent(f'"""{body}\n"""', indent).replace(f"\n{indent}\n", "\n\n") + "\n"


def class_stub(name, made, module):
    base = made.__mro__[1].__name__
    text = f"class {name}({base}):\n" if base != "object" else f"class {name}:\n"
    text += doc(made.__doc__, "    ")
    if name != "KerasTensor":  # nobody makes one by hand
        text += f"    def __init__({parameters(inspect.signature(made))}) -> None: ...\n"
    for attribute, value in vars(made).items():
        if attribute.startswith("_") or made.__dict__.get("_row") is not None and not inspect.isfunction(value):
            continue
        if isinstance(value, property):
            text += f"    @property\n    def {attribute}(self) -> Any: ...\n"
        elif inspect.isfunction(value):
            text += f"    def {attribute}({parameters(inspect.signature(value), True)}) -> Any: ...\n"
    return text


def stub(module):
    text = f'{doc(module.__doc__, "")}\nfrom collections.abc import Sequence\nfrom typing import Any\n\n'
    names = [n for n in vars(module) if not n.startswith("_")]
    done = {}
    for name in names:
        value = getattr(module, name)
        if inspect.isclass(value):
            if value in done:
                text += f"{name} = {done[value]}\n\n"
                continue
            done[value] = name
            if value.__module__.startswith(module.__name__) or value.__module__ == "linn.keras":
                text += class_stub(name, value, module) + "\n"
        elif inspect.isfunction(value) and value.__module__ == module.__name__:
            arguments = parameters(inspect.signature(value), True).removeprefix("self").removeprefix(", ")
            text += f"def {name}({arguments}) -> Any: ...\n\n"
        elif hasattr(value, "__signature__"):
            arguments = parameters(value.__signature__).removeprefix("self").removeprefix(", ")
            text += f"def {name}({arguments}) -> Any:\n{doc(value.__doc__, '    ')}    ...\n\n"
    return text.rstrip() + "\n"


def main(folder):
    for name, module in MODULES.items():
        (pathlib.Path(folder) / f"{name}.pyi").write_text(stub(module), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
