"""`support-bundle`: one file with everything that support needs, without secrets."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.base import Cli, command
from gateway.cli.help import both
from gateway.cli.output import OutputFile, check, opened
from gateway.i18n.text import Text

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from gateway.client.api import Api
    from gateway.doctor.bundle import Parts

_WRITTEN = Text(
    "{file} is written, {count} files. PINs, tokens and keys are left out; serials, names of tills and addresses are "
    "in it. Check it before you send it",
    "{file} ist geschrieben, {count} Dateien. PINs, Token und Schlüssel fehlen darin; Seriennummern, Namen der Kassen "
    "und Adressen stehen darin. Vor dem Versenden prüfen",
)


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "support-bundle")(support_bundle)


def support_bundle(
    cli: Cli,
    *,
    output: OutputFile = None,
    log: Annotated[
        Path | None,
        typer.Option(
            help=both(
                "Log of the gateway, if the journal does not hold it.",
                "Log des Gateways, wenn es nicht im Journal steht.",
            )
        ),
    ] = None,
) -> None:
    """Collect what a reseller asks for. Versions, states, settings, doctor, log, USB; without secrets.

    Without --output the file is named by the time.

    Example: tse-gateway support-bundle -o support.zip

    Deutsch: Sammeln, wonach ein Händler fragt. Versionen, Zustände, Einstellungen, doctor, Log, USB; ohne Geheimnisse.

    Ohne --output heißt die Datei nach der Zeit.
    """
    from gateway.doctor import bundle

    file = check(output or Path(bundle.file_name()))
    parts = asyncio.run(_collected(cli, log))
    with opened(file, private=True) as out:
        out.write(bundle.packed(parts))
    cli.written(file, _WRITTEN, {"file": str(file), "parts": sorted(parts)}, count=len(parts))


async def _collected(cli: Cli, log: Path | None) -> "Parts":
    from gateway.cli import doctor
    from gateway.doctor import bundle

    def reach(stack: AsyncExitStack) -> "Awaitable[Api]":
        return cli.reached(stack, without_tse=True)

    # Of another machine only the API is known.
    return await bundle.collected(cli.settings(), await doctor.examine(cli), reach, host=not cli.url, log=log)
