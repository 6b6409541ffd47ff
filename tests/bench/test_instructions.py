"""A request costs about as many instructions as when this was written, on a machine under any load."""

from pathlib import Path

import pytest

from gateway.simulator.device import SimulatedTse
from tests.bench.instructions import instructions
from tests.bench.standin import answer_at_once

# Half as much again as with Python 3.11: a doubling is noticed, a change of the interpreter is not.
_AT_MOST = {"receipt over LAN": 94_000, "sendCommand": 14_000}


async def test_commands_and_receipts_cost_no_more_instructions_than_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SimulatedTse, "_take_command", SimulatedTse._take_command)  # is put back at the end
    answer_at_once()
    found = await instructions(tmp_path, _AT_MOST)
    for name, most in _AT_MOST.items():
        dearest = [(code.co_qualname, count) for code, count in found[name].most_common(20)]
        assert most / 4 < found[name].total() < most, (name, dearest)
