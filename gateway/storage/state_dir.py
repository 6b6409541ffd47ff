"""The state directory: one user at a time, and migrations to today's format.

state.json   {"format": 2, "written_by": "0.3.0"}, the version that made this format
lock         flock of the one gateway that runs here; the kernel takes it back, however that gateway ends

Format 1 is the directory as it is, also without state.json: the first gateways wrote none.
"""

import errno
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway import __version__
from gateway.errors import ConfigurationError
from gateway.i18n.text import Text, reason_of
from gateway.storage import strict_json
from gateway.storage.atomic import make_directory, read_private, write_private
from gateway.storage.file_lock import lock, open_locked
from gateway.telemetry.events import Event, event

log = logging.getLogger(__name__)

STATE, LOCK = "state.json", "lock"
_FIRST_FORMAT = 1

Migration = Callable[[Path], None]


def leave_as_it_is(_: Path) -> None:
    """Bring nothing forward: what is new is written with the next line, and what is old can be read.

    Format 2: lines have checksums, and the journal tells of keys that were given up; gateways of format 1 would leave
    such lines out, and sign anew.
    """


# From the format that is the key to the next one. A power cut may end a migration anywhere; it is run again then from
# its beginning, and must arrive at the same. So: write new files whole (`write_private`), remove old ones last.
MIGRATIONS: Mapping[int, Migration] = {1: leave_as_it_is}


@dataclass(frozen=True, slots=True)
class _Found:
    format: int
    written_by: str


@contextmanager
def opened(directory: Path, migrations: Mapping[int, Migration] = MIGRATIONS) -> Iterator[None]:
    """Make the directory if needed, bring it to today's format, and keep others out while the block runs.

    Raises:
        ConfigurationError: another gateway uses it, a newer one made it, or it cannot be read or written.
    """
    current = _FIRST_FORMAT + len(migrations)
    _make(directory)
    _refuse_newer(directory, _found(directory), current)  # before anything is touched
    handle = _locked(directory)
    try:
        _bring_forward(directory, migrations, current)
        yield
    finally:
        os.close(handle)


def _make(directory: Path) -> None:
    try:
        make_directory(directory)
    except OSError as error:
        raise ConfigurationError(
            Text(
                "state directory {directory} cannot be made: {reason}",
                "das Statusverzeichnis {directory} lässt sich nicht anlegen: {reason}",
            ),
            directory=directory,
            reason=reason_of(error),
        ) from None


def _locked(directory: Path) -> int:
    try:
        return open_locked(directory / LOCK)
    except BlockingIOError:
        raise ConfigurationError(
            Text(
                "state directory {directory} is in use by another gateway: stop that one, or give this one a directory "
                "of its own (GATEWAY_STATE_DIR)",
                "das Statusverzeichnis {directory} benutzt schon ein anderes Gateway: jenes beenden, oder diesem ein "
                "eigenes Verzeichnis geben (GATEWAY_STATE_DIR)",
            ),
            directory=directory,
        ) from None
    except OSError as error:
        if error.errno == errno.EROFS and (directory / STATE).exists():
            return _locked_read_only(directory)
        raise ConfigurationError(
            Text("{path} cannot be locked: {reason}", "{path} lässt sich nicht sperren: {reason}"),
            path=directory / LOCK,
            reason=reason_of(error),
        ) from None


def _locked_read_only(directory: Path) -> int:
    """Lock what lies there already: tills can be served from it, see `storage.writable` for what cannot be done."""
    handle = os.open(directory / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    try:
        lock(handle)
    except OSError:
        os.close(handle)
        raise ConfigurationError(
            Text(
                "state directory {directory} is in use by another gateway: stop that one",
                "das Statusverzeichnis {directory} benutzt schon ein anderes Gateway: jenes beenden",
            ),
            directory=directory,
        ) from None
    return handle


def _found(directory: Path) -> _Found | None:
    path = directory / STATE
    content = read_private(path)
    if content is None:
        return None
    try:
        plain = strict_json.parse(content)
        number, written_by = plain["format"], str(plain["written_by"])
    except (ValueError, KeyError, TypeError):
        number, written_by = None, ""
    if not isinstance(number, int) or number < _FIRST_FORMAT:
        raise ConfigurationError(
            Text(
                "{path} is damaged. If no newer version than tse-gateway {version} has used this directory, remove the "
                "file: it is made anew, and nothing else is lost. Otherwise start that version",
                "{path} ist beschädigt. Hat kein neueres tse-gateway als {version} dieses Verzeichnis benutzt, die "
                "Datei löschen: sie wird neu angelegt, sonst geht nichts verloren. Andernfalls jene Version starten",
            ),
            path=path,
            version=__version__,
        )
    return _Found(number, written_by)


def _refuse_newer(directory: Path, found: _Found | None, current: int) -> None:
    if found is not None and found.format > current:
        raise ConfigurationError(
            Text(
                "state directory {directory} has format {format}, made by tse-gateway {written_by}; this is "
                "tse-gateway {version}, which knows no format above {current}. Nothing was changed. Start the newer "
                "version again, or restore the backup from before its update",
                "das Statusverzeichnis {directory} hat das Format {format} von tse-gateway {written_by}; dies ist "
                "tse-gateway {version} und kennt kein Format über {current}. Nichts wurde geändert. Die neuere Version "
                "wieder starten, oder die Datensicherung von vor ihrem Update zurückholen",
            ),
            directory=directory,
            format=found.format,
            written_by=found.written_by,
            version=__version__,
            current=current,
        )


def _bring_forward(directory: Path, migrations: Mapping[int, Migration], current: int) -> None:
    found = _found(directory)
    _refuse_newer(directory, found, current)  # whoever had the lock before may have been newer
    if found is None:
        _mark(directory, _FIRST_FORMAT)
    for number in range(_FIRST_FORMAT if found is None else found.format, current):
        try:
            migrations[number](directory)
        except OSError as error:
            raise ConfigurationError(
                Text(
                    "state directory {directory} cannot be brought to format {format}: {reason}; nothing is lost, and "
                    "the next start goes on with it",
                    "das Statusverzeichnis {directory} lässt sich nicht auf Format {format} bringen: {reason}; nichts "
                    "ist verloren, und der nächste Start macht damit weiter",
                ),
                directory=directory,
                format=number + 1,
                reason=reason_of(error),
            ) from None
        _mark(directory, number + 1)
        migrated = event(Event.MIGRATED, format=number + 1)
        log.info("state directory %s brought from format %d to %d", directory, number, number + 1, extra=migrated)


def _mark(directory: Path, number: int) -> None:
    plain = {"format": number, "written_by": __version__}
    write_private(directory / STATE, json.dumps(plain).encode() + b"\n")
