"""The PIN memory and its file."""

from pathlib import Path

import pytest

from gateway.fleet.pins.login_guard import LoginGuard
from gateway.fleet.pins.memory import NotRemembered, PinMemory, PinRecord
from gateway.i18n.text import NOTHING
from gateway.tse.commands import ChangePin, ChangePuk, Login, UnblockPin, User
from gateway.tse.fields import Command
from gateway.tse.pins import PinOwner
from tests.texts import said

PIN, OTHER = b"98765", b"11111"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "tse.json"


def break_disk(path: Path, instead: str = "/proc/nowhere") -> None:
    """What is written there from now on fails, and what was there is gone."""
    for left in path.parent.iterdir():
        left.unlink()
    path.parent.rmdir()
    path.parent.symlink_to(instead)


def mend_disk(path: Path) -> None:
    path.parent.unlink()


def remove(path: Path) -> None:
    """As an operator does."""
    path.unlink()


def file_of(path: Path) -> int:
    return path.stat().st_ino


async def test_a_record_is_read_back(path: Path) -> None:
    memory = PinMemory(path)
    await memory.write(client_id="POS-1", tries={PinOwner.ADMIN: 1, PinOwner.PUK: 0}, no_login=said("why"))
    assert (
        PinMemory(path).record == memory.record == PinRecord("POS-1", {PinOwner.ADMIN: 1, PinOwner.PUK: 0}, said("why"))
    )


def test_owners_that_a_newer_gateway_knew_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "tse.json"
    path.write_text('{"client_id": "", "tries": {"1": 1, "77": 2}, "no_login": ""}')
    assert PinMemory(path).record.tries == {PinOwner.ADMIN: 1}


async def test_the_file_is_written_only_when_something_changed_or_it_could_not_be(path: Path) -> None:
    memory = PinMemory(path)
    await memory.check()  # whether it can be written is not known yet
    files = [file_of(path)]
    await memory.check()
    await memory.write(client_id="")
    files.append(file_of(path))
    await memory.check(again=True)
    files.append(file_of(path))
    assert files[0] == files[1] != files[2]


async def test_a_memory_without_a_file_needs_no_disk() -> None:
    memory = PinMemory()
    await memory.check(again=True)
    await memory.write(client_id="POS-1")
    memory.heed_operator()
    assert (memory.trouble, memory.record.client_id) == (NOTHING, "POS-1")


async def test_what_cannot_be_written_changes_nothing_unless_memory_will_do(path: Path) -> None:
    memory = PinMemory(path)
    await memory.write(client_id="POS-1")
    break_disk(path)
    with pytest.raises(NotRemembered):
        await memory.write(client_id="POS-2")
    assert (memory.record.client_id, "cannot be written" in str(memory.trouble)) == ("POS-1", True)
    await memory.try_to_write(client_id="POS-3")
    assert memory.record.client_id == "POS-3"
    mend_disk(path)
    await memory.check()
    assert (memory.trouble, PinMemory(path).record.client_id) == (NOTHING, "POS-3")


async def test_only_a_file_that_was_there_can_be_removed_by_an_operator(path: Path) -> None:
    memory = PinMemory(path)
    await memory.write(no_login=said("the last login failed"), tries={PinOwner.TIME_ADMIN: 2})
    memory.heed_operator()
    assert memory.record.no_login
    remove(path)
    memory.heed_operator()
    assert memory.record == PinRecord(tries={PinOwner.TIME_ADMIN: 2})
    break_disk(path)
    await memory.try_to_write(
        no_login=said("the next login failed")
    )  # in memory only: its file cannot have been removed
    memory.heed_operator()
    assert memory.record.no_login


async def test_a_disk_that_cannot_be_looked_at_allows_no_login(path: Path) -> None:
    memory = PinMemory(path)
    await memory.write(no_login=said("the last login failed"))
    break_disk(path, "/dev/null")
    memory.heed_operator()
    assert memory.record.no_login


async def test_a_login_that_went_well_leaves_nothing_behind(path: Path) -> None:
    async def send(command: bytes) -> bytes:
        assert command == Login(User.TIME_ADMIN, PIN).encode()
        return b""

    guard = LoginGuard(PinMemory(path), PIN)
    for _ in range(2):
        await guard.log_in(send)
        assert PinMemory(path).record == PinRecord()


@pytest.mark.parametrize(
    ("command", "objects"),
    [
        (Login(User.TIME_ADMIN, PIN), False),
        (Login(User.TIME_ADMIN, OTHER), True),
        (Login(User.ADMIN, OTHER), False),
        (ChangePin(User.TIME_ADMIN, PIN, OTHER), True),
        (ChangePin(User.TIME_ADMIN, OTHER, PIN), False),
        (ChangePin(User.ADMIN, PIN, OTHER), False),
        (UnblockPin(User.TIME_ADMIN, b"123456", OTHER), True),
        (ChangePuk(User.TIME_ADMIN, b"123456", OTHER), False),
    ],
)
async def test_a_pin_that_others_use_tells_whether_that_of_the_settings_is_right(
    path: Path, command: Command, objects: bool
) -> None:
    guard = LoginGuard(PinMemory(path), PIN)
    await guard.accepted(command)
    assert bool(guard.objection()) is objects
    without_pin = LoginGuard(PinMemory(), None)
    await without_pin.accepted(command)
    assert str(without_pin.objection()) == "no TimeAdmin PIN was given"


def test_a_file_that_cannot_be_read_allows_no_login_and_is_named(tmp_path: Path) -> None:
    assert str(PinMemory(tmp_path).record.no_login) == f"{tmp_path} cannot be read: Is a directory"
