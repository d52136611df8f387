"""The floor of the manifest loader: a bare loop over the same events of PyYAML's C parser, and nothing else.

    python tests/bench/loop_floor.py FOLDER [--load]

Prints the loop's seconds and events for all manifests of FOLDER; with --load also the seconds of `load_manifests` in
turn with it, their ratio and the peak memory of the process, best of three each.
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

from yaml.cyaml import CParser
from yaml.events import StreamEndEvent


def loop_over_events(folder: Path) -> int:
    """How many events all files of the folder have."""
    count = 0
    for path in sorted(folder.rglob("*.yaml")):
        get = CParser(path.read_bytes()).get_event
        while type(get()) is not StreamEndEvent:
            count += 1
    return count


def seconds(work: Callable[[], object]) -> float:
    """Of the processor, so that what else runs on the machine counts little."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--load", action="store_true")
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    if not arguments.load:
        sys.stdout.write(f"{seconds(lambda: loop_over_events(folder)):.3f} s, {loop_over_events(folder):,} events\n")
        return
    from reconcile.adapters.manifest_files import load_manifests

    pairs = [
        (seconds(lambda: loop_over_events(folder)), seconds(lambda: load_manifests(folder, root=folder)))
        for _ in range(3)
    ]
    floor, load = (min(times) for times in zip(*pairs, strict=True))
    # Kilobytes on Linux, bytes on macOS.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024 * 1024)
    sys.stdout.write(f"loop {floor:.3f} s, load {load:.3f} s, ratio {load / floor:.2f}, peak {peak:.0f} MB\n")


if __name__ == "__main__":
    main()
