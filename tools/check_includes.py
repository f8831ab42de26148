#!/usr/bin/env python3
"""Fails on an #include against the arrows of docs/architecture.md.

    tools/check_includes.py [ROOT]      ROOT is the top of the source tree (default: the parent of tools/)

A folder under src/ may include itself and the folders to its right:

    cli, web, python -> shift -> model -> train -> formats, data -> graph -> layers -> optim -> schema -> plan -> kernels -> io -> core

except `data`, which may include only io, core and kernels/resample. The room `python` is the folder python/bindings. A public header (include/linn/) belongs to the room that its
first line names (`// room: layers`); it includes only the standard library and other public headers.
"""
import pathlib
import re
import sys

LEVELS = [("core",), ("io",), ("kernels",), ("plan",), ("schema",), ("optim",), ("layers",), ("graph",), ("formats", "data"), ("train",), ("model",),
          ("shift",), ("cli", "web", "python")]  # right to left
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
DATA_MAY = ("data/", "io/", "core/", "kernels/resample/")
# Quoted includes that are not ours.
FOREIGN = ("hwy/",)

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include(?:_next)?[ \t]*(?:"(?P<quoted>[^"\n]+)"|<(?P<angled>[^>\n]+)>)', re.M)
TARGET_INCLUDE = re.compile(r'^[ \t]*#[ \t]*define[ \t]+HWY_TARGET_INCLUDE[ \t]+"(?P<path>[^"\n]+)"', re.M)
ROOM = re.compile(r"// room: (\w+)\s*$")
SUFFIXES = {".h", ".cc", ".inc", ".hpp", ".cpp"}
# The C++ library's own headers have neither a dot nor a slash in their names.
STANDARD = re.compile(r"[a-z_]+\d*$")


def without_comments(text):
    """Blanks comments, but keeps line numbers. A quote inside #include is never a comment."""
    def blank(match):
        return "\n" * match.group(0).count("\n") if match.group(0).startswith("/") else match.group(0)
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.S)


def may(room, other, path):
    if room == other:
        return True
    if room == "data":
        return path.startswith(DATA_MAY) or (path.startswith("linn/") and other in ("io", "core"))
    return LEVEL[other] < LEVEL[room]


def check(root):
    """Returns the complaints, one string each, and the number of files looked at."""
    root = pathlib.Path(root)
    complaints = []
    public = {}  # "linn/tensor.h" -> room
    include = root / "include"
    for path in sorted((include / "linn").rglob("*")) if (include / "linn").is_dir() else []:
        if path.suffix not in SUFFIXES:
            continue
        text = path.read_text(encoding="utf-8")
        match = ROOM.match(text.split("\n", 1)[0])
        name = path.relative_to(include).as_posix()
        if not match or match.group(1) not in LEVEL:
            complaints.append(f"include/{name}:1: the first line must name the header's room, as in '// room: layers'")
            continue
        public[name] = match.group(1)

    def check_file(path, room, is_public):
        where = path.relative_to(root).as_posix()
        text = without_comments(path.read_text(encoding="utf-8"))
        for match in [*INCLUDE.finditer(text), *TARGET_INCLUDE.finditer(text)]:
            line = text.count("\n", 0, match.start()) + 1
            angled = match.groupdict().get("angled")
            target = angled or match.groupdict().get("quoted") or match.groupdict().get("path")
            if angled and not target.startswith("linn/"):
                if is_public and not STANDARD.match(target):
                    complaints.append(f"{where}:{line}: <{target}>: a public header includes only the standard library and linn/ headers")
                continue
            if target.startswith("linn/"):
                if target not in public:
                    complaints.append(f'{where}:{line}: "{target}": there is no such public header')
                    continue
                other = public[target]
            elif is_public:
                complaints.append(f'{where}:{line}: "{target}": a public header includes only the standard library and linn/ headers')
                continue
            elif target.startswith(FOREIGN) or (room == "python" and target.startswith("bindings/") and (root / "python" / target).is_file()):
                continue
            else:
                other = target.split("/", 1)[0]
                if other not in LEVEL or not (root / "src" / target).is_file():
                    complaints.append(f'{where}:{line}: "{target}": includes are written from src/, as in "core/random.h"')
                    continue
            if not may(room, other, target):
                allowed = "io, core and kernels/resample" if room == "data" else ", ".join(
                    name for rooms in reversed(LEVELS[:LEVEL[room]]) for name in rooms) or "nothing else"
                complaints.append(f'{where}:{line}: "{target}": {room} may not include {other}; it may include {allowed}')

    files = 0
    for name, room in public.items():
        files += 1
        check_file(include / name, room, True)
    for path in sorted((root / "src").rglob("*")):
        if path.suffix not in SUFFIXES:
            continue
        files += 1
        room = path.relative_to(root / "src").parts[0]
        if room not in LEVEL:
            complaints.append(f"{path.relative_to(root).as_posix()}:1: src/{room} is no room: {', '.join(LEVEL)}")
            continue
        check_file(path, room, False)
    for path in sorted((root / "python" / "bindings").rglob("*")):
        if path.suffix in SUFFIXES:
            files += 1
            check_file(path, "python", False)
    return complaints, files


def main(arguments):
    root = arguments[0] if arguments else pathlib.Path(__file__).resolve().parent.parent
    complaints, files = check(root)
    for complaint in complaints:
        print(complaint)
    print(f"check_includes: {files} files, {len(complaints)} complaints")
    return 1 if complaints or files == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
