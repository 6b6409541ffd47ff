"""The doctor of a gateway that runs: the examination of the command, from the inside, and its support bundle."""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from contextlib import AsyncExitStack

from gateway.checks import CheckResult
from gateway.client.api import Api, local
from gateway.config.settings import Settings
from gateway.doctor import bundle, examination

_SHARED = 5.0  # seconds


class RunningDoctor:
    """Asks the gateway by its socket, as a command does. Those who ask within a few seconds share one examination."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._turn = asyncio.Lock()
        self._found: Sequence[CheckResult] = ()
        self._until = 0.0  # time.monotonic

    async def examine(self) -> Sequence[CheckResult]:
        """Examine this machine, from the USB port to the clock."""
        async with self._turn:
            if time.monotonic() >= self._until:
                self._found = await examination.here(self._settings)
                self._until = time.monotonic() + _SHARED
            return self._found

    async def support_bundle(self) -> tuple[str, bytes]:
        """Return the name of a new support bundle and its bytes, a ZIP file."""

        def reach(stack: AsyncExitStack) -> Awaitable[Api]:
            return stack.enter_async_context(local(self._settings))

        parts = await bundle.collected(self._settings, await self.examine(), reach)
        return bundle.file_name(), await asyncio.to_thread(bundle.packed, parts)
