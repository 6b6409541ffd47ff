"""Is our time fit for a TSE?"""

import asyncio
import logging
import math
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from gateway.clock import trusted as clock_module
from gateway.clock.sntp import TimeServer
from gateway.clock.trusted import Clock, KernelClock, kernel_state
from gateway.telemetry.metrics import Metrics
from tests.clock.time_server import Answers, answer_to, time_server

NOW = 1_795_420_000.0


class Watch:
    """The steady clock, and a system clock that lacks `lacks` seconds."""

    def __init__(self, lacks: float = 0.0) -> None:
        self.steady_now = 100.0
        self.lacks = lacks

    def steady(self) -> float:
        return self.steady_now

    def wall(self) -> float:
        return NOW + self.steady_now - self.lacks

    def true(self) -> float:
        return NOW + self.steady_now


def clock_with(watch: Watch, *servers: TimeServer, synchronised: bool = False) -> Clock:
    return Clock(servers, kernel=lambda: KernelClock(synchronised, 0.002), wall=watch.wall, steady=watch.steady)


def telling(watch: Watch, wrong_by: float = 0.0, **answer: object) -> Answers:
    return lambda packet: answer_to(
        packet,
        **{"received": watch.true() + wrong_by, "sent": watch.true() + wrong_by} | answer,  # type: ignore[arg-type]
    )


async def measured(watch: Watch, *answers: Answers) -> Clock:
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(time_server(answer)) for answer in answers]
        clock = clock_with(watch, *servers)
        await clock.measure()
    return clock


def test_the_kernel_is_believed_when_it_says_that_its_clock_is_synchronised() -> None:
    watch = Watch(lacks=5)
    clock = clock_with(watch, synchronised=True)
    status = clock.status
    assert (status.fit, status.source, status.offset, status.age) == (True, "kernel", 0.002, 0)
    assert clock.now() == watch.wall()


def test_an_unsynchronised_kernel_without_servers_is_not_fit() -> None:
    status = clock_with(Watch()).status
    assert (status.fit, status.source, status.offset) == (False, "none", None)
    assert "no time server is set" in str(status.reason)


async def test_a_server_tells_what_the_system_clock_lacks() -> None:
    watch = Watch(lacks=37.5)
    clock = await measured(watch, telling(watch))
    status = clock.status
    assert (status.fit, status.source) == (True, "sntp")
    assert status.offset == pytest.approx(37.5, abs=1e-3)
    assert clock.now() == pytest.approx(watch.true(), abs=1e-3)


async def test_whoever_sets_the_system_clock_does_not_set_the_time_of_the_tse() -> None:
    watch = Watch()
    clock = await measured(watch, telling(watch))
    watch.steady_now += 60
    watch.lacks = 3600
    assert clock.now() == pytest.approx(watch.true(), abs=1e-3)
    assert clock.status.offset == pytest.approx(3600, abs=1e-3)


async def test_an_old_measurement_is_worth_nothing() -> None:
    watch = Watch()
    clock = await measured(watch, telling(watch))
    watch.steady_now += 3600
    assert clock.status.fit
    watch.steady_now += 1
    assert (clock.status.fit, clock.status.source) == (False, "none")


async def test_one_server_that_is_wrong_is_outvoted() -> None:
    watch = Watch(lacks=1)
    clock = await measured(watch, telling(watch), telling(watch, wrong_by=300), telling(watch, wrong_by=0.1))
    assert clock.status.offset == pytest.approx(1, abs=0.2)


async def test_two_servers_that_disagree_are_not_believed() -> None:
    watch = Watch()
    clock = await measured(watch, telling(watch), telling(watch, wrong_by=300))
    assert (clock.status.fit, "disagree" in str(clock.status.reason)) == (False, True)


@pytest.mark.parametrize("answer", [{"leap": 3}, {"stratum": 16}, {"stratum": 0}, {"root_delay": 100.0}])
async def test_a_server_without_good_time_is_not_believed(answer: dict[str, Any]) -> None:
    watch = Watch()
    clock = await measured(watch, telling(watch, **answer))
    assert (clock.status.fit, "no time server gave a good answer" in str(clock.status.reason)) == (False, True)


@pytest.mark.parametrize("answer", [lambda _: None, lambda _: b"nonsense"])
async def test_a_server_that_is_silent_or_mad_costs_no_more_than_patience(
    monkeypatch: pytest.MonkeyPatch, answer: Answers
) -> None:
    monkeypatch.setattr(clock_module, "_PATIENCE", 0.05)
    watch = Watch()
    clock = await measured(watch, answer, telling(watch))
    assert clock.status.fit


async def test_a_port_where_nobody_listens_and_a_name_that_is_none() -> None:
    watch = Watch()
    async with time_server(telling(watch)) as gone:
        pass
    clock = clock_with(watch, gone, TimeServer("no-such-host.invalid" + "." * 300))
    assert not await clock.measure()


@pytest.mark.parametrize(("kiss", "asked_again"), [(b"DENY", False), (b"RATE", True)])
async def test_a_server_that_refuses_is_left_alone(kiss: bytes, asked_again: bool) -> None:
    watch = Watch()
    asked = 0

    def refuse(packet: bytes) -> bytes:
        nonlocal asked
        asked += 1
        return answer_to(packet, stratum=0, reference=kiss, received=watch.true(), sent=watch.true())

    async with time_server(refuse) as server:
        clock = clock_with(watch, server)
        for _ in range(3):
            await clock.measure()
        assert asked == 1
        watch.steady_now += 3601
        await clock.measure()
        assert asked == 1 + asked_again


def counting(metrics: Metrics, ends: Callable[[], bool]) -> "asyncio.Event":
    """Set when the clock was told to the metrics and `ends` holds."""
    told = asyncio.Event()
    tell = metrics.host.clock

    def spy(fit: bool, source: str, offset: float | None) -> None:
        tell(fit, source, offset)
        if ends():
            told.set()

    metrics.host.clock = spy  # type: ignore[method-assign]
    return told


@pytest.mark.parametrize("synchronised", [True, False])
async def test_servers_are_asked_only_while_the_kernel_does_not_know(
    synchronised: bool, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    watch, asked = Watch(lacks=2), 0

    def answer(packet: bytes) -> bytes | None:
        nonlocal asked
        asked += 1
        return telling(watch)(packet)

    async with time_server(answer) as server:
        told = counting(metrics, lambda: True)
        keeper = asyncio.create_task(clock_with(watch, server, synchronised=synchronised).run(metrics))
        async with asyncio.timeout(5):
            await told.wait()
        keeper.cancel()
    source = "kernel" if synchronised else "sntp"
    assert asked == (not synchronised)
    assert metrics.registry.get_sample_value("tse_gateway_clock_fit", {"source": source}) == 1
    offset = metrics.registry.get_sample_value("tse_gateway_clock_offset_seconds")
    assert offset == pytest.approx(0.002 if synchronised else 2, abs=1e-3)
    assert "TSEs are given the time" in caplog.text


async def test_a_clock_that_is_not_fit_is_told_loudly(metrics: Metrics, caplog: pytest.LogCaptureFixture) -> None:
    told = counting(metrics, lambda: True)
    keeper = asyncio.create_task(clock_with(Watch()).run(metrics))
    async with asyncio.timeout(5):
        await told.wait()
    keeper.cancel()
    assert metrics.registry.get_sample_value("tse_gateway_clock_fit", {"source": "none"}) == 0
    offset = metrics.registry.get_sample_value("tse_gateway_clock_offset_seconds")
    assert offset is not None
    assert math.isnan(offset)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_the_kernel_of_this_machine_answers() -> None:
    state = kernel_state()
    assert isinstance(state.synchronised, bool)
    assert abs(state.offset) < 1
