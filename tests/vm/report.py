"""What people read after an ordeal."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median

from tests.vm.machine import Uevent
from tests.vm.ordeal import Outcome, Report
from tests.vm.shop import Line

READY = "is open at"
_FAILED = "failed:"
_SERVES = "serves on port"


def table(outcomes: Sequence[Outcome]) -> str:
    """Event, how often, and how long until all was well again (median and worst, seconds)."""
    rows = [f"{'event':26}{'count':>6}{'unplugs':>9}{'ready again':>17}{'next signature':>18}"]
    for name, group in groupby(sorted(outcomes, key=_trial), key=_trial):
        found = list(group)
        unplugs = sum(outcome.unplugs for outcome in found)
        ready, signed = spread(outcome.ready for outcome in found), spread(outcome.signed for outcome in found)
        rows.append(f"{name:26}{len(found):6}{unplugs:9}{ready:>17}{signed:>18}")
    return "\n".join(rows)


def totals(report: Report) -> str:
    """One line for all receipts."""
    return (
        f"{report.receipts} receipts in {report.seconds:.0f} s, each in its store exactly once; "
        f"{report.troubles} requests failed, {report.asked} signatures learned by asking the TSE; "
        f"longest request {report.longest_request:.1f} s, longest step {report.longest_step:.1f} s"
    )


@dataclass(frozen=True, slots=True)
class Service:
    """From the first answer of a gateway process to its end, by the guest's clock."""

    since: float
    until: float

    def covers(self, begin: float, end: float) -> bool:
        """Was it there all the time?"""
        return self.since <= begin and end <= self.until


def services(log: Sequence[Line], starts: Sequence[float]) -> list[Service]:
    """When the gateway could see what happened: not while it was killed or was starting."""
    began = [line.time for line in log if _SERVES in line.message]
    return [Service(since, min((start for start in starts if start > since), default=float("inf"))) for since in began]


def plug_to_ready(uevents: Sequence[Uevent], log: Sequence[Line], there: Sequence[Service]) -> list[float]:
    """Seconds from the kernel's "add" of a disk to the gateway's word that the TSE there is ready."""
    found = []
    for line in log:
        if READY in line.message:
            came = max(
                (event.time for event in uevents if _is(event, "add", line) and event.time <= line.time), default=0
            )
            if any(service.covers(came, line.time) for service in there):
                found.append(line.time - came)
    return found


def unplug_to_known(uevents: Sequence[Uevent], log: Sequence[Line], there: Sequence[Service]) -> list[float]:
    """Seconds from the kernel's "remove" of a disk to the gateway's word that its TSE failed; 0 if it knew before."""
    found = []
    for at, line in enumerate(log):
        if READY not in line.message:
            continue
        serial = line.message.split()[1]
        gone = min(
            (event.time for event in uevents if _is(event, "remove", line) and event.time > line.time), default=None
        )
        failed = next((later.time for later in log[at:] if serial in later.message and _FAILED in later.message), None)
        if gone and failed and any(service.covers(min(gone, failed), max(gone, failed)) for service in there):
            found.append(max(0.0, failed - gone))
    return found


def spread(values: Iterable[float]) -> str:
    """Median and worst."""
    listed = list(values)
    return f"{median(listed):.1f} / {max(listed):.1f}" if listed else "-"


def _trial(outcome: Outcome) -> str:
    return outcome.trial


def _place(line: Line) -> str:
    return line.message.rpartition(" ")[2].removeprefix("/dev/")


def _is(event: Uevent, action: str, line: Line) -> bool:
    return event.action == action and event.disk == _place(line)
