"""Faults on demand: each one as it looks in the field, and how it ends."""

import logging
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.simulator.device import SimulatedTse
from gateway.simulator.faults import FAULTS, clear_fault, listed_faults, set_fault
from gateway.tse.commands import (
    AbortImport,
    CloseImport,
    FlashHealth,
    LastTransaction,
    Login,
    OpenImport,
    SelfTest,
    SetTime,
    TransactionReply,
    TransactionStep,
    User,
)
from gateway.tse.results import Result
from gateway.tse.sectors import SECTOR
from tests.simulator.host import ADMIN_PIN, BUSY, CLIENT, DONE, FETCH, TIME, Host

START = OpenImport(TransactionStep.START, CLIENT, 0, 0, b"")


def write(host: Host, command: bytes) -> None:
    host.tse.write_window((len(command).to_bytes(2, "big") + command).ljust(SECTOR, b"\0"))


def counter(host: Host) -> int:
    return int.from_bytes(host.tse.read_window()[:4], "big")


@pytest.mark.parametrize(("name", "message"), [("unplugged", "No such device"), ("io_error", "Input/output error")])
def test_every_access_fails_until_the_fault_is_cleared(host: Host, name: str, message: str) -> None:
    host.tse.faults.set(name)
    for call in (
        host.tse.read_info,
        host.tse.read_window,
        lambda: host.tse.write_window(bytes(SECTOR)),
        lambda: host.tse.read_store(0, 1),
        lambda: host.tse.write_store(0, bytes(SECTOR)),
    ):
        with pytest.raises(OSError, match=message):
            call()
    host.tse.faults.clear(name)
    host.do(FlashHealth())


def test_plugging_in_again_is_a_power_cycle(host: Host) -> None:
    host.tse.faults.set("unplugged", 1)
    with pytest.raises(OSError, match="No such device"):
        host.tse.read_info()
    assert counter(host) == 0
    assert host.result(START) == Result.NEEDS_SELF_TEST
    host.start_day()
    host.receipt()


def test_an_io_error_is_no_power_cycle(host: Host) -> None:
    host.tse.faults.set("io_error", 2)
    for _ in range(2):
        with pytest.raises(OSError, match="Input/output"):
            host.tse.read_window()
    host.receipt()
    assert listed_faults(host.tse._core.directory) == {"io_error": 0}


def hanging(host: Host) -> tuple[threading.Thread, list[object]]:
    """A thread that reads the info of a hung TSE, and what became of it."""
    outcome: list[object] = []

    def read() -> None:
        try:
            outcome.append(host.info.used_blocks)
        except OSError as error:
            outcome.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    return thread, outcome


def test_a_hung_tse_answers_when_it_is_released(host: Host) -> None:
    host.tse.faults.set("hung")
    thread, outcome = hanging(host)
    thread.join(0.15)  # longer than the look-again time of a hung access
    assert thread.is_alive()
    host.tse.faults.clear()
    thread.join()
    assert outcome == [host.info.used_blocks]


def test_a_tse_that_hangs_once_lets_others_in(host: Host) -> None:
    host.tse.faults.set("hung", 1)
    thread, outcome = hanging(host)
    while listed_faults(host.tse._core.directory)["hung"]:
        thread.join(0.001)
    host.receipt()
    assert thread.is_alive()
    clear_fault(host.tse._core.directory, "hung")  # as another process does
    thread.join()
    assert len(outcome) == 1


def test_closing_releases_what_hangs(host: Host) -> None:
    host.tse.faults.set("hung")
    thread, outcome = hanging(host)
    host.tse.close()
    thread.join()
    assert isinstance(outcome[0], OSError)


def test_busy_forever_carries_the_command_out(host: Host) -> None:
    host.do(START)
    host.tse.faults.set("busy_forever")
    write(host, CloseImport().encode())
    assert [host.tse.read_window()[4] for _ in range(3)] == [BUSY] * 3
    host.tse.faults.clear()
    assert host.tse.read_window()[4] == DONE
    assert TransactionReply.decode(host.do(LastTransaction(CLIENT))).transaction_number == 1


def test_busy_forever_once_ends_with_a_power_cycle(host: Host) -> None:
    host.tse.faults.set("busy_forever", 1)
    write(host, FlashHealth().encode())
    write(host, FlashHealth().encode())
    assert host.tse.read_window()[4] == BUSY
    host.tse.power_cycle()
    host.do(FlashHealth())
    assert counter(host) == 1


def test_a_lost_response_leaves_the_window_as_it_was(host: Host) -> None:
    host.do(START)
    before = host.tse.read_window()
    host.tse.faults.set("lost_response", 1)
    write(host, CloseImport().encode())
    assert host.tse.read_window() == before
    reply = TransactionReply.decode(host.do(LastTransaction(CLIENT)))
    assert (reply.transaction_number, reply.signature_counter) == (1, 3)


def test_a_counter_jump(host: Host) -> None:
    before = counter(host)
    host.tse.faults.set("counter_jump", 1)
    write(host, FlashHealth().encode())
    assert counter(host) == before + 2
    host.do(FlashHealth())


@pytest.mark.parametrize(("name", "result"), [("store_full", 0x1017), ("expired_certificate", 0x100A)])
def test_transactions_are_refused(host: Host, name: str, result: int) -> None:
    host.tse.faults.set(name, 1)
    assert host.result(START) == result
    host.do(START)
    host.tse.faults.set(name)
    assert host.result(CloseImport()) == result
    host.do(AbortImport())
    host.tse.faults.clear(name)
    host.receipt()


def test_an_expired_certificate_shows_in_the_info(host: Host) -> None:
    real = host.info.certificate_expires
    host.tse.faults.set("expired_certificate")
    assert host.info.certificate_expires < TIME < real


def test_a_failed_self_test_closes_the_tse_until_one_passes(host: Host) -> None:
    host.tse.faults.set("failed_self_test", 1)
    assert host.result(SelfTest(CLIENT)) == Result.SELF_TEST_CSP
    assert host.result(SetTime(TIME)) == host.result(START) == Result.NEEDS_PASSED_SELF_TEST
    assert not host.info.self_test_passed
    host.do(SelfTest(CLIENT))
    host.receipt()


def test_a_blocked_pin(host: Host) -> None:
    host.tse.faults.set("blocked_pin")
    assert host.result(Login(User.ADMIN, ADMIN_PIN)) == Result.PIN_BLOCKED
    host.tse.faults.clear()
    host.do(Login(User.ADMIN, ADMIN_PIN))


def test_a_response_that_must_be_fetched(host: Host) -> None:
    before = counter(host)
    host.tse.faults.set("fetch")
    write(host, FlashHealth().encode())
    assert [host.tse.read_window()[4] for _ in range(2)] == [FETCH] * 2
    write(host, b"\x83\0")
    assert (host.tse.read_window()[4], counter(host)) == (DONE, before + 1)
    host.receipt(b"x" * 600)  # with fetches all along
    host.tse.faults.clear()


def test_a_command_instead_of_the_fetch_is_taken(host: Host) -> None:
    host.tse.faults.set("fetch", 1)
    write(host, FlashHealth().encode())
    before = counter(host)
    write(host, FlashHealth().encode())
    assert host.tse.read_window()[4] == DONE
    assert counter(host) == before + 2


def test_another_process_can_break_a_running_tse(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    directory = host.tse._core.directory
    script = "import sys, pathlib, gateway.simulator.faults as f; f.set_fault(pathlib.Path(sys.argv[1]), 'io_error')"
    subprocess.run([sys.executable, "-c", script, directory], check=True, cwd=Path(__file__).parents[2])
    with caplog.at_level(logging.INFO), pytest.raises(OSError, match="Input/output"):
        host.tse.read_info()
    assert "io_error" in caplog.text
    clear_fault(directory)
    host.receipt()


def test_faults_survive_a_restart(tse: SimulatedTse, tmp_path: Path) -> None:
    tse.faults.set("io_error")
    tse.close()
    again = SimulatedTse.open(tmp_path / "tse")
    with pytest.raises(OSError, match="Input/output"):
        again.read_info()
    again.close()


def test_only_known_faults_can_be_set_and_cleared(tmp_path: Path, tse: SimulatedTse) -> None:
    with pytest.raises(ConfigurationError, match="use one of unplugged"):
        set_fault(tmp_path / "tse", "fire")
    with pytest.raises(ConfigurationError, match="use one of unplugged"):
        clear_fault(tmp_path / "tse", "fire")
    with pytest.raises(ConfigurationError, match="at least once"):
        set_fault(tmp_path / "tse", "hung", 0)
    with pytest.raises(ConfigurationError, match="no simulated TSE"):
        set_fault(tmp_path / "nothing", "hung")
    assert listed_faults(tmp_path / "tse") == {}


def test_every_fault_can_be_set_listed_and_cleared(tse: SimulatedTse, tmp_path: Path) -> None:
    for name in FAULTS:
        set_fault(tmp_path / "tse", name)
    clear_fault(tmp_path / "tse", "hung")
    assert listed_faults(tmp_path / "tse") == dict.fromkeys(FAULTS.keys() - {"hung"})
    clear_fault(tmp_path / "tse")
    assert listed_faults(tmp_path / "tse") == {}


@pytest.mark.parametrize("content", ["", "nonsense", "[]", '{"fire": null, "hung": "often"}'])
def test_a_damaged_list_of_faults_is_ignored(host: Host, content: str) -> None:
    (host.tse._core.directory / "faults.json").write_text(content)
    host.receipt()
