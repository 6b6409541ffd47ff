"""The command line of the simulation; see README.md."""

import argparse
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count

from tests.simulation import tses
from tests.simulation.mutations import MUTATIONS
from tests.simulation.plan import Plan
from tests.simulation.shop import Outcome
from tests.simulation.troubles import TROUBLES
from tests.simulation.workers import outcomes

_SHOWN = 60  # last events of a run that failed
_AN_HOUR = 3600.0
_TRIES = 40  # seeds for a mutation

# Each finds its mutation, and nothing without it.
_MIXED_UP = Plan.crowded(113, "I/O errors", hours=0.1)  # a key takes over the start of a till
FOUND_BY = {
    "swap": Plan.crowded(1, hours=0.1),
    "fsync": replace(Plan.crowded(1, "power cut", hours=0.1), trouble_every=10),
    "resent": Plan.crowded(1, "lines cut", hours=0.1),
    "claim": replace(Plan.crowded(6, "I/O errors", "TSE pulled", hours=0.1), trouble_every=10),
    "late": replace(_MIXED_UP, trouble_every=3, receipt_every=2, tills=(6,), clients=1),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0 if nothing was found that should not be."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="seed of the first run; the next ones follow")
    parser.add_argument("--runs", type=int, default=1, help="how many runs")
    parser.add_argument("--hours", type=float, help="run after run for so many hours of this machine")
    parser.add_argument("--crowded", action="store_true", help="short runs with hardly anything but trouble")
    parser.add_argument("--trouble", choices=TROUBLES, nargs="+", default=[], help="of crowded runs: only these")
    parser.add_argument("--mutations", action="store_true", help="show that each mutation is found")
    parser.add_argument("--table", type=int, metavar="RECEIPTS", help="the table of troubles over so many receipts")
    parser.add_argument("--at-once", type=int, default=os.cpu_count() or 1, help="processes")
    given = parser.parse_args(arguments)
    tses.install()
    if given.mutations:
        return _mutations(given.at_once)
    if given.table:
        return _table(given.table, given.at_once)
    return _judge(_plans(given), given.at_once)


def _plans(given: argparse.Namespace) -> Iterator[Plan]:
    end = time.perf_counter() + (given.hours or 0.0) * _AN_HOUR
    for seed in count(given.seed) if given.hours else range(given.seed, given.seed + given.runs):
        if given.hours and time.perf_counter() > end:
            return
        yield Plan.crowded(seed, *given.trouble) if given.crowded else Plan.of_a_day(seed)


def _judge(plans: Iterable[Plan], at_once: int) -> int:
    began, hours, receipts, failed, longest = time.perf_counter(), 0.0, 0, 0, 0.0
    for outcome in outcomes(plans, at_once):
        print(_line(outcome), flush=True)
        _show(outcome)
        hours, receipts = hours + outcome.hours, receipts + outcome.receipts
        failed, longest = failed + bool(outcome.violations), max(longest, outcome.longest_wait)
    seconds = time.perf_counter() - began
    print(
        f"{hours:.0f} hours of shops in {seconds:.0f} s: {hours / seconds * _AN_HOUR:.0f} an hour; "
        f"{receipts} receipts, longest wait {longest:.1f} s, {failed} runs failed",
        file=sys.stderr,
    )
    return int(failed > 0)


def _mutations(at_once: int) -> int:
    missed = [name for name, plan in FOUND_BY.items() if not _is_found(name, plan, at_once)]
    return int(bool(missed))


def _is_found(name: str, first: Plan, at_once: int) -> bool:
    """Find a mutation: with the seed that was kept or, if the gateway has changed since, with one of the next."""
    for seed in range(first.seed, first.seed + _TRIES):
        plan = replace(first, seed=seed)
        mutated = replace(plan, mutation=name)
        both = {outcome.plan: outcome for outcome in outcomes([plan, mutated], at_once)}
        _show(both[plan])
        if both[plan].violations:
            return False
        if found := both[mutated].violations:
            print(f"{name:7} ({MUTATIONS[name].__name__}), seed {seed}: {found[0]}", flush=True)
            return True
    print(f"{name:7} was not found with seeds {first.seed} to {seed}")
    return False


def _table(receipts: int, at_once: int) -> int:
    """For each trouble, runs with no other one; each gets its share of the receipts."""
    heads = ("trouble", "events", "receipts", "lost", "doubled", "untold", "other", "wait", "ready")
    print("| {} |".format(" | ".join(heads)), "|---" * len(heads) + "|", sep="\n")
    failed = False
    for name in TROUBLES:
        rows: list[Outcome] = []

        def plans(name: str = name, rows: list[Outcome] = rows) -> Iterator[Plan]:
            for seed in count(1):
                if sum(row.receipts for row in rows) * len(TROUBLES) >= receipts:
                    return
                yield replace(Plan.crowded(seed, name), receipt_every=1)  # so that somebody always wants to sell

        for outcome in outcomes(plans(), at_once):
            rows.append(outcome)
            _show(outcome)
        failed = failed or any(row.violations for row in rows)
        print("| {} |".format(" | ".join(map(str, _row(name, rows)))), flush=True)
    return int(failed)


def _row(name: str, rows: Sequence[Outcome]) -> tuple[object, ...]:
    violations = [violation for row in rows for violation in row.violations]
    lost = sum("is not in the store" in violation for violation in violations)
    doubled = sum("was signed twice" in violation for violation in violations)
    ready = sorted(seconds for row in rows for seconds in row.ready_after)
    return (
        name,
        sum(row.troubles[name] for row in rows),
        sum(row.receipts for row in rows),
        lost,
        doubled,
        sum(row.untold for row in rows),
        len(violations) - lost - doubled,
        f"{max(row.longest_wait for row in rows):.1f} s",
        f"{ready[len(ready) // 2]:.1f} / {ready[-1]:.1f} s",
    )


def _line(outcome: Outcome) -> str:
    troubles = sum(outcome.troubles.values())
    return (
        f"seed {outcome.plan.seed}: {outcome.digest}, {outcome.hours:.1f} h, {troubles} troubles, "
        f"{outcome.starts} starts, {outcome.receipts} receipts, {outcome.signatures} signatures, "
        f"{outcome.untold} untold, longest wait {outcome.longest_wait:.1f} s, {len(outcome.violations)} violations"
    )


def _show(outcome: Outcome) -> None:
    """Print how a run failed that should not have."""
    if outcome.violations:
        print(f"\nFAILED: {outcome.plan}", *outcome.last[-_SHOWN:], *outcome.violations, "", sep="\n", flush=True)
