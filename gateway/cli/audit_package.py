"""`audit-package`: everything that an auditor asks for, in a folder."""

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.base import Cli, Since, Until, command
from gateway.cli.help import both
from gateway.cli.output import OutputFolder
from gateway.errors import ConfigurationError
from gateway.i18n.text import Text

if TYPE_CHECKING:
    from gateway.cli.download import Download
    from gateway.client.api import Api

_REPORT = "Pruefbericht/pruefbericht.json"
_EXISTS = Text(
    "{folder} is not empty: name another one by --output", "{folder} ist nicht leer: mit --output anders nennen"
)
_BROKEN = Text("{file} cannot be unpacked: {error}", "{file} lässt sich nicht entpacken: {error}")
_WRITTEN = Text(
    "{folder}: {count} files; Deckblatt.html explains each of them",
    "{folder}: {count} Dateien; Deckblatt.html erklärt jede",
)
_VERDICTS = {
    "ok": Text("verified: everything checked is in order", "geprüft: alles Geprüfte ist in Ordnung"),
    "note": Text("verified: in order, with notes", "geprüft: in Ordnung, mit Hinweisen"),
    "warning": Text("verified, with warnings: please look at them", "geprüft, mit Warnungen: bitte ansehen"),
    "error": Text("VERIFIED, WITH ERRORS: please look at them", "GEPRÜFT, MIT FEHLERN: bitte ansehen"),
}


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "audit-package")(audit_package)


def audit_package(
    cli: Cli,
    *,
    since: Since = "",
    until: Until = "",
    output: OutputFolder = Path("audit-package"),
    fetch_crls: Annotated[
        bool,
        typer.Option(
            "--fetch-crls",
            help=both(
                "Let the gateway fetch the revocation lists that certificates name.",
                "Das Gateway die Sperrlisten holen lassen, die Zertifikate nennen.",
            ),
        ),
    ] = False,
) -> None:
    """Write everything that an auditor asks for into a folder. Of all TSEs; the archives are brought up to date first.

    The folder must be empty, or not be there.

    Example: tse-gateway audit-package --from 2026-01-01 --to 2026-12-31 -o audit

    Deutsch: Alles, wonach ein Prüfer fragt, in ein Verzeichnis schreiben. Von allen TSEs; vorher werden die Archive auf
    den neuesten Stand gebracht.

    Das Verzeichnis muss leer sein oder fehlen.
    """
    limits = {"from": since, "to": until, "fetch_crls": "true" if fetch_crls else ""}
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ConfigurationError(_EXISTS, folder=output)

    async def work(api: "Api") -> "Download":
        from gateway.cli.download import fetch

        given = {name: value for name, value in limits.items() if value}
        return await fetch(api, "/audit-package", output / "audit-package.zip", params=given)

    done = cli.ask(work, without_tse=True)
    names = _unpacked(done.file, output)
    reports = json.loads((output / _REPORT).read_bytes()) if _REPORT in names else []
    verdicts = [str(report["severity"]) for report in reports]
    verdict = max(verdicts, key=list(_VERDICTS).index, default=None)
    if cli.as_json:
        cli.print_json({"folder": str(output), "files": names, "verdict": verdict})
    cli.say(_WRITTEN, folder=output, count=len(names))
    if verdict is not None:
        cli.say(_VERDICTS[verdict])


def _unpacked(file: Path, folder: Path) -> list[str]:
    try:
        with zipfile.ZipFile(file) as archive:
            archive.extractall(folder)
            names = archive.namelist()
        file.unlink()
    except (OSError, zipfile.BadZipFile) as error:
        raise ConfigurationError(_BROKEN, file=file, error=error) from None
    return names
