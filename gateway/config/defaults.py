"""What this machine gives in place of a setting: where its user keeps state, and by which address others reach it."""

import socket
from collections.abc import Mapping
from pathlib import Path

SOCKET = "gateway.sock"  # in the state directory, for programs of this machine


def default_state_dir(environ: Mapping[str, str]) -> Path:
    """Return where programs of this user keep their state (XDG Base Directory Specification)."""
    base = environ.get("XDG_STATE_HOME") or Path(environ.get("HOME") or Path.home(), ".local", "state")
    return Path(base, "tse-gateway")


def primary_address() -> str:
    """Return the address by which this host reaches others; asks the kernel's routes and sends nothing."""
    for family, elsewhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((elsewhere, 9))  # a datagram socket only looks up the route
                return str(probe.getsockname()[0])
        except OSError:
            continue
    return "127.0.0.1"
