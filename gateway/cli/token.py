"""`token`: tokens with names and roles, and how they are replaced while tills sell."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gateway.cli import completion
from gateway.cli.base import Cli, command
from gateway.cli.help import both
from gateway.i18n.text import Text

if TYPE_CHECKING:
    from gateway.client.api import Api

_DAY = 86_400
_HEADS = (
    "name",
    Text("role", "Rolle"),
    Text("for TSEs", "für TSEs"),
    Text("for clients", "für Kassen"),
    Text("ends", "Ende"),
    Text("last use", "zuletzt"),
    Text("from", "von"),
    Text("older until", "ältere bis"),
    Text("still with an older one", "noch mit einem älteren"),
)
_MADE = Text("The token {name}; it is not shown again:", "Das Token {name}; es wird nicht noch einmal angezeigt:")
_MADE_LAN = Text("The token {name}; session.txt shows it, too:", "Das Token {name}; es steht auch in session.txt:")
_COST = Text("It is short: {cost}", "Es ist kurz: {cost}")
_LATE = Text("still with an older token:", "noch mit einem älteren Token:")
_REVOKED = Text("the token {name} counts no more", "das Token {name} gilt nicht mehr")
_OLD_REVOKED = Text("only the present token {name} counts from now on", "nur noch das jetzige Token {name} gilt")

Name = Annotated[
    str,
    typer.Argument(
        autocompletion=completion.tokens,
        help=both("Name of the token; lan is that of session.txt.", "Name des Tokens; lan ist das aus session.txt."),
    ),
]
Digits = Annotated[
    int | None,
    typer.Option(
        help=both(
            "Digits of the token, 6 at least; 0: a long one. Without it 10 for tills, else long.",
            "Ziffern des Tokens, mindestens 6; 0: ein langes. Ohne Angabe 10 für Kassen, sonst ein langes.",
        )
    ),
]
RoleName = Literal["till", "operator", "auditor", "monitor"]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help=both("Tokens: who may ask for what.", "Token: wer was darf."), no_args_is_help=True)
    command(group, "list")(listed)
    command(group, "show")(show)
    command(group, "add")(add)
    command(group, "rotate")(rotate)
    command(group, "revoke")(revoke)
    app.add_typer(group, name="token")


def listed(cli: Cli) -> None:
    """List the tokens, their last uses, and who still uses one that was replaced.

    Example: tse-gateway token list

    Deutsch: Die Token auflisten, ihre letzte Benutzung, und wer noch ein ersetztes benutzt.
    """
    found = cli.ask(lambda api: api.get("/tokens"), without_tse=True)["tokens"]
    if cli.as_json:
        cli.print_json(found)
    else:
        cli.table(_HEADS, [_row(cli, token) for token in found])


def show(cli: Cli, name: Name) -> None:
    """Show one token, and by client id or address who still uses one before it.

    Example: tse-gateway token show lan

    Deutsch: Ein Token zeigen, und nach Client-ID oder Adresse, wer noch ein früheres benutzt.
    """
    found = cli.ask(lambda api: api.get(f"/tokens/{name}"), without_tse=True)
    if cli.as_json:
        cli.print_json(found)
        return
    cli.table(_HEADS, [_row(cli, found)])
    rows = [(cli.moment(use["at"]), use["client_id"], use["address"]) for use in found["laggards"]]
    if rows:
        cli.say(_LATE)
        cli.table(("", "", ""), rows)


def add(
    cli: Cli,
    name: Name,
    *,
    role: Annotated[RoleName, typer.Option(help=both("What it is for.", "Wofür es ist."))] = "till",
    client: Annotated[
        list[str] | None,
        typer.Option(
            autocompletion=completion.clients,
            help=both(
                "A client id that it may act for; may be repeated.",
                "Eine Client-ID, für die es handeln darf; mehrfach möglich.",
            ),
        ),
    ] = None,
    tse: Annotated[
        list[str] | None,
        typer.Option(
            autocompletion=completion.serials,
            help=both("Beginning of a serial; may be repeated.", "Beginn einer Seriennummer; mehrfach möglich."),
        ),
    ] = None,
    ends: Annotated[
        str, typer.Option(help=both("When it ends: 2027-12-31T23:00:00Z.", "Wann es endet: 2027-12-31T23:00:00Z."))
    ] = "",
    digits: Digits = None,
) -> None:
    """Make a token and show it, this once.

    Example: tse-gateway token add kasse-1 --client POS-1

    Deutsch: Ein Token anlegen und zeigen, dieses eine Mal.
    """
    wanted = {"name": name, "role": role, "client_ids": client or [], "tses": tse or [], "digits": digits}
    if ends:
        wanted["ends"] = ends
    _say(cli, cli.ask(lambda api: api.post("/tokens", wanted), without_tse=True))


def rotate(
    cli: Cli,
    name: Name,
    days: Annotated[
        float,
        typer.Option(
            min=0,
            max=366,
            help=both(
                "For how many days the one before still counts; 0: it ends at once.",
                "Wie viele Tage das bisherige noch gilt; 0: es endet sofort.",
            ),
        ),
    ] = 7,
    digits: Digits = None,
) -> None:
    """Replace a token and show the new one. The one before counts for a while, so that tills change one by one.

    Example: tse-gateway token rotate lan --days 14

    Deutsch: Ein Token ersetzen und das neue zeigen. Das bisherige gilt noch eine Weile, damit Kassen nacheinander
    wechseln.
    """
    body = {"overlap_seconds": days * _DAY, "digits": digits}
    _say(cli, cli.ask(lambda api: api.post(f"/tokens/{name}/rotate", body), without_tse=True))


def revoke(
    cli: Cli,
    name: Name,
    *,
    old: Annotated[
        bool,
        typer.Option(
            "--old",
            help=both(
                "Only those that were replaced, not the present one.", "Nur die schon ersetzten, nicht das jetzige."
            ),
        ),
    ] = False,
) -> None:
    """End a token at once. That of session.txt cannot be revoked, only replaced.

    Example: tse-gateway token revoke kasse-1

    Deutsch: Ein Token sofort beenden. Das aus session.txt lässt sich nicht widerrufen, nur ersetzen.
    """

    async def work(api: "Api") -> Any:
        return await api.post(f"/tokens/{name}/revoke", {"old_only": old})

    found = cli.ask(work, without_tse=True)
    if cli.as_json:
        cli.print_json(found)
    else:
        cli.say(_OLD_REVOKED if old else _REVOKED, name=name)


def _say(cli: Cli, made: dict[str, Any]) -> None:
    if cli.as_json:
        cli.print_json(made)
        return
    from gateway.access.lan_token import cost_of
    from gateway.access.tokens import LAN

    cli.note(_MADE_LAN if made["name"] == LAN else _MADE, name=made["name"])
    print(made["token"])
    cost = cost_of(made["token"], language=cli.language)
    if cost is not None:
        cli.note(_COST, cost=cost)


def _row(cli: Cli, token: dict[str, Any]) -> tuple[object, ...]:
    use = token["last_use"] or {"at": None, "address": ""}
    return (
        token["name"],
        token["role"],
        ", ".join(token["tses"]),
        ", ".join(token["client_ids"]),
        cli.moment(token["ends"]),
        cli.moment(use["at"]),
        use["address"],
        cli.moment(max((old["ends"] for old in token["old"]), default="")),
        ", ".join(late["client_id"] or late["address"] for late in token["laggards"]),
    )
