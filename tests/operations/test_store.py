"""Walking a store: any size of entry, long names, backwards, and never past its end."""

import random

import pytest

from gateway.errors import ProtocolError
from gateway.fleet.device import Device
from gateway.operations import history
from gateway.operations.store import CHUNK_BLOCKS, Store
from gateway.simulator.device import SimulatedTse
from gateway.tse.log_names import LogName
from gateway.tse.tar import member, members
from tests.support import export, receipt, set_up

SIZES = (0, 1, 511, 512, 513, 100, CHUNK_BLOCKS * 512, CHUNK_BLOCKS * 512 + 1, 200_000, 3)
LONG = b"a till with a name of 30 bytes"


@pytest.fixture
async def filled(device: Device, tse: SimulatedTse) -> Device:
    """A store with entries of all sizes and positions relative to a chunk."""
    await set_up(device.command, tse.serial, b"POS-1", LONG)
    chance = random.Random(1)
    for size in [*SIZES, *(chance.randrange(3000) for _ in range(100))]:
        await receipt(device.command, device, chance.choice([b"POS-1", LONG]), data=b"x" * size)
    await device.read_info()
    return device


async def test_the_entries_are_those_that_tarfile_finds(filled: Device) -> None:
    expected = [(member.name, member.data) for member in members(await export(filled))]
    store, reader = Store(filled, filled.info.used_blocks), Store(filled, filled.info.used_blocks)
    found = [(entry.name, await reader.content(entry)) async for entry in store.entries()]
    assert found == expected
    assert all(LogName.parse(name) is not None for name, _ in found[2:])


async def test_the_content_may_be_read_while_walking(filled: Device) -> None:
    store = Store(filled, filled.info.used_blocks)
    found = [await store.content(entry) async for entry in store.entries()]
    assert found == [member.data for member in members(await export(filled))]


async def test_names_beyond_a_tar_header_are_read(ready: Device) -> None:
    name = "Unixt_1790000000_Sig-1_Log-Tra_No-1_Finish_Client-" + "x" * 70 + ".log"
    device = _Stored(member(name, b"data", mtime=0) + member("b.log", b"", mtime=0))
    entries = [entry async for entry in Store(device, device.blocks).entries()]
    assert [entry.name for entry in entries] == [name, "b.log"]
    assert (entries[0].block, entries[1].block) == (0, entries[0].end)
    messages = [member.data for member in members(await export(ready))][2:]
    device = _Stored(b"".join(member(name, message, mtime=0) for message in messages))
    found = [message async for message in Store(device, device.blocks).newest_first(1000)]
    assert len(found) == len(messages)


@pytest.mark.parametrize("store", [b"\0" * 512, b"x" * 512, member("a", b"123", mtime=0)[:512]])
async def test_what_is_no_archive_is_told(store: bytes) -> None:
    device = _Stored(store)
    with pytest.raises(ProtocolError, match="no entry at block 0"):
        [entry async for entry in Store(device, device.blocks).entries()]


async def test_backwards_all_messages_are_found_newest_first(filled: Device) -> None:
    counters = [
        message.signature_counter async for message in Store(filled, filled.info.used_blocks).newest_first(10**6)
    ]
    assert counters == list(range(filled.info.created_signatures, 0, -1))


async def test_backwards_no_more_is_read_than_allowed(filled: Device) -> None:
    found = [message async for message in Store(filled, filled.info.used_blocks).newest_first(200)]
    assert 0 < len(found) < 200


async def test_a_step_is_found_by_its_counter_unless_it_is_no_transaction(ready: Device) -> None:
    last = await receipt(ready.command, ready)
    await receipt(ready.command, ready)
    found = await history.signed_with(ready, last.signature_counter)
    assert found is not None
    assert found.signature == last.signature
    assert await history.signed_with(ready, 1) is None  # a system log
    assert await history.signed_with(ready, 10_000) is None
    assert await history.start_time(ready, last.transaction_number) is not None
    assert await history.start_time(ready, 10_000) is None


@pytest.mark.parametrize(
    ("path", "name"), [(b"./x.log", "x.log"), (b"x./", "x./"), (b"\xff.log", "\\xff.log"), (b"", "h")]
)
async def test_a_path_beyond_a_tar_header_is_told_as_it_is_there(path: bytes, name: str) -> None:
    record = b"path=" + path + b"\n"
    size = next(size for size in range(99) if size == len(f"{size} ".encode() + record))
    content = f"{size} ".encode() + record
    extended = bytearray(member("pax", content, mtime=0))
    extended[156:157] = b"x"
    extended[148:156] = b" " * 8
    extended[148:156] = b"%06o\0 " % sum(extended[:512])
    device = _Stored(bytes(extended) + member("h", b"1", mtime=0))
    assert [entry.name async for entry in Store(device, device.blocks).entries()] == [name]


async def test_a_log_message_within_process_data_is_not_taken_for_one(ready: Device) -> None:
    other = member("Unixt_1_Sig-999_Log-Tra_No-1_Start_Client-POS-1.log", _forged(await export(ready)), mtime=0)
    await receipt(ready.command, ready, data=(other + b"\0") * 512)  # one of these copies begins with a block
    steps = await history.steps_of(ready, 1)
    assert [history.step_of(step) for step in steps] == ["finish", "start"]


async def test_a_message_with_anything_behind_it_is_none(ready: Device) -> None:
    message = list(members(await export(ready)))[-1].data
    whole = member("a.log", message, mtime=0)
    assert len(whole) > 512 + len(message)
    for store, found in ((whole, 1), (whole[:-1] + b"x", 0)):
        device = _Stored(store)
        assert len([each async for each in Store(device, device.blocks).newest_first(100)]) == found


def _forged(tar: bytes) -> bytes:
    """A message of the TSE with one bit of its signature changed."""
    message = list(members(tar))[-1].data
    return message[:-1] + bytes([message[-1] ^ 1])


class _Stored:
    """What has nothing but a store."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.blocks = len(data) // 512

    async def read_store(self, block: int, count: int) -> bytes:
        return self._data[block * 512 : (block + count) * 512]
