"""`pool`: TSEs that stand in for each other, which of them serves, and that each knows all clients."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import secrets
from gateway.cli.base import Cli, TseName, command
from gateway.cli.formatting import short
from gateway.cli.help import both
from gateway.cli.secrets import AdminPinFile, RiskLockout, Secrets
from gateway.errors import ConfigurationError
from gateway.i18n.text import Text

if TYPE_CHECKING:
    from gateway.client.api import Api

_HEADS = (
    "TSE",
    Text("role", "Rolle"),
    Text("serves", "im Dienst"),
    Text("can sign", "kann signieren"),
    Text("missing clients", "fehlende Kassen"),
)
_ROLES = {"primary": Text("primary", "Haupt-TSE"), "standby": Text("standby", "Ersatz-TSE")}
_YES, _NO = Text("yes", "ja"), Text("no", "nein")
_SINCE = Text(
    "a standby serves since {time}; back: `tse-gateway pool use`, or the next night",
    "eine Ersatz-TSE ist seit {time} im Dienst; zurück: `tse-gateway pool use`, oder die nächste Nacht",
)
_SERVES = Text("TSE {serial} serves", "TSE {serial} ist im Dienst")
_PIN_OF = Text("Admin PIN of TSE {serial}", "Admin-PIN der TSE {serial}")
_REGISTERED = Text("TSE {serial}: registered {names}", "TSE {serial}: angemeldet {names}")
_COMPLETE = Text("TSE {serial}: knows all clients", "TSE {serial}: kennt alle Kassen")
_NO_PRIMARY = Text(
    "the primary {serial} cannot be asked: plug it in, or register the clients one by one with "
    "`tse-gateway clients register`",
    "die Haupt-TSE {serial} kann nicht gefragt werden: einstecken, oder die Kassen einzeln anmelden mit "
    "`tse-gateway clients register`",
)
StandbyPinFile = Annotated[
    Path | None,
    secrets.secret_file(
        "standby-admin-pin",
        Text("the Admin PIN of the standbys, if it is another", "der Admin-PIN der Ersatz-TSEs, falls anders"),
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        help=both("TSEs that stand in for each other.", "TSEs, die füreinander einspringen."), no_args_is_help=True
    )
    for name, function in (("show", show), ("use", use), ("register", register)):
        command(group, name)(function)
    app.add_typer(group, name="pool")


def show(cli: Cli) -> None:
    """Show primary and standbys, which of them serves, and whether the others could.

    Example: tse-gateway pool show

    Deutsch: Die erste TSE und ihre Vertreter zeigen, welche davon arbeitet, und ob die anderen es könnten.
    """
    found = cli.ask(lambda api: api.get("/pool"), without_tse=True)
    if cli.as_json:
        cli.print_json(found)
        return
    cli.table(_HEADS, [_row(cli, tse) for tse in found["tses"]])
    if found["standby_since"]:
        cli.say(_SINCE, time=cli.moment(found["standby_since"]))


def use(cli: Cli, tse: TseName = "") -> None:
    """Let a TSE of the pool serve; without a serial go back to the primary.

    Example: tse-gateway pool use

    Deutsch: Eine TSE des Pools arbeiten lassen; ohne Seriennummer zurück zur ersten.
    """

    async def work(api: "Api") -> Any:
        serials = [str(member["serial"]) for member in (await api.get("/pool"))["tses"]]
        return await api.post("/pool/use", {"serial": cli.chosen(tse, serials) if tse else serials[0]})

    found = cli.ask(work)
    if cli.as_json:
        cli.print_json(found)
    else:
        cli.say(_SERVES, serial=found["serving"])


def register(
    cli: Cli, admin_pin_file: AdminPinFile = None, standby_pin_file: StandbyPinFile = None, *, risk: RiskLockout = False
) -> None:
    """Register the clients of the primary with each standby, so that tills can sign there.

    Example: tse-gateway pool register --admin-pin-file admin_pin

    Deutsch: Die Clients der ersten TSE bei jedem Vertreter anmelden, damit Kassen dort signieren können.
    """

    def pin_of(serial: str, file: Path | None) -> dict[str, object]:
        name = cli.text(_PIN_OF, serial=short(serial))
        pin = Secrets(cli.text).known(Text(name, name), file, secrets.PIN_LENGTH)
        return {"admin_pin": pin, "risk_lockout": risk}

    async def work(api: "Api") -> dict[str, list[str]]:
        primary, *standbys = (await api.get("/pool"))["tses"]
        serial = str(primary["serial"])
        if serial not in {tse["serial"] for tse in await api.get("/tses") if tse["state"] != "failed"}:
            raise ConfigurationError(_NO_PRIMARY, serial=short(serial))
        wanted = (await api.post(f"/tses/{serial}/clients/list", pin_of(serial, admin_pin_file)))["client_ids"]
        return {str(standby["serial"]): await complete(api, str(standby["serial"]), wanted) for standby in standbys}

    async def complete(api: "Api", serial: str, wanted: list[str]) -> list[str]:
        body, base = pin_of(serial, standby_pin_file), f"/tses/{serial}/clients"
        known = set((await api.post(f"{base}/list", body))["client_ids"])
        missing = [client for client in wanted if client not in known]
        for client in missing:
            await api.post(f"{base}/register", {**body, "client_id": client})
        return missing

    found = cli.ask(work)
    if cli.as_json:
        cli.print_json(found)
        return
    for serial, names in found.items():
        if names:
            cli.say(_REGISTERED, serial=short(serial), names=", ".join(names))
        else:
            cli.say(_COMPLETE, serial=short(serial))


def _row(cli: Cli, tse: dict[str, Any]) -> tuple[object, ...]:
    serves, ready = (cli.text(_YES if tse[name] else _NO) for name in ("serves", "ready"))
    return (short(tse["serial"]), cli.text(_ROLES[tse["role"]]), serves, ready, tse["missing_clients"] or "")
