"""`verify`: check exports, log messages and receipt codes, and print a report; the exit status tells how bad it is."""

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.base import JsonOption
from gateway.cli.findings import CLEAN, ERRORS, HtmlOption, Report, concluded, exit_status
from gateway.cli.help import both, spoken
from gateway.errors import ConfigurationError
from gateway.i18n.locales import Locale
from gateway.i18n.negotiation import from_locale
from gateway.i18n.text import Language, Text

if TYPE_CHECKING:
    from gateway.verify.files import Options
    from gateway.verify.findings import FileReport
    from gateway.verify.revocation import Revocation
    from gateway.verify.trust import Certificates


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("verify")(verify)


def verify(
    context: typer.Context,
    files: Annotated[
        list[str],
        typer.Argument(
            help=both(
                "Exports, log messages, certificates, or a receipt code V0;...",
                "Exporte, Log-Nachrichten, Zertifikate, oder ein Beleg-Code V0;...",
            )
        ),
    ],
    trust: Annotated[
        list[Path] | None,
        typer.Option(
            help=both(
                "CA certificates: a file, or a directory with such; may be repeated.",
                "CA-Zertifikate: eine Datei oder ein Verzeichnis mit solchen; mehrfach möglich.",
            )
        ),
    ] = None,
    *,
    crl: Annotated[
        list[Path] | None,
        typer.Option(
            help=both(
                "Revocation lists of the CAs, not older than a day: a file, or a directory; may be repeated.",
                "Sperrlisten der CAs, nicht älter als ein Tag: eine Datei oder ein Verzeichnis; mehrfach möglich.",
            )
        ),
    ] = None,
    fetch_crls: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help=both(
                "Fetch revocation lists that certificates below --trust name; DIR keeps them.",
                "Sperrlisten holen, die Zertifikate unter --trust nennen; DIR bewahrt sie auf.",
            ),
        ),
    ] = None,
    complete: Annotated[
        bool,
        typer.Option(
            "--complete",
            help=both(
                "These are full exports: messages that are missing are errors.",
                "Dies sind ganze Exporte: fehlende Nachrichten sind Fehler.",
            ),
        ),
    ] = False,
    html: HtmlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check exports, messages, receipt codes. Of any vendor's TSE: signatures, chains, counters, times.

    Exit status: 0 in order or notes only, 1 warnings or revocation not checked, 2 errors or not checkable.

    Example: tse-gateway verify export.tar --trust ca.pem --fetch-crls lists

    Deutsch: Exporte, Nachrichten, Beleg-Codes prüfen. Von TSEs aller Hersteller: Signaturen, Ketten, Zähler, Zeiten.

    Exit-Status: 0 in Ordnung oder nur Hinweise, 1 Warnungen oder Sperrung ungeprüft, 2 Fehler oder nicht prüfbar.
    """
    status = verify_files(
        files,
        trust=trust or [],
        crl=crl or [],
        fetch_into=fetch_crls,
        language=spoken(context),
        as_json=as_json,
        complete=complete,
        html=html,
    )
    raise typer.Exit(status)


def verify_files(
    paths: Sequence[str],
    *,
    trust: Sequence[Path] = (),
    crl: Sequence[Path] | None = None,
    fetch_into: Path | None = None,
    now: datetime | None = None,
    language: Language | None = None,
    as_json: bool = False,
    complete: bool = False,
    html: Path | None = None,
    processes: int = 0,
) -> int:
    """Check files, print the report, and return the exit status.

    `paths` may hold a receipt code (`V0;...`) instead of a file. Certificate files among them give keys to the others.
    `trust`: files and directories of CA certificates. `crl`: the same of revocation lists, which must be current at the
    moment `now`; `None`: the caller does not ask about revocation, and it is no warning that it was not checked.
    `fetch_into`: a directory for lists that are fetched from the network.
    `complete`: missing messages are errors, for the files are said to be full exports. `processes` 0: one per core.
    `html`: a file for the report as a page.

    0: nothing, or notes. 1: warnings. 2: errors, or it could not be checked. 130: Ctrl-C.
    """
    locale = Locale(language or from_locale(os.environ))

    def work() -> int:
        from gateway.verify.files import Options, certificates_in
        from gateway.verify.report import as_data
        from gateway.verify.sections import section_of
        from gateway.verify.trust import load_trust

        report = Report(locale, as_json=as_json, html=html)
        anchors = load_trust(trust)
        revocation = None if crl is None else _revocation(crl, fetch_into, anchors, now or datetime.now(UTC))
        found = []
        for one in _verified(paths, Options(certificates_in(paths), anchors, revocation, complete, processes)):
            found.append(one)
            report.add(section_of(one, locale))
        report.end([as_data(one, locale.language) for one in found])
        return max((exit_status(one.findings) for one in found), default=CLEAN)

    return concluded(locale, work)


def _revocation(
    crl: Sequence[Path], fetch_into: Path | None, anchors: "Certificates | None", now: datetime
) -> "Revocation":
    from gateway.verify.fetching import ListFetcher
    from gateway.verify.revocation import load_revocation

    if fetch_into is None:
        return load_revocation(crl, now)
    if anchors is None:
        raise ConfigurationError(
            Text(
                "--fetch-crls needs --trust: addresses in certificates of strangers are not asked",
                "--fetch-crls braucht --trust: Adressen aus Zertifikaten Fremder werden nicht gefragt",
            )
        )
    return load_revocation(crl, now, ListFetcher(fetch_into, anchors, now))


def export_is_valid(path: Path) -> bool:
    """Check a full export, without a report; True when it has no errors and no message is missing."""
    from gateway.verify.files import Options, certificates_in

    options = Options(certificates_in([str(path)]), complete=True)
    return max(exit_status(report.findings) for report in _verified([str(path)], options)) < ERRORS


def _verified(paths: Sequence[str], options: "Options") -> "Iterator[FileReport]":
    """Check all files, one after the other; the bar of each is gone when its report comes."""
    from gateway.cli.progress import checking
    from gateway.verify.files import verify_file

    for path in paths:
        with checking() as advance:
            report = verify_file(path, options, partial(advance, path))
        yield report
