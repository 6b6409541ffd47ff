"""Files of the state directory; the first byte chooses. What cannot be read is told, and the rest goes on."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from gateway.archive.directory import ArchiveDirectory
from gateway.errors import ConfigurationError
from gateway.fleet.outages.log import LOG, OutageLog
from gateway.fleet.pins.memory import PinMemory
from gateway.i18n.text import Text
from gateway.operations.journal import Journal
from gateway.storage import state_dir
from gateway.storage.append_log import AppendLog
from tests.fuzz.targets import scratch

_HOME = scratch()
_LOOP = asyncio.new_event_loop()
_SERIAL = "AB" * 32
_NOW = 1_790_000_000.0


def _append_log(data: bytes) -> None:
    path = _HOME / "log"
    path.write_bytes(data)
    log = AppendLog(path)
    before = list(log.read(dict))
    log.append({"one": 1}, durable=False)
    assert list(log.read(dict)) == [*before, {"one": 1}]


def _journal(data: bytes) -> None:
    path = _HOME / "journal"
    path.write_bytes(data)
    journal = Journal(path, now=lambda: _NOW)
    assert [record.key for record in Journal(path, now=lambda: _NOW).records()] == [r.key for r in journal.records()]
    journal.unclear()
    journal.claims(_SERIAL, 1)


def _outages(data: bytes) -> None:
    (_HOME / LOG).write_bytes(data)
    log = OutageLog(_HOME)
    log.started(_NOW)
    log.seen(_SERIAL, _NOW)
    log.begin(_SERIAL, "fuzz", _NOW)
    log.totals(_NOW)
    log.save()
    assert _SERIAL in {outage.serial for outage in log.all()}


def _pin_memory(data: bytes) -> None:
    path = _HOME / "tse.json"
    path.write_bytes(data)
    memory = PinMemory(path)
    memory.heed_operator()
    _LOOP.run_until_complete(memory.write(no_login=Text("fuzz", "fuzz")))
    assert PinMemory(path).record == memory.record


def _state(data: bytes) -> None:
    (_HOME / state_dir.STATE).write_bytes(data)
    with suppress(ConfigurationError), state_dir.opened(_HOME):
        pass


def _archive(data: bytes) -> None:
    directory = ArchiveDirectory(_HOME, _SERIAL)
    directory.path.mkdir(exist_ok=True)
    for name in ("state.json", "0001-000001.json"):
        directory.file(name).write_bytes(data)
    state, index = directory.load_state(), directory.index()
    assert len(index.segments) + len(index.broken) >= 1
    if state is not None:
        assert state.model_dump_json()


_READERS: tuple[Callable[[bytes], None], ...] = (_append_log, _journal, _outages, _pin_memory, _state, _archive)


def run(data: bytes) -> None:
    """Read `data` as one of the files."""
    if data:
        _READERS[data[0] % len(_READERS)](data[1:])
