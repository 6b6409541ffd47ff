"""What a recorded result must be on a TSE whose info.csv and certificate have other lengths than the recorded one's."""

from gateway.simulator.device import SimulatedTse
from gateway.tse.sectors import SECTOR
from gateway.tse.tar import blocks_of, members
from tests.recordings.scenarios import BLOCKS_BEFORE_LOGS, Call

_PART = 496  # bytes in each piece of a filtered export
_OWN_LENGTHS = ("entries", "cert")  # their bytes depend on names and texts of the TSE
_COUNTED_IN = {"size": 1, "tar": SECTOR, "bytes": SECTOR}

Result = tuple[str, int, dict[str, int]]


def expected(recorded: Call, more_blocks: int) -> Result:
    """A recorded result as the TSE must give it whose store begins with `more_blocks` more than the recorded one's."""
    call, code, facts = got(recorded)
    for name, unit in _COUNTED_IN.items():
        if facts.get(name):
            facts[name] += more_blocks * unit
    if recorded.call.startswith(("ftx", "ftime")):
        facts["chunks"] = -(-facts["bytes"] // _PART)
    return call, code, facts


def got(call: Call) -> Result:
    """What can be compared of a result."""
    facts = call.facts
    if call.call.startswith(_OWN_LENGTHS):
        facts.pop("bytes", None)
    return call.call, call.code, facts


def more_blocks_than_recorded(tse: SimulatedTse) -> int:
    """By how much info.csv and certificate of this TSE are longer than those of the recorded one."""
    info, certificate = list(members(tse.read_store(0, 200)))[:2]
    return blocks_of(len(info.data)) + blocks_of(len(certificate.data)) - BLOCKS_BEFORE_LOGS
