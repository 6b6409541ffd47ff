"""`audit`: what operators did."""

from typing import TYPE_CHECKING, Any

import typer

from gateway.cli.base import Cli, CsvOption, Since, Until, command
from gateway.cli.formatting import short, shown
from gateway.i18n.text import Text

if TYPE_CHECKING:
    from gateway.client.api import Api

_HEADS = (
    Text("time", "Zeit"),
    Text("who", "wer"),
    Text("from", "von"),
    Text("what", "was"),
    "TSE",
    Text("about", "betrifft"),
    Text("result", "Ergebnis"),
)
_NONE = Text("no act is recorded", "keine Handlung ist aufgezeichnet")


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "audit")(audit)


def audit(
    cli: Cli,
    *,
    since: Since = "",
    until: Until = "",
    as_csv: CsvOption = False,
) -> None:
    """Show what operators did. Who, from where, what, and how it ended.

    Example: tse-gateway audit --from 2026-01-01 --csv > audit.csv

    Deutsch: Zeigen, was Verwalter getan haben. Wer, von wo, was, und wie es ausging.
    """
    given = {name: value for name, value in {"from": since, "to": until}.items() if value}

    async def work(api: "Api") -> Any:
        return await api.get("/audit.csv" if as_csv else "/audit", **given)

    found = cli.ask(work, without_tse=True)
    if as_csv:
        print(found, end="")
    elif cli.as_json:
        cli.print_json(found)
    elif found["acts"]:
        cli.table(_HEADS, [_row(cli, act) for act in found["acts"]])
    else:
        cli.say(_NONE)


def _row(cli: Cli, act: dict[str, Any]) -> tuple[object, ...]:
    about = ", ".join(f"{name} {shown(value, cli.locale)}" for name, value in act["about"].items())
    return (
        cli.moment(act["at"]),
        act["who"],
        act["address"],
        act["act"],
        short(act["tse_serial"] or ""),
        about,
        act["result"],
    )
