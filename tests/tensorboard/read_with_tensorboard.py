#!/usr/bin/env python3
"""Read event files of linn's callback TensorBoard with TensorBoard's own package, and compare them with what was logged. Run by hand:

    pip install tensorboard
    cmake --build build/release --target write_events && build/release/tests/write_events /tmp/run > /tmp/run.txt
    python tests/tensorboard/read_with_tensorboard.py /tmp/run /tmp/run.txt

The text has a line for each number, as written by tests/tensorboard/write_events.cc: folder, tag, step, value.
"""

import struct
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util


def scalars(folder):
    accumulator = EventAccumulator(folder, size_guidance={"tensors": 0})
    accumulator.Reload()
    for tag in accumulator.Tags()["tensors"]:
        assert accumulator.SummaryMetadata(tag).plugin_data.plugin_name == "scalars", tag
        for event in accumulator.Tensors(tag):
            yield tag, event.step, float(tensor_util.make_ndarray(event.tensor_proto))


def main(run, logged):
    wanted = {}
    for line in open(logged):
        folder, tag, step, value = line.split("\t")
        wanted[folder, tag, int(step)] = struct.unpack("f", struct.pack("f", float(value)))[0]
    found = {(folder, tag, step): value for folder in ("train", "validation") for tag, step, value in scalars(f"{run}/{folder}")}
    missing, other = wanted.keys() - found.keys(), [key for key in wanted.keys() & found.keys() if wanted[key] != found[key]]
    print(f"{len(found)} numbers read, {len(wanted)} compared, {len(missing)} missing, {len(other)} differ")
    sys.exit(1 if missing or other or not wanted else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
