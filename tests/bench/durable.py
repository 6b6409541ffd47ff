"""A receipt of a durable simulated TSE: `python -P tests/bench/durable.py DIRECTORY` prints seconds and syncs as JSON.

The checkout that is measured stands in PYTHONPATH, as for `standin`.
"""

import json
import os
import statistics
import sys
import time
from pathlib import Path

from gateway.simulator.device import SimulatedTse
from tests.simulator.host import Host

_RECEIPTS = 40


def main(directory: Path) -> None:
    """Sign receipts, and count the syncs by the way."""
    syncs = 0

    def counted(name: str) -> None:
        real = getattr(os, name)

        def call(handle: int) -> None:
            nonlocal syncs
            syncs += 1
            real(handle)

        setattr(os, name, call)

    tse = SimulatedTse.create(directory)
    host = Host(tse)
    host.set_up()
    host.start_day()
    counted("fsync")
    counted("fdatasync")
    seconds = []
    for _ in range(_RECEIPTS):
        began = time.perf_counter()
        host.receipt()
        seconds.append(time.perf_counter() - began)
    tse.close()
    print(json.dumps({"seconds": statistics.median(seconds), "syncs": syncs / _RECEIPTS}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
