"""`doctor`: what is wrong, in which layer, and what helps."""

import asyncio
from typing import TYPE_CHECKING

import typer

from gateway.cli.base import Cli, command
from gateway.errors import ConfigurationError
from gateway.i18n.text import Language, Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.doctor.findings import Finding

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red", "unknown": "dim"}
_VERDICTS = {
    "ok": Text("ok", "gut"),
    "warn": Text("warn", "Warnung"),
    "fail": Text("FAIL", "FEHLER"),
    "unknown": Text("unknown", "unbekannt"),
}
_HEADS = (Text("layer", "Schicht"), "TSE", Text("verdict", "Urteil"), Text("finding", "Befund"))
_OUTCOMES = {
    0: Text("everything that could be looked at is well", "alles, was sich ansehen ließ, ist in Ordnung"),
    1: Text("warnings: a person should look", "Warnungen: ein Mensch sollte nachsehen"),
    2: Text("something does not work: begin with the first one", "etwas funktioniert nicht: beim Ersten beginnen"),
}


def add_to(app: typer.Typer) -> None:
    """Its command."""
    command(app, "doctor")(doctor)


def doctor(cli: Cli) -> None:
    """Tell what is wrong and what helps. From the USB socket to the clock, also without a gateway; changes nothing.

    Exit status: 0 well, 1 warnings, 2 something does not work.

    Example: tse-gateway doctor --language de
    """
    from gateway.doctor.findings import exit_status

    found = asyncio.run(examined(cli))
    status = exit_status(found)
    if cli.as_json:
        cli.print_json({"status": status, "findings": [as_data(finding, cli.language) for finding in found]})
    else:
        _show(cli, found)
        cli.say(_OUTCOMES[status])
    raise typer.Exit(status)


async def examined(cli: Cli) -> "list[Finding]":
    """The gateway that the options name, or that of this machine."""
    from gateway.client.api import Remote
    from gateway.doctor import examination

    if not cli.url:
        return await examination.here(cli.settings())
    if cli.token_file is None:
        raise ConfigurationError("--url needs --token-file with the API token of that gateway")
    return await examination.there(Remote(cli.url, cli.token_file, cli.ca, cli.fingerprint))


def as_data(finding: "Finding", language: Language) -> dict[str, str]:
    """For programs; layer and verdict are stable, the texts are not."""
    return {
        "layer": finding.layer.value,
        "tse": finding.serial,
        "verdict": finding.verdict.value,
        "text": finding.told(language),
        "remedy": finding.advice(language),
    }


def _show(cli: Cli, found: "Sequence[Finding]") -> None:
    from rich.text import Text as Styled

    from gateway.doctor.findings import LAYERS

    rows = []
    for finding in found:
        advice = finding.advice(cli.language)
        told = Styled(finding.told(cli.language) + (f"\n→ {advice}" if advice else ""))
        verdict = Styled(cli.text(_VERDICTS[finding.verdict]), style=_STYLES[finding.verdict])
        rows.append((cli.text(LAYERS[finding.layer]), finding.serial[:8], verdict, told))
    cli.table(_HEADS, rows)
