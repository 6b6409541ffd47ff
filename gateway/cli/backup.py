"""`backup` and `restore`: the state of the gateway of this machine, while it works."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from gateway.cli.base import Cli, command
from gateway.cli.help import both
from gateway.cli.output import STANDARD, check, opened
from gateway.errors import ConfigurationError
from gateway.i18n.text import Text, reason_of

if TYPE_CHECKING:
    from gateway.storage.backup import Backup

_WRITTEN = Text(
    "{file} is written: {count} files of {directory}. It holds token, keys and what tills sold: keep it secret. The "
    "archive, simulated TSEs, settings and secret files are not in it",
    "{file} ist geschrieben: {count} Dateien aus {directory}. Darin stehen Token, Schlüssel und Verkäufe: geheim "
    "halten. Archiv, simulierte TSEs, Einstellungen und Dateien mit Geheimnissen sind nicht darin",
)
_RESTORED = Text(
    "{directory} is as it was at {moment}: {count} files, all as they were written by version {version}. What was "
    "signed after that moment is unknown here: no POS may repeat a request that was answered since",
    "{directory} ist wie am {moment}: {count} Dateien, alle wie von Version {version} geschrieben. Was danach signiert "
    "wurde, ist hier nicht bekannt: keine Kasse darf eine Anfrage wiederholen, die seitdem beantwortet wurde",
)
_File = Annotated[
    Path, typer.Argument(metavar="FILE", help=both("A file, or - for a pipe.", "Eine Datei, oder - für eine Pipe."))
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "backup")(backup)
    command(app, "restore")(restore)


def backup(cli: Cli, file: _File) -> None:
    """Back up the state while tills sell. Token, certificates, journal and outages; without archive and secret files.

    Example: tse-gateway backup state.tgz

    Deutsch: Den Stand sichern, während Kassen verkaufen. Token, Zertifikate, Journal und Ausfälle; ohne Archiv und
    Geheimnisdateien.
    """
    from gateway.storage import backup as backups

    settings = cli.settings()
    directory = settings.state_dir
    leave_out = {settings.archive_dir or directory / "archive", *directory.glob("simulator-*")}
    with opened(check(file), private=True) as out:
        made = backups.write(directory, leave_out, out)
    _tell(cli, _WRITTEN, made, directory, file)


def restore(cli: Cli, file: _File) -> None:
    """Put a backup into the empty state directory of a gateway that has not been started yet.

    Example: tse-gateway restore state.tgz

    Deutsch: Eine Datensicherung in das leere Statusverzeichnis eines Gateways zurückholen, das noch nicht gestartet
    wurde.
    """
    from gateway.storage import backup as backups

    directory = cli.settings().state_dir
    with _from(file) as source:
        _tell(cli, _RESTORED, backups.restore(source, directory), directory, file)


@contextmanager
def _from(file: Path) -> Iterator[IO[bytes]]:
    if file == STANDARD:
        yield sys.stdin.buffer
        return
    try:
        source = file.open("rb")
    except OSError as error:
        raise ConfigurationError(
            Text("{file} cannot be read: {reason}", "{file} lässt sich nicht lesen: {reason}"),
            file=file,
            reason=reason_of(error),
        ) from None
    with source:
        yield source


def _tell(cli: Cli, text: Text, made: "Backup", directory: Path, file: Path) -> None:
    moment = made.made_at.isoformat()
    told = {"file": str(file), "state_dir": str(directory), "made_at": moment, "files": made.files}
    values = {"directory": directory, "count": len(made.files), "version": made.written_by}
    cli.written(file, text, told, moment=cli.moment(moment), **values)
