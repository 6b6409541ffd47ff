"""Since when are transactions open? A TSE tells how many there are; when they began is seen as they pass through."""

from collections.abc import Callable
from time import monotonic

from gateway.tse.commands import Event


class OpenTransactions:
    """Of one TSE. One that nobody saw begin counts from when it was first known of: it is at least as old."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._began: dict[int, float] = {}
        self._unseen: list[float] = []  # when more were first told of than had passed through

    def signed(self, event: int, number: int) -> None:
        """A step of transaction `number` was signed."""
        if event == Event.START:
            self._began[number] = self._now()
        elif event == Event.FINISH and self._began.pop(number, None) is None and self._unseen:
            self._unseen.pop()

    def told(self, count: int) -> None:
        """The TSE says how many are open now."""
        if count == 0:
            self._began.clear()
            self._unseen.clear()
        unseen = max(0, count - len(self._began))
        del self._unseen[unseen:]
        self._unseen.extend([self._now()] * (unseen - len(self._unseen)))

    @property
    def oldest_age(self) -> float:
        """Seconds since the oldest began, as far as it is known; 0 when none is open."""
        now = self._now()
        return max(0.0, now - min((*self._began.values(), *self._unseen), default=now))
