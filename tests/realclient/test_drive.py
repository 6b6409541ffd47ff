"""The vendor's libraries with a virtual drive: the files of a TSE that a gateway serves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.app.gateway import Gateway, running
from gateway.config.settings import Settings
from gateway.driver.lan.upstream import Upstream
from gateway.simulator.device import SimulatedTse
from gateway.tse import commands as c
from tests.client.drives import drive
from tests.lan_client import LanClient
from tests.needs import FUSE
from tests.realclient.conftest import TOKEN
from tests.realclient.expectations import expected, got, more_blocks_than_recorded
from tests.realclient.test_lan import LIFE_OF_GENERATION_2, MORNING, SETUP, url
from tests.realclient.test_local import OF_THE_NETWORK, check
from tests.realclient.worm import Client, Peer
from tests.recordings.scenarios import AFTER_POWER_UP, HISTORY, HISTORY_2, results_of, script_of
from tests.simulator.host import CLIENT
from tests.simulator.test_generation_2 import Host2

pytestmark = FUSE
SELL = ("start POS-1 - 0", "finish POS-1 - 700")


@pytest.fixture(params=["arm", "x64"])
def peer(request: pytest.FixtureRequest) -> Peer:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Peer)
    return found


@asynccontextmanager
async def drive_of(served: Gateway, settings: Settings, place: Path) -> AsyncIterator[str]:
    """The files of its TSE."""
    upstream = Upstream(url(served), SecretStr(TOKEN), ca_file=settings.state_dir / "tls" / "ca.pem")
    async with drive(upstream, tse_of(served), place) as at:
        yield str(at)


def tse_of(served: Gateway) -> SimulatedTse:
    (tse,) = served.simulators
    return tse


async def test_a_whole_recorded_life_gives_the_same_results_and_counters(
    settings: Settings, tmp_path: Path, peer: Peer
) -> None:
    async with running(settings) as served, drive_of(served, settings, tmp_path / "drive") as place:
        more = more_blocks_than_recorded(tse_of(served))
        for scenario in HISTORY:
            if scenario in AFTER_POWER_UP:
                tse_of(served).power_cycle()
            if scenario != "session-lost":  # the files have no sessions
                async with peer.connected(place) as client:
                    await check(client, scenario, more)


@pytest.mark.parametrize("way", ["network", "drive"])
async def test_the_recorded_life_of_generation_2(settings: Settings, tmp_path: Path, arm: Peer, way: str) -> None:
    settings = settings.model_copy(update={"simulator_generation": 2})
    async with running(settings) as served, drive_of(served, settings, tmp_path / "drive") as place:
        where = (url(served), TOKEN) if way == "network" else (place,)
        host = Host2(tse_of(served))
        host.do(c.SelfTest())
        host.change_credentials()
        host.do(c.Initialize())
        host.do(c.RegisterClient(CLIENT))
        host.tse.power_cycle()
        more = more_blocks_than_recorded(host.tse)
        for scenario in HISTORY_2:
            async with arm.connected(*where) as client:
                if way == "drive":
                    await check(client, scenario, more, 2)
                    continue
                calls = await client.run(script_of(scenario, 2))
                assert [got(call) for call in calls] == [expected(call, more) for call in results_of(scenario, 2)]


async def test_a_whole_life_with_generation_2(settings: Settings, tmp_path: Path, arm: Peer) -> None:
    settings = settings.model_copy(update={"simulator_generation": 2})
    async with (
        running(settings) as served,
        drive_of(served, settings, tmp_path / "drive") as place,
        arm.connected(place) as client,
    ):
        calls = await client.run(call for call in LIFE_OF_GENERATION_2 if call not in OF_THE_NETWORK)
    assert [call.code for call in calls] == [0x1100 if "99999" in call.call else 0 for call in calls]
    assert (calls[-1].facts["state"], calls[-1].facts["st"]) == (2, 1)


async def recovers(client: Client, served: Gateway) -> None:
    """The library goes on as if nothing had been."""
    async with asyncio.timeout(30):
        while (await client.call("selftest POS-1")).code:
            await served.registry.changed.wait()
    assert [call.code for call in await client.run((*MORNING[1:], *SELL))] == [0] * 5


@pytest.mark.parametrize(
    ("fault", "line", "code"),
    [
        ("unplugged", "info", 3),
        ("unplugged", "time 1700000001", 3),
        ("lost_response", "time 1700000001", 8),
        ("counter_jump", "time 1700000001", 8),
        ("store_full", "start POS-1 - 0", 0x1017),
        ("blocked_pin", "login 1 12345", 0x1201),
        ("failed_self_test", "selftest POS-1", 0x1310),
        ("fetch", "start POS-1 - 0", 0),
    ],
)
async def test_faults_of_the_tse_are_errors_of_the_library_that_pass(
    settings: Settings, tmp_path: Path, peer: Peer, fault: str, line: str, code: int
) -> None:
    async with (
        running(settings) as served,
        drive_of(served, settings, tmp_path / "drive") as place,
        peer.connected(place) as client,
    ):
        await client.run((*SETUP, *MORNING[1:]))
        tse_of(served).faults.set(fault)
        assert (await client.call(line)).code == code
        tse_of(served).faults.clear()
        await recovers(client, served)


async def test_a_tse_that_another_till_holds_is_an_error_that_passes(
    settings: Settings, tmp_path: Path, peer: Peer
) -> None:
    settings = settings.model_copy(update={"lock_wait": 1.0})
    async with (
        running(settings) as served,
        drive_of(served, settings, tmp_path / "drive") as place,
        peer.connected(place) as client,
    ):
        await client.run((*SETUP, *MORNING[1:], "logout 1", "logout 2"))
        till = LanClient(served.port, TOKEN)
        await till.select()
        async with till.locked():
            assert (await client.call("start POS-1 - 0")).code == 4
            assert (await client.call("info")).code == 3
        await till.close()
        await recovers(client, served)


async def test_a_gateway_that_is_away_is_an_error_that_passes(settings: Settings, tmp_path: Path, peer: Peer) -> None:
    async with running(settings) as first:
        settings = settings.model_copy(update={"port": first.port})
        drive_of_both = drive_of(first, settings, tmp_path / "drive")
        place = await drive_of_both.__aenter__()
        client_of_both = peer.connected(place)
        client = await client_of_both.__aenter__()
        await client.run((*SETUP, *MORNING[1:]))
    assert [call.code for call in await client.run(("info", "start POS-1 - 0"))] == [3, 3]
    async with running(settings) as again:
        await recovers(client, again)
        await client_of_both.__aexit__(None, None, None)
        await drive_of_both.__aexit__(None, None, None)
