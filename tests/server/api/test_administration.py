"""What an operator does through the JSON API, and what cannot be undone only in two steps."""

import hashlib
import io
import logging
from collections.abc import AsyncIterator, Iterator

import pytest

from gateway.operations.confirmations import Confirmations, Irreversible, NotConfirmed
from gateway.telemetry import log as logs
from gateway.tse.logmessage import LogMessage
from gateway.tse.tar import members
from tests.server.api.client import RECEIPT, SECRETS, SETUP, Api, Reply, api_of, make_ready
from tests.server.shop import Served

PIN = {"admin_pin": "12345"}


@pytest.fixture
async def fresh(served: Served) -> AsyncIterator[Api]:
    async with api_of(served) as made:
        yield made


@pytest.fixture
async def api(fresh: Api) -> Api:
    await make_ready(fresh.served, b"POS-1")
    return fresh


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What the gateway logs, at its most talkative."""
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(logs, "_secrets", set())
    logs.configure("json", "TRACE", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


async def confirmed(api: Api, action: str) -> str:
    answer = await api.post("/confirmations", {"action": action})
    assert answer.status == 200
    assert api.served.serial in answer.json["consequence"]
    assert answer.json["valid_seconds"] == 60
    return str(answer.json["token"])


async def test_a_fresh_tse_is_set_up_and_sells(fresh: Api) -> None:
    answer = await fresh.post(
        "/setup", SETUP | {"client_ids": ["POS-1", "POS-2"], "confirmation": await confirmed(fresh, "setup")}
    )
    assert answer.json == {"done": True}
    told = (await fresh.get()).json
    assert (told["lifecycle"], told["credentials_changed"], told["registered_clients"]) == ("initialized", True, 2)
    assert (await fresh.post("/sign", RECEIPT)).status == 200
    again = await fresh.post(
        "/setup", SETUP | {"client_ids": ["POS-1"], "confirmation": await confirmed(fresh, "setup")}
    )
    assert (again.status, again.json["code"]) == (409, "not_fresh")


async def test_a_setup_with_the_wrong_seed_costs_one_try_and_tells_how_many_are_left(fresh: Api) -> None:
    body = SETUP | {"client_ids": ["POS-1"], "credential_seed": "SomebodyElse"}
    answer = await fresh.post("/setup", body | {"confirmation": await confirmed(fresh, "setup")})
    assert (answer.status, answer.json["code"], answer.json["tries_left"]) == (403, "authentication_failed", 2)
    without = await fresh.post("/setup", body | {"confirmation": "x"})
    assert (without.status, without.json["code"]) == (403, "not_confirmed")
    right = SETUP | {"client_ids": ["POS-1"], "confirmation": await confirmed(fresh, "setup")}
    assert (await fresh.post("/setup", right)).status == 200


async def test_clients_come_and_go(api: Api) -> None:
    assert (await api.post("/clients/register", PIN | {"client_id": "POS-7"})).json == {"done": True}
    assert (await api.post("/clients/list", PIN)).json == {"client_ids": ["POS-1", "POS-7"]}
    await api.post("/clients/deregister", PIN | {"client_id": "POS-1"})
    assert (await api.post("/clients/list", PIN)).json == {"client_ids": ["POS-7"]}
    unknown = await api.post("/clients/deregister", PIN | {"client_id": "POS-1"})
    assert (unknown.status, unknown.json["code"]) == (409, "client_not_registered")


async def test_more_clients_than_fit_one_list(api: Api) -> None:
    for number in range(2, 36):
        assert (await api.post("/clients/register", PIN | {"client_id": f"POS-{number}"})).status == 200
    listed = (await api.post("/clients/list", PIN)).json["client_ids"]
    assert listed == [f"POS-{number}" for number in range(1, 36)]


async def test_pins_and_puk_are_changed_and_a_blocked_pin_is_unblocked(api: Api) -> None:
    changed = await api.post("/pin", {"user": "admin", "old_pin": "12345", "new_pin": "54321"})
    assert changed.status == 200
    first, again = [(await api.post("/clients/list", PIN)).json for _ in range(2)]
    assert (first["code"], first["tries_left"]) == ("authentication_failed", 2)
    assert (again["code"], again["tries_left"]) == ("known_wrong", 2)
    assert (await api.post("/clients/list", {"admin_pin": "11111"})).json["tries_left"] == 1
    withheld = await api.post("/clients/list", {"admin_pin": "54321"})
    assert (withheld.status, withheld.json["code"], withheld.json["tries_left"]) == (403, "last_try", 1)
    risky = PIN | {"risk_lockout": True}
    tries = [(await api.post("/clients/list", risky)).json for _ in range(2)]
    assert [answer["code"] for answer in tries] == ["authentication_failed", "pin_blocked"]
    assert (await api.post("/puk", {"old_puk": "123456", "new_puk": "654321"})).status == 200
    assert (await api.post("/unblock", {"user": "admin", "puk": "654321", "new_pin": "12345"})).status == 200
    assert (await api.post("/clients/list", PIN)).status == 200


async def test_after_a_power_cycle_self_test_and_time_make_it_ready(api: Api) -> None:
    api.served.tse.power_cycle()
    refused = await api.post("/sign", RECEIPT)
    assert (refused.status, refused.json["code"]) == (409, "needs_self_test")
    assert (await api.post("/self-test", {"client_id": "POS-1"})).status == 200
    assert (await api.post("/sign", RECEIPT)).json["code"] == "no_time_set"
    refused = await api.post("/time", {"pin": "98765"})
    assert (refused.status, refused.json["code"]) == (409, "clock_not_trusted")
    assert (await api.post("/time", {"pin": "98765", "trust_system_clock": True})).status == 200
    assert (await api.post("/sign", RECEIPT)).status == 200


async def test_a_tse_is_decommissioned_in_two_steps(api: Api) -> None:
    refused = await api.post("/decommission", PIN | {"confirmation": "guessed"})
    assert (refused.status, refused.json["code"]) == (403, "not_confirmed")
    other = await confirmed(api, "setup")
    refused = await api.post("/decommission", PIN | {"confirmation": other})
    assert (refused.status, refused.json["code"]) == (403, "not_confirmed")
    token = await confirmed(api, "decommission")
    assert (await api.post("/decommission", PIN | {"confirmation": token})).status == 200
    assert (await api.get()).json["lifecycle"] == "decommissioned"
    again = await api.post("/decommission", PIN | {"confirmation": token})
    assert (again.status, again.json["code"]) == (403, "not_confirmed")


async def test_without_a_pin_nothing_is_confirmed_away(api: Api) -> None:
    token = await confirmed(api, "decommission")
    wrong = await api.post("/decommission", {"admin_pin": "00000", "confirmation": token})
    assert (wrong.status, wrong.json["tries_left"]) == (403, 2)
    assert (await api.get()).json["lifecycle"] == "initialized"


async def deletion(api: Api, **changes: object) -> Reply:
    body = {"admin_pin": "12345", "confirmation": await confirmed(api, "delete_stored_data")}
    return await api.post("/delete-stored-data", body | changes)


async def test_stored_data_are_deleted_when_the_archive_holds_them_and_the_rest(api: Api) -> None:
    await api.post("/sign", RECEIPT)
    exported = (await api.get("/export")).body
    answer = await deletion(api)
    assert (answer.status, answer.json["archive_series"]) == (200, 1)
    kept = (await api.get("/archive/export")).body
    assert kept.startswith(exported[:-1024])
    rest = (await api.get(f"/archive/files/{answer.json['rest_file']}")).body
    after = (await api.get("/export")).body
    stored = [[LogMessage.decode(member.data) for member in list(members(tar))[2:]] for tar in (exported, rest, after)]
    counters = [message.signature_counter for messages in stored for message in messages]
    assert counters == list(range(1, len(counters) + 1))
    assert answer.json["complete_up_to_counter"] == stored[1][-1].signature_counter
    assert [message.operation for message in stored[1]] == ["AuthenticateUser"]
    assert [message.operation for message in stored[2]] == ["LogOut"]


async def test_an_export_of_ones_own_is_compared_before_anything_is_deleted(api: Api) -> None:
    await api.post("/sign", RECEIPT)
    exported = await api.get("/export")
    export = {
        "cursor": exported.headers["TSE-Export-Cursor"],
        "sha256": hashlib.sha256(exported.body).hexdigest().upper(),
    }
    wrong = await deletion(api, export=export | {"sha256": "0" * 64})
    assert (wrong.status, wrong.json["code"]) == (409, "not_exported")
    senseless = await deletion(api, export=export | {"cursor": "x"})
    assert (senseless.status, senseless.json["code"]) == (409, "cursor_invalid")
    unconfirmed = await deletion(api, confirmation="x", export=export)
    assert (unconfirmed.status, unconfirmed.json["code"]) == (403, "not_confirmed")
    assert (await api.get("/export")).body == exported.body
    assert (await deletion(api, export=export)).status == 200


async def test_with_a_wrong_pin_nothing_is_deleted(api: Api) -> None:
    await api.post("/sign", RECEIPT)
    before = (await api.get("/export")).body
    answer = await deletion(api, admin_pin="00000")
    assert (answer.status, answer.json["tries_left"]) == (403, 2)
    assert (await api.get("/export")).body.startswith(before[:-1024])


async def test_no_secret_reaches_log_or_answer(fresh: Api, lines: io.StringIO) -> None:
    token = await confirmed(fresh, "setup")
    answers = [
        await fresh.post("/setup", SETUP | {"client_ids": ["POS-1"], "confirmation": token}),
        await fresh.post("/clients/list", {"admin_pin": "00912"}),
        await fresh.post("/pin", {"user": "admin", "old_pin": "12345", "new_pin": "4471"}),
        await fresh.post("/puk", {"old_puk": "123456", "new_puk": "77123499"}),
        await fresh.post("/pin", {"user": "admin", "old_pin": "12345", "new_pin": "73737", "oops": "00912"}),
    ]
    assert [answer.status for answer in answers] == [200, 403, 422, 422, 422]
    told = lines.getvalue() + "".join(answer.body.decode() for answer in answers)
    for secret in (*SECRETS.values(), "00912", "4471", "77123499", "73737"):
        assert f'"{secret}"' not in told
        assert f" {secret}" not in told


def test_a_confirmation_is_over_after_a_minute_and_good_for_one_use() -> None:
    now = 0.0
    confirmations = Confirmations(clock=lambda: now)
    made = confirmations.ask("S", Irreversible.DECOMMISSION)
    with pytest.raises(NotConfirmed):
        confirmations.use("T", Irreversible.DECOMMISSION, made.token)
    now = 60.5
    with pytest.raises(NotConfirmed, match="valid for 60 s"):
        confirmations.use("S", Irreversible.DECOMMISSION, made.token)
    made = confirmations.ask("S", Irreversible.DECOMMISSION)
    confirmations.use("S", Irreversible.DECOMMISSION, made.token)
    with pytest.raises(NotConfirmed):
        confirmations.use("S", Irreversible.DECOMMISSION, made.token)
