"""`swap`: replace a TSE, step by step; what is done is written down, and a later call goes on from there."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import completion, prompts
from gateway.cli.base import Anyway, Cli, TseName, command
from gateway.cli.help import both
from gateway.cli.secrets import AdminPinFile, secret_file
from gateway.errors import ConfigurationError
from gateway.i18n.text import Text

if TYPE_CHECKING:
    from gateway.cli.swap_steps import StepResult, Swap
    from gateway.client.api import Api

_FILE = "swap.json"
_NOT_NOW = Text(
    "stopped here; call the command again to go on", "hier angehalten; zum Fortfahren den Befehl erneut aufrufen"
)
_DONE = Text("[x] {title}", "[x] {title}")
_NEXT = Text("[ ] {title}", "[ ] {title}")
_CONFIRM = Text("do it now?", "jetzt tun?")
_ALL_DONE = Text(
    "The TSE is swapped. Keep the directory {directory} for as long as the books: it holds the exports and the data "
    "for ELSTER. Report both TSEs to the tax office within one month: the old one as out of service, the new one as in "
    "service.",
    "Die TSE ist gewechselt. Das Verzeichnis {directory} so lange aufbewahren wie die Bücher: darin liegen die Exporte "
    "und die Angaben für ELSTER. Beide TSEs binnen eines Monats dem Finanzamt melden: die alte als außer Betrieb, die "
    "neue als in Betrieb.",
)
OldAdminPinFile = Annotated[
    Path | None,
    secret_file("old-admin-pin", Text("the Admin PIN of the old TSE", "der Admin-PIN der alten TSE")),
]


@dataclass(frozen=True, slots=True)
class SwapStep:
    """One step of the checklist; `dead` False or True: only for an old TSE that works, or that does not."""

    name: str
    title: Text
    do: "Callable[[Swap], Awaitable[StepResult]]"
    dead: bool | None = None


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "swap")(swap)


def swap(
    cli: Cli,
    tse: TseName = "",
    *,
    new: Annotated[
        str,
        typer.Option(
            "--new",
            autocompletion=completion.serials,
            help=both("Serial of the new TSE, or its beginning.", "Seriennummer der neuen TSE oder ihr Beginn."),
        ),
    ] = "",
    directory: Annotated[
        Path,
        typer.Option(
            help=both(
                "Where exports, ELSTER data and the checklist are kept.",
                "Wo Exporte, Angaben für ELSTER und die Checkliste liegen.",
            )
        ),
    ] = Path("tse-swap"),
    dead: Annotated[
        bool,
        typer.Option(
            "--dead",
            help=both(
                "The old TSE does not work any more: its archive is used instead.",
                "Die alte TSE arbeitet nicht mehr: statt ihrer dient ihr Archiv.",
            ),
        ),
    ] = False,
    old_admin_pin_file: OldAdminPinFile = None,
    admin_pin_file: AdminPinFile = None,
    anyway: Anyway = False,
    yes: Annotated[
        bool, typer.Option("--yes", help=both("Do not ask before each step.", "Nicht vor jedem Schritt fragen."))
    ] = False,
) -> None:
    """Replace a TSE by a new one. Final export, deregistration, decommissioning, ELSTER data; goes on where it stopped.

    Example: tse-gateway swap --directory swap-2026

    Deutsch: Eine TSE durch eine neue ersetzen. Letzter Export, Abmelden, Außerbetriebnahme, Angaben für ELSTER; macht
    weiter, wo es aufhörte.
    """
    from gateway.cli.swap_steps import Checklist, Swap

    checklist = Checklist(directory / _FILE)

    async def work(api: "Api") -> None:
        job = Swap(cli, api, checklist, directory, dead=dead, wanted=new, files=(old_admin_pin_file, admin_pin_file))
        await job.begin(tse, anyway=anyway)
        for step in _steps():
            if checklist.is_done(step.name):
                cli.say(_DONE, title=cli.text(step.title))
                continue
            if step.dead not in {None, dead}:
                continue
            cli.say(_NEXT, title=cli.text(step.title))
            if not (yes or prompts.confirmed(cli.text(_CONFIRM), cli.language)):
                raise ConfigurationError(_NOT_NOW)
            checklist.tick(step.name, **await step.do(job))

    cli.ask(work, without_tse=dead)
    if cli.as_json:
        cli.print_json(checklist.as_data())
    cli.say(_ALL_DONE, directory=directory)


def _steps() -> tuple[SwapStep, ...]:
    """Return all steps in their order."""
    from gateway.cli.swap_steps import Swap

    return (
        SwapStep(
            "export_before",
            Text("export everything from the old TSE and verify it", "alles aus der alten TSE exportieren und prüfen"),
            Swap.export_before,
        ),
        SwapStep(
            "elster_old",
            Text("keep the old TSE's data for ELSTER", "die Angaben der alten TSE für ELSTER festhalten"),
            Swap.elster_old,
        ),
        SwapStep(
            "deregister",
            Text("deregister all clients from the old TSE", "alle Kassen von der alten TSE abmelden"),
            Swap.deregister,
            dead=False,
        ),
        SwapStep(
            "decommission",
            Text("take the old TSE out of service, for good", "die alte TSE endgültig außer Betrieb nehmen"),
            Swap.decommission,
            dead=False,
        ),
        SwapStep(
            "export_after",
            Text("export the old TSE a last time and verify it", "die alte TSE ein letztes Mal exportieren und prüfen"),
            Swap.export_after,
            dead=False,
        ),
        SwapStep(
            "find_new",
            Text("find the new TSE, plugged in and set up", "die neue TSE finden, eingesteckt und eingerichtet"),
            Swap.find_new,
        ),
        SwapStep(
            "register",
            Text("register the same clients with the new TSE", "dieselben Kassen an der neuen TSE anmelden"),
            Swap.register,
        ),
        SwapStep(
            "elster_new",
            Text("keep the new TSE's data for ELSTER", "die Angaben der neuen TSE für ELSTER festhalten"),
            Swap.elster_new,
        ),
        SwapStep(
            "retire",
            Text("no longer report the old TSE as missing", "die alte TSE nicht mehr als fehlend melden"),
            Swap.retire,
            dead=True,
        ),
    )
