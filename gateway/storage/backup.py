"""A backup of the state directory: one tar file, made while its gateway works, and the way back.

state.json ...  files below the state directory; the logs come last, so that what other files know of
                signatures is never newer than the journals
backup.json     {"written_by": "0.3.0", "made_at": "2026-11-29T02:00:00+00:00", "files": {NAME: SHA-256, ...}}

`backup.json` is the last member: a backup that was cut off has none. Each file is whole by itself at any time, because
files are replaced in one step or only added to (`atomic`, `append_log`).
"""

import hashlib
import json
import os
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO

from gateway import __version__
from gateway.errors import ConfigurationError
from gateway.i18n.text import Text, reason_of
from gateway.storage import state_dir, strict_json
from gateway.storage.atomic import make_directory, new_file, sync_directory

MANIFEST = "backup.json"
_STAGED = ".restore"  # below the state directory: what is renamed into place lies on the same file system
_LOGS = (".journal", ".jsonl")
_MEMORY = 2**20  # bytes of a file that are held in memory, the rest on the disk


@dataclass(frozen=True, slots=True)
class Backup:
    """What is in a backup: which version made it and when (UTC), and its files with their SHA-256 in hex."""

    written_by: str
    made_at: datetime
    files: dict[str, str]


def write(directory: Path, leave_out: Collection[Path], out: IO[bytes]) -> Backup:
    """Write a backup of the state directory to `out`, without the files below `leave_out`.

    Raises:
        ConfigurationError: there is no state directory, or a file cannot be read.
        OSError: `out` cannot be written.
    """
    if not (directory / state_dir.STATE).is_file():
        raise ConfigurationError(
            Text(
                "{directory} is no state directory of a gateway: set GATEWAY_STATE_DIR or --config",
                "{directory} ist kein Statusverzeichnis eines Gateways: GATEWAY_STATE_DIR oder --config setzen",
            ),
            directory=directory,
        )
    made = Backup(__version__, datetime.now(UTC).replace(microsecond=0), {})
    with tarfile.open(fileobj=out, mode="w|gz", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(_files(directory, leave_out), key=lambda path: (path.suffix in _LOGS, path)):
            name = path.relative_to(directory).as_posix()
            with suppress(FileNotFoundError), tempfile.SpooledTemporaryFile(_MEMORY) as copied:
                made.files[name] = _copied(path, copied)
                _add(tar, name, copied)
        with tempfile.SpooledTemporaryFile(_MEMORY) as manifest:
            plain = {"written_by": made.written_by, "made_at": made.made_at.isoformat(), "files": made.files}
            manifest.write(json.dumps(plain, indent=1).encode())
            _add(tar, MANIFEST, manifest)
    return made


def restore(source: IO[bytes], directory: Path) -> Backup:
    """Put the files of a backup into a state directory that no gateway has used yet.

    Nothing is in its place before all of it is read and checked.

    Raises:
        ConfigurationError: the backup is damaged, cut off or of a newer gateway, or the directory is in use.
    """
    if (directory / state_dir.STATE).exists():
        raise ConfigurationError(
            Text(
                "{directory} is the state of a gateway already: stop it and move that directory away, then restore "
                "again",
                "in {directory} liegt schon der Stand eines Gateways: es beenden, dieses Verzeichnis wegräumen und "
                "noch einmal zurückholen",
            ),
            directory=directory,
        )
    staged = directory / _STAGED
    try:
        make_directory(directory)
        if directory.stat().st_uid != os.geteuid():
            raise ConfigurationError(
                Text(
                    "{directory} is not yours: run this as the user of the gateway",
                    "{directory} gehört einem anderen: den Befehl als Benutzer des Gateways aufrufen",
                ),
                directory=directory,
            )
        shutil.rmtree(staged, ignore_errors=True)  # left by a crash
        staged.mkdir(mode=0o700)
        made = _unpacked(source, staged)
        with state_dir.opened(staged):  # the format is one that this version knows
            pass
        (staged / state_dir.LOCK).unlink()
        _put_in_place(staged, directory)
    except OSError as error:
        raise ConfigurationError(
            Text("{path} cannot be written: {reason}", "{path} lässt sich nicht schreiben: {reason}"),
            path=error.filename or directory,
            reason=reason_of(error),
        ) from None
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return made


def _files(directory: Path, leave_out: Collection[Path]) -> Iterator[Path]:
    for folder, folders, names in os.walk(directory):
        place = Path(folder)
        folders[:] = [name for name in folders if place / name not in leave_out and name != _STAGED]
        for name in names:
            path = place / name
            draft = name.startswith(".") and name.endswith(".new")
            if name != state_dir.LOCK and not draft and stat.S_ISREG(path.lstat().st_mode):
                yield path


def _copied(path: Path, copy: IO[bytes]) -> str:
    """Copy a file as long as it is now, and return its SHA-256."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            left = os.fstat(file.fileno()).st_size
            while left and (data := file.read(min(left, _MEMORY))):
                digest.update(data)
                copy.write(data)
                left -= len(data)
    except PermissionError:
        raise ConfigurationError(
            Text(
                "{path} cannot be read: run this as the user of the gateway, or as root",
                "{path} lässt sich nicht lesen: den Befehl als Benutzer des Gateways oder als root aufrufen",
            ),
            path=path,
        ) from None
    return digest.hexdigest()


def _add(tar: tarfile.TarFile, name: str, content: IO[bytes]) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = content.tell(), 0o600
    content.seek(0)
    tar.addfile(member, content)


def _unpacked(source: IO[bytes], staged: Path) -> Backup:
    found: dict[str, str] = {}
    try:
        with tarfile.open(fileobj=source, mode="r|gz") as tar:
            for member in tar:
                content = tar.extractfile(member)
                if content is None or not _is_below(member.name):
                    raise ConfigurationError(
                        Text(
                            "the backup holds {name!r}, which no backup of a gateway does",
                            "in der Datensicherung liegt {name!r}, was in keiner eines Gateways liegt",
                        ),
                        name=member.name,
                    )
                if member.name == MANIFEST:
                    return _checked(content.read(), found)
                found[member.name] = _kept(content, staged / member.name)
    except (tarfile.TarError, EOFError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            Text(
                "the backup is damaged, or none of a gateway: {error}",
                "die Datensicherung ist beschädigt, oder keine eines Gateways: {error}",
            ),
            error=error,
        ) from None
    raise ConfigurationError(
        Text(
            "the backup is cut off: its end is missing. Use another one",
            "die Datensicherung ist abgeschnitten: ihr Ende fehlt. Eine andere nehmen",
        )
    )


def _is_below(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def _checked(manifest: bytes, found: dict[str, str]) -> Backup:
    plain = strict_json.parse(manifest)
    made = Backup(str(plain["written_by"]), datetime.fromisoformat(plain["made_at"]), dict(plain["files"]))
    differing = sorted({name for name, _ in made.files.items() ^ found.items()})
    if differing:
        raise ConfigurationError(
            Text("the backup is damaged: {differing}", "die Datensicherung ist beschädigt: {differing}"),
            differing=", ".join(differing),
        )
    return made


def _kept(content: IO[bytes], path: Path) -> str:
    make_directory(path.parent)
    with new_file(path) as file:
        shutil.copyfileobj(content, file)
        file.flush()
        os.fsync(file.fileno())
    sync_directory(path.parent)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _put_in_place(staged: Path, directory: Path) -> None:
    """Rename all into place, `state.json` as the last: without it, a restore that was cut off can be made again."""
    for path in sorted(staged.iterdir(), key=lambda path: path.name == state_dir.STATE):
        target = directory / path.name
        if target.is_dir():
            shutil.rmtree(target)
        path.replace(target)
        sync_directory(directory)
