"""Damaged files of the state directory: the gateway starts and tells of them, or says in a sentence what helps."""

import logging
import shutil
from pathlib import Path

import pytest

from gateway.access.lan_token import load_or_create_token
from gateway.config.settings import Settings
from gateway.errors import ConfigurationError
from gateway.server.http import tls
from gateway.storage import state_dir
from tests.server.api.client import RECEIPT, api_of, make_ready
from tests.server.shop import Served, serve, settings_for, till_of
from tests.server.status_page.browser import browser_of

_DAMAGES = (
    b"",
    bytes(5000),
    b"\xff\xfe" * 50,
    b"[" * 100_000,
    b'{"format": ' * 100_000 + b"\n",
    b'{"format": Infinity, "at": Infinity, "tries": {"1": Infinity}}\n',
    b'{"format": %s}\n' % (b"9" * 4301),
    b"[]",
    b"null\n",
    b'{"client_id": 1, "tries": {"x": []}, "no_login": {}}\n',
    b'{"first_seen": "2026-01-01T00:00:00Z", "last_seconds": -Infinity, "verify_failures": 99999999999999999999}\n',
    b'{"at": "0001-01-01T00:00:00+23:59", "event": "begin", "reason": "x"}\n',
    b'{"at": "9999-12-31T23:59:59-23:59", "event": "begin", "reason": "x", "serial": "\\ud800"}\n',
    b'{"key": [], "fingerprint": {}, "action": 1, "serial": null, "done": {"signature": "%%%"}}\n',
)
_LOGS = frozenset({"receipts.journal", "outages.jsonl", "lan.journal"})  # where an empty file is nothing that was lost


@pytest.fixture
async def used(tmp_path: Path) -> Served:
    """What a gateway leaves behind that has signed under a key and archived."""
    async with serve(settings_for(tmp_path / "used")) as served, api_of(served) as api:
        await make_ready(served)
        assert (await api.post("/sign", RECEIPT, key="k")).status == 200
        assert (await api.post("/archive/run")).status == 200
    return served


async def test_the_gateway_starts_with_whatever_its_files_became_and_tells_which(
    used: Served, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    archive = f"archive/{used.serial}"
    names = (*_LOGS, f"tses/{used.serial}.json", f"{archive}/state.json", f"{archive}/0001-000001.json")
    for number, damage in enumerate(_DAMAGES):
        caplog.clear()
        settings = settings_for(tmp_path / str(number))
        shutil.copytree(used.settings.state_dir, settings.state_dir)
        for name in names:
            (settings.state_dir / name).write_bytes(damage)
        async with serve(settings) as served:
            await _ask_for_everything(served)
        told = [line.getMessage() for line in caplog.records if line.levelno >= logging.WARNING]
        for name in names:
            assert any(Path(name).name in line for line in told) or (not damage and name in _LOGS), name
        assert not [line.getMessage() for line in caplog.records if line.exc_info], damage[:80]


async def _ask_for_everything(served: Served) -> None:
    async with till_of(served) as till:
        for path in ("/metrics", "/healthz", "/api/v1/outages", "/api/v1/archives", "/api/v1/tses"):
            assert (await till.ask(path)).status == 200, path
    async with api_of(served) as api:
        for path in ("", "/archive"):
            assert (await api.get(path)).status == 200, path
        signed = await api.post("/sign", RECEIPT, key="k")  # the simulated TSE wants its self test
        assert (signed.status, signed.json["code"]) == (409, "needs_self_test")
        assert (await api.post("/archive/run")).status < 500
    async with browser_of(served) as browser:
        await browser.log_in()
        assert (await browser.page()).text


@pytest.mark.parametrize("damage", _DAMAGES, ids=range(len(_DAMAGES)))
def test_where_the_gateway_cannot_start_a_sentence_tells_what_helps(damage: bytes, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, api_token=None)
    assert _trouble(settings) == ""
    for name in ("state.json", "api_token", "tls/ca.pem", "tls/ca-key.pem", "tls/server.pem"):
        path = settings.state_dir / name
        whole = path.read_bytes()
        path.write_bytes(damage)
        trouble = _trouble(settings)
        if name == "tls/server.pem":  # made anew
            assert trouble == ""
        else:
            assert str(path) in trouble
            assert ("remove the file" if name == "state.json" else "restore") in trouble
            assert "\n" not in trouble
            assert path.read_bytes() == damage
            path.write_bytes(whole)
    assert _trouble(settings) == ""


def _trouble(settings: Settings) -> str:
    try:
        with state_dir.opened(settings.state_dir):
            tls.server_context(settings)
            load_or_create_token(settings)
    except ConfigurationError as error:
        return str(error)
    return ""
