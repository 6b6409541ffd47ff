"""The command line: parse, call one function, print. Sub-commands import what they need, so that each starts fast.

Exit status: 0 done, 1 it failed or was refused (one line on standard error says why), 2 wrong usage. `verify` and
`doctor` tell by it how bad it is: 0 in order, 1 warnings, 2 errors.
"""

import sys

import typer

from gateway.cli import (
    archive,
    clients,
    doctor,
    export,
    outages,
    pins,
    qr,
    serve,
    setup,
    simulator,
    support,
    swap,
    tse,
    verify,
)
from gateway.errors import GatewayError

app = typer.Typer(
    name="tse-gateway",
    help="Serve USB TSEs to the network by the LAN-TSE protocol, and look after them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"max_content_width": 120},  # an example is a line to copy
)
for subject in (
    serve,
    tse,
    setup,
    clients,
    pins,
    export,
    archive,
    verify,
    qr,
    outages,
    swap,
    doctor,
    support,
    simulator,
):
    subject.add_to(app)


def main() -> None:
    """Entry point: what went wrong on purpose is one line and exit status 1, never a traceback."""
    try:
        app()
    except GatewayError as error:
        print(f"tse-gateway: {error}", file=sys.stderr)
        sys.exit(1)
