"""The floor of the manifest loader: a bare loop over the same events of PyYAML's C parser, and nothing else.

    python tests/bench/loop_floor.py FOLDER [--load]

Prints how many events all manifests of FOLDER have. With --load, prints the processor seconds of that loop and of
`load_manifests` in turn with it, their ratio and the peak memory of the process, best of three each.
"""

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


def processor_seconds(work: Callable[[], object]) -> float:
    """Of the processor, so that what else runs on the machine counts little."""
    start = time.process_time()
    work()
    return time.process_time() - start


def compare_with_loader(folder: Path) -> str:
    """The loop against the loader, within one process."""
    import resource

    from reconcile.adapters.manifest_files import load_manifests

    pairs = [
        (
            processor_seconds(lambda: loop_over_events(folder)),
            processor_seconds(lambda: load_manifests(folder, root=folder)),
        )
        for _ in range(3)
    ]
    floor, load = (min(times) for times in zip(*pairs, strict=True))
    # Kilobytes on Linux, bytes on macOS.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024 * 1024)
    return f"loop {floor:.3f} s, load {load:.3f} s, ratio {load / floor:.2f}, peak {peak:.0f} MB"


def main() -> None:
    """Parses by hand: in a small run, importing argparse would be part of what is measured."""
    folders = [Path(argument) for argument in sys.argv[1:] if not argument.startswith("-")]
    if len(folders) != 1 or {"-h", "--help"} & {*sys.argv}:
        sys.exit(__doc__)
    if "--load" in sys.argv:
        sys.stdout.write(f"{compare_with_loader(folders[0])}\n")
    else:
        sys.stdout.write(f"{loop_over_events(folders[0]):,} events\n")


if __name__ == "__main__":
    main()
