"""What a TSE remembers, who may open it, and what an interrupted or failing disk leaves behind."""

import json
import multiprocessing
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from unittest import mock

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.errors import ConfigurationError
from gateway.simulator.device import SimulatedTransport, SimulatedTse
from gateway.simulator.signing import SigningKey
from gateway.simulator.state import STATE_FILE, StateLog
from gateway.simulator.store import StoreFiles
from gateway.tse.commands import (
    AcknowledgeExport,
    CloseImport,
    LastTransaction,
    ListClients,
    ListTransactions,
    Login,
    OpenImport,
    RegisterClient,
    TransactionStep,
    User,
)
from gateway.tse.lists import ClientListReply, TransactionListReply
from gateway.tse.logmessage import LogMessage
from gateway.tse.results import Result
from gateway.tse.sectors import SECTOR
from gateway.tse.tar import members
from tests.simulation.disk import Disk
from tests.simulator.host import CLIENT, TIME, Host

START = OpenImport(TransactionStep.START, CLIENT, 0, 0, b"")


def counters(host: Host) -> list[int]:
    archive = host.tse.read_store(0, host.tse._core.state.used_blocks + 2)
    return [LogMessage.decode(entry.data).signature_counter for entry in list(members(archive))[2:]]


def reopened(host: Host) -> Host:
    directory = host.tse._core.directory
    host.tse.close()
    return Host(SimulatedTse.open(directory, durable=False))


def test_everything_that_lasts_is_there_after_a_restart(host: Host) -> None:
    host.do(RegisterClient(b"K"))
    host.receipt()
    number = host.step(TransactionStep.START, client=b"K", data=b"x").transaction_number
    last = [host.do(LastTransaction(client)) for client in (b"", CLIENT, b"K")]
    host.result(Login(User.TIME_ADMIN, b"00000"))
    host.do(AcknowledgeExport(host.info.used_blocks * SECTOR))
    state = host.tse._core.state
    again = reopened(host)
    assert again.tse._core.state == state
    info = again.info
    assert (info.valid_time, info.self_test_passed, info.created_signatures, info.lifecycle) == (False, False, 5, 1)
    assert int.from_bytes(again.tse.read_window()[:4], "big") == 0
    assert again.result(START) == Result.NEEDS_SELF_TEST
    assert again.result(Login(User.TIME_ADMIN, b"00000")) == 0x1101
    again.start_day(TIME + 1)
    assert [again.do(LastTransaction(client)) for client in (b"", CLIENT, b"K")] == last
    assert TransactionListReply.decode(again.do(ListTransactions(0, b""))).numbers == (number,)
    assert ClientListReply.decode(again.do(ListClients(0))).client_ids == (CLIENT, b"K")
    again.step(TransactionStep.FINISH, number, client=b"K")
    assert counters(again) == list(range(1, 8))
    again.tse.close()


def test_open_or_create_makes_one_and_then_opens_it(tmp_path: Path) -> None:
    first = SimulatedTse.open_or_create(tmp_path / "a" / "b", durable=False)
    first.close()
    second = SimulatedTse.open_or_create(tmp_path / "a" / "b")
    assert second.serial == first.serial
    second.close()


def test_a_directory_holds_one_tse(tse: SimulatedTse, tmp_path: Path) -> None:
    tse.close()
    with pytest.raises(ConfigurationError, match="already is a simulated TSE"):
        SimulatedTse.create(tmp_path / "tse")
    SimulatedTse.open(tmp_path / "tse").close()


def test_an_interrupted_creation_can_be_repeated(tse: SimulatedTse, tmp_path: Path) -> None:
    tse.close()
    (tmp_path / "tse" / STATE_FILE).unlink()
    again = SimulatedTse.open_or_create(tmp_path / "tse", durable=False)
    assert again.serial != tse.serial
    Host(again).set_up()
    again.close()


def test_opening_nothing_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no simulated TSE"):
        SimulatedTse.open(tmp_path / "nothing")
    with pytest.raises(ConfigurationError, match="no simulated TSE"):
        StateLog(tmp_path, durable=False).load()
    assert list(tmp_path.iterdir()) == []


def test_two_objects_never_own_one_tse(tse: SimulatedTse, tmp_path: Path) -> None:
    for attempt in (SimulatedTse.open, SimulatedTse.create):
        with pytest.raises(ConfigurationError, match="in use by another process"):
            attempt(tmp_path / "tse")
    tse.close()
    SimulatedTse.open(tmp_path / "tse").close()


def _try_to_open(directory: Path, outcome: "multiprocessing.SimpleQueue[str]") -> None:
    try:
        SimulatedTse.open(directory)
    except ConfigurationError as error:
        outcome.put(str(error))


def test_two_processes_never_own_one_tse(tse: SimulatedTse, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    outcome = context.SimpleQueue()
    other = context.Process(target=_try_to_open, args=(tmp_path / "tse", outcome))
    other.start()
    other.join()
    assert "in use" in outcome.get()


def test_key_and_state_are_for_the_owner_only(tse: SimulatedTse, tmp_path: Path) -> None:
    for name in ("key.pem", STATE_FILE):
        assert stat.S_IMODE((tmp_path / "tse" / name).stat().st_mode) == 0o600


def changed_state(directory: Path, **changes: object) -> None:
    path = directory / STATE_FILE
    content = json.loads(path.read_text())
    del content["crc32"]
    path.write_text(json.dumps({key: value for key, value in (content | changes).items() if value is not ...}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 4}, "format 4.*use a newer one"),
        ({"format": ...}, "damaged"),
        ({"clients": ...}, "damaged.*clients"),
        ({"surprise": 1}, "damaged.*surprise"),
        ({"puk": "123456"}, "damaged"),
        ({"last_replies": {"": "xy"}}, "damaged"),
        ({"used_blocks": 500}, "shorter"),
    ],
)
def test_a_state_that_does_not_fit_is_refused(
    tse: SimulatedTse, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    tse.close()
    changed_state(tmp_path / "tse", **changes)
    with pytest.raises(ConfigurationError, match=message):
        SimulatedTse.open(tmp_path / "tse")


@pytest.mark.parametrize("content", ["", "{", "[]", "7"])
def test_a_state_that_is_none_is_refused(tse: SimulatedTse, tmp_path: Path, content: str) -> None:
    tse.close()
    (tmp_path / "tse" / STATE_FILE).write_text(content)
    with pytest.raises(ConfigurationError, match="damaged"):
        SimulatedTse.open(tmp_path / "tse")


@pytest.mark.parametrize("name", ["key.pem", "chain.pem"])
def test_missing_files_are_named(tse: SimulatedTse, tmp_path: Path, name: str) -> None:
    tse.close()
    (tmp_path / "tse" / name).unlink()
    with pytest.raises(ConfigurationError, match=f"damaged.*{name}"):
        SimulatedTse.open(tmp_path / "tse")


ED25519 = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(("pem", "message"), [(b"nonsense", "cannot be read"), (ED25519, "not on brainpoolP384r1")])
def test_another_kind_of_key_is_refused(pem: bytes, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        SigningKey.load(pem)


def test_what_was_written_but_not_committed_never_happened(host: Host, tmp_path: Path) -> None:
    host.receipt()
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "tse", copy)
    host.receipt(b"lost" * 300)
    # A power cut between the store and the state: the newer store with the older state, and half a line of the next.
    shutil.copy(tmp_path / "tse" / "TSE_TAR.001", copy / "TSE_TAR.001")
    with (copy / STATE_FILE).open("a") as file:
        file.write('{"used_blocks": 40, "signa')
    again = Host(SimulatedTse.open(copy, durable=False))
    again.start_day()
    used = again.info.used_blocks
    assert again.tse.read_store(used, 8) == bytes(8 * SECTOR)
    assert again.receipt() == 2
    assert counters(again) == list(range(1, 8))
    again.tse.close()


def test_a_disk_that_fails_closes_the_tse_until_the_power_cycle(host: Host, tmp_path: Path) -> None:
    host.do(START)
    state = tmp_path / "tse" / STATE_FILE
    aside = state.rename(tmp_path / "aside")
    state.mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        host.do(CloseImport())
    with pytest.raises(OSError, match="Input/output"):
        host.tse.read_window()
    state.rmdir()
    aside.rename(state)
    with pytest.raises(OSError, match="Input/output"):
        host.tse.read_window()
    SimulatedTransport(host.tse)  # as a driver opens it anew
    host.start_day()
    assert host.receipt() == 1
    assert counters(host) == [1, 2, 3, 4, 5]


class Scene:
    """A durable TSE on a disk that loses what is not synced, and the calls that reached the disk."""

    def __init__(self, directory: Path) -> None:
        self.calls: list[str] = []
        self.disk = Disk(directory / "disk", lambda call, name: self.calls.append(f"{call} {name}"))
        self._cuts = (directory / f"cut-{number}" for number in count())

    @contextmanager
    def host(self) -> Iterator[Host]:
        with self.disk.mounted():
            host = Host(SimulatedTse.create(self.disk.root / "tse"))
            host.set_up()
            host.start_day()
            self.calls.clear()
            yield host
            host.tse.close()

    def counters_after_power_cut(self) -> list[int]:
        target = next(self._cuts)
        self.disk.power_cut(target)
        host = Host(SimulatedTse.open(target / "tse"))
        found = counters(host)
        host.tse.close()
        return found


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_a_signature_costs_one_sync(scene: Scene) -> None:
    with scene.host() as host:
        host.receipt(b"x" * 5000)
    assert scene.calls == 2 * [f"write {STATE_FILE}", f"fdatasync {STATE_FILE}"]


def test_a_power_cut_loses_no_answered_signature(scene: Scene) -> None:
    with scene.host() as host:
        for number in range(1, 9):
            host.receipt(b"x" * 250_000)
            assert scene.counters_after_power_cut()[-1] == 2 + 2 * number
    assert f"rename {STATE_FILE}" in scene.calls, "the log should have been written anew meanwhile"


@pytest.mark.parametrize(("call", "receipts"), [("fdatasync", 1), ("fsync", 8)])
def test_a_tse_that_does_not_sync_is_found_out(scene: Scene, call: str, receipts: int) -> None:
    with scene.host() as host:
        with mock.patch.object(os, call, return_value=None):
            for _ in range(receipts):
                host.receipt(b"x" * 250_000)
        with suppress(ConfigurationError):
            assert scene.counters_after_power_cut()[-1] < 2 + 2 * receipts


def test_the_store_runs_over_several_files(tmp_path: Path) -> None:
    store = StoreFiles(tmp_path, file_blocks=4)
    data = os.urandom(11 * SECTOR)
    store.write(2, data)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"TSE_TAR.00{number}" for number in (1, 2, 3, 4)]
    assert store.read(0, 15) == bytes(2 * SECTOR) + data + bytes(2 * SECTOR)
    assert store.read(7, 3) == data[5 * SECTOR : 8 * SECTOR]
    assert store.size() == 13 * SECTOR
    assert store.read(40, 2) == bytes(2 * SECTOR)
    store.cut(5)
    assert [path.stat().st_size for path in sorted(tmp_path.iterdir())] == [4 * SECTOR, SECTOR]
    assert store.read(0, 9) == (bytes(2 * SECTOR) + data[: 3 * SECTOR]).ljust(9 * SECTOR, b"\0")
    store.close()
    assert StoreFiles(tmp_path, file_blocks=4).size() == 5 * SECTOR
