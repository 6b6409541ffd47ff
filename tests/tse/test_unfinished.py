"""What commands leave unfinished."""

import pytest

from gateway.tse.commands import (
    AbortExport,
    AbortImport,
    CloseImport,
    FlashHealth,
    ImportOpened,
    NextExportPart,
    OpenImport,
    Part,
    StartExport,
    TransactionStep,
)
from gateway.tse.fields import Command
from gateway.tse.unfinished import UNDO, Unfinished, done, refused

OPEN, START = OpenImport(TransactionStep.START, b"POS-1", 0, 0, b""), StartExport(0, 1, 0, 1, b"")
BOTH = {Unfinished.IMPORT, Unfinished.EXPORT}


@pytest.mark.parametrize(
    ("command", "reply", "before", "after"),
    [
        (OPEN, ImportOpened(7).encode(), set(), {Unfinished.IMPORT}),
        (CloseImport(), b"signed", BOTH, {Unfinished.EXPORT}),
        (AbortImport(), b"", BOTH, {Unfinished.EXPORT}),
        (START, b"", set(), {Unfinished.EXPORT}),
        (NextExportPart(), Part(b"tar").encode(), BOTH, BOTH),
        (NextExportPart(), Part(b"").encode(), BOTH, {Unfinished.IMPORT}),
        (AbortExport(), b"", BOTH, {Unfinished.IMPORT}),
        (AbortExport(), b"", set(), set()),
        (FlashHealth(), b"", BOTH, BOTH),
    ],
)
def test_a_command_begins_or_ends_work(
    command: Command, reply: bytes, before: set[Unfinished], after: set[Unfinished]
) -> None:
    work = set(before)
    done(work, command.encode(), reply)
    assert work == after


@pytest.mark.parametrize(
    ("result", "after"),
    [(0x1004, {Unfinished.EXPORT}), (0x2001, {Unfinished.IMPORT}), (0x2002, BOTH), (0x1006, BOTH)],
)
def test_a_refusal_may_tell_that_there_is_nothing_to_finish(result: int, after: set[Unfinished]) -> None:
    work = set(BOTH)
    refused(work, result)
    assert work == after


@pytest.mark.parametrize("what", list(Unfinished))
def test_all_work_can_be_undone(what: Unfinished) -> None:
    work = {what}
    done(work, UNDO[what].encode(), b"")
    assert not work
