"""`support-bundle`: one file with everything that support needs, without secrets."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.base import Cli, command
from gateway.cli.help import both
from gateway.i18n.text import Text

if TYPE_CHECKING:
    from gateway.doctor.bundle import Parts

_WRITTEN = Text(
    "{file} is written, {count} files. PINs, tokens and keys are left out; serials, names of tills and addresses are "
    "in it. Check it before you send it",
    "{file} ist geschrieben, {count} Dateien. PINs, Token und Schlüssel fehlen darin; Seriennummern, Namen der Kassen "
    "und Adressen stehen darin. Vor dem Versenden prüfen",
)
_README = """Support bundle of tse-gateway {version}, made {now}.

versions.json   gateway, Python, kernel, system          doctor.json    what works and what does not
settings.json   every setting, secrets hidden            metrics.txt    what Prometheus would read
tse-*/          info, flash memory, certificates         outages.json, archives.json, audit.json
readyz.json, usb.txt, disks.txt, kernel.txt, state.txt, log.txt       the host: devices, mounts, messages, files by name

PINs, PUKs, tokens and private keys are replaced by ***.
"""


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "support-bundle")(support_bundle)


def support_bundle(
    cli: Cli,
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help=both(
                "File to write; without it, it is named by the date.",
                "Zu schreibende Datei; ohne sie heißt sie nach dem Datum.",
            ),
        ),
    ] = None,
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

    Example: tse-gateway support-bundle -o support.zip

    Deutsch: Sammeln, wonach ein Händler fragt. Versionen, Zustände, Einstellungen, doctor, Log, USB; ohne Geheimnisse.
    """
    from gateway.doctor import bundle
    from gateway.storage.atomic import write_private

    parts = asyncio.run(_collected(cli, log))
    file = output or Path(f"tse-gateway-support-{datetime.now(UTC):%Y%m%d-%H%M%S}.zip")
    write_private(file.absolute(), bundle.packed(parts))
    if cli.as_json:
        cli.print_json({"file": str(file), "parts": sorted(parts)})
    cli.say(_WRITTEN, file=file, count=len(parts))


async def _collected(cli: Cli, log: Path | None) -> "Parts":
    import json

    from gateway import __version__
    from gateway.cli import doctor
    from gateway.doctor import bundle, facts
    from gateway.driver.usb.block_devices import Roots
    from gateway.errors import GatewayError

    settings, roots, now = cli.settings(), Roots(), datetime.now(UTC)
    bundle.hide(settings)
    parts = {
        "README.txt": _README.format(version=__version__, now=f"{now:%Y-%m-%d %H:%M} UTC"),
        "versions.json": json.dumps(facts.versions(), indent=2),
        "doctor.json": json.dumps([doctor.as_data(result, "en") for result in await doctor.examine(cli)], indent=2),
    }
    try:
        async with AsyncExitStack() as stack:
            parts |= await bundle.of_gateway(await cli.reached(stack, without_tse=True))
    except GatewayError as error:
        parts["unreachable.txt"] = f"{error}\n"
    if not cli.url:  # of another machine only the API is known
        parts |= {
            "settings.json": bundle.shown_settings(settings),
            "usb.txt": facts.usb(roots),
            "disks.txt": facts.disks(roots),
            "state.txt": facts.directory(settings.state_dir),
            "kernel.txt": facts.kernel_log(),
            "log.txt": facts.gateway_log(log),
        }
    return parts
