"""`clients`: list, register and deregister the clients of a TSE, the names under which tills sign."""

from typing import Annotated

import typer

from gateway.cli import completion, secrets
from gateway.cli.base import Cli, TseName, command
from gateway.cli.help import both
from gateway.cli.secrets import AdminPinFile, RiskLockout, Secrets
from gateway.i18n.text import Text

_NONE = Text("no client is registered", "keine Kasse ist angemeldet")
_REGISTERED = Text("client {name} is registered", "Kasse {name} ist angemeldet")
_DEREGISTERED = Text("client {name} is deregistered", "Kasse {name} ist abgemeldet")
ClientName = Annotated[
    str,
    typer.Argument(
        metavar="CLIENT",
        autocompletion=completion.clients,
        help=both("The till's name, as the POS sends it.", "Der Name der Kasse, wie die Kassensoftware ihn sendet."),
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        help=both("The clients (tills) that a TSE knows.", "Die Clients (Kassen), die eine TSE kennt."),
        no_args_is_help=True,
    )
    for name, function in (("list", listed), ("register", register), ("deregister", deregister)):
        command(group, name)(function)
    app.add_typer(group, name="clients")


def listed(cli: Cli, tse: TseName = "", admin_pin_file: AdminPinFile = None, *, risk: RiskLockout = False) -> None:
    """List the registered clients. The TSE needs the Admin PIN for it and makes two signatures.

    Example: tse-gateway clients list --admin-pin-file admin_pin

    Deutsch: Die angemeldeten Clients auflisten. Die TSE braucht dafür die Admin-PIN und erstellt zwei Signaturen.
    """
    pin = Secrets(cli.text).known(secrets.ADMIN_PIN, admin_pin_file, secrets.PIN_LENGTH)
    body = {"admin_pin": pin, "risk_lockout": risk}
    found = cli.ask_tse(tse, lambda api, base: api.post(f"{base}/clients/list", body))
    if cli.as_json:
        cli.print_json(found["client_ids"])
    elif found["client_ids"]:
        print("\n".join(found["client_ids"]))
    else:
        cli.say(_NONE)


def register(
    cli: Cli, client: ClientName, tse: TseName = "", admin_pin_file: AdminPinFile = None, *, risk: RiskLockout = False
) -> None:
    """Register a client. Registering it again does no harm.

    Example: tse-gateway clients register POS-2 --admin-pin-file admin_pin

    Deutsch: Einen Client anmelden. Nochmaliges Anmelden schadet nicht.
    """
    pin = Secrets(cli.text).known(secrets.ADMIN_PIN, admin_pin_file, secrets.PIN_LENGTH)
    _change(cli, "register", tse, {"client_id": client, "admin_pin": pin, "risk_lockout": risk})
    cli.say(_REGISTERED, name=client)


def deregister(
    cli: Cli, client: ClientName, tse: TseName = "", admin_pin_file: AdminPinFile = None, *, risk: RiskLockout = False
) -> None:
    """Deregister a client. The TSE refuses while it has open transactions.

    Example: tse-gateway clients deregister POS-2 --admin-pin-file admin_pin

    Deutsch: Einen Client abmelden. Die TSE lehnt ab, solange er offene Transaktionen hat.
    """
    pin = Secrets(cli.text).known(secrets.ADMIN_PIN, admin_pin_file, secrets.PIN_LENGTH)
    _change(cli, "deregister", tse, {"client_id": client, "admin_pin": pin, "risk_lockout": risk})
    cli.say(_DEREGISTERED, name=client)


def _change(cli: Cli, verb: str, tse: str, body: dict[str, object]) -> None:
    found = cli.ask_tse(tse, lambda api, base: api.post(f"{base}/clients/{verb}", body))
    if cli.as_json:
        cli.print_json(found)
