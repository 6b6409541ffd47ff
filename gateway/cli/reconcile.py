"""`reconcile`: compare what a till exported (DSFinV-K) with what its TSEs signed."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.base import JsonOption
from gateway.cli.findings import HtmlOption, Report, concluded, exit_status
from gateway.cli.formatting import unix_time
from gateway.cli.help import both, spoken
from gateway.i18n.locales import Locale


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("reconcile")(reconcile)


def reconcile(
    context: typer.Context,
    exports: Annotated[
        list[Path],
        typer.Argument(
            metavar="TAR...",
            help=both("Exports of the TSEs, full or of the period.", "Exporte der TSEs, ganze oder die des Zeitraums."),
        ),
    ],
    dsfinvk: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help=both("Folder with the DSFinV-K export of the till.", "Verzeichnis mit dem DSFinV-K-Export der Kasse."),
        ),
    ],
    *,
    since: Annotated[
        str,
        typer.Option(
            "--from",
            help=both(
                "First end of a transaction: a day or moment.", "Erstes Ende einer Transaktion: ein Tag oder Zeitpunkt."
            ),
        ),
    ] = "",
    until: Annotated[
        str,
        typer.Option(
            "--to",
            help=both(
                "Last end of a transaction; a day counts to its end.",
                "Letztes Ende einer Transaktion; ein Tag zählt bis zu seinem Ende.",
            ),
        ),
    ] = "",
    outages: Annotated[
        Path | None,
        typer.Option(
            help=both(
                "File that `tse-gateway outages --json` wrote: explains receipts without signature.",
                "Datei, die `tse-gateway outages --json` geschrieben hat: erklärt Belege ohne Signatur.",
            )
        ),
    ] = None,
    html: HtmlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare a till's DSFinV-K export with what was signed. Row by row, both ways; signatures are checked by `verify`.

    Exit status: 0 in order or notes only, 1 warnings, 2 differences or not comparable.

    Example: tse-gateway reconcile export.tar --dsfinvk dsfinvk

    Deutsch: Den DSFinV-K-Export einer Kasse mit dem vergleichen, was signiert wurde. Zeile für Zeile, in beide
    Richtungen; die Signaturen prüft `verify`.

    Exit-Status: 0 in Ordnung oder nur Hinweise, 1 Warnungen, 2 Unterschiede oder nicht vergleichbar.
    """
    locale = Locale(spoken(context))

    def work() -> int:
        from gateway.cli.progress import checking
        from gateway.verify import reconcile as comparison
        from gateway.verify.report import reconciled_as_data
        from gateway.verify.sections import reconcile_section

        report = Report(locale, as_json=as_json, html=html)
        known = [] if outages is None else comparison.load_outages(outages)
        with checking() as advance:
            found = comparison.reconcile(exports, dsfinvk, outages=known, **limits, progress=advance)
        report.add(reconcile_section(found, str(dsfinvk), locale))
        report.end(reconciled_as_data(found, locale.language))
        return exit_status(found.findings)

    limits = {
        "since": unix_time(since, end=False) if since else None,
        "until": unix_time(until, end=True) if until else None,
    }
    raise typer.Exit(concluded(locale, work))
