"""The simulation: what it finds on the gateway as it is (nothing) and on one with a defect, and that it repeats.

It takes over the clocks of its process, so each command has one of its own.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.simulation.mutations import MUTATIONS

pytestmark = pytest.mark.timeout(300)


def simulated(*arguments: str, hash_seed: int = 0) -> str:
    """What `python -m tests.simulation` prints; it must succeed."""
    command = [sys.executable, "-m", "tests.simulation", *arguments]
    environment = os.environ | {"PYTHONHASHSEED": str(hash_seed)}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=250)
    assert ended.returncode == 0, f"{ended.stdout[-8000:]}\n{ended.stderr[-4000:]}"
    return ended.stdout


def test_crowded_shops_live_through_their_troubles_and_a_seed_is_the_same_run_to_the_byte() -> None:
    with ThreadPoolExecutor(2) as at_once:
        ways = [at_once.submit(simulated, *_CROWDED, hash_seed=seed) for seed in (1, 2)]
        first, second = (way.result() for way in ways)
    print(first)
    assert first == second
    assert first.count("seed") == 2
    assert simulated("--crowded", "--seed", "2") == first.splitlines(keepends=True)[1]


def test_each_mutation_is_found_and_its_run_passes_without_it() -> None:
    found = simulated("--mutations")
    print(found)
    assert {line.split()[0] for line in found.splitlines()} == MUTATIONS.keys()


_CROWDED = ("--crowded", "--runs", "2", "--seed", "1", "--at-once", "1")
