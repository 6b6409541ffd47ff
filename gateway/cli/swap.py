"""Replace a TSE: everything that must be done with the old one and the new one, step by step, written down."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.base import Cli, TseName, command
from gateway.cli.checklist import Checklist
from gateway.cli.secrets import AdminPin, secret_file
from gateway.errors import ConfigurationError
from gateway.i18n.text import Text

if TYPE_CHECKING:
    from gateway.client.api import Api

_FILE = "swap.json"
_NOT_NOW = Text(
    "stopped here; call the command again to go on", "hier angehalten; zum Fortfahren den Befehl erneut aufrufen"
)
_DONE_BEFORE = Text("[x] {title}", "[x] {title}")
_NEXT = Text("[ ] {title}", "[ ] {title}")
_DO_IT = Text("do it now?", "jetzt tun?")
_ALL_DONE = Text(
    "The TSE is swapped. Keep the directory {directory} for as long as the books: it holds the exports and the data "
    "for ELSTER. Report both TSEs to the tax office within one month: the old one as out of service, the new one as in "
    "service.",
    "Die TSE ist gewechselt. Das Verzeichnis {directory} so lange aufbewahren wie die Bücher: darin liegen die Exporte "
    "und die Angaben für ELSTER. Beide TSEs binnen eines Monats dem Finanzamt melden: die alte als außer Betrieb, die "
    "neue als in Betrieb.",
)
OldPin = Annotated[Path | None, secret_file("the Admin PIN of the old TSE", "TSE_OLD_ADMIN_PIN_FILE")]


def add_to(app: typer.Typer) -> None:
    """Its command."""
    command(app, "swap")(swap)


def swap(
    cli: Cli,
    tse: TseName = "",
    *,
    new: Annotated[str, typer.Option("--new", help="Serial of the new TSE, or its beginning.")] = "",
    directory: Annotated[Path, typer.Option(help="Where exports, ELSTER data and the list itself are kept.")] = Path(
        "tse-swap"
    ),
    dead: Annotated[
        bool, typer.Option("--dead", help="The old TSE does not work any more: its archive stands in.")
    ] = False,
    old_admin_pin_file: OldPin = None,
    admin_pin_file: AdminPin = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before each step.")] = False,
) -> None:
    """Replace a TSE by a new one. Final export, deregistration, decommissioning, ELSTER data; goes on where it stopped.

    Example: tse-gateway swap --directory swap-2026
    """
    from gateway.cli.swap_plan import STEPS
    from gateway.cli.swap_steps import Swap

    checklist = Checklist(directory / _FILE)

    async def work(api: "Api") -> None:
        job = Swap(cli, api, checklist, directory, dead=dead, wanted=new, files=(old_admin_pin_file, admin_pin_file))
        await job.begin(tse)
        for step in STEPS:
            if checklist.done(step.name):
                cli.say(_DONE_BEFORE, title=cli.text(step.title))
                continue
            if step.dead not in {None, dead}:
                continue
            cli.say(_NEXT, title=cli.text(step.title))
            if not (yes or typer.confirm(cli.text(_DO_IT), err=True)):
                raise ConfigurationError(cli.text(_NOT_NOW))
            checklist.tick(step.name, **await step.do(job))

    cli.ask(work, without_tse=dead)
    if cli.as_json:
        cli.print_json(checklist.as_data())
    cli.say(_ALL_DONE, directory=directory)
