"""What systemd is told by datagrams, see sd_notify(3): the gateway serves, its event loop has turns, it stops."""

import asyncio
import logging
import os
import socket
from collections.abc import Mapping

log = logging.getLogger(__name__)


class Systemd:
    """systemd as `environ` names it for this process; where it does not, nothing is told.

    `patience`: seconds after which it ends a process that it hears nothing from (WatchdogSec=); None if it does not.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        microseconds, process = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
        watches = microseconds.isdecimal() and int(microseconds) and process in {"", str(os.getpid())}
        self.patience = int(microseconds) / 1e6 if watches else None

    def tell(self, state: str) -> None:
        """Send `state`, such as READY=1, without ever waiting; log it if that fails."""
        if not self._address:
            return
        # A leading @ stands for the null byte of an abstract address.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as datagrams:
                datagrams.sendto(state.encode(), address)
        except OSError as error:
            log.warning("systemd could not be told %s: %s", state, error.strerror)

    async def keep_informed(self) -> None:
        """Tell for ever, twice in the time of its patience, that the event loop has turns."""
        while self.patience is not None:
            self.tell("WATCHDOG=1")
            await asyncio.sleep(self.patience / 2)
