"""Certificate, filtered export, acknowledgement and deletion."""

import errno
from collections.abc import Iterator
from dataclasses import replace

from gateway.simulator import assumptions as assumed
from gateway.simulator.core import Core, emptied, refusal
from gateway.simulator.needs import ADMIN, Handlers, Needs
from gateway.tse.commands import (
    FILTER_OPEN_END,
    AbortExport,
    AcknowledgeExport,
    DeleteStoredData,
    NextExportPart,
    Part,
    ReadCertificate,
    StartExport,
)
from gateway.tse.fields import Generation
from gateway.tse.log_names import LogName
from gateway.tse.results import Result
from gateway.tse.sectors import SECTOR
from gateway.tse.tar import END, Header

_READ_BLOCKS = 128  # of the store at a time


def read_certificate(core: Core, command: ReadCertificate) -> bytes:
    """Return a part of the chain; an empty one at its end, an error behind it."""
    if command.offset > len(core.certificates):
        raise refusal(Result.INVALID_PARAMETER)
    return Part(core.certificates[command.offset : command.offset + assumed.PART_BYTES]).encode()


def start_export(core: Core, command: StartExport) -> bytes:
    """Find what matches; an empty result is told here, and later messages do not come in."""
    if core.session.export is not None:
        raise refusal(Result.EXPORT_IN_PROGRESS)
    found = [(block, count) for block, count, name in _log_messages(core) if _takes(command, name)]
    if not found:
        raise refusal(Result.NO_DATA_AVAILABLE)
    core.session.export = _parts(core, [(0, core.state.leading_blocks), *found])
    return b""


def next_part(core: Core, _command: NextExportPart) -> bytes:
    """Return the next part; with the empty one the export is over."""
    if core.session.export is None:
        raise refusal(Result.NO_EXPORT_IN_PROGRESS)
    part = next(core.session.export, b"")
    if not part:
        core.session.export = None
    return Part(part).encode()


def abort_export(core: Core, _command: AbortExport) -> bytes:
    """End the export early."""
    if core.session.export is None:
        raise refusal(Result.NO_EXPORT_IN_PROGRESS)
    core.session.export = None
    return b""


def acknowledge(core: Core, command: AcknowledgeExport) -> bytes:
    """Note what the host has: a full export with its end blocks, or the part that an incremental one has covered."""
    state = core.state
    if command.length > state.used_blocks * SECTOR + len(END):
        raise refusal(Result.INVALID_PARAMETER)
    covered = min(command.length // SECTOR, state.used_blocks)
    if core.generation is Generation.TWO:  # which takes no length: it means all
        covered = state.used_blocks
    if covered > state.acknowledged_blocks:
        core.commit(replace(state, acknowledged_blocks=covered))
    return b""


def delete_stored_data(core: Core, _command: DeleteStoredData) -> bytes:
    """Delete all log messages; counters go on."""
    state = core.state
    if core.session.export is not None:
        raise refusal(Result.EXPORT_IN_PROGRESS)
    if state.open_transactions:
        raise refusal(Result.TSE_HAS_OPEN_TRANSACTIONS)
    if state.acknowledged_blocks < state.used_blocks:
        raise refusal(Result.UNACKNOWLEDGED_DATA)
    core.session.pending_import = None
    core.commit(emptied(state))
    core.store.cut(state.leading_blocks)
    return b""


_EXPORT = Needs(ctss=True, export=True)
HANDLERS: Handlers = {
    ReadCertificate: (_EXPORT, read_certificate),
    StartExport: (_EXPORT, start_export),
    NextExportPart: (Needs(self_test=False), next_part),
    AbortExport: (Needs(self_test=False), abort_export),
    AcknowledgeExport: (_EXPORT, acknowledge),
    DeleteStoredData: (Needs(users=ADMIN, ctss=True), delete_stored_data),
}


def _takes(wanted: StartExport, name: LogName) -> bool:
    """Tell whether a filtered export contains a message of this name."""
    if not wanted.from_time <= name.log_time <= wanted.to_time:
        return False
    by_number = (wanted.from_number, wanted.to_number) != (0, FILTER_OPEN_END)
    if name.number is None:
        by_client = bool(wanted.client_id)
        return (not by_number or assumed.FILTER_BY_NUMBER_KEEPS_SYSTEM_LOGS) and (
            not by_client or assumed.FILTER_BY_CLIENT_KEEPS_SYSTEM_LOGS
        )
    return wanted.from_number <= name.number <= wanted.to_number and wanted.client_id in (b"", name.client_id.encode())


def _log_messages(core: Core) -> Iterator[tuple[int, int, LogName]]:
    """Yield first block, count of blocks and name of each log message in the store."""
    block = core.state.leading_blocks
    while block < core.state.used_blocks:
        header = Header.decode(core.read_store(block, 1))
        if header is None:
            raise OSError(errno.EIO, f"the store of the simulated TSE is damaged at block {block}")
        name = LogName.parse(header.path)
        if name:
            yield block, header.blocks, name
        block += header.blocks


def _parts(core: Core, ranges: list[tuple[int, int]]) -> Iterator[bytes]:
    """Yield the blocks of `ranges` and the end of the archive, in parts of the agreed size."""
    rest = b""
    for piece in _pieces(core, ranges):
        rest += piece
        whole = len(rest) - len(rest) % assumed.PART_BYTES
        for at in range(0, whole, assumed.PART_BYTES):
            yield rest[at : at + assumed.PART_BYTES]
        rest = rest[whole:]
    if rest:
        yield rest


def _pieces(core: Core, ranges: list[tuple[int, int]]) -> Iterator[bytes]:
    for first, count in ranges:
        for block in range(first, first + count, _READ_BLOCKS):
            yield core.read_store(block, min(_READ_BLOCKS, first + count - block))
    yield END
