"""Upstreams of any maker: whom we trust, what we tell them, and what we make of their answers."""

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import encode_basic_auth
from pydantic import SecretStr

from gateway.config.settings import Settings
from gateway.driver.lan.driver import LanDriver, LockTimes
from gateway.driver.lan.upstream import Upstream
from gateway.driver.usb.block import Deadlines
from gateway.errors import (
    BadRequest,
    CommandRejected,
    ConfigurationError,
    DeviceError,
    DeviceGone,
    DeviceTimeout,
    ExportInterrupted,
    GatewayError,
    InvalidSession,
    LockRefused,
    PowerCycleDetected,
    ProtocolError,
    ResponseMissing,
)
from gateway.server.http import certificate_authority, tls
from gateway.simulator.device import SimulatedTse
from gateway.tse.commands import AbortImport, CloseImport, OpenImport, TransactionStep
from tests.driver.lan.upstreams import TOKEN, Connector, Reply, Served, gateway_over, gateway_with

SERIAL = "AB" * 32
COMMAND = b"\x12\0"
INFO = Reply(body=b'{"data": "' + base64.encodebytes(bytes(512)).replace(b"\n", b"\\n") + b'"}')
FOR_EVER = LockTimes(quiet=600, after_info=600, unfinished=600, longest=600)


@pytest.fixture
async def served(tse: SimulatedTse, tmp_path: Path) -> AsyncIterator[Served]:
    async with gateway_over(tse, tmp_path / "upstream") as running:
        yield running


class Foreign:
    """A connector of another maker, and a driver for its one TSE."""

    def __init__(self, connector: Connector, driver: LanDriver, upstream: Upstream) -> None:
        self.replies, self.asked, self.driver, self.upstream = connector.replies, connector.asked, driver, upstream

    @property
    def names(self) -> list[str]:
        return [request.name for request in self.asked]


@pytest.fixture
async def foreign(tmp_path: Path) -> AsyncIterator[Foreign]:
    settings = Settings.model_validate({"state_dir": tmp_path, "address": "127.0.0.1", "bind": "127.0.0.1"})
    connector = Connector({"readInfo": INFO, "sendCommand": Reply(body=b'{"data": ""}'), "writeWormStore": Reply()})
    async with connector.serving(tls.server_context(settings)) as port:
        upstream = Upstream(f"https://127.0.0.1:{port}/a/path/", SecretStr(TOKEN))
        driver = LanDriver(upstream, SERIAL, lock_times=FOR_EVER)
        await driver.read_info()
        yield Foreign(connector, driver, upstream)
        await driver.close()


# ---- trust ----------------------------------------------------------------------


async def test_its_ca_or_its_fingerprint_is_trusted(served: Served, tse: SimulatedTse) -> None:
    token = SecretStr(TOKEN)
    spelled = served.fingerprint.replace(":", "").lower()
    for upstream in (
        Upstream(served.url, token, ca_file=served.ca_file),
        Upstream(served.url, token, fingerprint=served.fingerprint),
        Upstream(served.url + "/", token, fingerprint=spelled),
    ):
        assert await upstream.serials() == [tse.serial.hex().upper()]


async def test_another_fingerprint_ends_before_the_token_is_told(foreign: Foreign) -> None:
    place = f"https://{foreign.upstream.place}"
    with pytest.raises(DeviceError, match=r"another fingerprint: [0-9A-F]{64}"):
        await Upstream(place, SecretStr(TOKEN), fingerprint="00" * 32).serials()
    assert "tses" not in foreign.names


async def test_another_ca_is_not_trusted(served: Served, tmp_path: Path) -> None:
    async with gateway_with([], tmp_path / "other") as other:
        with pytest.raises(DeviceError, match=r"not trusted: .*; check ca_file"):
            await Upstream(served.url, SecretStr(TOKEN), ca_file=other.ca_file).serials()


async def test_a_certificate_for_another_name_is_not_trusted(tmp_path: Path) -> None:
    settings = Settings.model_validate({"state_dir": tmp_path, "address": "127.0.0.1", "bind": "127.0.0.1"})
    chain = certificate_authority.ensure_server_certificate(tmp_path / "tls", frozenset({"till.example"}))
    context = tls.server_context(settings.model_copy(update={"tls_certificate": chain, "tls_key": chain}))
    async with Connector({}).serving(context) as port:
        upstream = Upstream(
            f"https://127.0.0.1:{port}", SecretStr(TOKEN), ca_file=certificate_authority.ca_path(tmp_path / "tls")
        )
        with pytest.raises(DeviceError, match=r"not trusted: .*127\.0\.0\.1"):
            await upstream.serials()


async def test_a_self_signed_certificate_needs_no_ca_but_is_told_of_once(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    upstream = Upstream(served.url, SecretStr(TOKEN))
    assert len(await upstream.serials()) == len(await upstream.serials()) == 1
    assert [record.levelno for record in caplog.records if "impostor" in record.message] == [logging.WARNING]


@pytest.mark.parametrize("fingerprint", ["AB:CD", "zz" * 32, "ab" * 20])
def test_a_fingerprint_that_is_none_stops_the_start(fingerprint: str) -> None:
    with pytest.raises(ConfigurationError, match="64 hex digits"):
        Upstream("https://tse.example", SecretStr(TOKEN), fingerprint=fingerprint)


def test_a_ca_file_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").touch()
    for name, problem in (("missing.pem", "No such file"), ("empty.pem", "no certificate")):
        with pytest.raises(ConfigurationError, match=problem):
            Upstream("https://tse.example", SecretStr(TOKEN), ca_file=tmp_path / name)
    with pytest.raises(ConfigurationError, match="keep one"):
        Upstream("https://tse.example", SecretStr(TOKEN), ca_file=tmp_path / "x", fingerprint="ab" * 32)


async def test_a_wrong_token_names_the_setting(served: Served) -> None:
    with pytest.raises(DeviceError, match="refused our token: set its token"):
        await Upstream(served.url, SecretStr("wrong-token"), ca_file=served.ca_file).serials()


# ---- requests --------------------------------------------------------------------


async def test_the_path_in_its_url_and_the_token_are_sent(foreign: Foreign) -> None:
    await foreign.driver.send_command(COMMAND)
    assert foreign.names == ["lock", "readInfo", "sendCommand"]
    assert {request.authorization for request in foreign.asked} == {encode_basic_auth("lantse", TOKEN)}


async def test_what_is_left_unfinished_is_aborted_before_the_lock_is_drain(foreign: Foreign) -> None:
    await foreign.driver.send_command(OpenImport(TransactionStep.START, b"POS-1", 0, 0, b"").encode())
    await foreign.driver.close()
    *_, abort, unlock = foreign.asked
    assert base64.b64decode(json.loads(abort.body)["data"]) == AbortImport().encode()
    assert unlock.name == "unlock"


async def test_after_a_failure_only_the_lock_is_drain(foreign: Foreign) -> None:
    await foreign.driver.send_command(OpenImport(TransactionStep.START, b"POS-1", 0, 0, b"").encode())
    foreign.replies["sendCommand"] = Reply(503, b'{"error": 3}')
    with pytest.raises(DeviceError):
        await foreign.driver.send_command(CloseImport().encode())
    await foreign.driver.close()
    assert foreign.names == ["lock", "readInfo", "sendCommand", "sendCommand", "unlock"]


async def test_large_data_go_both_ways(foreign: Foreign) -> None:
    data = bytes(range(256)) * 6000
    foreign.replies["readWormStore"] = Reply(body=b'{"data": "' + base64.b64encode(data) + b'"}')
    assert await foreign.driver.read_store(5, 3000) == data
    await foreign.driver.write_store(5, data)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirected_command_is_not_sent_on(foreign: Foreign, status: int) -> None:
    foreign.replies["sendCommand"] = Reply(status)
    with pytest.raises(DeviceError, match=f"HTTP status {status}"):
        await foreign.driver.send_command(COMMAND)
    assert foreign.names.count("sendCommand") == 1


# ---- answers ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (1, BadRequest),
        (2, DeviceError),
        (3, DeviceError),
        (4, DeviceTimeout),
        (6, ProtocolError),
        (8, ResponseMissing),
        (10, ExportInterrupted),
        (13, PowerCycleDetected),
        (22, InvalidSession),
        (23, DeviceError),
        (24, DeviceGone),
        (999, DeviceError),
        (0x1004, CommandRejected),
        (0xF000, CommandRejected),
        (0x10000, DeviceError),
    ],
)
async def test_a_number_is_the_error_that_it_stands_for(
    foreign: Foreign, number: int, kind: type[GatewayError]
) -> None:
    foreign.replies["sendCommand"] = Reply(400, b'{"error": %d}' % number)
    with pytest.raises(kind) as refused:
        await foreign.driver.send_command(COMMAND)
    assert type(refused.value) is kind
    assert foreign.names.count("sendCommand") == 1


async def test_a_result_keeps_its_number(foreign: Foreign) -> None:
    foreign.replies["sendCommand"] = Reply(500, b'{"error": 4354}')
    with pytest.raises(CommandRejected, match="2 tries left") as refused:
        await foreign.driver.send_command(COMMAND)
    assert refused.value.result == 0x1102


@pytest.mark.parametrize(
    ("number", "kind"),
    [(4, LockRefused), (22, LockRefused), (4099, LockRefused), (3, DeviceError), (24, DeviceGone), (2, DeviceError)],
)
async def test_a_lock_is_refused_by_another_client_or_by_trouble(
    foreign: Foreign, number: int, kind: type[GatewayError]
) -> None:
    await foreign.driver._release()
    foreign.replies["lock"] = Reply(400, b'{"error": %d}' % number)
    with pytest.raises(kind) as refused:
        await foreign.driver.send_command(COMMAND)
    assert type(refused.value) is kind
    assert "sendCommand" not in foreign.names


@pytest.mark.parametrize("status", [400, 404, 500, 503])
@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"error": "x"}', b'{"error": true}', b'{"error": 0}', b"[" * 99_999]
)
async def test_a_refusal_without_a_number_is_no_lan_tse_server(foreign: Foreign, status: int, body: bytes) -> None:
    foreign.replies["sendCommand"] = Reply(status, body[:50_000])
    with pytest.raises(DeviceError, match=f"HTTP status {status}: is its URL"):
        await foreign.driver.send_command(COMMAND)


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{}", b'{"data": 1}', b'{"data": "?"}', b'{"data": "\xff"}', b"[" * 50_000]
)
async def test_nonsense_is_a_protocol_error(foreign: Foreign, body: bytes) -> None:
    foreign.replies |= dict.fromkeys(("readInfo", "sendCommand", "readWormStore"), Reply(body=body))
    for verb in (
        foreign.driver.read_info,
        lambda: foreign.driver.send_command(COMMAND),
        lambda: foreign.driver.read_store(0, 1),
    ):
        with pytest.raises(ProtocolError):
            await verb()


@pytest.mark.parametrize("body", [b'{"data": "1"}', b'{"data": -1}', b'{"data": true}', b'{"data": 1.5}', b"{}"])
async def test_a_session_that_is_none_is_a_protocol_error(foreign: Foreign, body: bytes) -> None:
    await foreign.driver._release()
    foreign.replies["lock"] = Reply(body=body)
    with pytest.raises(ProtocolError):
        await foreign.driver.read_info()


async def test_an_endless_answer_is_not_read_to_its_end(foreign: Foreign) -> None:
    foreign.replies["sendCommand"] = Reply(body=b'{"data": ""}'.ljust(100_000))
    with pytest.raises(ProtocolError, match="more than 65536 bytes"):
        await foreign.driver.send_command(COMMAND)


@pytest.mark.parametrize("size", [0, 511, 513, 504 * 512])
async def test_data_of_another_size_are_a_protocol_error(foreign: Foreign, size: int) -> None:
    reply = Reply(body=b'{"data": "' + base64.b64encode(bytes(size)) + b'"}')
    foreign.replies |= dict.fromkeys(("readInfo", "readWormStore"), reply)
    verbs: list[Callable[[], object]] = [foreign.driver.read_info, lambda: foreign.driver.read_store(0, 1)]
    if size > 503:
        foreign.replies["sendCommand"] = reply
        verbs.append(lambda: foreign.driver.send_command(COMMAND))
    for verb in verbs:
        with pytest.raises(ProtocolError, match="bytes"):
            await verb()  # type: ignore[misc]


@pytest.mark.parametrize("body", [b"{}", b'["%b", 1]' % (b"AB" * 32), b'["../x"]', b'["AB"]', b'{"data": []}'])
async def test_serials_that_are_none_are_a_protocol_error(foreign: Foreign, body: bytes) -> None:
    foreign.replies["tses"] = Reply(body=body)
    with pytest.raises(ProtocolError, match="no list of serials"):
        await foreign.upstream.serials()


async def test_a_foreign_message_is_not_repeated(foreign: Foreign) -> None:
    foreign.replies["sendCommand"] = Reply(400, b'{"error": 3, "error_message": "PIN 12345"}')
    with pytest.raises(DeviceError) as refused:
        await foreign.driver.send_command(COMMAND)
    assert "12345" not in str(refused.value)


async def test_an_upstream_that_never_answers_is_left(foreign: Foreign) -> None:
    never = asyncio.Event()
    foreign.driver._deadlines = Deadlines(command=0.1, slow=0.1)
    for name in ("sendCommand", "unlock"):
        foreign.replies[name] = Reply(after=never)
    with pytest.raises(DeviceTimeout):
        await foreign.driver.send_command(COMMAND)
    async with asyncio.timeout(20):
        await foreign.driver.close()
    never.set()


async def test_closing_ends_the_verb_that_hangs_and_those_behind_it(foreign: Foreign) -> None:
    never = asyncio.Event()
    foreign.replies["sendCommand"] = Reply(after=never)
    verbs = [asyncio.create_task(foreign.driver.send_command(COMMAND)) for _ in range(2)]
    async with asyncio.timeout(5):
        while foreign.names[-1] != "sendCommand":  # noqa: ASYNC110 (it comes from a socket and has no event)
            await asyncio.sleep(0.005)
        await foreign.driver.close()
        for verb in verbs:
            with pytest.raises(DeviceGone):
                await verb
    assert foreign.names.count("sendCommand") == 1
    never.set()


async def test_a_host_that_speaks_no_tls() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"220 mail ready\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    with pytest.raises(DeviceError, match=f"{place} does not speak TLS as we do: wrong version number"):
        await Upstream(f"https://{place}", SecretStr(TOKEN)).serials()
    server.close()
    await server.wait_closed()
