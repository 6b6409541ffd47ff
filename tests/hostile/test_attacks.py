"""The fast half: attacks on a gateway process while a till sells. `python -m tests.hostile` makes all, and longer."""

import asyncio
import json
import resource
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.hostile.shop import Measured, Shop, Times, free_port, shop

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

_SLOW = 0.2  # seconds for a receipt, on a machine that does nothing else
_MIB = 2**20


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    async with shop(tmp_path_factory.mktemp("shop")) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def before(running: Shop) -> Times:
    return await running.undisturbed(30)


def unharmed(measured: Measured, *, log_lines: int = 2, peak: int = 160 * _MIB) -> None:
    """The till hardly felt it, the process stayed small and quiet."""
    print(" | ".join(measured.line()))
    assert measured.during.p99 < max(_SLOW, 5 * measured.before.p99)
    assert measured.peak < peak
    assert measured.log_lines <= log_lines


async def test_bodies_that_become_a_gigabyte_stay_packed(running: Shop, before: Times) -> None:
    measured = await running.suffer("gzip", 1.5, before)
    assert measured.told["requests"] >= 10
    unharmed(measured)


async def test_heads_without_end_are_ended(running: Shop, before: Times) -> None:
    unharmed(await running.suffer("few_heads", 1.5, before))


async def test_bodies_that_nobody_wants_are_not_read(running: Shop, before: Times) -> None:
    measured = await running.suffer("bodies", 1.5, before)
    assert measured.told["requests"] >= 10
    unharmed(measured)


async def test_requests_of_anybody_leave_room_for_tills(running: Shop, before: Times) -> None:
    unharmed(await running.suffer("pages", 1.5, before))


async def test_what_is_no_http_and_no_tls_fills_no_log(running: Shop, before: Times) -> None:
    unharmed(await running.suffer("garbage", 1, before), log_lines=0)


async def test_whoever_guesses_delays_no_right_token_and_is_named(running: Shop, before: Times) -> None:
    guessing = asyncio.create_task(running.attacked("guesses", 3))
    await asyncio.sleep(1)
    waited = [await running.newcomer() for _ in range(5)]
    told = await guessing
    print(f"{told['guesses']} guesses; new tills waited for {min(waited):.2f} to {max(waited):.2f} s")
    assert max(waited) < max(2.0, 20 * before.p99)
    assert await running.metric('tse_gateway_wrong_tokens{address="127.0.0.1"}') > 10
    refused = [json.loads(line) for line in running.log.splitlines() if "wrong API token" in line]
    assert [(line["event"], line["peer"]) for line in refused] == [("login_refused", "127.0.0.1")]


async def test_a_process_out_of_files_says_so_once_and_goes_on_when_it_has_some(running: Shop, before: Times) -> None:
    pid, lines = running.pid, running.log.count("\n")
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (running.open_files + 2, limits[1]))
    try:
        told = await running.attacked("raw", 1.5)
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    print(f"{told} while the process may open two files more")
    assert [json.loads(line)["event"] for line in running.log.splitlines()[lines:]] == ["out_of_files"]
    assert await running.newcomer() < max(3.0, 20 * before.p99)
    assert await running.sell() < max(3.0, 20 * before.p99)


async def test_right_after_a_restart_the_right_token_is_let_in_while_others_guess(tmp_path: Path) -> None:
    port = str(free_port())
    async with shop(tmp_path, till=False, GATEWAY_PORT=port) as first:
        token = first.token
    guessing = asyncio.create_task(first.attacked("guesses", 30))
    async with shop(tmp_path, till=False, GATEWAY_PORT=port) as again:
        assert again.token == token
        waited: list[float] = []
        async with asyncio.timeout(20):
            while len(waited) < 25 or "wrong API token" not in again.log:
                waited.append(await again.newcomer())
        print(f"after a restart {len(waited)} new tills waited for {min(waited):.2f} to {max(waited):.2f} s")
        assert max(waited) < max(2.0, sum(waited) / 5)
    guessing.cancel()
    await asyncio.gather(guessing, return_exceptions=True)
