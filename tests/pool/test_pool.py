"""A pool as tills, operators and auditors meet it: over TLS, with two simulated TSEs."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.access.caller import Role
from gateway.access.tokens import NewToken
from gateway.fleet.device import Device
from gateway.fleet.lock.queue import Lease
from gateway.simulator.device import SimulatedTse
from gateway.tse.commands import DeregisterClient, Login, User
from tests.lan_client import LanClient
from tests.pool.shop import BASE, PoolShop, again, reached, serial_of, shop
from tests.server.api.client import RECEIPT
from tests.server.shop import TOKEN, serve, settings_for, till_of


@pytest.fixture
async def pool(tmp_path: Path) -> AsyncIterator[PoolShop]:
    async with shop(tmp_path) as made:
        yield made


async def fails(pool: PoolShop, tse: SimulatedTse, successor: SimulatedTse, fault: str = "unplugged") -> None:
    tse.faults.set(fault)
    await reached(lambda: pool.serving() == serial_of(successor))


async def recovers(pool: PoolShop, tse: SimulatedTse) -> None:
    tse.faults.clear()
    await reached(lambda: pool.ready(tse))


async def test_the_pool_signs_with_its_primary_and_with_a_standby_while_that_has_failed(pool: PoolShop) -> None:
    first, second = serial_of(pool.primary), serial_of(pool.standby)
    answer = await pool.sign(RECEIPT, "receipt-1")
    assert (answer.status, answer.json["tse_serial"]) == (200, first)
    await fails(pool, pool.primary, pool.standby)
    other = await pool.sign(RECEIPT, "receipt-2")
    assert (other.status, other.json["tse_serial"]) == (200, second)
    again = await pool.sign(RECEIPT, "receipt-1")  # its answer was lost, say
    assert (again.status, again.json["tse_serial"]) == (200, first)
    assert (again.json["signature"], again.headers["Idempotent-Replayed"]) == (answer.json["signature"], "true")


async def test_tills_are_offered_the_tse_that_serves_and_no_other(pool: PoolShop) -> None:
    till = LanClient(pool.gateway.port, TOKEN)

    async def offered() -> list[str]:
        return list(await till.request("GET", "/lantse/api/v1/tses"))

    assert await offered() == [serial_of(pool.primary)]
    await fails(pool, pool.primary, pool.standby)
    assert await offered() == [serial_of(pool.standby)]
    await recovers(pool, pool.primary)
    assert await offered() == [serial_of(pool.standby)]
    session = pool.gateway.settings.state_dir / "session.txt"
    await reached(lambda: serial_of(pool.primary) not in session.read_text())
    await till.close()


async def test_a_key_whose_signature_is_unclear_waits_for_its_tse_and_no_other_signs_it(pool: PoolShop) -> None:
    first, second = serial_of(pool.primary), serial_of(pool.standby)
    steps: list[str] = []

    async def pulled_before_the_finish(announcing: Device, _: Lease) -> None:
        steps.append(announcing.serial)
        if len(steps) == 2:
            pool.primary.faults.set("unplugged")

    pool.gateway.registry.before_signing["test"] = pulled_before_the_finish
    lost = await pool.sign(RECEIPT, "unclear")
    assert (lost.status, lost.json["code"]) == (503, "device_gone")
    await reached(lambda: pool.serving() == second)
    told = await pool.sign(RECEIPT, "unclear")
    assert (told.status, told.json["code"]) == (503, "begun_elsewhere")
    assert first in told.json["detail"]
    assert first in told.json["remedy"]
    assert (await pool.sign(RECEIPT, "another")).json["tse_serial"] == second
    await recovers(pool, pool.primary)
    answer = await pool.sign(RECEIPT, "unclear")
    assert (answer.status, answer.json["tse_serial"]) == (200, first)
    by_second = (await pool.ask("GET", f"{BASE}/tses/{second}/transactions")).json["transactions"]
    assert len(by_second) == 1


async def test_a_key_that_the_primary_has_refused_is_signed_by_the_standby(pool: PoolShop) -> None:
    device = pool.gateway.registry.find(serial_of(pool.primary))
    pool.primary.faults.set("store_full")
    refused = await pool.sign(RECEIPT, "refused")
    assert (refused.status, refused.json["code"]) == (409, "store_full")
    await fails(pool, pool.primary, pool.standby)
    assert device.failed.is_set()
    answer = await pool.sign(RECEIPT, "refused")
    assert (answer.status, answer.json["tse_serial"]) == (200, serial_of(pool.standby))


async def test_going_back_is_an_act_of_an_operator_that_events_outages_and_audit_tell(pool: PoolShop) -> None:
    first, second = serial_of(pool.primary), serial_of(pool.standby)
    await fails(pool, pool.primary, pool.standby)
    refused = await pool.ask("POST", f"{BASE}/pool/use", {"serial": first})
    assert (refused.status, refused.json["code"]) == (409, "cannot_serve")
    await recovers(pool, pool.primary)
    state = (await pool.ask("GET", f"{BASE}/pool")).json
    assert (state["serving"], [tse["ready"] for tse in state["tses"]]) == (second, [True, True])
    assert state["standby_since"] is not None
    back = await pool.ask("POST", f"{BASE}/pool/use", {"serial": first[:8]})
    assert (back.status, back.json["serving"], back.json["standby_since"]) == (200, first, None)
    assert (await pool.sign(RECEIPT)).json["tse_serial"] == first
    logged = (await pool.ask("GET", f"{BASE}/outages")).json["outages"]
    (change,) = [outage for outage in logged if outage["served_by"]]
    assert (change["tse_serial"], change["served_by"], change["reason"]) == (first, second, "standby_serves")
    assert change["ended"] is not None
    printed = (await pool.ask("GET", f"{BASE}/outages.html?serial={second}")).body.decode()
    assert f"TSE {second} sprang für sie ein" in printed
    acts = (await pool.ask("GET", f"{BASE}/audit")).json["acts"]
    assert [(act["result"], act["tse_serial"]) for act in acts if act["act"] == "use_in_pool"] == [
        ("cannot_serve", first),
        ("done", first),
    ]


async def test_who_serves_outlives_a_restart_of_the_gateway(tmp_path: Path) -> None:
    async with shop(tmp_path) as before:
        order, second = ",".join(before.gateway.settings.pool), serial_of(before.standby)
        assert (await before.ask("POST", f"{BASE}/pool/use", {"serial": second})).status == 200
    async with again(tmp_path, order) as after:
        assert after.serving() == second
        assert (await after.sign(RECEIPT)).json["tse_serial"] == second


async def test_a_token_for_one_tse_does_not_sign_with_another_of_the_pool(pool: PoolShop) -> None:
    limited = NewToken("kasse-1", Role.TILL, tses=(serial_of(pool.primary)[:8],))
    token = await pool.gateway.tokens.add(limited, 0)
    assert (await pool.ask("POST", f"{BASE}/sign", RECEIPT, token=token)).status == 200
    await pool.ask("POST", f"{BASE}/pool/use", {"serial": serial_of(pool.standby)})
    assert (await pool.ask("POST", f"{BASE}/sign", RECEIPT, token=token)).status == 403
    told = (await pool.ask("GET", f"{BASE}/pool", token=token)).json["tses"]
    assert [tse["serial"] for tse in told] == [serial_of(pool.primary)]


async def test_clients_that_a_standby_lacks_are_counted(pool: PoolShop) -> None:
    device = pool.gateway.registry.find(serial_of(pool.standby))
    await device.carry_out(Login(User.ADMIN, b"11111"))
    await device.carry_out(DeregisterClient(b"POS-1"))
    await device.read_info()
    assert (await pool.ask("GET", f"{BASE}/pool")).json["tses"][1]["missing_clients"] == 1
    assert [sample[-3:] for sample in pool.samples("tse_pool_serving")] == ["1.0", "0.0"]
    (_, missing) = pool.samples("tse_pool_missing_clients")
    assert missing.endswith(" 1.0")


async def test_a_gateway_without_a_pool_says_so(tmp_path: Path) -> None:
    async with serve(settings_for(tmp_path)) as served, till_of(served) as till:
        for path, method in ((f"{BASE}/pool", "GET"), (f"{BASE}/sign", "POST")):
            answer = await till.ask(path, method, json=RECEIPT if method == "POST" else None)
            assert (answer.status, answer.json["code"]) == (404, "no_pool")
