"""`serve`, `healthcheck`, `openapi`, `version` and `config`: the gateway as a program."""

import asyncio
import json
import os
from pathlib import Path
from typing import Annotated

import typer

from gateway import __version__
from gateway.cli import VERSION
from gateway.cli.base import Cli, ConfigFile, command


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("serve")(serve)
    app.command("healthcheck")(healthcheck)
    app.command("openapi")(openapi)
    app.command("version")(version)
    command(app, "config")(show_config)


def serve(
    config: ConfigFile = None,
    simulators: Annotated[
        int | None, typer.Option("--simulator", min=0, max=16, help="Serve this many simulated TSEs.")
    ] = None,
    generation: Annotated[
        int | None,
        typer.Option("--simulator-generation", min=1, max=2, help="Generation of simulated TSEs that are made."),
    ] = None,
    port: Annotated[int | None, typer.Option(help="Instead of GATEWAY_PORT.")] = None,
    bind: Annotated[str | None, typer.Option(help="Instead of GATEWAY_BIND.")] = None,
    *,
    fresh: Annotated[
        bool | None, typer.Option("--simulator-fresh", help="Leave simulated TSEs as from the factory, not set up.")
    ] = None,
    state_dir: Annotated[Path | None, typer.Option(help="Instead of GATEWAY_STATE_DIR.")] = None,
) -> None:
    """Run the gateway. It ends by SIGTERM, Ctrl-C, or `quit` on the terminal.

    Example: tse-gateway serve --simulator 1
    """
    from gateway.app import gateway as gateway_app
    from gateway.app.systemd import Systemd
    from gateway.telemetry import log

    settings = Cli(config).settings(
        simulators=simulators,
        simulator_fresh=fresh,
        simulator_generation=generation,
        port=port,
        bind=bind,
        state_dir=state_dir,
    )
    log.configure(settings.log_format, settings.log_level)
    asyncio.run(gateway_app.run(settings, Systemd(os.environ)))


def healthcheck(
    config: ConfigFile = None,
    ready: Annotated[bool, typer.Option("--ready", help="Ask whether a TSE can sign now.")] = False,
) -> None:
    """Ask whether the gateway of this machine is alive. Exit status 1 if not.

    Example: tse-gateway healthcheck
    """
    from gateway.client import healthcheck as check

    print(check.ask(os.environ, config, path="/readyz" if ready else "/healthz"))


def show_config(cli: Cli) -> None:
    """Show every setting and its value. Secrets stay hidden.

    Example: GATEWAY_PORT=4434 tse-gateway config
    """
    from gateway.config import settings

    shown = settings.effective(cli.settings())
    if cli.as_json:
        cli.print_json([row._asdict() for row in shown])
        return
    cli.table(["setting", "value", "meaning", "source"], shown)


def openapi() -> None:
    """Print the OpenAPI 3.1 document of the REST API.

    Example: tse-gateway openapi > openapi.json
    """
    from gateway.server.api.routes import document

    print(json.dumps(document(), indent=2))


def version(as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False) -> None:
    """Show the version.

    Example: tse-gateway version
    """
    print(json.dumps({"version": __version__}) if as_json else VERSION)
