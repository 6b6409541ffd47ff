import asyncio
import base64
import time
from pathlib import Path

import aiohttp
import pytest

from gateway.access.lan_token import Token, load_or_create_token, load_token
from gateway.access.tokens import Tokens
from gateway.errors import ConfigurationError, Unauthorized
from gateway.server.http.auth import Gatekeeper
from gateway.telemetry.metrics import Metrics
from tests.server.shop import BASE, TOKEN, Served, Till, settings_for, till_of

RIGHT = aiohttp.encode_basic_auth("lantse", TOKEN)
WRONG = aiohttp.encode_basic_auth("lantse", "000000")
FOREIGN, SHARED = "192.0.2.66", "192.0.2.1"
SHORT = "081508"
RIGHT_SHORT = aiohttp.encode_basic_auth("lantse", SHORT)


def gatekeeper(token: str = TOKEN, *, delay: float = 0.0, rate: float = 1000.0) -> Gatekeeper:
    return Gatekeeper(Tokens(Token(token)), Metrics(), delay=delay, rate=rate)


async def guess(keeper: Gatekeeper, times: int, address: str = FOREIGN) -> None:
    for _ in range(times):
        with pytest.raises(Unauthorized):
            await keeper.admit(WRONG, address)


def basic(text: bytes) -> str:
    return "Basic " + base64.b64encode(text).decode()


@pytest.mark.parametrize("header", [RIGHT, RIGHT.replace("Basic", "basic"), f"Bearer {TOKEN}", f"bearer {TOKEN} "])
async def test_the_token_is_let_in(header: str) -> None:
    await gatekeeper().admit(header, SHARED)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        TOKEN,
        "Basic",
        "Basic !!!",
        "Basic ÄÖÜ",
        "Bearer ÄÖÜ",
        "Digest " + TOKEN,
        f"Bearer {TOKEN}x",
        f"Bearer lantse:{TOKEN}",
        basic(b"lantse"),
        basic(b"lantse:"),
        basic(b":" + TOKEN.encode()),
        basic(b"Lantse:" + TOKEN.encode()),
        basic(b"admin:" + TOKEN.encode()),
        basic(b"lantse:" + TOKEN.encode() + b":"),
        basic(b"\xff:\xfe"),
    ],
)
async def test_anything_else_is_refused(header: str | None) -> None:
    with pytest.raises(Unauthorized):
        await gatekeeper().admit(header, SHARED)


async def test_a_wrong_token_is_answered_late_and_the_right_one_at_once() -> None:
    keeper = gatekeeper(delay=0.2)
    began = time.perf_counter()
    await guess(keeper, 1)
    assert time.perf_counter() - began >= 0.2
    keeper._delay = 30
    async with asyncio.timeout(10):
        await keeper.admit(RIGHT, FOREIGN)


async def test_a_long_token_is_right_at_once_whoever_guesses_from_its_address() -> None:
    keeper = gatekeeper(delay=30, rate=0.01)
    guesses = [asyncio.create_task(keeper.admit(WRONG, SHARED)) for _ in range(200)]
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await keeper.admit(RIGHT, SHARED)
        await keeper.admit(RIGHT, "192.0.2.2")
    for task in guesses:
        task.cancel()
    await asyncio.gather(*guesses, return_exceptions=True)


async def test_guesses_of_a_short_token_are_judged_one_after_the_other() -> None:
    keeper = gatekeeper(SHORT, rate=20)
    await asyncio.gather(*(guess(keeper, 1) for _ in range(10)))
    began = time.perf_counter()
    await asyncio.gather(*(guess(keeper, 1) for _ in range(5)))
    assert time.perf_counter() - began >= 5 / 20
    async with asyncio.timeout(10):
        await keeper.admit(RIGHT_SHORT, "192.0.2.2")


async def test_a_short_token_is_let_in_in_its_turn_and_at_once_where_it_was_right_before() -> None:
    keeper = gatekeeper(SHORT, rate=4)
    await guess(keeper, 10)
    before = [asyncio.create_task(keeper.admit(WRONG, FOREIGN)) for _ in range(3)]
    await asyncio.sleep(0)
    began = time.perf_counter()
    await keeper.admit(RIGHT_SHORT, FOREIGN, known=True)
    assert not any(task.done() for task in before)
    await keeper.admit(RIGHT_SHORT, FOREIGN)
    assert time.perf_counter() - began >= 4 / 4
    assert all(isinstance(error, Unauthorized) for error in await asyncio.gather(*before, return_exceptions=True))


async def test_a_connection_that_was_right_guesses_no_faster_than_others() -> None:
    keeper = gatekeeper(SHORT, rate=20)
    await guess(keeper, 10)
    began = time.perf_counter()
    for _ in range(3):
        with pytest.raises(Unauthorized):
            await keeper.admit(WRONG, FOREIGN, known=True)
    assert time.perf_counter() - began >= 3 / 20


async def test_who_has_hung_up_takes_no_turn() -> None:
    keeper = gatekeeper(SHORT, rate=5)
    await guess(keeper, 10)
    left = [asyncio.create_task(keeper.admit(RIGHT_SHORT, FOREIGN, connected=lambda: False)) for _ in range(200)]
    await asyncio.sleep(0)
    began = time.perf_counter()
    await keeper.admit(RIGHT_SHORT, FOREIGN)
    assert time.perf_counter() - began < 10  # a turn for each of them would take 40 s
    assert all(isinstance(error, Unauthorized) for error in await asyncio.gather(*left, return_exceptions=True))


async def test_who_would_wait_longer_than_a_till_does_is_refused_without_a_look() -> None:
    keeper = gatekeeper(SHORT, rate=0.1)
    await guess(keeper, 10)
    waiting = [asyncio.create_task(keeper.admit(RIGHT_SHORT, FOREIGN)) for _ in range(8)]
    await asyncio.sleep(0.01)
    assert [task.done() for task in waiting] == [False] * 5 + [True] * 3
    for task in waiting:
        task.cancel()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [isinstance(outcome, Unauthorized) for outcome in outcomes] == [False] * 5 + [True] * 3
    assert not keeper._turns


@pytest.mark.parametrize(
    ("token", "short"),
    [
        ("123456", True),
        ("123456789", True),
        ("1234567890", False),
        ("abcdef", True),
        ("abcdefgh", False),
        ("a1b2c3", True),
        ("aB3-xY", False),
        (TOKEN, False),
    ],
)
def test_a_token_is_short_if_there_are_fewer_than_of_ten_digits(token: str, short: bool) -> None:
    assert gatekeeper(token).tokens.guessable == short


async def test_a_whole_ipv6_network_counts_as_one_address() -> None:
    keeper = gatekeeper(SHORT, rate=0.01)
    for number in range(10):
        await guess(keeper, 1, f"2001:db8::{number:x}%eth0")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await keeper.admit(RIGHT_SHORT, "2001:db8::ffff")
    async with asyncio.timeout(10):
        await keeper.admit(RIGHT_SHORT, "2001:db8:0:1::1")


async def test_requests_without_a_token_are_no_guesses() -> None:
    keeper = gatekeeper(SHORT, delay=30, rate=0.01)
    async with asyncio.timeout(10):
        for _ in range(100):
            with pytest.raises(Unauthorized):
                await keeper.admit(None, FOREIGN)
        await keeper.admit(RIGHT_SHORT, FOREIGN)


async def test_wrong_tokens_are_told_at_once_and_summed_up_each_minute(caplog: pytest.LogCaptureFixture) -> None:
    keeper = gatekeeper()
    await guess(keeper, 15)
    await guess(keeper, 3, SHARED)
    keeper._tell()
    keeper._tell()
    await guess(keeper, 1)
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert told == [
        f"wrong API token from {FOREIGN}",
        f"17 wrong API tokens within a minute, most from {FOREIGN} (15)",
        f"wrong API token from {FOREIGN}",
    ]


async def test_who_is_slowed_down_is_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    keeper = gatekeeper(SHORT)
    await guess(keeper, 20)
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert told[1:] == [f"{FOREIGN} tries wrong API tokens again and again: its tries have to wait"]


async def test_addresses_without_end_fill_neither_memory_nor_log(caplog: pytest.LogCaptureFixture) -> None:
    keeper = gatekeeper()
    for number in range(5000):
        await guess(keeper, 1, f"address-{number}")
    assert len(keeper._metrics.wrong_tokens._now) <= 4097
    assert len(keeper._metrics.wrong_tokens.worst()) == 8
    assert len(caplog.records) == 1


async def test_a_wrong_token_is_answered_with_401_and_a_number(served: Served) -> None:
    async with till_of(served, headers={"Authorization": WRONG}) as till:
        answer = await till.ask(f"{BASE}/tses")
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    assert (answer.json["error"], answer.json["error_name"]) == (18, "InvalidApiToken")
    assert 'tse_gateway_auth_failures_total{reason="wrong"} 1.0' in served.metrics.exposition()[0].decode()


@pytest.mark.parametrize("path", [f"{BASE}/tses", f"{BASE}/tse//lock", "/lantse/nothing", "/nothing", "/metrics"])
async def test_without_a_token_every_path_is_a_401(served: Served, path: str) -> None:
    async with till_of(served, headers={}) as till:
        assert (await till.ask(path)).json["error"] == 18


async def test_health_is_open(served: Served) -> None:
    async with till_of(served, headers={}) as till:
        answer = await till.ask("/healthz")
    assert (answer.status, answer.json) == (200, {"status": "ok"})


def test_the_token_is_made_once_and_kept_for_its_owner_only(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, api_token=None)
    token = load_or_create_token(settings)
    path = tmp_path / "state" / "api_token"
    assert len(token.value) == 10
    assert token.value.isdecimal()
    assert path.read_text() == token.value + "\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_or_create_token(settings) == token == load_token(settings)
    assert token.value not in repr(token)
    assert not token.configured


def test_a_long_token_can_be_had(tmp_path: Path) -> None:
    assert len(load_or_create_token(settings_for(tmp_path, api_token=None, token_digits=0)).value) >= 32


def test_a_token_of_six_digits_can_be_had(tmp_path: Path) -> None:
    token = load_or_create_token(settings_for(tmp_path, api_token=None, token_digits=6))
    assert len(token.value) == 6
    assert token.value.isdecimal()


def test_the_setting_wins_over_the_kept_token(tmp_path: Path) -> None:
    kept = load_or_create_token(settings_for(tmp_path, api_token=None))
    assert load_or_create_token(settings_for(tmp_path)) == Token(TOKEN, configured=True)
    assert load_or_create_token(settings_for(tmp_path, api_token=None)) == kept


def test_trouble_with_the_kept_token_is_told(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, api_token=None)
    with pytest.raises(ConfigurationError, match="start the gateway once"):
        load_token(settings)
    path = tmp_path / "state" / "api_token"
    path.parent.mkdir()
    for content in (b"\n", b"x", b"      \n", bytes(40), b"two words", b"t\xf6ken-0815"):
        path.write_bytes(content)
        for loading in (load_or_create_token, load_token):
            with pytest.raises(ConfigurationError, match=r"api_token cannot be used.* remove it to get a new token"):
                loading(settings)
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_or_create_token(settings)
    path.rmdir()
    path.parent.rmdir()
    path.parent.write_bytes(b"")
    with pytest.raises(ConfigurationError, match="cannot be"):
        load_or_create_token(settings)


async def test_the_right_token_serves_all_pages(till: Till) -> None:
    for path in ("/metrics", "/api/v1/tses", f"{BASE}/tses"):
        assert (await till.ask(path)).status == 200
