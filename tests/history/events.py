"""What tills asked for and what they were told, in the order in which it happened.

A step of a receipt is tried once or more often. Each try is an `Asked`, followed by at most one end:

    Asked --- Answered   the reply tells with which signature it was signed
          --- Refused    the TSE has not signed in this try, for sure
          --- nothing    nobody knows

The position of an event in `History.events` is its time; no clock is needed to tell what came first.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gateway.tse.commands import TransactionReply


class Action(StrEnum):
    """What is asked for. `SIGN` is a start and its finish in one; `LAST` reads a client's last signature."""

    START = "start"
    UPDATE = "update"
    FINISH = "finish"
    SIGN = "sign"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class Step:
    """One signature that a till wants. Tries of one step have the same `name`, which no other step has.

    A step under an Idempotency-Key is named by the key. `number` is 0 where the TSE gives it.
    """

    name: str
    action: Action
    client: bytes
    number: int = 0
    process_type: bytes = b""
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Signature:
    """What a till was told: transaction number, signature counter, Unix seconds, r||s."""

    number: int
    counter: int
    log_time: int
    signature: bytes

    @classmethod
    def of(cls, reply: TransactionReply) -> "Signature":
        """From the reply of the TSE."""
        return cls(reply.transaction_number, reply.signature_counter, reply.log_time, reply.signature)


@dataclass(frozen=True, slots=True)
class Asked:
    step: Step


@dataclass(frozen=True, slots=True)
class Answered:
    """The end of the try that began with event `asked`."""

    asked: int
    signature: Signature


@dataclass(frozen=True, slots=True)
class Refused:
    """The end of the try that began with event `asked`."""

    asked: int
    reason: str


Answer = Callable[[Signature], object]


class History:
    """Of one TSE; threads may share it."""

    def __init__(self) -> None:
        self.events: list[Asked | Answered | Refused] = []
        self._lock = threading.Lock()

    @contextmanager
    def asking(self, step: Step, refused: Callable[[Any], bool] = lambda _: False) -> Iterator[Answer]:
        """A try, whose answer goes to what this gives. `refused` tells whether an error means "nothing was signed"."""
        asked = self._add(Asked(step))
        try:
            yield lambda signature: self._add(Answered(asked, signature))
        except Exception as error:
            if refused(error):
                self._add(Refused(asked, str(error)))
            raise

    def told(self, step: Step, signature: Signature) -> None:
        """A till learned in another way how its step was signed."""
        self._add(Answered(self._add(Asked(step)), signature))

    def _add(self, event: Asked | Answered | Refused) -> int:
        with self._lock:
            self.events.append(event)
            return len(self.events) - 1
