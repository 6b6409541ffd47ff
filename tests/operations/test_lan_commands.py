"""Commands of LAN clients as values, and filtered exports handed over in parts."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.errors import CommandRejected, GatewayError
from gateway.operations import lan_commands
from gateway.operations.exports import NothingToExport
from gateway.operations.lan_commands import _FilteredExport, client_id_in
from gateway.operations.store import StoreClosed
from gateway.tse.commands import FlashHealth, OpenImport, SelfTest, TransactionStep
from gateway.tse.results import Result
from tests.texts import said

OPEN = OpenImport(TransactionStep.START, "Käse".encode("latin-1"), 0, 0, b"").encode()


@pytest.mark.parametrize(
    ("command", "client"),
    [
        (OPEN, "Käse"),
        (SelfTest(b"POS-1").encode(), "POS-1"),
        (FlashHealth().encode(), ""),
        (OPEN[:-1], None),
        (b"", None),
    ],
)
def test_a_command_names_its_till(command: bytes, client: str | None) -> None:
    assert client_id_in(command) == client


async def test_an_export_is_handed_over_in_parts_once_it_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found = asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        await found.wait()
        yield b"a" * 300
        yield b"b" * 700

    export = _FilteredExport(pieces())
    with monkeypatch.context() as impatient:
        impatient.setattr(lan_commands, "_PATIENCE", 0)
        assert not await export.search()
        with pytest.raises(CommandRejected) as refused:
            await export.next_part()
    assert refused.value.result == Result.EXPORT_RETRY
    found.set()
    parts = [await export.next_part() for _ in range(4)]
    assert parts == [b"a" * 300 + b"b" * 196, b"b" * 496, b"b" * 8, b""]
    export.stop()  # there is nothing to stop any more


@pytest.mark.parametrize(
    ("error", "result"),
    [(NothingToExport(said("none")), Result.NO_DATA_AVAILABLE), (StoreClosed(said("closed")), Result.NEEDS_SELF_TEST)],
)
async def test_an_export_that_finds_nothing_is_refused(error: GatewayError, result: int) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        raise error
        yield b""

    with pytest.raises(CommandRejected) as refused:
        await _FilteredExport(pieces()).search()
    assert refused.value.result == result


async def test_an_export_that_is_given_up_is_searched_for_no_more() -> None:
    ended = asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        yield b""

    export = _FilteredExport(pieces())
    searching = asyncio.create_task(export.search())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    export.stop()
    async with asyncio.timeout(5):
        await ended.wait()
    searching.cancel()
