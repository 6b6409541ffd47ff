"""What commands leave unfinished."""

import pytest

from gateway.tse.commands import (
    AbortExport,
    AbortImport,
    CloseImport,
    Event,
    FlashHealth,
    ImportOpened,
    NextExportPart,
    OpenImport,
    Part,
    StartExport,
)
from gateway.tse.fields import Command
from gateway.tse.unfinished import UNDO, Work, done, refused

OPEN, START = OpenImport(Event.START, b"POS-1", 0, 0, b""), StartExport(0, 1, 0, 1, b"")
BOTH = {Work.IMPORT, Work.EXPORT}


@pytest.mark.parametrize(
    ("command", "reply", "before", "after"),
    [
        (OPEN, ImportOpened(7).encode(), set(), {Work.IMPORT}),
        (CloseImport(), b"signed", BOTH, {Work.EXPORT}),
        (AbortImport(), b"", BOTH, {Work.EXPORT}),
        (START, b"", set(), {Work.EXPORT}),
        (NextExportPart(), Part(b"tar").encode(), BOTH, BOTH),
        (NextExportPart(), Part(b"").encode(), BOTH, {Work.IMPORT}),
        (AbortExport(), b"", BOTH, {Work.IMPORT}),
        (AbortExport(), b"", set(), set()),
        (FlashHealth(), b"", BOTH, BOTH),
    ],
)
def test_a_command_begins_or_ends_work(command: Command, reply: bytes, before: set[Work], after: set[Work]) -> None:
    work = set(before)
    done(work, command.encode(), reply)
    assert work == after


@pytest.mark.parametrize(
    ("result", "after"), [(0x1004, {Work.EXPORT}), (0x2001, {Work.IMPORT}), (0x2002, BOTH), (0x1006, BOTH)]
)
def test_a_refusal_may_tell_that_there_is_nothing_to_finish(result: int, after: set[Work]) -> None:
    work = set(BOTH)
    refused(work, result)
    assert work == after


@pytest.mark.parametrize("what", list(Work))
def test_all_work_can_be_undone(what: Work) -> None:
    work = {what}
    done(work, UNDO[what].encode(), b"")
    assert not work
