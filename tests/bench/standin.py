"""A gateway whose simulated TSEs have the times that a measurement needs.

`python -P tests/bench/standin.py MODE serve ...`, with the checkout that is measured in PYTHONPATH: it may be an older
one, so only what both have is used here. Only today's serves more than 16 simulated TSEs. The modes:

instant    the last transaction is told at once, without any work
stick      signing takes 250 ms, with GATEWAY_SIMULATOR_PROFILE=hardware
computing  a thread computes all the time
plain      nothing is changed
"""

import os
import sys
import threading

from gateway.cli import main
from gateway.simulator import profiles
from gateway.simulator.device import SimulatedTse
from gateway.tse.commands import CloseImport, LastTransaction, OpenImport

REPLY = bytes(200)
MOST = 16  # simulated TSEs by the settings
STICK = profiles.Profile("hardware", other=0.01, seconds={CloseImport: 0.25, OpenImport: 0.02})


def answer_at_once() -> None:
    """Let LastTransaction cost the simulated TSE nothing."""
    carry_out = SimulatedTse._take_command

    def take(self: SimulatedTse, sector: bytes) -> None:
        if sector[2] == LastTransaction.opcode:
            self._answer(0, REPLY)
        else:
            carry_out(self, sector)

    SimulatedTse._take_command = take  # type: ignore[method-assign]


def _lift_limit() -> None:
    from gateway.config.settings import Settings  # which an older checkout has elsewhere

    Settings.model_fields["simulators"].metadata.clear()
    Settings.model_rebuild(force=True)


def _compute() -> None:
    while True:
        pass


if __name__ == "__main__":
    match sys.argv.pop(1):
        case "instant":
            answer_at_once()
        case "computing":
            threading.Thread(target=_compute, daemon=True).start()
    profiles.PROFILES["hardware"] = STICK
    if int(os.environ.get("GATEWAY_SIMULATORS", "0")) > MOST:
        _lift_limit()
    main()
