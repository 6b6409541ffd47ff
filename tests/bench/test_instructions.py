"""A request costs about as many instructions as when this was written, on a machine under any load."""

from pathlib import Path

import pytest

from gateway.simulator.device import SimulatedTse
from tests.bench.instructions import instructions
from tests.bench.standin import answer_at_once

_AT_MOST = 18_000  # about 12,000 with Python 3.11; a doubling is noticed, a change of the interpreter is not


async def test_a_command_costs_no_more_instructions_than_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SimulatedTse, "_take_command", SimulatedTse._take_command)  # is put back at the end
    answer_at_once()
    counts = await instructions(tmp_path)
    assert 5_000 < counts.total() < _AT_MOST, [(code.co_qualname, count) for code, count in counts.most_common(20)]
