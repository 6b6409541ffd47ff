"""The recorded scenarios of the vendor's client, in the order in which one TSE lived through them."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDERS = {1: Path(__file__).parent / "lantse", 2: Path(__file__).parent / "lantse-2"}  # by generation

# From the factory to the first power-up, then the life of a till. Each begins where the one before ended, so
# that even the counters are the recorded ones.
HISTORY = (
    "setup-fresh-tse",
    "daily-start",
    "sign-receipt",
    "sign-process-data-sizes",
    "transaction-errors",
    "list-clients",
    "list-started-transactions",
    "certificate",
    "flash-health",
    "entries",
    "export-full",
    "export-incremental",
    "export-filtered",
    "delete-stored-data",
    "wrong-pin",
    "ctss-and-csp",
    "explicit-lock",
    "two-clients-contending",
    "session-lost",
    "needs-selftest",
)
# The TSE lost power just before these.
AFTER_POWER_UP = frozenset({"daily-start", "needs-selftest", "decommission"})
# Of generation 2, after a set-up that did not set the time.
HISTORY_2 = (
    "daily-start",
    "sign-receipt",
    "list-clients",
    "list-started-transactions",
    "export-full-incremental-entries",
    "certificate-health",
    "wrong-pin-unblock",
    "export-filtered",
    "delete-decommission",
)
APART = ("unknown-tse", "wrong-token", "decommission")

BLOCKS_BEFORE_LOGS = 7  # info.csv and the certificate file of the recorded TSE, headers included

_RESULT = re.compile(r"(?P<call>.*?) +-> 0x(?P<code>[0-9a-f]+) ?(?P<details>.*)")
_SHOWN = 40  # the recording cuts longer calls off


@dataclass(frozen=True)
class Call:
    """One call of the client's script: what came back."""

    call: str
    code: int
    details: str

    @property
    def facts(self) -> dict[str, int]:
        """Numbers among the details."""
        return {name: int(value) for name, value in re.findall(r"(\w+)=(-?\d+)(?![\w,])", self.details)}

    @classmethod
    def parse(cls, line: str) -> "Call | None":
        """A line of a client's output; None for one that is no call."""
        found = _RESULT.fullmatch(line.rstrip())
        return cls(found["call"].strip()[:_SHOWN], int(found["code"], 16), found["details"]) if found else None


@cache
def script_of(scenario: str, generation: int = 1) -> tuple[str, ...]:
    """The calls of a scenario."""
    return _part(scenario, generation, "# driver script")


@cache
def results_of(scenario: str, generation: int = 1) -> tuple[Call, ...]:
    """What they gave back to the recorded client, the line of each call in order (clients one after the other)."""
    calls = [Call.parse(line) for line in _part(scenario, generation, "# client results")]
    return tuple(call for call in calls if call and call.call not in {"cleanup", "init 6.0.0-rc.1-online"})


def _part(scenario: str, generation: int, title: str) -> tuple[str, ...]:
    text = (FOLDERS[generation] / f"{scenario}.client.txt").read_text()
    part = text.split(f"{title}\n")[1].split("\n# ")[0]
    return tuple(line for line in part.splitlines() if line.strip())
