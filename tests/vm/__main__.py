"""python -m tests.vm: prove in a real kernel that no receipt is lost, whatever happens to the USB sticks."""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.vm import confinement, image, ordeal, report, shop, trials
from tests.vm.bundle import bundle


def main() -> None:
    """Parse, run, print."""
    arguments = _arguments()
    try:
        built = time.monotonic()
        directory = image.image()
        print(f"image {directory} ready after {time.monotonic() - built:.0f} s")
        if not arguments.build:
            packed = bundle(arguments.image) if arguments.image else None
            for way in ("usbip", "qemu") if arguments.way == "both" else (arguments.way,):
                prove(way, arguments.receipts, arguments.short, arguments.seed, packed)
    except image.Missing as error:
        sys.exit(f"first: {error}")


def prove(way: shop.Way, receipts: int, is_short: bool, seed: int, packed: Path | None = None) -> None:
    """One ordeal, its table and its promises; `packed` is the container to run, if one shall be.

    Raises:
        AssertionError: a promise was broken.
    """
    chance = random.Random(seed)
    chosen = trials.short(way) if is_short else trials.full(way)
    chance.shuffle(chosen)
    with tempfile.TemporaryDirectory() as directory, shop.opened(way, Path(directory), packed) as opened:
        print(f"\n{way}, seed {seed}: machine up after {opened.machine.boot_seconds:.0f} s, {len(chosen)} trials")
        result = ordeal.Ordeal(opened, chosen, receipts, chance).run()
        uevents, log = opened.machine.uevents(), opened.log()
        there = report.services(log, opened.starts())
        ready, known = report.plug_to_ready(uevents, log, there), report.unplug_to_known(uevents, log, there)
        print(report.table(result.outcomes))
        print(report.totals(result))
        print(f"disk appeared to TSE ready   {report.spread(ready)} s ({len(ready)} times)")
        print(f"disk vanished to TSE failed  {report.spread(known)} s ({len(known)} times)", flush=True)
        ordeal.check(opened, chosen, receipts, result)
        if packed is not None:
            print(confinement.check(opened), flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.vm", description=__doc__)
    parser.add_argument("--way", choices=["usbip", "qemu", "both"], default="both", help="how the sticks get in")
    parser.add_argument("--receipts", type=int, default=500, help="how many to sell (default 500)")
    parser.add_argument("--short", action="store_true", help="few trials, for CI; use with fewer receipts")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="repeats the order of the trials")
    parser.add_argument("--image", help="run the gateway as a container of this image, which podman must have")
    parser.add_argument("--build", action="store_true", help="only build the image")
    return parser.parse_args()


if __name__ == "__main__":
    main()
