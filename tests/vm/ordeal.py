"""Receipts are sold while the TSEs are torn out, swapped, slowed down and cut off, and the gateway is killed."""

import itertools
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.tse.commands import TransactionStep
from tests.history.events import History
from tests.vm.books import audit
from tests.vm.shop import CLIENTS, Shop
from tests.vm.till import PATIENCE, Till
from tests.vm.trials import KILL, Scene, Trial

_LONGEST_STEP = 240.0  # seconds; a till that waits longer for one signature is stuck
_STRANGE = 60.0  # seconds; nothing fails then, but somebody should look at it


@dataclass(frozen=True, slots=True)
class Outcome:
    """One trial survived. Seconds from its end until `readInfo` answers, and until the next step is signed."""

    trial: str
    unplugs: int
    ready: float
    signed: float


@dataclass(frozen=True, slots=True)
class Report:
    """What an ordeal showed; it was only made because the audit found nothing."""

    outcomes: tuple[Outcome, ...]
    receipts: int
    seconds: float
    longest_request: float
    longest_step: float
    asked: int
    troubles: int


class Ordeal:
    """`trials` happen at random moments, one after the other, while the tills sell at least `receipts`."""

    def __init__(
        self,
        shop: Shop,
        trials: Sequence[Trial],
        receipts: int,
        chance: random.Random,
        tell: Callable[[str], None] = print,
    ) -> None:
        self._shop = shop
        self._scene = Scene(shop, chance)
        self._trials = trials
        self._tell = tell
        self._receipts = receipts
        self._progress = threading.Condition()
        self._taken = 0
        self._over = threading.Event()
        self._stop = threading.Event()
        serials = itertools.cycle(shop.sticks)
        self._histories = {serial: History() for serial in shop.tses}
        self._tills = [
            Till(client, serial, shop.connection(), self._next_receipt, self._stop, self._histories[serial])
            for client, serial in zip(CLIENTS, serials, strict=False)
        ]

    def run(self) -> Report:
        """Sell and suffer.

        Raises:
            AssertionError: a receipt was lost or doubled, or somebody waited for too long.
        """
        began = time.monotonic()
        for till in self._tills:
            till.start()
        try:
            outcomes = [self._survive(trial, number) for number, trial in enumerate(self._trials, start=1)]
            self._over.set()
            for till in self._tills:
                till.join(_LONGEST_STEP)
        finally:
            self._stop.set()
        for till in self._tills:
            till.join(70)
            assert till.ended_well, f"{till.name} did not finish: {till.troubles[-5:]}"
        signed = [step for till in self._tills for step in till.signed]
        for serial, tse in self._shop.tses.items():
            audit(tse, self._histories[serial])
        return Report(
            outcomes=tuple(outcomes),
            receipts=sum(step.event is TransactionStep.FINISH for step in signed),
            seconds=time.monotonic() - began,
            longest_request=max(till.connection.longest for till in self._tills),
            longest_step=max(step.took for step in signed),
            asked=sum(step.asked for step in signed),
            troubles=sum(len(till.troubles) for till in self._tills),
        )

    def _survive(self, trial: Trial, number: int) -> Outcome:
        self._await_receipt(number * self._receipts // (len(self._trials) + 1))
        self._scene.pause(0, 0.5)
        serials = trial.happen(self._scene)
        over = time.monotonic()
        for serial in serials:
            self._shop.until_ready(serial, _LONGEST_STEP)
        ready = time.monotonic() - over
        signed = max(self._await_signature(serial, over) for serial in serials)
        self._shop.pull_foreign()
        self._tell(f"{number:3} {trial.name}: ready after {ready:.1f} s, signed after {signed:.1f} s")
        if ready > _STRANGE:
            self._tell(self._shop.traces())
        return Outcome(trial.name, trial.unplugs, ready, signed)

    def _next_receipt(self) -> int | None:
        with self._progress:
            number = self._taken
            self._taken += 1
            self._progress.notify_all()
        return None if self._over.is_set() and number >= self._receipts else number

    def _await_receipt(self, number: int) -> None:
        with self._progress:
            came = self._progress.wait_for(lambda: self._taken >= number, timeout=_LONGEST_STEP)
        assert came, f"receipt {number} was never begun: {[till.troubles[-3:] for till in self._tills]}"

    def _await_signature(self, serial: str, since: float) -> float:
        """Seconds from `since` until a till saw this TSE sign."""
        tills = [till for till in self._tills if till.serial == serial]
        while True:
            steps = [step.at for till in tills for step in till.signed[-50:] if step.at > since]
            if steps:
                return min(steps) - since
            assert time.monotonic() - since < _LONGEST_STEP, f"TSE {serial} signs nothing any more"
            self._stop.wait(0.1)


def check(shop: Shop, trials: Sequence[Trial], receipts: int, report: Report) -> None:
    """What was promised.

    Raises:
        AssertionError: one of it was not kept.
    """
    kills = sum(trial is KILL for trial in trials)
    assert report.receipts >= receipts
    assert report.longest_request <= PATIENCE, f"a till waited {report.longest_request:.1f} s for an answer"
    starts = len(shop.starts())
    assert starts == 1 + kills, f"the gateway was started {starts} times, and killed {kills} times"
    assert not shop.photographs.written, "a disk that is no TSE was written to"
