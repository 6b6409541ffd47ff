"""session.txt: what a POS is configured with (serial, address, port, token), in the form of the LAN connector."""

from collections.abc import Sequence
from typing import Protocol

from gateway import __version__
from gateway.access.lan_token import Token
from gateway.config.settings import Settings
from gateway.storage.atomic import write_private

NAME = "session.txt"


class ListedInfo(Protocol):
    """What the file says of a TSE as the TSE tells it."""

    @property
    def max_registered_clients(self) -> int: ...


class ListedTse(Protocol):
    """What the file says of a TSE."""

    @property
    def serial(self) -> str: ...
    @property
    def place(self) -> str: ...
    @property
    def info(self) -> ListedInfo: ...


def write(settings: Settings, tses: Sequence[ListedTse], token: Token, port: int) -> None:
    """Replace the file in the state directory, readable by its owner only.

    Raises:
        ConfigurationError: it cannot be written.
    """
    write_private(settings.state_dir / NAME, render(settings.address, port, token, tses).encode())


def render(address: str, port: int, token: Token, tses: Sequence[ListedTse], version: str = __version__) -> str:
    """Return the text, lines ended by CR LF; the number of clients is the one that each of the TSEs supports."""
    host = f"[{address}]" if ":" in address else address
    clients = min((tse.info.max_registered_clients for tse in tses), default=0)
    lines = [
        "Starting TSE Gateway...",
        f"V {version}",
        f"{_origin(token)}: {token.value}",
        "Please note: apiToken can be changed by editing the gateway's configuration (GATEWAY_API_TOKEN).",
        "TSE List",
        "MOUNT POINT:    TSE SERIAL NUMBER",
        *(f"{tse.place}:        {tse.serial}" for tse in tses),
        f"REST API        (https://{host}:{port})",
        f"apiToken:       {token.value}",
        f"**** Important note: Currently {len(tses)} TSE detected with max. {clients} POS Clients supported ****",
        "TSE GATEWAY LANTSE SERVER SUCCESSFULLY STARTED.",
    ]
    return "".join(f"{line}\r\n" for line in lines)


def _origin(token: Token) -> str:
    if token.configured:
        return "LAN TSE apiToken set by configuration"
    return "Generated LAN TSE random apiToken on first startup"
