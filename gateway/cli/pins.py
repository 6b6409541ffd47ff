"""`pin`: change PINs and PUK, or set a new PIN by the PUK. Nothing is tried twice: three wrong tries block a PIN."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli import secrets
from gateway.cli.base import Cli, TseName, command
from gateway.cli.help import both
from gateway.cli.secrets import PIN_LENGTH, PUK_LENGTH, PukFile, RiskLockout, Secrets, secret_file
from gateway.i18n.text import Text


class PinUser(StrEnum):
    """The user of a TSE whose PIN it is."""

    ADMIN = "admin"
    TIME_ADMIN = "time_admin"
    LOGGER = "logger"


_OLD = {
    PinUser.ADMIN: secrets.ADMIN_PIN,
    PinUser.TIME_ADMIN: secrets.TIME_ADMIN_PIN,
    PinUser.LOGGER: secrets.LOGGER_PIN,
}
_NEW = {
    PinUser.ADMIN: secrets.NEW_ADMIN_PIN,
    PinUser.TIME_ADMIN: secrets.NEW_TIME_ADMIN_PIN,
    PinUser.LOGGER: secrets.NEW_LOGGER_PIN,
}
_CHANGED = Text(
    "the PIN is changed: write it down. If it is the TimeAdmin PIN, give the gateway the new one too "
    "(GATEWAY_TIME_ADMIN_PIN_FILE)",
    "die PIN ist geändert: aufschreiben. Ist es die TimeAdmin-PIN, braucht auch das Gateway die neue "
    "(GATEWAY_TIME_ADMIN_PIN_FILE)",
)
_PUK_CHANGED = Text("the PUK is changed: write it down", "die PUK ist geändert: aufschreiben")
UserName = Annotated[
    PinUser,
    typer.Option(
        "--user",
        help=both(
            "User whose PIN it is; generation 1 has no logger.",
            "Benutzer, dem die PIN gehört; Generation 1 hat keinen Logger.",
        ),
    ),
]
PukUser = Annotated[
    PinUser | None,
    typer.Option(
        "--user",
        help=both(
            "Generation 2: whose PUK; of all users without it.",
            "Generation 2: wessen PUK; ohne Angabe die aller Benutzer.",
        ),
    ),
]
OldPinFile = Annotated[Path | None, secret_file("old-pin", Text("the old PIN", "der alten PIN"))]
NewPinFile = Annotated[Path | None, secret_file("new-pin", Text("the new PIN", "der neuen PIN"))]
OldPukFile = Annotated[Path | None, secret_file("old-puk", Text("the old PUK", "der alten PUK"), "TSE_ADMIN_PUK_FILE")]
NewPukFile = Annotated[Path | None, secret_file("new-puk", Text("the new PUK", "der neuen PUK"))]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        help=both(
            "PINs and PUK: three wrong tries block a PIN, with firmware 1.x the PUK too.",
            "PINs und PUK: drei falsche Versuche sperren eine PIN, mit Firmware 1.x auch die PUK.",
        ),
        no_args_is_help=True,
    )
    for name, function in (("change", change), ("puk", change_puk), ("unblock", unblock)):
        command(group, name)(function)
    app.add_typer(group, name="pin")


def change(
    cli: Cli,
    tse: TseName = "",
    *,
    user: UserName = PinUser.ADMIN,
    old_pin_file: OldPinFile = None,
    new_pin_file: NewPinFile = None,
    risk: RiskLockout = False,
) -> None:
    """Change a PIN. The old one must be known.

    Example: tse-gateway pin change --old-pin-file admin_pin --new-pin-file new_pin

    Deutsch: Eine PIN ändern. Die alte muss bekannt sein.
    """
    asked = Secrets(cli.text)
    body: dict[str, object] = {
        "user": user.value,
        "old_pin": asked.known(_OLD[user], old_pin_file, PIN_LENGTH),
        "new_pin": asked.new(_NEW[user], new_pin_file, PIN_LENGTH),
        "risk_lockout": risk,
    }
    _do(cli, tse, "pin", body, _CHANGED)


def change_puk(
    cli: Cli,
    tse: TseName = "",
    *,
    user: PukUser = None,
    old_puk_file: OldPukFile = None,
    new_puk_file: NewPukFile = None,
    risk: RiskLockout = False,
) -> None:
    """Change the PUK. The old one must be known.

    Example: tse-gateway pin puk --old-puk-file puk --new-puk-file new_puk

    Deutsch: Die PUK ändern. Die alte muss bekannt sein.
    """
    asked = Secrets(cli.text)
    body: dict[str, object] = {
        "old_puk": asked.known(secrets.PUK, old_puk_file, PUK_LENGTH),
        "new_puk": asked.new(secrets.NEW_PUK, new_puk_file, PUK_LENGTH),
        "user": None if user is None else user.value,
        "risk_lockout": risk,
    }
    _do(cli, tse, "puk", body, _PUK_CHANGED)


def unblock(
    cli: Cli,
    tse: TseName = "",
    *,
    user: UserName = PinUser.ADMIN,
    puk_file: PukFile = None,
    new_pin_file: NewPinFile = None,
    risk: RiskLockout = False,
) -> None:
    """Set a new PIN by the PUK, when the old one is blocked or lost.

    Example: tse-gateway pin unblock --puk-file puk --new-pin-file new_pin

    Deutsch: Mit der PUK eine neue PIN setzen, wenn die alte gesperrt oder verloren ist.
    """
    asked = Secrets(cli.text)
    body: dict[str, object] = {
        "user": user.value,
        "puk": asked.known(secrets.PUK, puk_file, PUK_LENGTH),
        "new_pin": asked.new(_NEW[user], new_pin_file, PIN_LENGTH),
        "risk_lockout": risk,
    }
    _do(cli, tse, "unblock", body, _CHANGED)


def _do(cli: Cli, tse: str, verb: str, body: dict[str, object], done: Text) -> None:
    found = cli.ask_tse(tse, lambda api, base: api.post(f"{base}/{verb}", body))
    if cli.as_json:
        cli.print_json(found)
    cli.say(done)
