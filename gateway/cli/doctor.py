"""`doctor`: what is wrong, in which layer, and what helps."""

import asyncio
from typing import TYPE_CHECKING

import typer

from gateway.cli.base import Cli, command
from gateway.i18n.text import Language, Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.doctor.results import CheckResult

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red", "unknown": "dim"}
_STATUSES = {
    "ok": Text("ok", "gut"),
    "warn": Text("warn", "Warnung"),
    "fail": Text("FAIL", "FEHLER"),
    "unknown": Text("unknown", "unbekannt"),
}
_HEADS = (Text("layer", "Schicht"), "TSE", Text("status", "Status"), Text("finding", "Befund"))
_SUMMARIES = {
    0: Text("everything that could be examined is in order", "alles, was sich untersuchen ließ, ist in Ordnung"),
    1: Text("warnings: please look at them", "Warnungen: bitte ansehen"),
    2: Text(
        "something does not work or must be done now: begin with the first one",
        "etwas funktioniert nicht oder ist jetzt zu tun: beim Ersten beginnen",
    ),
}


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "doctor")(doctor)


def doctor(cli: Cli) -> None:
    """Tell what is wrong and what helps. From the USB port to the clock, also without a gateway; changes nothing.

    Exit status: 0 in order, 1 warnings, 2 something does not work or must be done now.

    Example: tse-gateway doctor --language de

    Deutsch: Sagen, was nicht stimmt und was hilft. Von der USB-Buchse bis zur Uhr, auch ohne Gateway; ändert nichts.

    Exit-Status: 0 in Ordnung, 1 Warnungen, 2 etwas geht nicht oder muss jetzt getan werden.
    """
    from gateway.doctor.results import exit_status

    results = asyncio.run(examine(cli))
    status = exit_status(results)
    if cli.as_json:
        cli.print_json({"status": status, "findings": [as_data(result, cli.language) for result in results]})
    else:
        _show(cli, results)
        cli.say(_SUMMARIES[status])
    raise typer.Exit(status)


async def examine(cli: Cli) -> "list[CheckResult]":
    """Examine the gateway that the options name, or that of this machine."""
    from gateway.doctor import examination

    return await (examination.there(cli.remote()) if cli.url else examination.here(cli.settings()))


def as_data(result: "CheckResult", language: Language) -> dict[str, str]:
    """Return a result as JSON data; layer and verdict are stable, the texts are not."""
    return {
        "layer": result.layer.value,
        "tse": result.serial,
        "verdict": result.status.value,
        "text": result.text_in(language),
        "remedy": result.remedy_in(language),
    }


def _show(cli: Cli, results: "Sequence[CheckResult]") -> None:
    from rich.text import Text as Styled

    from gateway.doctor.results import LAYERS

    rows = []
    for result in results:
        remedy = result.remedy_in(cli.language)
        text = Styled(result.text_in(cli.language) + (f"\n→ {remedy}" if remedy else ""))
        status = Styled(cli.text(_STATUSES[result.status]), style=_STYLES[result.status])
        rows.append((cli.text(LAYERS[result.layer]), result.serial[:8], status, text))
    cli.table(_HEADS, rows)
