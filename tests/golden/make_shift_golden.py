#!/usr/bin/env python3
"""Writes shift.json: shifts, ink shares and worst-case bookkeeping, computed by numpy alone.

    python make_shift_golden.py

Needs numpy. tests/shift/shift_test.cc compares linn with what it writes.
"""
import json
import pathlib

import numpy as np


def moved(images, dy, dx):
    """Zero fill: np.roll, then the rows and columns that came round are cleared."""
    out = np.roll(images, (dy, dx), axis=(1, 2))
    if dy > 0:
        out[:, :dy] = 0
    if dy < 0:
        out[:, dy:] = 0
    if dx > 0:
        out[:, :, :dx] = 0
    if dx < 0:
        out[:, :, dx:] = 0
    return out


def main():
    rng = np.random.default_rng(2024)
    n, height, width, radius = 7, 6, 5, 2
    images = np.zeros((n, height, width), np.uint8)
    for i in range(n - 1):  # the last one stays empty
        top, left = rng.integers(0, 3, 2)
        bottom, right = rng.integers(3, 6), rng.integers(2, 5)
        images[i, top:bottom, left:right] = rng.integers(0, 256, (bottom - top, right - left))
    golden = {
        "images": images.tolist(),
        "shifted": [
            {"dy": dy, "dx": dx, "images": moved(images, dy, dx).tolist()}
            for dy, dx in [(0, 0), (1, 0), (0, -1), (-2, 3), (2, 2), (-5, 4)]
        ],
    }
    golden["room"] = []
    for image in images:
        # The largest r such that every shift within r keeps the sum of all pixels.
        r = 0
        while r < max(height, width) and all(
            moved(image[None], dy, dx).sum() == image.sum()
            for dy in range(-r - 1, r + 2)
            for dx in range(-r - 1, r + 2)
        ):
            r += 1
        golden["room"].append(r)

    side = 2 * radius + 1
    correct = rng.random((n, side, side)) < 0.85
    correct[0] = True
    correct[2] = True
    correct[4, 1:-1, 1:-1] = True
    room = np.array(golden["room"])
    golden["radius"] = radius
    golden["correct"] = correct.astype(int).tolist()
    golden["map"] = correct.mean(axis=0).tolist()
    golden["within"] = []
    for r in range(radius + 1):
        part = correct[:, radius - r : radius + r + 1, radius - r : radius + r + 1]
        always = part.all(axis=(1, 2))
        golden["within"].append(
            {
                "mean": float(part.mean()),
                "worst_case": float(always.mean()),
                "uncut": float((room >= r).mean()),
                "worst_case_of_uncut": float(always[room >= r].mean()),
            }
        )
    path = pathlib.Path(__file__).with_name("shift.json")
    path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
