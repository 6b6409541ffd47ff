"""`receipts`: the transactions of a TSE."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gateway.cli.base import Cli, ClientOption, Since, TseName, Until, command
from gateway.cli.help import both
from gateway.i18n.text import Text

if TYPE_CHECKING:
    from gateway.client.api import Api

_HEADS = (
    Text("number", "Nummer"),
    Text("till", "Kasse"),
    Text("type", "Art"),
    Text("began", "Beginn"),
    Text("ended", "Ende"),
)
_NONE = Text("no receipt was found", "kein Beleg wurde gefunden")
_OPEN = Text("open", "offen")
_PAGE = 100  # of one request


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "receipts")(receipts)


def receipts(
    cli: Cli,
    tse: TseName = "",
    *,
    since: Since = "",
    until: Until = "",
    client: ClientOption = "",
    state: Annotated[
        Literal["", "open", "finished"],
        typer.Option(help=both("Only those in this state.", "Nur solche in diesem Zustand.")),
    ] = "",
    most: Annotated[int, typer.Option(min=1, help=both("How many at most.", "Wie viele höchstens."))] = 20,
) -> None:
    """List receipts, the newest first. `qr` shows the code of one.

    Example: tse-gateway receipts --from 2026-01-01 --client POS-1

    Deutsch: Belege auflisten, die neuesten zuerst. `qr` zeigt den Code eines Belegs.
    """
    wanted = {"from": since, "to": until, "client_id": client, "state": state}
    given = {name: value for name, value in wanted.items() if value}

    async def work(api: "Api", path: str) -> list[Any]:
        found: list[Any] = []
        cursor: dict[str, str] = {}
        while len(found) < most:
            limit = min(_PAGE, most - len(found))
            page = await api.get(f"{path}/transactions", **given, **cursor, limit=limit)
            found += page["transactions"]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        return found

    found = cli.ask_tse(tse, work)
    if cli.as_json:
        cli.print_json(found)
    elif found:
        cli.table(_HEADS, [_row(cli, receipt) for receipt in found])
    else:
        cli.say(_NONE)


def _row(cli: Cli, receipt: dict[str, Any]) -> tuple[object, ...]:
    began, ended = receipt["start_time"], receipt["end_time"]
    return (
        receipt["transaction_number"],
        receipt["client_id"],
        receipt["process_type"],
        cli.moment(began),
        cli.moment(ended) or cli.text(_OPEN),
    )
