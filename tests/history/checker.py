"""Could one TSE that signs each receipt exactly once have given these answers and left this store behind?

In general that question takes exponential time. Here every answer carries the signature counter, so the order in
which the TSE acted is known, and one pass over the history and one over the store decide.
"""

import itertools
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from gateway.tse.logmessage import LogMessage, LogType
from gateway.tse.tar import members
from tests.history.events import Action, Answered, Asked, History, Refused, Signature, Step

_OPERATIONS = {
    "starttransaction": Action.START,
    "updatetransaction": Action.UPDATE,
    "finishtransaction": Action.FINISH,
}
_Content = tuple[Action, str, int, str, bytes]


@dataclass(frozen=True, slots=True)
class Report:
    """`untold` names the steps that were signed and whose till never learned of it."""

    steps: int
    answered: int
    signatures: int
    untold: tuple[str, ...]
    violations: tuple[str, ...]


@dataclass(eq=False, slots=True)
class _Wanted:
    """A step and all its tries. It was asked for first when `floor` was the highest counter that anybody knew."""

    step: Step
    floor: int
    tries: int = 0
    refusals: int = 0
    told: Signature | None = None
    signed: dict[Action, int] = field(default_factory=dict)  # counter by kind of message

    def may_have_signed(self, action: Action) -> bool:
        """Is there a try of which nobody knows how it ended? A refused `SIGN` may have left its start."""
        return self.tries > self.refusals or (self.step.action is Action.SIGN and action is Action.START)

    def contents(self) -> list[_Content]:
        """What the messages in the store that it asks for hold; number 0 is any."""
        step = self.step
        client, kind = step.client.decode(errors="replace"), step.process_type.decode(errors="replace")
        if step.action is Action.SIGN:
            return [(Action.FINISH, client, 0, kind, step.data), (Action.START, client, 0, "", b"")]
        return [(step.action, client, step.number, kind, step.data)]


def demand_explained(history: History, tar: bytes) -> Report:
    """Check a history against the whole export of its TSE.

    Raises:
        AssertionError: it cannot be explained; all violations are named.
    """
    report = check(history, [LogMessage.decode(member.data) for member in list(members(tar))[2:]])
    assert not report.violations, "\n".join(report.violations)
    return report


def check(history: History, messages: Iterable[LogMessage]) -> Report:
    """Check a history against all log messages of its TSE, in the order of the store."""
    return _Check(history, list(messages)).report()


class _Check:
    def __init__(self, history: History, messages: list[LogMessage]) -> None:
        self._messages = [message for message in messages if message.log_type is LogType.TRANSACTION]
        self._by_counter = {message.signature_counter: message for message in self._messages}
        self._starts: dict[int, LogMessage] = {}
        self._owners: dict[int, _Wanted] = {}
        self._wanted: dict[str, _Wanted] = {}
        self._violations = [*_gaps(messages), *self._transactions()]
        self._replay(history)
        for wanted in self._wanted.values():
            if wanted.told is not None:
                self._settle(wanted, wanted.told)
        self._explain_the_rest()

    def report(self) -> Report:
        wanted = self._wanted.values()
        untold = tuple(each.step.name for each in wanted if each.signed and each.told is None)
        answered = sum(each.told is not None for each in wanted)
        return Report(len(wanted), answered, len(self._messages), untold, tuple(self._violations))

    # ---- the store by itself ------------------------------------------------

    def _transactions(self) -> Iterator[str]:
        """Numbers are given in a row; only what is open goes on, under the client that started it."""
        opened: dict[int, str] = {}
        last: int | None = None
        for message in self._messages:
            action, number = _OPERATIONS[message.operation.lower()], message.transaction_number or 0
            if action is Action.START:
                if last is not None and number != last + 1:
                    yield f"{_named(message)} follows the start of transaction {last}"
                last = number
                self._starts[number], opened[number] = message, message.client_id
            elif number in self._starts and opened.get(number) != message.client_id:
                yield f"{_named(message)} is there, but the transaction was not open for this client"
            if action is Action.FINISH:
                opened.pop(number, None)

    # ---- the history by itself ----------------------------------------------

    def _replay(self, history: History) -> None:
        """Real-time order: what is asked for after an answer came is signed behind it."""
        highest, highest_of = 0, defaultdict[bytes, int](int)
        tries: dict[int, tuple[Step, int]] = {}
        for at, event in enumerate(history.events):
            match event:
                case Asked(step):
                    tries[at] = step, highest_of[step.client]
                    if step.action is not Action.LAST:
                        self._wanted.setdefault(step.name, _Wanted(step, highest)).tries += 1
                case Refused(asked):
                    step, _ = tries[asked]
                    if step.action is not Action.LAST:
                        self._wanted[step.name].refusals += 1
                case Answered(asked, signature):
                    step, least = tries[asked]
                    if step.action is Action.LAST:
                        self._check_last(step, signature, least)
                    else:
                        self._answer(self._wanted[step.name], signature)
                    highest = max(highest, signature.counter)
                    highest_of[step.client] = max(highest_of[step.client], signature.counter)

    def _answer(self, wanted: _Wanted, signature: Signature) -> None:
        if wanted.told is not None and wanted.told != signature:
            self._violate(wanted, f"was answered with {_shown(wanted.told)}, then with {_shown(signature)}")
        elif wanted.told is None:
            wanted.told = signature
            if signature.counter <= wanted.floor:
                self._violate(
                    wanted,
                    f"was answered with signature {signature.counter}, but signature {wanted.floor} "
                    "was known before it was asked for",
                )

    def _check_last(self, step: Step, signature: Signature, least: int) -> None:
        message = self._by_counter.get(signature.counter)
        if message is None or not _same(message, signature) or message.client_id.encode() != step.client:
            self._violations.append(f"{step.name}: the last signature {_shown(signature)} is not in the store")
        elif signature.counter < least:
            self._violations.append(
                f"{step.name}: signature {signature.counter} was told as the last one, after signature {least}"
            )

    # ---- one against the other ----------------------------------------------

    def _settle(self, wanted: _Wanted, told: Signature) -> None:
        message = self._by_counter.get(told.counter)
        if message is None:
            self._violate(wanted, f"was answered with signature {told.counter}, which is not in the store")
            return
        content, *start = wanted.contents()
        if content not in _contents(message):
            self._violate(wanted, f"was answered with {_named(message)}, which is not what it asked for")
        elif not _same(message, told):
            self._violate(wanted, f"was answered with {_shown(told)}; the store has other bytes for this counter")
        self._own(wanted, message)
        if start:
            self._own_start(wanted, message)

    def _own(self, wanted: _Wanted, message: LogMessage) -> None:
        owner = self._owners.setdefault(message.signature_counter, wanted)
        if owner is not wanted:
            self._violate(wanted, f"has {_named(message)}, which belongs to {owner.step.name!r}")
        wanted.signed[_OPERATIONS[message.operation.lower()]] = message.signature_counter

    def _own_start(self, wanted: _Wanted, finish: LogMessage) -> None:
        """A `SIGN` has its finish, and therefore the start of the same transaction, too."""
        started = self._starts.get(finish.transaction_number or 0)
        if started is None:
            return
        self._own(wanted, started)
        if started.signature_counter <= wanted.floor:
            self._violate(wanted, f"has {_named(started)}, which was made before it was asked for")

    def _explain_the_rest(self) -> None:
        """Messages that no answer told of: finishes first, since the finish of a `SIGN` tells which start is its."""
        able: dict[_Content, deque[_Wanted]] = defaultdict(deque)  # in the order of their floors
        for wanted in self._wanted.values():
            for content in wanted.contents():
                if wanted.may_have_signed(content[0]):
                    able[content].append(wanted)
        rest = [message for message in self._messages if message.signature_counter not in self._owners]
        for message in sorted(rest, key=lambda message: message.operation.lower() == "starttransaction"):
            if message.signature_counter not in self._owners:  # which a finish may have taken meanwhile
                self._explain(message, able)

    def _explain(self, message: LogMessage, able: dict[_Content, deque[_Wanted]]) -> None:
        action = _OPERATIONS[message.operation.lower()]
        for content in _contents(message):
            queue = able[content]
            while queue and action in queue[0].signed:
                queue.popleft()
            if queue and queue[0].floor < message.signature_counter:
                self._own(queue[0], message)
                if content[0] is Action.FINISH and queue[0].step.action is Action.SIGN:
                    self._own_start(queue[0], message)
                return
        self._blame(message, action)

    def _blame(self, message: LogMessage, action: Action) -> None:
        """Tell why nobody can have asked for this message."""
        contents = _contents(message)
        asked = [each for each in self._wanted.values() if any(content in contents for content in each.contents())]
        in_time = [each for each in asked if each.floor < message.signature_counter]
        refused = next((each for each in in_time if action not in each.signed), None)
        if refused is not None:
            self._violate(refused, f"was refused, yet {_named(message)} is in the store")
        elif in_time:
            twice = in_time[-1]
            self._violate(twice, f"was signed twice: signatures {twice.signed[action]} and {message.signature_counter}")
        elif asked:
            self._violate(asked[0], f"was asked for only after {_named(message)} had been made")
        else:
            self._violations.append(f"{_named(message)} was asked for by nobody")

    def _violate(self, wanted: _Wanted, what: str) -> None:
        self._violations.append(f"{wanted.step.name!r} {what}")


def _gaps(messages: list[LogMessage]) -> Iterator[str]:
    for before, message in itertools.pairwise(messages):
        if message.signature_counter != before.signature_counter + 1:
            yield f"{_named(message)} stands behind signature {before.signature_counter} in the store"


def _contents(message: LogMessage) -> tuple[_Content, ...]:
    """How somebody may have asked for it: with its number or, for starts and `SIGN`, without."""
    action, number = _OPERATIONS[message.operation.lower()], message.transaction_number or 0
    numbers = (0,) if action is Action.START else (number, 0)
    rest = message.process_type, message.process_data
    return tuple((action, message.client_id, number, *rest) for number in numbers)


def _same(message: LogMessage, told: Signature) -> bool:
    stored = (message.transaction_number, message.signature_counter, message.log_time, message.signature)
    return stored == (told.number, told.counter, told.log_time, told.signature)


def _named(message: LogMessage) -> str:
    if message.log_type is not LogType.TRANSACTION:
        return f"signature {message.signature_counter} ({message.operation})"
    action, number, client = _OPERATIONS[message.operation.lower()], message.transaction_number, message.client_id
    return f"signature {message.signature_counter} ({action} of transaction {number} by {client})"


def _shown(signature: Signature) -> str:
    return f"signature {signature.counter} of transaction {signature.number} ({signature.signature.hex()[:16]})"
