"""A gateway with a simulated TSE that is set up and has sold; prints its URL, token, serial and ca.pem, and waits.

The argument is the generation of the TSE.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.server.api.client import RECEIPT, api_of, make_ready
from tests.server.shop import TOKEN, serve, settings_for


async def open_shop(directory: Path, generation: int) -> None:
    """Until Ctrl-C or a signal."""
    async with serve(settings_for(directory, simulator_generation=generation)) as served, api_of(served) as api:
        await make_ready(served)
        await api.post("/sign", RECEIPT)
        print(served.url, TOKEN, served.serial, served.settings.state_dir / "tls" / "ca.pem", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="shop-") as directory:
        asyncio.run(open_shop(Path(directory), int(sys.argv[1])))
