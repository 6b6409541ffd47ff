"""The command window: framing, counter, busy and fetch, and that no bytes can break it."""

import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import ConfigurationError
from gateway.simulator.device import SimulatedTse
from gateway.simulator.profiles import HARDWARE, INSTANT, profile_named
from gateway.tse.commands import COMMANDS, CloseImport, FlashHealth, OpenImport, SelfTest, SetTime, TransactionStep
from gateway.tse.info import TseInfo
from gateway.tse.results import Result
from gateway.tse.sectors import SECTOR
from tests.simulator.host import BUSY, CLIENT, DONE, TIME, Clock, Host


def counter_of(tse: SimulatedTse) -> int:
    return int.from_bytes(tse.read_window()[:4], "big")


def sector_of(command: bytes) -> bytes:
    return (len(command).to_bytes(2, "big") + command).ljust(SECTOR, b"\0")


def test_after_power_up_the_window_shows_counter_zero_and_is_not_busy(tse: SimulatedTse) -> None:
    assert tse.read_window() == bytes(4) + b"\xff\x00\x02" + bytes(SECTOR - 7)


def test_each_command_counts_one_even_a_refused_one(fresh: Host) -> None:
    fresh.do(FlashHealth())
    assert fresh.result(SetTime(TIME)) == Result.NEEDS_SELF_TEST
    assert counter_of(fresh.tse) == 2


def test_reading_has_no_side_effect(fresh: Host) -> None:
    fresh.do(FlashHealth())
    assert fresh.tse.read_window() == fresh.tse.read_window()
    assert counter_of(fresh.tse) == 1


def test_a_power_cycle_starts_the_counter_again(fresh: Host) -> None:
    fresh.do(FlashHealth())
    fresh.tse.power_cycle()
    assert counter_of(fresh.tse) == 0


@pytest.mark.parametrize("command", [b"\x01\0", b"\xd8\0", b"\xe5\0\5admin\00512345", b"\xff"])
def test_an_unknown_opcode_is_answered_so(fresh: Host, command: bytes) -> None:
    assert fresh.exchange(command) == (Result.UNKNOWN_COMMAND, b"")


@pytest.mark.parametrize(
    "command",
    [
        b"\x20",
        b"\x20\0",
        b"\x20\1\1\x0512345",
        b"\x20\0\1\x0612345",
        b"\x20\0\1\x0512345!",
        b"\x62\2",
        b"\x80\0\1",
        b"\x12\0\0",
    ],
)
def test_a_malformed_command_is_a_syntax_error(fresh: Host, command: bytes) -> None:
    assert fresh.exchange(command) == (Result.COMMAND_SYNTAX, b"")


@pytest.mark.parametrize("length", [0, 511, 65535])
def test_an_impossible_length_is_a_syntax_error_that_counts(fresh: Host, length: int) -> None:
    fresh.tse.write_window(length.to_bytes(2, "big").ljust(SECTOR, b"\x12"))
    sector = fresh.tse.read_window()
    assert (counter_of(fresh.tse), sector[4], sector[7:9]) == (1, DONE, b"\x10\x05")


def test_a_fetch_with_nothing_to_fetch_is_refused(fresh: Host) -> None:
    assert fresh.exchange(b"\x83\0") == (Result.NO_RESPONSE_TO_FETCH, b"")


@pytest.mark.parametrize("size", [0, 1, 511, 513, 1024])
def test_only_whole_sectors_are_taken(tse: SimulatedTse, size: int) -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        tse.write_window(bytes(size))
    assert counter_of(tse) == 0


def test_the_window_is_busy_as_long_as_the_profile_says(tmp_path: Path, clock: Clock) -> None:
    tse = SimulatedTse.create(tmp_path / "x", profile=HARDWARE, monotonic=clock, durable=False)
    host = Host(tse, wait=lambda: setattr(clock, "now", clock.now + 0.05))
    host.set_up()
    before = clock.now
    host.do(SelfTest(CLIENT))
    assert 30 <= clock.now - before < 30.1
    host.start_day()
    host.do(OpenImport(TransactionStep.START, CLIENT, 0, 0, b""))
    before = clock.now
    host.do(CloseImport())
    assert 0.25 <= clock.now - before < 0.35
    tse.close()


def test_a_refusal_is_quick(tmp_path: Path, clock: Clock) -> None:
    tse = SimulatedTse.create(tmp_path / "x", profile=HARDWARE, monotonic=clock, durable=False)
    host = Host(tse, wait=lambda: setattr(clock, "now", clock.now + 0.005))
    before = clock.now
    assert host.result(SelfTest(b"nobody")) == Result.CLIENT_NOT_REGISTERED
    assert clock.now - before < 0.05
    tse.close()


def test_a_command_written_while_busy_is_ignored(tmp_path: Path, clock: Clock) -> None:
    tse = SimulatedTse.create(tmp_path / "x", profile=HARDWARE, monotonic=clock, durable=False)
    tse.write_window(sector_of(b"\x12\0"))
    assert tse.read_window()[4] == BUSY
    tse.write_window(sector_of(b"\x01\0"))
    clock.now += 1
    sector = tse.read_window()
    assert (counter_of(tse), sector[4], len(sector)) == (1, DONE, SECTOR)
    assert sector[5:7] == (64 + 2).to_bytes(2, "big")
    tse.close()


def test_profiles_are_known_by_name() -> None:
    assert (profile_named("instant"), profile_named("hardware")) == (INSTANT, HARDWARE)
    with pytest.raises(ConfigurationError, match="instant, hardware"):
        profile_named("slow")


def test_several_threads_may_look_while_one_works(host: Host) -> None:
    done, wrong = threading.Event(), []

    def look() -> None:
        while not done.is_set():
            sector, info = host.tse.read_window(), TseInfo.decode(host.tse.read_info())
            blocks = host.tse.read_store(0, 4)
            if sector[4] != DONE or len(blocks) != 4 * SECTOR or not info.ctss_active:
                wrong.append(sector)

    watchers = [threading.Thread(target=look) for _ in range(3)]
    for watcher in watchers:
        watcher.start()
    try:
        for _ in range(20):
            host.receipt(b"x" * 600)
    finally:
        done.set()
        for watcher in watchers:
            watcher.join()
    assert not wrong
    assert host.info.created_signatures == 2 + 40


_shapes = st.one_of(
    st.binary(min_size=SECTOR, max_size=SECTOR),
    st.builds(
        lambda opcode, second, rest: sector_of(bytes([opcode, second]) + rest),
        st.sampled_from(sorted(COMMANDS)),
        st.sampled_from([0, 0, 0, 1, 7]),
        st.binary(max_size=80),
    ),
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_shapes, min_size=1, max_size=4))
def test_whatever_is_written_is_answered_in_form_and_the_tse_lives_on(host: Host, sectors: list[bytes]) -> None:
    for sector in sectors:
        before = counter_of(host.tse)
        host.tse.write_window(sector)
        shown = host.tse.read_window()
        assert (int.from_bytes(shown[:4], "big"), shown[4]) == (before + 1, DONE)
        assert 2 <= int.from_bytes(shown[5:7], "big") <= 505
    info = host.info
    assert info.created_signatures >= 2
    assert info.lifecycle in {1, 2}


@pytest.mark.parametrize(("block", "count"), [(-1, 1), (0, -1), (15_000_000, 1), (0, 15_000_001), (14_999_999, 2)])
def test_reading_outside_the_store_is_an_error(tse: SimulatedTse, block: int, count: int) -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        tse.read_store(block, count)
    assert tse.read_store(14_999_999, 1) == bytes(SECTOR)


@pytest.mark.parametrize(("block", "data"), [(-1, bytes(SECTOR)), (0, bytes(1)), (0, bytes(700))])
def test_writing_parts_of_blocks_is_an_error(tse: SimulatedTse, block: int, data: bytes) -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        tse.write_store(block, data)


def test_a_closed_tse_answers_nothing(tse: SimulatedTse) -> None:
    tse.close()
    tse.close()
    for call in (tse.read_info, tse.read_window, lambda: tse.read_store(0, 1), lambda: tse.write_window(bytes(512))):
        with pytest.raises(OSError, match="No such device"):
            call()
