"""The command line: parse, call one function, print. Commands import what they need when called, to start fast.

Exit status: 0 done, 1 it failed or was refused (one line on standard error says why), 2 wrong usage. `verify` and
`doctor`: 0 in order, 1 warnings, 2 errors.
"""

import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence

from gateway import __version__
from gateway.errors import GatewayError
from gateway.i18n.negotiation import from_command_line

# Container engines call these all the time, on small computers: without the parser they take a fifth of the time.
_PROBES = {("healthcheck",): "/healthz", ("healthcheck", "--ready"): "/readyz"}

VERSION = f"tse-gateway {__version__}"


def main() -> None:
    """Run the command line; an error that is meant for people is one line and exit status 1, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without arrows must not end a command
    try:
        if sys.argv[1:] == ["version"]:
            print(VERSION)
        elif not _probed(sys.argv[1:], os.environ):
            _program_for(sys.argv[1:], os.environ)(prog_name="tse-gateway")
    except GatewayError as error:
        language = from_command_line(sys.argv[1:], os.environ)
        told = f"tse-gateway: {error.in_language(language)}"
        if sys.stderr.isatty():
            from gateway.cli.formatting import wrapped

            told = wrapped(told, sys.stderr)
        print(told, file=sys.stderr)
        sys.exit(1)


def _program_for(arguments: Sequence[str], environment: Mapping[str, str]) -> Callable[..., object]:
    """Return the program, with `serve` alone if that is asked for: its process stays, and 4 MB smaller so."""
    if arguments[:1] == ["serve"] and "_TSE_GATEWAY_COMPLETE" not in environment:
        from gateway.cli import serve
        from gateway.cli.program import program

        return program([serve])
    from gateway.cli.commands import app

    return app


def _probed(arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Do a health check without the parser; return whether the arguments ask for one."""
    path = _PROBES.get(tuple(arguments))
    if path is None or "_TSE_GATEWAY_COMPLETE" in environment:
        return False
    from gateway.client import healthcheck

    print(healthcheck.ask(environment, path=path))
    return True
