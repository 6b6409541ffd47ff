"""What goes wrong with a TSE of generation 2, and the way out, by the REST API: PINs, store, certificate, seed."""

import time
from dataclasses import replace
from pathlib import Path

from gateway.simulator.assumptions import RESERVED_BLOCKS
from gateway.tse.commands import UnblockPin, User
from gateway.tse.fields import Generation
from tests.server.api.client import RECEIPT, SETUP, Api, api_of
from tests.server.shop import Served, serve, settings_for, till_of
from tests.server.test_generation_2 import PIN, shop
from tests.support import PUK

ROOM = 41  # blocks for log messages: whole receipts fill it, so that none is open in the end


async def code_of(api: Api, path: str, body: object) -> tuple[int, str]:
    answer = await api.post(path, body)
    return answer.status, answer.json.get("code", "")


async def confirmed(api: Api, action: str) -> dict[str, str]:
    return {"confirmation": (await api.post("/confirmations", {"action": action})).json["token"]}


def wait_for_puk(served: Served) -> None:
    """Let the seconds pass in which the TSE takes no PUK."""
    served.tse._core.monotonic = lambda: time.monotonic() + 2


async def test_three_wrong_pins_block_it_only_if_somebody_risks_the_last_and_the_puk_helps(tmp_path: Path) -> None:
    async with shop(tmp_path) as api:
        for left, wrong in ((2, "11111"), (1, "22222")):
            refused = await api.post("/clients/list", {"admin_pin": wrong})
            assert (refused.status, refused.json["tries_left"]) == (403, left)
        last = {"admin_pin": "33333"}
        assert await code_of(api, "/clients/list", last) == (403, "last_try")
        assert await code_of(api, "/clients/list", {**last, "risk_lockout": True}) == (403, "authentication_failed")
        assert (await api.get()).json["pin_tries_left"] == {"admin": 0}
        assert await code_of(api, "/clients/list", PIN) == (403, "pin_blocked")
        assert (await api.post("/sign", RECEIPT)).status == 200  # which needs no PIN
        assert (await api.post("/unblock", {"user": "admin", "puk": PUK.decode(), "new_pin": "12345"})).status == 200
        assert (await api.post("/clients/list", PIN)).status == 200


async def test_the_right_puk_that_a_till_sent_during_the_pause_is_not_taken_for_wrong(tmp_path: Path) -> None:
    async with shop(tmp_path) as api:
        async with till_of(api.served) as till:
            session = await till.lock()
            for puk in (b"000000", PUK):
                refused = await till.command(session, UnblockPin(User.ADMIN, puk, b"12345").encode(Generation.TWO))
                assert refused.json["error"] == 0x1103
            await till.ask(api.served.path(session, "unlock"))
        wait_for_puk(api.served)
        assert (await api.post("/unblock", {"user": "admin", "puk": PUK.decode(), "new_pin": "12345"})).status == 200


async def test_a_full_store_is_archived_and_deleted_and_then_sells_again(tmp_path: Path) -> None:
    async with shop(tmp_path) as api:
        state = api.served.tse._core.state
        api.served.tse._core.state = replace(state, capacity_blocks=state.used_blocks + RESERVED_BLOCKS + ROOM)
        for _ in range(ROOM):
            sold = await api.post("/sign", RECEIPT)
            if sold.status != 200:
                break
        assert (sold.status, sold.json["code"]) == (409, "store_full")
        assert await code_of(api, "/transactions", {"client_id": "POS-1"}) == (409, "store_full")
        assert (await api.get("/export")).status == 200
        deleted = await api.post("/delete-stored-data", PIN | await confirmed(api, "delete_stored_data"))
        assert deleted.status == 200, deleted.json
        assert (await api.post("/sign", RECEIPT)).status == 200


async def test_an_expired_certificate_ends_its_sales_and_not_its_export(tmp_path: Path) -> None:
    async with shop(tmp_path) as api:
        api.served.tse.faults.set("expired_certificate")
        assert await code_of(api, "/sign", RECEIPT) == (409, "certificate_expired")
        await api.served.registry.devices()[0].read_info()
        told = (await api.get()).json
        assert (told["state"], told["code"], told["certificate_days_left"]) == ("not_ready", "certificate_expired", 0)
        assert (await api.get("/export")).status == 200


async def test_a_wrong_seed_costs_a_pause_and_no_try(tmp_path: Path) -> None:
    async with serve(settings_for(tmp_path, simulator_generation=2)) as served, api_of(served) as api:
        body = SETUP | {"client_ids": ["POS-1"]}
        wrong = body | {"credential_seed": "of another reseller"} | await confirmed(api, "setup")
        refused = await api.post("/setup", wrong)
        assert (refused.status, refused.json["code"]) == (403, "authentication_failed")
        assert "tries_left" not in refused.json
        assert await code_of(api, "/setup", body | await confirmed(api, "setup")) == (409, "puk_paused")
        wait_for_puk(served)
        assert (await api.post("/setup", body | await confirmed(api, "setup"))).status == 200
