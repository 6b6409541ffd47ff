"""What the vendor's client was recorded to send to a TSE of generation 2, sent again by a plain HTTP client."""

from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.simulator.device import SimulatedTse
from gateway.simulator.factory import Make
from gateway.tse import commands as c
from gateway.tse.fields import Generation
from gateway.tse.info import TseInfo
from gateway.tse.self_test import SelfTestReply
from tests.recordings.scenarios import HISTORY_2
from tests.server.test_transcripts import Replay, replaying
from tests.simulator.host import CLIENT
from tests.simulator.test_generation_2 import Host2
from tests.tse.samples import Exchange, exchanges_of_generation_2


class Replay2(Replay):
    """The same for generation 2, which refuses filtered exports: the gateway makes them from the store."""

    generation = Generation.TWO
    time = 1_795_921_300
    exchanges = staticmethod(exchanges_of_generation_2)

    def is_answered_here(self, exchange: Exchange) -> bool:
        return isinstance(c.parse(exchange.sent or b""), c.StartExport | c.NextExportPart)

    def _check_sendCommand(self, exchange: Exchange, answer: dict[str, str]) -> None:  # noqa: N802 - named as the request
        if c.parse(exchange.sent or b"") != c.SelfTest():
            super()._check_sendCommand(exchange, answer)
            return
        recorded, ours = (SelfTestReply.decode(reply) for reply in (exchange.got or b"", b64decode(answer["data"])))
        assert ours.failed == recorded.failed == frozenset()


@pytest.fixture
def tse(tmp_path: Path) -> Iterator[SimulatedTse]:
    made = SimulatedTse.create(tmp_path / "tse", Make(generation=Generation.TWO), durable=False)
    yield made
    made.close()


def test_all_scenarios_of_generation_2_are_replayed_here() -> None:
    assert {exchange.scenario for exchange in exchanges_of_generation_2()} == {*HISTORY_2, "setup-fresh-tse"}


async def test_the_recorded_set_up(tmp_path: Path, tse: SimulatedTse) -> None:
    async with replaying(tmp_path, tse, Replay2) as replay:
        await replay.run("setup-fresh-tse")
    assert TseInfo.decode(tse.read_info()).created_signatures == 2


async def test_a_whole_recorded_life(tmp_path: Path, tse: SimulatedTse) -> None:
    host = Host2(tse)
    host.do(c.SelfTest())
    host.change_credentials()
    host.do(c.Initialize())
    host.do(c.RegisterClient(CLIENT))
    async with replaying(tmp_path, tse, Replay2) as replay:
        await replay.run(*HISTORY_2)
    info = TseInfo.decode(tse.read_info())
    assert (info.created_signatures, info.lifecycle) == (8, 2)
