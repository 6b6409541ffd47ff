"""`setup`: put a fresh TSE into service, and show the values that the POS software needs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import prompts, secrets
from gateway.cli.base import Anyway, Cli, TseName, command
from gateway.cli.confirm import check_clock, confirmed
from gateway.cli.formatting import life
from gateway.cli.help import both
from gateway.cli.secrets import PIN_LENGTH, PUK_LENGTH, AdminPinFile, PukFile, Secrets, TimeAdminPinFile, secret_file
from gateway.errors import ConfigurationError, UnfitValue
from gateway.i18n.text import Text

if TYPE_CHECKING:
    from gateway.client.api import Api

_WELCOME = Text(
    """
TSE {serial}   (check digits {digits})
at {place}, firmware {firmware}, certificate until {until}

This puts the TSE into service for good. It gets a PUK, an Admin PIN and a TimeAdmin PIN.
Nobody can reset them: write them down and keep them where the shop's papers are.
""",
    """
TSE {serial}   (Prüfziffern {digits})
an {place}, Firmware {firmware}, Zertifikat bis {until}

Hiermit wird die TSE endgültig in Betrieb genommen. Sie bekommt PUK, Admin-PIN und TimeAdmin-PIN.
Niemand kann sie zurücksetzen: aufschreiben und bei den Unterlagen des Betriebs aufbewahren.
""",
)
_USERS = Text(
    "Its three users get the same PUK; the PIN of the logger becomes 00000, as from the vendor's library.",
    "Ihre drei Benutzer bekommen dieselbe PUK; die PIN des Loggers wird 00000, wie von der Bibliothek des Herstellers.",
)
_SEEDS = {
    1: Text(
        "credential seed of the reseller (Enter: the one of retail TSEs; a wrong one costs one of three tries)",
        "Credential-Seed des Händlers (Enter: der von TSEs aus dem Handel; ein falscher kostet 1 von 3 Versuchen)",
    ),
    2: Text(
        "credential seed of the reseller (Enter: the one of retail TSEs; after a wrong one the TSE waits a while)",
        "Credential-Seed des Händlers (Enter: der von TSEs aus dem Handel; nach einem falschen wartet die TSE etwas)",
    ),
}
_CLIENT = Text(
    "name of the first till (client id), as the POS sends it", "Name der ersten Kasse (Client-ID), wie sie ihn sendet"
)
_NAME = Text("the name {error}", "der Name {error}")
_NOT_FRESH = Text(
    "this TSE is {life}: only a fresh one can be set up",
    "diese TSE ist {life}: nur eine frische kann eingerichtet werden",
)
_WORKING = Text("setting up: self test, PINs, clients, time", "Einrichtung: Selbsttest, PINs, Kassen, Zeit")
_DONE = Text(
    """TSE {serial} is in service. The POS asks for these three values:

  Address   {address}
  Port      {port}
  apiToken  {token}

Next: give the gateway the TimeAdmin PIN (GATEWAY_TIME_ADMIN_PIN_FILE), so that it keeps the TSE ready,
and report the TSE to the tax office: tse-gateway info --elster""",
    """TSE {serial} ist in Betrieb. Die Kasse fragt nach diesen drei Werten:

  Adresse   {address}
  Port      {port}
  apiToken  {token}

Danach: dem Gateway die TimeAdmin-PIN geben (GATEWAY_TIME_ADMIN_PIN_FILE), damit es die TSE bereit hält,
und die TSE dem Finanzamt melden: tse-gateway info --elster""",
)
_LATER = Text("(in session.txt once the gateway has run)", "(in session.txt, sobald das Gateway einmal lief)")
_SECONDS = 120.0  # two self tests
SeedFile = Annotated[
    Path | None, secret_file("seed", Text("the credential seed", "dem Credential-Seed"), "TSE_CREDENTIAL_SEED_FILE")
]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "setup")(setup)


def setup(
    cli: Cli,
    tse: TseName = "",
    *,
    clients: Annotated[
        list[str] | None,
        typer.Option(
            "--client", help=both("Till to register; may be repeated.", "Anzumeldende Kasse; mehrfach möglich.")
        ),
    ] = None,
    seed_file: SeedFile = None,
    puk_file: PukFile = None,
    admin_pin_file: AdminPinFile = None,
    time_admin_pin_file: TimeAdminPinFile = None,
    yes: Annotated[
        bool, typer.Option("--yes", help=both("Do not ask for a confirmation.", "Keine Bestätigung verlangen."))
    ] = False,
    anyway: Anyway = False,
) -> None:
    """Put a fresh TSE into service. Asks for what is missing and tells the consequences.

    Example: tse-gateway setup --client POS-1

    Deutsch: Eine frische TSE in Betrieb nehmen. Fragt nach dem, was fehlt, und nennt die Folgen.
    """

    async def work(api: "Api", base: str) -> Any:
        known = await api.get(base)
        await _check(cli, api, known, anyway=anyway)
        asked = Secrets(cli.text)
        body = {
            "credential_seed": asked.line(_SEEDS[known["generation"]], seed_file, _retail_seed()),
            "admin_puk": asked.new(secrets.NEW_PUK, puk_file, PUK_LENGTH),
            "admin_pin": asked.new(secrets.NEW_ADMIN_PIN, admin_pin_file, PIN_LENGTH),
            "time_admin_pin": asked.new(secrets.NEW_TIME_ADMIN_PIN, time_admin_pin_file, PIN_LENGTH),
            "client_ids": clients or [prompts.asked(cli.text(_CLIENT), _client_id, cli.language)],
            "trust_system_clock": anyway,
        }
        await confirmed(cli, api, base, "setup", body, title=_WORKING, seconds=_SECONDS, yes=yes)
        return known

    known = cli.ask_tse(tse, work)
    values = _values_for_pos(cli)
    if cli.as_json:
        cli.print_json({"serial": known["serial"], **values})
    cli.say(_DONE, serial=known["serial"], **values)


async def _check(cli: Cli, api: "Api", known: dict[str, Any], *, anyway: bool) -> None:
    """Tell what is about to be set up; raise an error before the first question if it would be refused."""
    if known["lifecycle"] != "uninitialized":
        raise ConfigurationError(_NOT_FRESH, life=life(known["lifecycle"], cli.locale))
    await check_clock(cli, api, anyway=anyway)
    told = {"serial": known["serial"], "digits": known["serial_check_digits"], "place": known["place"]}
    until = cli.day(known["certificate_expires"])
    cli.note(_WELCOME, **told, firmware=known["software_version"], until=until)
    if known["generation"] != 1:
        cli.note(_USERS)


def _client_id(typed: str) -> str:
    from gateway.server.api.requests import checked_client_id

    try:
        return checked_client_id(typed.strip())
    except UnfitValue as error:
        raise ConfigurationError(_NAME, error=error) from None


def _retail_seed() -> str:
    from gateway.tse.credentials import RETAIL_SEED

    return RETAIL_SEED.decode()


def _values_for_pos(cli: Cli) -> dict[str, object]:
    if cli.url and cli.token_file:
        from yarl import URL

        url = URL(cli.url)
        return {
            "address": url.host,
            "port": url.port,
            "token": Path(cli.token_file).read_text(encoding="utf-8").strip(),
        }
    from gateway.access.lan_token import load_token

    settings = cli.settings()
    try:
        token = load_token(settings).value
    except ConfigurationError:
        token = cli.text(_LATER)
    return {"address": settings.address, "port": settings.port, "token": token}
