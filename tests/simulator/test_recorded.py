"""The recorded conversations of the vendor's library: our TSE gives the same results and counters.

The scenarios of one recording session follow each other on one TSE, as they did then.
The certificate chain of ours is longer, so block numbers are shifted by a constant.
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.simulator.device import SimulatedTse
from gateway.tse.commands import (
    AcknowledgeExport,
    ChangePin,
    ChangePuk,
    ImportOpened,
    Login,
    NextExportPart,
    OpenImport,
    Part,
    parse,
)
from gateway.tse.credentials import RETAIL_SEED, initial_credentials
from gateway.tse.fields import Command
from gateway.tse.info import TseInfo
from gateway.tse.sectors import SECTOR
from tests.simulator.host import Host

RECORDINGS = Path(__file__).parents[1] / "recordings" / "lantse"
RECORDED_LEADING = 7
SAME = (
    "valid_time", "self_test_passed", "ctss_active", "export_if_csp_fails", "lifecycle", "import_in_progress",
    "credentials_changed", "capacity_blocks", "open_transactions", "max_open_transactions", "created_signatures",
    "max_signatures", "registered_clients", "max_registered_clients", "max_time_sync_delay_seconds",
    "max_update_delay_seconds", "hardware_version", "software_version", "firmware_type", "form_factor",
)  # fmt: skip
ONE_DAY = (
    "daily-start", "sign-receipt", "sign-process-data-sizes", "transaction-errors", "list-clients",
    "list-started-transactions", "export-full", "flash-health", "export-incremental", "export-filtered",
    "delete-stored-data", "wrong-pin", "ctss-and-csp", "explicit-lock", "two-clients-contending", "session-lost",
)  # fmt: skip


@dataclass(frozen=True)
class Exchange:
    path: str
    query: dict[str, list[str]]
    request: bytes
    error: int
    data: bytes


def exchanges(scenario: str) -> Iterator[Exchange]:
    """What reached the TSE in a recording."""
    for line in (RECORDINGS / f"{scenario}.jsonl").read_text().splitlines():
        record = json.loads(line)
        url = urlsplit(record["path"])
        path = url.path.rsplit("/", 1)[-1]
        body = record["response_body"]
        if path not in {"readInfo", "sendCommand", "readWormStore", "writeWormStore"} or body.get("error") == 22:
            continue
        request = json.loads(record["request_body"])["data"] if record["request_body"] else ""
        yield Exchange(
            path,
            parse_qs(url.query),
            base64.b64decode(request),
            body.get("error", 0),
            base64.b64decode(body.get("data", "")),
        )


class Replay:
    def __init__(self, host: Host) -> None:
        self.host = host
        self.shift = host.tse._core.state.leading_blocks - RECORDED_LEADING
        self.block = 0
        self.recorded_block = 0
        self.export_total = [0, 0]

    def run(self, scenario: str) -> None:
        for exchange in exchanges(scenario):
            getattr(self, exchange.path)(exchange)

    def readInfo(self, recorded: Exchange) -> None:  # noqa: N802 the name on the wire
        then, now = TseInfo.decode(recorded.data), self.host.info
        assert {name: getattr(now, name) for name in SAME} == {name: getattr(then, name) for name in SAME}
        assert now.used_blocks == (then.used_blocks + self.shift if then.used_blocks else 0)
        assert now.tar_export_bytes == (then.tar_export_bytes + self.shift * SECTOR if then.used_blocks else 0)
        if then.last_entry_block != 2:
            assert now.last_entry_block == then.last_entry_block + self.shift

    def sendCommand(self, recorded: Exchange) -> None:  # noqa: N802
        command = self.translated(parse(recorded.request))
        if isinstance(command, NextExportPart):
            self.next_part(recorded)
            return
        result, data = self.host.exchange(command.encode())
        assert result == recorded.error, command.title
        assert len(data) == len(recorded.data), command.title
        if isinstance(command, OpenImport) and not result:
            self.block, self.recorded_block = (ImportOpened.decode(each).block for each in (data, recorded.data))
            assert self.block == self.recorded_block + self.shift

    def readWormStore(self, recorded: Exchange) -> None:  # noqa: N802
        block, count = int(recorded.query["offset"][0]), int(recorded.query["numblocks"][0])
        assert len(self.host.tse.read_store(block, count)) == len(recorded.data)

    def writeWormStore(self, recorded: Exchange) -> None:  # noqa: N802
        self.host.tse.write_store(int(recorded.query["offset"][0]) + self.shift, recorded.request)

    def translated(self, command: Command) -> Command:
        """The command for our serial and our store."""
        if isinstance(command, AcknowledgeExport):
            return AcknowledgeExport(command.length + self.shift * SECTOR)
        recorded = next(e.data for e in exchanges("setup-fresh-tse") if e.path == "readInfo")
        theirs = initial_credentials(RETAIL_SEED, TseInfo.decode(recorded).serial)
        ours = initial_credentials(RETAIL_SEED, self.host.tse.serial)
        secrets = {
            theirs.admin_puk: ours.admin_puk,
            theirs.admin_pin: ours.admin_pin,
            theirs.time_admin_pin: ours.time_admin_pin,
        }
        match command:
            case ChangePuk(user, old, new):
                return ChangePuk(user, secrets.get(old, old), new)
            case Login(user, pin):
                return Login(user, secrets.get(pin, pin))
            case ChangePin(user, old, new):
                return ChangePin(user, secrets.get(old, old), new)
            case _:
                return command

    def next_part(self, recorded: Exchange) -> None:
        """Ours is longer by the certificate: read it all when theirs has ended."""
        theirs = Part.decode(recorded.data).data
        self.export_total[0] += len(theirs)
        if theirs:
            assert len(theirs) == 496 or self.export_total[0] % SECTOR == 0
            return
        while part := Part.decode(self.host.do(NextExportPart())).data:
            self.export_total[1] += len(part)
        assert self.export_total[1] == self.export_total[0] + self.shift * SECTOR
        self.export_total = [0, 0]


def replay_days(fresh: Host) -> None:
    """All that was recorded, one after the other on one TSE."""
    fresh.set_up()
    fresh.tse.power_cycle()
    replay = Replay(fresh)
    for scenario in ONE_DAY:
        replay.run(scenario)
    assert fresh.info.created_signatures == 39
    fresh.tse.power_cycle()
    replay.run("needs-selftest")


def test_the_recorded_days_on_one_tse(fresh: Host) -> None:
    replay_days(fresh)


def test_the_recorded_setup_of_a_fresh_tse(fresh: Host) -> None:
    Replay(fresh).run("setup-fresh-tse")
    assert (fresh.info.lifecycle, fresh.info.created_signatures) == (1, 1)


def test_the_recorded_decommissioning(fresh: Host) -> None:
    fresh.set_up()
    fresh.tse.power_cycle()
    Replay(fresh).run("decommission")
    assert (fresh.info.lifecycle, fresh.info.created_signatures) == (2, 3)


def test_every_recording_with_device_commands_is_replayed() -> None:
    with_commands = {
        path.stem for path in RECORDINGS.glob("*.jsonl") if any(e.path == "sendCommand" for e in exchanges(path.stem))
    }
    # `certificate` asks for offsets that depend on the length of the chain; test_export reads ours.
    assert with_commands - {*ONE_DAY, "setup-fresh-tse", "decommission", "needs-selftest"} == {"certificate"}


@pytest.mark.parametrize("path", sorted(RECORDINGS.glob("*.jsonl")), ids=lambda path: path.stem)
def test_recordings_can_be_read(path: Path, tse: SimulatedTse) -> None:
    assert all(parse(e.request) for e in exchanges(path.stem) if e.path == "sendCommand")
