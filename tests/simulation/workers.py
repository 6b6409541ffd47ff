"""Runs of the simulation, each in a process of its own, some at a time."""

import os
import pickle
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

from tests.simulation.plan import Plan
from tests.simulation.shop import Outcome, run

_LONGEST = 900  # seconds of the machine
_IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # nothing needs to outlast a run


def outcomes(plans: Iterable[Plan], at_once: int) -> Iterator[Outcome]:
    """What comes of each of `plans`, in the order in which they end.

    Raises:
        RuntimeError: a run broke off, which is a defect of the simulation or of the gateway.
    """
    waiting, numbers = iter(plans), count()
    running: dict[int, tuple[Plan, Path]] = {}
    with tempfile.TemporaryDirectory(prefix="simulation-", dir=_IN_MEMORY) as directory:
        while True:
            while len(running) < at_once and (plan := next(waiting, None)) is not None:
                place = Path(directory, str(next(numbers)))
                place.mkdir()
                running[_forked(plan, place)] = plan, place
            if not running:
                return
            pid, status = os.wait()
            plan, place = running.pop(pid)
            if status:
                raise RuntimeError(f"the run of {plan} broke off with status {status}")
            outcome = pickle.loads((place / "outcome").read_bytes())
            shutil.rmtree(place)
            yield outcome


def _forked(plan: Plan, place: Path) -> int:
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    signal.alarm(_LONGEST)
    try:
        (place / "outcome").write_bytes(pickle.dumps(run(plan, place)))
        os._exit(0)
    except BaseException:  # noqa: BLE001 (nothing may go on in two processes)
        traceback.print_exc()
    os._exit(1)
