"""Keeps the figures that the page has of works that build/peers/results*.json lacks: they were measured from another folder."""

# Lines that are followed by a list with lines for each work.
LISTS = ("- linn: one setting. A rival:", "What a call of linn's `predict` costs", "## Runs")
SWEEP = "## Sixty convolutions"
FOOTPRINT = "| what | linn | Keras |"


def keep_figures(page, old, missing, sweep_missing, footprint_missing):
    """`page` with the lines that `old` has of the works named in `missing`. Of the sweep and of the footprint all or nothing is kept."""
    lines, old_lines = page.splitlines(), old.splitlines()
    if sweep_missing:
        lines = replaced(lines, old_lines, lambda line: line == SWEEP, lambda line: line.startswith("## "))
    if footprint_missing and "not measured" in lines:
        first = lines.index("not measured")  # the footprint's table stands before the sweep's
        lines[first:first + 1] = block(old_lines, lambda line: line.startswith(FOOTPRINT), lambda line: not line) or ["not measured"]
    lines = [old_row(line, old_lines) if named(line[2:], missing) and line.startswith("| ") else line for line in lines]
    for start in LISTS:
        lines = with_list(lines, start, [line for line in list_of(old_lines, start) if named(line[2:], missing)])
    return "\n".join(lines) + "\n"


def named(text, names):
    """Whether `text` begins with one of the names, whole."""
    return any(text.startswith((f"{name}:", f"{name},", f"{name} |")) for name in names)


def block(lines, begins, ends):
    """The lines from the first that begins a block to the line before its end; none if there is no such block."""
    first = next((i for i, line in enumerate(lines) if begins(line)), None)
    if first is None:
        return []
    last = next((i for i in range(first + 1, len(lines)) if ends(lines[i])), len(lines))
    return lines[first:last]


def replaced(lines, old_lines, begins, ends):
    """`lines` with their block as `old_lines` have it."""
    new_block, old_block = block(lines, begins, ends), block(old_lines, begins, ends)
    if not new_block or not old_block:
        return lines
    first = lines.index(new_block[0])
    return lines[:first] + old_block + lines[first + len(new_block):]


def old_row(line, old_lines):
    """The old table's row of the same work and rival."""
    key = line.split(" | ")[:2]
    return next((old for old in old_lines if old.startswith("| ") and old.split(" | ")[:2] == key), line)


def list_range(lines, start):
    """First and last line, as a slice, of the list behind the line that begins with `start`."""
    at = next((i for i, line in enumerate(lines) if line.startswith(start)), None)
    if at is None:
        return 0, 0
    first = at + 1
    while first < len(lines) and not lines[first]:
        first += 1
    last = first
    while last < len(lines) and lines[last].startswith("- "):
        last += 1
    return first, last


def list_of(lines, start):
    first, last = list_range(lines, start)
    return lines[first:last]


def with_list(lines, start, more):
    """`lines` with `more` behind the list's own."""
    first, last = list_range(lines, start)
    if not more or not last:
        return lines
    if first < last:
        return lines[:last] + more + lines[last:]
    start_line = next(i for i, line in enumerate(lines) if line.startswith(start))
    gap = [] if start.startswith("##") else [""]
    return lines[:start_line + 1] + gap + more + [""] * (last < len(lines)) + lines[last:]
