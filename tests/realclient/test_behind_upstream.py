"""The vendor's own library at a gateway whose only TSE is that of another gateway."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.driver.lan.driver import LanDriver
from gateway.driver.protocols import TseDriver
from gateway.fleet.registry import Attachment
from gateway.simulator.device import SimulatedTse
from tests.driver.lan.upstreams import TOKEN, Served, gateway_over, gateway_with
from tests.realclient.expectations import expected, got, more_blocks_than_recorded
from tests.realclient.test_lan import numbers
from tests.realclient.worm import Peer
from tests.recordings.scenarios import AFTER_POWER_UP, HISTORY, results_of, script_of

Pair = tuple[Served, Served]


@pytest.fixture
async def gateways(tse: SimulatedTse, tmp_path: Path) -> AsyncIterator[Pair]:
    """The one that the tills use, and the one that has the TSE."""
    async with gateway_over(tse, tmp_path / "far") as far:
        upstream = far.upstream()

        async def opened() -> TseDriver:
            return LanDriver(upstream, tse.serial.hex())

        async with gateway_with([Attachment(upstream.place, opened)], tmp_path / "near") as near:
            yield near, far


async def test_a_whole_recorded_life_gives_the_same_results(gateways: Pair, tse: SimulatedTse, arm: Peer) -> None:
    near, _ = gateways
    more = more_blocks_than_recorded(tse)
    for scenario in HISTORY:
        if scenario in AFTER_POWER_UP:
            tse.power_cycle()
        if scenario == "two-clients-contending":
            await contend(gateways, arm)
        elif scenario != "session-lost":  # which is about a gateway that forgets
            async with arm.connected(near.url, TOKEN) as client:
                calls = await client.run(script_of(scenario))
            assert [got(call) for call in calls] == [expected(call, more) for call in results_of(scenario)], scenario


async def contend(gateways: Pair, arm: Peer) -> None:
    """One till at each gateway: none is refused, and what they sign has no gap."""
    near, far = gateways
    async with arm.connected(near.url, TOKEN) as one, arm.connected(far.url, TOKEN) as other:
        script = script_of("two-clients-contending")
        calls = [call for part in await asyncio.gather(one.run(script), other.run(script)) for call in part]
    recorded = results_of("two-clients-contending")
    assert [(call.call, call.code) for call in calls] == [(call.call, call.code) for call in recorded]
    for fact in ("no", "sig"):
        assert sorted(numbers(calls, fact)) == sorted(numbers(recorded, fact))
