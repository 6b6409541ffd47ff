"""Receipts through `sbtse serve` (PyPI), another way from HTTP to a USB TSE: one worker, no TLS, no token.

It needs the vendor's library, see CONTRIBUTING.md: measured where `sbtse` is on the path and WORMAPI_DIR is set.
"""

import asyncio
import json
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.bench.served import BlockingClient
from tests.bench.till import DATA, TYPE
from tests.support import CLIENT, TIME_ADMIN_PIN

_START = 60.0  # seconds
_LIBRARY = "x64.so"


class SbtseTill:
    """A till of it."""

    def __init__(self, port: int) -> None:
        self._client = BlockingClient(port, "", tls=False)

    def sign(self) -> None:
        """A receipt in two requests."""
        number = self._post("/transactions/", "", "")["transactionNumber"]
        self._post(f"/transactions/{number}/finish", TYPE.decode(), DATA.decode())

    def close(self) -> None:
        """Drop the connection."""
        self._client.close()

    def _post(self, path: str, kind: str, data: str) -> dict[str, int]:
        body = {"client_id": CLIENT.decode(), "process_type": kind, "process_data": data}
        found: dict[str, int] = json.loads(self._client.ask("POST", path, json.dumps(body).encode()))
        return found


def installed() -> bool:
    """Whether it can be measured here."""
    library = Path(os.environ.get("WORMAPI_DIR", "/nonexistent"), _LIBRARY)
    return shutil.which("sbtse") is not None and library.exists()


@asynccontextmanager
async def serving(place: Path, scratch: Path) -> AsyncIterator[SbtseTill]:
    """A till of it; the TSE is mounted at `place`, and ready."""
    (scratch / "libWormAPI.so").symlink_to(Path(os.environ["WORMAPI_DIR"], _LIBRARY))  # is looked for where it runs
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *("sbtse", "--path", str(place), "serve", "--port", str(port), "--time-admin-pin", TIME_ADMIN_PIN.decode()),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=scratch,
    )
    try:
        till = await _connected(port)
        till.sign()  # it opens the TSE, and gives it the time
        yield till
        till.close()
    finally:
        process.terminate()
        await process.wait()


async def _connected(port: int) -> SbtseTill:
    async with asyncio.timeout(_START):
        while True:
            try:
                return SbtseTill(port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.1)
