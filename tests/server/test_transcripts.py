"""Everything the vendor's client was recorded to send, sent again by a plain HTTP client over TLS.

The scenarios follow each other on one TSE as they did when they were recorded, so even counters are the recorded
ones. What depends on the TSE is translated: serial, session, initial credentials, and blocks of the store (its
first two files have other lengths).
"""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from gateway.access.lan_token import Token
from gateway.access.tokens import Tokens
from gateway.driver.usb.block import BlockDriver
from gateway.fleet.registry import Attachment, Registry
from gateway.operations.lan import LanTse
from gateway.server.http import application, tls
from gateway.simulator.device import SimulatedTse
from gateway.telemetry.metrics import Metrics
from gateway.tse import commands as c
from gateway.tse.credentials import RETAIL_SEED, initial_credentials
from gateway.tse.fields import Generation
from gateway.tse.info import TseInfo
from gateway.tse.sectors import SECTOR, decode_command
from tests.realclient.expectations import more_blocks_than_recorded
from tests.recordings.scenarios import AFTER_POWER_UP, APART, BLOCKS_BEFORE_LOGS, HISTORY
from tests.server.shop import TOKEN, settings_for
from tests.tse.samples import Exchange, exchanges

FORGOTTEN = 22
OF_ONE_TSE = {"raw", "serial", "public_key", "certificate_expires", "description"}
OF_THE_MOMENT = {"self_test_due_seconds", "time_sync_due_seconds"}
ASSUMED = {"export_if_csp_fails"}  # the recorded TSE forgot it at power-up, ours keeps it; no real one was asked


@dataclass(frozen=True)
class Recorder:
    """A transport that notes what it hands to the TSE: commands, and blocks with their number."""

    tse: SimulatedTse
    commands: list[bytes] = field(default_factory=list)
    blocks: list[tuple[int, bytes]] = field(default_factory=list)

    def read_info(self) -> bytes:
        return self.tse.read_info()

    def read_window(self) -> bytes:
        return self.tse.read_window()

    def write_window(self, sector: bytes) -> None:
        self.commands.append(decode_command(sector))
        self.tse.write_window(sector)

    def read_store(self, block: int, count: int) -> bytes:
        return self.tse.read_store(block, count)

    def write_store(self, block: int, data: bytes) -> None:
        self.blocks.append((block, data))
        self.tse.write_store(block, data)

    def close(self) -> None:
        """The TSE lives on."""


@asynccontextmanager
async def replaying(tmp_path: Path, tse: SimulatedTse, client: "type[Replay] | None" = None) -> AsyncIterator["Replay"]:
    """A gateway that serves `tse`, and the client that replays."""
    settings, metrics, recorder = settings_for(tmp_path), Metrics(), Recorder(tse)
    place = Attachment("recorded", partial(BlockDriver.open, lambda: recorder, name="recorded"))
    registry = Registry(metrics)
    settings.state_dir.mkdir()
    await registry.reconcile([place])
    try:
        web = application.build(settings, LanTse(registry, metrics), registry, metrics, Tokens(Token(TOKEN)))
        async with application.serving(web, settings, tls.server_context(settings)) as port:
            yield (client or Replay)(f"https://127.0.0.1:{port}", recorder)
    finally:
        await registry.close()


class Replay:
    """Sends recorded requests again, and compares the answers and what reaches the TSE with the recording."""

    generation = Generation.ONE
    time = 1_700_000_000  # that the recorded TSE was set to
    exchanges = staticmethod(exchanges)

    def __init__(self, url: str, recorder: Recorder) -> None:
        self._url = url
        self._recorder = recorder
        self._serial = recorder.tse.serial
        self._more = more_blocks_than_recorded(recorder.tse)
        self._recorded_serial = b""
        self._session = 0
        self._lost = False
        self._export = (0, 0)

    async def run(self, *scenarios: str, token: str = TOKEN) -> None:
        """Replay scenarios one after the other."""
        for scenario in scenarios:
            if scenario in AFTER_POWER_UP:
                self._recorder.tse.power_cycle()
            headers = {"Authorization": aiohttp.encode_basic_auth("lantse", token)}
            connector = aiohttp.TCPConnector(ssl=False)  # as the vendor's client: no certificate is checked
            async with aiohttp.ClientSession(headers=headers, connector=connector) as http:
                for exchange in self.exchanges():
                    if exchange.scenario == scenario:
                        await self._again(http, exchange)

    async def _again(self, http: aiohttp.ClientSession, exchange: Exchange) -> None:
        if exchange.error == FORGOTTEN and not self._lost:
            await self._lose_session(http)
        self._recorder.commands.clear()
        self._recorder.blocks.clear()
        path, body = self._path(exchange), self._body(exchange)
        status, answer = await self._ask(http, exchange.method, path, body)
        if exchange.verb == "unlock" and exchange.error == FORGOTTEN:
            # The client takes an unlock's error for the result of the whole call, so none is better than the recorded.
            assert status in {200, exchange.status}
            return
        assert status == exchange.status, (exchange, answer)
        if status != 200:
            assert isinstance(answer, dict)
            assert exchange.error is None or answer["error"] == exchange.error
        else:
            getattr(self, f"_check_{exchange.verb}")(exchange, answer)
        self._check_what_reached_the_tse(exchange, path)
        if exchange.sent == c.NextExportPart().encode():
            await self._finish_export(http, exchange, answer)

    async def _ask(self, http: aiohttp.ClientSession, method: str, path: str, body: str | None) -> tuple[int, Any]:
        url = URL(self._url + path, encoded=True)
        headers = {"Content-Type": "application/json"}
        async with http.request(method, url, data=body, headers=headers, allow_redirects=False) as answer:
            return answer.status, json.loads(await answer.read())

    async def _lose_session(self, http: aiohttp.ClientSession) -> None:
        """As after a restart: the gateway knows nothing of the session that the client still uses."""
        await self._ask(http, "GET", f"/lantse/api/v1/tse/{self._serial.hex().upper()}/{self._session}/unlock", None)
        self._session ^= 1
        self._lost = True

    # --- from the recorded TSE to ours ---

    def _path(self, exchange: Exchange) -> str:
        path = exchange.path.replace("<SERIAL>", self._serial.hex().upper()).replace("<SESSION>", str(self._session))
        if "offset=" not in path:
            return path
        url = URL(path)
        first = int(url.query["offset"])
        query = {"offset": str(self._block(first))}
        if "numblocks" in url.query:
            end = self._block(first + int(url.query["numblocks"]))
            query["numblocks"] = str(end - self._block(first))
        return str(url.with_query(query))

    def _block(self, recorded: int) -> int:
        return recorded + self._more if recorded >= BLOCKS_BEFORE_LOGS else recorded

    def _body(self, exchange: Exchange) -> str | None:
        if exchange.sent is None or exchange.verb != "sendCommand":
            return exchange.body
        ours = self._command(exchange)
        # Untouched where nothing is translated: then the client's own spelling of JSON and base64 is read.
        return exchange.body if ours == exchange.sent else json.dumps({"data": base64.b64encode(ours).decode()})

    def _command(self, exchange: Exchange) -> bytes:
        command = c.parse(exchange.sent or b"")
        if isinstance(command, c.AcknowledgeExport):
            return replace(command, length=command.length + self._more * SECTOR).encode(self.generation)
        if exchange.scenario == "setup-fresh-tse" and isinstance(command, c.ChangePuk | c.ChangePin | c.Login):
            recorded, ours = (
                initial_credentials(RETAIL_SEED, it, self.generation) for it in (self._recorded_serial, self._serial)
            )
            known = dict(zip(asdict(recorded).values(), asdict(ours).values(), strict=True))
            values = {name: known.get(value, value) for name, value in vars(command).items()}
            return type(command)(**values).encode(self.generation)
        return exchange.sent or b""

    # --- answers ---

    def _check_tses(self, _: Exchange, answer: object) -> None:
        assert answer == [self._serial.hex().upper()]

    def _check_lock(self, _: Exchange, answer: dict[str, int]) -> None:
        self._session = answer["data"]
        self._lost = False
        assert isinstance(self._session, int)

    def _check_unlock(self, _: Exchange, answer: object) -> None:
        assert answer == {}

    def _check_writeWormStore(self, _: Exchange, answer: object) -> None:  # noqa: N802 - named as the request
        assert answer == {}

    def _check_readWormStore(self, exchange: Exchange, answer: dict[str, str]) -> None:  # noqa: N802 - likewise
        for path, data in (
            (exchange.path, exchange.got or b""),
            (self._path(exchange), base64.b64decode(answer["data"])),
        ):
            assert len(data) == int(URL(path).query["numblocks"]) * SECTOR

    def _check_readInfo(self, exchange: Exchange, answer: dict[str, str]) -> None:  # noqa: N802 - likewise
        recorded, ours = TseInfo.decode(exchange.got or b""), TseInfo.decode(base64.b64decode(answer["data"]))
        self._recorded_serial = recorded.serial
        fields = asdict(recorded)
        for name in ("used_blocks", "last_entry_block"):
            fields[name] = self._block(fields[name])
        fields["tar_export_bytes"] += self._more * SECTOR * bool(fields["tar_export_bytes"])
        different = {name for name, value in asdict(ours).items() if value != fields[name]}
        assert different <= OF_ONE_TSE | OF_THE_MOMENT | ASSUMED, {
            name: (fields[name], asdict(ours)[name]) for name in different
        }
        assert ours.serial == self._serial

    def _check_sendCommand(self, exchange: Exchange, answer: dict[str, str]) -> None:  # noqa: N802 - likewise
        command, recorded = c.parse(exchange.sent or b""), exchange.got or b""
        ours = base64.b64decode(answer["data"])
        match command:
            case c.CloseImport() | c.LastTransaction():
                expected, reply = c.TransactionReply.decode(recorded), c.TransactionReply.decode(ours)
                same = replace(expected, serial=self._serial, signature=reply.signature, log_time=reply.log_time)
                assert reply == same
                assert 0 <= reply.log_time - self.time < 300
            case c.OpenImport():
                block = c.ImportOpened.decode(recorded).block
                assert c.ImportOpened.decode(ours).block == self._block(block)
            case c.StartExport():
                self._export = (0, 0)
                assert ours == b""
            case c.NextExportPart():
                theirs, mine = self._export
                self._export = (theirs + len(recorded) - 2, mine + len(ours) - 2)
            case c.ReadCertificate():
                assert c.Part.decode(ours).data == self._certificate(command.offset)
            case c.FlashHealth():
                assert len(ours) == len(recorded)
                assert not c.HealthReply.decode(ours).needs_replacement
            case _:
                assert ours == recorded, exchange

    def is_answered_here(self, exchange: Exchange) -> bool:
        """Whether the gateway carries out a command itself."""
        return False

    def _certificate(self, offset: int) -> bytes:
        return self._recorder.tse.certificates[offset : offset + 496]

    async def _finish_export(self, http: aiohttp.ClientSession, exchange: Exchange, answer: Any) -> None:
        """Where the recorded export ends, fetch what ours has more of, and compare the lengths."""
        if exchange.got != c.Part(b"").encode():
            return
        theirs, mine = self._export
        while c.Part.decode(base64.b64decode(answer["data"])).data:
            _, answer = await self._ask(http, exchange.method, self._path(exchange), exchange.body)
            mine += len(base64.b64decode(answer["data"])) - 2
        assert mine == theirs + self._more * SECTOR

    def _check_what_reached_the_tse(self, exchange: Exchange, path: str) -> None:
        sent = exchange.verb == "sendCommand" and exchange.error != FORGOTTEN and not self.is_answered_here(exchange)
        commands = self._recorder.commands
        if commands[:1] == [c.LastTransaction(b"").encode()] and commands[1][0] == c.OpenImport.opcode:
            commands = commands[1:]  # the gateway's own question, once after it opened the TSE
        assert commands == ([self._command(exchange)] if sent else [])
        wrote = exchange.verb == "writeWormStore"
        assert self._recorder.blocks == ([(int(URL(path).query["offset"]), exchange.sent)] if wrote else [])


def test_all_recorded_scenarios_are_replayed_here() -> None:
    assert {exchange.scenario for exchange in exchanges()} == {*HISTORY, *APART}


async def test_a_whole_recorded_life(tmp_path: Path, tse: SimulatedTse) -> None:
    async with replaying(tmp_path, tse) as replay:
        await replay.run(*HISTORY)
    assert TseInfo.decode(tse.read_info()).created_signatures == 39


async def test_decommissioning(tmp_path: Path, tse: SimulatedTse) -> None:
    async with replaying(tmp_path, tse) as replay:
        await replay.run("setup-fresh-tse", "decommission")
    assert TseInfo.decode(tse.read_info()).lifecycle == 2


async def test_an_unknown_tse(tmp_path: Path, tse: SimulatedTse) -> None:
    async with replaying(tmp_path, tse) as replay:
        await replay.run("unknown-tse")


async def test_a_wrong_token(tmp_path: Path, tse: SimulatedTse) -> None:
    async with replaying(tmp_path, tse) as replay:
        await replay.run("wrong-token", token="another")
