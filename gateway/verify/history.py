"""Compares messages with each other: signature counters, log times, steps of transactions. Input is sorted records."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from gateway.i18n.text import Text
from gateway.tse.commands import TransactionStep
from gateway.verify.findings import SERIAL, Code, CounterSpan, Findings
from gateway.verify.messages import SEQUENCE, TRANSACTION

_FIRST_COUNTERS = (1, 2)  # the first signature may sign the request for the certificate
_SERIAL = slice(0, 32)
_MISSING = Text("{count} missing", "{count} fehlen")
_NO_BEGINNING = Text("the beginning is missing", "der Anfang fehlt")
_BACK = Text("by {seconds} s", "um {seconds} s")
_NEXT = Text("next is {number}", "die nächste ist {number}")
_COUNTER = Text("Sig-{counter}", "Sig-{counter}")
_BEHIND = Text("Sig-{counter} behind Sig-{last}", "Sig-{counter} nach Sig-{last}")
_TRANSACTION = slice(0, 40)  # serial and number


def check_sequence(records: Iterable[bytes], findings: Findings, *, complete: bool) -> list[CounterSpan]:
    """Check counters and times, and return the span of each TSE. `complete`: nothing may be missing."""
    return [
        _check_counters(serial, map(_Logged.decode, of_one), findings, complete=complete)
        for serial, of_one in groupby(records, key=lambda record: record[_SERIAL])
    ]


def check_transactions(records: Iterable[bytes], spans: Iterable[CounterSpan], findings: Findings) -> None:
    """Check the steps of each transaction, and the transaction numbers if no message is missing."""
    by_serial = {span.serial: span for span in spans}
    for serial, of_one in groupby(records, key=lambda record: record[_SERIAL]):
        _check_numbers(by_serial[serial], of_one, findings)


@dataclass(frozen=True, slots=True)
class _Logged:
    counter: int
    time: int
    updates_time: bool
    digest: bytes

    @classmethod
    def decode(cls, record: bytes) -> "_Logged":
        _, counter, time, updates_time, digest = SEQUENCE.unpack(record)
        return cls(counter, time, bool(updates_time), digest)


def _check_counters(serial: bytes, logged: Iterator[_Logged], findings: Findings, *, complete: bool) -> CounterSpan:
    last = next(logged)
    whole = complete or last.counter in _FIRST_COUNTERS
    span = CounterSpan(serial, 1, last.counter, last.counter, 0, last.time, last.time, whole)
    _check_beginning(span, findings, complete=complete)
    gap = Code.COUNTER_MISSING if complete else Code.COUNTER_GAP if whole else Code.COUNTER_SKIPPED
    messages, missing, earliest, latest = 1, 0, last.time, last.time
    for now in logged:
        between = now.counter - last.counter - 1
        if between > 0:
            findings.add(gap, _between(last.counter + 1, now.counter - 1), _MISSING, count=between)
            missing += between
        elif between < 0:
            same = now.digest == last.digest
            findings.add(Code.COUNTER_REPEATED if same else Code.COUNTER_CONFLICT, f"Sig-{now.counter}")
        elif now.time < last.time and not now.updates_time:  # a gap may hide the updateTime
            findings.add(Code.TIME_BACKWARDS, f"Sig-{now.counter}", _BACK, seconds=last.time - now.time)
        messages, last = messages + 1, now
        earliest, latest = min(earliest, now.time), max(latest, now.time)
    return replace(
        span, messages=messages, last_counter=last.counter, missing=missing, earliest=earliest, latest=latest
    )


def _check_beginning(span: CounterSpan, findings: Findings, *, complete: bool) -> None:
    first = span.first_counter
    if first in _FIRST_COUNTERS:
        return
    if complete:
        findings.add(Code.COUNTER_MISSING, _between(1, first - 1), _NO_BEGINNING)
    else:
        findings.add(Code.COUNTER_PARTIAL, f"Sig-{first}", SERIAL, serial=span.serial.hex())


def _check_numbers(span: CounterSpan, records: Iterable[bytes], findings: Findings) -> None:
    gapless = not span.missing
    last: int | None = None
    for _, steps in groupby(records, key=lambda record: record[_TRANSACTION]):
        number, started = _check_steps(span, map(TRANSACTION.unpack, steps), findings)
        if not started:  # before this part, in which the next number may be a far higher one
            continue
        if gapless and last is not None and number != last + 1:
            findings.add(Code.TRANSACTION_NUMBER, f"No-{last + 1}", _NEXT, number=number)
        last = number


def _check_steps(
    span: CounterSpan, steps: Iterator[tuple[bytes, int, int, int, bytes]], findings: Findings
) -> tuple[int, bool]:
    """Check one transaction: start, updates, finish, in the order of their counters, from one client.

    Return its number, and whether its first step is the start.
    """
    _, number, last_counter, step, client = next(steps)
    place = f"No-{number}"
    started = step == TransactionStep.START
    if not started:
        begun = span.whole and not span.missing
        findings.add(Code.TRANSACTION_START if begun else Code.TRANSACTION_CUT, place, _COUNTER, counter=last_counter)
    for _, _, counter, following, other in steps:
        if counter == last_counter:
            continue  # repeated or in conflict: `_check_counters` has reported it
        if step == TransactionStep.FINISH or following == TransactionStep.START:
            findings.add(Code.TRANSACTION_ORDER, place, _BEHIND, counter=counter, last=last_counter)
        if other != client:
            findings.add(Code.TRANSACTION_CLIENT, place, _COUNTER, counter=counter)
        step, last_counter = following, counter
    if step != TransactionStep.FINISH:
        findings.add(Code.TRANSACTION_OPEN, place, _COUNTER, counter=last_counter)
    return int(number), started


def _between(first: int, last: int) -> str:
    return f"Sig-{first}" if first == last else f"Sig-{first}..{last}"
