"""`mount`: a TSE of a gateway as a drive, for POS software that knows only drives."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import completion
from gateway.cli.base import Cli, command
from gateway.cli.help import both
from gateway.errors import ConfigurationError
from gateway.i18n.text import Text

if TYPE_CHECKING:
    from gateway.driver.lan.upstream import Upstream

_MOUNTED = Text(
    "TSE {serial} of {place} is mounted at {directory}; Ctrl-C ends it",
    "TSE {serial} von {place} ist in {directory} eingehängt; Strg-C beendet es",
)
_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "mount")(mount)


def mount(
    cli: Cli,
    tse: Annotated[
        str,
        typer.Argument(
            metavar="SERIAL",
            autocompletion=completion.serials,
            help=both("Serial of the TSE, or its beginning.", "Seriennummer der TSE oder ihr Beginn."),
        ),
    ],
    directory: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help=both("Empty directory where its files appear.", "Leeres Verzeichnis, in dem ihre Dateien erscheinen."),
        ),
    ],
) -> None:
    """Show a TSE of a gateway as a drive. For POS software that knows only drives; ends with Ctrl-C or umount.

    Example: tse-gateway mount 4F2A /mnt/tse

    Deutsch: Eine TSE eines Gateways als Laufwerk zeigen. Für Kassensoftware, die nur Laufwerke kennt; endet mit Strg-C
    oder umount.
    """
    from gateway.telemetry import log

    log.configure("text", "WARNING")
    asyncio.run(_mounted(cli, tse, directory))


async def _mounted(cli: Cli, name: str, directory: Path) -> None:
    from gateway.client import drive

    over = asyncio.Event()
    for number in _ENDS:
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    upstream = _upstream(cli)
    serial = cli.chosen(name, await upstream.serials())
    tse = await drive.RemoteTse.reached(upstream, serial)
    try:
        async with drive.shown(tse, directory, over.set) as at:
            told = {"serial": serial, "place": upstream.place, "directory": str(at)}
            if cli.as_json:
                cli.print_json(told)
            cli.say(_MOUNTED, **told)
            sys.stdout.flush()
            await over.wait()
    finally:
        await tse.close()


def _upstream(cli: Cli) -> "Upstream":
    from pydantic import SecretStr

    from gateway.access import lan_token
    from gateway.driver.lan.upstream import Upstream
    from gateway.server.http import tls

    if cli.url:
        url, token, trust = cli.remote().access()
        if not token:
            raise ConfigurationError(
                Text(
                    "--url needs --token-file here: tills send a token",
                    "--url braucht hier --token-file: Kassen senden ein Token",
                )
            )
        return Upstream(str(url), SecretStr(token), trust=trust)
    settings = cli.settings()
    url_here = f"https://{settings.local_address}:{settings.port}"
    return Upstream(url_here, SecretStr(lan_token.load_token(settings).value), trust=tls.client_context(settings))
