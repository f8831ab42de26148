"""bench/peers' part `sweep`: its problems (sweep.txt) and its tables. compare.py measures them.

Of a problem and a column, `results` has a row for each rival: "reason" if there is no figure; else "trial", the images/s of its quickest
setting before the pairs, and "about"; and, of the rivals that came close to the quickest one, the pairs: "linn" and "rival".
"""

import os
import statistics

LIST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sweep.txt")
GRADIENTS = {"input_gradient": "gradient of the input", "kernel_gradient": "gradient of the kernel"}
WANTED = 1.2  # ratio to the best rival that every problem should reach


def problems():
    """(batch, mode, convolution) of each line of the list."""
    with open(LIST, encoding="utf-8") as file:
        lines = [line.split(maxsplit=2) for line in file if line.strip() and not line.startswith("#")]
    return [(int(batch), mode, convolution.strip()) for batch, mode, convolution in lines]


def title(batch, mode, convolution):
    return ", ".join([convolution, *([GRADIENTS[mode]] if mode in GRADIENTS else []), f"batch {batch}"])


def best_row(rows):
    """(name, row) of the rival with the highest median of its pairs; None if none was measured."""
    paired = [(name, row) for name, row in rows.items() if "rival" in row]
    return max(paired, key=lambda named: statistics.median(named[1]["rival"]), default=None)


def ratios(row):
    return [ours / theirs for ours, theirs in zip(row["linn"], row["rival"])]


def share(row, depthwise):
    """What linn reaches of the machine's limits: multiply-adds, and of a depthwise convolution a copy's bandwidth too."""
    limits, rate = row["linn_about"]["limits"], statistics.median(row["linn"])
    text = f"{rate * limits['flops_an_image'] / limits['peak_flops']:.0%}"
    return f"{text}; {rate * limits['bytes_an_image'] / limits['copy_bandwidth']:.0%} of a copy" if depthwise else text


def depthwise(convolution):
    """Whether each channel is convolved alone."""
    words = convolution.split()
    return "groups" in words and words[words.index("groups") + 1] == words[0].split("->")[0].split("x")[2]


def cells(rows, convolution, names):
    """linn's figure, the best rival with its own, the ratio, linn's implementation and its share."""
    best = best_row(rows)
    if best is None:
        return ["not measured", "", "", "", ""]
    name, row = best
    all_ratios = ratios(row)
    return [f"{statistics.median(row['linn']):,.0f}", f"{names[name]} {statistics.median(row['rival']):,.0f}",
            f"**{statistics.median(all_ratios):.2f}** ({min(all_ratios):.2f} - {max(all_ratios):.2f})",
            row["linn_about"]["setting"], share(row, depthwise(convolution))]


def main_table(results, columns, names):
    """`results`: rows by column and rival, by title; `columns`: a column's heading by its key; `names`: a rival's name by its key."""
    heads = ("linn", "best rival", "ratio", "linn's implementation", "linn's share")
    lines = ["| problem | " + " | ".join(f"{head}, {heading}" for heading in columns.values() for head in heads) + " |",
             "|" + "---|" * (1 + len(heads) * len(columns))]
    for problem in problems():
        rows = results.get(title(*problem), {})
        line = [cell for column in columns for cell in cells(rows.get(column, {}), problem[2], names)]
        lines.append("| " + " | ".join([title(*problem), *line]) + " |")
    return "\n".join(lines)


def summary(results, columns):
    """A line for each column: how many problems reach what."""
    lines = []
    for column, heading in columns.items():
        best = [best_row(results.get(title(*problem), {}).get(column, {})) for problem in problems()]
        medians = [statistics.median(ratios(found[1])) for found in best if found is not None]
        if medians:
            lines.append(f"- {heading}: {len(medians)} problems measured; median of their ratios {statistics.median(medians):.2f}, least "
                         f"{min(medians):.2f}; {sum(m >= WANTED for m in medians)} at {WANTED} or more, {sum(m < 1 for m in medians)} below 1")
    return "\n".join(lines)


def trial_text(row):
    if row is None:
        return ""
    if "reason" in row:
        return "not measured"
    return f"{row['trial']:,.0f} ({row['about']['setting'].replace('blocked layouts, convolution ', '')})"


def rivals_table(results, columns, names):
    """Each rival's quickest setting, by its own trial."""
    pairs = [(column, key) for column in columns for key in names if any(key in rows.get(column, {}) for rows in results.values())]
    lines = ["| problem | " + " | ".join(f"{names[key]}, {columns[column]}" for column, key in pairs) + " |",
             "|" + "---|" * (1 + len(pairs))]
    for problem in problems():
        rows = results.get(title(*problem), {})
        lines.append("| " + " | ".join([title(*problem), *(trial_text(rows.get(column, {}).get(key)) for column, key in pairs)]) + " |")
    return "\n".join(lines)


def reasons_list(results, columns, names):
    """Why a rival has no figure: a line for each rival and column, with the reason of the first problem."""
    found = {}
    for problem in problems():
        for column, rows in results.get(title(*problem), {}).items():
            for key, row in rows.items():
                if "reason" in row:
                    found.setdefault((key, column), []).append((title(*problem), row["reason"]))
    return "\n".join(f"- {names[key]}, {columns[column]}: not measured on {len(reasons)} problems; on {reasons[0][0]}: {reasons[0][1]}"
                     for (key, column), reasons in found.items())
