"""A gateway as a process of its own, for tests of its start and end."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.lan_client import LanClient

_SERVES = re.compile(r"serves on port (\d+)")


class Process:
    """A gateway of its own, its log, and a client of it."""

    def __init__(self, state_dir: Path, process: asyncio.subprocess.Process) -> None:
        self.state_dir, self.process = state_dir, process
        self.log = ""
        self.port = 0

    @property
    def token(self) -> str:
        return (self.state_dir / "api_token").read_text().strip()

    async def until_it_serves(self) -> None:
        self.port = int((await self.until(_SERVES))[1])

    async def until(self, told: re.Pattern[str]) -> re.Match[str]:
        """What the log tells, as soon as it does."""
        while not (found := told.search(self.log)):
            assert await self._read_line(), f"the gateway ended: {self.log[-2000:] or 'silently'}"
        return found

    async def client(self) -> LanClient:
        client = LanClient(self.port, self.token)
        await client.select()
        return client

    async def stop(self, number: int = signal.SIGTERM) -> int:
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        return await self.ended()

    async def ended(self) -> int:
        async with asyncio.timeout(20):
            while await self._read_line():
                pass
            return await self.process.wait()

    async def _read_line(self) -> bool:
        assert self.process.stderr is not None
        async with asyncio.timeout(30):
            line = (await self.process.stderr.readline()).decode()
        self.log += line
        return bool(line)


@asynccontextmanager
async def gateway(
    state_dir: Path, *arguments: str, program: tuple[str, str] = ("-m", "gateway"), **environment: str
) -> AsyncIterator[Process]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *program, "serve", *arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={
            **plain,
            "GATEWAY_STATE_DIR": str(state_dir),
            "GATEWAY_PORT": "0",
            "GATEWAY_BIND": "127.0.0.1",
            "GATEWAY_ADDRESS": "127.0.0.1",
            "GATEWAY_SIMULATOR_FRESH": "true",
            **environment,
        },
    )
    running = Process(state_dir, process)
    try:
        yield running
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        process._transport.close()  # type: ignore[attr-defined]
