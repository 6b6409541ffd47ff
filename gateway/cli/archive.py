"""`archive`: show the archives that the gateway keeps, bring them up to date, export a store from them.

What lies at targets beyond this machine: `archive_targets`.
"""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.archive_targets import audit, restore
from gateway.cli.base import Cli, TseName, command
from gateway.cli.formatting import FILE_WRITTEN, short
from gateway.cli.help import both
from gateway.cli.output import OutputFile, check
from gateway.errors import GatewayError
from gateway.i18n.text import Text, literal

if TYPE_CHECKING:
    from gateway.cli.download import Download
    from gateway.client.api import Api

_POLL = 0.5  # seconds
_HEADS = (
    "TSE",
    Text("verdict", "Urteil"),
    Text("complete up to", "vollständig bis"),
    Text("signature", "Signatur"),
    Text("messages", "Nachrichten"),
    Text("size", "Größe"),
    Text("elsewhere", "außer Haus"),
    Text("error", "Fehler"),
)
_ALL_THERE = Text("{target}: complete", "{target}: vollständig")
_PENDING = Text("{target}: {count} segments missing", "{target}: {count} Segmente fehlen")
_VERDICTS = {
    "ok": Text("in order", "in Ordnung"),
    "warning": Text("with warnings", "mit Warnungen"),
    "error": Text("with errors", "mit Fehlern"),
}
_NONE = Text("nothing is archived yet: tse-gateway archive run", "noch ist nichts archiviert: tse-gateway archive run")
_RUN = Text(
    "{messages} new messages in {count} new segments, verdict {verdict}; complete up to signature {counter}",
    "{messages} neue Nachrichten in {count} neuen Segmenten, Urteil {verdict}; vollständig bis Signatur {counter}",
)
_TITLE = Text("archiving", "Archivierung")


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        help=both("The verified archives that the gateway keeps.", "Die geprüften Archive, die das Gateway führt."),
        no_args_is_help=True,
    )
    for function in (status, run, export, audit, restore):
        command(group, function.__name__)(function)
    app.add_typer(group, name="archive")


def status(cli: Cli, tse: TseName = "") -> None:
    """Show what is archived of each TSE. TSEs that are gone are listed, too; --json shows the segments of one.

    Exit status: 0 in order, 1 something is missing or wrong.

    Example: tse-gateway archive status

    Deutsch: Zeigen, was von jeder TSE archiviert ist. Auch TSEs, die weg sind; --json zeigt die Segmente einer TSE.

    Exit-Status: 0 in Ordnung, 1 etwas fehlt oder ist falsch.
    """

    async def work(api: "Api") -> list[dict[str, Any]]:
        known = (await api.get("/archives"))["archives"]
        if not tse:
            return list(known)
        return [await api.get(f"/tses/{await _serial(cli, api, tse)}/archive")]

    found = cli.ask(work, without_tse=True)
    if cli.as_json:
        cli.print_json(found[0] if tse else found)
    elif found:
        cli.table(_HEADS, (_row(cli, archive) for archive in found))
    else:
        cli.say(_NONE)
    raise typer.Exit(int(any(archive["verdict"] == "error" or _errors(cli, archive) for archive in found)))


def run(cli: Cli, tse: TseName = "") -> None:
    """Bring the archive of a TSE up to date. What is added is verified; tills go first.

    Example: tse-gateway archive run

    Deutsch: Das Archiv einer TSE auf den neuesten Stand bringen. Was hinzukommt, wird geprüft; Kassen haben Vorrang.
    """
    done = cli.ask_tse(tse, lambda api, base: _run(cli, api, base))
    if cli.as_json:
        cli.print_json(done)
    cli.say(
        _RUN,
        messages=done["messages"],
        count=len(done["added"]),
        verdict=_verdict(cli, done),
        counter=done["complete_up_to_counter"],
    )


def export(
    cli: Cli,
    tse: TseName = "",
    *,
    output: OutputFile = None,
    series: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=both(
                "An earlier store, from before data were deleted.",
                "Ein früherer Speicher, von bevor Daten gelöscht wurden.",
            ),
        ),
    ] = None,
) -> None:
    """Export a whole store from its archive. The TSE is not needed; an interrupted export is resumed.

    Without --output the file is named by the serial.

    Example: tse-gateway archive export -o archived.tar

    Deutsch: Einen ganzen Speicher aus seinem Archiv exportieren. Die TSE ist nicht nötig; ein unterbrochener Export
    geht weiter.

    Ohne --output heißt die Datei nach der Seriennummer.
    """

    async def work(api: "Api") -> "Download":
        from gateway.cli.download import fetch

        serial = await _serial(cli, api, tse)
        target = check(output or Path(f"TSE_{serial}_archive.tar"), new=True)
        params = {} if series is None else {"series": series}
        return await fetch(api, f"/tses/{serial}/archive/export", target, params=params, resumable=True)

    done = cli.ask(work, without_tse=True)
    told = {"file": str(done.file), "bytes": done.size, "sha256": done.sha256}
    cli.written(done.file, FILE_WRITTEN, told, size=cli.locale.number(done.size), sha256=done.sha256)


async def _serial(cli: Cli, api: "Api", name: str) -> str:
    """Return the serial of an archive, which may be of a TSE that is gone."""
    return cli.chosen(name, [str(archive["serial"]) for archive in (await api.get("/archives"))["archives"]])


async def _run(cli: Cli, api: "Api", base: str) -> Any:
    from gateway.cli.progress import transfer

    with transfer(cli.text(_TITLE), None) as bar:
        running = asyncio.create_task(api.post(f"{base}/archive/run"))
        while not (await asyncio.wait([running], timeout=_POLL))[0]:
            with suppress(GatewayError):  # it only moves the bar
                progress = (await api.get(f"{base}/archive"))["running"] or {}
                bar.at(progress.get("done_bytes", 0), progress.get("total_bytes"))
        return running.result()


def _errors(cli: Cli, archive: dict[str, Any]) -> list[str]:
    """Return what ended the last run, the last uploads, and the last request for a time stamp."""
    stamp = archive["stamp"] or {"error": None}
    failures = [archive["last_error"], stamp["error"], *(target["last_error"] for target in archive["targets"])]
    return [
        cli.text(literal(failure["detail"], failure["detail_de"] or failure["detail"])) or failure["code"]
        for failure in failures
        if failure
    ]


def _elsewhere(cli: Cli, target: dict[str, Any]) -> str:
    text = _ALL_THERE if target["complete"] else _PENDING
    return cli.text(text, target=target["name"], count=target["pending_segments"])


def _verdict(cli: Cli, archive: dict[str, Any]) -> str:
    known = _VERDICTS.get(archive["verdict"])
    return cli.text(known) if known else ""


def _row(cli: Cli, archive: dict[str, Any]) -> tuple[object, ...]:
    return (
        short(archive["serial"]),
        _verdict(cli, archive),
        cli.moment(archive["complete_up_to_time"]),
        cli.locale.number(archive["complete_up_to_counter"] or 0),
        cli.locale.number(archive["messages"]),
        cli.locale.size(archive["bytes"]),
        ", ".join(_elsewhere(cli, target) for target in archive["targets"]),
        "; ".join(_errors(cli, archive)),
    )
