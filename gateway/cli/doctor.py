"""`doctor`: what is wrong, in which layer, and what helps."""

import asyncio
from typing import TYPE_CHECKING

import typer

from gateway.cli.base import Cli, command
from gateway.cli.formatting import short
from gateway.i18n.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.checks import CheckResult

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red", "unknown": "dim"}
_STATUSES = {
    "ok": Text("ok", "gut"),
    "warn": Text("warn", "Warnung"),
    "fail": Text("FAIL", "FEHLER"),
    "unknown": Text("unknown", "unbekannt"),
}
_HEADS = (Text("layer", "Schicht"), "TSE", Text("status", "Status"), Text("finding", "Befund"))


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
    from gateway.checks import SUMMARIES, exit_status

    results = asyncio.run(examine(cli))
    status = exit_status(results)
    if cli.as_json:
        cli.print_json({"status": status, "findings": [result.as_data(cli.language) for result in results]})
    else:
        _show(cli, results)
        cli.say(SUMMARIES[status])
    raise typer.Exit(status)


async def examine(cli: Cli) -> "list[CheckResult]":
    """Examine the gateway that the options name, or that of this machine."""
    from gateway.app import standalone
    from gateway.doctor import examination

    if cli.url:
        return await examination.there(cli.remote())
    return await examination.here(cli.settings(), examination.Machine(standalone=standalone.serving))


def _show(cli: Cli, results: "Sequence[CheckResult]") -> None:
    from rich.text import Text as Styled

    from gateway.checks import LAYERS

    rows = []
    for result in results:
        remedy = result.remedy_in(cli.language)
        text = Styled(result.text_in(cli.language) + (f"\n→ {remedy}" if remedy else ""))
        status = Styled(cli.text(_STATUSES[result.status]), style=_STYLES[result.status])
        rows.append((cli.text(LAYERS[result.layer]), short(result.serial), status, text))
    cli.table(_HEADS, rows)
