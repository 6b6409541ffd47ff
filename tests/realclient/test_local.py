"""The recorded scenarios, done again by the vendor's libraries on the files of a mounted simulated TSE."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.simulator.device import SimulatedTse
from gateway.simulator.profiles import Profile
from gateway.volume.mount import mounted
from tests.needs import FUSE
from tests.realclient.expectations import expected, got, more_blocks_than_recorded
from tests.realclient.worm import Client, Peer
from tests.recordings.scenarios import AFTER_POWER_UP, HISTORY, Call, results_of, script_of

pytestmark = FUSE

SETUP = ("selftest POS-1", "setup SwissbitSwissbit 123456 12345 98765 POS-1")
OF_THE_NETWORK = frozenset({"list", "select0", "lock", "unlock"})


@pytest.fixture(params=["arm", "x64"])
def peer(request: pytest.FixtureRequest) -> Peer:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Peer)
    return found


@pytest.fixture
def volume(tse: SimulatedTse, tmp_path: Path) -> Iterator[str]:
    place = tmp_path / "volume"
    place.mkdir()
    with mounted(tse, place):
        yield str(place)


async def check(client: Client, scenario: str, more_blocks: int, generation: int = 1) -> None:
    script = [line for line in script_of(scenario, generation) if line not in OF_THE_NETWORK]
    recorded = [call for call in results_of(scenario, generation) if call.call not in OF_THE_NETWORK]
    calls: list[Call] = []
    while len(calls) < len(recorded):  # where two clients were recorded, one does the work of both
        calls += await client.run(script)
    assert [got(call) for call in calls] == [expected(call, more_blocks) for call in recorded], scenario


async def test_a_whole_recorded_life_gives_the_same_results_and_counters(
    tse: SimulatedTse, volume: str, peer: Peer
) -> None:
    more = more_blocks_than_recorded(tse)
    for scenario in HISTORY:
        if scenario in AFTER_POWER_UP:
            tse.power_cycle()
        if scenario != "session-lost":  # the files have no sessions
            async with peer.connected(volume) as client:
                await check(client, scenario, more)


async def test_decommissioning(tse: SimulatedTse, volume: str, peer: Peer) -> None:
    async with peer.connected(volume) as client:
        await client.run(SETUP)
    tse.power_cycle()
    async with peer.connected(volume) as client:
        await check(client, "decommission", more_blocks_than_recorded(tse))


async def test_keep_alive_reads_from_a_second_handle_disturb_nothing(
    tse: SimulatedTse, volume: str, peer: Peer
) -> None:
    async with peer.connected(volume) as client:
        await client.run((*SETUP, "time 1700000000"))
        signed = [call for _ in range(20) for call in await client.run(("start POS-1 - 0", "finish POS-1 - 700"))]
        assert [call.code for call in signed] == [0] * 40
        assert [call.facts["sig"] for call in signed] == list(range(3, 43))
        assert (await client.call("nokeepalive")).code == 0


async def test_a_power_cut_is_noticed(tse: SimulatedTse, volume: str, peer: Peer) -> None:
    async with peer.connected(volume) as client:
        await client.run(SETUP)
        tse.power_cycle()
        assert (await client.call("time 1700000000")).code == 0x1054


async def test_a_tse_that_takes_its_time_is_waited_for(tmp_path: Path, peer: Peer) -> None:
    slow = SimulatedTse.create(tmp_path / "slow", profile=Profile("slow", other=0.03), durable=False)
    (place := tmp_path / "volume").mkdir()
    try:
        with mounted(slow, place):
            async with peer.connected(str(place)) as client:
                await client.run(SETUP)
                calls = await client.run(("time 1700000000", "start POS-1 - 0", "finish POS-1 - 700", "export"))
    finally:
        slow.close()
    assert [call.code for call in calls] == [0] * 4


async def test_responses_that_must_be_fetched_are_fetched(tse: SimulatedTse, volume: str, peer: Peer) -> None:
    tse.faults.set("fetch")
    async with peer.connected(volume) as client:
        await client.run(SETUP)
        calls = await client.run(("time 1700000000", "start POS-1 - 0", "finish POS-1 - 700", "ftx 1 1 -"))
    assert [call.code for call in calls] == [0] * 4


@pytest.mark.parametrize(
    ("fault", "line", "code"),
    [
        ("lost_response", "time 1700000001", 8),
        ("counter_jump", "time 1700000001", 8),
        ("io_error", "info", 3),
        ("store_full", "start POS-1 - 0", 0x1017),
        ("expired_certificate", "start POS-1 - 0", 0x100A),
        ("blocked_pin", "login 1 12345", 0x1201),
        ("failed_self_test", "selftest POS-1", 0x1310),
    ],
)
async def test_faults_look_to_the_library_like_those_of_a_real_tse(
    tse: SimulatedTse, volume: str, peer: Peer, fault: str, line: str, code: int
) -> None:
    async with peer.connected(volume) as client:
        await client.run((*SETUP, "time 1700000000"))
        tse.faults.set(fault)
        assert (await client.call(line)).code == code
        tse.faults.clear()
        assert (await client.call(line)).code == 0


async def test_an_unplugged_tse_is_an_input_output_error(tse: SimulatedTse, volume: str, peer: Peer) -> None:
    async with peer.connected(volume) as client:
        await client.call("info")
        tse.faults.set("unplugged")
        assert (await client.call("info")).code == 3
        tse.faults.clear()
        assert (await client.call("info")).code == 0


async def test_a_directory_without_a_tse_is_an_input_output_error(tmp_path: Path, peer: Peer) -> None:
    async with peer.connected(str(tmp_path)) as client:
        assert client.init.code == 3
