"""The audit log: operators' acts by either protocol, by the page and by the machine itself, and nothing secret."""

import json
from pathlib import Path

import pytest

from gateway.access.audit import FILE, AuditLog, AuditUnreadable
from gateway.access.caller import Caller, Role
from gateway.access.tokens import NewToken
from gateway.tse.commands import Login, RegisterClient, User
from tests.cli.background import running, settings_of
from tests.lan_client import LanClient
from tests.server.api.client import api_of
from tests.server.api.client import make_ready as make_tse_ready
from tests.server.shop import TOKEN, serve, settings_for, till_of
from tests.support import ADMIN_PIN

CHIEF = Caller("chief", Role.OPERATOR, address="192.0.2.7")


async def test_acts_outlast_a_restart_and_a_torn_line(tmp_path: Path) -> None:
    await AuditLog(tmp_path / FILE).note(CHIEF, "register_client", serial="AB", about={"client_id": "POS-1"})
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'{"at": "2026')
    log = AuditLog(tmp_path / FILE)
    await log.note(CHIEF, "decommission_tse", "not_confirmed")
    found = await log.acts()
    assert [(act.who, act.act, act.serial, dict(act.about), act.result) for act in found] == [
        ("chief", "register_client", "AB", {"client_id": "POS-1"}, "done"),
        ("chief", "decommission_tse", "", {}, "not_confirmed"),
    ]
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


async def test_a_span_of_time_is_chosen(tmp_path: Path) -> None:
    now = [100.0]
    log = AuditLog(tmp_path / FILE, now=lambda: now[0])
    for now[0] in (100.0, 200.0, 300.0):
        await log.note(CHIEF, "set_time")
    assert [act.at for act in await log.acts(200, 300)] == [200]


async def test_a_log_that_cannot_be_written_refuses_no_act_and_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = AuditLog(tmp_path / "missing" / FILE)
    await log.note(CHIEF, "set_time")
    assert [vars(record)["event"] for record in caplog.records] == ["disk_trouble"]
    (tmp_path / FILE).mkdir()
    with pytest.raises(AuditUnreadable):
        await AuditLog(tmp_path / FILE).acts()


async def test_acts_by_either_protocol_and_by_the_page_are_written_down_without_secrets(tmp_path: Path) -> None:
    async with serve(settings_for(tmp_path)) as served, api_of(served) as api:
        await make_tse_ready(served)
        given = {"client_id": "POS-7", "admin_pin": ADMIN_PIN.decode()}
        assert (await api.post("/clients/register", given)).status == 200
        assert (await api.post("/clients/register", {**given, "admin_pin": "54321"})).status == 403
        of_a_till = {"Authorization": f"Bearer {await served.tokens.add(NewToken('kasse-1', Role.TILL), 10)}"}
        assert (await api.post("/self-test", {"client_id": "POS-1"}, headers=of_a_till)).status == 200
        lan = LanClient(served.port, TOKEN, served.serial)
        async with lan.locked():
            await lan.send_command(Login(User.ADMIN, ADMIN_PIN).encode())
            await lan.send_command(RegisterClient(b"POS-8").encode())
        await lan.close()
        async with till_of(served) as till:
            found = (await till.ask("/api/v1/audit")).json["acts"]
        acts = [(act["act"], act["about"].get("client_id"), act["result"]) for act in found if act["act"] != "start"]
        assert acts == [
            ("register_client", "POS-7", "done"),
            ("register_client", "POS-7", "authentication_failed"),
            ("lan: register client", "POS-8", "done"),
        ]
        assert {(act["who"], act["role"], act["tse_serial"]) for act in found if act["act"] != "start"} == {
            ("lan", "lan", served.serial)
        }
        assert found[0]["about"]["api_token"] == "***"
        text = (tmp_path / "state" / FILE).read_text()
        assert all(secret not in text for secret in (TOKEN, ADMIN_PIN.decode() + '"', "54321"))


def test_the_command_shows_what_the_machine_itself_did(tmp_path: Path) -> None:
    with running(settings_of(tmp_path / "state")) as shop:
        assert shop.call("token add kasse-1").status == 0
        found = json.loads(shop.call("audit --json").out)["acts"]
        assert [(act["who"], act["act"], act["about"].get("name")) for act in found] == [
            ("gateway", "start", None),
            ("local", "add_token", "kasse-1"),
        ]
        assert "kasse-1" in shop.call("audit").out
        lines = shop.call("audit --csv").out.splitlines()
        assert len(lines) == 3
        assert lines[2].endswith(";done")
