"""`archive audit` and `archive restore`: what lies at a target beyond this machine, read without any gateway."""

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.base import Cli, TseName
from gateway.cli.formatting import short
from gateway.cli.help import both
from gateway.cli.output import OutputFolder
from gateway.errors import ConfigurationError
from gateway.i18n.text import Text

if TYPE_CHECKING:
    from gateway.archive.targets.audit import TseAudit
    from gateway.archive.targets.stored import Connect

TargetName = Annotated[
    str,
    typer.Option(
        "--target",
        help=both(
            "Name of the target in the settings; needed only if there are several.",
            "Name des Ziels in den Einstellungen; nur nötig, wenn es mehrere gibt.",
        ),
    ),
]
_HEADS = (
    Text("site", "Filiale"),
    "TSE",
    Text("ready", "übergabebereit"),
    Text("complete until", "vollständig bis"),
    Text("signatures", "Signaturen"),
    Text("verified", "geprüft"),
    Text("certificate until", "Zertifikat bis"),
    Text("gaps and faults", "Lücken und Fehler"),
)
_YES, _NO = Text("yes", "ja"), Text("no", "nein")
_NOTHING = Text("the target holds no archive", "das Ziel enthält kein Archiv")
_SUM = Text("{ready} of {count} TSEs ready to hand over", "{ready} von {count} TSEs übergabebereit")
_NO_TARGETS = Text(
    "the settings name no archive target: see docs/administrators/archive-targets.md",
    "die Einstellungen nennen kein Ziel für Archive: siehe docs/de/archiv-ausser-haus.md",
)
_WHICH = Text("name one of the targets with --target: {names}", "eines der Ziele mit --target nennen: {names}")
_AUDITING, _RESTORING = Text("manifests", "Manifeste"), Text("restoring", "Wiederherstellung")
_RESTORED = Text(
    "{folder}: {segments} segments, {size} bytes, up to signature {counter}",
    "{folder}: {segments} Segmente, {size} Bytes, bis Signatur {counter}",
)
_FAULT = Text("not as it was written: {fault}", "nicht wie geschrieben: {fault}")


def audit(
    cli: Cli,
    tse: TseName = "",
    *,
    target: TargetName = "",
    read: Annotated[
        bool,
        typer.Option(
            "--read",
            help=both(
                "Read and hash every segment, not only its manifest.",
                "Jedes Segment lesen und seine Prüfsumme bilden, nicht nur das Manifest.",
            ),
        ),
    ] = False,
) -> None:
    """Say for each TSE at a target until when it is complete, what is missing, and whether it can be handed over.

    Needs no gateway: a file with [[archive_targets]] is enough (--config). Exit status: 0 all are ready, 1 not.

    Example: tse-gateway archive audit --config fleet.toml

    Deutsch: Für jede TSE an einem Ziel sagen, bis wann sie vollständig ist, was fehlt, und ob sie übergeben werden
    kann.

    Braucht kein Gateway: eine Datei mit [[archive_targets]] genügt (--config). Exit-Status: 0 alle sind bereit, 1
    nicht.
    """
    from gateway.archive.targets.audit import audit as audited
    from gateway.cli.progress import checking

    connect = _connect(cli, target)
    with checking() as bar:
        title = cli.text(_AUDITING)
        found = list(audited(connect, tse.upper(), read=read, progress=lambda done, of: bar(title, done, of)))
    if cli.as_json:
        cli.print_json([one.model_dump(mode="json") for one in found])
    elif found:
        cli.table(_HEADS, (_row(cli, one) for one in found))
        cli.say(_SUM, ready=sum(one.ready for one in found), count=len(found))
    else:
        cli.say(_NOTHING)
    raise typer.Exit(int(not found or not all(one.ready for one in found)))


def restore(
    cli: Cli,
    tse: TseName = "",
    *,
    output: OutputFolder,
    target: TargetName = "",
) -> None:
    """Bring the archive of a TSE back from a target, on a machine that has nothing else. One that broke off goes on.

    Example: tse-gateway archive restore --config fleet.toml -o restored

    Deutsch: Das Archiv einer TSE von einem Ziel zurückholen, auf einen Rechner, der sonst nichts hat. Nach einem
    Abbruch geht es weiter.
    """
    from gateway.archive.targets.restore import restore_archive
    from gateway.cli.progress import transfer

    connect = _connect(cli, target)
    with transfer(cli.text(_RESTORING), None) as bar:
        restored = restore_archive(connect, tse, output, bar.at)
    if cli.as_json:
        cli.print_json(
            [
                {
                    "directory": str(it.directory),
                    "segments": it.segments,
                    "bytes": it.bytes,
                    "faults": [*map(str, it.faults)],
                }
                for it in restored
            ]
        )
    for it in restored:
        cli.say(_RESTORED, folder=it.directory, segments=it.segments, size=it.bytes, counter=it.last_counter)
        for fault in it.faults:
            cli.note(_FAULT, fault=fault)
    raise typer.Exit(int(any(it.faults for it in restored)))


def _connect(cli: Cli, name: str) -> "Connect":
    """Return what connects to the target with this name, or to the only one."""
    from gateway.archive.targets.connect import target_of

    known = cli.settings().archive_targets
    if not known:
        raise ConfigurationError(_NO_TARGETS)
    chosen = [target for target in known if target.name == name or (not name and len(known) == 1)]
    if not chosen:
        raise ConfigurationError(_WHICH, names=", ".join(target.name for target in known))
    return partial(target_of, chosen[0])


def _row(cli: Cli, audited: "TseAudit") -> tuple[object, ...]:
    ends = min((certificate.not_after for certificate in audited.certificates), default=None)
    return (
        audited.site,
        short(audited.serial),
        cli.text(_YES if audited.ready else _NO),
        _moment(cli, audited.complete_until),
        "" if audited.first_counter is None else f"{audited.first_counter} - {audited.last_counter}",
        _moment(cli, audited.verified),
        "" if ends is None else cli.locale.date(ends.timestamp()),
        "; ".join([*audited.gaps, *map(cli.text, audited.faults)]),
    )


def _moment(cli: Cli, moment: datetime | None) -> str:
    return "" if moment is None else cli.locale.time(moment.timestamp())
