"""A day of a TSE, as its events in the log tell it."""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import CommandRejected, DeviceError
from gateway.telemetry import log as logs
from gateway.tse.commands import Decommission, Login, User
from tests.server.shop import serve, settings_for, till_of, until
from tests.support import ADMIN_PIN, make_ready, set_up


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    found, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(logs, "_secrets", set())
    logs.configure("json", "INFO", found)
    yield found
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


async def test_the_log_tells_what_happens_to_a_tse_by_stable_names(stream: io.StringIO, tmp_path: Path) -> None:
    def lines(*names: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in stream.getvalue().splitlines()]
        return [line for line in found if line.get("event") in names]

    async with serve(settings_for(tmp_path, keep_alive=0.05)) as served:
        device = served.registry.devices()[0]
        await set_up(device.command, served.tse.serial)
        await device.read_info()
        with pytest.raises(CommandRejected):
            await device.command(Login(User.TIME_ADMIN, b"00000").encode())
        served.tse.faults.set("unplugged")
        with pytest.raises(DeviceError):
            await device.read_info()
        await until(lambda: bool(lines("outage_began")))
        served.tse.faults.clear()
        await until(lambda: bool(lines("self_test_due")))
        assert not lines("outage_ended")
        await make_ready(device.command)
        await until(lambda: bool(lines("outage_ended")))
        async with till_of(served, headers={"Authorization": "Bearer wrong-token"}) as stranger:
            await stranger.ask("/lantse/api/v1/tses")
        await device.command(Login(User.ADMIN, ADMIN_PIN).encode())
        await device.command(Decommission().encode())
    names = [line["event"] for line in lines(*(json.loads(x).get("event", "") for x in stream.getvalue().splitlines()))]
    for before, after in (
        ("opened", "set_up"),
        ("client_registered", "self_test_passed"),
        ("set_up", "time_set"),
        ("time_set", "pin_refused"),
        ("failed", "outage_began"),
        ("outage_began", "recovered"),
        ("recovered", "outage_ended"),
        ("outage_ended", "decommissioned"),
        ("login_refused", "stopping"),
    ):
        assert names.index(before) < names.index(after), (before, after, names)
    assert {line["serial"] for line in lines("opened", "failed", "pin_refused", "recovered")} == {served.serial}
    assert [line["tries_left"] for line in lines("pin_refused")] == [2]
    assert lines("outage_ended")[0]["reason"] == lines("outage_began")[0]["reason"] == "device_gone"
    assert lines("client_registered")[0]["client"] == "POS-1"
    for secret in ("00000", "3030303030", "98765", "123456"):
        assert f'"{secret}' not in stream.getvalue()
