"""`devices`, `info`, `selftest` and `time`: what is known of a TSE, its self test, its time."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import completion, prompts, secrets
from gateway.cli.base import Anyway, Cli, TseName, command
from gateway.cli.confirm import check_clock
from gateway.cli.formatting import lines, short, shown, state
from gateway.cli.help import both
from gateway.cli.secrets import AdminPinFile, RiskLockout, Secrets, TimeAdminPinFile
from gateway.i18n import form_words
from gateway.i18n.text import Text

if TYPE_CHECKING:
    from gateway.client.api import Api

_PARTS = {"health": "/health", "certificates": "/certificates", "dsfinvk": "/dsfinvk", "elster": "/elster"}
_SELF_TEST_SECONDS = 60.0  # at most, by the vendor's documentation
_NONE = Text("no TSE", "keine TSE")
_HEADS = (
    Text("serial", "Seriennummer"),
    Text("place", "Ort"),
    Text("state", "Zustand"),
    Text("clients", "Kassen"),
    Text("signatures left", "noch Signaturen"),
    Text("certificate until", "Zertifikat bis"),
)
_OF = Text("{part} of {all}", "{part} von {all}")
_PASSED = Text(
    "the self test has passed; the next is due in {hours} h", "Selbsttest bestanden; der nächste in {hours} h"
)
_TESTING = Text("self test (up to a minute)", "Selbsttest (bis zu einer Minute)")
_CLIENT = Text("registered client id", "angemeldete Kasse (Client-ID)")
_TIME_SET = Text("the TSE has the time {time}", "die TSE hat die Zeit {time}")


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for name, function in (("devices", devices), ("info", info), ("selftest", self_test), ("time", set_time)):
        command(app, name)(function)


def devices(cli: Cli) -> None:
    """Show all TSEs: state, signatures, expiry.

    Example: tse-gateway devices --json

    Deutsch: Alle TSEs zeigen: Zustand, Signaturen, Ablauf.
    """
    found = cli.ask(lambda api: api.get("/tses"))
    if cli.as_json:
        cli.print_json(found)
    elif found:
        cli.table(_HEADS, [_row(cli, tse) for tse in found])
    else:
        cli.say(_NONE)


def info(
    cli: Cli,
    tse: TseName = "",
    *,
    health: Annotated[
        bool,
        typer.Option(
            "--health",
            help=both(
                "State of its flash memory, read from the TSE.", "Zustand ihres Flash-Speichers, aus der TSE gelesen."
            ),
        ),
    ] = False,
    certificates: Annotated[
        bool, typer.Option("--certificates", help=both("Its certificates (PEM).", "Ihre Zertifikate (PEM)."))
    ] = False,
    dsfinvk: Annotated[
        bool,
        typer.Option("--dsfinvk", help=both("Its row of tse.csv (DSFinV-K).", "Ihre Zeile der tse.csv (DSFinV-K).")),
    ] = False,
    elster: Annotated[
        bool,
        typer.Option(
            "--elster",
            help=both(
                "What is typed into the form for the tax office.", "Was ins Formular für das Finanzamt einzutragen ist."
            ),
        ),
    ] = False,
) -> None:
    """Show what is known of a TSE. --json shows everything, the other options one data sheet.

    Example: tse-gateway info --elster

    Deutsch: Zeigen, was von einer TSE bekannt ist. --json zeigt alles, die anderen Optionen je ein Datenblatt.
    """
    chosen = {"health": health, "certificates": certificates, "dsfinvk": dsfinvk, "elster": elster}
    wanted = [name for name, yes in chosen.items() if yes]
    if len(wanted) > 1:
        raise typer.BadParameter(both("choose one data sheet", "nur ein Datenblatt wählen"))
    path = _PARTS[wanted[0]] if wanted else ""
    found = cli.ask_tse(tse, lambda api, base: api.get(base + path))
    if isinstance(found, str):
        print(found, end="")
    elif cli.as_json:
        cli.print_json(found)
    elif elster:
        cli.table(["", ""], _form(cli, found))
    elif wanted:
        cli.table(["", ""], [(name, shown(value, cli.locale)) for name, value in found.items()])
    else:
        cli.table(["", ""], list(lines(found, cli.locale)))


def self_test(
    cli: Cli,
    tse: TseName = "",
    *,
    client: Annotated[
        str,
        typer.Option(
            autocompletion=completion.clients,
            help=both("A registered client id, for firmware 1.x.", "Eine angemeldete Client-ID, für Firmware 1.x."),
            envvar="GATEWAY_SELF_TEST_CLIENT",
        ),
    ] = "",
) -> None:
    """Run the self test, with firmware 1.x in the name of a registered client.

    Example: tse-gateway selftest --client POS-1

    Deutsch: Den Selbsttest ausführen, bei Firmware 1.x im Namen eines angemeldeten Clients.
    """
    from gateway.cli.progress import waiting

    async def work(api: "Api", base: str) -> Any:
        name: str | None = client
        if not client:
            is_first = (await api.get(base))["generation"] == 1
            name = prompts.ask(cli.text(_CLIENT)) if is_first else None
        async with waiting(cli.text(_TESTING), _SELF_TEST_SECONDS):
            await api.post(f"{base}/self-test", {"client_id": name})
        return await api.get(base)

    found = cli.ask_tse(tse, work)
    if cli.as_json:
        cli.print_json({name: found[name] for name in ("serial", "self_test_passed", "self_test_due_seconds")})
    cli.say(_PASSED, hours=int(found["self_test_due_seconds"]) // 3600)


def set_time(
    cli: Cli,
    tse: TseName = "",
    *,
    admin: Annotated[
        bool,
        typer.Option(
            "--admin", help=both("Log in as Admin instead of TimeAdmin.", "Als Admin statt als TimeAdmin anmelden.")
        ),
    ] = False,
    time_admin_pin_file: TimeAdminPinFile = None,
    admin_pin_file: AdminPinFile = None,
    pin_file: Annotated[
        Path | None,
        typer.Option(hidden=True, help=both("As before for either of the two.", "Wie bisher für eine von beiden.")),
    ] = None,
    anyway: Anyway = False,
    risk: RiskLockout = False,
) -> None:
    """Set a TSE to the time of the gateway. Refused while the clock of the gateway is not known to be right.

    Example: tse-gateway time --time-admin-pin-file time_admin_pin

    Deutsch: Eine TSE auf die Zeit des Gateways stellen. Abgelehnt, solange dessen Uhr nicht erwiesen richtig geht.
    """
    user, name, file = (
        ("admin", secrets.ADMIN_PIN, admin_pin_file)
        if admin
        else ("time_admin", secrets.TIME_ADMIN_PIN, time_admin_pin_file)
    )

    async def work(api: "Api", base: str) -> Any:
        await check_clock(cli, api, anyway=anyway)
        pin = Secrets(cli.text).known(name, pin_file or file, secrets.PIN_LENGTH)
        body = {"user": user, "pin": pin, "trust_system_clock": anyway, "risk_lockout": risk}
        return await api.post(f"{base}/time", body)

    found = cli.ask_tse(tse, work)
    if cli.as_json:
        cli.print_json(found)
    cli.say(_TIME_SET, time=cli.moment(found["time"]))


def _form(cli: Cli, found: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what is typed into the form for the tax office."""
    rows = (
        (form_words.SERIAL, found["tse_serial"]),
        (form_words.IN_SERVICE, cli.day(found["in_service_since"])),
        (form_words.CERTIFICATION, (found["certification_id"] or "").removeprefix(form_words.ID_PREFIX)),
        (form_words.CHECK_DIGITS, found["serial_check_digits"]),
    )
    return [(cli.text(name), value or cli.text(form_words.UNKNOWN)) for name, value in rows]


def _row(cli: Cli, tse: dict[str, Any]) -> tuple[object, ...]:
    return (
        short(tse["serial"]),
        tse["place"],
        state(tse, cli.locale),
        cli.text(_OF, part=tse["registered_clients"], all=tse["max_registered_clients"]),
        cli.locale.number(tse["remaining_signatures"]),
        cli.day(tse["certificate_expires"]),
    )
