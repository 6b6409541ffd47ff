"""When to look whether a TSE is done: rarely while it cannot be, closely when it is due.

A TSE that signs takes about as long each time. So it is known when a command of its kind is due, and from a little
before that moment on it is looked at ten times as often. A command that is not due, or overdue, is looked at as one of
unknown length: never more seldom, so that no TSE waits longer for being faster than usual. Times in seconds.
"""

from dataclasses import dataclass

_SHORTEST = 0.0002  # the first looks come within a millisecond
_LONGEST = 0.05
_SHARE = 0.04  # of the time elapsed, so that looking costs the till less than 5 %
_CLOSE_SHARE = _SHARE / 10
_LEAST_SPREAD = 0.005  # of the time that is usual
# Of what is new: as TCP estimates the time of a round trip, and how far it strays (RFC 6298).
_MEAN_GAIN, _DEVIATION_GAIN, _DEVIATIONS = 1 / 8, 1 / 4, 4


@dataclass(slots=True)
class _Usual:
    """How long commands of one kind took until now, and how far they strayed from that."""

    mean: float
    deviation: float

    def learn(self, seconds: float) -> None:
        self.deviation += _DEVIATION_GAIN * (abs(seconds - self.mean) - self.deviation)
        self.mean += _MEAN_GAIN * (seconds - self.mean)

    @property
    def spread(self) -> float:
        return max(_DEVIATIONS * self.deviation, _LEAST_SPREAD * self.mean)


class Polling:
    """The pauses between looks at one TSE, by the opcode of the command that it carries out."""

    def __init__(self) -> None:
        self._usual: dict[int, _Usual] = {}

    def took(self, opcode: int, seconds: float) -> None:
        """Learn how long a command took that was carried out."""
        if opcode in self._usual:
            self._usual[opcode].learn(seconds)
        else:
            self._usual[opcode] = _Usual(seconds, _SHARE * seconds)  # it was looked at no more often than that

    def pause(self, opcode: int, elapsed: float) -> float:
        """Return how long to wait before the next look, `elapsed` seconds after the command was sent."""
        pause = min(max(_SHARE * elapsed, _SHORTEST), _LONGEST)
        usual = self._usual.get(opcode)
        if usual is None or elapsed > usual.mean + usual.spread:
            return pause
        close = max(_CLOSE_SHARE * elapsed, _SHORTEST)
        return min(pause, max(usual.mean - usual.spread - elapsed, close))
