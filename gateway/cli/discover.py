"""`discover`: the gateways of the network."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.base import Cli, command
from gateway.cli.help import both
from gateway.i18n.text import Text

if TYPE_CHECKING:
    from gateway.server.mdns import FoundGateway

_HEADS = (
    Text("site", "Betriebsstätte"),
    Text("address", "Adresse"),
    "port",
    Text("TSEs", "TSEs"),
    "version",
)
_NONE = Text(
    "no gateway answers: set GATEWAY_MDNS=true there, and ask in the same network",
    "kein Gateway antwortet: dort GATEWAY_MDNS=true setzen und im selben Netz fragen",
)


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "discover")(discover)


def discover(
    cli: Cli,
    seconds: Annotated[
        float,
        typer.Option(
            min=0.1,
            max=60,
            help=both("How long to wait for answers.", "Wie lange auf Antworten gewartet wird, in Sekunden."),
        ),
    ] = 3,
) -> None:
    """List the gateways of the network that announce themselves (GATEWAY_MDNS). Needs the extra mdns.

    Example: tse-gateway discover

    Deutsch: Die Gateways auflisten, die sich im Netz ankündigen (GATEWAY_MDNS). Braucht das Extra mdns.
    """
    from gateway.server import mdns

    found = asyncio.run(mdns.find(seconds))
    if cli.as_json:
        cli.print_json([asdict(gateway) for gateway in found])
    else:
        show_found(cli, found)


def show_found(cli: Cli, found: "Sequence[FoundGateway]") -> None:
    """Print the gateways, or what to do if there is none."""
    if not found:
        cli.say(_NONE)
        return
    rows = [(it.site, it.address, it.port, "" if it.tses is None else it.tses, it.version) for it in found]
    cli.table(_HEADS, rows)
