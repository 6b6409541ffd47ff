"""The program: what holds for all its commands."""

from collections.abc import Iterable
from types import ModuleType
from typing import Annotated

import typer

from gateway.cli import VERSION
from gateway.cli.help import Program, both
from gateway.i18n.text import Language


def program(subjects: Iterable[ModuleType]) -> typer.Typer:
    """Return the program with the commands of these modules."""
    app = typer.Typer(
        cls=Program,
        name="tse-gateway",
        help=both(
            "Serve USB TSEs to the network by the LAN-TSE protocol, and administer them.",
            "USB-TSEs mit dem LAN-TSE-Protokoll ins Netz bringen und verwalten.",
        ),
        epilog=both(
            "Exit status: 0 done, 1 failed or refused, 2 wrong usage; verify, reconcile, doctor: 0 in order, "
            "1 warnings, 2 errors.",
            "Exit-Status: 0 getan, 1 fehlgeschlagen oder abgelehnt, 2 falscher Aufruf; verify, reconcile, doctor: 0 in "
            "Ordnung, 1 Warnungen, 2 Fehler.",
        ),
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"max_content_width": 120},  # an example is a line to copy
    )
    app.callback()(_options)
    for subject in subjects:
        subject.add_to(app)
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(VERSION)
        raise typer.Exit


def _options(
    language: Annotated[  # `Program` looks for it, before and behind the name of any command
        Language | None,
        typer.Option(
            help=both(
                "Language of texts for people; without it the locale's.",
                "Sprache der Texte für Menschen: de oder en; ohne sie die von GATEWAY_LANGUAGE, sonst die der Locale.",
            )
        ),
    ] = None,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help=both("Show the version.", "Die Version zeigen.")
        ),
    ] = False,
) -> None:
    """Take the options of the program itself."""
