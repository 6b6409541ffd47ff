"""Tokens with names: made, found again after a restart, replaced, revoked, and read from secret files."""

import asyncio
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.access.caller import Role
from gateway.access.lan_token import FILE as LAN_FILE
from gateway.access.lan_token import Token, load_or_create_token
from gateway.access.store import FILE, TokenStore
from gateway.access.tokens import NewToken, TokenRefused, Tokens, TokenUnknown
from gateway.access.uses import TokenUses
from gateway.config.settings import Settings, load
from gateway.errors import ConfigurationError, Unauthorized
from gateway.server.http.auth import Gatekeeper
from gateway.telemetry.metrics import Metrics

DAY = 86_400.0
TILL = NewToken("kasse-1", Role.TILL, ("E15E",), ("POS-1",))


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


def settings_of(tmp_path: Path, **given: Any) -> Settings:
    return load({}, None, state_dir=tmp_path, address="127.0.0.1", **given)


def tokens_of(settings: Settings, clock: Callable[[], float] = time.time) -> Tokens:
    uses = TokenUses(settings.state_dir / "token_uses.json", now=clock)
    store = TokenStore(settings.state_dir / FILE)
    return Tokens(load_or_create_token(settings), settings=settings, store=store, uses=uses, now=clock)


def gatekeeper(tokens: Tokens, *, delay: float = 0.0, rate: float = 1000.0) -> Gatekeeper:
    return Gatekeeper(tokens, Metrics(), delay=delay, rate=rate)


async def test_a_token_is_kept_as_a_hash_and_found_again_after_a_restart(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    made = await tokens_of(settings).add(TILL, 10)
    assert len(made) == 10
    content = (tmp_path / FILE).read_text()
    assert made not in content
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    again = tokens_of(settings)
    assert again.find(made.encode()) is None
    assert again.needs_hash
    caller = await gatekeeper(again).admit(f"Bearer {made}", "192.0.2.7")
    assert (caller.name, caller.role, caller.clients) == ("kasse-1", Role.TILL, frozenset({"POS-1"}))
    assert again.find(made.encode()) is not None
    assert not again.needs_hash


async def test_guesses_cost_no_hash_once_each_token_was_shown(tmp_path: Path) -> None:
    tokens = tokens_of(settings_of(tmp_path))
    await tokens.add(TILL, 0)
    keeper = gatekeeper(tokens)
    began = time.process_time()
    for _ in range(50):
        with pytest.raises(Unauthorized):
            await keeper.admit("Bearer 0815471142", "192.0.2.66")
    assert not tokens.needs_hash
    assert time.process_time() - began < 1  # 50 hashes would take several times as long


async def test_tokens_that_were_shown_do_not_wait_while_others_guess(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    first = tokens_of(settings)
    known, unknown = await first.add(TILL, 0), await first.add(NewToken("wawi", Role.OPERATOR), 0)
    tokens = tokens_of(settings)
    keeper = gatekeeper(tokens, delay=30, rate=0.01)
    await keeper.admit(f"Bearer {known}", "192.0.2.66")
    guesses = [asyncio.create_task(keeper.admit(f"Bearer {n:040}", "192.0.2.66")) for n in range(40)]
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await keeper.admit(f"Bearer {known}", "192.0.2.66")
        assert (await keeper.admit(f"Bearer {unknown}", "192.0.2.1")).name == "wawi"
        await keeper.admit(f"Bearer {tokens.lan.value}", "192.0.2.66", known=True)
    for task in guesses:
        task.cancel()
    await asyncio.gather(*guesses, return_exceptions=True)


async def test_a_replaced_token_counts_until_its_end(tmp_path: Path) -> None:
    clock = Clock()
    tokens = tokens_of(settings_of(tmp_path), clock)
    before = await tokens.add(TILL, 10)
    after = await tokens.rotate("kasse-1", DAY, 10)
    assert before != after
    found = [tokens.find(token.encode()) for token in (before, after)]
    assert [token.old for token in found if token] == [True, False]
    assert [(token.old, token.ends < math.inf) for token in tokens.named("kasse-1")] == [(False, False), (True, True)]
    clock.now += DAY + 1
    assert tokens.find(before.encode()) is None
    assert tokens.find(after.encode()) is not None
    assert len(tokens.named("kasse-1")) == 1


async def test_without_an_overlap_the_one_before_ends_at_once(tmp_path: Path) -> None:
    tokens = tokens_of(settings_of(tmp_path))
    before, lan = await tokens.add(TILL, 10), tokens.lan.value
    await tokens.rotate("kasse-1", 0, 10)
    await tokens.rotate("lan", 0, 10)
    assert tokens.find(before.encode()) is tokens.find(lan.encode()) is None


async def test_the_lan_token_is_replaced_while_the_one_before_counts_over_a_restart(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    tokens, changes = tokens_of(settings), list[str]()
    tokens.on_change = lambda: changes.append(tokens.lan.value)
    before = tokens.lan.value
    after = await tokens.rotate("lan", DAY, 10)
    assert changes == [after]
    assert (tmp_path / LAN_FILE).read_text().splitlines()[0] == after
    again = tokens_of(settings)
    assert again.lan.value == after
    assert again.find(before.encode()) == again.named("lan")[1]
    await again.revoke("lan", old_only=True)
    assert again.find(before.encode()) is None
    with pytest.raises(TokenRefused, match="rotate"):
        await again.revoke("lan")


async def test_a_revoked_token_is_refused_and_its_name_is_free(tmp_path: Path) -> None:
    tokens = tokens_of(settings_of(tmp_path))
    made = await tokens.add(TILL, 10)
    with pytest.raises(TokenRefused, match="already"):
        await tokens.add(TILL, 10)
    await tokens.revoke("kasse-1")
    assert tokens.find(made.encode()) is None
    with pytest.raises(TokenUnknown):
        tokens.named("kasse-1")
    assert await tokens.add(TILL, 10) != made


async def test_secret_files_are_read_anew_and_hold_older_tokens(tmp_path: Path) -> None:
    lan, shop = tmp_path / "lan", tmp_path / "shop"
    lan.write_text("0815471142\n")
    shop.write_text("4711081542\n")
    table = {"name": "shop", "role": "till", "token_file": str(shop), "clients": ["POS-2"]}
    tokens = tokens_of(settings_of(tmp_path, api_token_file=str(lan), tokens=[table]))
    assert tokens.find(b"4711081542") == tokens.named("shop")[0]
    lan.write_text("1111111111\n0815471142 until 2999-12-31\n")
    shop.write_text("2222222222\n4711081542 until 2001-01-01\n")
    await tokens.refresh()
    assert [token and token.old for token in map(tokens.find, (b"1111111111", b"0815471142"))] == [False, True]
    assert tokens.lan.value == "1111111111"
    assert tokens.find(b"2222222222") is not None
    assert tokens.find(b"4711081542") is None
    with pytest.raises(TokenRefused, match="first line"):
        await tokens.rotate("lan", 0, 10)


async def test_a_file_that_cannot_be_used_changes_nothing_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = tokens_of(settings_of(tmp_path))
    lan = tokens.lan.value
    for content in ("", "x", "0815471142\n4711081542\n", "0815471142\n4711081542 until doomsday\n"):
        (tmp_path / LAN_FILE).write_text(content)
        await tokens.refresh()
        await tokens.refresh()
        assert tokens.find(lan.encode()) is not None
    assert all("4711081542" not in record.getMessage() for record in caplog.records)
    assert len(caplog.records) == 3  # two of the four are told in the same words


def test_a_damaged_store_stops_the_start(tmp_path: Path) -> None:
    for content in ("{", "[]", '{"salt": "zz", "tokens": []}', '{"salt": "00", "tokens": [{"name": "x"}]}'):
        (tmp_path / FILE).write_text(content)
        with pytest.raises(ConfigurationError, match="damaged"):
            TokenStore(tmp_path / FILE)


async def test_laggards_are_tills_that_came_with_an_older_token_last(tmp_path: Path) -> None:
    clock = Clock()
    tokens = tokens_of(settings_of(tmp_path), clock)
    before = tokens.lan.value
    after = await tokens.rotate("lan", DAY, 10)
    keeper, found = gatekeeper(tokens), tokens.uses

    async def sells(token: str, till: str) -> None:
        found.note(await keeper.admit(f"Bearer {token}", "192.0.2.7"), till)

    for till in ("POS-1", "POS-2"):
        await sells(before, till)
    assert [use.client_id for use in found.laggards("lan")] == ["POS-1", "POS-2"]
    await sells(after, "POS-1")
    assert [use.client_id for use in found.laggards("lan")] == ["POS-2"]
    await sells(after, "POS-2")
    assert found.laggards("lan") == []
    found.save()
    kept = TokenUses(tmp_path / "token_uses.json").last("lan", old=True)
    assert kept is not None
    assert kept.address == "192.0.2.7"


async def test_a_token_of_this_process_alone_keeps_nothing() -> None:
    tokens = Tokens(Token("0815471142"))
    with pytest.raises(TokenRefused, match="keeps no tokens"):
        await tokens.add(TILL, 10)
