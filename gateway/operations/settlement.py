"""Before anything is signed, the TSE tells what became of the signatures whose end nobody knows.

A key whose end is unclear is found by its place in the store (`recovery`). Whatever somebody else had signed in
the meantime could stand at that place. So the gateway sends no command that begins a signature or empties the
store before the TSE has told the ends of all keys that are unclear; see `Device.command`. All else may pass:
only after the self test can a TSE tell.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from gateway.errors import CommandRejected, DeviceError, GatewayError, LockRefused, ProtocolError, UnknownDevice
from gateway.fleet.device import Device
from gateway.fleet.lock.queue import Lease
from gateway.fleet.registry import Registry
from gateway.operations.exclusive import exclusive
from gateway.operations.journal import Journal, JournalRecord
from gateway.operations.recovery import EndedOtherwise, OutcomeUnknown, resolve

log = logging.getLogger(__name__)

_LOOK_AGAIN = 0.1  # seconds between looks whether a TSE with unclear ends is ready to tell
_PATIENCE = 60.0  # seconds for a TSE that fails whenever it is asked: then tills go on without that key


class Settlement:
    """The unclear keys of all TSEs; `clock` in seconds."""

    def __init__(
        self, registry: Registry, journal: Journal, *, lock_wait: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._registry = registry
        self._journal = journal
        self._lock_wait = lock_wait
        self._clock = clock
        self._carried: dict[str, Lease] = {}
        self._failing_since: dict[str, float] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._unclear = asyncio.Event()
        self._unclear.set()  # the journal may tell of ends that the last process did not live to see
        registry.before_signing["keys"] = self.settle

    @contextmanager
    def carrying_out(self, key: str, lease: Lease) -> Iterator[None]:
        """Note that `key` is signed under `lease`: as long as that holds the lock, its end is not unclear."""
        self._carried[key] = lease
        try:
            yield
        except BaseException:
            self._unclear.set()
            raise
        finally:
            del self._carried[key]

    async def settle(self, device: Device, lease: Lease) -> None:
        """Have the TSE asked for all that is unclear, but for what is carried out under `lease`.

        Raises:
            CommandRejected: the TSE cannot tell before its self test.
            DeviceError, ProtocolError: it failed.
        """
        if not self._journal.unclear(device.serial):
            return
        async with self._turns[device.serial]:
            for record in self._journal.unclear(device.serial):
                if self._carried.get(record.key) is not lease:
                    await self._settle(record, device)

    async def run(self) -> None:
        """Settle what is unclear as soon as the TSE can tell, even if nobody wants to sign. Never returns."""
        while True:
            await self._unclear.wait()
            self._unclear.clear()
            while unclear := self._journal.unclear():
                for serial in dict.fromkeys(record.serial for record in unclear):
                    await self._look_at(serial)
                await asyncio.sleep(_LOOK_AGAIN)

    async def _look_at(self, serial: str) -> None:
        try:
            device = self._registry.find(serial)
            if device.failed.is_set() or not device.info.ctss_active:
                return
            async with exclusive(device, self._lock_wait) as tse:
                await self.settle(device, tse.lease)
        except (DeviceError, LockRefused, CommandRejected, ProtocolError, UnknownDevice):
            return  # it is asked again later

    async def _settle(self, record: JournalRecord, device: Device) -> None:
        try:
            await resolve(self._journal, record, device)
        except (OutcomeUnknown, EndedOtherwise) as error:
            await self._give_up(record, error)
        except CommandRejected:  # it answers, and will tell after its self test
            self._failing_since.pop(record.key, None)
            raise
        except (DeviceError, ProtocolError) as error:
            since = self._failing_since.setdefault(record.key, self._clock())
            if self._clock() - since < _PATIENCE:
                raise
            await self._give_up(record, OutcomeUnknown(error.text))
        self._failing_since.pop(record.key, None)

    async def _give_up(self, record: JournalRecord, error: GatewayError) -> None:
        log.warning("the end of a signature on TSE %s stays unknown: %s", record.serial, error)
        await self._journal.update(replace(record, given_up=error.code))
