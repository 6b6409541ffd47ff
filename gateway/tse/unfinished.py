"""Imports and exports that a client began and did not end: they block other clients (LAN-TSE protocol)."""

from enum import StrEnum

from gateway.tse.commands import AbortExport, AbortImport, CloseImport, NextExportPart, OpenImport, Part, StartExport
from gateway.tse.fields import Command
from gateway.tse.results import Result


class Unfinished(StrEnum):
    """Work that takes more than one command."""

    IMPORT = "import"
    EXPORT = "export"


UNDO: dict[Unfinished, Command] = {Unfinished.IMPORT: AbortImport(), Unfinished.EXPORT: AbortExport()}
_LAST_PART = Part(b"").encode()


def done(unfinished: set[Unfinished], command: bytes, reply: bytes) -> None:
    """Bring `unfinished` up to date after the TSE carried out `command`."""
    match command[0]:
        case OpenImport.opcode:
            unfinished.add(Unfinished.IMPORT)
        case CloseImport.opcode | AbortImport.opcode:
            unfinished.discard(Unfinished.IMPORT)
        case StartExport.opcode:
            unfinished.add(Unfinished.EXPORT)
        case AbortExport.opcode:
            unfinished.discard(Unfinished.EXPORT)
        case NextExportPart.opcode if reply == _LAST_PART:
            unfinished.discard(Unfinished.EXPORT)


def refused(unfinished: set[Unfinished], result: int) -> None:
    """Bring `unfinished` up to date after the TSE refused a command: it may know that there is nothing to finish."""
    if result == Result.NO_TRANSACTION_IN_PROGRESS:
        unfinished.discard(Unfinished.IMPORT)
    elif result == Result.NO_EXPORT_IN_PROGRESS:
        unfinished.discard(Unfinished.EXPORT)
