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
from gateway.cli.help import both
from gateway.i18n.text import Text

_CONFIG_HEADS = (
    Text("setting", "Einstellung"),
    Text("value", "Wert"),
    Text("meaning", "Bedeutung"),
    Text("source", "kommt aus"),
)


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
        int | None,
        typer.Option(
            "--simulator",
            min=0,
            max=16,
            help=both("Serve this many simulated TSEs.", "So viele simulierte TSEs bedienen."),
        ),
    ] = None,
    generation: Annotated[
        int | None,
        typer.Option(
            "--simulator-generation",
            min=1,
            max=2,
            help=both(
                "Generation of simulated TSEs that are made.", "Generation der simulierten TSEs, die angelegt werden."
            ),
        ),
    ] = None,
    port: Annotated[int | None, typer.Option(help=both("Instead of GATEWAY_PORT.", "Statt GATEWAY_PORT."))] = None,
    bind: Annotated[str | None, typer.Option(help=both("Instead of GATEWAY_BIND.", "Statt GATEWAY_BIND."))] = None,
    *,
    fresh: Annotated[
        bool | None,
        typer.Option(
            "--simulator-fresh",
            help=both(
                "Leave simulated TSEs as from the factory, not set up.",
                "Simulierte TSEs lassen, wie sie ab Werk sind: nicht eingerichtet.",
            ),
        ),
    ] = None,
    state_dir: Annotated[
        Path | None, typer.Option(help=both("Instead of GATEWAY_STATE_DIR.", "Statt GATEWAY_STATE_DIR."))
    ] = None,
) -> None:
    """Run the gateway. It ends by SIGTERM, Ctrl-C, or `quit` on the terminal.

    Example: tse-gateway serve --simulator 1

    Deutsch: Das Gateway laufen lassen. Es endet mit SIGTERM, Strg-C, oder `quit` am Terminal.
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
    ready: Annotated[
        bool,
        typer.Option(
            "--ready", help=both("Ask whether a TSE can sign now.", "Fragen, ob jetzt eine TSE signieren kann.")
        ),
    ] = False,
) -> None:
    """Ask whether the gateway of this machine is alive. Exit status 1 if not.

    Example: tse-gateway healthcheck

    Deutsch: Fragen, ob das Gateway dieses Rechners läuft. Exit-Status 1, wenn nicht.
    """
    from gateway.client import healthcheck as check

    print(check.ask(os.environ, config, path="/readyz" if ready else "/healthz"))


def show_config(cli: Cli) -> None:
    """Show every setting and its value. Secrets stay hidden.

    Example: GATEWAY_PORT=4434 tse-gateway config

    Deutsch: Jede Einstellung und ihren Wert zeigen. Geheimnisse bleiben verborgen.
    """
    from gateway.config import settings

    given = cli.settings()
    if cli.as_json:
        cli.print_json([row._asdict() for row in settings.effective(given)])
        return
    cli.table(_CONFIG_HEADS, settings.effective(given, cli.language))


def openapi() -> None:
    """Print the OpenAPI 3.1 document of the REST API.

    Example: tse-gateway openapi > openapi.json

    Deutsch: Das OpenAPI-3.1-Dokument der REST-API ausgeben.
    """
    from gateway.server.api.routes import document

    print(json.dumps(document(), indent=2))


def version(
    as_json: Annotated[
        bool, typer.Option("--json", help=both("Print JSON, for programs.", "JSON ausgeben, für Programme."))
    ] = False,
) -> None:
    """Show the version.

    Example: tse-gateway version

    Deutsch: Die Version zeigen.
    """
    print(json.dumps({"version": __version__}) if as_json else VERSION)
