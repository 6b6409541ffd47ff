"""`export`: write the log messages of a TSE into a file, which is there only when it is whole."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.base import Cli, ClientOption, TseName, command
from gateway.cli.formatting import FILE_WRITTEN, unix_time
from gateway.cli.help import both
from gateway.cli.output import STANDARD, OutputFile, check
from gateway.errors import ConfigurationError
from gateway.i18n.text import Text

if TYPE_CHECKING:
    from gateway.cli.download import Download
    from gateway.client.api import Api

_ONE_KIND = Text(
    "--new-since exports everything new: no other limits", "--new-since exportiert alles Neue: ohne weitere Grenzen"
)
_NO_CURSOR = Text(
    "{file} is missing: it was written beside the earlier export", "{file} fehlt: es entstand neben dem früheren Export"
)
_NEEDS_A_FILE = Text(
    "--verify and --dsfinvk read the export: they need a file", "--verify und --dsfinvk lesen den Export: als Datei"
)
_WRITTEN = Text("{file} is written", "{file} ist geschrieben")


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "export")(export)


def export(
    cli: Cli,
    tse: TseName = "",
    *,
    output: OutputFile = None,
    since: Annotated[
        str,
        typer.Option(
            "--from",
            help=both(
                "First log time: 2026-01-31 or 2026-01-31T08:00.", "Erste Log-Zeit: 2026-01-31 oder 2026-01-31T08:00."
            ),
        ),
    ] = "",
    until: Annotated[
        str,
        typer.Option(
            "--to",
            help=both("Last log time; a day counts to its end.", "Letzte Log-Zeit; ein Tag zählt bis zu seinem Ende."),
        ),
    ] = "",
    from_number: Annotated[
        int | None, typer.Option(min=0, help=both("First transaction number.", "Erste Transaktionsnummer."))
    ] = None,
    to_number: Annotated[
        int | None, typer.Option(min=0, help=both("Last transaction number.", "Letzte Transaktionsnummer."))
    ] = None,
    client: ClientOption = "",
    new_since: Annotated[
        Path | None,
        typer.Option(
            help=both(
                "Only what is new since this earlier export, which has a .cursor file beside it.",
                "Nur was seit diesem früheren Export neu ist; neben ihm liegt eine .cursor-Datei.",
            )
        ),
    ] = None,
    verified: Annotated[
        bool, typer.Option("--verify", help=both("Check the export afterwards.", "Den Export danach prüfen."))
    ] = False,
    dsfinvk: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help=both(
                "Write tse.csv and transactions_tse.csv (DSFinV-K) of it into this folder.",
                "Auch tse.csv und transactions_tse.csv (DSFinV-K) in dieses Verzeichnis schreiben.",
            ),
        ),
    ] = None,
) -> None:
    """Export the log messages of a TSE (TAR). All, a part, or what is new; an interrupted full export is resumed.

    Without --output the file is named by the serial.

    Example: tse-gateway export -o tse.tar --verify

    Deutsch: Die Log-Nachrichten einer TSE exportieren (TAR). Alle, einen Teil oder was neu ist; ein unterbrochener
    ganzer Export geht weiter.

    Ohne --output heißt die Datei nach der Seriennummer.
    """
    limits = _limits(since, until, from_number, to_number, client)
    if new_since is not None and limits:
        raise typer.BadParameter(cli.text(_ONE_KIND))

    if output == STANDARD and (verified or dsfinvk):
        raise typer.BadParameter(cli.text(_NEEDS_A_FILE))

    async def work(api: "Api", base: str) -> "Download":
        from gateway.cli import download

        serial = base.rsplit("/", 1)[-1]
        suffix = "_new" if new_since else "_part" if limits else ""
        target = check(output or Path(f"TSE_{serial}{suffix}.tar"), new=True)
        if new_since is not None:
            cursor = _cursor(new_since)
            return await download.fetch(api, f"{base}/export/new", target, params={"cursor": cursor})
        if limits:
            return await download.fetch(api, f"{base}/export/filtered", target, params=limits)
        return await download.fetch(api, f"{base}/export", target, resumable=True)

    done = cli.ask_tse(tse, work)
    told = {"file": str(done.file), "bytes": done.size, "sha256": done.sha256, "cursor": done.cursor}
    cli.written(done.file, FILE_WRITTEN, told, size=cli.locale.number(done.size), sha256=done.sha256)
    if dsfinvk is not None:
        _write_dsfinvk(cli, done.file, dsfinvk)
    if verified:
        raise typer.Exit(_verified(cli, done.file, complete=not (limits or new_since)))


def _write_dsfinvk(cli: Cli, export: Path, directory: Path) -> None:
    from gateway.verify.tse_files import write_tse_files

    for file in write_tse_files([export], directory, datetime.now(UTC)):
        cli.note(_WRITTEN, file=file)


def _verified(cli: Cli, file: Path, *, complete: bool) -> int:
    from gateway.cli.verify import verify_files

    return verify_files([str(file)], language=cli.language, as_json=cli.as_json, complete=complete)


def _limits(
    since: str, until: str, from_number: int | None, to_number: int | None, client: str
) -> dict[str, str | int]:
    given: dict[str, str | int | None] = {
        "from_time": unix_time(since, end=False) if since else None,
        "to_time": unix_time(until, end=True) if until else None,
        "from_number": from_number,
        "to_number": to_number,
        "client_id": client or None,
    }
    return {name: value for name, value in given.items() if value is not None}


def _cursor(earlier: Path) -> str:
    from gateway.cli.download import cursor_file

    file = cursor_file(earlier)
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(_NO_CURSOR, file=file) from None
