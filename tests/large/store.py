"""A simulated TSE with as many signed messages as fill its store up to a size; the messages are few and long."""

from dataclasses import replace
from pathlib import Path

from gateway.driver.usb.block import BlockDriver
from gateway.simulator.core import Core
from gateway.simulator.device import SimulatedTransport, SimulatedTse
from gateway.simulator.state import PersistentState
from gateway.tse.der import integer_element
from gateway.tse.logmessage import UnsignedMessage
from gateway.tse.sectors import SECTOR
from tests.support import CLIENT, NOW, set_up

_LONG = 1 << 20  # bytes of process data; a chunk of an export is a sixteenth of it


async def filled(directory: Path, size: int) -> str:
    """Make a TSE in `directory` whose store has at least `size` bytes; its serial."""
    tse = SimulatedTse.create(directory, durable=False)
    driver = BlockDriver(SimulatedTransport(tse))
    await set_up(driver.send_command, tse.serial)
    core = tse._core
    state = core.state
    while state.used_blocks * SECTOR < size:
        state = signed_receipt(core, state, _LONG)
    core.commit(state)
    await driver.close()
    tse.close()
    return tse.serial.hex().upper()


def signed_receipt(core: Core, state: PersistentState, size: int) -> PersistentState:
    """The state after a transaction of two messages, with about `size` bytes of process data; to be committed."""
    number = state.transaction_number + 1
    for operation, data in (("StartTransaction", b""), ("FinishTransaction", number.to_bytes(4, "big") * (size // 4))):
        draft = UnsignedMessage.transaction(
            operation=operation,
            client_id=CLIENT,
            process_data=data,
            process_type=b"SonstigerVorgang",
            number=number,
            serial=core.key.serial,
            counter=state.signature_counter + 1,
            log_time=integer_element(NOW),
        )
        state = core.with_log(state, draft.sealed(core.key.sign(draft.to_be_signed)), NOW)
    return replace(state, transaction_number=number)
