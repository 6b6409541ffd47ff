"""The command line: parse, call one function, print. Sub-commands import what they need, so that each starts fast."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway import __version__
from gateway.errors import GatewayError

app = typer.Typer(
    name="tse-gateway",
    help="Serve USB TSEs to the network by the LAN-TSE protocol.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
simulator = typer.Typer(help="Simulated TSEs for development: never a certified one.", no_args_is_help=True)
app.add_typer(simulator, name="simulator")

ConfigFile = Annotated[Path | None, typer.Option("--config", help="TOML file; the environment wins over it.")]


def main() -> None:
    """Entry point: what went wrong on purpose is one line and exit status 1, never a traceback."""
    try:
        app()
    except GatewayError as error:
        print(f"tse-gateway: {error}", file=sys.stderr)
        sys.exit(1)


@app.command()
def serve(
    config: ConfigFile = None,
    simulators: Annotated[
        int | None, typer.Option("--simulator", min=0, max=16, help="Serve this many simulated TSEs.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Instead of GATEWAY_PORT.")] = None,
    bind: Annotated[str | None, typer.Option(help="Instead of GATEWAY_BIND.")] = None,
    state_dir: Annotated[Path | None, typer.Option(help="Instead of GATEWAY_STATE_DIR.")] = None,
) -> None:
    """Run the gateway until SIGTERM, Ctrl-C, or `quit` on the terminal.

    Example: tse-gateway serve --simulator 1
    """
    from gateway import app as gateway_app
    from gateway import log

    settings = _settings(config, simulators=simulators, port=port, bind=bind, state_dir=state_dir)
    log.configure(settings.log_format, settings.log_level)
    asyncio.run(gateway_app.run(settings))


@app.command()
def devices(
    config: ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show the TSEs of the gateway that runs on this machine.

    Example: tse-gateway devices --json
    """
    from gateway import client

    found = asyncio.run(client.devices(_settings(config)))
    if as_json:
        print(json.dumps(found, indent=2))
        return
    _print_devices(found)


@app.command()
def healthcheck(
    config: ConfigFile = None,
    ready: Annotated[bool, typer.Option("--ready", help="Ask whether a TSE can sign now.")] = False,
) -> None:
    """Ask the gateway of this machine whether it is alive; exit status 1 if not.

    Example: tse-gateway healthcheck
    """
    from gateway import healthcheck as check

    print(check.ask(os.environ, config, path="/readyz" if ready else "/healthz"))


@app.command("config")
def show_config(config: ConfigFile = None) -> None:
    """Show every setting with its effective value; secrets stay hidden.

    Example: GATEWAY_PORT=4434 tse-gateway config
    """
    from rich.console import Console
    from rich.table import Table

    from gateway import settings

    table = Table("setting", "value", "meaning", "source")
    for row in settings.effective(_settings(config)):
        table.add_row(*map(str, row))
    Console().print(table)


@app.command()
def openapi() -> None:
    """Print the OpenAPI 3.1 document of the JSON API.

    Example: tse-gateway openapi > openapi.json
    """
    from gateway.server import api_v1
    from gateway.server.openapi import document

    print(json.dumps(document(api_v1.ENDPOINTS), indent=2))


@app.command()
def verify(
    files: Annotated[list[str], typer.Argument(help="Exports, log messages, certificates, or a receipt code V0;...")],
    trust: Annotated[
        list[Path] | None, typer.Option(help="CA certificates: a file, or a directory with such; may be repeated.")
    ] = None,
    complete: Annotated[
        bool, typer.Option("--complete", help="These are full exports: messages that are missing are errors.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    language: Annotated[str | None, typer.Option(help="de or en, instead of the locale's.")] = None,
) -> None:
    """Check exports, log messages and receipt codes of any vendor's TSE: signatures, chains, counters, times.

    Exit status: 0 in order or notes only, 1 warnings, 2 errors or not checkable.

    Example: tse-gateway verify export.tar --trust ca.pem --json
    """
    from gateway.verify.command import verify_files

    status = verify_files(files, trust=trust or [], language=language, as_json=as_json, complete=complete)
    raise typer.Exit(status)


@app.command()
def version() -> None:
    """Show the version.

    Example: tse-gateway version
    """
    print(f"tse-gateway {__version__}")


Directory = Annotated[Path, typer.Argument(help="Directory of the simulated TSE.")]


@simulator.command("create")
def create(directory: Directory) -> None:
    """Make a fresh simulated TSE, as it would leave the factory.

    Example: tse-gateway simulator create ./tse
    """
    from gateway.simulator.device import SimulatedTse

    tse = SimulatedTse.create(directory)
    print(f"simulated TSE {tse.serial.hex().upper()} in {directory}")
    tse.close()


@simulator.command("mount")
def mount(
    mount_point: Annotated[Path, typer.Argument(help="Empty directory where its files appear.")],
    directory: Annotated[
        Path | None, typer.Option("--tse", help="Directory of the simulated TSE; made if it is not there.")
    ] = None,
    profile: Annotated[str, typer.Option(help="instant, or hardware with the times of a real one.")] = "instant",
) -> None:
    """Show a simulated TSE as files, so that other TSE software can use it. Ends with Ctrl-C or umount.

    Example: tse-gateway simulator mount /mnt/tse --tse ./tse
    """
    from gateway.simulator.device import SimulatedTse
    from gateway.simulator.mount import mount as mount_tse
    from gateway.simulator.profiles import profile_named

    home = directory or mount_point.with_name(f"{mount_point.name}.tse")
    tse = SimulatedTse.open_or_create(home, profile=profile_named(profile))
    print(f"simulated TSE {tse.serial.hex().upper()} of {home} at {mount_point}")
    try:
        mount_tse(tse, mount_point)
    finally:
        tse.close()


@simulator.command("fault")
def fault(
    directory: Annotated[Path | None, typer.Argument(help="Directory of the simulated TSE.")] = None,
    name: Annotated[str | None, typer.Argument(help="Which; without one, all that there are.")] = None,
    times: Annotated[int | None, typer.Option(min=1, help="Strike only so often.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="End this fault, or all.")] = False,
) -> None:
    """Break a simulated TSE on purpose, also one that a gateway serves right now.

    Example: tse-gateway simulator fault ./tse unplugged
    """
    from gateway.simulator import faults

    if directory is None or (name is None and not clear):
        active = faults.listed_faults(directory) if directory else {}
        for known, meaning in faults.FAULTS.items():
            print(f"{'*' if known in active else ' '} {known:20} {meaning}")
    elif clear:
        faults.clear_fault(directory, name)
        print(f"cleared {name or 'all faults'}")
    elif name is not None:
        faults.set_fault(directory, name, times)
        print(f"{name} strikes {f'{times} times' if times else 'until cleared'}")


def _settings(config: Path | None, **overrides: Any) -> Any:
    from gateway import settings

    given = {name: value for name, value in overrides.items() if value is not None}
    return settings.load(os.environ, config, **given)


def _print_devices(found: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    if not found:
        print("no TSE: plug one in, name one in GATEWAY_DEVICES, or try `serve --simulator 1`")
        return
    table = Table("serial", "place", "state", "life", "clients", "signatures", "certificate until")
    for tse in found:
        table.add_row(
            str(tse["serial"]),
            str(tse["place"]),
            str(tse["reason"] or tse["state"]),
            str(tse["lifecycle"]),
            f"{tse['registered_clients']} of {tse['max_registered_clients']}",
            f"{tse['created_signatures']}, {tse['remaining_signatures']} left",
            str(tse["certificate_expires"])[:10],
        )
    Console().print(table)
