"""`locks`: who holds the TSEs, and how an operator takes one back."""

from typing import TYPE_CHECKING, Any

import typer

from gateway.cli.base import Cli, TseName, command
from gateway.cli.formatting import short
from gateway.cli.help import both
from gateway.i18n.text import Text

if TYPE_CHECKING:
    from gateway.client.api import Api

_HEADS = (
    Text("TSE", "TSE"),
    Text("held by", "belegt von"),
    Text("client", "Kasse"),
    Text("seconds", "Sekunden"),
    Text("last command", "letzter Befehl"),
    Text("silent for (s)", "still seit (s)"),
    Text("waiting", "warten"),
)
_TILL_HEADS = (
    Text("client", "Kasse"),
    Text("token", "Token"),
    Text("address", "Adresse"),
    Text("does", "tut"),
    Text("since", "seit"),
    Text("place", "Platz"),
    Text("last command", "letzter Befehl"),
    Text("last receipt", "letzter Beleg"),
)
_STATES = {
    "holds": Text("holds it", "belegt sie"),
    "reads": Text("reads", "liest"),
    "waits": Text("waits", "wartet"),
    "idle": Text("sold before", "hat verkauft"),
}
_NONE = Text("no TSE is held", "keine TSE ist belegt")
_GATEWAY = Text("the gateway", "das Gateway")
_RELEASED = Text("the lock was taken from {holder}", "die Sperre wurde {holder} entzogen")
_FREE = Text("nobody holds this TSE", "niemand belegt diese TSE")


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help=both("Who holds the TSEs.", "Wer die TSEs hält."), no_args_is_help=True)
    command(group, "list")(listed)
    command(group, "show")(show)
    command(group, "release")(release)
    app.add_typer(group, name="locks")


def listed(cli: Cli) -> None:
    """List the TSEs that somebody holds, by whom, and since when.

    Example: tse-gateway locks list

    Deutsch: Die TSEs auflisten, die jemand hält, wer, und seit wann.
    """
    held = [tse for tse in cli.ask(lambda api: api.get("/tses")) if tse["lock"] is not None]
    if cli.as_json:
        cli.print_json(
            [{"serial": tse["serial"], "waiting_clients": tse["waiting_clients"], **tse["lock"]} for tse in held]
        )
    elif held:
        cli.table(_HEADS, [_row(cli, tse) for tse in held])
    else:
        cli.say(_NONE)


def show(cli: Cli, tse: TseName = "") -> None:
    """Show a TSE's tills: who holds it, who waits at which place, since when, and who sold before.

    Example: tse-gateway locks show

    Deutsch: Die Kassen einer TSE zeigen: wer sie hält, wer an welcher Stelle wartet, seit wann, und wer vorher verkauft
    hat.
    """

    async def work(api: "Api", base: str) -> Any:
        return await api.get(f"{base}/lock")

    found = cli.ask_tse(tse, work)
    if cli.as_json:
        cli.print_json(found)
    else:
        cli.table(_TILL_HEADS, [_till(cli, till) for till in found["tills"]])


def release(cli: Cli, tse: TseName = "") -> None:
    """Take the lock of a TSE from whoever holds it. What that till left unfinished is aborted.

    Example: tse-gateway locks release

    Deutsch: Die Sperre einer TSE ihrem Halter wegnehmen. Was jene Kasse unfertig ließ, wird abgebrochen.
    """

    async def work(api: "Api", base: str) -> Any:
        return (await api.post(f"{base}/lock/release", {}))["released"]

    found = cli.ask_tse(tse, work)
    if cli.as_json:
        cli.print_json(found)
    elif found is None:
        cli.say(_FREE)
    else:
        cli.say(_RELEASED, holder=_holder(cli, found))


def _row(cli: Cli, tse: dict[str, Any]) -> tuple[object, ...]:
    lock = tse["lock"]
    return (
        short(tse["serial"]),
        _holder(cli, lock),
        lock["client_id"],
        round(lock["held_seconds"]),
        lock["last_command"],
        round(lock["last_request_seconds"]),
        tse["waiting_clients"],
    )


def _till(cli: Cli, till: dict[str, Any]) -> tuple[object, ...]:
    return (
        till["client_id"],
        till["token"],
        _holder(cli, till),
        cli.text(_STATES[till["state"]]),
        cli.moment(till["since"]),
        till["place"] or "",
        till["last_command"],
        cli.moment(till["last_receipt"]),
    )


def _holder(cli: Cli, lock: dict[str, Any]) -> str:
    return str(lock["peer"]) or cli.text(_GATEWAY)
