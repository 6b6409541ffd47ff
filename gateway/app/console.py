"""A gateway that was started on a terminal: it shows what the POS needs, and stops at `quit`."""

import asyncio
import contextlib
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from gateway.i18n.negotiation import from_command_line
from gateway.i18n.text import Text

_VALUES = Text(
    "\n  Address   {address}\n  Port      {port}\n  apiToken  {token}\n\n"
    "  These three values go into the POS; they also stand in {file}",
    "\n  Adresse   {address}\n  Port      {port}\n  apiToken  {token}\n\n"
    "  Diese drei Werte kommen in die Kasse; sie stehen auch in {file}",
)
_SIGNS = Text(
    "  This signs a receipt, by a simulated TSE that is not certified:\n\n{line}\n",
    "  Das signiert einen Beleg, mit einer simulierten, nicht zertifizierten TSE:\n\n{line}\n",
)
_QUIT = Text("  Type quit to stop.\n", "  Mit der Eingabe quit wird es beendet.\n")
_RECEIPT = (
    '{"client_id": "POS-1", "receipt": {"amounts": {"normal": "1.19"}, '
    '"payments": [{"type": "Bar", "amount": "1.19"}]}}'
)


def show_connection_data(address: str, port: int, token: str, session_file: Path, first_receipt: str = "") -> None:
    """Print the three values for the POS, the token among them; to a terminal only."""
    if not sys.stdout.isatty():
        return
    language = from_command_line(sys.argv[1:], os.environ)
    print(_VALUES.in_language(language, address=address, port=port, token=token, file=session_file))
    if first_receipt:
        print(_SIGNS.in_language(language, line=first_receipt))
    print(_QUIT.in_language(language))


def receipt_line(host: str, port: int, token: str, serial: str, trust: Path) -> str:
    """Return the line for a shell that has the TSE with this serial sign a receipt of POS-1."""
    return (
        f"curl --cacert {shlex.quote(str(trust))} -u {shlex.quote(f'lantse:{token}')} "
        f"-H 'Content-Type: application/json' -d '{_RECEIPT}' https://{host}:{port}/api/v1/tses/{serial}/sign"
    )


@contextlib.contextmanager
def quit_command(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` when somebody types `quit`."""
    if not sys.stdin.isatty():
        yield
        return

    def read() -> None:
        line = sys.stdin.readline()
        if not line:
            loop.remove_reader(sys.stdin)
        elif line.strip().lower() == "quit":
            stop()

    loop.add_reader(sys.stdin, read)
    try:
        yield
    finally:
        loop.remove_reader(sys.stdin)
