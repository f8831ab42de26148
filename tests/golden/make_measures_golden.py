#!/usr/bin/env python3
"""Writes measures.json: every measure of a sweep on a small random table of predictions, computed by numpy from its definition.

    python make_measures_golden.py

Needs numpy. tests/shift/measures_test.cc compares linn with what it writes. Nothing is computed the way linn does: pairs of shifts are
compared one by one, Wilson's limits are the roots of his quadratic, normal intervals come from numpy's standard deviation.
"""
import itertools
import json
import pathlib

import numpy as np

Z = 1.959963984540054  # the normal distribution's 97.5 % point


def wilson(hits):
    """The p with |share - p| = Z * sqrt(p (1 - p) / n)."""
    n = len(hits)
    if n == 0:
        return None
    share = float(np.mean(hits))
    low, high = sorted(np.roots([1 + Z**2 / n, -(2 * share + Z**2 / n), share**2]).real)
    return [share, max(0.0, float(low)), min(1.0, float(high))]


def normal(values, most):
    values = np.asarray(values, float)
    if len(values) == 0:
        return None
    mean = float(values.mean())
    if len(values) == 1:
        return [mean, None, None]
    half = Z * float(values.std(ddof=1)) / np.sqrt(len(values))
    return [mean, max(0.0, mean - half), min(most, mean + half)]


def within(table, r, radius):
    part = slice(radius - r, radius + r + 1)
    predicted = table["predicted"][:, part, part]
    labels, room = table["labels"], table["room"]
    n, side = len(predicted), 2 * r + 1
    anchor = predicted[:, r, r]
    right = predicted == labels[:, None, None]
    same = predicted == anchor[:, None, None]
    change = table["change"][:, part, part]
    value = table["label_value"][:, part, part]

    pairs = []
    steps = []
    for image in predicted:
        flat = image.ravel()
        pairs.append(np.mean([a == b for a, b in itertools.product(flat, flat)]))
        walk = [image[y, x] != image[y, x + 1] for y in range(side) for x in range(side - 1)]
        walk += [image[y, x] != image[y + 1, x] for y in range(side - 1) for x in range(side)]
        steps.append(np.mean(walk) if walk else np.nan)
    always = right.all(axis=(1, 2))
    correct = anchor == labels
    return {
        "accuracy": wilson(correct),
        "mean_accuracy": normal(right.mean(axis=(1, 2)), 1),
        "worst_case_accuracy": wilson(always),
        "anchor_consistency": normal(same.mean(axis=(1, 2)), 1),
        "consistency": normal(pairs, 1),
        "consistency_given_correct": normal(same[correct].mean(axis=(1, 2)), 1),
        "flip_rate": wilson(~same.all(axis=(1, 2))),
        "max_change": normal(change.max(axis=(1, 2)), np.inf),
        "mean_change": normal(change.mean(axis=(1, 2)), np.inf),
        "label_deviation": normal([one.std() for one in value], np.inf),
        "jaggedness": None if r == 0 else normal(steps, 1),
        "uncut_share": wilson(room >= r),
        "worst_case_accuracy_of_uncut": wilson(always[room >= r]),
    }


def curve(table, radius):
    points = []
    anchor = table["predicted"][:, radius, radius]
    dy, dx = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    distance = np.floor(np.hypot(dy, dx) + 0.5).astype(int)
    for d in range(radius + 1):
        ring = distance == d
        predicted = table["predicted"][:, ring]
        points.append(
            {
                "shifts": int(ring.sum()),
                "accuracy": normal((predicted == table["labels"][:, None]).mean(axis=1), 1),
                "changed": normal((predicted != anchor[:, None]).mean(axis=1), 1),
                "mean_change": normal(table["change"][:, ring].mean(axis=1), np.inf),
            }
        )
    return points


def nearest_flips(table, radius):
    flips = []
    for image in table["predicted"]:
        places = sorted(itertools.product(range(-radius, radius + 1), repeat=2), key=lambda d: d[0] ** 2 + d[1] ** 2)  # stable
        flips.append(next((list(d) for d in places if image[d[0] + radius, d[1] + radius] != image[radius, radius]), None))
    return flips


def main():
    rng = np.random.default_rng(77)
    n, classes, radius = 14, 5, 3
    side = 2 * radius + 1
    labels = rng.integers(0, classes, n)
    predicted = np.repeat(labels, side * side).reshape(n, side, side)
    noise = rng.random((n, side, side)) < rng.choice([0.0, 0.02, 0.1, 0.5], n)[:, None, None]
    predicted[noise] = rng.integers(0, classes, int(noise.sum()))
    predicted[3] = (labels[3] + 1) % classes  # wrong, and the same everywhere
    change = rng.integers(0, 1025, (n, side, side)) / 1024
    change[:, radius, radius] = 0
    table = {
        "predicted": predicted,
        "labels": labels,
        "room": rng.integers(0, 5, n),
        "change": change,  # multiples of 1 / 1024, which float32 holds exactly; means are float64
        "label_value": rng.integers(0, 1025, (n, side, side)) / 1024,
    }
    table["label_value"][5] = 0.75  # no spread at all
    golden = {name: values.ravel().tolist() for name, values in table.items()}
    golden |= {
        "radius": radius,
        "classes": classes,
        "within": [within(table, r, radius) for r in range(radius + 1)],
        "curve": curve(table, radius),
        "nearest_flips": nearest_flips(table, radius),
        "unchanged_map": (predicted == predicted[:, radius, radius][:, None, None]).mean(axis=0).ravel().tolist(),
        "change_map": table["change"].mean(axis=0).ravel().tolist(),
        "accuracy_map": (predicted == labels[:, None, None]).mean(axis=0).ravel().tolist(),
        "wilson": [{"count": c, "all": a, "estimate": wilson([1] * c + [0] * (a - c))} for c, a in [(0, 1), (1, 1), (0, 40), (40, 40), (7, 40), (9801, 10000)]],
    }
    path = pathlib.Path(__file__).with_name("measures.json")
    path.write_text(json.dumps(golden, separators=(",", ":"), allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
