"""`reconcile`: compare what a till exported (DSFinV-K) with what its TSEs signed."""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.base import LanguageOption
from gateway.cli.findings import ERRORS, INTERRUPTED, exit_status, finding_lines, result_of
from gateway.cli.formatting import unix_time
from gateway.errors import GatewayError
from gateway.i18n.locales import Locale
from gateway.i18n.negotiation import from_locale
from gateway.i18n.text import Text

if TYPE_CHECKING:
    from gateway.verify.findings import ReconcileReport

_COUNTS = Text(
    "{rows} rows of the till: {agreeing} as signed; {transactions} signed transactions compared with them",
    "{rows} Zeilen der Kasse: {agreeing} wie signiert; {transactions} signierte Transaktionen damit verglichen",
)
_DIFFERENT = Text(
    "ERRORS: the till's export and what was signed do not agree",
    "FEHLER: der Export der Kasse und das Signierte stimmen nicht überein",
)
_UNREADABLE = Text("{file} cannot be read: {reason}", "{file} ist nicht lesbar: {reason}")


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("reconcile")(reconcile)


def reconcile(
    exports: Annotated[
        list[Path], typer.Argument(metavar="TAR...", help="Exports of the TSEs, full or of the period.")
    ],
    dsfinvk: Annotated[Path, typer.Option(metavar="DIR", help="Folder with the DSFinV-K export of the till.")],
    *,
    since: Annotated[str, typer.Option("--from", help="First end of a transaction: a day or moment.")] = "",
    until: Annotated[str, typer.Option("--to", help="Last end of a transaction; a day counts to its end.")] = "",
    outages: Annotated[
        Path | None,
        typer.Option(help="File that `tse-gateway outages --json` wrote: explains receipts without signature."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    language: LanguageOption = None,
) -> None:
    """Compare a till's DSFinV-K export with what was signed. Row by row, both ways; signatures are checked by `verify`.

    Exit status: 0 in order or notes only, 1 warnings, 2 differences or not comparable.

    Example: tse-gateway reconcile export.tar --dsfinvk dsfinvk
    """
    from gateway.cli.progress import checking
    from gateway.verify import reconcile as comparison

    locale = Locale(language or from_locale(os.environ))
    limits = {
        "since": unix_time(since, end=False) if since else None,
        "until": unix_time(until, end=True) if until else None,
    }
    try:
        known = [] if outages is None else comparison.load_outages(outages)
        with checking() as advance:
            report = comparison.reconcile(exports, dsfinvk, outages=known, **limits, progress=advance)
    except GatewayError as error:
        sys.stderr.write(f"tse-gateway: {error}\n")
        raise typer.Exit(ERRORS) from None
    except OSError as error:
        said = locale.text(_UNREADABLE, file=error.filename, reason=error.strerror)
        sys.stderr.write(f"tse-gateway: {said}\n")
        raise typer.Exit(ERRORS) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        from gateway.verify.report import reconciled_as_data

        sys.stdout.write(json.dumps(reconciled_as_data(report, locale.language), indent=2) + "\n")
    else:
        _print(report, locale)
    raise typer.Exit(exit_status(report.findings))


def _print(report: "ReconcileReport", locale: Locale) -> None:
    from rich.console import Console

    from gateway.verify.texts import worst

    console = Console(highlight=False)
    counts = {"rows": report.rows, "agreeing": report.agreeing, "transactions": report.transactions}
    console.print(locale.text(_COUNTS, **counts), soft_wrap=True)
    for line in finding_lines(report.findings, locale):
        console.print(line, soft_wrap=True)
    result, style = result_of(worst(report.findings), locale, _DIFFERENT)
    console.print(f"  => {result}", style=style, soft_wrap=True)
