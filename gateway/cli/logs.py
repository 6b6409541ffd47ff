"""`logs`: what the gateway logged in the last hour."""

import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gateway.cli.base import Cli, command
from gateway.cli.formatting import printable, wrapped
from gateway.cli.help import both
from gateway.i18n.text import Text

if TYPE_CHECKING:
    from gateway.client.api import Api

_NONE = Text("nothing was logged in the last hour", "in der letzten Stunde wurde nichts aufgezeichnet")


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "logs")(logs)


def logs(
    cli: Cli,
    *,
    level: Annotated[
        Literal["info", "warning", "error"], typer.Option(help=both("From this level on.", "Ab dieser Stufe."))
    ] = "info",
) -> None:
    """Show what the gateway logged in the last hour. No PIN, PUK, token or session is in it.

    Example: tse-gateway logs --level warning

    Deutsch: Zeigen, was das Gateway in der letzten Stunde geloggt hat. Keine PIN, PUK, kein Token, keine Sitzung steht
    darin.
    """

    async def work(api: "Api") -> Any:
        return await api.get("/log", level=level.upper())

    found = cli.ask(work, without_tse=True)
    if cli.as_json:
        cli.print_json(found)
    elif not found["lines"]:
        cli.say(_NONE)
    else:
        for line in found["lines"]:
            told = f"{cli.moment(line['at'])} {line['level']:7} {printable(line['message'])}"
            print(wrapped(told, sys.stdout))
